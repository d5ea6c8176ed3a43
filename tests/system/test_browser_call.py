"""The whole call of J1 in a real browser, by keyboard alone: draw, dial, ask, feedback, outcome.

Nothing here touches a mouse: if a step needed one, it could not be done at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from live import Live, Screen, keyboard_screen, live
from playwright.sync_api import expect
from sqlalchemy import func, select
from world import NOW, TODAY, TestHospital, World

from feedback.models import CaseClock, FeedbackCase
from foundation.database import Database
from outreach.models import Call, ContactTask, PatientHold
from patients.models import ContactPoint
from revisits import planning
from surveys.models import Answer, Response
from tenants.keys import data_key, unseal
from workforce.service import assign

pytestmark = pytest.mark.browser

WORDS = "护士换药的时候很不耐烦，按铃也没有人来。"
WISH = "希望科室说明情况"
NOTE = "患者恢复良好，伤口无红肿"
LOW = 2  # the place, from 0, of the question answered with level 1
REASON = "等候时间长"


@dataclass(frozen=True)
class Bench:
    """An agent's morning: the server, the screen, and the world behind them."""

    live: Live
    screen: Screen
    world: World


@pytest.fixture
def bench(engine_db: Database, engine_world: World, chromium: str) -> Iterator[Bench]:
    """Two patients of each hospital are due, and one agent works for both hospitals."""
    world = engine_world
    with world.firm() as firm:
        for hospital in (world.heqing, world.yunling):
            assign(firm, world.people["agent"], hospital.tenant_id, NOW)
    for hospital, names in ((world.heqing, ("张建华", "刘秀英")), (world.yunling, ("陈桂兰", "杨志强"))):
        _due(world, hospital, names)
    with live(engine_db, NOW) as served, keyboard_screen(chromium, served.address) as screen:
        yield Bench(served, screen, world)


def _due(world: World, hospital: TestHospital, names: tuple[str, ...]) -> None:
    """Patients discharged three days ago, whose first revisit the product itself has planned."""
    with world.hospital(hospital) as session:
        for name in names:
            world.patient(session, name=name, discharged_on=TODAY - timedelta(days=3))
        planning.materialise(session, TODAY, now=NOW)
        planning.open_tasks(session, now=NOW)


def sign_in(bench: Bench) -> None:
    """Tab to the agent's name among the demo's people, and Enter."""
    screen = bench.screen
    screen.open("/")
    screen.tab_to("李敏")
    screen.press("Enter")
    screen.page.wait_for_url("**/workbench")


def draw(bench: Bench) -> UUID:
    """F8 gives a card; returns its task."""
    bench.screen.press("F8")
    bench.screen.page.wait_for_url("**/workbench/card")
    return on_card(bench)


def on_card(bench: Bench) -> UUID:
    """The task of the card on screen."""
    action = bench.screen.page.locator("#outcome-form").get_attribute("action") or ""
    return UUID(action.split("/")[4])


def wait_for_another_card(bench: Bench, task_id: UUID) -> None:
    """Until the card of another task is on screen."""
    expect(bench.screen.at("#outcome-form")).not_to_have_attribute("action", re.compile(str(task_id)))


def dial_and_connect(bench: Bench) -> str:
    """F2 shows the number to dial, F2 again says that somebody answered; returns the number shown."""
    screen = bench.screen
    screen.press("F2")
    expect(screen.at("[data-phase=ringing]")).to_be_visible()
    number = screen.at("#number").inner_text()
    assert screen.font_size("#number") >= 24, "the number is shown large"
    screen.keep("card-dialled")
    screen.press("F2")
    expect(screen.at("[data-phase=talking]")).to_be_visible()
    return number


def answer_all(bench: Bench) -> list[int]:
    """Every question by Ctrl+digit; one of them with level 1 and its reason. Returns the levels."""
    screen = bench.screen
    total = screen.at(".sv-step").count()
    assert total >= 10
    levels = [1 if place == LOW else 3 + place % 4 for place in range(total)]
    for place, level in enumerate(levels):
        expect(screen.at(".sv-dimension")).to_contain_text(f"{place + 1} · ")
        screen.press(f"Control+{level}")
        if level <= 2:
            expect(screen.at("#sv-tag")).to_be_focused()
            screen.type(REASON)
            screen.keep("card-questions")
            screen.press("Enter")
    expect(screen.at(".sv-index")).to_be_visible()
    return levels


def file_feedback(bench: Bench) -> str:
    """F7, the tag by the initials of its pinyin, the words, the wish, Ctrl+Enter; returns its number."""
    screen = bench.screen
    screen.press("F7")
    expect(screen.at("input[name=tag-search]")).to_be_focused()
    screen.keys("yhgtbnx")
    screen.press("Enter")
    expect(screen.at("#new-feedback textarea[name=text]")).to_be_focused()
    screen.type(WORDS)
    screen.press("Tab")
    screen.type(WISH)
    expect(screen.at("#tier-proposal")).to_contain_text("12 小时")
    screen.keep("feedback-dialog")
    screen.press("Control+Enter")
    saved = screen.at("#new-feedback .cl-alert").first
    expect(saved).to_contain_text("FK-")
    expect(screen.at("#new-feedback")).to_contain_text("12 小时")
    screen.keep("feedback-saved")
    expect(screen.at("#new-feedback [data-close]")).to_be_focused()
    screen.press("Enter")
    expect(screen.at("#card-dialog")).to_be_hidden()
    return next(word for word in saved.inner_text().split() if word.startswith("FK-"))


