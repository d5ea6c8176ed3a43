"""Erasing one patient, or everything of a hospital, table by table as the catalogue says (PIPL 21, 47).

A patient's rows stay as rows without a person: months that are closed stay billed, answers keep their
levels, and nothing says whose they are. A hospital's rows go altogether, after its key.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Column, LargeBinary, Table, cast, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Text

from foundation import catalogue
from foundation.database import HospitalSession
from foundation.encryption import DataKey
from foundation.personal import Personal

# Rows in one transaction: about a second's work, so that a stop or a kill loses little.
BATCH = 5_000
# Tables that the runtime role cannot delete from, and the owner's function that does it after a departure.
DOORS = {"case_event": "erase_case_events"}


def empty_value(column: Column[Any], key: DataKey) -> Any:
    """What stands in a wiped column: NULL where it may, else an empty text, or the cipher of one."""
    if column.nullable:
        return None
    if isinstance(column.type, LargeBinary):
        return key.encrypt("") if column.name.endswith("_cipher") else b""
    if isinstance(column.type, JSONB):
        return {}
    return ""


def erase_patient(session: HospitalSession, key: DataKey, patient_id: UUID) -> dict[str, int]:
    """Wipe one patient as the labels say; returns how many rows of which table were touched.

    The caller sets `patient.erased_at` before: the doors of append-only tables ask for it. Files that the
    patient's rows point at are deleted.
    """
    session.flush()
    rows = catalogue.rows_of_patient(session, session.tenant_id, patient_id)
    touched = {"stored_file": _drop_files(session, rows)}
    for table in catalogue.patient_tables():
        label = catalogue.personal_of(table.name)
        if not rows.get(table.name) or not (label.wiped or label.numbered):
            continue
        if label.door is not None:
            statement = select(getattr(func, label.door)(session.tenant_id, patient_id))
            touched[table.name] = int(session.scalar(statement) or 0)
            continue
        values = _values(table, label, key)
        changed = session.execute(
            update(table)
            .where(table.c.tenant_id == session.tenant_id, catalogue.among(table.c.id, rows[table.name]))
            .values(values)
            .returning(table.c.id)
        )
        touched[table.name] = len(changed.all())
    session.expire_all()
    return {name: number for name, number in touched.items() if number}


def _values(table: Table, label: Personal, key: DataKey) -> dict[str, Any]:
    values = {name: empty_value(table.c[name], key) for name in label.wiped}
    return values | {name: cast(table.c.id, Text) for name in label.numbered}


def _drop_files(session: HospitalSession, rows: catalogue.Rows) -> int:
    pointers = catalogue.file_pointers(session, session.tenant_id, rows)
    for (name, column), files in pointers.items():
        table = next(t for t in catalogue.patient_tables() if t.name == name)
        session.execute(
            update(table)
            .where(table.c.tenant_id == session.tenant_id, catalogue.among(table.c[column], files))
            .values({column: None})
        )
    wanted = rows.get(catalogue.FILE_TABLE, [])
    if not wanted:
        return 0
    stored = next(t for t in catalogue.tenant_tables() if t.name == catalogue.FILE_TABLE)
    gone = session.execute(
        delete(stored)
        .where(stored.c.tenant_id == session.tenant_id, catalogue.among(stored.c.id, wanted))
        .returning(stored.c.id)
    )
    return len(gone.all())


def let_go(session: HospitalSession) -> None:
    """Empty what staying rows (invoices) point at among the rows that go: files that nobody can open."""
    for table, column in catalogue.pointers_into_gone():
        session.execute(
            update(table)
            .where(table.c.tenant_id == session.tenant_id, table.c[column].is_not(None))
            .values({column: None})
        )


def erase_batch(session: HospitalSession, table: Table) -> int:
    """Delete up to `BATCH` rows of the hospital from one table; returns how many: 0 when none is left."""
    if table.name in DOORS:
        statement = text(f"SELECT {DOORS[table.name]}(:tenant_id, :most)")
        return int(session.scalar(statement, {"tenant_id": session.tenant_id, "most": BATCH}) or 0)
    some = select(table.c.id).where(table.c.tenant_id == session.tenant_id).limit(BATCH).scalar_subquery()
    gone = session.execute(
        delete(table)
        .where(table.c.tenant_id == session.tenant_id, table.c.id.in_(some))
        .returning(table.c.id)
    )
    return len(gone.all())
