"""Suspended time on the invoice: a month without one day of service is not billed, any other counts whole."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from world import NOW, World

from billing import ledger, queries, service
from billing.models import LedgerEntry
from billing.stages import Suspension, is_left_out, is_suspended_on
from foundation.calendar import local_day_start
from foundation.database import HospitalSession
from patients.models import Enrolment
from tenants.models import HospitalPhase

JULY, AUGUST, SEPTEMBER = date(2026, 7, 1), date(2026, 8, 1), date(2026, 9, 1)
CLOSED = datetime.fromisoformat("2026-10-02T09:00:00+08:00")
ZONE = "+08:00"


def at(text: str) -> datetime:
    """A moment in China."""
    return datetime.fromisoformat(text + ZONE)


def suspended(session: HospitalSession, start: datetime, end: datetime | None) -> None:
    """A suspension in the history, as `tenants.life.stages` writes it."""
    session.execute(delete(HospitalPhase).where(HospitalPhase.tenant_id == session.tenant_id))
    session.add(
        HospitalPhase(
            tenant_id=session.tenant_id,
            state="suspended",
            started_at=start,
            ended_at=end,
            reason="test",
            by_name="test",
        )
    )
    session.flush()


def test_suspend_and_resume_in_the_middle_of_a_month_gives_the_right_invoice(world: World) -> None:
    """Two were enrolled on served days as well and count whole; one only inside the suspension is free."""
    with world.hospital(world.heqing) as session:
        service.ensure_contract(session, starts_on=JULY, now=NOW)
        world.patient(session, discharged_on=date(2026, 9, 2))  # before and after
        world.patient(session, discharged_on=date(2026, 9, 20))  # enrolled after the resume
        inside = world.patient(session, discharged_on=date(2026, 9, 11))
        session.scalars(select(Enrolment).where(Enrolment.patient_id == inside.id)).one().ended_on = date(
            2026, 9, 14
        )
        suspended(session, at("2026-09-10T15:00:00"), at("2026-09-15T09:00:00"))
        invoice = service.close_month(session, SEPTEMBER, now=CLOSED)
        lines = [(n.kind, n.quantity, n.amount_fen) for n in queries.lines_of(session, invoice.id)]
        behind = queries.patients_behind(session, invoice.id, kind="suspended", month=SEPTEMBER)
        found = queries.statement(session, invoice)
    assert lines == [("new", 3, 3750), ("suspended", -1, -1250)]
    assert (invoice.patients, invoice.subtotal_fen) == (2, 2500)
    assert [row.patient_id for row in behind] == [inside.id]
    assert (found.proof.new, found.proof.left, found.proof.closing) == (3, 1, 2)


def test_a_month_suspended_from_end_to_end_costs_nothing_and_the_chain_of_counts_holds(world: World) -> None:
    with world.hospital(world.heqing) as session:
        service.ensure_contract(session, starts_on=JULY, now=NOW)
        for _ in range(3):
            world.patient(session, discharged_on=date(2026, 7, 10))
        suspended(session, at("2026-07-31T18:00:00"), at("2026-09-01T08:00:00"))
        totals, proofs = [], []
        for month in (JULY, AUGUST, SEPTEMBER):
            invoice = service.close_month(session, month, now=CLOSED)
            service.issue(session, invoice.id, now=CLOSED)
            totals.append((invoice.patients, invoice.subtotal_fen))
            proof = queries.statement(session, invoice).proof
            proofs.append((proof.opening, proof.new, proof.closing))
    assert totals == [(3, 3750), (0, 0), (3, 3750)]
    assert proofs == [(0, 3, 3), (3, 0, 3), (3, 0, 3)]


def test_a_patient_reported_late_for_a_suspended_month_is_not_billed_for_it(world: World) -> None:
    with world.hospital(world.heqing) as session:
        service.ensure_contract(session, starts_on=JULY, now=NOW)
        suspended(session, at("2026-08-01T00:00:00"), at("2026-09-01T00:00:00"))
        august = service.close_month(session, AUGUST, now=CLOSED)
        service.issue(session, august.id, now=CLOSED)
        world.patient(session, discharged_on=date(2026, 8, 15))
        invoice = service.close_month(session, SEPTEMBER, now=CLOSED)
        lines = [(n.kind, n.quantity) for n in queries.lines_of(session, invoice.id)]
    assert lines == [("new", 1)]


def test_a_day_counts_as_suspended_from_its_first_moment_to_its_last_only() -> None:
    exact = [Suspension(local_day_start(date(2026, 9, 10)), local_day_start(date(2026, 9, 12)))]
    assert [is_suspended_on(date(2026, 9, d), exact) for d in (9, 10, 11, 12)] == [False, True, True, False]
    later = [Suspension(at("2026-09-10T00:00:01"), at("2026-09-11T23:59:59"))]
    assert not any(is_suspended_on(date(2026, 9, d), later) for d in range(9, 13))
    assert is_suspended_on(date(2030, 1, 1), [Suspension(at("2026-09-10T12:00:00"), None)])
    assert not is_left_out([], SEPTEMBER, exact)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    begin=st.integers(0, 24 * 40),
    hours=st.integers(0, 24 * 45),
    ongoing=st.booleans(),
    start=st.integers(0, 45),
    days=st.integers(0, 40),
)
def test_the_ledger_leaves_out_what_the_rule_leaves_out(
    world: World, begin: int, hours: int, ongoing: bool, start: int, days: int
) -> None:
    started = at("2026-07-25T00:00:00") + timedelta(hours=begin)
    span = Suspension(started, None if ongoing else started + timedelta(hours=hours))
    first = date(2026, 7, 25) + timedelta(days=start)
    enrolled = [first + timedelta(days=n) for n in range(days + 1)]
    with world.hospital(world.heqing) as session:
        service.ensure_contract(session, starts_on=date(2026, 6, 1), now=NOW)
        suspended(session, span.started_at, span.ended_at)
        patient = world.patient(session, discharged_on=first)
        session.scalars(
            select(Enrolment).where(Enrolment.patient_id == patient.id)
        ).one().ended_on = enrolled[-1]
        for month in (JULY, AUGUST, SEPTEMBER):
            ledger.fill(session, month, now=CLOSED)
        rows = session.scalars(select(LedgerEntry).where(LedgerEntry.patient_id == patient.id)).all()
        found = {row.month: row.suspended for row in rows}
        session.execute(delete(LedgerEntry).where(LedgerEntry.patient_id == patient.id))
        session.execute(delete(Enrolment).where(Enrolment.patient_id == patient.id))
    months = {day.replace(day=1) for day in enrolled} & {JULY, AUGUST, SEPTEMBER}
    assert found == {month: is_left_out(enrolled, month, [span]) for month in months}