def finish(bench: Bench) -> None:
    """F4 offers the outcome, its letter chooses it, F6 takes the note."""
    screen = bench.screen
    screen.press("F4")
    expect(screen.at("input[value=completed]")).to_be_checked()
    screen.press("p")
    expect(screen.at("input[value=partial]")).to_be_checked()
    screen.press("c")
    expect(screen.at("input[value=completed]")).to_be_checked()
    screen.press("F6")
    screen.type(NOTE)
    screen.keep("outcome-pad")


def test_a_whole_call_by_keyboard_alone(bench: Bench) -> None:
    screen, world = bench.screen, bench.world
    sign_in(bench)
    screen.keep("workbench")
    task_id = draw(bench)
    screen.keep("card-before-call")
    number = dial_and_connect(bench)
    levels = answer_all(bench)
    screen.keep("card-answered")
    walk_the_questions(bench, len(levels))
    case_number = file_feedback(bench)
    finish(bench)
    screen.press("Control+Enter")
    wait_for_another_card(bench, task_id)
    next_task = on_card(bench)
    assert next_task != task_id
    screen.assert_quiet()

    hospital = hospital_of(world, task_id)
    with world.hospital(hospital) as session:
        task = session.get_one(ContactTask, (session.tenant_id, task_id))
        assert (task.state, task.outcome, task.attempts) == ("completed", "completed", 1)
        assert task.closed_at is not None
        call = session.scalars(select(Call).where(Call.task_id == task_id)).one()
        assert (call.outcome, call.agent_id) == ("completed", world.people["agent"])
        assert unseal(session, call.note_cipher) == NOTE
        assert call.connected_at is not None
        assert call.ended_at is not None
        assert call.dialled_at < call.connected_at < call.ended_at
        point = session.get_one(ContactPoint, (session.tenant_id, call.contact_point_id))
        assert data_key(session).decrypt(point.number_cipher) == number
        response = session.scalars(select(Response).where(Response.task_id == task_id)).one()
        answers = session.scalars(select(Answer).where(Answer.response_id == response.id)).all()
        assert sorted(answer.level or 0 for answer in answers) == sorted(levels)
        assert [answer.tag for answer in answers if answer.level == 1] == [REASON]
        assert (response.state, response.mode) == ("complete", "phone")
        assert response.index_value == index_by_hand(levels)
        case = session.scalars(select(FeedbackCase).where(FeedbackCase.patient_id == task.patient_id)).one()
        assert (case.number, case.tag, case.tier) == (case_number, "communication_impatient", 2)
        assert (case.call_id, case.channel, case.stage) == (call.id, "revisit_call", "received")
        assert data_key(session).decrypt(case.text_cipher) == WORDS
        assert data_key(session).decrypt(case.wish_cipher) == WISH
        clocks = session.scalars(select(CaseClock).where(CaseClock.case_id == case.id)).all()
        due = {clock.kind: clock.due_at - clock.starts_at for clock in clocks}
        assert due["ack"] == timedelta(hours=12), due
        assert session.get(PatientHold, (session.tenant_id, task.patient_id)) is None
    with world.hospital(hospital_of(world, next_task)) as session:
        other = session.get_one(ContactTask, (session.tenant_id, next_task))
        assert other.patient_id != task.patient_id


def walk_the_questions(bench: Bench, total: int) -> None:
    """Ctrl+↑ goes back to an answered question, Ctrl+↓ to the end again."""
    screen = bench.screen
    screen.press("Control+ArrowUp")
    expect(screen.at(".sv-dimension")).to_contain_text(f"{total} · ")
    screen.press("Control+ArrowUp")
    expect(screen.at(".sv-dimension")).to_contain_text(f"{total - 1} · ")
    expect(screen.at(".sv-level[aria-pressed=true]")).to_have_count(1)
    screen.press("Control+ArrowDown")
    expect(screen.at(".sv-dimension")).to_contain_text(f"{total} · ")
    screen.press("Control+ArrowDown")
    expect(screen.at(".sv-index")).to_be_visible()


