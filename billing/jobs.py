"""Billing in the background: the month that ended, invoices to Stripe, events from it, and what got stuck."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select

from billing import service, stripe_inbox, stripe_push
from billing.errors import NoContract
from billing.models import Invoice
from billing.stripe_client import enabled, stripe_client
from foundation import runtime
from foundation.calendar import add_months, first_of_month, local_date
from foundation.database import HospitalSession, PlatformSession
from foundation.scope import HospitalScope, PlatformScope
from foundation.work import job

STUCK_AFTER = timedelta(minutes=10)
log = structlog.get_logger()


# 17:30 UTC is 01:30 of the next day in China: drafts stand on the 2nd and follow late lists to the 4th (J5).
@job("billing.close_month", reach="hospital", every="30 17 1-3 * *")
def close_month(session: HospitalSession, now: datetime, month: str | None = None) -> None:
    """Draft the invoice of the month that ended, or of `month` (`2026-09-01`)."""
    wanted = date.fromisoformat(month) if month else add_months(first_of_month(local_date(now)), -1)
    try:
        service.close_month(session, wanted, now=now)
    except NoContract:
        log.info("no contract, no invoice", month=wanted.isoformat())


@job("billing.push", reach="hospital", opens_own=True)
def push(scope: HospitalScope, now: datetime, invoice_id: str) -> None:
    """Bring Stripe up to date with one invoice; without a Stripe key nothing is done."""
    parts = runtime.current()
    if not enabled(parts.settings):
        return
    with stripe_client(parts.settings) as client:
        stripe_push.push(parts.database, scope, UUID(invoice_id), client=client, now=now)


@job("billing.handle_event", reach="platform", opens_own=True)
def handle_event(_scope: PlatformScope, now: datetime, event: str) -> None:
    """Look up what an event of Stripe is about and apply it."""
    parts = runtime.current()
    if not enabled(parts.settings):
        return
    with stripe_client(parts.settings) as client:
        stripe_inbox.handle(parts.database, UUID(event), client=client, now=now)


@job("billing.redrive", reach="platform", every="*/10 * * * *")
def redrive(session: PlatformSession, now: datetime) -> None:
    """Queue again the events that nobody has handled."""
    stripe_inbox.redrive(session, now=now)


@job("billing.redrive_push", reach="hospital", every="*/10 * * * *")
def redrive_push(session: HospitalSession, now: datetime) -> None:
    """Queue again the invoices that have not reached their payer, or were paid behind Stripe's back."""
    if not enabled(runtime.current().settings):
        return
    stuck = session.scalars(
        select(Invoice).where(
            Invoice.tenant_id == session.tenant_id,
            Invoice.payment == "stripe",
            Invoice.issued_at < now - STUCK_AFTER,
            Invoice.total_fen > 0,
            (
                (Invoice.state == "issued")
                & (Invoice.stripe_state.is_(None) | Invoice.stripe_state.in_(("draft", "open")))
            )
            | (
                (Invoice.state == "paid")
                & Invoice.stripe_invoice.is_not(None)
                & Invoice.stripe_state.in_(("draft", "open", "sent"))
            ),
        )
    )
    for invoice in stuck:
        service.queue_push(session, invoice, now=now)
