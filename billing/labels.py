"""Words of billing, as messages."""

from __future__ import annotations

LINES = {
    "carried": "Carried over from {before}",
    "new": "Newly enrolled in {month}",
    "cancelled": "Cancelled inside 7 days, or died before the first contact",
    "suspended": "Not billed: hospital suspended on every enrolled day of {month}",
    "late": "Reported late, for {month}",
    "credit": "Credit for {month}",
}

STATES = {
    "draft": "Draft",
    "issued": "Awaiting payment",
    "paid": "Paid",
    "void": "Void",
    "overdue": "Overdue",
    "open": "Month running",
    "due": "To be closed",
}

REASONS = {
    "": "",
    "deceased": "Deceased",
    "cured": "Cured",
    "special": "Special patient",
    "refused": "Wants no contact",
    "hospital": "Hospital's wish",
    "dispute": "Dispute",
    "cancelled": "Enrolment taken back",
    "ended": "Enrolment ended",
    "merged": "Merged with another record",
}

PAYMENTS = {"bank": "Bank transfer", "stripe": "Payment link"}

STRIPE_STATES = {
    "draft": "Being made at Stripe",
    "open": "Made at Stripe, not yet sent",
    "sent": "Sent by Stripe",
    "paid": "Paid",
    "void": "Void",
    "uncollectible": "Given up at Stripe",
}
