"""Accounts (账号) of people as their managers help them: the invitation, and a way back in.

An account that also belongs to others (another firm, for a hospital also its firm) is not one side's to
weaken: its lock, its second factor and its link to a provider are then left to whoever runs the platform.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, or_, select

from foundation.ids import new_id
from foundation.languages import Language
from foundation.languages import gettext as _
from foundation.settings import Settings
from foundation.web.errors import NotFound, UserMistake
from tenants import service
from tenants.identity import confined, invitations, lockout, mobiles, second_factor, signin, unused
from tenants.identity.people import (
    Manager,
    SideSession,
    belongs_to_others,
    has_entered,
    held_by,
    record,
)
from tenants.models import ExternalIdentity, IdentityProvider, Membership, Person
from tenants.rights import SIDES, Role


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody to be given a role, as typed: an e-mail address or a mobile number, one of the two.

    `tenant_id` names the hospital of a hospital's role, `department_id` the department of its head.
    """

    name: str
    contact: str
    role: Role
    tenant_id: UUID | None = None
    department_id: UUID | None = None
    language: Language = "zh_Hans"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invitation came to: `sent`, a `token` for a link to hand over, or neither: the account was
    there and decides itself.
    """

    name: str
    token: str | None = None
    sent: bool = False


def invite(
    session: SideSession, manager: Manager, wanted: Wanted, settings: Settings, *, now: datetime
) -> Outcome:
    """Offer somebody a role; who has no account yet gets a link to set a password. Raises `UserMistake`."""
    _check(session, manager, wanted)
    person = signin.find_account(session, wanted.contact)
    if person is None:
        person = _new_person(session, wanted, now)
    if person.id == manager.person_id:
        raise UserMistake(_("Nobody gives a role to themselves."))
    session.refresh(person, with_for_update=True)  # nobody sets the first password meanwhile
    if person.password_hash is None:
        _keep_to_one_side(session, manager, person, wanted.tenant_id)
        invitations.withdraw(session, person.id, now=now)
    entered = has_entered(session, person)
    service.add_member(
        session,
        person.id,
        wanted.role,
        firm_id=None if wanted.tenant_id else manager.firm_id,
        tenant_id=wanted.tenant_id,
        department_id=wanted.department_id,
        now=now,
        accepted=False,
        typed=(_name_of(wanted), _shown_contact(wanted)),
    )
    at = str(wanted.tenant_id or "")
    record(session, "tenants.person_invited", person.id, now=now, role=wanted.role.value, at=at)
    if entered:
        # Where messages are sent the answer is the same as for somebody new: it tells nobody who is here.
        channel: invitations.Channel = "phone" if mobiles.read(wanted.contact) else "email"
        return Outcome(wanted.name.strip(), sent=invitations.sends(settings, channel))
    return _invitation(session, person, settings, now)


def invite_again(
    session: SideSession, manager: Manager, person_id: UUID, settings: Settings, *, now: datetime
) -> Outcome:
    """A fresh invitation; links sent before open nothing any more."""
    person, _held = held_by(session, manager, person_id)
    if has_entered(session, person):
        raise UserMistake(_("This offer waits for its answer; a link is not needed."))
    _only_ours(session, manager, person)
    invitations.withdraw(session, person_id, now=now)
    record(session, "tenants.person_invited", person_id, now=now, again=True)
    return _invitation(session, person, settings, now)


def reopen(session: SideSession, manager: Manager, person_id: UUID, *, now: datetime) -> None:
    """Open again what this side closed, and the account itself when it was closed and is this side's own."""
    person, held = held_by(session, manager, person_id)
    if person.disabled_at is not None:
        _only_ours(session, manager, person)
        unused.reopen(session, person, now=now, address=manager.address)
    for member in held:
        if member.closed_at is not None and member.accepted_at is not None:
            member.accepted_at = now  # what was opened meanwhile was not opened to them (S4-16)
        member.closed_at = None
    session.flush()
    confined.ask_for_factor(session, person_id, now=now)
    record(session, "tenants.access_opened", person_id, now=now)


def unlock(session: SideSession, manager: Manager, person_id: UUID, *, now: datetime) -> None:
    """Forgive wrong passwords before the half hour is over."""
    person, _held = held_by(session, manager, person_id)
    _only_ours(session, manager, person)
    lockout.forgive(person)
    record(session, "tenants.account_unlocked", person_id, now=now)


def reset_second_factor(session: SideSession, manager: Manager, person_id: UUID, *, now: datetime) -> None:
    """Take the second factor away because the phone is gone; all sessions end."""
    person, _held = held_by(session, manager, person_id)
    _only_ours(session, manager, person)
    second_factor.reset(session, person, now=now, address=manager.address)
    record(session, "tenants.second_factor_reset", person_id, now=now)


