"""The questionnaire on the call card, as the agent's browser sees it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, TODAY, World

from careloop import app, wiring
from foundation.database import Database, HospitalSession
from outreach.models import ContactTask
from outreach.queue import draw
from patients import suppression
from revisits import planning
from surveys import instrument, pages, panel
from surveys.models import Answer, Response
from workforce.service import assign

CODES = [question.code for question in instrument.load("inpatient").questions()]
FIRST = instrument.load("inpatient").dimensions[0].questions[0].text


@pytest.fixture
def browser(db: Database, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    wiring.wire()
    panel.register()
    known = {id(handler) for handler in app.PAGES}
    own = [handler for handler in pages.handlers if id(handler) not in known]
    monkeypatch.setattr(app, "PAGES", [*app.PAGES, *own])
    with browsing(db) as made:
        with world.firm() as firm:
            for name in ("agent", "agent2"):
                assign(firm, world.people[name], world.heqing.tenant_id, NOW)
        yield made.enter(world.people["agent"])


@pytest.fixture
def task_id(browser: Browser, world: World) -> UUID:
    """The agent has a first revisit on the card."""
    with world.hospital(world.heqing) as session:
        world.patient(session, discharged_on=TODAY - timedelta(days=2))
        planning.materialise(session, TODAY, now=NOW)
        planning.open_tasks(session, now=NOW)
    with world.firm() as firm:
        card = draw(firm, world.agent, NOW)
    assert card is not None
    return card.task_id


def answers(world: World) -> dict[str, tuple[int | None, str | None]]:
    with world.hospital(world.heqing) as session:
        return {
            answer.question: (answer.level, answer.tag)
            for answer in session.scalars(select(Answer).where(Answer.tenant_id == session.tenant_id))
        }


def responses(session: HospitalSession) -> list[Response]:
    return list(session.scalars(select(Response).where(Response.tenant_id == session.tenant_id)))


def give(browser: Browser, task_id: UUID, question: str, level: str, **more: str) -> str:
    answer = browser.post(
        f"/h/heqing/contacts/{task_id}/answers", {"question": question, "level": level, **more}
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_card_asks_the_first_question_with_the_words_filled_in(
    browser: Browser, world: World, task_id: UUID
) -> None:
    text = browser.get("/workbench/card").text
    assert FIRST.zh in text
    assert "我是河清市第一人民医院委托的回访专员李敏" in text
    for level, label in enumerate(instrument.load("inpatient").scale, start=1):
        assert f'data-key="Ctrl+{level}"' in text
        assert label.zh in text
    # Looking at a card begins nothing.
    with world.hospital(world.heqing) as session:
        assert responses(session) == []


def test_each_answer_is_kept_at_once_and_the_next_question_comes(
    browser: Browser, world: World, task_id: UUID
) -> None:
    shown = give(browser, task_id, CODES[0], "5")
    assert answers(world) == {CODES[0]: (5, None)}
    second = list(instrument.load("inpatient").questions())[1]
    assert second.text.zh in shown
    shown = give(browser, task_id, CODES[1], "na")
    assert answers(world)[CODES[1]] == (None, None)
    # After a reload, or a crash of the browser, the card goes on at the first open question.
    third = list(instrument.load("inpatient").questions())[2]
    card = browser.get("/workbench/card").text
    assert third.text.zh in card
    assert "2 / 12" in card
    back = browser.get(f"/h/heqing/contacts/{task_id}/questions/{CODES[0]}").text
    assert (
        'value="5" data-key="Ctrl+5" data-key-label="满意" aria-keyshortcuts="Control+5" aria-pressed="true"'
        in back
    )


def test_a_low_level_asks_why_and_goes_on_with_or_without_a_reason(
    browser: Browser, world: World, task_id: UUID
) -> None:
    panel.offer_reasons(lambda: [("候诊时间过长", "hzsjgc")])
    shown = give(browser, task_id, CODES[0], "1")
    assert 'name="tag"' in shown
    assert '<option value="候诊时间过长" label="hzsjgc">' in shown
    assert FIRST.zh in shown
    shown = give(browser, task_id, CODES[0], "1", tag="候诊时间过长", then="next")
    assert FIRST.zh not in shown
    assert answers(world) == {CODES[0]: (1, "候诊时间过长")}
    panel.offer_reasons(list)


def test_the_last_answer_shows_the_index_and_finishes_the_response(
    browser: Browser, world: World, task_id: UUID
) -> None:
    for question in CODES:
        shown = give(browser, task_id, question, "6" if question != "overall_stay" else "5")
    assert "97.0" in shown
    with world.hospital(world.heqing) as session:
        (response,) = responses(session)
        assert (response.state, response.mode) == ("complete", "phone")
        assert response.agent_id == world.people["agent"]
        # One call serves both: the same patient's next revisit asks nothing.
        task = session.get_one(ContactTask, (session.tenant_id, task_id))
        assert panel.values(session, task, "zh_Hans")["index"] == response.index_value
    # The patient thinks again: the answer changes, and so does the score.
    give(browser, task_id, "overall_stay", "6")
    with world.hospital(world.heqing) as session:
        (response,) = responses(session)
        assert (response.state, response.index_value) == ("complete", Decimal(100))


def test_too_few_answers_are_said_to_be_partial_with_what_was_left_out(
    browser: Browser, task_id: UUID
) -> None:
    give(browser, task_id, CODES[0], "6")
    shown = browser.get(f"/h/heqing/contacts/{task_id}/questions/end").text
    assert "部分" in shown
    assert list(instrument.load("inpatient").questions())[1].text.zh in shown


def test_what_is_no_answer_is_refused(browser: Browser, world: World, task_id: UUID) -> None:
    path = f"/h/heqing/contacts/{task_id}/answers"
    assert browser.post(path, {"question": CODES[0], "level": "7"}).status_code == 422
    assert browser.post(path, {"question": CODES[0], "level": "x"}).status_code == 422
    assert browser.post(path, {"question": CODES[0], "level": "6", "tag": "好"}).status_code == 422
    assert browser.post(path, {"question": "parking", "level": "6"}).status_code == 404
    assert answers(world) == {}


def test_only_the_agent_with_the_card_answers(browser: Browser, world: World, task_id: UUID) -> None:
    path = f"/h/heqing/contacts/{task_id}/answers"
    form = {"question": CODES[0], "level": "6"}
    browser.enter(world.people["agent2"])
    assert browser.post(path, form).status_code == 422
    browser.enter(world.people["heqing_admin"])
    assert browser.post(path, form).status_code == 403
    browser.enter(world.people["yunling_admin"])
    assert browser.post(path, form).status_code == 404
    assert answers(world) == {}


def test_a_suppressed_patient_is_asked_nothing_more(browser: Browser, world: World, task_id: UUID) -> None:
    give(browser, task_id, CODES[0], "6")
    with world.hospital(world.heqing) as session:
        (response,) = responses(session)
        suppression.suppress(session, response.patient_id, "deceased", source="call", now=NOW)
    refused = browser.post(f"/h/heqing/contacts/{task_id}/answers", {"question": CODES[1], "level": "6"})
    assert refused.status_code == 422
    assert set(answers(world)) == {CODES[0]}


def test_the_panel_is_complete_in_english(browser: Browser, world: World, task_id: UUID) -> None:
    browser.enter(world.people["agent"], "en")
    text = browser.get("/workbench/card").text
    assert FIRST.en in text
    # A patient is spoken to in Chinese, whatever the screen speaks.
    assert FIRST.zh in text
    assert "Somewhat satisfied" in text
    assert "0 of 12 answered" in text
