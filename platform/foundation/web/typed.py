"""Numbers as somebody typed them into a form: read within bounds, and refused in the caller's sentence.

`int` gives up with an error of its own above 4300 digits and `Decimal` takes an exponent of any size, so no
form hands them what was typed as it came.
"""

from __future__ import annotations

from decimal import Decimal

from foundation.web.errors import UserMistake

MOST_CHARACTERS = 20
MOST_ROWS = 10**9  # more than any list has, and no more than the database counts


def whole_number(text: str, least: int, most: int, sentence: str) -> int:
    """A whole number (整数) of ASCII digits from `least` (not negative) to `most`; spaces around it do not
    count. Raises `UserMistake` with `sentence` for anything else.
    """
    plain = text.strip()
    if len(plain) > MOST_CHARACTERS or not (plain.isascii() and plain.isdecimal()):
        raise UserMistake(sentence)
    number = int(plain)
    if not least <= number <= most:
        raise UserMistake(sentence)
    return number


def row_of(start: int) -> int:
    """The row at which a page of a list begins, from what an address says."""
    return min(max(start, 0), MOST_ROWS)


def decimal_of(text: str, sentence: str) -> Decimal:
    """A decimal number (小数) such as `6` or `-0.5`, without exponent and of at most twenty characters.

    Raises `UserMistake` with `sentence` for anything else.
    """
    plain = text.strip()
    whole, dot, rest = plain.removeprefix("-").partition(".")
    digits = whole + rest
    bare = dot and not (whole and rest)
    if len(plain) > MOST_CHARACTERS or bare or not (digits.isascii() and digits.isdecimal()):
        raise UserMistake(sentence)
    return Decimal(plain)
