"""What billing does: agree a contract, close a month, issue its invoice, take note of the payment.

A month has one invoice (J5). Its draft follows the facts until it is issued; what is issued is the draft as
it was shown, and is never edited again: what becomes known later stands on the next one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, func, select, text, update

from billing import document, draft, ledger, queries
from billing.errors import NoContract, NoSuchInvoice, Refused
from billing.models import Contract, Invoice, LedgerCredit, LedgerEntry
from billing.pricing import DEFAULT_VAT_RATE, monthly_fen
from foundation import audit, files, outbox
from foundation.calendar import add_months, first_of_month, local_date, month_bounds
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import format_date, format_month
from foundation.languages import gettext as _
from tenants.keys import data_key
from tenants.models import Hospital

Payment = Literal["bank", "stripe"]
# A slip of the pen (2062 for 2026) could not be taken back: the next contract must begin later still.
FARTHEST_BEGIN = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Seller:
    """Who bills, and where a bank transfer goes to (开票方)."""

    name: str = ""
    name_en: str = ""
    bank: str = ""
    account: str = ""
    tax_number: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed (合同条款): fen per patient and month, VAT rate, days to pay, way of payment."""

    unit_fen: int = monthly_fen()
    vat_rate: Decimal = DEFAULT_VAT_RATE
    due_days: int = 30
    payment: Payment = "bank"
    billing_email: str = ""
    seller: Seller = Seller()


def ensure_contract(
    session: HospitalSession, *, starts_on: date, now: datetime, terms: Terms | None = None
) -> Contract:
    """The contract in force on `starts_on` or from a later day on; made with `terms` when there is none."""
    found = session.scalar(
        select(Contract)
        .where(
            Contract.tenant_id == session.tenant_id,
            Contract.ends_on.is_(None) | (Contract.ends_on >= starts_on),
        )
        .order_by(Contract.starts_on)
        .limit(1)
    )
    return found or agree(session, terms or Terms(), starts_on=starts_on, now=now)


def agree(session: HospitalSession, terms: Terms, *, starts_on: date, now: datetime) -> Contract:
    """New terms from `starts_on` on; the contract before ends the day before. Months billed keep their price.

    Raises `Refused` when the terms cannot be, or do not begin after the present contract's begin.
    """
    _check_terms(terms, starts_on, now)
    # A first contract has no row to lock, and a row waited for does not show the one made meanwhile.
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"contract:{session.tenant_id}"},
    )
    last = session.scalar(
        select(Contract)
        .where(Contract.tenant_id == session.tenant_id)
        .order_by(Contract.starts_on.desc())
        .limit(1)
        .with_for_update()
    )
    if last is not None and starts_on <= last.starts_on:
        raise Refused(_("The new contract must begin after the present one did."))
    if last is not None and (last.ends_on is None or last.ends_on >= starts_on):
        last.ends_on = starts_on - timedelta(days=1)
    contract = Contract(
        tenant_id=session.tenant_id,
        id=new_id(),
        starts_on=starts_on,
        ends_on=None,
        unit_fen=terms.unit_fen,
        currency="cny",
        vat_rate=terms.vat_rate,
        due_days=terms.due_days,
        payment=terms.payment,
        billing_email=terms.billing_email,
        seller=asdict(terms.seller),
        stripe_customer=last.stripe_customer if last is not None else None,
        created_at=now,
    )
    session.add(contract)
    session.flush()
    audit.record(
        session,
        "billing.contract_agreed",
        now=now,
        subject=f"contract:{contract.id}",
        detail={"starts_on": str(starts_on), "unit_fen": terms.unit_fen, "payment": terms.payment},
    )
    return contract


def _check_terms(terms: Terms, starts_on: date, now: datetime) -> None:
    if terms.unit_fen <= 0 or not 0 <= terms.vat_rate < 1 or not 0 <= terms.due_days <= 365:
        raise Refused(_("A contract needs a price, a VAT rate below 100 % and up to 365 days to pay."))
    if starts_on > local_date(now) + FARTHEST_BEGIN:
        raise Refused(_("A contract begins within the next year: please check the date."))
    if terms.payment == "stripe" and "@" not in terms.billing_email:
        raise Refused(_("Payment by link needs the e-mail address that invoices go to."))


