"""What billing can see before a go-live: a contract with a price that holds today (S3-20)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from billing.models import Contract
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.languages import format_date, format_money, mark
from foundation.languages import gettext as _
from tenants.life import golive
from tenants.life.golive import Finding

BILLING = "/h/{code}/billing"


def register() -> None:
    """Register the check; harmless twice."""
    golive.check("contract", mark("Contract and price"), contract)


def contract(session: HospitalSession, now: datetime) -> Finding:
    """The first month must have a price; one that begins later needs somebody who accepts the days until."""
    today = local_date(now)
    row = session.scalar(
        select(Contract)
        .where(
            Contract.tenant_id == session.tenant_id,
            Contract.ends_on.is_(None) | (Contract.ends_on >= today),
        )
        .order_by(Contract.starts_on)
        .limit(1)
    )
    if row is None:
        return Finding("red", _("No contract has been agreed."), BILLING)
    price = format_money(row.unit_fen)
    if row.starts_on > today:
        begins = format_date(row.starts_on)
        return Finding(
            "amber", _("{price} a patient and month, only from {day}.", price=price, day=begins), BILLING
        )
    return Finding("green", _("{price} a patient and month.", price=price), BILLING)