def test_a_reload_in_mid_call_loses_nothing(bench: Bench) -> None:
    screen = bench.screen
    sign_in(bench)
    task_id = draw(bench)
    dial_and_connect(bench)
    for place in range(3):
        expect(screen.at(".sv-dimension")).to_contain_text(f"{place + 1} · ")
        screen.press("Control+5")
    expect(screen.at(".sv-dimension")).to_contain_text("4 · ")
    screen.press("F6")
    screen.type(NOTE)
    expect(screen.at("#draft-state")).to_contain_text("10:", timeout=8000)
    screen.press("F5")  # a browser key: never ours
    screen.page.reload()
    assert on_card(bench) == task_id
    expect(screen.at(".sv-dimension")).to_contain_text("4 · ")
    expect(screen.at(".sv-step-done")).to_have_count(3)
    expect(screen.at("textarea[name=note]")).to_have_value(NOTE)
    expect(screen.at("[data-phase=talking]")).to_be_visible()
    screen.press("F4")
    expect(screen.at("input[value=completed]")).to_be_checked()
    screen.assert_quiet()


def test_a_hurried_double_press_makes_one_outcome(bench: Bench) -> None:
    screen, world = bench.screen, bench.world
    sign_in(bench)
    screen.press("F8", "F8")
    screen.page.wait_for_url("**/workbench/card")
    task_id = on_card(bench)
    dial_and_connect(bench)
    screen.press("F4")
    expect(screen.at("input[value=completed]")).to_be_checked()
    screen.press("Control+Enter", "Control+Enter", "Control+Enter")
    wait_for_another_card(bench, task_id)
    screen.settle()
    counts = [calls_with_outcome(world, hospital) for hospital in (world.heqing, world.yunling)]
    assert sum(counts) == 1
    held = [holds(world, hospital) for hospital in (world.heqing, world.yunling)]
    assert sum(held) == 1
    screen.assert_quiet()


def test_no_key_fires_while_an_input_method_composes(bench: Bench) -> None:
    screen = bench.screen
    sign_in(bench)
    task_id = draw(bench)
    screen.press("F6")
    for key, code, composing in (
        ("F8", 119, True),
        ("F4", 229, False),
        ("Enter", 229, True),
        ("c", 229, True),
    ):
        screen.key_event(key, code, composing=composing, ctrl=key == "Enter")
    screen.settle()
    assert on_card(bench) == task_id
    expect(screen.at("#skip-dialog")).to_be_hidden()
    expect(screen.at("input[name=outcome]:checked")).to_have_count(0)
    expect(screen.at("textarea[name=note]")).to_be_focused()
    screen.compose("huanzhe")
    screen.press("F4")
    expect(screen.at("input[name=outcome]:checked")).to_have_count(0)
    screen.commit("患者")
    expect(screen.at("textarea[name=note]")).to_have_value("患者")
    screen.press("c")  # a single letter belongs to the text while one is written
    expect(screen.at("textarea[name=note]")).to_have_value("患者c")
    expect(screen.at("input[name=outcome]:checked")).to_have_count(0)
    screen.key_event("F4", 115, composing=False)
    expect(screen.at("input[name=outcome]").first).to_be_focused()
    screen.assert_quiet()


def test_the_card_of_a_dead_patient_turns_to_condolence(bench: Bench) -> None:
    screen, world = bench.screen, bench.world
    sign_in(bench)
    task_id = draw(bench)
    dial_and_connect(bench)
    screen.press("F4")
    screen.press("d")
    expect(screen.at("#questionnaire")).to_be_hidden()
    expect(screen.at("input[name=reported_by]")).to_be_focused()
    screen.type("女儿")
    screen.accept_questions()
    screen.press("Control+Enter")
    wait_for_another_card(bench, task_id)
    with world.hospital(hospital_of(world, task_id)) as session:
        task = session.get_one(ContactTask, (session.tenant_id, task_id))
        left = session.scalar(
            select(func.count())
            .select_from(ContactTask)
            .where(ContactTask.patient_id == task.patient_id, ContactTask.state == "open")
        )
        assert (task.state, left) == ("cancelled", 0)
    screen.assert_quiet()


def hospital_of(world: World, task_id: UUID) -> TestHospital:
    """Whose task it is."""
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            if session.get(ContactTask, (session.tenant_id, task_id)) is not None:
                return hospital
    raise LookupError(task_id)


def calls_with_outcome(world: World, hospital: TestHospital) -> int:
    """How many calls of this hospital have ended."""
    with world.hospital(hospital) as session:
        return len(session.scalars(select(Call.id).where(Call.outcome.is_not(None))).all())


def holds(world: World, hospital: TestHospital) -> int:
    """How many patients of this hospital are on somebody's card."""
    with world.hospital(hospital) as session:
        return len(session.scalars(select(PatientHold.id)).all())


def index_by_hand(levels: list[int]) -> Decimal:
    """The index from the instrument's file and nothing else: weights times weights times level."""
    from importlib.resources import files

    content = json.loads((files("surveys") / "instruments" / "inpatient_v1.json").read_text("utf-8"))
    left = iter(levels)
    total = Decimal(0)
    for dimension in content["dimensions"]:
        for question in dimension["questions"]:
            share = Decimal(dimension["weight"]) * Decimal(question["weight"])
            total += share * (next(left) - 1) * 20
    return total.quantize(Decimal("0.000001"))
