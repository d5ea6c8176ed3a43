"""What billing does at once when somebody is suppressed, when that is undone (S4-15), and when somebody
leaves the programme or is taken into it by hand.

The months whose invoice is not out yet follow the facts in the same transaction: the ledger rows of these
patients, by the rules of `ledger.fill`, and the drafts that add them up. Issued months are untouched; what
turns out not to be billable in them is credited by the next invoice (J5).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select, text, update

from billing import draft, ledger, owners
from billing.models import Contract, Invoice, LedgerEntry
from foundation.calendar import first_of_month, local_date
from foundation.catalogue import among
from foundation.database import HospitalSession
from foundation.languages import mark
from patients import merging
from patients.enrolment import on_ended, on_started
from patients.enrolment_queries import on_billed
from patients.models import Enrolment
from patients.suppression import on_lifted, on_suppressed
from patients.suppression_effects import Live, register_live

# Months with a ledger and without an invoice that is out; probed month by month by the index, not listed.
_OPEN_MONTHS = text("""
    SELECT m.month FROM (
        SELECT generate_series(date_trunc('month', min(c.starts_on)), CAST(:this_month AS date),
                               interval '1 month')::date AS month
        FROM contract c WHERE c.tenant_id = :tenant_id) AS m
    WHERE EXISTS (SELECT FROM ledger_entry l WHERE l.tenant_id = :tenant_id AND l.month = m.month)
      AND NOT EXISTS (SELECT FROM invoice i WHERE i.tenant_id = :tenant_id AND i.month = m.month
                      AND i.state IN ('issued', 'paid'))
    ORDER BY m.month
""")
# From the day after the stop on nothing is billable, and nobody stopped stands in the next month's opening.
_BILLABLE = """
    SELECT count(*) FROM ledger_entry l
    JOIN (SELECT p.id AS patient_id, coalesce(min(s.started_at), p.restricted_at, p.merged_at) AS at
          FROM patient p LEFT JOIN suppression s
            ON s.tenant_id = :tenant_id AND s.patient_id = p.id AND s.lifted_at IS NULL
          WHERE p.tenant_id = :tenant_id AND p.id IN ({patients})
          GROUP BY p.tenant_id, p.id) AS q ON q.patient_id = l.patient_id
    CROSS JOIN LATERAL (SELECT (q.at AT TIME ZONE 'Asia/Shanghai')::date AS last_day,
                               (l.month + interval '1 month')::date AS upto) AS t
    WHERE l.tenant_id = :tenant_id AND l.kind IN ('carried', 'new')
      AND (l.month > t.last_day OR (t.last_day < t.upto AND NOT l.leaves))
      AND NOT EXISTS (SELECT FROM invoice i WHERE i.tenant_id = :tenant_id AND i.month = l.month
                      AND i.state IN ('issued', 'paid'))
"""
LIVE = Live("billable_month", mark("Months to be billed"), _BILLABLE, previewed=None)


def register() -> None:
    """Follow the patients' suppressions; harmless twice."""
    on_suppressed(follow)
    on_lifted(follow)
    on_ended(follow)
    on_started(follow_start)
    register_live(LIVE)
    on_billed(billed_since)


def billed_since(session: HospitalSession, enrolment_ids: list[UUID]) -> dict[UUID, date]:
    """The first billed month of each of these enrolments that has one; one statement."""
    rows = session.execute(
        select(LedgerEntry.enrolment_id, func.min(LedgerEntry.month).label("first"))
        .where(
            LedgerEntry.tenant_id == session.tenant_id,
            LedgerEntry.patient_id.in_(
                select(Enrolment.patient_id).where(
                    Enrolment.tenant_id == session.tenant_id, among(Enrolment.id, enrolment_ids)
                )
            ),
            among(LedgerEntry.enrolment_id, enrolment_ids),
            LedgerEntry.kind != "cancelled",
            LedgerEntry.suspended.is_(False),
        )
        .group_by(LedgerEntry.enrolment_id)
    )
    return {row.enrolment_id: row.first for row in rows}


def follow_start(session: HospitalSession, patient_ids: Sequence[UUID], now: datetime) -> None:
    """Enrolled by hand: the open months follow as they do after any other change."""
    follow(session, patient_ids, "enrolled", now)


def follow(session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, now: datetime) -> None:
    """Bring the open months of these patients up to what is known now, and the drafts with them."""
    session.flush()
    this_month = first_of_month(local_date(now))
    values = {"tenant_id": session.tenant_id, "this_month": this_month}
    months = list(session.scalars(_OPEN_MONTHS, values))
    if not months:
        return
    drafts = _drafts(session, months)
    changed = ledger.refill(session, months, list(patient_ids), now=now)
    if not changed:
        return
    whole = owners.with_merged(session, list(patient_ids))
    for invoice, contract in drafts:
        if invoice.month < changed[0]:
            continue
        session.execute(
            update(LedgerEntry)
            .where(
                LedgerEntry.tenant_id == session.tenant_id,
                LedgerEntry.month == invoice.month,
                among(LedgerEntry.patient_id, whole),
                LedgerEntry.invoice_id.is_(None),
            )
            .values(invoice_id=invoice.id)
            .execution_options(synchronize_session=False)
        )
        draft.write(session, invoice, contract)
    merging.reload(session, LedgerEntry)


def _drafts(session: HospitalSession, months: list[date]) -> list[tuple[Invoice, Contract]]:
    """The drafts of these months, locked before their ledger as closing a month does, the earliest first."""
    rows = session.execute(
        select(Invoice, Contract)
        .join(Contract, (Contract.tenant_id == Invoice.tenant_id) & (Contract.id == Invoice.contract_id))
        .where(Invoice.tenant_id == session.tenant_id, Invoice.month.in_(months), Invoice.state == "draft")
        .order_by(Invoice.month)
        .with_for_update(of=Invoice)
        .execution_options(populate_existing=True)
    )
    return [(invoice, contract) for invoice, contract in rows]
