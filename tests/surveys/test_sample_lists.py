"""Samples a year later: inpatients at 100 %, who was not drawn and why, and the draw repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sampling_rows import DRAWN_AT, MONTH, drawn_of, members, sample_tasks, visits
from sqlalchemy import select, text, update
from world import NOW, World

from foundation.database import HospitalSession
from foundation.erasure import erase_patient
from outreach.models import ContactTask
from patients import consent, suppression
from patients.models import Encounter, Patient
from revisits import planning
from surveys import jobs, replay, sample_queries, samples
from surveys import service as surveys
from surveys.models import SampleMember, SurveySample
from surveys.sample_queries import MemberQuery
from surveys.sampling import rank, sample_size
from tenants.keys import data_key

AUGUST_NIGHT = datetime.fromisoformat("2026-08-20T02:30:00+08:00")


@pytest.fixture
def heqing(world: World) -> Iterator[HospitalSession]:
    with world.hospital(world.heqing) as session:
        yield session


def discharge(world: World, session: HospitalSession, number: str, day: date, **changes: Any) -> Patient:
    patient = world.patient(session, record_number=number, discharged_on=day, **changes)
    session.flush()
    return patient


def inpatients(session: HospitalSession) -> SurveySample:
    found = samples.find_sample(session, MONTH, audience="inpatient")
    assert found is not None
    return found


def lines(session: HospitalSession, sample: SurveySample) -> list[sample_queries.MemberLine]:
    found = sample_queries.one(session, sample.id)
    assert found is not None
    return list(sample_queries.whole_list(session, found, MemberQuery()))


def test_every_inpatient_is_drawn_unless_there_is_a_reason(world: World, heqing: HospitalSession) -> None:
    for n in range(5):
        discharge(world, heqing, f"Z{n}", MONTH + timedelta(days=n))
    discharge(world, heqing, "no-number", MONTH, contact_state="no_number")
    dead = discharge(world, heqing, "dead", MONTH)
    heqing.execute(update(Encounter).where(Encounter.patient_id == dead.id).values(disposition="died"))
    stopped = discharge(world, heqing, "stopped", MONTH)
    suppression.suppress(heqing, stopped.id, "dispute", source="card", now=AUGUST_NIGHT)
    unwilling = discharge(world, heqing, "unwilling", MONTH)
    consent.record(heqing, unwilling.id, "satisfaction", given=False, source="call", now=AUGUST_NIGHT)
    back = discharge(world, heqing, "taken-back", MONTH)
    heqing.execute(update(Encounter).where(Encounter.patient_id == back.id).values(withdrawn_at=AUGUST_NIGHT))
    discharge(world, heqing, "office", MONTH, contact_type="government")
    world.patient(heqing, kind="outpatient", discharged_on=MONTH, enrolled=False)
    jobs.sample(heqing, AUGUST_NIGHT)
    sample = inpatients(heqing)
    assert (sample.frame_size, sample.drawn_size, sample.rate) == (9, 5, Decimal(1))
    assert drawn_of(heqing, sample) == {f"Z{n}" for n in range(5)}
    reasons = {number: excluded for number, _drawn, excluded in members(heqing, sample) if excluded}
    assert reasons == {
        "no-number": "no_number", "dead": "died", "stopped": "suppressed", "unwilling": "consent_withdrawn",
    }  # fmt: skip
    # Their questionnaire is part of the follow-up: the sample makes no call of its own.
    assert sample_tasks(heqing) == []


def test_inpatients_are_taken_in_every_night_with_the_reason_of_that_day(
    world: World, heqing: HospitalSession
) -> None:
    first = discharge(world, heqing, "first", date(2026, 8, 10))
    discharge(world, heqing, "today", date(2026, 8, 20))
    jobs.sample(heqing, AUGUST_NIGHT)
    assert drawn_of(heqing, inpatients(heqing)) == {"first"}
    suppression.suppress(heqing, first.id, "refused", source="call", now=AUGUST_NIGHT)
    jobs.sample(heqing, AUGUST_NIGHT + timedelta(days=1))
    discharge(world, heqing, "late", date(2026, 8, 5))
    jobs.sample(heqing, datetime.fromisoformat("2026-09-20T02:30:00+08:00"))
    sample = inpatients(heqing)
    assert drawn_of(heqing, sample) == {"first", "today", "late"}
    jobs.sample(heqing, datetime.fromisoformat("2026-10-20T02:30:00+08:00"))
    discharge(world, heqing, "too-late", date(2026, 8, 5))
    assert sample.frame_size == 3


def test_an_inpatient_asked_in_the_follow_up_counts_as_answered_and_not_as_asked_before(
    world: World, heqing: HospitalSession
) -> None:
    discharge(world, heqing, "Z1", date(2026, 8, 10))
    night = datetime.fromisoformat("2026-08-12T10:00:00+08:00")
    planning.materialise(heqing, night.date(), now=night)
    planning.open_tasks(heqing, now=night)
    task = heqing.scalars(select(ContactTask).where(ContactTask.tenant_id == heqing.tenant_id)).one()
    response = surveys.open_response(heqing, task, agent=world.agent, mode="phone", now=night)
    surveys.record_answers(
        heqing,
        response.id,
        dict.fromkeys([one.code for one in surveys.unanswered(heqing, response)], 5),
        night,
    )
    surveys.finish_response(heqing, response.id, now=night)
    jobs.sample(heqing, AUGUST_NIGHT)
    assert [(line.drawn, line.state) for line in lines(heqing, inpatients(heqing))] == [(True, "answered")]
    shown = sample_queries.samples(heqing)
    assert [(one.audience, one.drawn, one.asked, one.answered) for one in shown] == [("inpatient", 1, 1, 1)]


def test_a_year_later_the_list_is_the_same_and_says_why(world: World, heqing: HospitalSession) -> None:
    patients = visits(world, heqing, [f"M{n:05d}" for n in range(40)])
    suppression.suppress(heqing, patients[0].id, "refused", source="card", now=DRAWN_AT)
    sample = samples.draw_sample(heqing, MONTH, now=DRAWN_AT, seed="seed")
    visits(world, heqing, [f"L{n:05d}" for n in range(20)])
    samples.extend_sample(heqing, MONTH, now=DRAWN_AT + timedelta(days=3))
    before = {line.id: (line.position, line.drawn, line.excluded) for line in lines(heqing, sample)}
    drawn = [line for line in lines(heqing, sample) if line.drawn]
    assert len(drawn) == 6

    later = DRAWN_AT + timedelta(days=365)
    gone, kept, merged = (heqing.get_one(Patient, (heqing.tenant_id, line.patient_id)) for line in drawn[:3])
    suppression.suppress(heqing, kept.id, "deceased", source="card", now=later)
    merged.merged_at = later
    gone.restricted_at = gone.erased_at = later
    heqing.flush()
    erase_patient(heqing, data_key(heqing), gone.id)

    after = {line.id: line for line in lines(heqing, sample)}
    assert {key: (line.position, line.drawn, line.excluded) for key, line in after.items()} == before
    erased = after[drawn[0].id]
    assert (erased.gone, erased.masked_name, erased.record_number, erased.patient_id, erased.rank) == (
        "erased", "", "", None, "",
    )  # fmt: skip
    assert after[drawn[2].id].patient_id is None
    assert Counter(line.excluded for line in after.values()) == {None: 59, "suppressed": 1}
    again = replay.draw_again(heqing, sample)
    assert (again.identical, again.members, again.draws, again.drawn, again.erased) == (True, 60, 2, 6, 1)


def test_nobody_is_drawn_who_was_stopped_after_the_list_was_made(
    world: World, heqing: HospitalSession
) -> None:
    visits(world, heqing, [f"M{n:05d}" for n in range(30)])
    sample = samples.draw_sample(heqing, MONTH, now=DRAWN_AT, seed="seed")
    waiting = [line for line in lines(heqing, sample) if not line.drawn]
    suppressed, dead, restricted, merged = (line.patient_id for line in waiting[:4])
    assert suppressed is not None
    assert dead is not None
    suppression.suppress(heqing, suppressed, "refused", source="card", now=DRAWN_AT)
    suppression.suppress(heqing, dead, "deceased", source="card", now=DRAWN_AT)
    heqing.get_one(Patient, (heqing.tenant_id, restricted)).restricted_at = DRAWN_AT
    heqing.get_one(Patient, (heqing.tenant_id, merged)).merged_at = DRAWN_AT
    visits(world, heqing, [f"L{n:05d}" for n in range(200)])
    samples.extend_sample(heqing, MONTH, now=DRAWN_AT + timedelta(days=3))
    found = dict(
        heqing.execute(
            select(Encounter.patient_id, SampleMember.excluded)
            .join(SampleMember, SampleMember.encounter_id == Encounter.id)
            .where(Encounter.patient_id.in_([suppressed, dead, restricted, merged]), ~SampleMember.drawn)
        ).all()
    )
    assert found == {suppressed: "suppressed", dead: "died", restricted: "restricted", merged: "merged"}
    assert replay.draw_again(heqing, sample).identical


def test_a_list_that_somebody_changed_is_found_out(world: World, heqing: HospitalSession) -> None:
    visits(world, heqing, [f"M{n:05d}" for n in range(40)])
    sample = samples.draw_sample(heqing, MONTH, now=DRAWN_AT, seed="seed")
    heqing.execute(
        text("UPDATE sample_member SET drawn = position IN (1, 2, 3, 9) WHERE sample_id = :id"),
        {"id": sample.id},
    )
    again = replay.draw_again(heqing, sample)
    assert (again.identical, again.missing, again.extra) == (False, (9,), (4,))


def test_the_other_hospital_has_its_own_samples(world: World, heqing: HospitalSession) -> None:
    visits(world, heqing, ["M1", "M2"])
    sample = samples.draw_sample(heqing, MONTH, now=DRAWN_AT)
    with world.hospital(world.yunling) as other:
        assert sample_queries.samples(other) == []
        assert sample_queries.one(other, sample.id) is None


def test_another_share_holds_from_the_next_draw_on(world: World, heqing: HospitalSession) -> None:
    visits(world, heqing, [f"M{n:05d}" for n in range(20)])
    sample = samples.draw_sample(heqing, MONTH, now=DRAWN_AT)
    samples.set_rate(heqing, Decimal("0.5"), now=NOW)
    visits(world, heqing, [f"L{n:05d}" for n in range(20)])
    assert samples.extend_sample(heqing, MONTH, now=DRAWN_AT + timedelta(days=1)).drawn_size == 4
    visits(world, heqing, [f"S{n:05d}" for n in range(4)], date(2026, 9, 3))
    following = samples.draw_sample(heqing, date(2026, 9, 1), now=DRAWN_AT + timedelta(days=31))
    assert (sample.rate, following.rate, following.drawn_size) == (Decimal("0.10"), Decimal("0.5"), 2)
    for rate in (Decimal(0), Decimal("1.01")):
        with pytest.raises(ValueError, match="a rate"):
            samples.set_rate(heqing, rate, now=NOW)


def test_the_list_is_found_by_department_result_and_number(world: World, heqing: HospitalSession) -> None:
    visits(world, heqing, [f"M{n:05d}" for n in range(120)])
    child = world.patient(
        heqing, record_number="kid", kind="outpatient", department="儿科", discharged_on=MONTH, enrolled=False
    )
    drawn = samples.draw_sample(heqing, MONTH, now=DRAWN_AT)
    sample = sample_queries.one(heqing, drawn.id)
    assert sample is not None
    page = sample_queries.members(heqing, sample, MemberQuery())
    seen = [line.position for line in page.lines]
    while page.after is not None:
        page = sample_queries.members(heqing, sample, MemberQuery(), after=page.after)
        seen += [line.position for line in page.lines]
    assert seen == list(range(1, 122))
    only = sample_queries.members(heqing, sample, MemberQuery("drawn"))
    assert (len(only.lines), {line.drawn for line in only.lines}) == (13, {True})
    of_children = MemberQuery(department_id=world.heqing.departments["儿科"])
    (one,) = sample_queries.members(heqing, sample, of_children).lines
    assert (one.patient_id, one.department) == (child.id, "儿科")
    (found,) = sample_queries.members(heqing, sample, MemberQuery(number="M00007")).lines
    assert (found.record_number, found.masked_name) == ("M00007", "王**")
    assert sample_queries.members(heqing, sample, MemberQuery(number="M0000")).lines == ()
    place = heqing.scalar(select(SampleMember.position).where(SampleMember.id == found.id))
    assert place == found.position


# ------------------------------------------------------------------------------------------ the rule alone

LISTS = st.lists(st.sets(st.integers(0, 10_000), max_size=60), min_size=1, max_size=5)
RATES = st.decimals(Decimal("0.01"), Decimal(1), places=2)


def listed(
    batches: list[set[int]], rate: Decimal, seed: str, barred: set[int]
) -> tuple[list[replay.Member], list[int]]:
    """The stored list as the database makes it, batch by batch."""
    keys: list[str] = []
    frames: list[int] = []
    chosen: set[str] = set()

    def eligible(key: str) -> bool:
        return int(key[1:]) not in barred

    for batch in batches:
        new = {f"M{n}" for n in batch} - set(keys)
        keys += sorted(new, key=lambda key: (rank(key, seed), key))
        if new:
            frames.append(len(keys))
        waiting = sorted(
            (k for k in keys if k not in chosen and eligible(k)), key=lambda k: (rank(k, seed), k)
        )
        chosen |= set(waiting[: max(0, sample_size(len(keys), rate) - len(chosen))])
    return [
        replay.Member(place, eligible(key), key in chosen, rank(key, seed), key)
        for place, key in enumerate(keys, start=1)
    ], frames


@given(LISTS, RATES, st.text(max_size=8), st.sets(st.integers(0, 10_000), max_size=40))
def test_a_draw_repeated_is_identical_and_reaches_the_rate(
    batches: list[set[int]], rate: Decimal, seed: str, barred: set[int]
) -> None:
    stored, frames = listed(batches, rate, seed, barred)
    again = replay.replay(stored, frames, rate)
    assert again.identical
    able = sum(member.eligible for member in stored)
    assert again.drawn == min(able, sample_size(len(stored), rate)) or again.drawn <= able


@given(LISTS, RATES, st.text(max_size=8))
def test_late_arrivals_only_add(batches: list[set[int]], rate: Decimal, seed: str) -> None:
    before: set[str] = set()
    for count in range(1, len(batches) + 1):
        stored, _frames = listed(batches[:count], rate, seed, set())
        drawn = {member.record_number for member in stored if member.drawn}
        assert before <= drawn
        assert len(drawn) == sample_size(len(stored), rate)
        before = drawn


@given(st.sets(st.integers(0, 10_000), min_size=3, max_size=80), RATES, st.data())
def test_an_erased_line_keeps_its_place_in_the_draw(
    numbers: set[int], rate: Decimal, data: st.DataObject
) -> None:
    stored, frames = listed([numbers], rate, "seed", set())
    gone = data.draw(st.sets(st.sampled_from(range(len(stored))), max_size=len(stored)))
    erased = [
        replay.Member(one.position, one.eligible, one.drawn, None, "") if place in gone else one
        for place, one in enumerate(stored)
    ]
    again = replay.replay(erased, frames, rate)
    assert (again.identical, again.erased) == (True, len(gone))
