"""The command line as a person types it: real processes, one sentence for a mistake, nothing half done."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from foundation.embedded import private_folder

SAMPLES = Path(__file__).parents[2] / "platform" / "careloop" / "samples"
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A data folder of its own with one firm and one hospital."""
    with private_folder() as folder:
        data_dir = folder / "data"
        run(data_dir, "firm", "create", "--code", "hk", "--name", "恒康客服")
        run(
            data_dir, "hospital", "create", "--firm", "hk", "--code", "heqing", "--name",
            "河清市第一人民医院",
            "--type", "general", "--region", "130100", "--grade", "3A",
        )  # fmt: skip
        yield data_dir


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "careloop", *words]


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARELOOP_")}
    return {**kept, "CARELOOP_DATA_DIR": str(data_dir), **more}


def run(data_dir: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        env=environment(data_dir, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_file_is_imported_once_and_its_rejected_rows_come_back(home: Path, tmp_path: Path) -> None:
    sample = SAMPLES / "beishan_discharges_202609.csv"
    expected = json.loads((SAMPLES / "expected.json").read_text())[sample.name]
    rejected = tmp_path / "rejected.csv"
    words = ("import", str(sample), "--hospital", "heqing", "--json", "--rejected-to", str(rejected))
    dry = json.loads(run(home, *words[:-2], "--dry-run").stdout)
    first = json.loads(run(home, *words).stdout)
    second = json.loads(run(home, *words).stdout)
    for result in (dry, first):
        assert {key: result[key] for key in ("rows", "created", "updated", "unchanged")} == {
            key: expected[key] for key in ("rows", "created", "updated", "unchanged")
        }
        assert result["rejected"] == expected["rejected_total"]
        assert result["warnings"] == expected["warnings"]
    assert (second["created"], second["updated"]) == (0, 0)
    assert second["unchanged"] == expected["created"] + expected["unchanged"]
    assert len(rejected.read_text("gb18030").splitlines()) == 1 + expected["rejected_total"]
    assert rejected.stat().st_mode & 0o777 == 0o600, "patients in the clear are for the owner alone"
    assert (dry["state"], first["state"], first["alarms"]) == ("checked", "done", [])


def test_a_changed_header_is_refused_unless_it_is_accepted_and_columns_are_remembered(
    home: Path, tmp_path: Path
) -> None:
    run(
        home, "hospital", "create", "--firm", "hk", "--code", "beishan", "--name", "北山县中医院",
        "--type", "general", "--region", "130100", "--grade", "3A",
    )  # fmt: skip
    file = tmp_path / "list.csv"

    def sent(header: str, *words: str) -> subprocess.CompletedProcess[str]:
        file.write_text(f"{header}\nA1,王芳,2026-09-05,13812345678\nA2,,某日,\n", encoding="utf-8")
        return run(home, "import", str(file), "--hospital", "beishan", *words)

    unknown = sent("编码,称呼,离开,电话一")
    assert (unknown.returncode, len(unknown.stderr.strip().splitlines())) == (2, 1)
    columns = ("--columns", "record_number=编码", "name=称呼", "discharged_on=离开", "phone=电话一")
    assert sent("编码,称呼,离开,电话一", *columns, "--json").returncode == 0
    again = sent("编码,称呼,离开,电话一", "--json")
    assert (json.loads(again.stdout)["unchanged"], json.loads(again.stdout)["rejected"]) == (1, 1)
    changed = sent("病案号,姓名,出院日期,手机")
    assert changed.returncode == 2
    assert "电话一" in changed.stderr
    assert sent("病案号,姓名,出院日期,手机", "--accept-header", "--json").returncode == 0
    assert sent("病案号,姓名,出院日期,手机", "--json").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.csv"], "no patients left in the clear"


def test_a_reader_who_has_seen_enough_may_go(home: Path) -> None:
    sample = SAMPLES / "beishan_discharges_202609.csv"
    words = [*command("import", str(sample), "--hospital", "heqing", "--dry-run")]
    importing = subprocess.Popen(
        words, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert importing.stdout is not None
    importing.stdout.close()
    _out, told = importing.communicate(timeout=PATIENCE_SECONDS)
    assert told == ""
    assert importing.returncode == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("import", "no-such-file.csv", "--hospital", "heqing"), "no file"),
        (("import", __file__, "--hospital", "nowhere"), "no hospital"),
        (("firm", "create", "--code", "hk", "--name", "X"), "hk"),
        (("person", "invite", "--role", "king", "--email", "a@b.cn", "--firm", "hk"), "king"),
        (("person", "invite", "--role", "hospital_gm", "--email", "a@b.cn", "--firm", "hk"), "--hospital"),
        (("demo", "--json"), "--headless"),
        (("dance",), "dance"),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(home: Path, words: tuple[str, ...], told: str) -> None:
    result = run(home, *words)
    assert result.returncode == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CARELOOP_PORT", "99999"),
        ("CARELOOP_MASTER_KEY", "c2hvcnQ="),
        ("CARELOOP_BROKER_URL", "kafka://127.0.0.1"),
        ("CARELOOP_BROKER_URL", "amqp://127.0.0.1:1"),
    ],
)
def test_the_doctor_names_a_wrong_setting_and_the_fix(home: Path, name: str, value: str) -> None:
    result = run(home, "doctor", **{name: value})
    assert result.returncode == 2
    assert name in result.stdout
    assert "Fix:" in result.stdout


def test_the_doctor_finds_nothing_wrong_with_a_healthy_installation(home: Path) -> None:
    result = run(home, "doctor", "--json")
    assert result.returncode == 0, result.stdout
    assert "stand around every table" in json.loads(result.stdout)["walls"]


def test_a_killed_program_is_followed_by_another_and_a_second_one_is_told_who_holds_the_folder(
    home: Path,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serving = subprocess.Popen(
        command("serve"),
        env=environment(home, CARELOOP_PORT=str(port)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(port)
        second = run(home, "demo")
        assert second.returncode == 2
        assert str(serving.pid) in second.stderr
        assert "careloop serve" in second.stderr
        beside = run(home, "doctor", "--json")
        assert beside.returncode == 0, "another command works beside it, on the same server"
    finally:
        os.killpg(serving.pid, signal.SIGKILL)
        serving.wait()
    after = run(home, "doctor", "--json")
    assert after.returncode == 0, after.stdout


def wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the web server did not become ready")
