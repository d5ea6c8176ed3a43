"""Rows of feeds on their way through the one import: many small ones stand as one import for each day."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, text

from foundation.calendar import local_date, local_day_start
from foundation.database import HospitalSession
from foundation.files import StoredFile
from foundation.ids import new_id
from patients import importing
from patients.feeds.headers import Visit
from patients.feeds.tables_of_fields import of_fields
from patients.import_report import ImportReport
from patients.models import DataImport

LAYOUTS = {"hl7": "hl7v2", "fhir": "fhir_r4", "json": "json"}
COUNTS = ("rows", "created", "updated", "unchanged", "rejected", "suppressed", "enrolled")

_ENCOUNTERS = text("""
    UPDATE encounter SET import_id = :day WHERE tenant_id = :tenant_id AND import_id = :part
""")
_TRAIL = text("""
    INSERT INTO import_trail (tenant_id, id, import_id, table_name, row_ids)
    SELECT tenant_id, uuidv7(), :day, table_name, row_ids FROM import_trail
    WHERE tenant_id = :tenant_id AND import_id = :part
    ON CONFLICT (tenant_id, import_id, table_name) DO UPDATE
    SET row_ids = ARRAY(SELECT unnest(import_trail.row_ids) UNION SELECT unnest(excluded.row_ids))
""")
# The first image of a row in a day is what it was before; a row that the day itself made had no before.
_BEFORE = text("""
    UPDATE import_before b SET import_id = :day
    WHERE b.tenant_id = :tenant_id AND b.import_id = :part
      AND NOT EXISTS (
            SELECT 1 FROM import_before k WHERE k.tenant_id = :tenant_id AND k.import_id = :day
               AND k.table_name = b.table_name AND k.row_id = b.row_id)
      AND NOT EXISTS (
            SELECT 1 FROM import_trail t WHERE t.tenant_id = :tenant_id AND t.import_id = :day
               AND t.table_name = b.table_name AND b.row_id = ANY (t.row_ids))
""")
_GONE = tuple(
    text(f"DELETE FROM {table} WHERE tenant_id = :tenant_id AND {column} = :part")  # noqa: S608 - texts of ours
    for table, column in (
        ("import_before", "import_id"),
        ("import_trail", "import_id"),
        ("data_import", "id"),
    )
)


@dataclass(frozen=True, slots=True)
class Took:
    """What became of some rows: counts by name, and why which of them (from 0) were rejected."""

    counts: Mapping[str, int]
    rejected: Mapping[int, str]


def day_row(session: HospitalSession, kind: str, name: str, *, now: datetime) -> DataImport:
    """The import of this feed and this day in China, made with its first row."""
    importing.follow_each_other(session)
    called = f"{LAYOUTS[kind]} {name} {local_date(now):%Y-%m-%d}"
    found = session.scalar(
        select(DataImport)
        .where(
            DataImport.tenant_id == session.tenant_id,
            DataImport.source == kind,
            DataImport.file_name == called,
            DataImport.imported_at >= local_day_start(local_date(now)),
            DataImport.state == "done",
        )
        .order_by(DataImport.id.desc())
        .limit(1)
    )
    return found or batch_row(session, kind, called, now=now)


def batch_row(session: HospitalSession, kind: str, called: str, *, now: datetime) -> DataImport:
    """An import of its own, for one bundle or one list."""
    importing.follow_each_other(session)
    row = importing.new_import(
        session, called.encode(), called, by=session.scope.actor.name, now=now, source=kind
    )
    row.layout = LAYOUTS[kind]
    row.file_sha256 = hashlib.sha256(row.id.bytes).digest()
    for field in ("suppressed", "enrolled"):
        setattr(row, field, 0)
    session.add(row)
    session.flush()
    session.refresh(row)
    return row


def take(
    session: HospitalSession,
    target: DataImport,
    rows: Sequence[Mapping[str, str]],
    visit: Visit,
    *,
    now: datetime,
) -> Took:
    """Take in rows of one kind of visit by the one import, and count them on `target`."""
    table, layout = of_fields(rows, visit)
    part = importing.new_import(
        session, b"", target.file_name, by=target.imported_by, now=now, source=target.source
    )
    part.id = new_id()
    report = importing.take_in(session, table, layout, row=part, now=now)
    counts = {name: int(getattr(report, name)) for name in COUNTS}
    files = [one for one in (report.rejected_file_id, report.verdicts_file_id) if one is not None]
    _absorb(session, target, part, report)
    session.execute(
        delete(StoredFile).where(StoredFile.tenant_id == session.tenant_id, StoredFile.id.in_(files))
    )
    return Took(counts, {row_number - 1: reason for row_number, reason in report.refused.items()})


def _absorb(session: HospitalSession, target: DataImport, part: DataImport, report: ImportReport) -> None:
    """Let the larger import stand for the small one: its counts, its trail, its images."""
    session.flush()
    ids = {"tenant_id": session.tenant_id, "day": target.id, "part": part.id}
    for statement in (_ENCOUNTERS, _TRAIL, _BEFORE, *_GONE):
        session.execute(statement, ids)
    session.expunge(part)
    for name in COUNTS:
        setattr(target, name, getattr(target, name) + getattr(report, name))
    target.warnings = _sum(target.warnings, report.warnings)
    target.reject_reasons = _sum(target.reject_reasons, report.reject_reasons)
    target.dropped_columns = sorted({*target.dropped_columns, *report.dropped_columns})
    target.visit = report.visit
    target.finished_at = part.imported_at
    session.flush()


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {code: one.get(code, 0) + other.get(code, 0) for code in {**one, **other}}
