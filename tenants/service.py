"""Making firms, hospitals, departments and people.

All of it runs in a `FirmSession`. A new firm is made by a session whose `FirmScope` names the id that the
firm will have: `FirmScope(new_id(), (), actor, purpose)`. Platform tables (the directory, people) can be
written from any scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from foundation.database import FirmSession, ScopedSession
from foundation.encryption import MasterKey
from foundation.ids import new_id
from foundation.languages import Language
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from tenants.identity import invitations, password_rules, signin
from tenants.labels import COLOURS, GRADES, HOSPITAL_TYPES
from tenants.models import (
    Department,
    DirectoryEntry,
    Firm,
    Hospital,
    Membership,
    Person,
)
from tenants.oversight.firm_audit import note
from tenants.regions import is_region
from tenants.rights import SIDES, Role

# Codes that stand in the place of a hospital's or a firm's in an address of the product.
RESERVED = frozenset({"new", "brings", "code", "enrol", "company", "password", "callback", "provider"})
CODE = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# One in ten outpatients is asked unless the hospital's contract says otherwise (D1).
OUTPATIENT_RATE = Decimal("0.10")
MOST_BEDS = 20_000
NAME_LENGTH = 80
DEPARTMENT_LENGTH = 80
# RFC 5321, 4.5.3.1.3: the longest address that can be written to.
EMAIL_LENGTH = 254


@dataclass(frozen=True, slots=True)
class NewHospital:
    """What a hospital is made of. `beds` counts licensed beds (核定床位), `region` is a GB/T 2260 code of 6
    digits,
    `outpatient_rate` the share of outpatients to be asked, between 0 and 1.

    Without a `colour` the hospital's chip gets the next one of `tenants.labels.COLOURS`.
    """

    code: str
    name: str
    name_en: str
    hospital_type: str
    region: str
    grade: str
    brand: str = ""
    beds: int | None = None
    outpatient_rate: Decimal = OUTPATIENT_RATE
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody who was given a role. `token` is for the link, shown once; None when a password is there."""

    person: Person
    token: str | None


def create_firm(session: FirmSession, *, code: str, name: str, name_en: str, now: datetime) -> Firm:
    """Make the firm (外包公司) whose id the session's scope names. Raises `UserMistake`."""
    _enter_directory(session, code, "firm", None)
    firm = Firm(
        firm_id=session.firm_id, code=code, name=_named(name), name_en=name_en.strip(), created_at=now
    )
    session.add(firm)
    session.flush()
    return firm


def create_hospital(
    session: FirmSession,
    new: NewHospital,
    *,
    now: datetime,
    state: Literal["active", "onboarding"] = "active",
) -> Hospital:
    """Make a hospital (医院) of the session's firm, with a data key of its own. Raises `UserMistake`.

    What its type brings and its history follow in a transaction over the hospital itself
    (`tenants.life.onboarding.prepare`); `onboarding` waits for the go-live gate (SC-51).
    """
    _check(new)
    tenant_id = new_id()
    _enter_directory(session, new.code, "hospital", tenant_id, state)
    count = session.scalar(select(func.count()).where(Hospital.firm_id == session.firm_id)) or 0
    hospital = Hospital(
        tenant_id=tenant_id,
        firm_id=session.firm_id,
        code=new.code,
        name=_named(new.name),
        name_en=new.name_en.strip(),
        hospital_type=new.hospital_type,
        region=new.region,
        grade=new.grade,
        brand=new.brand.strip(),
        beds=new.beds,
        colour=new.colour or COLOURS[count % len(COLOURS)],
        state=state,
        outpatient_rate=new.outpatient_rate,
        wrapped_key=_master_key(session).new_wrapped_key(),
        created_at=now,
    )
    session.add(hospital)
    session.flush()
    note(session, "tenants.hospital_created", now=now, subject=f"hospital:{tenant_id}", code=new.code)
    return hospital


def add_departments(session: ScopedSession, tenant_id: UUID, names: Iterable[str]) -> dict[str, UUID]:
    """Make these departments (科室) where they are missing; returns the id of each name asked for."""
    wanted = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if wanted:
        rows = [{"tenant_id": tenant_id, "id": new_id(), "name": name} for name in wanted]
        session.execute(
            insert(Department).values(rows).on_conflict_do_nothing(index_elements=["tenant_id", "name"])
        )
    found = session.execute(
        select(Department.name, Department.id).where(
            Department.tenant_id == tenant_id, Department.name.in_(wanted)
        )
    )
    return {row.name: row.id for row in found}


def invite_person(
    session: FirmSession,
    *,
    email: str,
    name: str,
    role: Role,
    now: datetime,
    tenant_id: UUID | None = None,
    department_id: UUID | None = None,
    language: Language = "zh_Hans",
) -> Invited:
    """Give somebody a role at the session's firm, or at one of its hospitals, and a link to set a password.

    Somebody who signs in already keeps their account; the role is offered to them beside the others and
    counts once they have taken it. Raises `UserMistake`.
    """
    wanted = signin.normal_email(email)
    if len(wanted) > EMAIL_LENGTH or not EMAIL.fullmatch(wanted):
        raise UserMistake(_("This is not an e-mail address: {email}", email=email.strip()[:EMAIL_LENGTH]))
    _check_side(session, role, tenant_id)
    person = session.scalar(select(Person).where(Person.email == wanted))
    side = (None if tenant_id else session.firm_id, tenant_id)
    if person is not None and person.password_hash is None and _belongs_elsewhere(session, person.id, side):
        # The link would open what another side gave to this account.
        raise UserMistake(
            _("This address was invited elsewhere and has no password yet; it must be accepted there first.")
        )
    if person is None:
        person = make_person(session, email=wanted, name=name, language=language, now=now)
    add_member(
        session,
        person.id,
        role,
        firm_id=None if tenant_id else session.firm_id,
        tenant_id=tenant_id,
        department_id=department_id,
        now=now,
        accepted=person.password_hash is None,
        typed=(_named(name), wanted),
    )
    note(session, "tenants.person_invited", now=now, subject=f"person:{person.id}", role=role.value)
    if person.password_hash is not None:
        return Invited(person, None)
    return Invited(person, invitations.create(session, person, channel="link", now=now)[1])


