"""From the short codes that people type to firms and hospitals."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from careloop.commands.errors import CommandMistake
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from tenants.models import DirectoryEntry

ACTOR = Actor.system("careloop command line")


def directory_entry(parts: Runtime, code: str, kind: str) -> DirectoryEntry:
    """The directory's entry of a code; one sentence when there is none."""
    with parts.database.platform(PlatformScope(ACTOR, "command line")) as session:
        entry = session.scalar(
            select(DirectoryEntry).where(DirectoryEntry.code == code, DirectoryEntry.kind == kind)
        )
    if entry is None:
        raise CommandMistake(f"There is no {kind} with the code {code}.")
    return entry


def hospital_of(parts: Runtime, code: str) -> UUID:
    """The hospital with this code; one sentence when there is none."""
    tenant_id = directory_entry(parts, code, "hospital").tenant_id
    if tenant_id is None:
        raise CommandMistake(f"There is no hospital with the code {code}.")
    return tenant_id
