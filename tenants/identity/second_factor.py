"""The second factor (第二因素): one-time codes by RFC 6238, and recovery codes for when the phone is gone.

GB/T 22239-2019 8.1.4.1 d asks for two kinds of proof. The secret is kept encrypted under the master key; each
code works once, as does each recovery code; wrong ones count towards the lockout. Refusals are returned and
not raised, so that they are recorded in the same transaction.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import pyotp
import segno
from sqlalchemy import delete, func, or_, select, update

from foundation.database import ScopedSession
from foundation.encryption import Undecipherable
from foundation.ids import new_id
from tenants.identity import lockout, signin
from tenants.keys import platform_key
from tenants.models import Person, RecoveryCode

ISSUER = "CareLoop"
DIGITS = 6
STEP_SECONDS = 30
# A code of the step before or after is good too: phones' clocks differ.
STEPS_AROUND = 1
RECOVERY_CODES = 10
RECOVERY_LENGTH = 10
# Without the letters and digits that look alike.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"

is_enrolled = signin.has_factor
is_required = signin.needs_factor
Refused = Literal["wrong_code", "code_reused", "locked"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A secret to be put into an app, in base32, and the same sealed for the form that brings the code.

    Nothing is kept of it until then: a secret that was shown in one sign-in is of no use in another.
    """

    secret: str
    sealed: str


def offer(session: ScopedSession, signin_id: UUID) -> Offer:
    """A fresh secret for the sign-in session of this id."""
    secret = pyotp.random_base32()
    sealed = platform_key(session).encrypt(f"{signin_id} {secret}")
    return Offer(secret, base64.urlsafe_b64encode(sealed).decode())


def address_for_app(person: Person, secret: str) -> str:
    """The `otpauth://` address that an authenticator app reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=signin.shown_name(person), issuer_name=ISSUER)


def picture(address: str) -> str:
    """A QR code as the address of an SVG image (`data:`), which the content policy allows for images."""
    return segno.make(address, error="m").svg_data_uri(scale=4, border=2)


def confirm(
    session: ScopedSession,
    person: Person,
    sealed: str,
    typed: str,
    *,
    signin_id: UUID,
    now: datetime,
    address: str,
    at: datetime,
) -> list[str] | Refused:
    """Put the second factor into force with a first code; returns ten recovery codes, shown once.

    `sealed` is what `offer` gave to the same sign-in session; `at` is the moment by the clock that the
    person's phone goes by.
    """
    lockout.enter(session, person, address)
    secret = None if is_enrolled(person) else _opened(session, sealed, signin_id)
    if lockout.is_locked(session, person, address, now):
        return _refuse(session, person, "locked", now, address)
    step = None if secret is None else _matching_step(secret, typed, at)
    if step is None or secret is None:
        return _refuse(session, person, "wrong_code", now, address)
    person.totp_cipher = platform_key(session).encrypt(secret)
    person.totp_confirmed_at = now
    person.totp_step = step
    signin.note(session, person, "factor_enrolled", now=now, address=address)
    return new_recovery_codes(session, person, now=now)


def check(
    session: ScopedSession, person: Person, typed: str, *, now: datetime, address: str, at: datetime
) -> Refused | None:
    """Take one code of the app, or one recovery code; None when it is right."""
    lockout.enter(session, person, address)
    if lockout.is_locked(session, person, address, now):
        return _refuse(session, person, "locked", now, address)
    plain = "".join(sign for sign in typed.casefold() if sign.isalnum())
    refused = (
        _take_code(session, person, plain, at)
        if plain.isdecimal() and len(plain) == DIGITS
        else _take_recovery_code(session, person, plain, now)
    )
    if refused is not None:
        return _refuse(session, person, refused, now, address)
    if len(plain) != DIGITS:
        signin.note(session, person, "recovery_code", now=now, address=address)
    return None


def new_recovery_codes(session: ScopedSession, person: Person, *, now: datetime) -> list[str]:
    """Ten fresh recovery codes, of which only keyed hashes are kept; those before are void."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person.id))
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    session.add_all(
        RecoveryCode(
            id=new_id(),
            person_id=person.id,
            code_hash=_code_hash(session, person, code.replace("-", "")),
            created_at=now,
            used_at=None,
        )
        for code in codes
    )
    session.flush()
    return codes


