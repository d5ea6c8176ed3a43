"""Our own JSON for visits, for hospitals that write the interface themselves: one object a visit.

The names are those of the import's fields. An object says everything about the visit as of `recorded_at`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from foundation.calendar import SHANGHAI
from patients.adt.events import BadMessage, Event, Heard, Kind, checked
from patients.feeds.fields import read_record_number
from patients.feeds.headers import FIELDS, Visit

MOST = 1000  # visits of one request
Status = Literal["discharged", "visited", "admitted", "cancelled"]
_KINDS: dict[Status, Kind] = {
    "discharged": "discharge",
    "visited": "register",
    "admitted": "admit",
    "cancelled": "cancel_admit",
}


class VisitRow(msgspec.Struct, omit_defaults=True):
    """One visit. Texts as the hospital writes them: they are read by the rules of an imported list.

    `status`: discharged, visited (outpatients), admitted (waits for the discharge), cancelled. `visit_number`
    is the hospital's own number of the visit; without it the admission count or the day stands for it.
    `recorded_at`: of two reports of one visit the one recorded later holds, whichever comes first.
    """

    record_number: str
    visit: Visit = "inpatient"
    status: Status = "discharged"
    visit_number: str = ""
    recorded_at: datetime | None = None
    admission_count: str | int = ""
    name: str = ""
    sex: str = ""
    birth_date: str = ""
    age: str | int = ""
    id_number: str = ""
    phone: str = ""
    contact_name: str = ""
    contact_relation: str = ""
    contact_phone: str = ""
    admitted_on: str = ""
    discharged_on: str = ""
    visited_on: str = ""
    department: str = ""
    ward: str = ""
    doctor: str = ""
    diagnosis: str = ""
    diagnosis_code: str = ""
    disposition: str = ""
    outcome: str = ""


class VisitList(msgspec.Struct):
    """Visits to take in, at most 1000 at once."""

    visits: list[VisitRow]


def heard(rows: list[VisitRow], *, now: datetime) -> list[Heard]:
    """The events of these visits. Raises `BadMessage`; then nothing of the list is taken."""
    if len(rows) > MOST:
        raise BadMessage("too_many", limit=MOST)
    found = []
    for row in rows:
        at = row.recorded_at
        if at is not None and at.tzinfo is None:
            at = at.replace(tzinfo=SHANGHAI)
        text = msgspec.json.encode(row).decode()
        found.append(Heard(_event(row, at or now, timed=at is not None), text))
    return found


def _event(row: VisitRow, at: datetime, *, timed: bool = True) -> Event:
    number = read_record_number(row.record_number)
    if not number:
        raise BadMessage("no_record_number")
    said = {
        name: str(getattr(row, name)) for name in FIELDS if name != "record_number" and getattr(row, name)
    }
    kind = _KINDS[row.status]
    if kind == "discharge" and row.visit == "outpatient":
        kind = "register"
    day = row.discharged_on or row.visited_on or row.admitted_on
    visit = row.visit_number or (f"#{row.admission_count}" if row.admission_count else f"@{day}")
    if visit == "@":
        raise BadMessage("no_visit_number")
    return checked(Event(kind, at, "", number, visit, said, row.visit, whole=True, timed=timed))
