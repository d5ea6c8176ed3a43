"""From records to rows on the server: which are new or changed, and a COPY of just those.

Two temporary tables stand between the file and the hospital's own rows: `import_visit`, one row for each
encounter that is new or changed, and `import_person`, one row for each patient behind them. A temporary table
belongs to one connection and ends with its transaction, so no wall around a hospital is crossed. Names,
diagnoses and the like travel as they are stored; numbers travel encrypted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import text

from foundation.database import HospitalSession
from foundation.encryption import DataKey
from foundation.ids import new_id
from patients.feeds.records import Record
from patients.phones import mask_phone

PERSON_COLUMNS: tuple[tuple[str, str], ...] = (
    ("patient_id", "uuid"),
    ("is_new", "bool"),
    ("as_of", "date"),
    ("record_number", "text"),
    ("name", "text"),
    ("sex", "text"),
    ("birth_date", "date"),
    ("age_years", "int8"),
    ("id_number_cipher", "bytea"),
    ("id_number_index", "bytea"),
    ("phone_cipher", "bytea"),
    ("phone_index", "bytea"),
    ("phone_masked", "text"),
    ("contact_name", "text"),
    ("contact_relation", "text"),
    ("contact_cipher", "bytea"),
    ("contact_index", "bytea"),
    ("contact_masked", "text"),
    ("phone_damaged", "bool"),
    ("bad_id", "bool"),
)
VISIT_COLUMNS: tuple[tuple[str, str], ...] = (
    ("encounter_id", "uuid"),
    ("is_new", "bool"),
    ("patient_id", "uuid"),
    ("kind", "text"),
    ("record_number", "text"),
    ("admission_count", "int8"),
    ("ward", "text"),
    ("doctor", "text"),
    ("diagnosis", "text"),
    ("diagnosis_code", "text"),
    ("department", "text"),
    ("admitted_on", "date"),
    ("discharged_on", "date"),
    ("disposition", "text"),
    ("content_digest", "bytea"),
)

MANY = 1000
_KNOWN_ENCOUNTERS = text("""
    SELECT e.record_number, e.admission_count, e.id, e.content_digest
    FROM unnest(CAST(:numbers AS text[]), CAST(:counts AS bigint[])) AS f(record_number, admission_count)
    JOIN encounter e ON e.record_number = f.record_number AND e.admission_count = f.admission_count
    WHERE e.tenant_id = :tenant_id AND e.kind = :kind AND e.record_number = ANY (CAST(:numbers AS text[]))
""")
_KNOWN_PATIENTS = text("""
    SELECT record_number, id FROM patient
    WHERE tenant_id = :tenant_id AND record_number = ANY (CAST(:numbers AS text[]))
""")
_NESTED_LOOPS = text("SELECT set_config('enable_nestloop', :state, true)")


@contextmanager
def sized_for(session: HospitalSession, rows: int) -> Iterator[None]:
    """Plan the statements inside for many rows.

    Tables that have just grown have no statistics yet, so the planner takes them for empty and would compare
    each row with each. Above `MANY` rows it is left the joins whose time grows with the rows alone.
    """
    if rows <= MANY:
        yield
        return
    session.execute(_NESTED_LOOPS, {"state": "off"})
    yield
    session.execute(_NESTED_LOOPS, {"state": "on"})


@dataclass(frozen=True, slots=True)
class Change:
    """One encounter that is new or differs from what is stored; `digest` is keyed (see `keyed_digest`)."""

    record: Record
    encounter_id: UUID
    is_new: bool
    digest: bytes


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a file brings. created + updated + unchanged is the number of its good rows."""

    changes: list[Change]
    created: int
    updated: int
    unchanged: int
    superseded: int


def keyed_digest(key: DataKey, record: Record) -> bytes:
    """The row's digest under the hospital's index key.

    A bare SHA-256 would be found again by trying every phone number beside a known name and date.
    """
    return key.blind_index(record.digest.hex())


def compare(session: HospitalSession, key: DataKey, records: Sequence[Record]) -> Comparison:
    """Say of each record whether it is new, changed or there already; one statement for all of them.

    Of several rows for one encounter the last counts and the others are *unchanged*; those that differ from
    it are *superseded*, which the report says. So the same file sent again finds nothing to change.
    """
    last: dict[tuple[str, str, int], Record] = {record.key: record for record in records}
    superseded = sum(1 for record in records if last[record.key].digest != record.digest)
    known = _known_encounters(session, last.values())
    changes: list[Change] = []
    created = 0
    for record_key, record in last.items():
        digest = keyed_digest(key, record)
        stored = known.get(record_key)
        if stored is None:
            created += 1
            changes.append(Change(record, new_id(), is_new=True, digest=digest))
        elif stored[1] != digest:
            changes.append(Change(record, stored[0], is_new=False, digest=digest))
    updated = len(changes) - created
    return Comparison(changes, created, updated, len(records) - len(changes), superseded)


