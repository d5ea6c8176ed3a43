"""The callback: by another person, inside two days, and again until the patient is content."""

from datetime import timedelta

import pytest
from feedback_cases import LATER, case_of, clocks, handled_case, log_of, new_case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from world import NOW, World

from feedback import hooks
from feedback.errors import CaseRefused
from feedback.models import CaseEvent, FeedbackCase
from feedback.service import acknowledge, mark_handled, open_case, record_callback
from foundation.database import HospitalSession
from foundation.scope import Actor
from outreach import calls, queue, tasks
from outreach.errors import OutcomeIncomplete
from outreach.jobs import expire
from outreach.models import ContactTask
from outreach.outcomes import Outcome
from patients.models import ContactPoint
from patients.suppression import lift, suppress

ASKED = LATER + timedelta(hours=3)


@pytest.fixture(autouse=True)
def _wired() -> None:
    tasks.register()
    hooks.register()


def callback_task(session: HospitalSession) -> ContactTask:
    return session.scalars(
        select(ContactTask).where(ContactTask.source == "case").order_by(ContactTask.created_at.desc())
    ).all()[0]


def call(session: HospitalSession, task: ContactTask, agent: Actor, outcome: Outcome) -> None:
    """Dial and end, at three in the afternoon."""
    number = session.scalars(select(ContactPoint.id).where(ContactPoint.patient_id == task.patient_id)).one()
    dialled = calls.dial(session, task.id, number, agent, ASKED)
    calls.finish(session, dialled.call_id, task.id, outcome, agent=agent, now=ASKED)


