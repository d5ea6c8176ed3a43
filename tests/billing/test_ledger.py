"""Who is billed for a month, and never twice."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from world import NOW, TestHospital, World

from billing.ledger import fill
from billing.models import LedgerEntry
from billing.pricing import is_free_cancellation, months_billable
from billing.service import ensure_contract
from foundation.calendar import add_months, local_day_start
from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach.models import Call, ContactTask
from patients.models import ContactPoint, Encounter, Enrolment, Patient, Suppression

JULY, AUGUST, SEPTEMBER, OCTOBER = (date(2026, m, 1) for m in (7, 8, 9, 10))


def entries(session: HospitalSession, month: date) -> dict[Any, LedgerEntry]:
    """The month's ledger by patient."""
    session.expire_all()
    rows = session.scalars(
        select(LedgerEntry).where(LedgerEntry.tenant_id == session.tenant_id, LedgerEntry.month == month)
    )
    return {row.patient_id: row for row in rows}


def enrol(
    session: HospitalSession, patient: Patient, start: date, end: date | None, **more: Any
) -> Enrolment:
    """One more enrolment of a patient; made at noon of its first day."""
    encounter = session.scalars(
        select(Encounter.id).where(
            Encounter.tenant_id == session.tenant_id, Encounter.patient_id == patient.id
        )
    ).first()
    values = {"ended_on": end, "created_at": local_day_start(start) + timedelta(hours=12)} | more
    row = Enrolment(
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient.id,
        encounter_id=encounter,
        started_on=start,
        **values,
    )
    session.add(row)
    session.flush()
    return row


def suppress(
    session: HospitalSession, patient: Patient, reason: str, start: date, until: date | None = None
) -> None:
    """A suppression alone, as if nothing had ended the enrolment."""
    session.add(
        Suppression(
            tenant_id=session.tenant_id,
            patient_id=patient.id,
            reason=reason,
            source="card",
            started_at=local_day_start(start) + timedelta(hours=23),
            started_by="x",
            lifted_at=local_day_start(until) + timedelta(hours=1) if until else None,
            lifted_by="x" if until else None,
        )
    )
    session.flush()


def reached(session: HospitalSession, patient: Patient, at: datetime) -> None:
    """A call that somebody answered."""
    task_id = new_id()
    session.add(
        ContactTask(
            tenant_id=session.tenant_id,
            id=task_id,
            patient_id=patient.id,
            kind="revisit",
            purpose="care_followup",
            source="revisit",
            source_id=new_id(),
            label={"zh": "一周", "en": "1 week"},
            rank=1,
            opens_at=at,
            due_at=at,
            closes_at=at,
            next_try_at=at,
            state="completed",
            created_at=at,
        )
    )
    session.flush()
    number = session.scalars(
        select(ContactPoint).where(
            ContactPoint.tenant_id == session.tenant_id, ContactPoint.patient_id == patient.id
        )
    ).one()
    session.add(
        Call(
            tenant_id=session.tenant_id,
            task_id=task_id,
            patient_id=patient.id,
            contact_point_id=number.id,
            number_index=number.number_index,
            agent_id=new_id(),
            agent_name="x",
            dialled_at=at,
            connected_at=at,
        )
    )
    session.flush()


def contract(session: HospitalSession, starts_on: date = date(2020, 1, 1)) -> None:
    ensure_contract(session, starts_on=starts_on, now=NOW)


def test_carried_and_new_in_both_hospitals_and_a_second_run_changes_nothing(world: World) -> None:
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            contract(session)
            old = world.patient(session, discharged_on=date(2026, 7, 20), phone="13900000001")
            new = world.patient(session, discharged_on=date(2026, 9, 30))
            assert fill(session, SEPTEMBER, now=NOW) == 2
            first = entries(session, SEPTEMBER)
            assert {first[old.id].kind, first[new.id].kind} == {"carried", "new"}
            assert first[old.id].kind == "carried"
            assert first[old.id].unit_fen == 1250
            facts = {k: (v.id, v.created_at, v.kind) for k, v in first.items()}
            assert fill(session, date(2026, 9, 17), now=NOW + timedelta(days=1)) == 2
            assert {k: (v.id, v.created_at, v.kind) for k, v in entries(session, SEPTEMBER).items()} == facts
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(LedgerEntry)) == 2


