"""Two records that are one person are one bill a month, whenever that is found out (decision 0007)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from world import World

from billing import queries
from billing.ledger import fill
from billing.models import Invoice, LedgerCredit, LedgerEntry
from billing.service import close_month, ensure_contract, issue
from careloop.wiring import wire
from foundation.database import HospitalSession
from patients import joining
from patients.models import Enrolment, Suppression

AUGUST, SEPTEMBER, OCTOBER = date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)


def china(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


SEP_15, OCT_3, NOV_3 = china("2026-09-15T10:00"), china("2026-10-03T09:00"), china("2026-11-03T09:00")


@pytest.fixture
def session(world: World) -> Iterator[HospitalSession]:
    wire()
    with world.hospital(world.heqing) as session:
        ensure_contract(session, starts_on=date(2026, 1, 1), now=SEP_15)
        yield session


def two(world: World, session: HospitalSession, first: date, second: date) -> tuple[UUID, UUID]:
    return world.patient(session, discharged_on=first).id, world.patient(session, discharged_on=second).id


def ledger(session: HospitalSession, month: date) -> dict[UUID, Any]:
    rows = session.scalars(select(LedgerEntry).where(LedgerEntry.month == month))
    return {row.patient_id: row.kind for row in rows}


def lines(session: HospitalSession, invoice: Invoice) -> list[tuple[str, int, int]]:
    return [(n.kind, n.month.month, n.quantity) for n in queries.lines_of(session, invoice.id)]


def test_a_month_that_is_open_bills_the_person_once(world: World, session: HospitalSession) -> None:
    kept, gone = two(world, session, date(2026, 9, 5), date(2026, 7, 20))
    fill(session, AUGUST, now=SEP_15)
    assert fill(session, SEPTEMBER, now=SEP_15) == 2
    merge = joining.merge(session, kept, gone, reason="同一人", now=SEP_15)
    assert ledger(session, SEPTEMBER) == {kept: "carried"}  # the record that went was in August's count
    assert fill(session, SEPTEMBER, now=SEP_15) == 1
    joining.undo(session, merge.id, now=SEP_15)
    assert ledger(session, SEPTEMBER) == {kept: "new", gone: "carried"}


def test_a_closed_month_that_billed_both_is_given_back_once(world: World, session: HospitalSession) -> None:
    kept, gone = two(world, session, date(2026, 7, 10), date(2026, 7, 20))
    issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
    joining.merge(session, kept, gone, reason="同一人", now=china("2026-10-10T09:00"))
    october = close_month(session, OCTOBER, now=NOV_3)
    assert lines(session, october) == [("carried", 10, 1), ("credit", 9, -1)]
    credit = session.scalars(select(LedgerCredit)).one()
    assert (credit.patient_id, credit.reason) == (gone, "merged")
    assert close_month(session, OCTOBER, now=NOV_3).total_fen == october.total_fen
    issue(session, october.id, now=NOV_3)
    later = china("2026-12-03T09:00")
    assert lines(session, close_month(session, date(2026, 11, 1), now=later)) == [("carried", 11, 1)]


@pytest.mark.parametrize("keep_first", [True, False])
def test_a_closed_month_that_billed_one_of_them_stands(
    world: World, session: HospitalSession, keep_first: bool
) -> None:
    early, late = two(world, session, date(2026, 7, 10), date(2026, 10, 2))
    issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
    kept, gone = (early, late) if keep_first else (late, early)
    joining.merge(session, kept, gone, reason="同一人", now=china("2026-10-10T09:00"))
    assert lines(session, close_month(session, OCTOBER, now=NOV_3)) == [("carried", 10, 1)]


def test_what_stopped_one_record_takes_no_day_from_the_other(world: World, session: HospitalSession) -> None:
    kept, gone = two(world, session, date(2026, 7, 10), date(2026, 7, 20))
    session.add(
        Suppression(
            tenant_id=session.tenant_id,
            patient_id=gone,
            reason="cured",
            source="card",
            started_at=china("2026-07-25T10:00"),
            started_by="x",
            lifted_at=SEP_15 + timedelta(days=20),
            lifted_by="x",
        )
    )
    session.flush()
    session.execute(
        update(Enrolment)
        .where(Enrolment.patient_id == gone)
        .values(ended_on=date(2026, 7, 25), end_reason="cured")
    )
    joining.merge(session, kept, gone, reason="同一人", now=china("2026-10-10T09:00"))
    assert fill(session, SEPTEMBER, now=NOV_3) == 1


def test_a_merge_of_merges_is_one_person(world: World, session: HospitalSession) -> None:
    first, second = two(world, session, date(2026, 7, 10), date(2026, 7, 20))
    third = world.patient(session, discharged_on=date(2026, 8, 1)).id
    issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
    at = china("2026-10-10T09:00")
    joining.merge(session, second, first, reason="同一人", now=at)
    joining.merge(session, third, second, reason="同一人", now=at)
    assert lines(session, close_month(session, OCTOBER, now=NOV_3)) == [("carried", 10, 1), ("credit", 9, -2)]


def test_an_undone_merge_takes_its_credit_off_the_draft(world: World, session: HospitalSession) -> None:
    kept, gone = two(world, session, date(2026, 7, 10), date(2026, 7, 20))
    issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
    merge = joining.merge(session, kept, gone, reason="同一人", now=china("2026-10-10T09:00"))
    close_month(session, OCTOBER, now=NOV_3)
    joining.undo(session, merge.id, now=NOV_3)
    assert lines(session, close_month(session, OCTOBER, now=NOV_3)) == [("carried", 10, 2)]
