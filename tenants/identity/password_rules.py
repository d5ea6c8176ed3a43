"""What makes a password (口令) good enough, how long it is good, and how it is kept.

GB/T 22239-2019 8.1.4.1 a asks that passwords be complex and changed regularly; the numbers are usual
practice.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from foundation.languages import gettext as _
from foundation.web.errors import UserMistake

LENGTH = 8
MOST = 200
CLASSES = 3
MOST_DAYS = timedelta(days=90)
# None of the last five is taken again: the present one, and four before it.
KEPT_BEFORE = 4
# A name shorter than this stands in many a good password by chance.
TELLING = 3


def check(password: str, *names: str) -> None:
    """At least 8 characters of 3 of the 4 kinds: lower, upper, digits, others; and not the person's own name,
    address or number (`names`) with a few signs around it. Raises `UserMistake`.
    """
    kinds = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    classes = sum(any(kind(c) for c in password) for kind in kinds)
    if not LENGTH <= len(password) <= MOST or classes < CLASSES:
        raise UserMistake(
            _("A password has at least 8 characters, of three kinds: small, capital, digit, other sign.")
        )
    if any(_is_mostly(password, name) for name in names):
        raise UserMistake(_("A password is not one's own name, e-mail or number."))


def is_too_old(set_at: datetime | None, now: datetime) -> bool:
    """Whether a password set at this moment has to be replaced: after 90 days, or when nobody knows since
    when it is in use."""
    return set_at is None or now - set_at >= MOST_DAYS


def hash_of(password: str) -> str:
    """The argon2id hash to be stored."""
    return _hasher().hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Whether this is the password behind a hash. Without a hash it takes as long, and the answer is no: the
    time must not tell whether an account exists.
    """
    try:
        # Nobody has a longer one, and hashing it would cost whoever sends it nothing and us much.
        _hasher().verify(stored or _decoy(), password if len(password) <= MOST else "")
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with weaker parameters than today's."""
    return _hasher().check_needs_rehash(stored)


def _is_mostly(password: str, name: str) -> bool:
    """Whether a password is a name, or a part of an address, with fewer than five signs of its own."""
    plain = password.casefold()
    whole = name.strip().casefold()
    for part in {whole, whole.partition("@")[0]}:
        if len(part) >= TELLING and part in plain and len(plain) - len(part) < 5:
            return True
    return False


@cache
def _hasher() -> PasswordHasher:
    # One of the settings OWASP's password storage sheet names as equal: 46 MiB, one pass, one lane, so that
    # a morning's sign-ins of a whole team do not wait for each other.
    return PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_urlsafe(32))