def close_month(session: HospitalSession, month: date, *, now: datetime) -> Invoice:
    """The ledger and the draft invoice of a month that has ended; `month` is any day of it.

    A second call changes nothing unless the facts have changed; an issued invoice comes back untouched.
    Raises `Refused` before the month has ended in China, `NoContract` without a contract in it.
    """
    first = first_of_month(month)
    if now < month_bounds(first)[1]:
        raise Refused(
            _(
                "{month} has not ended yet: it can be closed from {day} on.",
                month=format_month(first),
                day=format_date(add_months(first, 1)),
            )
        )
    return draft_month(session, first, now=now)


def draft_month(session: HospitalSession, first: date, *, now: datetime) -> Invoice:
    """The same for a month that may still run: where the contract has ended in it. Raises `NoContract`."""
    contract = _contract_of(session, first)
    invoice = queries.invoice_of_month(session, first)
    if invoice is not None:
        invoice = locked(session, invoice.id)  # nobody issues it while it is being rewritten
        if invoice.state != "draft":
            return invoice
    else:
        invoice = draft.new(contract, first, now)
        session.add(invoice)
        session.flush()
        audit.record(
            session,
            "billing.month_closed",
            now=now,
            subject=f"invoice:{invoice.id}",
            detail={"month": first.isoformat()},
        )
    ledger.fill(session, first, now=now)
    session.execute(
        update(LedgerEntry)
        .where(
            LedgerEntry.tenant_id == session.tenant_id,
            LedgerEntry.month == first,
            LedgerEntry.invoice_id.is_(None),
        )
        .values(invoice_id=invoice.id)
    )
    ledger.correct_earlier(session, first, invoice.id, now=now)
    draft.write(session, invoice, contract)
    return invoice


def issue(session: HospitalSession, invoice_id: UUID, *, now: datetime) -> Invoice:
    """Give the stored draft its number, due date and PDF; a hospital that pays by link gets it from Stripe.

    The draft is issued exactly as it was shown. Issuing twice is once. Raises `NoSuchInvoice`, and `Refused`
    for a void invoice or while an earlier month is still a draft.
    """
    invoice = locked(session, invoice_id)
    if invoice.state in {"issued", "paid"}:
        return invoice
    if invoice.state == "void":
        raise Refused(_("This invoice is void; close the month again for a new one."))
    earlier = _earlier_draft(session, invoice.month)
    if earlier is not None:
        raise Refused(
            _("Issue {month} first, so that nothing is billed out of order.", month=format_month(earlier))
        )
    contract = session.get_one(Contract, (session.tenant_id, invoice.contract_id))
    invoice.number = _next_number(session, invoice.month)
    invoice.state, invoice.issued_at = "issued", now
    invoice.due_on = local_date(now) + timedelta(days=contract.due_days)
    invoice.payment = contract.payment
    session.flush()
    found = queries.statement(session, invoice)
    pdf = document.invoice_pdf(found, "zh_Hans", now=now, head=queries.head_of(session, found))
    invoice.pdf_file_id = files.put(
        session,
        data_key(session),
        name=f"{invoice.number}.pdf",
        media_type="application/pdf",
        content=pdf,
        now=now,
    )
    if invoice.payment == "stripe":
        queue_push(session, invoice, now=now)
    audit.record(
        session,
        "billing.invoice_issued",
        now=now,
        subject=f"invoice:{invoice.id}",
        detail={"number": invoice.number, "total_fen": invoice.total_fen, "patients": invoice.patients},
    )
    return invoice