def test_two_enrolments_in_one_month_are_one_patient_month(world: World) -> None:
    with world.hospital(world.heqing) as session:
        contract(session)
        patient = world.patient(session, enrolled=False)
        enrol(session, patient, date(2026, 7, 2), date(2026, 9, 3))
        enrol(session, patient, date(2026, 9, 20), None)
        assert [fill(session, month, now=NOW) for month in (JULY, AUGUST, SEPTEMBER, OCTOBER)] == [1] * 4
        kinds = [entries(session, month)[patient.id].kind for month in (JULY, AUGUST, SEPTEMBER, OCTOBER)]
        assert kinds == ["new", "carried", "carried", "carried"]


def test_who_comes_back_after_a_gap_is_new_so_that_openings_and_closings_meet(world: World) -> None:
    with world.hospital(world.heqing) as session:
        contract(session)
        patient = world.patient(session, enrolled=False)
        enrol(session, patient, date(2026, 7, 2), date(2026, 8, 3))
        enrol(session, patient, date(2026, 9, 20), None)
        for month in (JULY, AUGUST, SEPTEMBER):
            fill(session, month, now=NOW)
        assert entries(session, AUGUST)[patient.id].leaves
        assert entries(session, SEPTEMBER)[patient.id].kind == "new"


def test_cancelled_inside_seven_days_is_shown_and_free(world: World) -> None:
    with world.hospital(world.heqing) as session:
        contract(session)
        free = world.patient(session, enrolled=False)
        enrol(session, free, date(2026, 9, 1), None, cancelled_on=date(2026, 9, 8))
        paid = world.patient(session, enrolled=False)
        enrol(session, paid, date(2026, 9, 1), None, cancelled_on=date(2026, 9, 9))
        again = world.patient(session, enrolled=False)
        enrol(session, again, date(2026, 9, 1), None, cancelled_on=date(2026, 9, 4))
        enrol(session, again, date(2026, 9, 10), None)
        assert fill(session, SEPTEMBER, now=NOW) == 2
        rows = entries(session, SEPTEMBER)
        assert (rows[free.id].kind, rows[free.id].reason) == ("cancelled", "cancelled")
        assert (rows[paid.id].kind, rows[paid.id].leaves) == ("new", True)
        assert (rows[again.id].kind, rows[again.id].leaves) == ("new", False)
        assert fill(session, OCTOBER, now=NOW) == 1


def test_an_enrolment_read_from_a_late_list_may_be_taken_back_from_then_on(world: World) -> None:
    with world.hospital(world.heqing) as session:
        contract(session)
        patient = world.patient(session, enrolled=False)
        read = local_day_start(date(2026, 9, 20))
        enrol(session, patient, date(2026, 9, 1), None, cancelled_on=date(2026, 9, 25), created_at=read)
        assert fill(session, SEPTEMBER, now=NOW) == 0


def test_a_suppressed_patient_is_billed_for_the_month_and_for_none_after_it(world: World) -> None:
    with world.hospital(world.heqing) as session:
        contract(session)
        patient = world.patient(session, discharged_on=date(2026, 7, 20))
        suppress(session, patient, "refused", date(2026, 7, 31))
        assert [fill(session, m, now=NOW) for m in (JULY, AUGUST)] == [1, 0]
        assert entries(session, JULY)[patient.id].leaves


def test_suppressed_and_lifted_in_the_month_is_billed_once(world: World) -> None:
    with world.hospital(world.heqing) as session:
        contract(session)
        patient = world.patient(session, discharged_on=date(2026, 7, 20))
        suppress(session, patient, "refused", date(2026, 8, 3), date(2026, 8, 9))
        suppress(session, patient, "hospital", date(2026, 8, 8), date(2026, 10, 2))
        assert [fill(session, m, now=NOW) for m in (JULY, AUGUST, SEPTEMBER, OCTOBER)] == [1, 1, 0, 1]


def test_who_died_before_the_first_contact_is_not_billed(world: World) -> None:
    with world.hospital(world.heqing) as session:
        contract(session)
        unreached = world.patient(session, discharged_on=date(2026, 9, 2))
        suppress(session, unreached, "deceased", date(2026, 9, 10))
        known = world.patient(session, discharged_on=date(2026, 9, 2))
        reached(session, known, datetime.fromisoformat("2026-09-09T10:00:00+08:00"))
        suppress(session, known, "deceased", date(2026, 9, 10))
        assert fill(session, SEPTEMBER, now=NOW) == 1
        rows = entries(session, SEPTEMBER)
        assert (rows[unreached.id].kind, rows[unreached.id].reason) == ("cancelled", "deceased")
        assert rows[known.id].kind == "new"


