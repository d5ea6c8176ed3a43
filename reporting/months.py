"""Months in addresses: `2026-09`."""

from __future__ import annotations

import re
from datetime import date

from foundation.web.errors import NotFound

_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


def month_of(text: str) -> date:
    """The first day of `2026-09`; `NotFound` for anything else."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise NotFound
    return date(int(found[1]), int(found[2]), 1)


def month_text(month: date) -> str:
    """`2026-09`."""
    return f"{month:%Y-%m}"
