"""Signing in (登录): passwords, lockout, and sessions kept on the server.

The cookie holds a random token of which only the hash is stored. A session ends by signing out, after an hour
without a request, or twelve hours after it began (GB/T 22239-2019 8.1.4.1: failure handling and time-outs).
Refusals are returned and not raised, so that the attempt is counted and recorded in the same transaction.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select, update

from foundation.database import ScopedSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from tenants.models import Person, SigninEvent, SigninSession

COOKIE = "careloop_session"
IDLE = timedelta(hours=1)
ABSOLUTE = timedelta(hours=12)
FAILURES = 5
LOCKED = timedelta(minutes=30)
TOUCH_AFTER = timedelta(minutes=1)
TOKEN_BYTES = 32
PASSWORD_LENGTH = 8
PASSWORD_MOST = 200
PASSWORD_CLASSES = 3


def check_password(password: str) -> None:
    """At least 8 characters of 3 of the 4 kinds: lower, upper, digits, others. Raises `UserMistake`."""
    kinds = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    classes = sum(any(kind(c) for c in password) for kind in kinds)
    if not PASSWORD_LENGTH <= len(password) <= PASSWORD_MOST or classes < PASSWORD_CLASSES:
        raise UserMistake(
            _("A password has at least 8 characters, of three kinds: small, capital, digit, other sign.")
        )


def hash_password(password: str) -> str:
    """The argon2id hash to be stored."""
    return _hasher().hash(password)


def sign_in(session: ScopedSession, email: str, password: str, *, now: datetime, address: str) -> str | None:
    """The token of a new session, or None: unknown, wrong, locked and disabled look the same from outside."""
    wanted = normal_email(email)
    person = session.scalar(select(Person).where(Person.email == wanted).with_for_update())
    if person is None or person.password_hash is None:
        _verify(_decoy(), password)  # the time it takes must not tell whether the account exists
        record(session, "unknown", now=now, email=wanted, person_id=None, address=address)
        return None
    right = _verify(person.password_hash, password)
    if person.disabled_at is not None:
        record(session, "disabled", now=now, email=wanted, person_id=person.id, address=address)
        return None
    if person.locked_until is not None and person.locked_until > now:
        record(session, "locked", now=now, email=wanted, person_id=person.id, address=address)
        return None
    if not right:
        _count_failure(person, now)
        record(session, "wrong_password", now=now, email=wanted, person_id=person.id, address=address)
        return None
    if _hasher().check_needs_rehash(person.password_hash):
        person.password_hash = hash_password(password)
    return open_session(session, person, now=now, address=address)


def open_session(session: ScopedSession, person: Person, *, now: datetime, address: str) -> str:
    """Begin a session for somebody whose identity is established; returns the token for the cookie."""
    person.failures = 0
    person.locked_until = None
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(
        SigninSession(
            id=new_id(), person_id=person.id, token_hash=token_hash(token), created_at=now, last_seen_at=now,
            expires_at=now + ABSOLUTE, ended_at=None, address=address,
        )
    )  # fmt: skip
    record(session, "signed_in", now=now, email=shown_name(person), person_id=person.id, address=address)
    session.flush()
    return token


def session_of(
    session: ScopedSession, token: str, *, now: datetime, waiting: bool = False
) -> tuple[SigninSession, Person] | None:
    """The session of a token and whose it is, or None when it has ended; notes that the person was here.

    With `waiting` only a session that still waits for its next step (`SigninSession.waiting_for`) is found,
    without it only one that waits for nothing.
    """
    step = SigninSession.waiting_for
    found = session.execute(
        select(SigninSession, Person)
        .join(Person, Person.id == SigninSession.person_id)
        .where(
            SigninSession.token_hash == token_hash(token),
            SigninSession.ended_at.is_(None),
            SigninSession.expires_at > now,
            SigninSession.last_seen_at > now - IDLE,
            Person.disabled_at.is_(None),
            step.is_not(None) if waiting else step.is_(None),
        )
    ).one_or_none()
    if found is None:
        return None
    signin, person = found
    if now - signin.last_seen_at > TOUCH_AFTER:
        signin.last_seen_at = now
        person.last_seen_at = now
    return signin, person


def person_of(session: ScopedSession, token: str, *, now: datetime) -> Person | None:
    """Whose session this is, or None when it has ended or waits for its second factor."""
    found = session_of(session, token, now=now)
    return None if found is None else found[1]


def sign_out(session: ScopedSession, token: str, *, now: datetime, address: str) -> None:
    """End the session of this token."""
    person_id = session.scalar(
        update(SigninSession)
        .where(SigninSession.token_hash == token_hash(token), SigninSession.ended_at.is_(None))
        .values(ended_at=now)
        .returning(SigninSession.person_id)
    )
    if person_id is not None:
        person = session.get_one(Person, person_id)
        record(session, "signed_out", now=now, email=shown_name(person), person_id=person_id, address=address)


def end_all_sessions(session: ScopedSession, person_id: UUID, *, now: datetime) -> None:
    """End every session of a person: the password changed, or the person left."""
    session.execute(
        update(SigninSession)
        .where(SigninSession.person_id == person_id, SigninSession.ended_at.is_(None))
        .values(ended_at=now)
    )


def record(
    session: ScopedSession, result: str, *, now: datetime, email: str, person_id: UUID | None, address: str
) -> None:
    """One line of the sign-in record (登录记录), kept for at least 180 days (网络安全法 21)."""
    session.add(
        SigninEvent(id=new_id(), at=now, email=email, person_id=person_id, result=result, address=address)
    )


def shown_name(person: Person) -> str:
    """What a person signs in with, as records show it: the address, or else the masked number."""
    return person.email or person.phone_masked


def normal_email(email: str) -> str:
    """An address as it is stored: accounts do not differ by capitals."""
    return email.strip().lower()


def token_hash(token: str) -> bytes:
    """What is stored of a token; it is random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def _count_failure(person: Person, now: datetime) -> None:
    person.failures += 1
    if person.failures >= FAILURES:
        person.failures = 0
        person.locked_until = now + LOCKED


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _hasher() -> PasswordHasher:
    # One of the settings OWASP's password storage sheet names as equal: 46 MiB, one pass, one lane, so that
    # a morning's sign-ins of a whole team do not wait for each other.
    return PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_urlsafe(TOKEN_BYTES))
