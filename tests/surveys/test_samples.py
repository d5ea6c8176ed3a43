"""The month's sample of outpatients: the rate is kept, everybody is accounted for, nobody is swapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sampling_rows import DRAWN_AT, MONTH, again, drawn_of, members, sample_tasks, visits
from sqlalchemy import select, update
from world import World

from foundation import audit
from foundation.calendar import local_day_start
from foundation.database import HospitalSession
from outreach.ranks import Rank
from patients import suppression
from surveys import jobs, samples
from surveys.sampling import draw
from tenants.models import Hospital

SEED = "heqing-202608-test"


@pytest.fixture
def heqing(world: World) -> Iterator[HospitalSession]:
    with world.hospital(world.heqing) as session:
        yield session


def test_the_database_draws_whom_the_rule_draws(world: World, heqing: HospitalSession) -> None:
    numbers = [f"M{n:05d}" for n in range(73)]
    visits(world, heqing, numbers)
    visits(world, heqing, ["M-july"], date(2026, 7, 31))
    visits(world, heqing, ["M-september"], date(2026, 9, 1))
    world.patient(heqing, discharged_on=MONTH)  # an inpatient is no outpatient
    sample = samples.draw_sample(heqing, MONTH, now=DRAWN_AT, seed=SEED)
    assert (sample.frame_size, sample.drawn_size, sample.rate) == (73, 8, Decimal("0.10"))
    listed = members(heqing, sample)
    assert sorted(number for number, _, _ in listed) == numbers
    assert drawn_of(heqing, sample) == draw(numbers, Decimal("0.10"), SEED)
    # The drawn are the first of the list, so that the list itself shows that nobody was jumped over.
    assert [drawn for _, drawn, _ in listed] == [True] * 8 + [False] * 65


def test_the_same_seed_draws_the_same_people_after_the_data_came_in_anew(world: World) -> None:
    # Another database row, another id, the other order: two hospitals stand for two imports of one list.
    numbers = [f"M{n:05d}" for n in range(40)]
    drawn = []
    for hospital, order in ((world.heqing, numbers), (world.yunling, numbers[::-1])):
        with world.hospital(hospital) as session:
            visits(world, session, order)
            sample = samples.draw_sample(session, MONTH, now=DRAWN_AT, seed=SEED)
            assert sample.frame_size == 40
            drawn.append(drawn_of(session, sample))
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 4


def test_who_cannot_be_asked_stands_in_the_frame_with_the_reason(
    world: World, heqing: HospitalSession
) -> None:
    heqing.execute(
        update(Hospital).where(Hospital.tenant_id == heqing.tenant_id).values(outpatient_rate=Decimal("0.5"))
    )
    patients = visits(world, heqing, [f"M{n:05d}" for n in range(12)])
    suppression.suppress(heqing, patients[0].id, "refused", source="card", now=DRAWN_AT)
    patients[1].contact_state, patients[2].contact_state = "no_number", "no_guardian_number"
    heqing.flush()
    again(heqing, patients[3], 2, MONTH + timedelta(days=30))
    sample = samples.draw_sample(heqing, MONTH, now=DRAWN_AT)
    listed = members(heqing, sample)
    assert Counter(excluded for _, _, excluded in listed) == {
        None: 9, "suppressed": 1, "no_number": 1, "no_guardian_number": 1, "same_patient": 1,
    }  # fmt: skip
    assert not any(drawn for _, drawn, excluded in listed if excluded)
    # The rate is of all thirteen visits, not of the ten that can be asked.
    assert sample.drawn_size == 7 == len(sample_tasks(heqing))
    kept = {number for number, _, excluded in listed if excluded is None}
    assert drawn_of(heqing, sample) == draw(kept, Decimal("0.5"), sample.seed, frame_size=13)
    assert sample.seed.startswith("heqing-202608-")


def test_a_month_is_drawn_once_and_its_draw_is_on_record(world: World, heqing: HospitalSession) -> None:
    visits(world, heqing, [f"M{n:05d}" for n in range(20)])
    first = samples.draw_sample(heqing, MONTH, now=DRAWN_AT)
    listed = members(heqing, first)
    again_drawn = samples.draw_sample(heqing, MONTH + timedelta(days=9), now=DRAWN_AT, seed="another")
    assert again_drawn.id == first.id
    assert samples.extend_sample(heqing, MONTH, now=DRAWN_AT).frame_size == 20
    assert members(heqing, first) == listed
    assert len(sample_tasks(heqing)) == 2
    events = heqing.scalars(
        select(audit.AuditEvent).where(
            audit.AuditEvent.tenant_id == heqing.tenant_id, audit.AuditEvent.action == "surveys.sample_drawn"
        )
    ).all()
    assert [event.detail["seed"] for event in events] == [first.seed]
    with pytest.raises(LookupError):
        samples.extend_sample(heqing, date(2026, 7, 1), now=DRAWN_AT)


def test_late_visits_are_drawn_from_and_nobody_is_taken_out(world: World, heqing: HospitalSession) -> None:
    known = visits(world, heqing, [f"M{n:05d}" for n in range(30)])
    sample = samples.draw_sample(heqing, MONTH, now=DRAWN_AT, seed=SEED)
    before = drawn_of(heqing, sample)
    visits(world, heqing, [f"L{n:05d}" for n in range(30)])
    again(heqing, known[0], 2, MONTH + timedelta(days=30))
    extended = samples.extend_sample(heqing, MONTH, now=DRAWN_AT + timedelta(days=3))
    assert (extended.frame_size, extended.drawn_size) == (61, 7)
    after = drawn_of(heqing, sample)
    assert before < after
    assert len(after) == 7 == len(sample_tasks(heqing))
    reasons = Counter(excluded for _, _, excluded in members(heqing, sample))
    assert reasons == {None: 60, "same_patient": 1}


def test_the_call_falls_between_two_days_and_six_weeks_after_the_visit(
    world: World, heqing: HospitalSession
) -> None:
    heqing.execute(
        update(Hospital).where(Hospital.tenant_id == heqing.tenant_id).values(outpatient_rate=Decimal(1))
    )
    visits(world, heqing, ["first"], MONTH)
    visits(world, heqing, ["last"], date(2026, 8, 31))
    samples.draw_sample(heqing, MONTH, now=DRAWN_AT)
    early, late = sample_tasks(heqing)
    assert (late.kind, late.purpose, late.rank) == ("survey", "satisfaction", Rank.SURVEY)
    assert late.opens_at == local_day_start(date(2026, 9, 2))
    assert late.due_at == local_day_start(date(2026, 9, 15))
    assert late.closes_at == local_day_start(date(2026, 10, 13))
    # Drawn a month after the visit: still a week to call, and closed six weeks after the visit all the same.
    assert early.due_at == local_day_start(date(2026, 9, 9))
    assert early.closes_at == local_day_start(date(2026, 9, 13))


def test_a_refused_task_is_tried_again_and_an_old_visit_is_left_alone(
    world: World, heqing: HospitalSession
) -> None:
    hospital = heqing.scalars(select(Hospital).where(Hospital.tenant_id == heqing.tenant_id)).one()
    hospital.outpatient_rate, hospital.state = Decimal(1), "suspended"
    visits(world, heqing, ["a"], MONTH)
    visits(world, heqing, ["b"], date(2026, 8, 31))
    sample = samples.draw_sample(heqing, MONTH, now=DRAWN_AT)
    assert (sample.drawn_size, len(sample_tasks(heqing))) == (2, 0)
    hospital.state = "active"
    heqing.flush()
    samples.extend_sample(heqing, MONTH, now=DRAWN_AT + timedelta(days=20))
    assert [task.label["en"] for task in sample_tasks(heqing)] == ["Outpatient survey of 2026-08"]


def test_the_night_after_the_month_draws_it_and_later_nights_add(
    world: World, heqing: HospitalSession
) -> None:
    visits(world, heqing, [f"M{n:05d}" for n in range(10)])
    jobs.sample(heqing, DRAWN_AT - timedelta(days=1))
    assert samples.find_sample(heqing, MONTH) is None
    jobs.sample(heqing, DRAWN_AT)
    sample = samples.find_sample(heqing, MONTH)
    assert sample is not None
    assert sample.frame_size == 10
    visits(world, heqing, [f"L{n:05d}" for n in range(10)])
    jobs.sample(heqing, DRAWN_AT + timedelta(days=1))
    assert (sample.frame_size, sample.drawn_size) == (20, 2)
    with world.hospital(world.yunling) as other:
        jobs.sample(other, DRAWN_AT)
        # A hospital whose file has not come is not drawn empty.
        assert samples.find_sample(other, MONTH) is None
