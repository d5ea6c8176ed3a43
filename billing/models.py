"""Tables of money: contracts, the ledger of billable patient-months, invoices, and the Stripe inbox."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foundation.database import PlatformRow, TenantRow, tenant_fk
from foundation.personal import OF_THE_HOSPITAL, on_erasure
from tenants.models import hospital_fk


class Contract(TenantRow):
    """What a hospital pays (合同): fen per enrolled patient and calendar month (S3-20), VAT rate, days to
    pay. A price change is a new row from its date on.

    `seller` says who bills and where a transfer goes to: `name`, `name_en`, `bank`, `account`, `tax_number`.
    """

    __tablename__ = "contract"
    personal = OF_THE_HOSPITAL
    stays = "accounting"
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    unit_fen: Mapped[int]
    currency: Mapped[str]
    vat_rate: Mapped[Decimal]
    due_days: Mapped[int]
    payment: Mapped[str]
    billing_email: Mapped[str]
    seller: Mapped[dict[str, Any]]
    stripe_customer: Mapped[str | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("payment IN ('bank','stripe')", name="payment"),
        CheckConstraint("unit_fen > 0 AND vat_rate >= 0 AND vat_rate < 1", name="amounts"),
        hospital_fk(),
    )


class LedgerEntry(TenantRow):
    """One patient-month (计费明细). The unique key is what keeps a month from being billed twice.

    `kind`: carried over, new in the month, cancelled (new and free: taken back inside 7 days, or dead before
    the first contact), late (of an earlier month, known only after that month's invoice). `leaves`: not in
    the next month's opening, because of `reason`, which also says why a cancelled one is free.
    `suspended`: not billed, because the hospital was suspended on every enrolled day of the month.
    """

    __tablename__ = "ledger_entry"
    personal = on_erasure(kept="kind reason")
    month: Mapped[date]
    patient_id: Mapped[UUID]
    enrolment_id: Mapped[UUID]
    invoice_id: Mapped[UUID | None]
    kind: Mapped[str]
    unit_fen: Mapped[int]
    leaves: Mapped[bool]
    suspended: Mapped[bool] = mapped_column(default=False, server_default="false")
    reason: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "month", "patient_id"),
        CheckConstraint("kind IN ('carried','new','cancelled','late')", name="kind"),
        CheckConstraint("month = date_trunc('month', month)::date", name="first_of_month"),
        Index("ix_ledger_entry_invoice", "tenant_id", "invoice_id"),
        Index("ix_ledger_entry_patient", "tenant_id", "patient_id"),
        Index("ix_ledger_entry_enrolment", "tenant_id", "enrolment_id"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("enrolment", "enrolment_id"),
        tenant_fk("invoice", "invoice_id"),
    )


class LedgerCredit(TenantRow):
    """A patient-month given back (红冲明细): billed on an earlier invoice and found not to be billable.

    The unique key keeps it from being given back twice; `invoice_id` is the invoice that gives it back.
    """

    __tablename__ = "ledger_credit"
    personal = on_erasure(kept="reason")
    ledger_entry_id: Mapped[UUID]
    month: Mapped[date]
    patient_id: Mapped[UUID]
    enrolment_id: Mapped[UUID]
    invoice_id: Mapped[UUID]
    unit_fen: Mapped[int]
    reason: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "ledger_entry_id"),
        Index("ix_ledger_credit_invoice", "tenant_id", "invoice_id"),
        tenant_fk("ledger_entry", "ledger_entry_id"),
        tenant_fk("invoice", "invoice_id"),
    )


class Invoice(TenantRow):
    """The bill of one hospital and month (账单); amounts in fen. An issued invoice is never edited.

    The number comes with the issue. `patients` counts the month's own patient-months, without late ones and
    credits. `corrected` is what later knowledge took from the closing count of the month before.
    `stripe_state`: what Stripe has: `draft`, `open`, `sent`, `paid`, `void`, `uncollectible`, or
    `declined:<code>`.
    """

    __tablename__ = "invoice"
    personal = OF_THE_HOSPITAL
    stays = "accounting"
    number: Mapped[str | None]
    month: Mapped[date]
    contract_id: Mapped[UUID]
    patients: Mapped[int]
    corrected: Mapped[int]
    subtotal_fen: Mapped[int]
    vat_rate: Mapped[Decimal]
    vat_fen: Mapped[int]
    total_fen: Mapped[int]
    currency: Mapped[str]
    state: Mapped[str]
    payment: Mapped[str]
    issued_at: Mapped[datetime | None]
    due_on: Mapped[date | None]
    paid_at: Mapped[datetime | None]
    payment_reference: Mapped[str | None]
    pdf_file_id: Mapped[UUID | None]
    stripe_invoice: Mapped[str | None]
    stripe_state: Mapped[str | None]
    hosted_url: Mapped[str | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        Index("uq_invoice_month", "tenant_id", "month", unique=True, postgresql_where="state <> 'void'"),
        CheckConstraint("state = 'draft' OR number IS NOT NULL", name="issued_has_number"),
        CheckConstraint("state IN ('draft','issued','paid','void')", name="state"),
        CheckConstraint("total_fen = subtotal_fen + vat_fen", name="adds_up"),
        tenant_fk("contract", "contract_id"),
        tenant_fk("stored_file", "pdf_file_id"),
    )


class InvoiceLine(TenantRow):
    """One line of an invoice (账单行): kind, quantity of patient-months of `month`, fen."""

    __tablename__ = "invoice_line"
    personal = OF_THE_HOSPITAL
    stays = "accounting"
    invoice_id: Mapped[UUID]
    position: Mapped[int]
    kind: Mapped[str]
    month: Mapped[date]
    quantity: Mapped[int]
    unit_fen: Mapped[int]
    amount_fen: Mapped[int]
    __table_args__ = (
        UniqueConstraint("tenant_id", "invoice_id", "position"),
        CheckConstraint("amount_fen = quantity * unit_fen", name="amount"),
        tenant_fk("invoice", "invoice_id"),
    )


class StripeEvent(PlatformRow):
    """An event Stripe told us (收件箱): stored by its id once, handled once; ids only, no patient data."""

    __tablename__ = "stripe_event"
    event_id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    object_id: Mapped[str]
    tenant_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    failure: Mapped[str | None]
