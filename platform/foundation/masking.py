"""The net under everything that leaves: numbers of people are masked wherever a text is shown (PIPL 28, 51).

Numbers have columns of their own, which are encrypted and shown by mask. But people also write them into
notes, complaints and file names; so every text that a template prints, every cell of a list and every log
line passes through here. What may be read in full, because it was asked for with a reason, or because the
reader is typing it, says so: it is `Shown`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Mobile numbers (手机号), also as +86 138-1234-5678, and identity numbers (身份证号) of 18 places. Neither
# touches a letter, a digit or a hyphen, so nothing inside an id of ours or a digest is taken for one.
NUMBERS = re.compile(
    r"(?<![0-9A-Za-z-])(?:\+?86[- ]?)?"
    r"(?:(1[3-9]\d)[- ]?(\d{4})[- ]?(\d{4})|(\d)\d{16}([0-9Xx]))"
    r"(?![0-9A-Za-z-])"
)
SHORTEST = 11


class Shown(str):
    """A text that is printed as it is: revealed on the record, or somebody's own typing."""

    __slots__ = ()


def mask_numbers(text: str) -> str:
    """`138****1234` and `1****************X` in place of every number of a person in a text."""
    if len(text) < SHORTEST or isinstance(text, Shown):
        return text
    return NUMBERS.sub(_masked, text)


def mask_all(value: Any) -> Any:
    """The same value as JSON knows them, with every text in it masked."""
    if isinstance(value, str):
        return mask_numbers(value)
    if isinstance(value, Mapping):
        return {key: mask_all(item) for key, item in value.items()}
    return [mask_all(item) for item in value] if isinstance(value, list | tuple) else value


def masked_name(name: str) -> str:
    """`张建国` as `张**`: what lists show of a person."""
    return f"{name[:1]}**" if name else ""


def _masked(found: re.Match[str]) -> str:
    start, _middle, end, first, last = found.groups()
    return f"{start}****{end}" if start else f"{first}{'*' * 16}{last}"
