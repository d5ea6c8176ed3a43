"""Roles (角色) and accounts as the people who manage them see them: invite, change, take away, close.

A manager (`Manager`) works on one side: a firm with its hospitals, or one hospital. Whom they may touch
follows from `tenants.rights.GIVES`; what concerns the account as a whole (its second factor, its lock) asks
besides that the account belongs to nobody else. Everything is written down on the side it happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update

from foundation import audit
from foundation.database import FirmSession, HospitalSession
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from tenants.identity import confined, invitations, tokens
from tenants.models import DirectoryEntry, ExternalIdentity, Membership, Person, SigninSession
from tenants.oversight.firm_audit import note
from tenants.rights import GIVES, HOSPITAL_ROLES, MATRIX, Action, Role, gives
from tenants.visit import Visit

SideSession = FirmSession | HospitalSession


@dataclass(frozen=True, slots=True)
class Manager:
    """Who manages people, and of which side: `firm_id` is None for a hospital's page."""

    person_id: UUID
    gives: frozenset[Role]
    firm_id: UUID | None
    tenant_ids: frozenset[UUID]
    address: str = ""

    def within(self) -> ColumnElement[bool]:
        """The memberships of this side."""
        at_hospitals = Membership.tenant_id.in_(self.tenant_ids)
        return at_hospitals if self.firm_id is None else or_(Membership.firm_id == self.firm_id, at_hospitals)


def manager_of(visit: Visit, session: SideSession) -> Manager:
    """The visitor as a manager of the side that the session sees."""
    if isinstance(session, HospitalSession):
        roles = next(r.roles for r in visit.reached.values() if r.face.tenant_id == session.tenant_id)
        own = gives(roles) & HOSPITAL_ROLES
        return Manager(visit.person.id, own, None, frozenset([session.tenant_id]), visit.address)
    roles = frozenset(m.role for m in visit.members if m.firm_id == session.firm_id)
    return Manager(
        visit.person.id, gives(roles), session.firm_id, frozenset(session.tenant_ids), visit.address
    )


def membership(session: SideSession, manager: Manager, membership_id: UUID) -> Membership:
    """A role of this side, locked; `NotFound` beyond it, `UserMistake` for one the manager may not touch."""
    found = session.scalar(
        select(Membership).where(Membership.id == membership_id, manager.within()).with_for_update()
    )
    if found is None:
        raise NotFound
    if Role(found.role) not in manager.gives and found.person_id != manager.person_id:
        raise UserMistake(_("You cannot give or take away this role."))
    return found


def held_by(session: SideSession, manager: Manager, person_id: UUID) -> tuple[Person, list[Membership]]:
    """Somebody of this side with their roles there; `NotFound` beyond it, `UserMistake` when one of the
    roles is none of the manager's to give: who cannot appoint somebody cannot shut them out either.
    """
    held = list(
        session.scalars(
            select(Membership)
            .where(Membership.person_id == person_id, manager.within())
            .order_by(Membership.id)
            .with_for_update()
        )
    )
    if not held:
        raise NotFound
    if person_id == manager.person_id:
        raise UserMistake(_("This is your own account; somebody else has to do this."))
    if not {Role(m.role) for m in held} <= manager.gives:
        raise UserMistake(_("You cannot give or take away this role."))
    return session.get_one(Person, person_id, with_for_update=True), held


def remove(session: SideSession, manager: Manager, gone: Membership, *, now: datetime) -> None:
    """Take a role away: it is gone with the next request, with the person's keys and the sign-ins that
    were confined to that side.
    """
    _keep_a_manager(session, manager, gone)
    _keep_a_general_manager(session, [gone])
    person_id, side = gone.person_id, (gone.firm_id, gone.tenant_id)
    session.delete(gone)
    session.flush()
    _cut(session, person_id, side, now)
    left = session.scalar(select(Membership.id).where(Membership.person_id == person_id).limit(1))
    if left is None:
        invitations.withdraw(session, person_id, now=now)
    record(session, "tenants.role_removed", person_id, now=now, role=gone.role, at=str(gone.tenant_id or ""))