def recovery_codes_left(session: ScopedSession, person: Person) -> int:
    """How many recovery codes still work."""
    left = select(func.count()).where(RecoveryCode.person_id == person.id, RecoveryCode.used_at.is_(None))
    return session.scalar(left) or 0


def remove(session: ScopedSession, person: Person, *, now: datetime, address: str) -> None:
    """Take the second factor away, at the person's own wish."""
    _clear(session, person)
    signin.note(session, person, "factor_removed", now=now, address=address)


def reset(session: ScopedSession, person: Person, *, now: datetime, address: str) -> None:
    """Take somebody's second factor away because their phone is gone: every session of theirs ends, and who
    needs one enrols anew at the next sign-in. The caller writes down who did it.
    """
    _clear(session, person)
    signin.end_all_sessions(session, person.id, now=now)
    signin.note(session, person, "factor_reset", now=now, address=address)


def _opened(session: ScopedSession, sealed: str, signin_id: UUID) -> str | None:
    """The secret of an offer that was made to this sign-in session, or None."""
    try:
        plain = platform_key(session).decrypt(base64.urlsafe_b64decode(sealed))
    except (Undecipherable, ValueError):
        return None
    whose, _space, secret = plain.partition(" ")
    return secret if whose == str(signin_id) else None


def _clear(session: ScopedSession, person: Person) -> None:
    person.totp_cipher = None
    person.totp_confirmed_at = None
    person.totp_step = None
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person.id))
    session.flush()


def _take_code(session: ScopedSession, person: Person, code: str, at: datetime) -> Refused | None:
    if person.totp_cipher is None or not is_enrolled(person):
        return "wrong_code"
    step = _matching_step(platform_key(session).decrypt(person.totp_cipher), code, at)
    if step is None:
        return "wrong_code"
    taken = session.scalar(
        update(Person)
        .where(Person.id == person.id, or_(Person.totp_step.is_(None), Person.totp_step < step))
        .values(totp_step=step)
        .returning(Person.id)
    )
    return None if taken is not None else "code_reused"


def _take_recovery_code(session: ScopedSession, person: Person, plain: str, now: datetime) -> Refused | None:
    mine = (
        RecoveryCode.person_id == person.id,
        RecoveryCode.code_hash == _code_hash(session, person, plain),
    )
    taken = session.scalar(
        update(RecoveryCode)
        .where(*mine, RecoveryCode.used_at.is_(None))
        .values(used_at=now)
        .returning(RecoveryCode.id)
    )
    if taken is not None:
        return None
    return "wrong_code" if session.scalar(select(RecoveryCode.id).where(*mine)) is None else "code_reused"


def _matching_step(secret: str, typed: str, at: datetime) -> int | None:
    """The time step whose code this is, among the present one and its neighbours; all are compared always."""
    code, present = "".join(typed.split()), int(at.timestamp()) // STEP_SECONDS
    if not (code.isascii() and code.isdecimal()):
        return None
    generator = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS)
    steps = range(present - STEPS_AROUND, present + STEPS_AROUND + 1)
    matching = [step for step in steps if secrets.compare_digest(generator.generate_otp(step), code)]
    return matching[-1] if matching else None


def _recovery_code() -> str:
    plain = "".join(secrets.choice(ALPHABET) for _ in range(RECOVERY_LENGTH))
    return f"{plain[:5]}-{plain[5:]}"


def _code_hash(session: ScopedSession, person: Person, plain: str) -> bytes:
    return platform_key(session).digest(f"recovery code {person.id} {plain}")


def _refuse(session: ScopedSession, person: Person, result: Refused, now: datetime, address: str) -> Refused:
    if result in lockout.FAILED:
        lockout.count(person, now)
    signin.note(session, person, result, now=now, address=address)
    return result
