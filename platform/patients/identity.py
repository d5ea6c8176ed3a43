"""Resident identity numbers (身份证号, GB 11643) and ages: what the number says, and who is a child.

Pure rules: a day is always given, never read from a clock.
"""

import re
from datetime import date
from operator import mul
from typing import Literal

GUARDIAN_UNTIL = 14  # PIPL 31: below this age a guardian answers
_NUMBER = re.compile(r"\d{17}[\dX]")
_OLD_NUMBER = re.compile(r"\d{15}")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
# First two digits (GB/T 2260), with Taiwan, Hong Kong and Macao residence permits (83, 81, 82) and the card
# of foreign permanent residents (9x).
_PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 "
    "81 82 83 90 91 92 93 94 95 96 97 98 99".split()
)


def check_digit(first_17: str) -> str:
    """Return the 18th character of an identity number: ISO 7064 MOD 11-2 over the first 17 digits."""
    return _CHECK[sum(map(mul, map(int, first_17), _WEIGHTS)) % 11]


def clean_id(text: str) -> str | None:
    """Return the 18-character number, or None when its form, region, birth date or check digit is wrong.

    A 15-digit number of the first generation is brought to 18 (born 19xx); it has no check digit to be wrong.
    """
    number = text.upper()
    if _OLD_NUMBER.fullmatch(number):
        longer = f"{number[:6]}19{number[6:]}"
        number = longer + check_digit(longer)
    if not _NUMBER.fullmatch(number) or not number.isascii() or number[:2] not in _PROVINCES:
        return None
    if birth_date_of(number) is None or check_digit(number[:17]) != number[17]:
        return None
    return number


def birth_date_of(number: str) -> date | None:
    """Return the birth date inside an 18-character number (characters 7 to 14), or None if it is no day."""
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    return born if born.year >= 1850 else None


def sex_of(number: str) -> Literal["M", "F"]:
    """Return the sex inside an 18-character number: the 17th digit is odd for men."""
    return "M" if int(number[16]) % 2 else "F"


def age_on(birth_date: date, on: date) -> int:
    """Return the completed years (周岁) on a day; a child of 29 February has its birthday on 1 March."""
    return on.year - birth_date.year - ((on.month, on.day) < (birth_date.month, birth_date.day))


def is_minor(birth_date: date, on: date) -> bool:
    """Whether a guardian answers for this person on that day: under 14, until the birthday (PIPL 31)."""
    return age_on(birth_date, on) < GUARDIAN_UNTIL
