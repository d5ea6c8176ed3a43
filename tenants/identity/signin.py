"""Signing in (登录): who somebody is, the steps until they are in, and sessions kept on the server.

The cookie holds a random token of which only the hash is stored. A session ends by signing out, after 15
minutes without the person doing anything, or twelve hours after it began (GB/T 22239-2019 8.1.4.1: failure
handling and time-outs). While a session waits for a step (`waiting_for`) it opens the page of that step
alone; each step that is done gives it a new token. Refusals are returned and not raised, so that the attempt
is counted and recorded in the same transaction.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import select, update

from foundation.database import ScopedSession
from foundation.ids import new_id
from tenants.identity import lockout, membership, mobiles, password_rules, required_provider
from tenants.models import Membership, Person, SigninEvent, SigninSession
from tenants.oversight import audit_jobs
from tenants.rights import NEEDS_SECOND_FACTOR

COOKIE = "careloop_session"
IDLE = timedelta(minutes=15)
ABSOLUTE = timedelta(hours=12)
# How long a sign-in may wait for its next step.
WAITING = timedelta(minutes=15)
TOUCH_AFTER = timedelta(seconds=30)
# An ended session whose cookie comes again is recorded once in this time, not with every request.
SAID_AGAIN_AFTER = timedelta(hours=1)
TOKEN_BYTES = 32
BROWSER_LENGTH = 200

Strength = Literal["password", "second_factor", "provider", "demo"]
Step = Literal["second_factor", "enrolment", "new_password"]
STEP_PAGES: dict[str, str] = {
    "second_factor": "/signin/code",
    "enrolment": "/signin/enrol",
    "new_password": "/signin/password",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was opened, the token for its cookie, and what it still waits for.

    With `refused` nothing was opened: the password was right, and this sentence says why it is not enough.
    """

    token: str
    person: Person
    waiting_for: Step | None
    refused: str = ""


def find_account(session: ScopedSession, typed: str) -> Person | None:
    """Whose e-mail address or mobile number this is."""
    if "@" in typed:
        return session.scalar(select(Person).where(Person.email == normal_email(typed)))
    digits = mobiles.read(typed)
    return None if digits is None else mobiles.find(session, digits)


def sign_in(
    session: ScopedSession, typed: str, password: str, *, now: datetime, address: str, browser: str = ""
) -> Opened | None:
    """Begin a session by e-mail or mobile number and password; see `Opened.waiting_for` for what is missing.

    None when refused: unknown, wrong, locked and closed look the same from outside.
    """
    person = find_account(session, typed)
    checked = None if person is None else person.password_hash
    right = password_rules.matches(checked, password)
    lockout.enter(session, person, address)
    shown = _shown(typed) if person is None else shown_name(person)
    refused = _refusal(session, person, right=right and _unchanged(person, checked), address=address, now=now)
    if refused is not None or person is None:
        if refused in lockout.FAILED:
            lockout.count(person, now)
        person_id = None if person is None else person.id
        record(session, refused or "unknown", now=now, email=shown, person_id=person_id, address=address)
        return None
    if password_rules.is_outdated(person.password_hash or ""):
        person.password_hash = password_rules.hash_of(password)
    elsewhere = required_provider.password_refusal(session, person.id)
    if elsewhere is not None:
        note(session, person, "provider_required", now=now, address=address)
        return Opened("", person, None, elsewhere)
    step = step_after(session, person, now=now)
    token = open_session(session, person, now=now, address=address, browser=browser, waiting_for=step)
    return Opened(token, person, step)


def step_after(
    session: ScopedSession,
    person: Person,
    *,
    now: datetime,
    password: bool = True,
    factor_done: bool = False,
) -> Step | None:
    """What a sign-in still waits for, or None: the person is in.

    Without `password` the person came another way, so the age of a password does not matter; `factor_done`:
    the second factor was given, here or elsewhere.
    """
    if not factor_done and has_factor(person):
        return "second_factor"
    if not factor_done and needs_factor(session, person.id):
        return "enrolment"
    if password and password_rules.is_too_old(person.password_set_at, now):
        return "new_password"
    return None


