"""A suspended hospital is called by nobody, and resuming it brings no flood (journeys.md J6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from world import NOW, TODAY, World

from careloop import wiring
from foundation.calendar import local_date, local_day_start
from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach import calls, queue, spreading, stage_hooks
from outreach import jobs as outreach_jobs
from outreach.errors import ContactRefused
from outreach.models import Call, ContactTask, PatientHold
from outreach.outcomes import Outcome
from outreach.ranks import Rank
from outreach.tasks import TaskRequest, make_tasks
from patients.models import ContactPoint
from revisits import jobs as revisits_jobs
from revisits.models import RevisitStep
from surveys import jobs as surveys_jobs
from surveys.models import SurveySample
from tenants.life import stages

RESUMED = NOW + timedelta(days=6)


def request(patient_id: UUID, *, closes_on: date, kind: str = "revisit") -> TaskRequest:
    return TaskRequest(
        patient_id=patient_id,
        encounter_id=None,
        kind=kind,
        purpose="care_followup" if kind == "revisit" else "complaint",
        source="test",
        source_id=new_id(),
        label={"zh": "回访", "en": "Revisit"},
        rank=Rank.REST,
        opens_at=NOW - timedelta(days=1),
        due_at=NOW,
        closes_at=local_day_start(closes_on + timedelta(days=1)),
    )


@pytest.fixture(autouse=True)
def wired() -> None:
    wiring.wire()


# -- the rule


@given(st.lists(st.integers(0, 400), max_size=45))
def test_nobody_is_called_after_the_window_and_nobody_is_left_out(closing: list[int]) -> None:
    row = spreading.stretches(closing)
    lasts = [day for day, count in enumerate(closing) for _ in range(count)]
    for place, last in enumerate(lasts):
        assert 0 <= spreading.day_of(place, row) <= last
    with pytest.raises(LookupError):
        spreading.day_of(len(lasts), row)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=45))
def test_days_of_a_stretch_differ_by_one_at_most_and_no_plan_has_an_easier_busiest_day(
    closing: list[int],
) -> None:
    row = spreading.stretches(closing)
    load = Counter(spreading.day_of(place, row) for place in range(sum(closing)))
    for part in row:
        loads = [load[part.day + n] for n in range(part.days)]
        assert max(loads) - min(loads) <= 1
    # Whatever closes by a day must be called by then, so this is the least that a busiest day can be.
    least = max(-(-sum(closing[: day + 1]) // (day + 1)) for day in range(len(closing)))
    assert max(load.values(), default=0) == least


@given(st.lists(st.integers(0, 400), max_size=45))
def test_later_days_are_not_busier_than_earlier_ones_by_more_than_one(closing: Sequence[int]) -> None:
    row = spreading.stretches(closing)
    averages = [(part.last - part.first) / part.days for part in row]
    assert averages == sorted(averages, reverse=True)


def test_a_negative_count_is_none() -> None:
    with pytest.raises(ValueError, match="from 0"):
        spreading.stretches([3, -1])


# -- suspended


def test_a_card_on_screen_is_refused_at_the_dial_and_goes_back_while_a_running_call_may_end(
    world: World,
) -> None:
    with world.hospital(world.heqing) as session:
        for patient in (world.patient(session), world.patient(session)):
            make_tasks(session, [request(patient.id, closes_on=TODAY + timedelta(days=5))], NOW)
    with world.firm(world.agent) as firm:
        calling = queue.draw(firm, world.agent, NOW)
    with world.firm(world.agent2) as firm:
        waiting = queue.draw(firm, world.agent2, NOW)
    assert calling is not None
    assert waiting is not None
    with world.hospital(world.heqing, world.agent) as session:
        call = calls.dial(session, calling.task_id, number_of(session, calling.patient_id), world.agent, NOW)
    with world.hospital(world.heqing) as session:
        stages.suspend(session, reason="test", now=NOW)
        assert session.scalars(select(PatientHold.task_id)).all() == [calling.task_id]
    with world.hospital(world.heqing, world.agent2) as session:
        session.add(_hold(waiting, world))  # a card that was drawn while the suspension was written
        number = number_of(session, waiting.patient_id)
        with pytest.raises(ContactRefused) as refused:
            calls.dial(session, waiting.task_id, number, world.agent2, NOW)
    assert refused.value.reason == "hospital_paused"
    with world.hospital(world.heqing, world.agent) as session:
        ended = calls.finish(
            session, call.call_id, calling.task_id, Outcome.COMPLETED, agent=world.agent, now=NOW
        )
        assert ended.state == "completed"


def test_nothing_is_drawn_made_sampled_or_given_up_while_suspended(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient_id = world.patient(session).id
        make_tasks(session, [request(patient_id, closes_on=TODAY)], NOW)
        world.patient(session, kind="outpatient", discharged_on=TODAY - timedelta(days=30))
        stages.suspend(session, reason="test", now=NOW)
    with world.firm(world.agent) as firm:
        assert queue.draw(firm, world.agent, NOW) is None
    with world.hospital(world.heqing) as session:
        for tick in (outreach_jobs.expire, revisits_jobs.plan, revisits_jobs.catch_up, surveys_jobs.sample):
            tick(session, RESUMED)
        assert session.scalars(select(ContactTask.state)).all() == ["open"]
        assert session.scalar(select(func.count()).select_from(RevisitStep)) == 0
        assert session.scalar(select(func.count()).select_from(SurveySample)) == 0
        made = make_tasks(session, [request(patient_id, closes_on=TODAY + timedelta(days=9))], RESUMED)
        assert made.refused == {"hospital_paused": 1}


# -- resumed


def test_two_thousand_overdue_contacts_come_back_a_day_s_share_at_a_time(world: World) -> None:
    """Windows that close on each of the next ten days; of 2,000 no day gets more than its share of 200."""
    resumed = datetime.fromisoformat("2026-10-12T09:30:00+08:00")  # no holiday ahead
    with world.hospital(world.heqing) as session:
        patient_id = world.patient(session).id
        fill(session, patient_id, 2000, first=resumed, days=10)
        stages.suspend(session, reason="test", now=NOW)
    with world.hospital(world.heqing) as session:
        stages.resume(session, reason="", now=resumed)
        rows = session.execute(
            select(ContactTask.next_try_at, ContactTask.closes_at).where(ContactTask.source == "bulk")
        ).all()
    days = Counter(local_date(row.next_try_at) for row in rows)
    assert sorted(days) == [local_date(resumed) + timedelta(days=n) for n in range(10)]
    assert set(days.values()) == {200}
    assert all(resumed <= row.next_try_at < row.closes_at for row in rows)


def test_what_closed_in_the_suspension_is_nobody_s_miss_and_a_complaint_keeps_its_time(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, discharged_on=TODAY - timedelta(days=5))  # week 1 closes in 2 days
        revisits_jobs.catch_up(session, NOW)
        callback = request(patient.id, closes_on=TODAY + timedelta(days=2), kind="callback")
        make_tasks(session, [callback], NOW)
        stages.suspend(session, reason="test", now=NOW)
    with world.hospital(world.heqing) as session:
        stages.resume(session, reason="", now=RESUMED)
        revisits_jobs.plan(session, RESUMED)
        outreach_jobs.expire(session, RESUMED)
        lost = session.execute(
            select(RevisitStep.state, RevisitStep.cancelled_because).where(RevisitStep.number == 1)
        ).one()
        assert lost == ("cancelled", "hospital_paused")
        tasks = {task.kind: task for task in session.scalars(select(ContactTask))}
    assert (tasks["revisit"].state, tasks["revisit"].outcome) == ("cancelled", "hospital_paused")
    assert tasks["callback"].state == "open"
    assert tasks["callback"].closes_at == callback.closes_at + (RESUMED - NOW)
    assert tasks["callback"].due_at == callback.due_at  # its clock ran on


def test_steps_that_opened_meanwhile_are_spread_too_and_no_call_lies_in_the_suspension(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for _ in range(14):
            world.patient(session, discharged_on=TODAY)  # window of week 1: days 1 to 7
        stages.suspend(session, reason="test", now=NOW)
    resumed = NOW + timedelta(days=3)
    with world.hospital(world.heqing) as session:
        stages.resume(session, reason="", now=resumed)
        tries = Counter(
            local_date(at)
            for at in session.scalars(select(ContactTask.next_try_at).where(ContactTask.source == "revisit"))
        )
        assert session.scalar(select(func.count()).select_from(Call)) == 0
    # Five days are left of each window; fourteen patients are two or three a day.
    assert sum(tries.values()) == 14
    assert set(tries) == {TODAY + timedelta(days=n) for n in range(3, 8)}
    assert set(tries.values()) == {2, 3}


def test_nobody_is_put_on_a_holiday(world: World) -> None:
    """Resumed on 30 September: the first of October to the seventh nobody is called (国庆, 2026)."""
    resumed = datetime.fromisoformat("2026-09-30T09:30:00+08:00")
    days = stage_hooks.calling_days(local_date(resumed), 10)
    assert days[:2] == [date(2026, 9, 30), date(2026, 10, 8)]
    with world.hospital(world.heqing) as session:
        fill(session, world.patient(session).id, 60, first=resumed + timedelta(days=9), days=1)
        stages.suspend(session, reason="test", now=NOW)
        stages.resume(session, reason="", now=resumed)
        bulk = select(ContactTask.next_try_at).where(ContactTask.source == "bulk")
        tries = Counter(local_date(at) for at in session.scalars(bulk))
    assert tries == dict.fromkeys((date(2026, 9, 30), date(2026, 10, 8), date(2026, 10, 9)), 20)


def fill(session: HospitalSession, patient_id: UUID, count: int, *, first: datetime, days: int) -> None:
    """Contacts that are overdue and whose windows close evenly on `days` days from `first` on."""
    session.execute(
        text("""
            INSERT INTO contact_task (tenant_id, id, patient_id, kind, purpose, source, source_id, label,
                                      rank, opens_at, due_at, closes_at, next_try_at, attempts, state,
                                      created_at)
            SELECT :tenant_id, uuidv7(), :patient_id, 'revisit', 'care_followup', 'bulk', uuidv7(), '{}', 8,
                   :opens, :opens, CAST(:closes AS timestamptz) + make_interval(days => n % :days), :opens, 0,
                   'open', :opens
            FROM generate_series(0, :count - 1) AS n
        """),
        {
            "tenant_id": session.tenant_id,
            "patient_id": patient_id,
            "count": count,
            "days": days,
            "opens": NOW - timedelta(days=2),
            "closes": local_day_start(local_date(first) + timedelta(days=1)),
        },
    )


def number_of(session: HospitalSession, patient_id: UUID) -> UUID:
    return session.scalars(select(ContactPoint.id).where(ContactPoint.patient_id == patient_id)).one()


def _hold(card: queue.DrawnCard, world: World) -> PatientHold:
    return PatientHold(
        tenant_id=card.tenant_id,
        id=card.patient_id,
        task_id=card.task_id,
        agent_id=world.agent2.id,
        drawn_at=NOW,
        until=NOW + timedelta(minutes=20),
        why="rest",
    )
