"""The lists of faulty data as files: what the pages show, by mask, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.documents.spreadsheet import Column, Kind, Sheet
from foundation.languages import gettext as _
from foundation.masking import mask_numbers
from patients import labels, quality_queries, queries
from patients.quality_queries import MOST_ROWS, People


def sheet(session: HospitalSession, listed: str, now: datetime) -> Sheet | None:
    """One list by its name, None for a name that is none: `wrong`, `wards`, `unreachable`, `departments`,
    `problems`; at most 20,000 rows, every text without the numbers of people.
    """
    make = _SHEETS.get(listed)
    if make is None:
        return None
    columns, rows = make(session, now)
    masked = [
        {key: mask_numbers(value) if isinstance(value, str) else value for key, value in row.items()}
        for row in rows
    ]
    return Sheet(listed, columns, masked)


Made = tuple[list[Column], list[dict[str, Any]]]


def _people(found: People) -> Made:
    columns = [
        Column("name", _("Patient")),
        Column("record_number", _("Record number")),
        Column("department", _("Department")),
        Column("ward", _("Ward")),
        Column("day", _("Last discharge or visit"), Kind.DATE),
        Column("state", _("Contact")),
        Column("numbers", _("Wrong number")),
    ]
    rows = [
        {
            "name": line.masked_name,
            "record_number": line.record_number,
            "department": line.department,
            "ward": line.ward,
            "day": line.discharged_on,
            "state": labels.of(labels.CONTACT_STATES, line.contact_state),
            "numbers": line.numbers,
        }
        for line in found.lines
    ]
    return columns, rows


def _wrong(session: HospitalSession, _now: datetime) -> Made:
    return _people(quality_queries.wrong_numbers(session, limit=MOST_ROWS))


def _unreachable(session: HospitalSession, _now: datetime) -> Made:
    return _people(quality_queries.unreachable(session, limit=MOST_ROWS))


def _wards(session: HospitalSession, now: datetime) -> Made:
    columns = [
        Column("department", _("Department")),
        Column("ward", _("Ward")),
        Column("patients", _("Patients"), Kind.INT),
        Column("wrong", _("Wrong numbers"), Kind.INT),
        Column("share", _("Share"), Kind.PERCENT),
    ]
    found = quality_queries.by_ward(session, local_date(now), limit=MOST_ROWS)
    rows = [
        {
            "department": line.department,
            "ward": line.ward,
            "patients": line.patients,
            "wrong": line.wrong,
            "share": line.share,
        }
        for line in found
    ]
    return columns, rows


def _departments(session: HospitalSession, _now: datetime) -> Made:
    columns = [
        Column("ward", _("Ward")),
        Column("kind", _("Kind")),
        Column("stays", _("Stays and visits"), Kind.INT),
        Column("patients", _("Patients"), Kind.INT),
        Column("latest", _("Latest"), Kind.DATE),
    ]
    rows = [
        {
            "ward": line.ward,
            "kind": labels.of(labels.KINDS, line.kind),
            "stays": line.stays,
            "patients": line.patients,
            "latest": line.latest,
        }
        for line in quality_queries.without_department(session, limit=MOST_ROWS)
    ]
    return columns, rows


def _problems(session: HospitalSession, _now: datetime) -> Made:
    columns = [
        Column("name", _("Patient")),
        Column("record_number", _("Record number")),
        Column("kind", _("What is wrong")),
        Column("found", _("Found"), Kind.DATE),
    ]
    rows = [
        {
            "name": line.masked_name,
            "record_number": line.record_number,
            "kind": labels.of(labels.PROBLEMS, line.kind),
            "found": line.found_at,
        }
        for line in queries.problems(session, limit=MOST_ROWS)
    ]
    return columns, rows


_SHEETS: dict[str, Callable[[HospitalSession, datetime], Made]] = {
    "wrong": _wrong,
    "wards": _wards,
    "unreachable": _unreachable,
    "departments": _departments,
    "problems": _problems,
}
