"""The draft of an invoice: the ledger added up to lines and sums."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import func, select

from billing import queries
from billing.models import Contract, Invoice, InvoiceLine, LedgerCredit, LedgerEntry
from billing.pricing import Line, LineKind, amounts
from foundation.calendar import add_months
from foundation.database import HospitalSession
from foundation.ids import new_id

ORDER: tuple[LineKind, ...] = ("carried", "new", "cancelled", "suspended", "late", "credit")
KINDS: dict[str, LineKind] = {kind: kind for kind in ORDER}


def new(contract: Contract, first: date, now: datetime) -> Invoice:
    """An empty draft for the month; its lines come with `write`."""
    return Invoice(
        tenant_id=contract.tenant_id,
        id=new_id(),
        month=first,
        contract_id=contract.id,
        patients=0,
        corrected=0,
        subtotal_fen=0,
        vat_rate=contract.vat_rate,
        vat_fen=0,
        total_fen=0,
        currency=contract.currency,
        state="draft",
        payment=contract.payment,
        created_at=now,
    )


def write(session: HospitalSession, invoice: Invoice, contract: Contract) -> None:
    """Lines and sums as the ledger has them now; untouched when they already stand so."""
    lines = _lines(session, invoice)
    sums = amounts(lines, contract.vat_rate)
    invoice.contract_id, invoice.vat_rate, invoice.payment = contract.id, contract.vat_rate, contract.payment
    invoice.patients, invoice.corrected = sums.patient_months, _corrected(session, invoice.month)
    invoice.subtotal_fen, invoice.vat_fen = sums.subtotal_fen, sums.vat_fen
    invoice.total_fen = sums.total_fen
    session.flush()
    stored = queries.lines_of(session, invoice.id)
    if [(o.kind, o.month, o.quantity, o.unit_fen) for o in stored] == [
        (n.kind, n.month, n.quantity, n.unit_fen) for n in lines
    ]:
        return
    # Written over by place, so that what changes and changes back (S4-15) is the row that it was.
    for position, line in enumerate(lines, start=1):
        row = stored[position - 1] if position <= len(stored) else _line_at(invoice, position)
        row.kind, row.month, row.quantity = line.kind, line.month or invoice.month, line.quantity
        row.unit_fen, row.amount_fen = line.unit_fen, line.amount_fen
        session.add(row)
    for row in stored[len(lines) :]:
        session.delete(row)
    session.flush()


def _line_at(invoice: Invoice, position: int) -> InvoiceLine:
    return InvoiceLine(tenant_id=invoice.tenant_id, invoice_id=invoice.id, position=position)


def _lines(session: HospitalSession, invoice: Invoice) -> Sequence[Line]:
    """The ledger of one invoice added up: by kind, month and price."""
    entries = session.execute(
        select(LedgerEntry.kind, LedgerEntry.suspended, LedgerEntry.month, LedgerEntry.unit_fen, func.count())
        .where(LedgerEntry.tenant_id == session.tenant_id, LedgerEntry.invoice_id == invoice.id)
        .group_by(LedgerEntry.kind, LedgerEntry.suspended, LedgerEntry.month, LedgerEntry.unit_fen)
    ).all()
    credits_ = session.execute(
        select(LedgerCredit.month, LedgerCredit.unit_fen, func.count())
        .where(LedgerCredit.tenant_id == session.tenant_id, LedgerCredit.invoice_id == invoice.id)
        .group_by(LedgerCredit.month, LedgerCredit.unit_fen)
    ).all()
    counts: dict[tuple[LineKind, date, int], int] = {}

    def add(kind: LineKind, month: date, unit_fen: int, quantity: int) -> None:
        key = (kind, month, unit_fen)
        counts[key] = counts.get(key, 0) + quantity

    for name, suspended, month, unit_fen, count in entries:
        kind = KINDS[name]
        # A cancelled one was new first: both lines are shown (J5).
        add("new" if kind == "cancelled" else kind, month, unit_fen, count)
        if kind == "cancelled":
            add("cancelled", month, unit_fen, -count)
        elif suspended:  # counted with the others and given back: the invoice says how many and why
            add("suspended", month, unit_fen, -count)
    for month, unit_fen, count in credits_:
        add("credit", month, unit_fen, -count)
    ordered = sorted(counts.items(), key=lambda item: (ORDER.index(item[0][0]), item[0][1], item[0][2]))
    return [Line(kind, n, unit, n * unit, month) for (kind, month, unit), n in ordered]


def _corrected(session: HospitalSession, first: date) -> int:
    """How many of the closing count of the month before are not in this month's opening any more."""
    own = LedgerEntry.tenant_id == session.tenant_id
    closing = select(func.count()).where(
        own,
        LedgerEntry.month == add_months(first, -1),
        LedgerEntry.kind.in_(("carried", "new")),
        LedgerEntry.leaves.is_(False),
    )
    opening = select(func.count()).where(own, LedgerEntry.month == first, LedgerEntry.kind == "carried")
    before = session.scalar(closing) or 0
    return before - (session.scalar(opening) or 0) if before else 0
