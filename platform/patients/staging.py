"""From rows of a file to rows on the server, a chunk at a time: nothing keeps a whole file in this process.

One temporary table, `import_row`, stands between the file and the hospital's own rows. Every row leaves a
narrow line there (its number, the encounter's key, its digest, its warnings); only a row that differs from
what is stored brings its data along. A temporary table belongs to one connection and ends with its
transaction, so no wall around a hospital is crossed. Names, diagnoses and the like travel as they are stored;
telephone and ID numbers travel encrypted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.string import BytesBinaryDumper
from sqlalchemy import text

from foundation.bulk import whole_sets
from foundation.database import HospitalSession
from foundation.encryption import DataKey
from patients.feeds.records import Record, Rejected
from patients.initials import initials_of
from patients.phones import mask_phone
from patients.stopped import Stopped

CHUNK = 5_000
MANY = 1_000
_LINE: tuple[tuple[str, str], ...] = (
    ("row_number", "int8"),
    ("reason", "text"),
    ("warnings", "text"),
    ("record_number", "text"),
    ("admission_count", "int8"),
    ("digest", "bytea"),
    ("encounter_id", "uuid"),
    ("same", "bool"),
)
_PERSON: tuple[tuple[str, str], ...] = (
    ("name", "text"),
    ("initials", "text"),
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
_VISIT: tuple[tuple[str, str], ...] = (
    ("department", "text"),
    ("ward", "text"),
    ("doctor", "text"),
    ("diagnosis", "text"),
    ("diagnosis_code", "text"),
    ("admitted_on", "date"),
    ("discharged_on", "date"),
    ("disposition", "text"),
)
COLUMNS = (*_LINE, *_PERSON, *_VISIT)
PERSON_COLUMNS = ", ".join(f"r.{name}" for name, _ in _PERSON)
TABLES = ("import_row", "import_verdict", "import_number", "import_person", "import_image")
_NO_DATA = (None,) * (len(_PERSON) + len(_VISIT))

_ANY_STORED = text("SELECT EXISTS (SELECT 1 FROM encounter WHERE tenant_id = :tenant_id AND kind = :kind)")
_KNOWN = text("""
    SELECT e.record_number, e.admission_count, e.id, e.content_digest
    FROM unnest(CAST(:numbers AS text[]), CAST(:counts AS bigint[])) AS f(record_number, admission_count)
    JOIN encounter e ON e.record_number = f.record_number AND e.admission_count = f.admission_count
    WHERE e.tenant_id = :tenant_id AND e.kind = :kind AND e.record_number = ANY (CAST(:numbers AS text[]))
