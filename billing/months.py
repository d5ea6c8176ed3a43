"""Months in addresses: `2026-09`."""

from __future__ import annotations

import re
from datetime import date

from foundation.web.errors import NotFound

_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_KEY = re.compile(r"(carried|new|cancelled|suspended|late|credit)-(20\d\d)(0[1-9]|1[0-2])")


def month_of(text: str) -> date:
    """The first day of `2026-09`; `NotFound` for anything else."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise NotFound
    return date(int(found[1]), int(found[2]), 1)


def month_text(month: date) -> str:
    """`2026-09`."""
    return f"{month:%Y-%m}"


def line_of(key: str) -> tuple[str, date]:
    """Kind and month of a line's key such as `credit-202608`; `NotFound` for anything else."""
    found = _KEY.fullmatch(key)
    if found is None:
        raise NotFound
    return found[1], date(int(found[2]), int(found[3]), 1)
