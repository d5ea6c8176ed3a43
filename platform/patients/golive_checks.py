"""What patients can see before a go-live: whether the hospital's lists come in (SC-53)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, func, select

from foundation.database import HospitalSession
from foundation.languages import format_datetime, mark, ngettext
from foundation.languages import gettext as _
from patients.models import DataImport
from tenants.life import golive
from tenants.life.golive import Finding

IMPORTS = "/h/{code}/imports"
# A hospital sends its discharges every day; a list that is a week old has lost the first calls.
FRESH = timedelta(days=7)


def register() -> None:
    """Register the check; harmless twice."""
    golive.check("feed", mark("Patient lists"), feed)


def feed(session: HospitalSession, now: datetime) -> Finding:
    """At least one list came in, and lately; one that waits, failed or was undone brought nothing."""
    came = and_(
        DataImport.tenant_id == session.tenant_id,
        DataImport.state == "done",
        DataImport.rows > DataImport.rejected,
    )
    last = session.scalar(select(func.max(DataImport.imported_at)).where(came))
    count = session.scalar(select(func.count()).select_from(DataImport).where(came))
    if last is None:
        return Finding("red", _("No list has been imported yet."), IMPORTS)
    at = format_datetime(last)
    told = ngettext(
        "{count} list came in, on {time}.", "{count} lists came in, the last on {time}.", count or 0, time=at
    )
    return Finding("green" if last > now - FRESH else "amber", told, IMPORTS)