def mark_paid(session: HospitalSession, invoice_id: UUID, *, reference: str, now: datetime) -> Invoice:
    """Take note of a bank transfer; `reference` is the bank slip's. The same one twice is once.

    Raises `NoSuchInvoice`, and `Refused` without a reference or for an invoice that is not open.
    """
    slip = reference.strip()
    if not slip:
        raise Refused(_("Enter the reference of the bank slip."))
    invoice = locked(session, invoice_id)
    if invoice.state == "paid" and invoice.payment_reference == slip:
        return invoice
    if invoice.state != "issued":
        raise Refused(_("Only an issued invoice that is still open can be marked as paid."))
    settle(invoice, reference=slip, now=now)
    session.flush()
    if invoice.stripe_invoice is not None:
        queue_push(session, invoice, now=now)  # Stripe is told, so that nobody pays a second time
    audit.record(
        session,
        "billing.invoice_paid",
        now=now,
        subject=f"invoice:{invoice.id}",
        detail={"number": invoice.number, "by": "bank"},
    )
    return invoice


def settle(invoice: Invoice, *, reference: str, now: datetime) -> None:
    """Make an open invoice a paid one."""
    invoice.state, invoice.paid_at, invoice.payment_reference = "paid", now, reference


def void(session: HospitalSession, invoice: Invoice, *, now: datetime, because: str) -> None:
    """An issued invoice holds no more: its months may be billed again, its lines stay to be read."""
    if invoice.state != "issued":
        return
    invoice.state = "void"
    session.flush()
    mine = (LedgerEntry.tenant_id == session.tenant_id, LedgerEntry.invoice_id == invoice.id)
    session.execute(delete(LedgerEntry).where(*mine, LedgerEntry.kind == "late"))
    session.execute(update(LedgerEntry).where(*mine).values(invoice_id=None))
    session.execute(
        delete(LedgerCredit).where(
            LedgerCredit.tenant_id == session.tenant_id, LedgerCredit.invoice_id == invoice.id
        )
    )
    audit.record(session, "billing.invoice_void", now=now, subject=f"invoice:{invoice.id}", reason=because)


def queue_push(session: HospitalSession, invoice: Invoice, *, now: datetime) -> None:
    """Ask for Stripe to be brought up to date with this invoice."""
    outbox.enqueue(
        session, "billing.push", now=now, tenant_id=str(session.tenant_id), invoice_id=str(invoice.id)
    )


def locked(session: HospitalSession, invoice_id: UUID) -> Invoice:
    """The invoice, locked for change and read afresh; raises `NoSuchInvoice`."""
    invoice = session.scalar(
        select(Invoice)
        .where(Invoice.tenant_id == session.tenant_id, Invoice.id == invoice_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if invoice is None:
        raise NoSuchInvoice(str(invoice_id))
    return invoice


def _contract_of(session: HospitalSession, first: date) -> Contract:
    """The contract of the month, locked: two who close months of one hospital follow each other."""
    contract = session.scalar(
        select(Contract)
        .where(
            Contract.tenant_id == session.tenant_id,
            Contract.starts_on < add_months(first, 1),
            Contract.ends_on.is_(None) | (Contract.ends_on >= first),
        )
        .order_by(Contract.starts_on.desc())
        .limit(1)
        .with_for_update()
    )
    if contract is None:
        raise NoContract(_("No contract is in force in {month}.", month=format_month(first)))
    return contract


def _earlier_draft(session: HospitalSession, month: date) -> date | None:
    return session.scalar(
        select(func.min(Invoice.month)).where(
            Invoice.tenant_id == session.tenant_id, Invoice.month < month, Invoice.state == "draft"
        )
    )


def _next_number(session: HospitalSession, month: date) -> str:
    """`HEQING-202609-001`; a month's second invoice exists only after its first was void."""
    code = session.scalars(select(Hospital.code).where(Hospital.tenant_id == session.tenant_id)).one()
    used = session.scalar(
        select(func.count()).where(
            Invoice.tenant_id == session.tenant_id, Invoice.month == month, Invoice.number.is_not(None)
        )
    )
    return f"{code.upper()}-{month:%Y%m}-{(used or 0) + 1:03d}"
