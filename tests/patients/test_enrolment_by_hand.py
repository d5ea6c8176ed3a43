"""Enrolment with its reasons: taken in again by hand, and the one source of the plan and of the bill."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from suppression_world import full
from world import NOW, TODAY, World

from billing import ledger
from billing.models import LedgerEntry
from careloop import wiring
from foundation.database import HospitalSession
from outreach.models import ContactTask
from patients import enrolment_queries, service
from patients.enrolment import CannotEnrol, NotEnrolled, cancel, enrol, enrol_by_hand, open_enrolment
from patients.models import Encounter, Enrolment, Patient
from patients.suppression import lift, suppress
from revisits import planning
from revisits.models import RevisitStep

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _wired() -> None:
    wiring.wire()


def reasons(session: HospitalSession, patient: Patient) -> list[str]:
    rows = select(Enrolment.start_reason).where(Enrolment.patient_id == patient.id)
    return list(session.scalars(rows.order_by(Enrolment.started_on, Enrolment.id)))


def open_steps(session: HospitalSession, patient_id: object) -> list[int]:
    rows = select(RevisitStep.number).where(
        RevisitStep.patient_id == patient_id, RevisitStep.state.in_(("planned", "tasked"))
    )
    return sorted(session.scalars(rows))


def test_an_enrolment_says_why_it_began(world: World) -> None:
    with world.hospital(world.heqing) as session:
        after_discharge, after_lift = (world.patient(session, enrolled=False) for _ in range(2))
        enrol(session, [after_discharge.id], now=NOW)
        row = suppress(session, after_lift.id, "refused", source="card", now=NOW)
        lift(session, row.id, now=NOW)
        child = world.patient(
            session, enrolled=False, contact_state="no_guardian_number", birth_date=TODAY.replace(year=2012)
        )
        service.come_of_age(session, TODAY, now=NOW)
        by_hand = world.patient(session, enrolled=False)
        enrol_by_hand(session, by_hand.id, reason="本人要求", now=NOW)
        found = [reasons(session, who) for who in (after_discharge, after_lift, child, by_hand)]
        assert found == [["discharge"], ["lifted"], ["come_of_age"], ["by_hand"]]


def test_a_wrong_cancellation_is_made_good_with_the_plan_it_ended(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        steps = open_steps(session, made.patient_id)
        cancel(session, made.patient_id, reason="误点", now=NOW)
        assert open_steps(session, made.patient_id) == []
        row = enrol_by_hand(session, made.patient_id, reason="取消有误", now=NOW + DAY)
        assert (row.started_on, row.start_reason) == (TODAY + DAY, "reinstated")
        assert open_steps(session, made.patient_id) == steps
        tasks = select(ContactTask.state).where(
            ContactTask.patient_id == made.patient_id, ContactTask.source == "revisit"
        )
        assert set(session.scalars(tasks)) == {"open"}
        assert len(enrolment_queries.listed(session, "open")) == 2
        with pytest.raises(CannotEnrol, match="already_enrolled"):
            enrol_by_hand(session, made.patient_id, reason="again", now=NOW + DAY)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE patient SET contact_state = 'no_number'", "no_number"),
        ("UPDATE patient SET contact_type = 'company'", "not_inpatient"),
        ("UPDATE patient SET merged_at = now()", "suppressed"),
        ("UPDATE encounter SET kind = 'outpatient'", "not_inpatient"),
        ("UPDATE encounter SET withdrawn_at = now()", "not_inpatient"),
        ("UPDATE encounter SET disposition = 'died'", "died"),
    ],
)
def test_nobody_is_enrolled_against_the_rules_neither_by_hand_nor_by_itself(
    world: World, change: str, why: str
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, enrolled=False)
        session.execute(text(change))
        session.expire_all()
        with pytest.raises(CannotEnrol, match=why):
            enrol_by_hand(session, patient.id, reason="x", now=NOW)
        assert enrol(session, [patient.id], now=NOW) == []


def test_a_suppressed_patient_and_a_stranger_are_not_enrolled_by_hand(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        suppress(session, patient.id, "cured", source="card", now=NOW)
        with pytest.raises(CannotEnrol, match="suppressed"):
            enrol_by_hand(session, patient.id, reason="x", now=NOW)
    with world.hospital(world.yunling) as session, pytest.raises(NotEnrolled):
        enrol_by_hand(session, patient.id, reason="x", now=NOW)


def test_no_step_and_no_billable_month_without_a_day_of_enrolment(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        session.execute(text("DELETE FROM revisit_step WHERE state = 'planned'"))
        session.execute(text("DELETE FROM ledger_entry"))
        session.execute(text("DELETE FROM answer"))
        session.execute(text("DELETE FROM enrolment WHERE patient_id = :id"), {"id": made.patient_id})
        planning.materialise(session, TODAY, now=NOW)
        assert ledger.fill(session, date(2026, 9, 1), now=NOW) == 1
        assert session.scalars(select(LedgerEntry.patient_id)).all() == [made.neighbour_id]
        planned = select(RevisitStep.patient_id).where(RevisitStep.state == "planned").distinct()
        assert session.scalars(planned).all() == [made.neighbour_id]


def test_the_list_has_each_state_with_its_months_and_since_when_it_is_billed(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing) as session:
        september = date(2026, 9, 1)
        line = next(
            found
            for found in enrolment_queries.listed(session, "open")
            if found.patient_id == made.patient_id
        )
        assert (line.start_reason, line.billed_since) == ("discharge", date(2026, 8, 1))
        assert enrolment_queries.listed(session, "open", month=september) == []
        suppress(session, made.neighbour_id, "cured", source="card", now=NOW)
        cancel(session, made.patient_id, reason="x", now=NOW)
        ended = enrolment_queries.listed(session, "ended", month=september)
        assert [(found.patient_id, found.end_reason) for found in ended] == [(made.neighbour_id, "cured")]
        taken_back = enrolment_queries.listed(session, "cancelled", month=september)
        assert [found.cancelled_on for found in taken_back] == [TODAY]
        assert enrolment_queries.counts(session) == {"open": 0, "ended": 1, "cancelled": 1}
        assert open_enrolment(session, made.patient_id) is None
        encounters = session.scalars(select(Encounter.kind).distinct().order_by(Encounter.kind)).all()
        assert encounters == ["inpatient", "outpatient"]
