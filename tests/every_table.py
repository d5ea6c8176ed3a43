"""A row in every table of a hospital, made from the catalogue: a new table is covered on its first day.

Each text and each encrypted value carries a mark that says whose it is, so that a test can look for it in
whatever comes out.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    LargeBinary,
    Numeric,
    Table,
    insert,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from world import NOW

from foundation import audit, catalogue, files
from foundation.database import HospitalSession
from foundation.ids import new_id
from surveys.instrument import load, shipped
from tenants.keys import data_key

DAY = date(2026, 8, 1)
INSTRUMENT = load(*shipped()[0])
QUESTION = next(iter(INSTRUMENT.questions())).code
# What the rules of a table ask for and no type says.
SPECIAL: dict[str, dict[str, Any]] = {
    "data_import": {"rows": 4},
    "purpose_basis": {"purpose": "satisfaction", "basis": "contract"},
    "invoice": {"total_fen": 2},
    "statistics_grant": {"person_id": None},
    "processing_agreement": {"version": 99},
    "questionnaire": {"content": msgspec.to_builtins(INSTRUMENT)},
    "answer": {"question": QUESTION},
    "patient": {"restricted_at": None, "erased_at": None, "merged_at": None},
    "ledger_entry": {"month": DAY},
    "hospital_phase": {"started_at": NOW - timedelta(days=9), "ended_at": NOW - timedelta(days=8)},
}
ALLOWED = re.compile(r"(\w+) IN \('([^']+)'")


def mark(tag: str, table: str, column: str) -> str:
    """What stands in this column of the row of that person."""
    return f"{tag}·{table}.{column}"


def fill_hospital(session: HospitalSession, tag: str) -> dict[str, UUID]:
    """A row in each table that is the hospital's own, with a file; returns the ids by table."""
    made: dict[str, UUID] = {"stored_file": _file(session, tag)}
    ours = {table.name for table in catalogue.patient_tables()} | {"hospital", "stored_file", "audit_event"}
    for table in catalogue.tenant_tables():
        if table.name not in ours:
            made[table.name] = _row(session, table, tag, made)
    return made


def fill_patient(session: HospitalSession, tag: str, hospital: dict[str, UUID]) -> dict[str, UUID]:
    """A patient with a row in each table that leads to one, a file, and two records of what was done."""
    made = dict(hospital) | {"stored_file": _file(session, tag)}
    for table in catalogue.patient_tables():
        made[table.name] = _row(session, table, tag, made)
    for subject in (f"patient:{made['patient']}", f"case:{made['feedback_case']}"):
        audit.record(session, "test.seen", now=NOW, subject=subject, reason=f"{tag}·audit")
    own = {table.name for table in catalogue.patient_tables()} | {"stored_file"}
    return {name: row_id for name, row_id in made.items() if name in own}


def _file(session: HospitalSession, tag: str) -> UUID:
    name, content = f"{tag}·file.txt", f"{tag}·content".encode()
    return files.put(session, data_key(session), name=name, media_type="text/plain", content=content, now=NOW)


def _row(session: HospitalSession, table: Table, tag: str, made: dict[str, UUID]) -> UUID:
    values: dict[str, Any] = {"tenant_id": session.tenant_id, "id": new_id()}
    pointers = {column: made[parent] for column, parent in catalogue.links(table) if parent in made}
    choices = _choices(table)
    for column in table.columns:
        if column.name not in values:
            values[column.name] = choices.get(column.name) or _value(session, column, tag)
    values |= pointers
    values |= SPECIAL.get(table.name, {})
    session.execute(insert(table).values(values))
    return UUID(str(values["id"]))


def _choices(table: Table) -> dict[str, str]:
    rules = [str(rule.sqltext) for rule in table.constraints if isinstance(rule, CheckConstraint)]
    return {column: first for rule in rules for column, first in ALLOWED.findall(rule)}


def _value(session: HospitalSession, column: Column[Any], tag: str) -> Any:
    words = mark(tag, column.table.name, column.name)
    kind = column.type
    if isinstance(kind, LargeBinary):
        return data_key(session).encrypt(words) if column.name.endswith("_cipher") else words.encode()
    if isinstance(kind, JSONB):
        return {"mark": words}
    for known, value in (
        (Boolean, False),
        (BigInteger, 1),
        (Numeric, Decimal("0.05")),
        (DateTime, NOW),
        (Date, DAY),
    ):
        if isinstance(kind, known):
            return value
    if isinstance(kind, ARRAY):
        return [new_id()]
    return words if kind.python_type is str else new_id()
