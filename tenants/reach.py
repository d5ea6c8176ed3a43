"""Which hospitals an agent reaches: known by a higher floor (workforce), asked for here.

`careloop` registers the one source: `reach.register(workforce.service)`. Without a source an agent reaches
nothing: a wall that is not wired stays shut.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from foundation.database import FirmSession


class Assignments(Protocol):
    """Who works for which hospital (坐席分配); the module `workforce.service` is one."""

    def hospitals_of_agent(self, session: FirmSession, person_id: UUID) -> list[UUID]:
        """The hospitals assigned to this person at the session's firm."""
        ...

    def hospitals_of_agents(self, session: FirmSession) -> dict[UUID, list[UUID]]:
        """The same for everybody at the session's firm."""
        ...

    def assign(self, session: FirmSession, person_id: UUID, tenant_id: UUID, now: datetime) -> None:
        """Assign a hospital; again is the same."""
        ...

    def unassign(self, session: FirmSession, person_id: UUID, tenant_id: UUID) -> None:
        """Take a hospital away."""
        ...

    def unassign_all(self, session: FirmSession, tenant_id: UUID) -> int:
        """Take a hospital away from everybody at the session's firm; returns from how many."""
        ...


_sources: list[Assignments] = []


def register(source: Assignments) -> None:
    """Make this the source."""
    _sources[:] = [source]


def hospitals_of_agent(session: FirmSession, person_id: UUID) -> frozenset[UUID]:
    """The hospitals assigned to this person at the session's firm."""
    return frozenset(_sources[0].hospitals_of_agent(session, person_id)) if _sources else frozenset()


def hospitals_of_agents(session: FirmSession) -> dict[UUID, list[UUID]]:
    """The hospitals assigned to each person at the session's firm."""
    return _sources[0].hospitals_of_agents(session) if _sources else {}


def hospital_leaves(session: FirmSession, tenant_id: UUID) -> int:
    """Take a hospital away from every agent of the session's firm; returns from how many."""
    return _sources[0].unassign_all(session, tenant_id) if _sources else 0


def set_hospitals(session: FirmSession, person_id: UUID, wanted: frozenset[UUID], now: datetime) -> None:
    """Assign exactly these hospitals to this person; they lie within the session's hospitals."""
    if not _sources:
        return
    before = hospitals_of_agent(session, person_id)
    for tenant_id in wanted - before:
        _sources[0].assign(session, person_id, tenant_id, now)
    for tenant_id in before - wanted:
        _sources[0].unassign(session, person_id, tenant_id)