def make_person(
    session: ScopedSession,
    *,
    email: str,
    name: str,
    language: Language,
    now: datetime,
    password: str | None = None,
) -> Person:
    """Make an account without any role. Raises `UserMistake` for an empty name or a weak password."""
    if password is not None:
        password_rules.check(password, name, email)
    person = Person(
        id=new_id(),
        email=signin.normal_email(email),
        name=_named(name),
        password_hash=None if password is None else password_rules.hash_of(password),
        language=language,
        failures=0,
        locked_until=None,
        password_set_at=None if password is None else now,
        disabled_at=None,
        created_at=now,
    )
    session.add(person)
    session.flush()
    return person


def add_member(
    session: ScopedSession,
    person_id: UUID,
    role: Role,
    *,
    now: datetime,
    firm_id: UUID | None = None,
    tenant_id: UUID | None = None,
    department_id: UUID | None = None,
    accepted: bool = True,
    typed: tuple[str, str] = ("", ""),
) -> None:
    """Give a role (角色); again is the same. An operator's role has neither firm nor hospital.

    One that is not `accepted` counts once the person has taken it; `typed` are the name and the address or
    masked number as the inviter gave them.
    """
    session.execute(
        insert(Membership)
        .values(
            id=new_id(),
            person_id=person_id,
            role=role.value,
            firm_id=firm_id,
            tenant_id=tenant_id,
            department_id=department_id,
            created_at=now,
            created_by=session.scope.actor.id,
            accepted_at=now if accepted else None,
            offered_name=typed[0],
            offered_contact=typed[1],
        )
        .on_conflict_do_nothing()
    )


def change_language(session: ScopedSession, person_id: UUID, language: Language) -> None:
    """The language a person reads from now on."""
    session.execute(update(Person).where(Person.id == person_id).values(language=language))


def _enter_directory(
    session: FirmSession, code: str, kind: str, tenant_id: UUID | None, state: str = "active"
) -> None:
    if not CODE.fullmatch(code):
        raise UserMistake(
            _(
                "A code has 2 to 32 small letters, digits or hyphens and begins with a letter: {code}",
                code=code,
            )
        )
    taken = code not in RESERVED and session.scalar(
        insert(DirectoryEntry)
        .values(id=new_id(), code=code, kind=kind, firm_id=session.firm_id, tenant_id=tenant_id, state=state)
        .on_conflict_do_nothing(index_elements=["code"])
        .returning(DirectoryEntry.id)
    )
    if not taken:
        raise UserMistake(_("The code {code} is taken; choose another one.", code=code))


def _check(new: NewHospital) -> None:
    if new.hospital_type not in HOSPITAL_TYPES:
        raise UserMistake(_("Unknown type of hospital: {value}", value=new.hospital_type))
    if new.colour and new.colour not in COLOURS:
        raise UserMistake(_("Unknown colour: {value}", value=new.colour))
    if new.grade not in GRADES:
        raise UserMistake(_("Unknown grade of hospital: {value}", value=new.grade))
    if not is_region(new.region):
        raise UserMistake(
            _("A region is a code of six digits by GB/T 2260, such as 130100: {value}", value=new.region)
        )
    if new.beds is not None and not 0 <= new.beds <= MOST_BEDS:
        raise UserMistake(_("This number of beds cannot be right: {value}", value=new.beds))
    if not 0 < new.outpatient_rate <= 1:
        raise UserMistake(_("The share of outpatients lies between 1% and 100%."))


def _check_side(session: FirmSession, role: Role, tenant_id: UUID | None) -> None:
    side = SIDES[role]
    if side == "platform":
        raise UserMistake(_("A firm cannot give this role."))
    if side == "firm" and tenant_id is not None:
        raise UserMistake(_("This role is held at the firm, not at a hospital."))
    if side == "hospital":
        if tenant_id is None:
            raise UserMistake(_("This role is held at a hospital: choose one."))
        own = select(Hospital.tenant_id).where(
            Hospital.tenant_id == tenant_id, Hospital.firm_id == session.firm_id
        )
        if session.scalar(own) is None:
            raise UserMistake(_("There is no such hospital."))


def _belongs_elsewhere(session: FirmSession, person_id: UUID, side: tuple[UUID | None, UUID | None]) -> bool:
    """Whether a person holds a role beside this side: at another firm or hospital, or on the platform."""
    rows = session.execute(
        select(Membership.firm_id, Membership.tenant_id).where(Membership.person_id == person_id)
    )
    return any((row.firm_id, row.tenant_id) != side for row in rows)


def _named(name: str) -> str:
    plain = name.strip()
    if not plain:
        raise UserMistake(_("A name is missing."))
    if len(plain) > NAME_LENGTH:
        raise UserMistake(_("A name has 1 to {count} letters.", count=NAME_LENGTH))
    return plain


def _master_key(session: FirmSession) -> MasterKey:
    master = session.info.get("master_key")
    if not isinstance(master, MasterKey):
        msg = "the session was opened without a master key"
        raise TypeError(msg)
    return master
