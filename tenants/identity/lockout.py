"""Lockout (登录失败锁定): five failures in a row shut an account, and a network address, for 30 minutes.

GB/T 22239-2019 8.1.4.1 b. An account counts its own failures; what failed from one address is read from the
sign-in record, over accounts that exist and that do not. A wrong code of the second factor is a failure too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text, tuple_

from foundation.database import ScopedSession
from tenants.models import Person, SigninEvent

FAILURES = 5
LOCKED = timedelta(minutes=30)
# How far back failures from one address are looked for.
LOOK_BACK = timedelta(days=1)
# Results of the sign-in record that are failures, and the one that forgives those before it.
FAILED = ("unknown", "wrong_password", "disabled", "wrong_code", "code_reused")
SUCCEEDED = "signed_in"


def locked_until(failures: Sequence[datetime]) -> datetime | None:
    """Until when a run of failures (their moments, oldest first) locks: 30 minutes after each fifth one."""
    whole = len(failures) // FAILURES * FAILURES
    return failures[whole - 1] + LOCKED if whole else None


def enter(session: ScopedSession, person: Person | None, address: str) -> None:
    """Judge attempts of one address, and of one account, one after the other until this transaction ends:
    parallel ones cannot slip past the count. Reads the account anew.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"sign-in:{address}"}
    )
    if person is not None:
        session.refresh(person, with_for_update=True)


def is_locked(session: ScopedSession, person: Person | None, address: str, now: datetime) -> bool:
    """Whether the account or the address is locked at this moment."""
    if person is not None and person.locked_until is not None and person.locked_until > now:
        return True
    until = locked_until(_failures_from(session, address, now)) if address else None
    return until is not None and until > now


def count(person: Person | None, now: datetime) -> None:
    """One failure of this account; the fifth locks it."""
    if person is None:
        return
    person.failures += 1
    if person.failures >= FAILURES:
        person.failures = 0
        person.locked_until = now + LOCKED


def forgive(person: Person) -> None:
    """What failed before does not count any more: the person is in."""
    person.failures = 0
    person.locked_until = None


def _failures_from(session: ScopedSession, address: str, now: datetime) -> Sequence[datetime]:
    recent = (SigninEvent.address == address, SigninEvent.at > now - LOOK_BACK)
    success = session.execute(
        select(SigninEvent.at, SigninEvent.id)
        .where(*recent, SigninEvent.result == SUCCEEDED)
        .order_by(SigninEvent.at.desc(), SigninEvent.id.desc())
        .limit(1)
    ).one_or_none()
    failures = select(SigninEvent.at).where(*recent, SigninEvent.result.in_(FAILED))
    if success is not None:
        failures = failures.where(tuple_(SigninEvent.at, SigninEvent.id) > (success.at, success.id))
    return session.scalars(failures.order_by(SigninEvent.at)).all()
