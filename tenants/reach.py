"""Which hospitals an agent reaches: known by a higher floor (workforce), asked for here.

`careloop` registers the one source. Without a source an agent reaches nothing: a wall that is not wired
stays shut.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from foundation.database import FirmSession

HospitalsOfAgent = Callable[[FirmSession, UUID], list[UUID]]

_sources: list[HospitalsOfAgent] = []


def register(source: HospitalsOfAgent) -> None:
    """Make this the source: (a session over the firm, the person) to the hospitals assigned."""
    _sources[:] = [source]


def hospitals_of_agent(session: FirmSession, person_id: UUID) -> frozenset[UUID]:
    """The hospitals assigned to this person at the session's firm."""
    if not _sources:
        return frozenset()
    return frozenset(_sources[0](session, person_id))
