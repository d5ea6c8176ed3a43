"""Who works for which hospital, for the lists of leads and of operations."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from foundation.database import FirmSession
from tenants.models import Person
from workforce.models import Assignment


@dataclass(frozen=True, slots=True)
class AssignedAgent:
    """An agent (坐席) and the hospitals assigned to them."""

    person_id: UUID
    name: str
    tenant_ids: tuple[UUID, ...]


def assigned_agents(session: FirmSession) -> list[AssignedAgent]:
    """The firm's agents who may work, by name, with their hospitals among those of the session."""
    rows = session.execute(
        select(Person.id, Person.name, Assignment.tenant_id)
        .join(Assignment, Assignment.person_id == Person.id)
        .where(
            Assignment.firm_id == session.firm_id,
            Assignment.tenant_id.in_(session.tenant_ids),
            Person.disabled_at.is_(None),
        )
        .order_by(Person.name, Person.id, Assignment.created_at, Assignment.id)
    )
    found: dict[UUID, tuple[str, list[UUID]]] = {}
    for person_id, name, tenant_id in rows:
        found.setdefault(person_id, (name, []))[1].append(tenant_id)
    return [AssignedAgent(person_id, name, tuple(ids)) for person_id, (name, ids) in found.items()]