""")
_SIZE = text("SELECT set_config('work_mem', :memory, true)")
_WORK_MEMORY = text("SHOW work_mem")
Key = tuple[str, int]


@contextmanager
def sized_for(session: HospitalSession, rows: int) -> Iterator[None]:
    """Plan the statements inside for many rows.

    Tables that have just grown have no statistics yet, so the planner takes them for empty and would compare
    each row with each. Above `MANY` rows it is left the joins whose time grows with the rows alone, and room
    to sort them.
    """
    if rows <= MANY:
        yield
        return
    memory = session.scalar(_WORK_MEMORY)
    session.execute(_SIZE, {"memory": "64MB"})
    with whole_sets(session):
        yield
    session.execute(_SIZE, {"memory": memory})


def keyed_digest(key: DataKey, record: Record) -> bytes:
    """The row's digest under the hospital's index key.

    A bare SHA-256 would be found again by trying every phone number beside a known name and date.
    """
    return key.blind_index(record.digest.hex())


class Staging:
    """The table of one file's rows; `rows`, `reasons` and `warnings` count what went into it so far."""

    def __init__(self, session: HospitalSession, key: DataKey, kind: str, known: Stopped) -> None:
        self._session = session
        self._key = key
        self._kind = kind
        self._stopped = known
        self._cursor = driver_cursor(session)
        self._any_stored = bool(session.scalar(_ANY_STORED, {"tenant_id": session.tenant_id, "kind": kind}))
        self.rows = 0
        self.reasons: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        unstage(session)
        create_temporary(self._cursor, "import_row", COLUMNS)

    def take(self, verdicts: Sequence[Record | Rejected]) -> None:
        """Stage one chunk: one look at what is stored, one COPY."""
        refused = self._refused(verdicts)
        digests = {
            verdict.row_number: keyed_digest(self._key, verdict)
            for verdict in verdicts
            if isinstance(verdict, Record) and verdict.row_number not in refused
        }
        known = self._known(verdicts) if self._any_stored else {}
        copy_rows(
            self._cursor,
            "import_row",
            COLUMNS,
            (self._line(verdict, refused, digests, known) for verdict in verdicts),
        )
        self.rows += len(verdicts)

    def _refused(self, verdicts: Sequence[Record | Rejected]) -> dict[int, str]:
        """Rows of people who had themselves restricted or erased (PIPL 47)."""
        if not self._stopped:
            return {}
        reasons = (
            (verdict.row_number, self._stopped.reason(self._key, verdict))
            for verdict in verdicts
            if isinstance(verdict, Record)
        )
        return {number: reason for number, reason in reasons if reason is not None}

    def _line(
        self,
        verdict: Record | Rejected,
        refused: dict[int, str],
        digests: dict[int, bytes],
        known: dict[Key, tuple[UUID, bytes]],
    ) -> tuple[Any, ...]:
        number = verdict.row_number
        if not isinstance(verdict, Record) or number in refused:
            reason = refused[number] if isinstance(verdict, Record) else verdict.reason
            shown = verdict.record_number if isinstance(verdict, Rejected) else ""
            self.reasons[reason] += 1
            return (number, reason, "", shown, None, None, None, None, *_NO_DATA)
        if verdict.warnings:
            self.warnings.update(verdict.warnings)
        digest = digests[number]
        encounter_id, stored = known.get((verdict.record_number, verdict.admission_count), (None, None))
        same = stored == digest
        line = (
            number,
            None,
            ",".join(verdict.warnings),
            verdict.record_number,
            verdict.admission_count,
            digest,
            encounter_id,
            same,
        )
        return (*line, *_NO_DATA) if same else (*line, *self._data(verdict))

    def _data(self, record: Record) -> tuple[Any, ...]:
        relation = record.contact_relation or ""
        id_cipher, id_index, _ = self._seal(record.id_number)
        return (
            record.name,
            initials_of(record.name),
            record.sex,
            record.birth_date,
            record.age,
            id_cipher,
            id_index,
            *self._seal(record.phone),
            record.contact_name,
            record.contact_relation_raw if relation == "other" else relation,
            *self._seal(record.contact_phone),
            "phone_damaged" in record.warnings,
            "bad_id" in record.warnings,
            record.department,
            record.ward,
            record.doctor,
            record.diagnosis,
            record.diagnosis_code,
            record.admitted_on,
            record.discharged_on,
            record.disposition,
        )

    def _seal(self, number: str | None) -> tuple[bytes | None, bytes | None, str | None]:
        """A number encrypted: (cipher, blind index, mask). Nothing is remembered: they hardly ever repeat."""
        if number is None:
            return None, None, None
        return self._key.encrypt(number), self._key.blind_index(number), mask_phone(number)

    def _known(self, verdicts: Sequence[Record | Rejected]) -> dict[Key, tuple[UUID, bytes]]:
        keys = {
            (verdict.record_number, verdict.admission_count)
            for verdict in verdicts
            if isinstance(verdict, Record)
        }
        parameters = {
            "tenant_id": self._session.tenant_id,
            "kind": self._kind,
            "numbers": [number for number, _ in keys],
            "counts": [count for _, count in keys],
        }
        found = self._session.execute(_KNOWN, parameters)
        return {(number, count): (row_id, bytes(digest)) for number, count, row_id, digest in found}


def analyse(session: HospitalSession, table: str, *columns: str) -> None:
    """Let the planner know a temporary table that has been filled, by the columns it is joined by."""
    session.execute(text(f"ANALYZE {table} ({', '.join(columns)})"))


def unstage(session: HospitalSession) -> None:
    """Drop the temporary tables; the end of the transaction would, too."""
    session.execute(text("DROP TABLE IF EXISTS " + ", ".join(f"pg_temp.{table}" for table in TABLES)))


def driver_connection(session: HospitalSession) -> psycopg.Connection[Any]:
    """The driver's connection, inside the session's own transaction."""
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        msg = "COPY needs psycopg"
        raise TypeError(msg)
    return connection


def driver_cursor(session: HospitalSession) -> psycopg.Cursor[Any]:
    """A cursor of the driver's inside the session's own transaction."""
    return driver_connection(session).cursor()


def create_temporary(cursor: psycopg.Cursor[Any], table: str, columns: Sequence[tuple[str, str]]) -> None:
    """Make a table that ends with the transaction."""
    definition = psycopg.sql.SQL(", ").join(
        psycopg.sql.SQL("{} {}").format(psycopg.sql.Identifier(column), psycopg.sql.SQL(kind))
        for column, kind in columns
    )
    create = psycopg.sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP")
    cursor.execute(create.format(psycopg.sql.Identifier(table), definition))


def copy_rows(
    cursor: psycopg.Cursor[Any],
    table: str,
    columns: Sequence[tuple[str, str]],
    rows: Iterator[tuple[Any, ...]],
) -> None:
    """COPY rows in the server's binary form; nothing else runs on the connection meanwhile."""
    names = psycopg.sql.SQL(", ").join(psycopg.sql.Identifier(column) for column, _ in columns)
    into = psycopg.sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
    # Bytes by the driver's fast way: by its type's name it would pick a slower one.
    cursor.adapters.register_dumper(bytes, BytesBinaryDumper)
    with cursor.copy(into.format(psycopg.sql.Identifier(table), names)) as copy:
        copy.set_types([kind for _, kind in columns])
        for row in rows:
            copy.write_row(row)
