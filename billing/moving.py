"""A hospital changes firms: the old firm's last invoices, and the new firm's contract (decision 0006)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from billing import service
from billing.models import Contract, Invoice
from billing.service import Seller, Terms
from foundation.calendar import add_months, first_of_month, local_date
from foundation.database import HospitalSession
from tenants.life import moves
from tenants.life.moves import Moved


def register() -> None:
    """Follow the moves of hospitals; harmless twice."""
    moves.on_leaving(settle)
    moves.on_arrived(begin)


def settle(session: HospitalSession, moved: Moved, now: datetime) -> list[dict[str, Any]]:
    """End the old firm's contract the day before and issue everything it has served: what it does not
    bill now it never will. Returns its last invoices (number, month, fen) for the firm to keep; nothing
    without a contract.
    """
    day = local_date(moved.moves_at)
    own = Contract.tenant_id == session.tenant_id
    session.flush()
    # Terms that were to begin later were this firm's and never come into force.
    billed = select(Invoice.contract_id).where(Invoice.tenant_id == session.tenant_id)
    session.execute(delete(Contract).where(own, Contract.starts_on >= day, Contract.id.not_in(billed)))
    session.execute(
        update(Contract)
        .where(own, Contract.starts_on < day, Contract.ends_on.is_(None) | (Contract.ends_on >= day))
        .values(ends_on=day - timedelta(days=1))
        .execution_options(synchronize_session="fetch")
    )
    session.expire_all()
    settled = []
    for month in _unbilled(session, day):
        invoice = service.issue(session, service.draft_month(session, month, now=now).id, now=now)
        settled.append({"number": invoice.number, "month": month.isoformat(), "total_fen": invoice.total_fen})
    return settled


def begin(session: HospitalSession, moved: Moved, now: datetime) -> None:
    """The new firm's contract from that day on, with what it offered and the hospital agreed to."""
    offer = moved.offer
    terms = Terms(
        unit_fen=offer.unit_fen,
        seller=Seller(offer.name, offer.name_en, offer.bank, offer.account, offer.tax_number),
    )
    service.agree(session, terms, starts_on=local_date(moved.moves_at), now=now)


def _unbilled(session: HospitalSession, day: date) -> list[date]:
    """The months of the old firm that have no issued invoice yet: drafts, and the last two if none is
    there.
    """
    last = first_of_month(day - timedelta(days=1))
    under = session.scalars(
        select(Contract)
        .where(Contract.tenant_id == session.tenant_id, Contract.starts_on < day)
        .order_by(Contract.starts_on)
    ).all()
    if not under:
        return []
    states = {
        row.month: row.state
        for row in session.scalars(
            select(Invoice).where(Invoice.tenant_id == session.tenant_id, Invoice.state != "void")
        )
    }
    begun = first_of_month(under[0].starts_on)
    wanted = {month for month, state in states.items() if state == "draft"}
    wanted |= {month for month in (add_months(last, -1), last) if month >= begun and month not in states}
    return sorted(wanted)
