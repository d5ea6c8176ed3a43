"""What an import touched, set aside for its undo: the patients, stays and enrolments in temporary tables.

Every floor joins these tables in its own statements (`undo_patient`, `undo_encounter`, `undo_enrolment`), so
that the undo of 200,000 rows is a handful of statements. `is_new` says that the import made the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Table, text

from foundation import catalogue
from foundation.database import HospitalSession
from foundation.encryption import DataKey
from patients.models import DataImport
from patients.staging import copy_rows
from tenants.keys import data_key

BLOCK = 2_000
_SET_UP = (
    "DROP TABLE IF EXISTS pg_temp.undo_patient, pg_temp.undo_encounter, pg_temp.undo_enrolment",
    "DROP TABLE IF EXISTS pg_temp.undo_row",
    "CREATE TEMP TABLE undo_row (table_name text, id uuid, PRIMARY KEY (table_name, id)) ON COMMIT DROP",
    "CREATE TEMP TABLE undo_patient (id uuid PRIMARY KEY, is_new boolean) ON COMMIT DROP",
    "CREATE TEMP TABLE undo_encounter (id uuid PRIMARY KEY, is_new boolean) ON COMMIT DROP",
    "CREATE TEMP TABLE undo_enrolment (id uuid PRIMARY KEY) ON COMMIT DROP",
)
_FILL = (
    """
    INSERT INTO undo_row SELECT DISTINCT t.table_name, r.id
    FROM import_trail t CROSS JOIN LATERAL unnest(t.row_ids) AS r (id)
    WHERE t.tenant_id = :tenant_id AND t.import_id = :import_id
    """,
    "INSERT INTO undo_patient SELECT id, true FROM undo_row WHERE table_name = 'patient'",
    """
    INSERT INTO undo_encounter
    SELECT id, true FROM undo_row WHERE table_name = 'encounter'
    UNION ALL
    SELECT row_id, false FROM import_before
    WHERE tenant_id = :tenant_id AND import_id = :import_id AND table_name = 'encounter'
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO undo_patient
    SELECT b.patient_id, false FROM import_before b
    WHERE b.tenant_id = :tenant_id AND b.import_id = :import_id
    UNION
    SELECT e.patient_id, false FROM encounter e JOIN undo_encounter u ON u.id = e.id
    WHERE e.tenant_id = :tenant_id
    UNION
    SELECT s.patient_id, false FROM suppression s
    JOIN undo_row r ON r.table_name = 'suppression' AND r.id = s.id WHERE s.tenant_id = :tenant_id
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO undo_enrolment
    SELECT id FROM undo_row WHERE table_name = 'enrolment'
    UNION
    SELECT o.id FROM enrolment o JOIN undo_patient p ON p.id = o.patient_id AND p.is_new
    WHERE o.tenant_id = :tenant_id
    UNION
    SELECT o.id FROM undo_encounter u JOIN enrolment o ON o.tenant_id = :tenant_id AND o.encounter_id = u.id
    WHERE u.is_new
    """,
    "ANALYZE undo_row",
    "ANALYZE undo_patient",
    "ANALYZE undo_encounter",
    "ANALYZE undo_enrolment",
)
# The moment that the import wrote into its rows.
_SINCE = text("""
    SELECT max(e.updated_at) FROM encounter e JOIN undo_encounter u ON u.id = e.id
    WHERE e.tenant_id = :tenant_id AND e.import_id = :import_id
""")
_LOCK = text("""
    SELECT count(*) FROM (
        SELECT 1 FROM patient p JOIN undo_patient u ON u.id = p.id
        WHERE p.tenant_id = :tenant_id ORDER BY p.id FOR UPDATE OF p) AS locked
""")
_READ = """
    SELECT table_name, row_id, row_cipher FROM import_before
    WHERE tenant_id = %(tenant_id)s AND import_id = %(import_id)s
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """An import about to be undone: `since` is when it wrote, `now` the present."""

    import_id: UUID
    since: datetime
    now: datetime


def set_aside(session: HospitalSession, row: DataImport, now: datetime, *, lock: bool = False) -> Scope:
    """Fill the temporary tables; with `lock` nobody writes about these patients until the end."""
    session.flush()
    values = {"tenant_id": session.tenant_id, "import_id": row.id}
    for statement in _SET_UP:
        session.execute(text(statement))
    for statement in _FILL:
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        session.execute(text(statement), used)
    if lock:
        session.execute(_LOCK, {"tenant_id": session.tenant_id})
    since = session.scalar(_SINCE, values)
    return Scope(row.id, since or row.imported_at, now)


def restore_images(session: HospitalSession, import_id: UUID) -> int:
    """Bring back the rows as they were before the import, byte for byte; returns how many."""
    session.execute(text("DROP TABLE IF EXISTS pg_temp.undo_image"))
    session.execute(
        text("CREATE TEMP TABLE undo_image (table_name text, row_id uuid, image text) ON COMMIT DROP")
    )
    _load(session, import_id)
    session.execute(text("ANALYZE undo_image"))
    names = session.scalars(text("SELECT DISTINCT table_name FROM undo_image")).all()
    restored = 0
    for table in catalogue.tenant_tables():
        if table.name in names:
            restored += len(
                session.execute(_restore(table), {"tenant_id": session.tenant_id, "name": table.name}).all()
            )
    return restored


def _load(session: HospitalSession, import_id: UUID) -> None:
    key = data_key(session)
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        msg = "COPY needs psycopg"
        raise TypeError(msg)
    columns = (("table_name", "text"), ("row_id", "uuid"), ("image", "text"))
    with connection.cursor(name="undo_images") as images, connection.cursor() as writer:
        images.execute(_READ, {"tenant_id": session.tenant_id, "import_id": import_id})
        while block := images.fetchmany(BLOCK):
            copy_rows(writer, "undo_image", columns, _opened(key, block))


def _opened(key: DataKey, block: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for table, row_id, cipher in block:
        yield table, row_id, key.decrypt(cipher)


def _restore(table: Table) -> Any:
    """Every column of the rows of one table; one that is younger than its image keeps what it has."""
    columns = [f'"{column.name}"' for column in table.columns if column.name not in {"tenant_id", "id"}]
    # Names come from the models, never from outside.
    statement = (
        f'UPDATE "{table.name}" t SET ({", ".join(columns)}) = ('  # noqa: S608
        f"SELECT {', '.join('r.' + column for column in columns)}"
        " FROM jsonb_populate_record(t, CAST(m.image AS jsonb)) AS r)"
        " FROM undo_image m WHERE t.tenant_id = :tenant_id AND m.table_name = :name AND t.id = m.row_id"
        " RETURNING t.id"
    )
    return text(statement)
