"""What workforce can see before a go-live: agents who work for the hospital."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from foundation.database import FirmSession
from foundation.languages import gettext as _
from foundation.languages import mark, ngettext
from tenants.life import golive
from tenants.life.golive import Finding
from tenants.models import Person
from workforce.models import Assignment


def register() -> None:
    """Register the check; harmless twice."""
    golive.firm_check("agents", mark("Agents"), agents)


def agents(session: FirmSession, tenant_id: UUID, _now: datetime) -> Finding:
    """Somebody must make the calls."""
    count = session.scalar(
        select(func.count())
        .select_from(Assignment)
        .join(Person, Person.id == Assignment.person_id)
        .where(
            Assignment.firm_id == session.firm_id,
            Assignment.tenant_id == tenant_id,
            Person.disabled_at.is_(None),
        )
    )
    if not count:
        return Finding("red", _("No agent works for this hospital."), "/firm/people")
    return Finding(
        "green", ngettext("{count} agent works here.", "{count} agents work here.", count), "/firm/people"
    )