def test_handling_puts_a_callback_into_the_queue_for_somebody_else(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
        clock, task = clocks(session, case)["callback"], callback_task(session)
        assert case.stage == "handled"
        assert clocks(session, case)["confirm"].met_at == LATER
        assert clock.due_at == LATER + timedelta(days=2)
        assert (task.kind, task.purpose, task.source, task.source_id) == (
            "callback",
            "complaint",
            "case",
            clock.id,
        )
        assert task.not_by == world.admin.id
        assert task.due_at == clock.due_at < task.closes_at
        assert task.label == {"zh": f"结案回访 {case.number}", "en": f"Closing callback {case.number}"}
    with world.hospital(world.yunling) as session:
        assert session.scalars(select(ContactTask)).all() == []


def test_the_handler_is_not_given_the_callback_and_cannot_record_it(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(session, world.patient(session), world.agent)
        acknowledge(session, case.id, actor=world.agent, now=NOW)
        mark_handled(session, case.id, actor=world.agent, note="已换", now=NOW)
        with pytest.raises(CaseRefused) as error:
            record_callback(session, case.id, 6, actor=world.agent, note="", now=ASKED)
    assert error.value.reason == "handler"
    with world.firm() as firm:
        assert queue.draw(firm, world.agent, ASKED) is None
        assert queue.draw(firm, world.agent2, ASKED) is not None


@pytest.mark.parametrize("level", [4, 5, 6])
def test_a_content_patient_closes_the_case(world: World, level: int) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
        record_callback(session, case.id, level, actor=world.agent2, note="满意", now=ASKED)
        assert (case.stage, case.close_reason, case.callback_level) == ("closed", "satisfied", level)
        assert case.closed_at == ASKED
        assert clocks(session, case)["callback"].met_at == ASKED
        # Recorded without a call of ours: nobody need call any more.
        assert callback_task(session).state == "cancelled"
        with pytest.raises(CaseRefused):
            record_callback(session, case.id, level, actor=world.agent2, note="", now=ASKED)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_discontented_patient_opens_the_next_round_with_fresh_clocks(world: World, level: int) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
        first = {kind: (clock.due_at, clock.met_at) for kind, clock in clocks(session, case).items()}
        record_callback(session, case.id, level, actor=world.agent2, note="没人道歉", now=ASKED)
        assert (case.stage, case.round, case.round_started_at) == ("received", 2, ASKED)
        assert (case.handled_at, case.handled_by, case.closed_at) == (None, None, None)
        second = clocks(session, case)
        assert set(second) == {"ack", "plan", "confirm"}
        assert second["ack"].due_at == ASKED + timedelta(hours=12)
        assert {clock.met_at for clock in second.values()} == {None}
        # What the first round was given and kept stays as it was, but for the callback that is now made.
        kept = {kind: (clock.due_at, clock.met_at) for kind, clock in clocks(session, case, 1).items()}
        assert kept == first | {"callback": (first["callback"][0], ASKED)}

        acknowledge(session, case.id, actor=world.admin, now=ASKED + timedelta(hours=1))
        mark_handled(session, case.id, actor=world.admin, note="已道歉", now=ASKED + timedelta(hours=2))
        assert callback_task(session).source_id == clocks(session, case)["callback"].id
        record_callback(session, case.id, 5, actor=world.agent2, note="", now=ASKED + timedelta(hours=3))
        assert (case.stage, case.round, case.responded_at) == ("closed", 2, NOW + timedelta(hours=1))
        levels = session.scalars(
            select(CaseEvent.detail["level"].astext).where(CaseEvent.kind == "callback")
        ).all()
        assert sorted(levels) == [str(level), "5"]


def test_a_refusal_closes_only_with_a_note_and_an_unknown_level_not_at_all(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
        reasons = []
        for level, because in ((None, "refused"), (0, "unreachable"), (7, "unreachable")):
            with pytest.raises(CaseRefused) as error:
                record_callback(
                    session,
                    case.id,
                    level,
                    actor=world.agent2,
                    note=" ",
                    now=ASKED,
                    because=because,  # type: ignore[arg-type]
                )
            reasons.append(error.value.reason)
        assert reasons == ["note_missing", "callback_level", "callback_level"]
        record_callback(
            session, case.id, None, actor=world.agent2, note="不愿再谈", now=ASKED, because="refused"
        )
        assert (case.stage, case.close_reason, case.callback_level) == ("closed", "refused", None)
        assert clocks(session, case)["callback"].met_at is None


def test_a_case_that_is_not_handled_has_nothing_to_ask_about(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(session, world.patient(session), world.agent)
        with pytest.raises(CaseRefused) as error:
            record_callback(session, case.id, 5, actor=world.agent2, note="", now=ASKED)
    assert error.value.reason == "not_handled"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(Outcome.REFUSED_FOREVER, "refused"), (Outcome.WRONG_NUMBER, "unreachable")],
)
def test_a_call_that_ends_for_good_closes_the_case(world: World, outcome: Outcome, reason: str) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
    with world.firm() as firm:
        assert queue.draw(firm, world.agent2, ASKED) is not None
    with world.hospital(world.heqing, world.agent2) as session:
        call(session, callback_task(session), world.agent2, outcome)
        closed = session.get_one(FeedbackCase, (session.tenant_id, case.id), populate_existing=True)
        assert (closed.stage, closed.close_reason) == ("closed", reason)
        assert log_of(session, closed)[-1] == "closed"


def test_a_level_given_on_the_call_and_then_the_end_of_the_call_are_one_answer(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
    with world.firm() as firm:
        assert queue.draw(firm, world.agent2, ASKED) is not None
    with world.hospital(world.heqing, world.agent2) as session:
        record_callback(session, case.id, 2, actor=world.agent2, note="没人道歉", now=ASKED)
        task = callback_task(session)
        # The agent still has the card open and ends the call as usual.
        assert task.state == "open"
        call(session, task, world.agent2, Outcome.COMPLETED)
        moved = session.get_one(FeedbackCase, (session.tenant_id, case.id), populate_existing=True)
        assert (moved.stage, moved.round) == ("received", 2)
        assert "callback_ended" not in log_of(session, moved)


def test_a_callback_is_not_completed_without_what_the_patient_said(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
    with world.firm() as firm:
        queue.draw(firm, world.agent2, ASKED)
    refused = pytest.raises(OutcomeIncomplete, match="callback_level")
    with refused, world.hospital(world.heqing, world.agent2) as session:
        call(session, callback_task(session), world.agent2, Outcome.COMPLETED)
    with world.hospital(world.heqing, world.agent2) as session:
        waiting = session.get_one(FeedbackCase, (session.tenant_id, case.id))
        assert waiting.stage == "handled"
        assert callback_task(session).state == "open", "the patient is still to be called"
        record_callback(session, case.id, 5, actor=world.agent2, note="", now=ASKED)
        assert waiting.stage == "closed"


def test_a_callback_that_nobody_tried_in_its_time_is_tried_on(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
        after = callback_task(session).closes_at + timedelta(hours=1)
        expire(session, after)
        task = callback_task(session)
        assert (task.state, task.closed_at) == ("open", None)
        assert task.closes_at > after
        task.attempts = 1
        session.flush()
        expire(session, task.closes_at + timedelta(hours=1))
        closed = session.get_one(FeedbackCase, (session.tenant_id, case.id), populate_existing=True)
        assert (closed.stage, closed.close_reason) == ("closed", "unreachable")


def test_a_suppressed_patient_is_not_called_back_and_the_case_waits_for_the_hospital(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
        row = suppress(session, callback_task(session).patient_id, "hospital", source="card", now=ASKED)
        session.refresh(case)
        assert (case.stage, callback_task(session).state) == ("handled", "cancelled")
        lift(session, row.id, now=ASKED + timedelta(hours=1))
        session.expire_all()
        assert callback_task(session).state == "open"
        assert log_of(session, case)[-2:] == ["suppressed", "lifted"]

        patient = world.patient(session)
        suppress(session, patient.id, "refused", source="card", now=NOW)
        silent = case_of(session, patient, world.agent, LATER)
        mark_handled(session, silent.id, actor=world.admin, note="", now=ASKED)
        assert log_of(session, silent)[-1] == "no_callback_task"
        assert silent.stage == "handled"


def test_an_anonymous_case_is_closed_as_unreachable(world: World) -> None:
    with world.hospital(world.heqing) as session:
        unknown = open_case(session, new_case(channel="box"), actor=world.agent, now=NOW)
        mark_handled(session, unknown.id, actor=world.admin, note="", now=LATER)
        record_callback(session, unknown.id, None, actor=world.agent2, note="", now=ASKED)
        assert (unknown.stage, unknown.close_reason) == ("closed", "unreachable")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(levels=st.lists(st.integers(1, 3), max_size=4), last=st.integers(4, 6))
def test_however_often_the_patient_is_discontented_the_log_holds_every_round(
    world: World, levels: list[int], last: int
) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world)
        moment = ASKED
        for level in levels:
            record_callback(session, case.id, level, actor=world.agent2, note="不满意", now=moment)
            moment += timedelta(hours=1)
            mark_handled(session, case.id, actor=world.admin, note="再改", now=moment)
        record_callback(session, case.id, last, actor=world.agent2, note="", now=moment)
        assert (case.round, case.stage) == (len(levels) + 1, "closed")
        for round_ in range(1, case.round + 1):
            found = clocks(session, case, round_)
            assert set(found) == {"ack", "plan", "confirm", "callback"}
            assert all(clock.met_at is not None for clock in found.values())
