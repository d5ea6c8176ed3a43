"""What reporting can see before a go-live: whether there is anybody to be compared with (S3-7, SC-51)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from foundation.calendar import first_of_month, local_date
from foundation.database import FirmSession
from foundation.languages import gettext as _
from foundation.languages import mark
from reporting.disclosure import DEFAULT_THRESHOLDS
from tenants.life import agreement, golive
from tenants.life.golive import Finding
from tenants.models import Hospital

BENCHMARK = "/firm/benchmark"


def register() -> None:
    """Register the check; harmless twice."""
    golive.firm_check("benchmark", mark("Comparison group"), group)


def group(session: FirmSession, tenant_id: UUID, now: datetime) -> Finding:
    """A hospital that takes part needs enough others beside it, or its comparison stays empty (A10.2)."""
    today = local_date(now)
    taking_part = agreement.benchmark_members(session, first_of_month(today), today)
    if tenant_id not in taking_part:
        return Finding("green", _("The hospital does not take part in the comparison."))
    others = session.scalar(
        select(func.count()).where(
            Hospital.tenant_id.in_(taking_part - {tenant_id}),
            Hospital.firm_id == session.firm_id,
            Hospital.state == "active",
        )
    )
    needed = DEFAULT_THRESHOLDS.other_contributors
    told = _("{count} other hospitals take part; {needed} are needed.", count=others or 0, needed=needed)
    return Finding("green" if (others or 0) >= needed else "amber", told, BENCHMARK)
