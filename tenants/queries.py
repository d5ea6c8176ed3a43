"""What lists of firms, hospitals and people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pypinyin import lazy_pinyin
from sqlalchemy import select

from foundation.database import Database, FirmSession, PlatformSession, ScopedSession
from foundation.scope import Actor, PlatformScope
from tenants.identity import membership
from tenants.models import DirectoryEntry, Hospital, Membership, Person, SigninEvent

SIGNINS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class DirectoryHospital:
    """A hospital as the directory knows it: ids and code."""

    tenant_id: UUID
    firm_id: UUID
    code: str


def hospital_by_code(session: FirmSession, code: str) -> Hospital | None:
    """A hospital of the session's firm by its code."""
    return session.scalar(select(Hospital).where(Hospital.firm_id == session.firm_id, Hospital.code == code))


def hospitals_of(session: FirmSession) -> list[Hospital]:
    """All hospitals of the session's firm, by the pinyin of their names."""
    rows = session.scalars(select(Hospital).where(Hospital.firm_id == session.firm_id))
    return sorted(rows, key=lambda row: pinyin_key(row.name))


def directory(session: ScopedSession) -> list[DirectoryHospital]:
    """All hospitals that have not left: what scheduled work goes over."""
    rows = session.execute(
        select(DirectoryEntry.tenant_id, DirectoryEntry.firm_id, DirectoryEntry.code)
        .where(DirectoryEntry.kind == "hospital", DirectoryEntry.state != "left")
        .order_by(DirectoryEntry.id)
    )
    return [DirectoryHospital(t, f, c) for t, f, c in rows if t is not None]


def hospital_entry(database: Database, code: str) -> DirectoryHospital | None:
    """The hospital of this code, in whatever stage; for the command line, which is not a visit."""
    with database.platform(PlatformScope(Actor.system("directory"), "directory")) as session:
        row = session.execute(
            select(DirectoryEntry.tenant_id, DirectoryEntry.firm_id, DirectoryEntry.code).where(
                DirectoryEntry.kind == "hospital", DirectoryEntry.code == code
            )
        ).one_or_none()
    if row is None or row.tenant_id is None:
        return None
    return DirectoryHospital(row.tenant_id, row.firm_id, row.code)


def firm_ids(session: ScopedSession) -> list[UUID]:
    """All firms."""
    return list(
        session.scalars(
            select(DirectoryEntry.firm_id)
            .where(DirectoryEntry.kind == "firm", DirectoryEntry.state != "left")
            .order_by(DirectoryEntry.id)
        )
    )


def signins_of(session: ScopedSession, person_id: UUID) -> Sequence[SigninEvent]:
    """The latest attempts to sign in to one account, newest first."""
    return session.scalars(
        select(SigninEvent)
        .where(SigninEvent.person_id == person_id)
        .order_by(SigninEvent.at.desc(), SigninEvent.id.desc())
        .limit(SIGNINS_SHOWN)
    ).all()


def everybody(session: PlatformSession) -> list[tuple[Person, Membership]]:
    """Every open account with each of its roles: for the first page of a demo."""
    rows = session.execute(
        select(Person, Membership)
        .join(Membership, Membership.person_id == Person.id)
        .where(Person.disabled_at.is_(None), membership.counts())
        .order_by(Membership.created_at, Membership.id)
    )
    return [(person, member) for person, member in rows]


def pinyin_key(name: str) -> list[str]:
    """Names sort by pinyin (拼音), Latin ones among them."""
    return [part.lower() for part in lazy_pinyin(name)]
