"""Mobile numbers (手机号) of our own people: encrypted under the master key, found by a blind index."""

from __future__ import annotations

import re

from sqlalchemy import select

from foundation.database import ScopedSession
from tenants.keys import platform_key
from tenants.models import Person

MOBILE = re.compile(r"1[3-9]\d{9}")
_BESIDE_DIGITS = re.compile(r"[\s()（）+-]+")
_HALF_WIDTH = {code + 0xFEE0: code for code in range(0x21, 0x7F)}


def read(text: str) -> str | None:
    """The 11 digits of a mainland mobile number, however it was typed (+86, blanks, hyphens), or None."""
    plain = _BESIDE_DIGITS.sub("", text.translate(_HALF_WIDTH))
    digits = re.sub(r"^(?:0086|86)(?=1[3-9]\d{9}$)", "", plain)
    return digits if MOBILE.fullmatch(digits) else None


def masked(digits: str) -> str:
    """`138****1234`."""
    return f"{digits[:3]}****{digits[-4:]}"


def put(session: ScopedSession, person: Person, digits: str) -> None:
    """Make this the person's number: 11 digits as `read` gives them."""
    key = platform_key(session)
    person.phone_cipher = key.encrypt(digits)
    person.phone_index = key.blind_index(digits)
    person.phone_masked = masked(digits)


def number_of(session: ScopedSession, person: Person) -> str | None:
    """The person's number in full, for a message to them; raises `foundation.encryption.Undecipherable`."""
    return None if person.phone_cipher is None else platform_key(session).decrypt(person.phone_cipher)


def find(session: ScopedSession, digits: str) -> Person | None:
    """Whose number this is."""
    return session.scalar(
        select(Person).where(Person.phone_index == platform_key(session).blind_index(digits))
    )
