"""Who is asking, for whom, and why: the value that every database session is opened with.

There are three kinds, and they are different types so that a function that needs one cannot be handed
another:
one hospital, several hospitals of one firm, and the platform itself (which sees no patient data at all).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID


class ScopeMissing(RuntimeError):
    """A session was opened without saying for whom."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, or the system itself (scheduled work, the command line).

    `granted_by` names who let them in where that is somebody else (support access): records carry both names.
    """

    kind: Literal["person", "system"]
    id: UUID | None
    name: str
    granted_by: str = ""

    @classmethod
    def system(cls, name: str) -> Actor:
        """The actor of scheduled work and of the command line; `name` says which part."""
        return cls("system", None, name)


@dataclass(frozen=True, slots=True)
class HospitalScope:
    """One hospital (医院, the tenant): sees that hospital's rows and nothing else.

    `read_only` makes the transaction one that cannot write; `address` is the network address that asks.
    """

    tenant_id: UUID
    actor: Actor
    purpose: str
    read_only: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True)
class FirmScope:
    """One firm (外包公司) and the named hospitals among those it serves; `address` is the network address
    that asks.
    """

    firm_id: UUID
    tenant_ids: tuple[UUID, ...]
    actor: Actor
    purpose: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class PlatformScope:
    """The platform: people, sign-in sessions, the directory, the outbox; no patient data."""

    actor: Actor
    purpose: str


Scope = HospitalScope | FirmScope | PlatformScope


def settings_of(scope: Scope) -> dict[str, str]:
    """The transaction-local settings that the policies compare with; an empty string means «none»."""
    tenants: tuple[UUID, ...] = ()
    firm = ""
    if isinstance(scope, HospitalScope):
        tenants = (scope.tenant_id,)
    elif isinstance(scope, FirmScope):
        tenants = scope.tenant_ids
        firm = str(scope.firm_id)
    return {
        "careloop.tenant_ids": "{" + ",".join(str(t) for t in tenants) + "}" if tenants else "",
        "careloop.firm_id": firm,
    }
