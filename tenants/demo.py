"""The demo's first page: its invented people, each entered with one click, where settings.demo is on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from foundation.database import Database
from foundation.scope import Actor, FirmScope, PlatformScope
from tenants import queries
from tenants.models import DirectoryEntry, Hospital
from tenants.rights import Role, role_name

SHOWN_PER_ROLE = 6
ACTOR = Actor.system("demo")


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody to be, and where: the hospital's two names, or none for the firm's people."""

    id: UUID
    name: str
    hospital: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class DemoGroup:
    """The people of one role."""

    role: str
    people: tuple[DemoPerson, ...]


def groups(database: Database) -> list[DemoGroup]:
    """All people of the demo by role, in the order of the roles."""
    with database.platform(PlatformScope(ACTOR, "demo")) as session:
        rows = queries.everybody(session)
        firms = list(session.scalars(select(DirectoryEntry.firm_id).where(DirectoryEntry.kind == "firm")))
    names: dict[UUID, dict[str, str]] = {}
    for firm_id in firms:
        with database.firm(FirmScope(firm_id, (), ACTOR, "demo")) as session:
            found = session.execute(
                select(Hospital.tenant_id, Hospital.name, Hospital.name_en).where(Hospital.firm_id == firm_id)
            )
            names |= {tenant_id: {"zh": name, "en": name_en} for tenant_id, name, name_en in found}
    made = []
    for role in Role:
        people = tuple(
            DemoPerson(person.id, person.name, names.get(member.tenant_id) if member.tenant_id else None)
            for person, member in rows
            if member.role == role
        )
        if people:
            made.append(DemoGroup(role_name(role), _shown(people)))
    return made


def _shown(people: tuple[DemoPerson, ...]) -> tuple[DemoPerson, ...]:
    """The first of a role and the newest: whoever came last is part of a story that goes on."""
    if len(people) <= SHOWN_PER_ROLE:
        return people
    return (*people[: SHOWN_PER_ROLE - 1], people[-1])
