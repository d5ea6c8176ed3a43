"""The four sample files through the upload page and the API: what `expected.json` says, each time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imports import run_imports
from web_client import Browser, browsing
from world import World

from foundation.database import Database

SAMPLES = Path(__file__).parents[2] / "platform" / "careloop" / "samples"
EXPECTED: dict[str, Any] = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))
API = "/api/v1/h/heqing/imports"


@pytest.fixture
def admin(db: Database, world: World) -> Iterator[Browser]:
    with browsing(db) as browser:
        yield browser.enter(world.people["heqing_admin"])


def uploaded(browser: Browser, name: str, content: bytes) -> dict[str, Any]:
    """By the page: sent, checked, confirmed."""
    address = browser.post("/h/heqing/imports", files={"file": (name, content)}).headers["location"]
    run_imports(browser.runtime)
    assert browser.post(f"{address}/confirm", {"looked": "yes"}).status_code == 303
    run_imports(browser.runtime)
    found: dict[str, Any] = browser.get(f"/api/v1{address}").json()
    return found


def posted(browser: Browser, name: str, content: bytes) -> dict[str, Any]:
    """By a program: sent, and asked until it is over."""
    sent = browser.post(API, files={"file": (name, content)})
    assert sent.status_code == 202, sent.text
    assert sent.json()["state"] == "waiting"
    run_imports(browser.runtime)
    found: dict[str, Any] = browser.get(sent.json()["address"]).json()
    return found


@pytest.mark.parametrize("way", [uploaded, posted])
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_way_reports_what_is_expected(admin: Browser, name: str, way: Any) -> None:
    expected = EXPECTED[name]
    told = way(admin, name, (SAMPLES / name).read_bytes())
    assert told["state"] == "done", told["failure"]
    assert (told["rows"], told["created"], told["rejected"]) == (
        expected["rows"], expected["created"], expected["rejected_total"],
    )  # fmt: skip
    assert told["rows"] == told["created"] + told["updated"] + told["unchanged"] + told["rejected"]
    if "warnings" in expected:
        assert told["warnings"] == expected["warnings"]
        assert told["reject_reasons"] == expected["rejected"]
        assert told["suppressed"] == expected["suppressed_deceased"]
        returned = admin.get(f"{told['address']}/rejected")
        assert returned.status_code == 200
    lines = admin.get(f"{told['address']}/verdicts").content.decode("utf-8-sig").splitlines()
    assert len(lines) == 1 + expected["rows"]


def test_a_program_says_which_column_is_which_once(admin: Browser) -> None:
    content = "编码,称呼,离开\nA1,王芳,2026-09-05\n".encode()
    refused = admin.post(API, files={"file": ("a.csv", content)})
    assert refused.status_code == 422
    for wrong in ("[]", "{", '{"name": "姓名"}', '{"salary": "编码"}', '{"name": "称呼"}'):
        answer = admin.post(API, {"columns": wrong}, files={"file": ("a.csv", content)})
        assert answer.status_code == 422, wrong
    columns = json.dumps({"record_number": "编码", "name": "称呼", "discharged_on": "离开"})
    sent = admin.post(API, {"columns": columns}, files={"file": ("a.csv", content)})
    assert sent.status_code == 202, sent.text
    run_imports(admin.runtime)
    later = admin.post(API, files={"file": ("b.csv", content + "A2,李雷,2026-09-06\n".encode())})
    assert later.status_code == 202
    run_imports(admin.runtime)
    told = admin.get(later.json()["address"]).json()
    assert (told["created"], told["unchanged"], told["layout"]) == (1, 1, "by_hand")


def test_a_program_is_refused_a_changed_header_and_told_of_everything_else(admin: Browser) -> None:
    rows = "A{n},王芳,2026-09-05,13812345678\n"
    for turn in range(3):
        content = "病案号,姓名,出院日期,手机号\n" + "".join(rows.format(n=f"{turn}{n}") for n in range(9))
        assert posted(admin, f"{turn}.csv", content.encode())["alarms"] == []
    changed = ("病案号,姓名,出院日期,本人电话\n" + rows.format(n=1)).encode()
    refused = admin.post(API, files={"file": ("c.csv", changed)})
    assert refused.status_code == 422
    for heading in ("手机号", "本人电话", "患者电话"):
        assert heading in refused.text, "named with the field it held"
    sent = admin.post(f"{API}?accept_header=true", files={"file": ("c.csv", changed)})
    assert sent.status_code == 202, sent.text
    run_imports(admin.runtime)
    told = admin.get(sent.json()["address"]).json()
    assert (told["state"], [alarm["code"] for alarm in told["alarms"]]) == (
        "done",
        ["header_changed", "size"],
    )
    assert posted(admin, "d.csv", changed)["state"] == "done", "accepted once, read from then on"


def test_a_program_stops_undoes_and_confirms(admin: Browser) -> None:
    content = (SAMPLES / "beishan_discharges_202609.csv").read_bytes()
    sent = admin.post(API, files={"file": ("a.csv", content)}).json()
    assert admin.post(f"{sent['address']}/stop").json()["state"] == "stopped"
    assert admin.post(f"{sent['address']}/stop").status_code == 422
    checked = admin.post(f"{API}?dry_run=true", files={"file": ("a.csv", content)}).json()
    run_imports(admin.runtime)
    assert admin.post(f"{checked['address']}/confirm").json()["state"] == "waiting"
    run_imports(admin.runtime)
    assert admin.get(checked["address"]).json()["created"] == 181
    undone = admin.post(f"{checked['address']}/undo")
    assert undone.json()["state"] == "undone", undone.text
    assert admin.get("/api/v1/h/heqing/patients").json()["patients"] == []


def test_what_is_too_large_is_refused_by_its_size_alone(admin: Browser) -> None:
    for path, language in (("/h/heqing/imports", "MB"), (API, "MB")):
        headers = {
            "x-csrftoken": admin.token(),
            "content-type": "multipart/form-data; boundary=x",
            "content-length": str(2 * 1024**3),
        }
        answer = admin.client.post(path, headers=headers, content=iter([b"--x"]), follow_redirects=False)
        assert answer.status_code == 413, answer.text
        assert language in answer.text
