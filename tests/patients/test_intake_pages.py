"""The page of one list (SC-53): columns chosen once, a changed header asked about, alarms looked at."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from imports import run_imports
from sqlalchemy import func, select
from web_client import Browser, browsing
from world import World

from foundation.audit import AuditEvent
from foundation.database import Database
from foundation.outbox import OutboxMessage
from patients import consent, intake_jobs, undo_run
from patients.models import ColumnLayout, DataImport, Encounter

KNOWN = "病案号,姓名,出院日期,联系电话\n"
STRANGE = "编码,称呼,离开,电话一\n"
ROW = "A{n},张建国,2026-09-0{n},1381234567{n}\n"
LIST = "".join(ROW.format(n=n) for n in range(1, 6))


@pytest.fixture
def admin(db: Database, world: World) -> Iterator[Browser]:
    with browsing(db) as browser:
        yield browser.enter(world.people["heqing_admin"])


def send(browser: Browser, content: str, name: str = "list.csv") -> str:
    answer = browser.post("/h/heqing/imports", files={"file": (name, content.encode())})
    assert answer.status_code == 303, answer.text
    run_imports(browser.runtime)
    return str(answer.headers["location"])


def imported(browser: Browser, content: str) -> str:
    address = send(browser, content)
    assert browser.post(f"{address}/confirm", {"looked": "yes"}).status_code == 303
    run_imports(browser.runtime)
    return address


def text_of(browser: Browser, path: str) -> str:
    page = browser.get(path)
    assert page.status_code == 200
    return html.unescape(re.sub(r"<[^>]+>", " ", page.text.split("<main", 1)[1]))


def state(world: World, address: str) -> str:
    with world.hospital(world.heqing) as session:
        return session.get_one(DataImport, (session.tenant_id, UUID(address.rsplit("/", 1)[-1]))).state


def test_columns_nobody_knows_are_chosen_once(admin: Browser, world: World) -> None:
    address = send(admin, STRANGE + LIST)
    assert state(world, address) == "mapping"
    page = text_of(admin, address)
    assert "张**" in page
    assert "138****71" in page
    for secret in ("张建国", "13812345671"):
        assert secret not in page
    chosen = {
        "column-0": "record_number",
        "column-1": "name",
        "column-2": "discharged_on",
        "column-3": "name",
    }
    twice = admin.post(f"{address}/columns", chosen)
    assert twice.status_code == 422
    assert "“称呼”和“电话一”" in html.unescape(twice.text)
    assert admin.post(f"{address}/columns", {"column-0": "name"}).status_code == 422
    assert admin.post(f"{address}/header").status_code == 422, "there is nothing to read it by"
    assert admin.post(f"{address}/columns", chosen | {"column-3": "phone"}).status_code == 303
    run_imports(admin.runtime)
    assert state(world, address) == "checked"
    assert admin.post(f"{address}/confirm").status_code == 303
    run_imports(admin.runtime)
    again = send(admin, STRANGE + LIST + ROW.format(n=6))
    assert state(world, again) == "checked", "read without a question"
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Encounter)) == 5
        assert session.scalars(select(ColumnLayout.by_hand)).one()
        acts = session.scalars(select(AuditEvent.action).where(AuditEvent.action.like("patients.columns%")))
        assert acts.all() == ["patients.columns_chosen"]
        layout_id = session.scalars(select(ColumnLayout.id)).one()
    assert "电话一" in text_of(admin, "/h/heqing/imports/headers")
    assert admin.post(f"/h/heqing/imports/headers/{layout_id}/forget").status_code == 303
    assert state(world, send(admin, STRANGE + LIST + ROW.format(n=7))) == "mapping"


def test_a_changed_header_is_asked_about_and_accepted_once(admin: Browser, world: World) -> None:
    imported(admin, KNOWN + LIST)
    changed = KNOWN.replace("联系电话", "本人电话")
    address = send(admin, changed + LIST)
    assert state(world, address) == "mapping"
    page = text_of(admin, address)
    assert "缺少：联系电话 (患者电话)。新增：本人电话" in page
    assert admin.post(f"{address}/header").status_code == 303
    run_imports(admin.runtime)
    assert state(world, address) == "checked"
    assert admin.post(f"{address}/confirm").status_code == 303, "it was looked at already"
    run_imports(admin.runtime)
    assert state(world, send(admin, changed + LIST + ROW.format(n=6))) == "checked"


def test_a_list_of_another_size_or_hospital_wants_a_second_look(admin: Browser, world: World) -> None:
    for n in range(3):
        imported(admin, KNOWN + LIST + f"B{n},王芳,2026-09-05,\n")
    address = send(admin, "云岭妇幼保健院出院名单\n" + KNOWN + ROW.format(n=1))
    assert state(world, address) == "checked"
    page = text_of(admin, address)
    assert "最近三次平均 6 行" in page
    assert "云岭妇幼保健院" in page
    assert admin.post(f"{address}/confirm").status_code == 422
    assert state(world, address) == "checked"
    assert admin.post(f"{address}/confirm", {"looked": "yes"}).status_code == 303
    run_imports(admin.runtime)
    assert state(world, address) == "done"


def test_the_check_shows_what_is_stored_beside_what_would_be(admin: Browser) -> None:
    imported(admin, KNOWN + LIST)
    page = text_of(admin, send(admin, KNOWN + LIST.replace("张建国", "李雷") + ",王芳,2026-09-05,\n"))
    assert "张**" in page
    assert "李**" in page
    assert "没有病案号" in page
    for secret in ("张建国", "李雷", "王芳", "13812345671"):
        assert secret not in page


def test_what_failed_says_why_and_can_be_tried_again(admin: Browser, world: World) -> None:
    address = send(admin, KNOWN)
    assert state(world, address) == "failed"
    assert "没有" in text_of(admin, address)
    assert admin.post(f"{address}/again").status_code == 303
    run_imports(admin.runtime)
    assert state(world, address) == "failed"
    assert admin.post(f"{address}/confirm").status_code == 422


def test_progress_is_a_piece_of_the_page_until_it_is_over(admin: Browser, world: World) -> None:
    address = str(
        admin.post("/h/heqing/imports", files={"file": ("a.csv", (KNOWN + LIST).encode())}).headers[
            "location"
        ]
    )
    piece = admin.get(f"{address}/progress", headers={"HX-Request": "true"})
    assert "<progress" in piece.text
    assert "hx-refresh" not in piece.headers
    assert admin.post(f"{address}/stop").status_code == 303
    assert state(world, address) == "stopped"
    assert admin.get(f"{address}/progress", headers={"HX-Request": "true"}).headers["hx-refresh"] == "true"
    assert "导入已停止" in text_of(admin, address)


def test_what_was_done_is_undone_from_the_page(admin: Browser, world: World) -> None:
    address = imported(admin, KNOWN + LIST)
    assert "撤销这次导入" in text_of(admin, address)
    assert admin.post(f"{address}/undo").status_code == 303
    assert state(world, address) == "undone"
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Encounter)) == 0


def test_a_large_list_is_undone_by_the_worker_once_whoever_dies(
    admin: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo_run, "AT_ONCE", 4)
    address = imported(admin, KNOWN + LIST)
    for _click in range(2):
        assert admin.post(f"{address}/undo").status_code == 303
    assert state(world, address) == "done"
    page = text_of(admin, address)
    assert "正在撤销" in page
    assert "撤销这次导入" not in page
    assert "正在撤销" in text_of(admin, "/h/heqing/imports")
    piece = admin.get(f"{address}/progress", headers={"HX-Request": "true"})
    assert "<progress" in piece.text
    assert "hx-refresh" not in piece.headers
    with world.hospital(world.heqing) as session:
        hints = list(session.scalars(select(OutboxMessage).where(OutboxMessage.job == undo_run.JOB)))
        assert len(hints) == 1, "two clicks are one"
        hints[0].sent_at = admin.runtime.clock.now()  # its worker was killed
    with world.hospital(world.heqing) as session:
        intake_jobs.imports_due(session, admin.runtime.clock.now())
    assert run_imports(admin.runtime, undo_run.JOB) == 1
    assert state(world, address) == "undone"
    assert admin.get(f"{address}/progress", headers={"HX-Request": "true"}).headers["hx-refresh"] == "true"
    assert "陈静" in text_of(admin, address), "who asked"
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Encounter)) == 0
        assert undo_run.due(session) == []


def test_what_is_built_while_an_undo_waits_stops_it_and_is_said(
    admin: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo_run, "AT_ONCE", 4)
    address = imported(admin, KNOWN + LIST)
    admin.post(f"{address}/undo")
    with world.hospital(world.heqing) as session:
        patient_id = session.scalars(select(Encounter.patient_id)).first()
        assert patient_id is not None
        consent.withdraw(session, patient_id, source="sms", now=admin.runtime.clock.now())
    assert "正在撤销该次导入" in text_of(admin, address)
    run_imports(admin.runtime, undo_run.JOB)
    assert state(world, address) == "done"
    page = text_of(admin, address)
    assert "正在撤销" not in page
    assert "同意" in page


@pytest.mark.parametrize("content", [STRANGE + LIST, KNOWN + LIST, KNOWN])
def test_each_state_speaks_english_as_well(admin: Browser, world: World, content: str) -> None:
    admin.enter(world.people["heqing_admin"], "en")
    address = send(admin, content)
    text = text_of(admin, address)
    left = set(re.findall(r"[\u4e00-\u9fff]+", text)) - set(re.findall(r"[\u4e00-\u9fff]+", STRANGE + KNOWN))
    assert left <= {"陈静", "张", "中文"}
