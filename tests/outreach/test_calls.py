"""Dialling and ending a call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from world import NOW, World

from foundation.audit import AuditEvent
from foundation.calendar import SHANGHAI
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.scope import Actor
from outreach import calls, outcomes, queue, tasks
from outreach.errors import ContactRefused, NotHeld, OutcomeIncomplete
from outreach.models import Call, ContactTask, PatientHold
from outreach.outcomes import EFFECTS, Outcome
from patients.models import ContactPoint, DataProblem, Patient, Suppression
from patients.suppression import suppress
from tenants.keys import data_key, unseal
from tenants.models import Hospital


@pytest.fixture(autouse=True)
def _wired() -> None:
    tasks.register()


@pytest.fixture
def session(world: World) -> Iterator[HospitalSession]:
    with world.hospital(world.heqing, world.agent) as session:
        yield session


class Desk:
    """An agent with one card in hand: a revisit of a patient of their own number 13800000000 + n."""

    def __init__(self, world: World, session: HospitalSession, **changes: Any) -> None:
        self.session, self.agent = session, world.agent
        self.patient: Patient = world.patient(session)
        self.point = session.scalars(
            select(ContactPoint).where(ContactPoint.patient_id == self.patient.id)
        ).one()
        self.task = self.add_task(**changes)
        self.hold()

    def add_task(self, **changes: Any) -> ContactTask:
        values: dict[str, Any] = {
            "kind": "revisit",
            "purpose": "care_followup",
            "source": "revisit",
            "label": {"zh": "回访", "en": "Revisit"},
            "rank": 8,
            "opens_at": NOW - timedelta(days=1),
            "due_at": NOW,
            "closes_at": NOW + timedelta(days=12),
            "next_try_at": NOW,
            "attempts": 0,
        }
        task = ContactTask(
            **values | changes,
            tenant_id=self.session.tenant_id,
            id=new_id(),
            patient_id=self.patient.id,
            source_id=new_id(),
            state="open",
            created_at=NOW,
        )
        self.session.add(task)
        self.session.flush()
        return task

    def hold(self, now: datetime = NOW, agent: Actor | None = None) -> None:
        self.session.add(
            PatientHold(
                tenant_id=self.session.tenant_id,
                id=self.patient.id,
                task_id=self.task.id,
                agent_id=(agent or self.agent).id,
                drawn_at=now,
                until=now + queue.HOLD,
                why="rest",
            )
        )
        self.session.flush()

    def daughter(self) -> ContactPoint:
        key = data_key(self.session)
        point = ContactPoint(
            tenant_id=self.session.tenant_id,
            id=new_id(),
            patient_id=self.patient.id,
            holder="contact",
            relation="女儿",
            name="王芳",
            number_cipher=key.encrypt("13911112222"),
            number_index=key.blind_index("13911112222"),
            number_masked="139****2222",
            position=2,
        )
        self.session.add(point)
        self.session.flush()
        return point

    def dial(self, point: ContactPoint | None = None, now: datetime = NOW) -> calls.Dialled:
        return calls.dial(self.session, self.task.id, (point or self.point).id, self.agent, now)

    def finish(
        self, outcome: Outcome, call_id: UUID | None = None, now: datetime = NOW, **values: Any
    ) -> Any:
        return calls.finish(self.session, call_id, self.task.id, outcome, agent=self.agent, now=now, **values)

    def held(self) -> bool:
        return self.session.get(PatientHold, (self.session.tenant_id, self.patient.id)) is not None


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def test_dialling_reveals_the_number_and_leaves_a_trace(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session)
    dialled = desk.dial()
    assert dialled.number == data_key(session).decrypt(desk.point.number_cipher)
    actions = session.scalars(
        select(AuditEvent.action).where(AuditEvent.tenant_id == session.tenant_id)
    ).all()
    assert actions == ["patients.number_revealed"]


def test_pressing_dial_twice_is_one_call(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session)
    first, second = desk.dial(), desk.dial(now=NOW + timedelta(seconds=1))
    assert (second.call_id, second.dialled_at) == (first.call_id, first.dialled_at)
    assert len(session.scalars(select(Call)).all()) == 1


def test_another_number_ends_the_call_of_the_first(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session)
    first = desk.dial()
    second = desk.dial(desk.daughter(), NOW + timedelta(minutes=1))
    ended = session.get_one(Call, (session.tenant_id, first.call_id))
    assert (ended.outcome, second.call_id != first.call_id) == ("no_answer", True)


def test_the_policy_is_asked_again_at_the_moment_of_dialling(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session)
    for now, reason in (
        (local("2026-09-15 12:01"), "out_of_hours"),
        (local("2026-09-15 21:01"), "out_of_hours"),
        (local("2026-10-01 10:00"), "holiday"),
    ):
        with pytest.raises(ContactRefused) as refused:
            desk.dial(now=now)
        assert refused.value.reason == reason
    session.execute(update(Hospital).where(Hospital.tenant_id == session.tenant_id).values(state="suspended"))
    with pytest.raises(ContactRefused, match="hospital_paused"):
        desk.dial()
    assert session.scalars(select(Call)).all() == []


def test_a_family_on_one_phone_counts_together(world: World, session: HospitalSession) -> None:
    desk, other = Desk(world, session), Desk(world, session)
    other.point.number_index = desk.point.number_index
    session.flush()
    desk.finish(Outcome.NO_ANSWER, desk.dial().call_id)
    with pytest.raises(ContactRefused, match="number_capped"):
        other.dial(now=NOW + timedelta(minutes=90))
    with world.hospital(world.yunling) as elsewhere:
        assert Desk(world, elsewhere).dial().number  # another hospital's counts are its own


def test_only_the_holder_of_the_card_dials(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session)
    with pytest.raises(NotHeld):
        calls.dial(session, desk.task.id, desk.point.id, world.agent2, NOW)
    suppress(session, desk.patient.id, "hospital", source="card", now=NOW)
    with pytest.raises(NotHeld):
        desk.dial()


def test_no_answer_is_tried_again_in_another_part_of_the_day(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session)
    done = desk.finish(Outcome.NO_ANSWER, desk.dial().call_id, note="响铃 25 秒")
    assert (done.state, done.next_try_at, done.changed) == ("open", local("2026-09-15 14:00"), True)
    assert (desk.task.attempts, desk.held()) == (1, False)


def test_finishing_twice_changes_nothing(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session)
    call_id = desk.dial().call_id
    first = desk.finish(Outcome.NO_ANSWER, call_id)
    again = desk.finish(Outcome.COMPLETED, call_id, NOW + timedelta(seconds=1))
    assert (again.changed, again.next_try_at, desk.task.attempts) == (False, first.next_try_at, 1)
    without_call = desk.finish(Outcome.COMPLETED)  # the card is gone already
    assert (without_call.changed, desk.task.state) == (False, "open")


def test_the_fifth_attempt_is_the_last(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session, attempts=4)
    done = desk.finish(Outcome.BUSY, desk.dial().call_id)
    assert (done.state, desk.task.outcome) == ("unreachable", "busy")


def test_a_try_that_would_come_too_late_is_not_planned(world: World, session: HospitalSession) -> None:
    tonight = NOW + timedelta(hours=12)
    desk = Desk(world, session, closes_at=tonight)
    assert desk.finish(Outcome.NO_ANSWER, desk.dial().call_id).state == "open"  # 14:00 is still today
    desk = Desk(world, session, closes_at=tonight)
    assert desk.finish(Outcome.REFUSED_NOW, desk.dial().call_id).state == "refused"


def test_a_refusal_for_now_rests_seven_days(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session)
    assert desk.finish(Outcome.REFUSED_NOW, desk.dial().call_id).next_try_at == NOW + timedelta(days=7)


def test_a_wrong_number_is_never_dialled_again_and_the_next_one_is(
    world: World, session: HospitalSession
) -> None:
    desk = Desk(world, session)
    daughter = desk.daughter()
    done = desk.finish(Outcome.WRONG_NUMBER, desk.dial().call_id)
    assert (done.state, done.next_try_at) == ("open", NOW)
    problem = session.scalars(select(DataProblem.kind).where(DataProblem.patient_id == desk.patient.id)).all()
    assert problem == ["wrong_number"]
    desk.hold()
    with pytest.raises(ContactRefused, match="no_number"):
        desk.dial()
    done = desk.finish(Outcome.SOMEONE_ELSE, desk.dial(daughter).call_id)
    assert done.state == "unreachable"


def test_a_death_ends_everything_of_this_patient_in_one_transaction(
    world: World, session: HospitalSession
) -> None:
    desk = Desk(world, session)
    survey = desk.add_task(kind="survey", purpose="satisfaction", source="sample")
    other = Desk(world, session)
    call_id = desk.dial().call_id
    with pytest.raises(OutcomeIncomplete) as missing:
        desk.finish(Outcome.DECEASED, call_id)
    assert missing.value.missing == "reported_by"
    done = desk.finish(
        Outcome.DECEASED, call_id, reported_by="女儿", happened_on=date(2026, 9, 8), note="上周去世"
    )
    assert done.state == "cancelled"
    session.refresh(survey)
    assert [survey.state, other.task.state] == ["cancelled", "open"]
    row = session.scalars(select(Suppression).where(Suppression.patient_id == desk.patient.id)).one()
    assert row.reason == "deceased"
    assert unseal(session, row.note_cipher) == "上周去世 · 女儿 · 2026-09-08"
    assert not desk.held()


def test_refused_for_ever_closes_as_refused_and_silences_the_rest(
    world: World, session: HospitalSession
) -> None:
    desk = Desk(world, session)
    survey = desk.add_task(kind="survey", purpose="satisfaction", source="sample")
    assert desk.finish(Outcome.REFUSED_FOREVER, desk.dial().call_id).state == "refused"
    session.refresh(survey)
    assert (survey.state, survey.outcome) == ("cancelled", "suppressed:refused")


def test_a_booked_callback_is_kept_by_its_agent(world: World, session: HospitalSession) -> None:
    at = local("2026-10-02 12:15")  # a holiday, at noon: the patient asked for it
    desk = Desk(world, session, closes_at=NOW + timedelta(days=1))
    call_id = desk.dial().call_id
    for wrong, missing in (
        (None, "callback_at"),
        (NOW, "callback_past"),
        (local("2026-09-16 21:30"), "callback_night"),
        (NOW + timedelta(days=31), "callback_far"),
    ):
        with pytest.raises(OutcomeIncomplete) as incomplete, session.begin_nested():
            desk.finish(Outcome.CALLBACK_BOOKED, call_id, callback_at=wrong)
        assert incomplete.value.missing == missing
    done = desk.finish(Outcome.CALLBACK_BOOKED, call_id, callback_at=at)
    assert done.next_try_at == at - timedelta(minutes=10)
    with world.firm(world.agent) as firm:
        card = queue.draw(firm, world.agent, at - timedelta(minutes=5))
        assert card is not None
        assert card.why == "appointment"
    assert desk.dial(now=at).number
    assert desk.finish(Outcome.NO_ANSWER, None, at).state in {"open", "unreachable"}
    assert desk.task.appointment_at is None


def test_a_language_need_goes_to_somebody_else(world: World, session: HospitalSession) -> None:
    desk = Desk(world, session)
    desk.finish(Outcome.LANGUAGE, desk.dial().call_id)
    assert desk.task.not_by == world.agent.id


def test_who_asked_for_the_task_hears_of_its_end_once(world: World, session: HospitalSession) -> None:
    heard: list[tuple[UUID, str, str]] = []
    outcomes.on_task_closed(
        "promise", lambda _s, task, outcome, _n: heard.append((task.id, task.state, outcome))
    )
    desk = Desk(world, session, source="promise", kind="promise")
    call_id = desk.dial().call_id
    desk.finish(Outcome.NO_ANSWER, call_id)
    assert heard == []
    desk.hold()
    later = NOW + timedelta(hours=4)
    call_id = desk.dial(now=later).call_id
    desk.finish(Outcome.COMPLETED, call_id, later)
    desk.finish(Outcome.COMPLETED, call_id, later)
    assert heard == [(desk.task.id, "completed", "completed")]


def test_every_outcome_has_its_own_letter_and_one_effect() -> None:
    assert set(EFFECTS) == set(Outcome) - {Outcome.EXPIRED, Outcome.WITHDRAWN}
    assert len({effect.key for effect in EFFECTS.values()}) == len(EFFECTS)
    for outcome, effect in EFFECTS.items():
        does = [effect.closes_as, effect.retry, effect.suppress, effect.needs == "callback_at" or None]
        assert sum(d is not None for d in does) >= 1, outcome
