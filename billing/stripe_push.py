"""An issued invoice at Stripe: made once, with our lines, finalised, sent; and closed when a transfer came.

Read, call, write: no transaction is open while Stripe is called. Each step looks first at what Stripe has, so
a run that stopped anywhere is simply run again; the idempotency keys hold where two runs meet. Stripe gets
counts and money of a hospital, never a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import stripe
from sqlalchemy import update

from billing import queries, service
from billing.document import vat_label
from billing.models import Contract, Invoice
from billing.stripe_client import PASSING, idempotency_key, metadata_of
from billing.stripe_inbox import apply
from foundation.database import Database
from foundation.languages import format_money, format_month, format_number, speaking
from foundation.scope import HospitalScope
from foundation.work import UnknownSubject

DONE = frozenset({"paid", "void", "uncollectible"})


@dataclass(frozen=True, slots=True)
class Item:
    """One line as Stripe gets it: position, fen, words."""

    position: int
    amount_fen: int
    words: str


@dataclass(frozen=True, slots=True)
class Bill:
    """Everything the calls need, read in one transaction."""

    tenant_id: UUID
    invoice_id: UUID
    contract_id: UUID
    number: str
    month: str
    title: str
    state: str
    currency: str
    total_fen: int
    days_until_due: int
    hospital: str
    hospital_code: str
    email: str
    customer: str | None
    stripe_invoice: str | None
    stripe_state: str | None
    items: tuple[Item, ...]


def push(
    database: Database, scope: HospitalScope, invoice_id: UUID, *, client: stripe.StripeClient, now: datetime
) -> None:
    """Bring Stripe up to date with one invoice. Repeatable; does nothing for one that is not paid by link.

    What Stripe refuses is noted as `declined:<code>` on the invoice; what passes (`PASSING`) is raised, so
    that the job runs again.
    """
    bill = read(database, scope, invoice_id)
    if bill is None:
        return
    try:
        _bring_up(database, scope, bill, client, now)
    except PASSING:
        raise
    except stripe.StripeError as error:
        _note(database, scope, invoice_id, stripe_state=f"declined:{error.code or type(error).__name__}")


def read(database: Database, scope: HospitalScope, invoice_id: UUID) -> Bill | None:
    """What Stripe is to be told; None when nothing is: a draft, a void one, no amount, bank transfer.
    Raises `UnknownSubject` for an invoice that this hospital does not have.
    """
    with database.hospital(scope) as session, speaking("zh_Hans"):
        invoice = session.get(Invoice, (session.tenant_id, invoice_id))
        if invoice is None:
            raise UnknownSubject(f"invoice:{invoice_id}")
        if invoice.number is None or invoice.issued_at is None or invoice.due_on is None:
            return None
        if invoice.payment != "stripe" or invoice.state not in {"issued", "paid"} or invoice.total_fen <= 0:
            return None
        if invoice.state == "paid" and (invoice.stripe_invoice is None or invoice.stripe_state in DONE):
            return None
        found = queries.statement(session, invoice)
        items = [
            Item(
                n,
                line.amount_fen,
                f"{line.label}: {format_number(line.quantity)} × {format_money(line.unit_fen)}",
            )
            for n, line in enumerate(found.lines, start=1)
        ]
        if invoice.vat_fen:
            items.append(Item(len(items) + 1, invoice.vat_fen, vat_label(invoice.vat_rate)))
        return Bill(
            tenant_id=session.tenant_id,
            invoice_id=invoice.id,
            contract_id=invoice.contract_id,
            number=invoice.number,
            month=f"{invoice.month:%Y-%m}",
            title=f"{invoice.number} · {format_month(invoice.month)}",
            state=invoice.state,
            currency=invoice.currency,
            total_fen=invoice.total_fen,
            days_until_due=found.contract.due_days,
            hospital=found.hospital.name,
            hospital_code=found.hospital.code,
            email=found.contract.billing_email,
            customer=found.contract.stripe_customer,
            stripe_invoice=invoice.stripe_invoice,
            stripe_state=invoice.stripe_state,
            items=tuple(items),
        )


def _times(quantity: int, unit_fen: int) -> str:
    return f"{format_number(quantity)} × {format_money(unit_fen)}"


def _bring_up(
    database: Database, scope: HospitalScope, bill: Bill, client: stripe.StripeClient, now: datetime
) -> None:
    remote = _remote(database, scope, bill, client)
    if remote.status == "draft":
        _add_items(client, bill, remote)
        remote = client.v1.invoices.retrieve(remote.id)
        if (remote.total, remote.currency) != (bill.total_fen, bill.currency):
            _note(database, scope, bill.invoice_id, stripe_state="declined:total_differs")
            return
        remote = client.v1.invoices.finalize_invoice(
            remote.id,
            {"auto_advance": False},
            {"idempotency_key": idempotency_key("finalize", remote.id)},
        )
        _note(database, scope, bill.invoice_id, stripe_state="open", hosted_url=remote.hosted_invoice_url)
    if remote.status == "open" and bill.state == "paid":
        remote = client.v1.invoices.pay(
            remote.id, {"paid_out_of_band": True}, {"idempotency_key": idempotency_key("pay", remote.id)}
        )
    elif remote.status == "open" and bill.stripe_state != "sent":
        remote = client.v1.invoices.send_invoice(
            remote.id, {}, {"idempotency_key": idempotency_key("send", remote.id)}
        )
        _note(database, scope, bill.invoice_id, stripe_state="sent", hosted_url=remote.hosted_invoice_url)
    with database.hospital(scope) as session:
        apply(session, service.locked(session, bill.invoice_id), remote, now=now)


def _remote(
    database: Database, scope: HospitalScope, bill: Bill, client: stripe.StripeClient
) -> stripe.Invoice:
    """The invoice as Stripe has it, made when there is none; its id is written down before anything else."""
    if bill.stripe_invoice is not None:
        return client.v1.invoices.retrieve(bill.stripe_invoice)
    customer = bill.customer or _make_customer(database, scope, bill, client)
    # Keys are forgotten after a day; an invoice made by a run that stopped long ago is found by its number.
    made = client.v1.invoices.list({"customer": customer, "limit": 100})
    remote = next((i for i in made.auto_paging_iter() if _is_ours(i, bill)), None)
    if remote is None:
        remote = client.v1.invoices.create(
            {
                "customer": customer,
                "collection_method": "send_invoice",
                "days_until_due": bill.days_until_due,
                "currency": bill.currency,
                "auto_advance": False,
                "pending_invoice_items_behavior": "exclude",
                "description": bill.title,
                "metadata": {
                    "number": bill.number,
                    "month": bill.month,
                    "tenant_id": str(bill.tenant_id),
                    "invoice_id": str(bill.invoice_id),
                },
            },
            {"idempotency_key": idempotency_key("invoice", bill.tenant_id, bill.invoice_id, bill.number)},
        )
    _note(database, scope, bill.invoice_id, stripe_invoice=remote.id, stripe_state=remote.status)
    return remote


def _make_customer(database: Database, scope: HospitalScope, bill: Bill, client: stripe.StripeClient) -> str:
    customer = client.v1.customers.create(
        {
            "name": bill.hospital,
            "email": bill.email,
            "preferred_locales": ["zh"],
            "metadata": {"tenant_id": str(bill.tenant_id), "hospital": bill.hospital_code},
        },
        {"idempotency_key": idempotency_key("customer", bill.tenant_id, bill.hospital, bill.email)},
    )
    with database.hospital(scope) as session:
        session.execute(
            update(Contract)
            .where(Contract.tenant_id == session.tenant_id, Contract.stripe_customer.is_(None))
            .values(stripe_customer=customer.id)
        )
    return customer.id


def _add_items(client: stripe.StripeClient, bill: Bill, remote: stripe.Invoice) -> None:
    """One item for each line and one for the VAT, as whole amounts: Stripe's rounding never enters."""
    there = client.v1.invoice_items.list({"invoice": remote.id, "limit": 100})
    positions = {metadata_of(item).get("position") for item in there.auto_paging_iter()}
    for item in bill.items:
        if str(item.position) in positions:
            continue
        client.v1.invoice_items.create(
            {
                "customer": _id_of(remote.customer),
                "invoice": remote.id,
                "amount": item.amount_fen,
                "currency": bill.currency,
                "description": item.words,
                "metadata": {"position": str(item.position), "number": bill.number},
            },
            {"idempotency_key": idempotency_key("item", remote.id, item.position, item.amount_fen)},
        )


def _is_ours(remote: stripe.Invoice, bill: Bill) -> bool:
    known = metadata_of(remote)
    return known.get("invoice_id") == str(bill.invoice_id) and known.get("number") == bill.number


def _id_of(customer: str | stripe.Customer | None) -> str:
    return customer if isinstance(customer, str) else customer.id if customer is not None else ""


def _note(database: Database, scope: HospitalScope, invoice_id: UUID, **values: str | None) -> None:
    with database.hospital(scope) as session:
        session.execute(
            update(Invoice)
            .where(
                Invoice.tenant_id == session.tenant_id,
                Invoice.id == invoice_id,
                Invoice.stripe_state.is_(None) | Invoice.stripe_state.not_in(DONE),
            )
            .values(**values)
        )
