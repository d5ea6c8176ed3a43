"""The workbench and the call card, as the agent's browser sees them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from careloop import wiring
from foundation.clock import SetClock
from foundation.database import Database, HospitalSession
from foundation.ids import new_id
from outreach.models import Call, ContactTask, PatientHold
from patients.models import ContactPoint, Patient, Suppression
from tenants.keys import data_key
from workforce.service import assign


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, clock: SetClock) -> Iterator[Browser]:
    wiring.wire()
    with browsing(db, clock=clock) as made:
        yield made


@pytest.fixture
def agent(browser: Browser, world: World) -> Browser:
    with world.firm() as firm:
        for hospital in (world.heqing, world.yunling):
            assign(firm, world.people["agent"], hospital.tenant_id, NOW)
    return browser.enter(world.people["agent"])


def contact(world: World, session: HospitalSession, **changes: Any) -> tuple[Patient, UUID]:
    """A patient of the first hospital with a task that is due."""
    patient = world.patient(session, name="王小明", must_not_say="家属未告知诊断")
    values: dict[str, Any] = {
        "kind": "promise",
        "purpose": "care_followup",
        "source": "promise",
        "label": {"zh": "第1次回访", "en": "Revisit 1"},
        "rank": 6,
        "opens_at": NOW - timedelta(days=1),
        "due_at": NOW + timedelta(hours=6),
        "closes_at": NOW + timedelta(days=4),
        "next_try_at": NOW,
    }
    task = ContactTask(
        **values | changes,
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient.id,
        source_id=new_id(),
        attempts=0,
        state="open",
        created_at=NOW,
    )
    session.add(task)
    session.flush()
    return patient, task.id


def base(task_id: UUID) -> str:
    return f"/h/heqing/contacts/{task_id}"


@pytest.fixture
def drawn(agent: Browser, world: World) -> tuple[Patient, UUID]:
    """The agent has one card in hand."""
    with world.hospital(world.heqing) as session:
        made = contact(world, session)
    assert agent.post("/workbench/next").headers["location"] == "/workbench/card"
    return made


def point_of(world: World, patient: Patient) -> tuple[UUID, str]:
    with world.hospital(world.heqing) as session:
        point = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == patient.id)).one()
        return point.id, data_key(session).decrypt(point.number_cipher)


def test_the_workbench_counts_what_is_due_and_shows_the_key(agent: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        contact(world, session)
        contact(world, session, kind="callback", source="case", due_at=NOW - timedelta(hours=1))
    with world.hospital(world.yunling) as session:
        contact(world, session)
    text = agent.get("/workbench").text
    for word in ("今日到期", "河清市第一人民医院", "云岭妇幼保健院", 'data-key="F8"', "王**", "超期"):
        assert word in text, word
    assert "王小明" not in text


def test_an_empty_queue_says_why_and_when_it_goes_on(agent: Browser, world: World, clock: SetClock) -> None:
    assert "目前没有待联系的患者" in agent.get("/workbench").text
    assert agent.post("/workbench/next").headers["location"] == "/workbench"
    with world.hospital(world.heqing) as session:
        contact(world, session, kind="revisit", next_try_at=NOW + timedelta(days=2))
    assert "2026-09-17 周四 10:00" in agent.get("/workbench").text
    clock.at = NOW + timedelta(hours=2, minutes=30)
    agent.enter(world.people["agent"])  # the sign-in of the morning has lapsed
    text = agent.get("/workbench").text
    assert "现在不在允许拨打的时段" in text
    assert "2026-09-15 周二 14:00" in text


def test_only_agents_work_the_queue(browser: Browser, world: World) -> None:
    admin = browser.enter(world.people["heqing_admin"])
    assert admin.get("/workbench").status_code == 403
    assert admin.post("/workbench/next").status_code == 403


def test_the_card_masks_the_patient_and_warns_of_what_must_not_be_said(
    agent: Browser, world: World, drawn: tuple[Patient, UUID]
) -> None:
    text = agent.get("/workbench/card").text
    _, number = point_of(world, drawn[0])
    for word in (
        "王**",
        "家属未告知诊断",
        "河清市第一人民医院",
        "第1次回访",
        "承诺回电",
        number[:3] + "****",
    ):
        assert word in text, word
    assert number not in text
    assert "王小明" not in text
    for key in ("F2", "F4", "F6", "F7", "F8", "F9", "Alt+B", "Ctrl+Enter"):
        assert f'data-key="{key}"' in text, key
    assert "style=" not in text
    assert "onclick" not in text


def test_next_pressed_twice_is_one_patient(agent: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        contact(world, session)
        contact(world, session)
    for _ in range(2):
        assert agent.post("/workbench/next").headers["location"] == "/workbench/card"
    with world.hospital(world.heqing) as session:
        assert len(session.scalars(select(PatientHold)).all()) == 1


def test_dial_connect_and_save_go_on_to_the_next(
    agent: Browser, world: World, drawn: tuple[Patient, UUID]
) -> None:
    patient, task_id = drawn
    point_id, number = point_of(world, patient)
    answer = agent.post(f"{base(task_id)}/dial", {"contact_point_id": str(point_id)})
    assert number in answer.text
    with world.hospital(world.heqing) as session:
        call_id = session.scalars(select(Call.id)).one()
    answer = agent.post(f"{base(task_id)}/connected", {"call_id": str(call_id)})
    assert "已接通" in answer.text
    assert number not in answer.text
    form = {"outcome": "completed", "note": "恢复良好", "call_id": str(call_id)}
    for _ in range(2):  # sent twice it counts once
        assert agent.post(f"{base(task_id)}/finish", form).headers["location"] == "/workbench"
    text = agent.get("/workbench/my-day").text
    assert text.count("恢复良好") == 1
    with world.hospital(world.heqing) as session:
        task = session.get_one(ContactTask, (session.tenant_id, task_id))
        assert (task.state, task.attempts) == ("completed", 1)


def test_a_draft_survives_the_browser_and_the_call_is_shown_as_unfinished(
    agent: Browser, world: World, drawn: tuple[Patient, UUID], clock: SetClock
) -> None:
    patient, task_id = drawn
    point_id, _ = point_of(world, patient)
    agent.post(f"{base(task_id)}/dial", {"contact_point_id": str(point_id)})
    saved = agent.post(f"{base(task_id)}/draft", {"note": "伤口有点红", "outcome": "partial"})
    assert "草稿已保存 10:00" in saved.text
    clock.at = NOW + timedelta(minutes=3)
    text = agent.get("/workbench/card").text
    assert "伤口有点红" in text
    assert 'value="partial" data-key="p" data-key-label="部分完成" aria-keyshortcuts="p" checked' in text
    assert "10:00 的通话尚未结束" in text


def test_a_refusal_of_the_policy_is_one_sentence(
    agent: Browser, world: World, drawn: tuple[Patient, UUID], clock: SetClock
) -> None:
    patient, task_id = drawn
    point_id, _ = point_of(world, patient)
    clock.at = NOW + timedelta(hours=11, minutes=1)
    agent.enter(world.people["agent"])
    answer = agent.post(f"{base(task_id)}/dial", {"contact_point_id": str(point_id)})
    assert answer.status_code == 422
    assert "2026-09-16 周三 08:00" in answer.text
    with world.hospital(world.heqing) as session:
        session.add(_suppressed(session, patient.id))
    answer = agent.post(f"{base(task_id)}/dial", {"contact_point_id": str(point_id)})
    assert "不得联系这位患者" in answer.text


def test_a_death_needs_who_said_so_and_ends_the_card(
    agent: Browser, world: World, drawn: tuple[Patient, UUID]
) -> None:
    patient, task_id = drawn
    assert agent.post(f"{base(task_id)}/finish", {"outcome": "deceased"}).status_code == 422
    form = {"outcome": "deceased", "reported_by": "女儿", "happened_on": "2026-09-08"}
    assert agent.post(f"{base(task_id)}/finish", form).status_code == 303
    with world.hospital(world.heqing) as session:
        suppression = session.scalars(select(Suppression)).one()
        assert (suppression.patient_id, suppression.reason) == (patient.id, "deceased")
        assert session.scalars(select(ContactTask.state)).all() == ["cancelled"]


def test_what_is_missing_is_said_and_nothing_is_lost(agent: Browser, drawn: tuple[Patient, UUID]) -> None:
    for form, sentence in (
        ({}, "请选择通话结果"),
        ({"outcome": "dancing"}, "请选择通话结果"),
        ({"outcome": "expired"}, "请选择通话结果"),
        ({"outcome": "callback_booked"}, "请填写回电时间"),
        ({"outcome": "callback_booked", "callback_at": "2026-09-15T23:00"}, "请另选时间"),
        ({"outcome": "callback_booked", "callback_at": "soon"}, "这不是时间"),
    ):
        answer = agent.post(f"{base(drawn[1])}/finish", form)
        assert (answer.status_code, sentence in answer.text) == (422, True), form
    assert agent.get("/workbench/card").status_code == 200


def test_skipping_and_the_break_give_the_patient_back(
    agent: Browser, world: World, drawn: tuple[Patient, UUID]
) -> None:
    _, task_id = drawn
    assert agent.post(f"{base(task_id)}/skip", {"reason": "boring"}).status_code == 422
    assert agent.post(f"{base(task_id)}/skip", {"reason": "technical"}).headers["location"] == "/workbench"
    with world.hospital(world.heqing) as session:
        session.get_one(ContactTask, (session.tenant_id, task_id)).next_try_at = NOW
    agent.post("/workbench/next")
    assert agent.post(f"{base(task_id)}/release").headers["location"] == "/workbench/break"
    assert "您正在小休" in agent.get("/workbench/break").text
    assert agent.get("/workbench/card").headers["location"] == "/workbench"
    agent.post("/workbench/next")
    agent.post(f"{base(task_id)}/draft", {"note": "正在核实"})
    agent.post(f"{base(task_id)}/release")
    assert "为您保留" in agent.get("/workbench/break").text  # what was typed is not given away
    assert "正在核实" in agent.get("/workbench/card").text


def test_feedback_opens_over_the_card_and_nothing_else_does(
    agent: Browser, drawn: tuple[Patient, UUID]
) -> None:
    assert 'data-panel="feedback"' in agent.get(f"{base(drawn[1])}/dialog/feedback").text
    assert agent.get(f"{base(drawn[1])}/dialog/nothing").status_code == 404


def test_another_hospitals_address_does_not_reach_the_task(
    agent: Browser, world: World, drawn: tuple[Patient, UUID]
) -> None:
    for action, form in (
        ("finish", {"outcome": "completed"}),
        ("skip", {"reason": "technical"}),
        ("release", {}),
    ):
        answer = agent.post(f"/h/yunling/contacts/{drawn[1]}/{action}", form)
        assert answer.status_code == 404, action
    assert agent.get(f"/h/yunling/contacts/{drawn[1]}/dialog/feedback").status_code == 404


def test_every_page_speaks_english(agent: Browser, world: World, drawn: tuple[Patient, UUID]) -> None:
    agent.enter(world.people["agent"], "en")
    assert "How did it end?" in agent.get("/workbench/card").text
    assert "Waiting to be called" in agent.get("/workbench").text
    assert "Promises to keep" in agent.get("/workbench/my-day").text


def _suppressed(session: HospitalSession, patient_id: UUID) -> Suppression:
    return Suppression(
        tenant_id=session.tenant_id,
        patient_id=patient_id,
        reason="refused",
        source="card",
        started_at=NOW,
        started_by="",
    )