def test_only_days_inside_a_contract_count(world: World) -> None:
    with world.hospital(world.heqing) as session:
        contract(session, date(2026, 9, 15))
        before = world.patient(session, enrolled=False)
        enrol(session, before, date(2026, 9, 1), date(2026, 9, 14))
        inside = world.patient(session, enrolled=False)
        enrol(session, inside, date(2026, 9, 1), date(2026, 9, 15))
        assert fill(session, AUGUST, now=NOW) == 0
        assert fill(session, SEPTEMBER, now=NOW) == 1
        assert list(entries(session, SEPTEMBER)) == [inside.id]
    with world.hospital(world.yunling) as session:
        world.patient(session)
        assert fill(session, SEPTEMBER, now=NOW) == 0  # no contract, no bill


def test_the_first_second_of_a_month_in_china_is_the_month_of_china(world: World) -> None:
    with world.hospital(world.heqing) as session:
        contract(session)
        patient = world.patient(session, discharged_on=date(2026, 8, 5))
        # 31 August 16:30 UTC is 1 September in China: enrolled on that day, out from the next.
        session.add(
            Suppression(
                tenant_id=session.tenant_id,
                patient_id=patient.id,
                reason="refused",
                source="call",
                started_at=datetime.fromisoformat("2026-08-31T16:30:00+00:00"),
                started_by="x",
            )
        )
        assert [fill(session, m, now=NOW) for m in (AUGUST, SEPTEMBER, OCTOBER)] == [1, 1, 0]


BASE = date(2026, 1, 1)
spans = st.tuples(st.integers(0, 220), st.one_of(st.none(), st.integers(0, 120)), st.booleans())
histories = st.lists(st.lists(spans, max_size=3), min_size=1, max_size=6)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories)
def test_the_ledger_says_what_the_rule_says(
    world: World, many: list[list[tuple[int, int | None, bool]]]
) -> None:
    months = [add_months(BASE, n) for n in range(-1, 9)]
    until = date(2026, 9, 30)
    with world.hospital(world.heqing) as session:
        contract(session)
        expected: dict[Any, set[date]] = {}
        for spans_of_one in many:
            patient = world.patient(session, enrolled=False)
            billed: set[date] = set()
            still_open = False
            for begin, length, cancelled in spans_of_one:
                start = BASE + timedelta(days=begin)
                end = None if length is None else start + timedelta(days=length)
                if end is None and still_open:
                    continue
                still_open = still_open or end is None
                if cancelled and end is not None:
                    enrol(session, patient, start, None, cancelled_on=end)
                else:
                    enrol(session, patient, start, end)
                free = cancelled and end is not None and is_free_cancellation(start, end)
                billed |= set(months_billable(start, end, free, until))
            expected[patient.id] = billed
        counts = {month: fill(session, month, now=NOW) for month in months}
        rows = session.scalars(
            select(LedgerEntry).where(
                LedgerEntry.tenant_id == session.tenant_id, LedgerEntry.kind != "cancelled"
            )
        ).all()
        found: dict[Any, set[date]] = {patient_id: set() for patient_id in expected}
        for row in rows:
            assert row.month not in found[row.patient_id]
            found[row.patient_id].add(row.month)
        assert found == expected
        assert counts == {m: sum(m in billed for billed in expected.values()) for m in months}
        _proof_holds(rows, months)
        session.rollback()


def _proof_holds(rows: Any, months: list[date]) -> None:
    """Carried over into a month is what the month before said would be."""
    for month in months[1:]:
        before = [row for row in rows if row.month == add_months(month, -1)]
        now = [row for row in rows if row.month == month]
        assert {row.patient_id for row in now if row.kind == "carried"} == {
            row.patient_id for row in before if not row.leaves
        }


@pytest.mark.parametrize("hospital", ["heqing", "yunling"])
def test_no_row_of_another_hospital_is_counted(world: World, hospital: str) -> None:
    mine: TestHospital = getattr(world, hospital)
    other = world.yunling if mine is world.heqing else world.heqing
    with world.hospital(other) as session:
        contract(session)
        world.patient(session, phone="13911112222")
        world.patient(session)
        assert fill(session, SEPTEMBER, now=NOW) == 2
    with world.hospital(mine) as session:
        contract(session)
        world.patient(session, phone="13911112222")
        assert fill(session, SEPTEMBER, now=NOW) == 1
