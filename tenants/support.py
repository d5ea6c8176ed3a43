"""Support access (支持访问): an operator's look at one hospital, granted by it or by its firm (SC-57)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from foundation.database import ScopedSession
from tenants.faces import Member, SupportNote
from tenants.models import SupportAccess
from tenants.rights import Role


def lent_roles(session: ScopedSession, person_id: UUID, now: datetime) -> list[Member]:
    """The hospitals an operator may look at right now, each as a role that ends by itself."""
    rows = session.scalars(
        select(SupportAccess).where(
            SupportAccess.operator_id == person_id,
            SupportAccess.decision == "granted",
            SupportAccess.ends_at > now,
            SupportAccess.ended_at.is_(None),
        )
    )
    return [
        Member(Role.SUPPORT, None, row.tenant_id, None, SupportNote(row.id, row.decided_by_name, row.ends_at))
        for row in rows
        if row.ends_at is not None
    ]
