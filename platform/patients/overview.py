"""What the page of a patient tells at a glance (患者概览): what comes next, what was answered, which cases.

The rows belong to higher floors; each registers a source for its place, and the page asks all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from foundation.database import HospitalSession

Place = Literal["next", "answers", "cases"]
MOST = 8  # lines at a glance; everything stands in the history


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `title` and `detail` are in the reader's language, `tone` is that of a badge.

    `at` is a moment, or the beginning of a day where `whole_day`. `path` is relative to the hospital's
    address. `order` sorts the lines of a place, the smallest first.
    """

    title: str
    order: float
    at: datetime | None = None
    whole_day: bool = False
    detail: str = ""
    tone: str = "neutral"
    path: str | None = None


Source = Callable[[HospitalSession, UUID, datetime], list[Line]]
_sources: dict[tuple[Place, str], Source] = {}


def register(place: Place, name: str, source: Source) -> None:
    """Add a source of lines for a place, or replace the one of that name."""
    _sources[place, name] = source


def of(session: HospitalSession, patient_id: UUID, now: datetime) -> dict[str, list[Line]]:
    """The first lines of every place."""
    lines: dict[str, list[Line]] = {"next": [], "answers": [], "cases": []}
    for (place, _name), source in _sources.items():
        lines[place] += source(session, patient_id, now)
    return {place: sorted(found, key=lambda line: line.order)[:MOST] for place, found in lines.items()}


def soonest(at: datetime) -> float:
    """The order of what comes first."""
    return at.timestamp()


def newest(at: datetime) -> float:
    """The order of what was last."""
    return -at.timestamp()
