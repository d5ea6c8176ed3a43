"""What the type of a hospital brings with it (医院类型模板, S0-8): questionnaires, tags, plan, deadlines.

Each room says for itself what it brings for a type, and puts it in place when a hospital is made. Where a
room has one variant for every type, it says so and brings that one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from foundation.database import HospitalSession
from foundation.languages import gettext as _

Apply = Callable[[HospitalSession, str, datetime], None]


@dataclass(frozen=True, slots=True)
class Room:
    """What one room brings: its title (a message id), a sentence for a type in the current language, and
    how it is put in place: (session, hospital_type, now), idempotent; None where nothing has to be stored.
    """

    key: str
    title: str
    told: Callable[[str], str]
    apply: Apply | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """One line of the list on the page."""

    title: str
    text: str


_rooms: dict[str, Room] = {}


def on_created(room: Room) -> None:
    """Register what a room brings; the same key again replaces it."""
    _rooms[room.key] = room


def brings(hospital_type: str) -> list[Brought]:
    """What a hospital of this type gets, in the current language."""
    return [Brought(_(room.title), room.told(hospital_type)) for room in _rooms.values()]


def put_in_place(session: HospitalSession, hospital_type: str, *, now: datetime) -> None:
    """Let every room put in place what it brings; again is the same."""
    for room in _rooms.values():
        if room.apply is not None:
            room.apply(session, hospital_type, now)