def has_factor(person: Person) -> bool:
    """Whether a second factor (第二因素) is in force."""
    return person.totp_cipher is not None and person.totp_confirmed_at is not None


def needs_factor(session: ScopedSession, person_id: UUID) -> bool:
    """Whether one of the person's roles asks for a second factor (GB/T 22239-2019 8.1.4.1 d)."""
    held = select(Membership.id).where(
        Membership.person_id == person_id,
        membership.counts(),
        Membership.role.in_([role.value for role in NEEDS_SECOND_FACTOR]),
    )
    return session.scalar(held.limit(1)) is not None


def open_session(
    session: ScopedSession,
    person: Person,
    *,
    now: datetime,
    address: str,
    browser: str = "",
    strength: Strength = "password",
    waiting_for: Step | None = None,
    firm_id: UUID | None = None,
    tenant_id: UUID | None = None,
) -> str:
    """Begin a session for somebody whose identity is established; returns the token for the cookie.

    `firm_id` or `tenant_id` confine it to that side (`SigninSession`).
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(
        SigninSession(
            id=new_id(),
            person_id=person.id,
            token_hash=token_hash(token),
            created_at=now,
            last_seen_at=now,
            expires_at=now + (WAITING if waiting_for else ABSOLUTE),
            ended_at=None,
            address=address,
            browser=browser[:BROWSER_LENGTH],
            strength=strength,
            waiting_for=waiting_for,
            firm_id=firm_id,
            tenant_id=tenant_id,
        )
    )
    if waiting_for is None:
        _is_in(session, person, now=now, address=address)
    else:
        note(session, person, "password_right", now=now, address=address)
    session.flush()
    return token


def advance(
    session: ScopedSession,
    signin: SigninSession,
    person: Person,
    step: Step | None,
    *,
    now: datetime,
    address: str,
    strength: Strength | None = None,
) -> str | None:
    """A step was done: wait for the next one, or be in. Returns the new token (the old one opens nothing any
    more), or None when the step was done at the same moment by somebody else or the session has ended.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    moved = session.scalar(
        update(SigninSession)
        .where(
            SigninSession.id == signin.id,
            SigninSession.token_hash == signin.token_hash,
            SigninSession.ended_at.is_(None),
        )
        .values(
            token_hash=token_hash(token),
            waiting_for=step,
            strength=strength or signin.strength,
            last_seen_at=now,
            expires_at=now + (WAITING if step else ABSOLUTE),
        )
        .returning(SigninSession.id)
        .execution_options(synchronize_session=False)
    )
    if moved is None:
        return None
    session.refresh(signin)
    if step is None:
        _is_in(session, person, now=now, address=address)
    return token