def unlink(session: SideSession, manager: Manager, person_id: UUID, *, now: datetime) -> None:
    """Forget who somebody is at this side's provider; the next sign-in there links anew by e-mail."""
    held_by(session, manager, person_id)
    at: ColumnElement[bool] = IdentityProvider.tenant_id.in_(list(manager.tenant_ids))
    if manager.firm_id is not None:
        at = or_(at, IdentityProvider.firm_id == manager.firm_id)
    own = select(IdentityProvider.id).where(at)
    session.execute(
        delete(ExternalIdentity).where(
            ExternalIdentity.person_id == person_id, ExternalIdentity.provider_id.in_(own)
        )
    )
    record(session, "tenants.identity_unlinked", person_id, now=now)


def _check(session: SideSession, manager: Manager, wanted: Wanted) -> None:
    _name_of(wanted)
    if len(wanted.contact) > service.EMAIL_LENGTH:
        raise UserMistake(_("An e-mail address has at most {count} letters.", count=service.EMAIL_LENGTH))
    if wanted.role not in manager.gives:
        raise UserMistake(_("You cannot give or take away this role."))
    if (SIDES[wanted.role] == "hospital") is (wanted.tenant_id is None):
        raise UserMistake(_("This role is held at a hospital: choose one."))
    if wanted.tenant_id is not None and wanted.tenant_id not in manager.tenant_ids:
        raise NotFound
    if wanted.role is Role.DEPARTMENT_HEAD and wanted.department_id is None:
        raise UserMistake(_("Which department does this person head?"))
    known = signin.find_account(session, wanted.contact)
    if known is None:
        return
    twice = select(Membership.id).where(
        Membership.person_id == known.id,
        Membership.role == wanted.role.value,
        Membership.tenant_id.is_not_distinct_from(wanted.tenant_id),
        Membership.firm_id.is_not_distinct_from(None if wanted.tenant_id else manager.firm_id),
        Membership.department_id.is_not_distinct_from(wanted.department_id),
    )
    if session.scalar(twice) is not None:
        raise UserMistake(_("This person holds that role already."))


def _name_of(wanted: Wanted) -> str:
    name = wanted.name.strip()
    if not name or len(name) > service.NAME_LENGTH:
        raise UserMistake(_("A name has 1 to {count} letters.", count=service.NAME_LENGTH))
    return name


def _shown_contact(wanted: Wanted) -> str:
    """What the inviter typed, as lists show it: the address, or the number masked."""
    digits = mobiles.read(wanted.contact)
    return signin.normal_email(wanted.contact) if digits is None else mobiles.masked(digits)


def _keep_to_one_side(session: SideSession, manager: Manager, person: Person, tenant_id: UUID | None) -> None:
    """Refuse a role for an account without a password that another side invited, or that was offered what
    this manager may not give: whoever holds the link of one would open what the other gave.
    """
    rows = session.execute(
        select(Membership.role, Membership.firm_id, Membership.tenant_id).where(
            Membership.person_id == person.id
        )
    )
    side = (None if tenant_id else manager.firm_id, tenant_id)
    if any((row.firm_id, row.tenant_id) != side or Role(row.role) not in manager.gives for row in rows):
        raise UserMistake(
            _("This address was invited elsewhere and has no password yet; it must be accepted there first.")
        )


def _new_person(session: SideSession, wanted: Wanted, now: datetime) -> Person:
    contact = wanted.contact.strip()
    digits = mobiles.read(contact)
    if digits is None and not service.EMAIL.fullmatch(signin.normal_email(contact)):
        raise UserMistake(_("Type an e-mail address or a mobile number: {text}", text=contact))
    person = Person(
        id=new_id(),
        email=signin.normal_email(contact) if digits is None else None,
        name=_name_of(wanted),
        language=wanted.language,
        failures=0,
        created_at=now,
    )
    if digits is not None:
        mobiles.put(session, person, digits)
    session.add(person)
    session.flush()
    return person


def _invitation(session: SideSession, person: Person, settings: Settings, now: datetime) -> Outcome:
    channel: invitations.Channel = "email" if person.email else "phone"
    if invitations.sends(settings, channel):
        made, _token = invitations.create(session, person, channel=channel, now=now)
        invitations.send(session, made, now=now)
        return Outcome(person.name, sent=True)
    return Outcome(person.name, token=invitations.create(session, person, channel="link", now=now)[1])


def _only_ours(session: SideSession, manager: Manager, person: Person) -> None:
    """The account is this side's own: nobody else's, and its owner has taken a role here."""
    taken = select(Membership.id).where(
        Membership.person_id == person.id, Membership.accepted_at.is_not(None), manager.within()
    )
    foreign = person.password_hash is not None and session.scalar(taken.limit(1)) is None
    if foreign or belongs_to_others(session, manager, person.id):
        raise UserMistake(_("This account also belongs elsewhere; this is left to the platform's operator."))
