"""The chains of an installation: one for each hospital and one for each firm, to be walked and noted down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import select

from foundation import chain
from foundation.audit import AuditEvent
from foundation.chain import Head, Verified
from foundation.database import Database, FirmSession, HospitalSession, ScopedSession
from foundation.scope import Actor, FirmScope, HospitalScope, PlatformScope
from tenants.models import DirectoryEntry, FirmEvent

ACTOR = Actor.system("audit")


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain: of which hospital or firm. `name` is `hospital:<code>` or `firm:<code>`."""

    kind: Literal["hospital", "firm"]
    code: str
    id: UUID

    @property
    def name(self) -> str:
        """As commands print it."""
        return f"{self.kind}:{self.code}"


def all_chains(database: Database) -> list[Chain]:
    """Every firm and every hospital, by code; those that left as well, while anything of them is there."""
    with database.platform(PlatformScope(ACTOR, "audit")) as session:
        rows = session.execute(
            select(
                DirectoryEntry.kind, DirectoryEntry.code, DirectoryEntry.firm_id, DirectoryEntry.tenant_id
            ).order_by(DirectoryEntry.kind, DirectoryEntry.code)
        ).all()
    return [
        Chain("hospital", row.code, row.tenant_id) if row.tenant_id else Chain("firm", row.code, row.firm_id)
        for row in rows
    ]


def head(database: Database, of: Chain) -> Head | None:
    """The last row of a chain."""
    with _opened(database, of) as session:
        return chain.head(session, model_of(session), of.id)


def verify(
    database: Database, of: Chain, *, newest: int | None = None, noted: Mapping[int, bytes] | None = None
) -> Verified:
    """Walk a chain; see `foundation.chain.verify`."""
    with _opened(database, of) as session:
        return chain.verify(session, model_of(session), of.id, newest=newest, noted=noted)


def model_of(session: ScopedSession) -> type[AuditEvent | FirmEvent]:
    """The table whose rows a session's chain consists of."""
    return FirmEvent if isinstance(session, FirmSession) else AuditEvent


def chain_id(session: HospitalSession | FirmSession) -> UUID:
    """The chain of a session: its hospital's or its firm's."""
    return session.firm_id if isinstance(session, FirmSession) else session.tenant_id


@contextmanager
def _opened(database: Database, of: Chain) -> Iterator[ScopedSession]:
    if of.kind == "firm":
        with database.firm(FirmScope(of.id, (), ACTOR, "audit")) as firm:
            yield firm
        return
    with database.hospital(HospitalScope(of.id, ACTOR, "audit", read_only=True)) as hospital:
        yield hospital