def change(
    session: SideSession,
    manager: Manager,
    held: Membership,
    role: Role,
    department_id: UUID | None,
    *,
    now: datetime,
) -> None:
    """Make a role another one of the same side; what was offered stays an offer. Raises `UserMistake`."""
    if held.person_id == manager.person_id:
        raise UserMistake(_("Nobody gives a role to themselves."))
    if role not in manager.gives or (role in HOSPITAL_ROLES) is (held.tenant_id is None):
        raise UserMistake(_("You cannot give or take away this role."))
    twice = select(Membership.id).where(
        Membership.person_id == held.person_id,
        Membership.role == role.value,
        Membership.firm_id.is_not_distinct_from(held.firm_id),
        Membership.tenant_id.is_not_distinct_from(held.tenant_id),
        Membership.department_id.is_not_distinct_from(department_id),
        Membership.id != held.id,
    )
    if session.scalar(twice) is not None:
        raise UserMistake(_("This person holds that role already."))
    _keep_a_general_manager(session, [held] if role is not Role.FIRM_GM else [])
    before = held.role
    held.role, held.department_id = role.value, department_id
    if held.accepted_at is not None:
        held.accepted_at = now  # what was opened to whoever held it before is not theirs (S4-16)
    session.flush()
    _cut(session, held.person_id, (held.firm_id, held.tenant_id), now)
    if session.get_one(Person, held.person_id, with_for_update=True).password_hash is None:
        # Who holds the link was given another role to open; sending again makes a fresh one.
        invitations.withdraw(session, held.person_id, now=now)
    confined.ask_for_factor(session, held.person_id, now=now)
    record(session, "tenants.role_changed", held.person_id, now=now, role=role.value, before=before)


def close(session: SideSession, manager: Manager, person_id: UUID, *, now: datetime) -> None:
    """Shut somebody out of this side without taking their roles away; what they are elsewhere stays."""
    person, held = held_by(session, manager, person_id)
    _keep_a_general_manager(session, held)
    for member in held:
        member.closed_at = now
        _cut(session, person.id, (member.firm_id, member.tenant_id), now)
    record(session, "tenants.access_closed", person_id, now=now)


def belongs_to_others(session: SideSession, manager: Manager, person_id: UUID) -> bool:
    """Whether the account belongs to others too: the platform, another firm, for a hospital also its firm."""
    inside = manager.within()
    if manager.firm_id is not None:
        own = select(DirectoryEntry.tenant_id).where(
            DirectoryEntry.kind == "hospital", DirectoryEntry.firm_id == manager.firm_id
        )
        inside = or_(Membership.firm_id == manager.firm_id, Membership.tenant_id.in_(own))
    outside = select(Membership.id).where(Membership.person_id == person_id, inside.is_not(True))
    return session.scalar(outside.limit(1)) is not None


def has_entered(session: SideSession, person: Person) -> bool:
    """Whether the account has a way in already: a password, or an identity at a provider."""
    if person.password_hash is not None:
        return True
    linked = select(ExternalIdentity.id).where(ExternalIdentity.person_id == person.id)
    return session.scalar(linked.limit(1)) is not None


def record(session: SideSession, action: str, person_id: UUID, *, now: datetime, **detail: Any) -> None:
    """One line in the trail of the side this happened on."""
    subject = f"person:{person_id}"
    if isinstance(session, HospitalSession):
        audit.record(session, action, now=now, subject=subject, detail=detail)
    else:
        note(session, action, now=now, subject=subject, **detail)


def _cut(session: SideSession, person_id: UUID, side: tuple[UUID | None, UUID | None], now: datetime) -> None:
    """End the keys of this side, and the sign-ins confined to it."""
    firm_id, tenant_id = side
    at_firm = [firm_id] if firm_id else []
    at_hospital = [tenant_id] if tenant_id else []
    tokens.end_all(session, person_id, now=now, firm_ids=at_firm, tenant_ids=at_hospital)
    session.execute(
        update(SigninSession)
        .where(
            SigninSession.person_id == person_id,
            SigninSession.ended_at.is_(None),
            SigninSession.firm_id.in_(at_firm) | SigninSession.tenant_id.in_(at_hospital),
        )
        .values(ended_at=now)
    )


def _keep_a_manager(session: SideSession, manager: Manager, gone: Membership) -> None:
    """Nobody takes away their own last role that manages people."""
    managing = [role.value for role in GIVES if Action.MANAGE_PEOPLE in MATRIX[role]]
    if gone.person_id != manager.person_id or gone.role not in managing:
        return
    other = select(Membership.id).where(
        Membership.person_id == gone.person_id,
        Membership.role.in_(managing),
        Membership.id != gone.id,
        Membership.accepted_at.is_not(None),
        Membership.closed_at.is_(None),
        manager.within(),
    )
    if session.scalar(other.limit(1)) is None:
        raise UserMistake(
            _("This is the role by which you manage people; somebody else has to take it away.")
        )


def _keep_a_general_manager(session: SideSession, gone: list[Membership]) -> None:
    """A firm is never without a general manager who can sign in."""
    for member in gone:
        if member.role != Role.FIRM_GM or member.accepted_at is None or member.closed_at is not None:
            continue
        others = session.scalars(
            select(Membership.id)
            .join(Person, Person.id == Membership.person_id)
            .where(
                Membership.firm_id == member.firm_id,
                Membership.role == Role.FIRM_GM.value,
                Membership.accepted_at.is_not(None),
                Membership.closed_at.is_(None),
                Person.disabled_at.is_(None),
            )
            .order_by(Membership.id)
            .with_for_update(of=Membership)
        ).all()
        if set(others) <= {m.id for m in gone}:
            raise UserMistake(_("A firm keeps at least one general manager."))
