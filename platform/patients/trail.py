"""What an import made and what it changed (导入轨迹), so that it can be undone.

Rows it made: ids by table (`ImportTrail`), written beside each insert. Rows it changed: an image of the row
as it was (`ImportBefore`), `to_jsonb` of the row, encrypted as text under the hospital's key; binary columns
stand in it as PostgreSQL writes them (`\\x…` in hexadecimal). Images are of patients, their numbers,
encounters, open problems, and the notes of a death that the list confirmed or took back.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from foundation.database import HospitalSession
from foundation.encryption import DataKey
from foundation.ids import new_id
from patients.models import ImportTrail
from patients.staging import driver_connection

BLOCK = 2_000
_IMAGES = text("""
    CREATE TEMP TABLE import_image ON COMMIT DROP AS
    SELECT 'patient' AS table_name, p.id AS row_id, p.id AS patient_id, to_jsonb(p) AS image
    FROM patient p JOIN import_person i ON i.patient_id = p.id AND NOT i.is_new
    WHERE p.tenant_id = :tenant_id
    UNION ALL
    SELECT 'contact_point', c.id, c.patient_id, to_jsonb(c)
    FROM contact_point c JOIN import_person i ON i.patient_id = c.patient_id AND NOT i.is_new
    WHERE c.tenant_id = :tenant_id
    UNION ALL
    SELECT 'encounter', e.id, e.patient_id, to_jsonb(e)
    FROM encounter e JOIN import_row r ON r.encounter_id = e.id
    WHERE e.tenant_id = :tenant_id
    UNION ALL
    SELECT 'data_problem', d.id, d.patient_id, to_jsonb(d)
    FROM data_problem d JOIN import_person i ON i.patient_id = d.patient_id AND NOT i.is_new
    WHERE d.tenant_id = :tenant_id AND d.resolved_at IS NULL
    UNION ALL
    SELECT 'suppression', s.id, s.patient_id, to_jsonb(s)
    FROM suppression s JOIN import_person i ON i.patient_id = s.patient_id AND NOT i.is_new
    WHERE s.tenant_id = :tenant_id AND s.lifted_at IS NULL AND s.reason = 'deceased'
""")
_UNCHANGED = tuple(
    text(f"""
        DELETE FROM import_image m USING {table} t
        WHERE m.table_name = '{table}' AND t.tenant_id = :tenant_id AND t.id = m.row_id
          AND m.image - 'updated_at' = to_jsonb(t) - 'updated_at'
    """)  # noqa: S608 - texts of ours, no value in them
    for table in ("patient", "contact_point", "data_problem", "suppression")
)
_KEEP = text("""
    INSERT INTO import_before (tenant_id, id, import_id, table_name, row_id, patient_id, row_cipher)
    SELECT :tenant_id, uuidv7(), :import_id, m.table_name, m.row_id, m.patient_id, m.row_cipher
    FROM unnest(CAST(:tables AS text[]), CAST(:rows AS uuid[]), CAST(:patients AS uuid[]),
                CAST(:ciphers AS bytea[])) AS m (table_name, row_id, patient_id, row_cipher)
""")
_READ = "SELECT table_name, row_id, patient_id, image::text FROM import_image"
_ENROLMENTS = text("""
    SELECT id FROM enrolment WHERE tenant_id = :tenant_id AND patient_id = ANY (CAST(:patient_ids AS uuid[]))
""")
_BEGUN = text("""
    INSERT INTO import_trail (tenant_id, id, import_id, table_name, row_ids)
    SELECT :tenant_id, uuidv7(), :import_id, 'enrolment', array_agg(o.id)
    FROM unnest(CAST(:patient_ids AS uuid[])) AS w (patient_id)
    JOIN enrolment o ON o.tenant_id = :tenant_id AND o.patient_id = w.patient_id
    WHERE o.ended_on IS NULL AND o.cancelled_on IS NULL AND o.id <> ALL (CAST(:known AS uuid[]))
    HAVING count(*) > 0
    ON CONFLICT (tenant_id, import_id, table_name) DO UPDATE
    SET row_ids = import_trail.row_ids || excluded.row_ids
    RETURNING cardinality(row_ids)
""")
_SUPPRESSIONS = text("""
    SELECT id FROM suppression
    WHERE tenant_id = :tenant_id AND patient_id = ANY (CAST(:patient_ids AS uuid[]))
      AND reason = 'deceased' AND lifted_at IS NULL
""")
_MARK = text("SELECT uuidv7()")
_PAIRS = text("SELECT id FROM possible_duplicate WHERE tenant_id = :tenant_id AND id > :mark")


def look(session: HospitalSession) -> None:
    """Take images of what the staged rows may change, before they do."""
    session.execute(_IMAGES, {"tenant_id": session.tenant_id})


def keep_images(session: HospitalSession, key: DataKey, import_id: UUID) -> None:
    """Keep the images of the rows that did change, a block at a time."""
    for statement in _UNCHANGED:
        session.execute(statement, {"tenant_id": session.tenant_id})
    mine = {"tenant_id": session.tenant_id, "import_id": import_id}
    with driver_connection(session).cursor(name="import_images") as images:
        images.execute(_READ)
        while block := images.fetchmany(BLOCK):
            tables, rows, patients, texts = zip(*block, strict=True)
            columns = {"tables": list(tables), "rows": list(rows), "patients": list(patients)}
            session.execute(_KEEP, mine | columns | {"ciphers": list(map(key.encrypt, texts))})


def enrolments(session: HospitalSession, patient_ids: list[UUID]) -> set[UUID]:
    """All enrolments of these patients."""
    return set(_ids(session, _ENROLMENTS, patient_ids))


def keep_enrolments(
    session: HospitalSession, import_id: UUID, patient_ids: list[UUID], known: set[UUID]
) -> int:
    """Note the enrolments of these patients that are open now and are none of those known before; returns how
    many the import has begun so far, or 0 for nobody new.
    """
    if not patient_ids:
        return 0
    parameters = {"tenant_id": session.tenant_id, "import_id": import_id}
    ids = {"patient_ids": patient_ids, "known": list(known)}
    return session.scalar(_BEGUN, parameters | ids) or 0


def deaths(session: HospitalSession, patient_ids: list[UUID]) -> list[UUID]:
    """The notes of death that hold for these patients."""
    return _ids(session, _SUPPRESSIONS, patient_ids)


def _ids(session: HospitalSession, statement: Any, patient_ids: list[UUID]) -> list[UUID]:
    if not patient_ids:
        return []
    parameters = {"tenant_id": session.tenant_id, "patient_ids": patient_ids}
    return list(session.scalars(statement, parameters))


def mark(session: HospitalSession) -> UUID:
    """An id before all that the server makes from now on."""
    found: UUID = session.scalars(_MARK).one()
    return found


def pairs_since(session: HospitalSession, since: UUID) -> list[UUID]:
    """The likely duplicates parked since a `mark`."""
    return list(session.scalars(_PAIRS, {"tenant_id": session.tenant_id, "mark": since}))


def keep(session: HospitalSession, import_id: UUID, table: str, row_ids: list[UUID]) -> None:
    """Note rows of one table that the import made."""
    if row_ids:
        session.add(
            ImportTrail(
                tenant_id=session.tenant_id,
                id=new_id(),
                import_id=import_id,
                table_name=table,
                row_ids=row_ids,
            )
        )
