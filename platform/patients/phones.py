"""Telephone numbers (电话) as hospitals write them, brought to one form, and the masks that lists show.

The one form is the number as dialled inside mainland China: 11 digits for a mobile (``13800138000``), the
area code with its zero for a landline (``01088886666``). What cannot be dialled with certainty is refused: a
wrong number reaches a stranger who then hears about somebody's illness (PIPL 8, accuracy).
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import phonenumbers

MOBILE = re.compile(r"1[3-9]\d{9}")
SCIENTIFIC = re.compile(r"[+-]?\d+(?:\.\d*)?E[+-]?\d+", re.IGNORECASE)
# 1.38E+10 that was opened and saved once more becomes 13800000000: three digits survived, eight were
# invented.
_ROUNDED = re.compile(r"1[3-9]\d0{8}")
_HALF_WIDTH = {**{code + 0xFEE0: code for code in range(0x21, 0x7F)}, 0x3000: 0x20}
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_SEPARATORS = re.compile(r"[/、,，;；|\\]|\s{2,}")
_NO_NUMBER = frozenset(
    {"", "-", "--", "/", "\\", "0", "无", "没有", "不详", "未知", "未填", "空", "NULL", "NONE", "N/A"}
)
_CALLABLE = frozenset({phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE})


class PhoneFault(StrEnum):
    """Why a cell that is not empty gave no number."""

    DAMAGED = "damaged"  # a spreadsheet rounded it: 1.38E+10
    UNREADABLE = "unreadable"  # no number that can be dialled in mainland China


class PhoneReading(NamedTuple):
    """One cell read: the number, or why there is none; both are None for an empty cell."""

    number: str | None
    fault: PhoneFault | None


_EMPTY = PhoneReading(None, None)
_DAMAGED = PhoneReading(None, PhoneFault.DAMAGED)
_UNREADABLE = PhoneReading(None, PhoneFault.UNREADABLE)


@lru_cache(maxsize=65_536)
def read_phone(text: str) -> PhoneReading:
    """Read one cell of a phone column (联系电话).

    Takes ``="13800138000"``, full-width digits, +86/0086, blanks and dashes, landlines with area code, a
    spreadsheet's ``13800138000.0``; of several numbers in one cell the first that can be dialled. Scientific
    notation is refused, never guessed. An extension is not kept: ``010-88886666-801`` reads as the main line.
    """
    if MOBILE.fullmatch(text):
        return _DAMAGED if _ROUNDED.fullmatch(text) else PhoneReading(text, None)
    plain = (
        _INVISIBLE.sub("", text.translate(_HALF_WIDTH)).strip().lstrip("'").removeprefix("=").strip("\"' ")
    )
    if plain.upper() in _NO_NUMBER:
        return _EMPTY
    readings = [_read_one(part) for part in _SEPARATORS.split(plain) if part.strip()] or [_UNREADABLE]
    return next((reading for reading in readings if reading.number), readings[0])


def parse_phone(text: str) -> str | None:
    """Return the number to dial, or None where the text holds none (see ``read_phone`` for the reason)."""
    return read_phone(text).number


def _read_one(text: str) -> PhoneReading:
    text = text.strip()
    if SCIENTIFIC.fullmatch(text):
        return _DAMAGED
    text = re.sub(r"^(\d+)\.0+$", r"\1", text)
    text = re.split(r"转|分机|ext\.?|[(（](?!\d)", text, maxsplit=1, flags=re.IGNORECASE)[0]
    text = re.sub(r"[^\d+]*$", "", re.sub(r"^[^\d+(]*", "", text))
    digits = re.sub(r"\D", "", text)
    mobile = re.sub(r"^(?:0086|86|0)(?=1[3-9]\d{9}$)", "", digits)
    if MOBILE.fullmatch(mobile) and not text.startswith("+1"):
        return read_phone(mobile)
    return _read_landline(text, digits)


def _read_landline(text: str, digits: str) -> PhoneReading:
    if not 10 <= len(digits) <= 18:
        return _UNREADABLE
    with_extension = re.fullmatch(r"(\(?0\d{2,3}\)?[-\s]?\d{7,8})[-\s]\d{1,5}", text)
    try:
        number = phonenumbers.parse(with_extension[1] if with_extension else text, "CN")
    except phonenumbers.NumberParseException:
        return _UNREADABLE
    if number.country_code != 86 or not phonenumbers.is_valid_number(number):
        return _UNREADABLE
    if phonenumbers.number_type(number) not in _CALLABLE:
        return _UNREADABLE
    national = phonenumbers.national_significant_number(number)
    return PhoneReading(national if MOBILE.fullmatch(national) else "0" + national, None)


def mask_phone(number: str) -> str:
    """Return ``138****5678``: the first three and the last four digits, as lists show it (S3-14)."""
    return f"{number[:3]}****{number[-4:]}" if len(number) > 7 else "****"


def mask_name(name: str) -> str:
    """Return the name as lists show it: ``张*华``, ``张*``, ``欧**红``; one character alone is hidden."""
    if len(name) < 3:
        return name[:1] + "*" if len(name) == 2 else "*" * len(name)
    return name[0] + "*" * (len(name) - 2) + name[-1]