def session_of(
    session: ScopedSession, token: str, *, now: datetime, waiting: bool = False, touch: bool = True
) -> tuple[SigninSession, Person] | None:
    """The session of a token and whose it is, or None when it has ended; notes that the person was here
    (`touch`), unless it is the page that asks by itself.

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
    if touch and now - signin.last_seen_at > TOUCH_AFTER:
        signin.last_seen_at = now
        person.last_seen_at = now
    return signin, person


def person_of(session: ScopedSession, token: str, *, now: datetime) -> Person | None:
    """Whose session this is, or None when it has ended or waits for a step."""
    found = session_of(session, token, now=now)
    return None if found is None else found[1]


def note_ended(session: ScopedSession, token: str, *, now: datetime, address: str) -> None:
    """Record that the token of a session that was ended came again: refused like any other, but somebody
    still holds it.
    """
    person = session.scalar(
        select(Person)
        .join(SigninSession, SigninSession.person_id == Person.id)
        .where(SigninSession.token_hash == token_hash(token), SigninSession.ended_at.is_not(None))
    )
    if person is None:
        return
    said = select(SigninEvent.id).where(
        SigninEvent.person_id == person.id,
        SigninEvent.result == "session_ended",
        SigninEvent.address == address,
        SigninEvent.at > now - SAID_AGAIN_AFTER,
    )
    if session.scalar(said.limit(1)) is None:
        note(session, person, "session_ended", now=now, address=address)


def sign_out(session: ScopedSession, token: str, *, now: datetime, address: str) -> None:
    """End the session of this token."""
    person_id = session.scalar(
        update(SigninSession)
        .where(SigninSession.token_hash == token_hash(token), SigninSession.ended_at.is_(None))
        .values(ended_at=now)
        .returning(SigninSession.person_id)
    )
    if person_id is not None:
        note(session, session.get_one(Person, person_id), "signed_out", now=now, address=address)


def end_session(
    session: ScopedSession, person: Person, session_id: UUID, *, now: datetime, address: str
) -> bool:
    """End one of the person's sessions; whether there was such a one."""
    ended = session.scalar(
        update(SigninSession)
        .where(
            SigninSession.id == session_id,
            SigninSession.person_id == person.id,
            SigninSession.ended_at.is_(None),
        )
        .values(ended_at=now)
        .returning(SigninSession.id)
    )
    if ended is not None:
        note(session, person, "signed_out", now=now, address=address)
    return ended is not None


def end_all_sessions(
    session: ScopedSession, person_id: UUID, *, now: datetime, but: UUID | None = None
) -> None:
    """End every session of a person (`but` one): the password changed, or the person left."""
    others = SigninSession.id != but if but is not None else SigninSession.id.is_not(None)
    session.execute(
        update(SigninSession)
        .where(SigninSession.person_id == person_id, SigninSession.ended_at.is_(None), others)
        .values(ended_at=now)
    )


def record(
    session: ScopedSession, result: str, *, now: datetime, email: str, person_id: UUID | None, address: str
) -> None:
    """One line of the sign-in record (登录记录), kept for at least 180 days (网络安全法 21), and word of it
    for the chains of the hospitals and firms where the person holds a role.
    """
    event_id = new_id()
    session.add(
        SigninEvent(id=event_id, at=now, email=email, person_id=person_id, result=result, address=address)
    )
    if person_id is not None:
        audit_jobs.pass_on(session, event_id, person_id, now=now)


def note(session: ScopedSession, person: Person, result: str, *, now: datetime, address: str) -> None:
    """One line of the sign-in record about somebody known."""
    record(session, result, now=now, email=shown_name(person), person_id=person.id, address=address)


def shown_name(person: Person) -> str:
    """What a person signs in with, as records show it: the address, or else the masked number."""
    return person.email or person.phone_masked


def normal_email(email: str) -> str:
    """An address as it is stored: accounts do not differ by capitals."""
    return email.strip().lower()


def token_hash(token: str) -> bytes:
    """What is stored of a token; it is random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def _is_in(session: ScopedSession, person: Person, *, now: datetime, address: str) -> None:
    lockout.forgive(person)
    person.last_seen_at = now
    note(session, person, lockout.SUCCEEDED, now=now, address=address)


def _refusal(
    session: ScopedSession, person: Person | None, *, right: bool, address: str, now: datetime
) -> str | None:
    if lockout.is_locked(session, person, address, now):
        return "locked"
    if person is None or person.password_hash is None:
        return "unknown"
    if person.disabled_at is not None:
        return "disabled"
    return None if right else "wrong_password"


def _unchanged(person: Person | None, checked: str | None) -> bool:
    """Whether the hash that was compared is still the account's: it may have changed meanwhile."""
    return person is not None and person.password_hash == checked


def _shown(typed: str) -> str:
    """What is recorded of an account that does not exist. What is neither address nor number is not kept: it
    may well be a password, typed into the wrong field.
    """
    digits = mobiles.read(typed)
    if digits is not None:
        return mobiles.masked(digits)
    plain = normal_email(typed)
    return plain[:BROWSER_LENGTH] if "@" in plain and " " not in plain else ""
