"""The house itself: roots, floors, sizes, pins, and what the wheel carries."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hatchling.build import build_wheel
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["importlinter"]["root_packages"]
SHIPPED: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

MOST_LINES_OF_A_FILE = 399
MOST_LINES_OF_A_FUNCTION = 49


def python_files() -> list[Path]:
    """Our own Python files, tests included; not the revisions, which are records of the schema's history."""
    folders = ("tenants", "billing", "reporting", "platform", "tests")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def pins(lock: Path) -> set[str]:
    """`name==version` of every package in a lock."""
    return set(re.findall(r"^[a-z0-9.\-\[\],]+==\S+", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))


def long_functions(path: Path) -> Iterator[str]:
    """`file:line name (lines)` for each function of the file that is too long."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name} ({lines})"


def test_platform_is_a_folder_and_the_module_platform_is_the_standard_one() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    # In a fresh interpreter started at the root, where our folder is the first that could be found.
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import platform; print(platform.python_version())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == ".".join(map(str, sys.version_info[:3]))


def test_imports_keep_to_the_floors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    status = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_files_and_functions_stay_short_enough_to_read() -> None:
    long_files = [
        f"{path.relative_to(ROOT)} ({lines})"
        for path in python_files()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES_OF_A_FILE
    ]
    assert long_files == []
    assert [line for path in python_files() for line in long_functions(path)] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_what_it_owns_in_its_own_words(name: str) -> None:
    package = importlib.import_module(name)
    assert package.__file__ is not None
    paragraph = package.__doc__ or ""
    assert len(paragraph.split()) > 25
    assert re.search(r"[\u4e00-\u9fff]", paragraph), "the field's words stand in Chinese too"
    assert (Path(package.__file__).parent / "py.typed").exists()


def test_every_package_is_shipped_and_walled() -> None:
    on_disk = {path.parent.name for path in ROOT.glob("platform/*/__init__.py")} | {
        path.parent.name for path in ROOT.glob("*/__init__.py")
    }
    assert {Path(folder).name for folder in SHIPPED} == on_disk | {"migrations"}
    assert set(PACKAGES) == on_disk - {"migrations"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_hashes_and_names_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    entries = re.findall(r"^[a-zA-Z0-9][^\n]*(?:\n {4}[^\n]*)*", text, flags=re.MULTILINE)
    assert entries
    assert [pin.split()[0] for pin in entries if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_all_locks_pin_the_same_versions() -> None:
    everything, *parts = sorted(LOCKS, key=lambda path: path.name != "dev.txt")
    for part in parts:
        assert pins(part)
        assert pins(part) <= pins(everything), part.name


def test_the_lock_of_the_browser_assets_has_hashes_and_names_no_registry() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    del packages[""]
    assert packages
    for name, facts in packages.items():
        assert facts["integrity"].startswith("sha512-"), name
        assert "resolved" not in facts, name


def test_no_other_lock_is_kept() -> None:
    others = ("uv.lock", "poetry.lock", "pdm.lock", "yarn.lock", "pnpm-lock.yaml", "Pipfile.lock")
    assert [name for name in others if (ROOT / name).exists()] == []


def test_the_wheel_carries_every_file_of_every_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))) as wheel:
        carried = set(wheel.namelist())
    expected = {
        str(path.relative_to((ROOT / folder).parent))
        for folder in SHIPPED
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in expected if name.startswith("foundation/static/vendor/")}, "run make assets"
    assert expected - carried == set()
    assert not any(name.startswith(("tests/", "platform/", "helm/")) for name in carried)