def stage(session: HospitalSession, key: DataKey, changes: Sequence[Change]) -> None:
    """Make both temporary tables and COPY the changes into them; numbers are encrypted on the way."""
    patients = _known_patients(session, changes)
    known = frozenset(patients)
    for change in changes:
        if change.record.record_number not in patients:
            patients[change.record.record_number] = new_id()
    newest: dict[str, Record] = {}
    for change in changes:
        record = change.record
        shown = newest.get(record.record_number, record)
        if (record.discharged_on, record.row_number) >= (shown.discharged_on, shown.row_number):
            newest[record.record_number] = record
    seal = _Seal(key)
    people = (
        _person_row(patients[number], number not in known, record, seal) for number, record in newest.items()
    )
    visits = (_visit_row(change, patients[change.record.record_number]) for change in changes)
    cursor = _cursor(session)
    _copy(cursor, "import_person", PERSON_COLUMNS, people, index="patient_id")
    _copy(cursor, "import_visit", VISIT_COLUMNS, visits, index="encounter_id")


def unstage(session: HospitalSession) -> None:
    """Drop both tables; the end of the transaction would, too."""
    session.execute(text("DROP TABLE IF EXISTS pg_temp.import_person, pg_temp.import_visit"))


class _Seal:
    """Encrypts a number: (cipher, blind index, mask). Nothing is remembered: numbers hardly ever repeat."""

    def __init__(self, key: DataKey) -> None:
        self._key = key

    def __call__(self, number: str | None) -> tuple[bytes | None, bytes | None, str | None]:
        if number is None:
            return None, None, None
        return self._key.encrypt(number), self._key.blind_index(number), mask_phone(number)


def _person_row(patient_id: UUID, is_new: bool, record: Record, seal: _Seal) -> tuple[Any, ...]:
    id_cipher, id_index, _ = seal(record.id_number)
    relation = record.contact_relation or ""
    return (
        patient_id,
        is_new,
        record.discharged_on,
        record.record_number,
        record.name,
        record.sex,
        record.birth_date,
        record.age,
        id_cipher,
        id_index,
        *seal(record.phone),
        record.contact_name,
        record.contact_relation_raw if relation == "other" else relation,
        *seal(record.contact_phone),
        "phone_damaged" in record.warnings,
        "bad_id" in record.warnings,
    )


def _visit_row(change: Change, patient_id: UUID) -> tuple[Any, ...]:
    record = change.record
    return (
        change.encounter_id,
        change.is_new,
        patient_id,
        record.visit,
        record.record_number,
        record.admission_count,
        record.ward,
        record.doctor,
        record.diagnosis,
        record.diagnosis_code,
        record.department,
        record.admitted_on,
        record.discharged_on,
        record.disposition,
        change.digest,
    )


def _known_encounters(
    session: HospitalSession, records: Iterable[Record]
) -> dict[tuple[str, str, int], tuple[UUID, bytes]]:
    by_kind: dict[str, list[Record]] = {}
    for record in records:
        by_kind.setdefault(record.visit, []).append(record)
    known: dict[tuple[str, str, int], tuple[UUID, bytes]] = {}
    for kind, group in by_kind.items():  # a file has one kind of visit, so this is one statement
        parameters = {
            "tenant_id": session.tenant_id,
            "kind": kind,
            "numbers": [record.record_number for record in group],
            "counts": [record.admission_count for record in group],
        }
        for number, count, encounter_id, digest in session.execute(_KNOWN_ENCOUNTERS, parameters):
            known[kind, number, count] = encounter_id, bytes(digest)
    return known


def _known_patients(session: HospitalSession, changes: Sequence[Change]) -> dict[str, UUID]:
    numbers = sorted({change.record.record_number for change in changes})
    rows = session.execute(_KNOWN_PATIENTS, {"tenant_id": session.tenant_id, "numbers": numbers})
    return {number: patient_id for number, patient_id in rows}  # noqa: C416 - a row is no pair to dict()


def _cursor(session: HospitalSession) -> psycopg.Cursor[Any]:
    """The driver's cursor inside the session's own transaction."""
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        msg = "COPY needs psycopg"
        raise TypeError(msg)
    cursor: psycopg.Cursor[Any] = connection.cursor()
    return cursor


def _copy(
    cursor: psycopg.Cursor[Any],
    table: str,
    columns: tuple[tuple[str, str], ...],
    rows: Iterable[tuple[Any, ...]],
    *,
    index: str,
) -> None:
    name = psycopg.sql.Identifier(table)
    definition = psycopg.sql.SQL(", ").join(
        psycopg.sql.SQL("{} {}").format(psycopg.sql.Identifier(column), psycopg.sql.SQL(kind))
        for column, kind in columns
    )
    cursor.execute(psycopg.sql.SQL("DROP TABLE IF EXISTS pg_temp.{}").format(name))
    cursor.execute(psycopg.sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP").format(name, definition))
    with cursor.copy(psycopg.sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(name)) as copy:
        copy.set_types([kind for _, kind in columns])
        for row in rows:
            copy.write_row(row)
    cursor.execute(psycopg.sql.SQL("CREATE INDEX ON {} ({})").format(name, psycopg.sql.Identifier(index)))
    cursor.execute(psycopg.sql.SQL("ANALYZE {}").format(name))
