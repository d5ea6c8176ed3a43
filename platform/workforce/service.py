"""Assigning agents (坐席) to hospitals."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from foundation.database import FirmSession
from foundation.ids import new_id
from workforce.models import Assignment


def assign(session: FirmSession, person_id: UUID, tenant_id: UUID, now: datetime) -> None:
    """Let an agent work for a hospital of the session's firm; again is the same.

    Raises sqlalchemy's IntegrityError for a hospital of another firm: the foreign key holds the wall.
    """
    session.execute(
        insert(Assignment)
        .values(
            firm_id=session.firm_id, id=new_id(), person_id=person_id, tenant_id=tenant_id, created_at=now
        )
        .on_conflict_do_nothing(index_elements=["firm_id", "person_id", "tenant_id"])
    )


def unassign(session: FirmSession, person_id: UUID, tenant_id: UUID) -> None:
    """Take the hospital away again; takes effect with the agent's next request."""
    session.execute(
        delete(Assignment).where(
            Assignment.firm_id == session.firm_id,
            Assignment.person_id == person_id,
            Assignment.tenant_id == tenant_id,
        )
    )


def unassign_all(session: FirmSession, tenant_id: UUID) -> int:
    """Take a hospital away from everybody at the session's firm; returns from how many."""
    gone = session.scalars(
        delete(Assignment)
        .where(Assignment.firm_id == session.firm_id, Assignment.tenant_id == tenant_id)
        .returning(Assignment.id)
    )
    return len(gone.all())


def hospitals_of_agent(session: FirmSession, person_id: UUID) -> list[UUID]:
    """The hospitals assigned to this person at the session's firm, in the order of assignment."""
    return list(
        session.scalars(
            select(Assignment.tenant_id)
            .where(Assignment.firm_id == session.firm_id, Assignment.person_id == person_id)
            .order_by(Assignment.created_at, Assignment.id)
        )
    )


def hospitals_of_agents(session: FirmSession) -> dict[UUID, list[UUID]]:
    """The hospitals assigned to each person of the session's firm."""
    found: dict[UUID, list[UUID]] = {}
    rows = session.execute(
        select(Assignment.person_id, Assignment.tenant_id)
        .where(Assignment.firm_id == session.firm_id)
        .order_by(Assignment.created_at, Assignment.id)
    )
    for person_id, tenant_id in rows:
        found.setdefault(person_id, []).append(tenant_id)
    return found
