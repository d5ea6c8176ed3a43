"""The list of a side's people: each with their roles, how they sign in, and what still waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from foundation.database import FirmSession, HospitalSession
from tenants.models import Department, ExternalIdentity, IdentityProvider, Invitation, Membership, Person
from tenants.queries import pinyin_key
from tenants.rights import Role


@dataclass(frozen=True, slots=True)
class RoleLine:
    """One role that somebody holds here; one that is `offered` does not count yet."""

    id: UUID
    role: Role
    tenant_id: UUID | None
    department: str | None
    department_id: UUID | None
    offered: bool


@dataclass(frozen=True, slots=True)
class InvitationLine:
    """The latest invitation of somebody who has no password yet."""

    channel: str
    expires_at: datetime
    sent_at: datetime | None
    send_failure: str
    expired: bool


@dataclass(frozen=True, slots=True)
class PersonLine:
    """Somebody with a role at a firm or one of its hospitals. `state`: active, invited, offered, locked,
    closed. Until a first role here is taken it is what the inviter typed, and nothing of the account.
    """

    person_id: UUID
    name: str
    contact: str
    roles: tuple[RoleLine, ...]
    state: str
    last_seen: datetime | None
    has_factor: bool
    provider: str | None
    invitation: InvitationLine | None

    def within(self, gives: frozenset[Role]) -> bool:
        """Whether every role here is one that a manager of these rights may give."""
        return all(line.role in gives for line in self.roles)


def people_of(
    session: FirmSession | HospitalSession, tenant_ids: Sequence[UUID], now: datetime
) -> list[PersonLine]:
    """Everybody with a role at the session's firm or at these hospitals of it, by the pinyin of names."""
    here: list[ColumnElement[bool]] = [Membership.tenant_id.in_(tenant_ids)]
    if isinstance(session, FirmSession):
        here.append(Membership.firm_id == session.firm_id)
    rows = session.execute(
        select(Person, Membership, Department.name)
        .join(Membership, Membership.person_id == Person.id)
        .outerjoin(
            Department,
            (Department.tenant_id == Membership.tenant_id) & (Department.id == Membership.department_id),
        )
        .where(or_(*here))
        .order_by(Membership.created_at, Membership.id)
    ).all()
    people: dict[UUID, tuple[Person, list[tuple[Membership, str | None]]]] = {}
    for person, member, department in rows:
        people.setdefault(person.id, (person, []))[1].append((member, department))
    invited = _invitations(session, list(people), now)
    providers = _providers(session, list(people), tenant_ids)
    lines = [
        _line(person, members, invited.get(person.id), providers.get(person.id), now)
        for person, members in people.values()
    ]
    return sorted(lines, key=lambda line: (pinyin_key(line.name), line.contact))


def headless(
    departments: Sequence[Department], people: Sequence[PersonLine], tenant_id: UUID
) -> list[Department]:
    """The departments of a hospital whose head has no account: their complaints reach nobody there."""
    headed = {
        line.department_id
        for person in people
        if person.state != "closed"
        for line in person.roles
        if line.role is Role.DEPARTMENT_HEAD and line.tenant_id == tenant_id
    }
    return [department for department in departments if department.id not in headed]


def departments_of(session: FirmSession | HospitalSession, tenant_id: UUID) -> list[Department]:
    """The hospital's departments (科室), by the pinyin of their names."""
    rows = session.scalars(select(Department).where(Department.tenant_id == tenant_id))
    return sorted(rows, key=lambda row: pinyin_key(row.name))


def _line(
    person: Person,
    members: list[tuple[Membership, str | None]],
    invitation: InvitationLine | None,
    provider: str | None,
    now: datetime,
) -> PersonLine:
    roles = tuple(
        RoleLine(
            member.id,
            Role(member.role),
            member.tenant_id,
            department,
            member.department_id,
            offered=member.accepted_at is None,
        )
        for member, department in members
    )
    entered = person.password_hash is not None or provider is not None
    if all(member.accepted_at is None for member, _ in members):
        return _offered(person, members, roles, None if entered else invitation, entered=entered)
    closed = person.disabled_at is not None or all(member.closed_at for member, _ in members)
    return PersonLine(
        person_id=person.id,
        name=person.name,
        contact=person.email or person.phone_masked,
        roles=roles,
        state="closed" if closed else _state(person, now, entered=entered),
        last_seen=person.last_seen_at,
        has_factor=person.totp_confirmed_at is not None,
        provider=provider,
        invitation=None if entered else invitation,
    )


def _offered(
    person: Person,
    members: list[tuple[Membership, str | None]],
    roles: tuple[RoleLine, ...],
    invitation: InvitationLine | None,
    *,
    entered: bool,
) -> PersonLine:
    """Somebody who has taken no role here: whether and as whom an address has an account is not told."""
    typed = [member for member, _ in members if member.offered_name]
    state = "offered" if entered else "invited"
    return PersonLine(
        person_id=person.id,
        name=typed[-1].offered_name if typed else "",
        contact=typed[-1].offered_contact if typed else "",
        roles=roles,
        state="closed" if all(member.closed_at for member, _ in members) else state,
        last_seen=None,
        has_factor=False,
        provider=None,
        invitation=invitation,
    )


def _state(person: Person, now: datetime, *, entered: bool) -> str:
    if not entered:
        return "invited"
    if person.locked_until is not None and person.locked_until > now:
        return "locked"
    return "active"


def _invitations(
    session: FirmSession | HospitalSession, person_ids: list[UUID], now: datetime
) -> dict[UUID, InvitationLine]:
    """The newest of each person; a later row replaces an earlier one."""
    rows = session.scalars(
        select(Invitation)
        .where(Invitation.person_id.in_(person_ids), Invitation.used_at.is_(None))
        .order_by(Invitation.created_at, Invitation.id)
    )
    return {
        row.person_id: InvitationLine(
            row.channel, row.expires_at, row.sent_at, row.send_failure, row.expires_at <= now
        )
        for row in rows
    }


def _providers(
    session: FirmSession | HospitalSession, person_ids: list[UUID], tenant_ids: Sequence[UUID]
) -> dict[UUID, str]:
    """The name of this side's provider for whoever is linked with it."""
    at: ColumnElement[bool] = IdentityProvider.tenant_id.in_(tenant_ids)
    if isinstance(session, FirmSession):
        at = or_(at, IdentityProvider.firm_id == session.firm_id)
    rows = session.execute(
        select(ExternalIdentity.person_id, IdentityProvider.label)
        .join(IdentityProvider, IdentityProvider.id == ExternalIdentity.provider_id)
        .where(ExternalIdentity.person_id.in_(person_ids), at)
    )
    return {row.person_id: row.label for row in rows}
