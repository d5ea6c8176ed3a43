"""Accounts nobody uses (长期不用的账号): closed after 90 days (GB/T 22239-2019 8.1.4.2: no stale accounts).

The last general manager of a firm and the last operator stay open: nobody else could open an account again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from foundation.database import ScopedSession
from tenants.identity import lockout, membership, signin
from tenants.models import ApiToken, Membership, Person
from tenants.rights import Role

UNUSED_FOR = timedelta(days=90)
# Of these one must always be left, per firm or on the platform.
NEVER_WITHOUT = (Role.FIRM_GM, Role.OPERATOR)


def to_close(unused: Mapping[UUID, datetime], keepers: Iterable[Mapping[UUID, datetime]]) -> set[UUID]:
    """Which unused accounts (each with the moment of its last use) are closed.

    `keepers` are the groups of accounts of which one must be left, with the last use of each: where all of a
    group are unused, the one used last is spared.
    """
    closing = set(unused)
    for group in keepers:
        if group and set(group) <= closing:
            closing.discard(max(group, key=lambda person_id: (group[person_id], person_id)))
    return closing


def close_unused(session: ScopedSession, *, now: datetime) -> int:
    """Close every account that nobody used for 90 days; returns how many there were."""
    used = func.greatest(
        Person.created_at,
        Person.last_seen_at,
        select(func.max(ApiToken.last_used_at)).where(ApiToken.person_id == Person.id).scalar_subquery(),
    )
    accounts = session.execute(select(Person.id, used.label("used")).where(Person.disabled_at.is_(None)))
    open_accounts: dict[UUID, datetime] = {row.id: row.used for row in accounts}
    unused = {person_id: at for person_id, at in open_accounts.items() if at <= now - UNUSED_FOR}
    rows = session.execute(
        select(Membership.role, Membership.firm_id, Membership.person_id).where(
            Membership.role.in_([role.value for role in NEVER_WITHOUT]), membership.counts()
        )
    )
    groups: dict[tuple[str, UUID | None], dict[UUID, datetime]] = {}
    for role, firm_id, person_id in rows:
        if person_id in open_accounts:
            groups.setdefault((role, firm_id), {})[person_id] = open_accounts[person_id]
    closing = to_close(unused, groups.values())
    for person in session.scalars(select(Person).where(Person.id.in_(closing)).with_for_update()):
        close(session, person, now=now, address="", result="closed_unused")
    return len(closing)


def close(
    session: ScopedSession, person: Person, *, now: datetime, address: str, result: str = "account_closed"
) -> None:
    """Close an account: its sessions end, and nobody signs in to it until it is opened again."""
    person.disabled_at = now
    signin.end_all_sessions(session, person.id, now=now)
    signin.note(session, person, result, now=now, address=address)


def reopen(session: ScopedSession, person: Person, *, now: datetime, address: str) -> None:
    """Let a closed account be used again; it counts as used today."""
    person.disabled_at = None
    person.last_seen_at = now
    lockout.forgive(person)
    signin.note(session, person, "account_opened", now=now, address=address)
