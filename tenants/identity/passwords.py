"""Setting a password (口令): never one of the last five, and every other session of the person ends."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, select

from foundation.database import ScopedSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from tenants.identity import lockout, mobiles, password_rules, signin
from tenants.models import PastPassword, Person


def set_password(
    session: ScopedSession,
    person: Person,
    password: str,
    *,
    now: datetime,
    address: str,
    keep_session: UUID | None = None,
) -> None:
    """Set a password; every session of the person ends, but `keep_session`. Raises `UserMistake` for one that
    is weak, or that was one of the last five.
    """
    password_rules.check(password, person.name, person.email or "", mobiles.number_of(session, person) or "")
    _refuse_used(session, person, password)
    if person.password_hash is not None:
        session.add(
            PastPassword(
                id=new_id(),
                person_id=person.id,
                password_hash=person.password_hash,
                set_at=person.password_set_at or now,
            )
        )
    person.password_hash = password_rules.hash_of(password)
    person.password_set_at = now
    lockout.forgive(person)
    signin.end_all_sessions(session, person.id, now=now, but=keep_session)
    signin.note(session, person, "password_set", now=now, address=address)
    session.flush()
    _forget_old(session, person.id)


def is_own(session: ScopedSession, person: Person, password: str, *, now: datetime, address: str) -> bool:
    """Whether somebody who is signed in knows their own password, before something that matters; a wrong one
    counts towards the lockout, and while that lasts the right one is refused too. Both are recorded.
    """
    checked = person.password_hash
    right = password_rules.matches(checked, password)
    lockout.enter(session, person, address)
    if lockout.is_locked(session, person, address, now):
        signin.note(session, person, "locked", now=now, address=address)
        return False
    if not right or person.password_hash != checked:
        lockout.count(person, now)
        signin.note(session, person, "wrong_password", now=now, address=address)
        return False
    return True


def _refuse_used(session: ScopedSession, person: Person, password: str) -> None:
    before = session.scalars(_past(person.id).limit(password_rules.KEPT_BEFORE)).all()
    used = [row.password_hash for row in before]
    if person.password_hash is not None:
        used.append(person.password_hash)
    if any(password_rules.matches(stored, password) for stored in used):
        raise UserMistake(_("This password was in use before: take one that is none of the last five."))


def _forget_old(session: ScopedSession, person_id: UUID) -> None:
    kept = session.scalars(_past(person_id).limit(password_rules.KEPT_BEFORE)).all()
    session.execute(
        delete(PastPassword).where(
            PastPassword.person_id == person_id, PastPassword.id.not_in([row.id for row in kept])
        )
    )


def _past(person_id: UUID) -> Select[PastPassword]:
    return (
        select(PastPassword)
        .where(PastPassword.person_id == person_id)
        .order_by(PastPassword.set_at.desc(), PastPassword.id.desc())
    )
