"""Statistics that the hospital's director opened to somebody (统计授权, S4-16)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import or_, select

from foundation.database import FirmSession
from tenants.faces import Grant, Member
from tenants.models import StatisticsGrant


def of_person(
    session: FirmSession, person_id: UUID, members: Sequence[Member], today: date
) -> dict[UUID, tuple[Grant, ...]]:
    """What is open to this person today at the session's hospitals, by hospital: given to them, or to a
    department that they head.
    """
    departments = [m.department_id for m in members if m.department_id is not None]
    rows = session.scalars(
        select(StatisticsGrant).where(
            StatisticsGrant.tenant_id.in_(session.tenant_ids),
            StatisticsGrant.revoked_at.is_(None),
            StatisticsGrant.ends_on >= today,
            or_(
                StatisticsGrant.person_id == person_id,
                StatisticsGrant.department_id.in_(departments),
            ),
        )
    )
    found: dict[UUID, tuple[Grant, ...]] = {}
    for row in rows:
        found[row.tenant_id] = (*found.get(row.tenant_id, ()), Grant(row.id, row.subject, row.month))
    return found
