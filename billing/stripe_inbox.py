"""What Stripe tells us: kept by the event's id once, then looked up again and applied.

An event is only a hint that something changed: the invoice is fetched anew, so events may come twice, late
and in any order. Only invoices are listened to, and of an event ids alone are kept.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import stripe
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from billing import service
from billing.errors import NoSuchInvoice
from billing.models import Invoice, StripeEvent
from billing.stripe_client import PASSING, metadata_of
from foundation import audit, outbox
from foundation.database import Database, HospitalSession, PlatformSession
from foundation.ids import new_id
from foundation.scope import Actor, HospitalScope, PlatformScope

STUCK_AFTER = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(days=7)
BATCH = 200
SYSTEM = Actor.system("billing.stripe")
OVER = frozenset({"paid", "void"})


class BadSignature(ValueError):
    """The message is not from Stripe, or too old."""


def receive(
    session: PlatformSession, payload: bytes, signature: str | None, secret: str, *, now: datetime
) -> bool:
    """Verify one message and keep it; True when it is new and of interest, and its job is queued.

    Raises `BadSignature`. The same event again changes nothing.
    """
    try:
        stripe.WebhookSignature.verify_header(
            payload, signature, secret, tolerance=stripe.Webhook.DEFAULT_TOLERANCE
        )
        event = json.loads(payload)
        event_id, kind, thing = str(event["id"]), str(event["type"]), event["data"]["object"]
        object_id, metadata = str(thing.get("id", "")), thing.get("metadata") or {}
    except (stripe.SignatureVerificationError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSignature(type(error).__name__) from error
    if not kind.startswith("invoice.") or not object_id.startswith("in_"):
        return False
    row_id = session.scalar(
        insert(StripeEvent)
        .values(
            id=new_id(),
            event_id=event_id,
            kind=kind,
            object_id=object_id,
            tenant_id=_uuid(metadata.get("tenant_id")),
            payload={"created": event.get("created"), "livemode": event.get("livemode")},
            received_at=now,
        )
        .on_conflict_do_nothing(index_elements=[StripeEvent.event_id])
        .returning(StripeEvent.id)
    )
    if row_id is None:
        return False
    outbox.enqueue(session, "billing.handle_event", now=now, event=str(row_id))
    return True


def handle(database: Database, event: UUID, *, client: stripe.StripeClient, now: datetime) -> None:
    """Fetch the invoice that an event is about and apply what it says. Repeatable; raises `PASSING`."""
    with database.platform(PlatformScope(SYSTEM, "stripe")) as session:
        row = session.get(StripeEvent, event)
        if row is None or row.handled_at is not None:
            return
    try:
        remote = client.v1.invoices.retrieve(row.object_id)
    except PASSING as error:
        _finish(database, event, failure=type(error).__name__, now=None)
        raise
    except stripe.StripeError as error:
        _finish(database, event, failure=error.code or type(error).__name__, now=now)
        return
    known = metadata_of(remote)
    tenant_id, invoice_id = _uuid(known.get("tenant_id")), _uuid(known.get("invoice_id"))
    if tenant_id is None or invoice_id is None:
        _finish(database, event, failure="not ours", now=now)
        return
    with database.hospital(HospitalScope(tenant_id, SYSTEM, "stripe")) as hospital:
        waiting = hospital.scalar(
            select(StripeEvent)
            .where(StripeEvent.id == event, StripeEvent.handled_at.is_(None))
            .with_for_update()
        )
        if waiting is None:
            return  # another worker was faster
        waiting.failure = _apply_by_id(hospital, invoice_id, remote, now)
        waiting.tenant_id, waiting.handled_at = tenant_id, now


def _apply_by_id(
    session: HospitalSession, invoice_id: UUID, remote: stripe.Invoice, now: datetime
) -> str | None:
    try:
        invoice = service.locked(session, invoice_id)
    except NoSuchInvoice:
        return "not ours"
    if invoice.stripe_invoice not in {None, remote.id}:
        return "another invoice"
    apply(session, invoice, remote, now=now)
    return None


def apply(session: HospitalSession, invoice: Invoice, remote: stripe.Invoice, *, now: datetime) -> None:
    """Take over what Stripe says of an invoice (locked by the caller). What is over never goes back."""
    invoice.stripe_invoice = remote.id
    invoice.hosted_url = remote.hosted_invoice_url or invoice.hosted_url
    if invoice.stripe_state not in OVER and not (remote.status == "open" and invoice.stripe_state == "sent"):
        invoice.stripe_state = remote.status
    if remote.status == "paid" and invoice.state == "issued":
        service.settle(invoice, reference=remote.id, now=_paid_at(remote, now))
        session.flush()
        audit.record(
            session,
            "billing.invoice_paid",
            now=now,
            subject=f"invoice:{invoice.id}",
            detail={"number": invoice.number, "by": "stripe"},
        )
    elif remote.status == "void":
        service.void(session, invoice, now=now, because="void at Stripe")
    session.flush()


def redrive(session: PlatformSession, *, now: datetime) -> int:
    """Queue the events again that are still waiting after a while; returns how many."""
    waiting = session.scalars(
        select(StripeEvent.id)
        .where(
            StripeEvent.handled_at.is_(None),
            StripeEvent.received_at < now - STUCK_AFTER,
            StripeEvent.received_at > now - GIVE_UP_AFTER,
        )
        .order_by(StripeEvent.received_at)
        .limit(BATCH)
    ).all()
    for event in waiting:
        outbox.enqueue(session, "billing.handle_event", now=now, event=str(event))
    return len(waiting)


def _finish(database: Database, event: UUID, *, failure: str, now: datetime | None) -> None:
    """Note what went wrong; with `now` the event is done with."""
    with database.platform(PlatformScope(SYSTEM, "stripe")) as session:
        row = session.get(StripeEvent, event, with_for_update=True)
        if row is not None and row.handled_at is None:
            row.failure, row.handled_at = failure, now


def _paid_at(remote: stripe.Invoice, now: datetime) -> datetime:
    at = remote.status_transitions.paid_at
    return datetime.fromtimestamp(at, UTC) if at else now


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
