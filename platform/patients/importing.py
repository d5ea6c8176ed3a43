"""Taking in a file (数据导入): what it brings is compared with what is there, and the difference is written.

rows = created + updated + unchanged + rejected, always; the same file again is all unchanged. A dry run gives
the same report and writes nothing. Two imports of one hospital follow each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from foundation import audit, files
from foundation.database import HospitalSession
from foundation.encryption import DataKey
from foundation.ids import new_id
from patients import merging, staging
from patients.enrolment import enrol
from patients.feeds.files import read_table
from patients.feeds.headers import Layout, recognise
from patients.feeds.records import Parsed, Record, Rejected, parse
from patients.feeds.returns import returned_filename, write_rejected
from patients.models import (
    ContactPoint,
    DataImport,
    DataProblem,
    Encounter,
    Enrolment,
    Patient,
    Suppression,
)
from patients.stopped import stopped
from patients.suppression import suppress_many
from tenants.keys import data_key
from tenants.life import agreement

SAMPLE_ROWS = 20
SUPERSEDED = "superseded"  # a warning of the file: of several rows for one encounter the last counts
MEDIA_TYPES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
WRITTEN = (Patient, ContactPoint, Encounter, Enrolment, Suppression, DataProblem)
_SERIALISE = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A row of the file as sent and as understood; `reason` when it was rejected (then `record` is None)."""

    row_number: int
    cells: tuple[str, ...]
    record: Record | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file: rows = created + updated + unchanged + rejected.

    `warnings` and `reject_reasons` count rows by code (`labels`). `import_id` and `rejected_file_id` are None
    after a dry run, the latter also when no row was rejected. `sample` holds a dry run's first 20 rows.
    """

    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    warnings: dict[str, int]
    reject_reasons: dict[str, int]
    layout: str
    visit: str
    dropped_columns: tuple[str, ...]
    suppressed: int
    enrolled: int
    import_id: UUID | None = None
    rejected_file_id: UUID | None = None
    header: tuple[str, ...] = ()
    sample: tuple[SampleRow, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The counts by name, for the command line and the API; no person's data."""
        return {
            "rows": self.rows,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "warnings": self.warnings,
            "reject_reasons": self.reject_reasons,
            "layout": self.layout,
            "visit": self.visit,
            "dropped_columns": list(self.dropped_columns),
            "suppressed": self.suppressed,
            "enrolled": self.enrolled,
            "import_id": str(self.import_id) if self.import_id else None,
            "rejected_file_id": str(self.rejected_file_id) if self.rejected_file_id else None,
        }


def _as_written(message: str) -> str:
    return message


def import_file(
    session: HospitalSession,
    content: bytes,
    file_name: str,
    *,
    by: str,
    now: datetime,
    dry_run: bool = False,
    columns: Mapping[str, str] | None = None,
    translate: Callable[[str], str] = _as_written,
) -> ImportReport:
    """Take in one file; all of it or nothing.

    `columns` maps fields to headings by hand where the header is not known; `translate` is for the file of
    rejected rows. Columns of a kind of data that the hospital's agreement does not name are dropped, and the
    report names them. Raises `patients.feeds.messages.UnreadableFile`, and `tenants.life.agreement.NotAgreed`
    (PIPL 21); then nothing is written.
    """
    terms = agreement.require(session, "care_followup", doing="patients.import", now=now)
    table = read_table(content, file_name)
    layout = Layout.by_hand(table.header, columns) if columns else recognise(table.header)
    parsed = parse(table, layout.within(table.header, terms.fields))
    work = _Import(session, parsed, content, file_name, by, now, translate)
    if not dry_run:
        return work.run()
    savepoint = session.begin_nested()
    try:
        return work.run(dry=True)
    finally:
        savepoint.rollback()


@dataclass(frozen=True, slots=True)
class _Import:
    """One file on its way in."""

    session: HospitalSession
    parsed: Parsed
    content: bytes
    file_name: str
    by: str
    now: datetime
    translate: Callable[[str], str]

    def run(self, *, dry: bool = False) -> ImportReport:
        """Compare, write, and say what was done. A dry run stops before the trail; its caller rolls back."""
        self.session.flush()
        self.session.execute(_SERIALISE, {"key": f"patients.import:{self.session.tenant_id}"})
        with staging.sized_for(self.session, len(self.parsed.records)):
            return self._write(dry=dry)

    def _write(self, *, dry: bool) -> ImportReport:
        key = data_key(self.session)
        spared = _without_stopped(self.session, key, self.parsed)
        if spared is not self.parsed:
            return replace(self, parsed=spared)._compare(key, dry=dry)
        return self._compare(key, dry=dry)

    def _compare(self, key: DataKey, *, dry: bool) -> ImportReport:
        comparison = staging.compare(self.session, key, self.parsed.records)
        row = self._keep_import(comparison, dry=dry)
        suppressed: list[UUID] = []
        enrolled: list[UUID] = []
        if comparison.changes:
            staging.stage(self.session, key, comparison.changes)
            merging.merge(self.session, row.id, self.now)
            dead = merging.deceased_patients(self.session)
            suppressed = suppress_many(self.session, dead, "deceased", source="import", now=self.now)
            enrolled = enrol(self.session, merging.touched_patients(self.session), now=self.now)
            staging.unstage(self.session)
            merging.reload(self.session, *WRITTEN)
        report = self._report(row, comparison, len(suppressed), len(enrolled), dry=dry)
        if not dry:
            self._leave_trail(row, report, suppressed)
        return report

    def _keep_import(self, comparison: staging.Comparison, *, dry: bool) -> DataImport:
        rejected_file_id = None
        if self.parsed.rejected and not dry:
            rejected_file_id = files.put(
                self.session,
                data_key(self.session),
                name=returned_filename(self.file_name, self.parsed),
                media_type=MEDIA_TYPES["csv" if self.parsed.kind == "csv" else "xlsx"],
                content=write_rejected(self.parsed, self.translate),
                now=self.now,
            )
        row = DataImport(
            tenant_id=self.session.tenant_id,
            id=new_id(),
            file_name=self.file_name,
            file_sha256=hashlib.sha256(self.content).digest(),
            layout=self.parsed.layout.code,
            rows=self.parsed.rows,
            created=comparison.created,
            updated=comparison.updated,
            unchanged=comparison.unchanged,
            rejected=len(self.parsed.rejected),
            warnings=_warnings(self.parsed, comparison),
            reject_reasons=self.parsed.rejected_by_reason,
            dropped_columns=list(self.parsed.dropped_columns),
            rejected_file_id=rejected_file_id,
            imported_by=self.by,
            imported_at=self.now,
        )
        self.session.add(row)
        self.session.flush()
        return row

    def _report(
        self, row: DataImport, comparison: staging.Comparison, suppressed: int, enrolled: int, *, dry: bool
    ) -> ImportReport:
        return ImportReport(
            rows=self.parsed.rows,
            created=comparison.created,
            updated=comparison.updated,
            unchanged=comparison.unchanged,
            rejected=len(self.parsed.rejected),
            warnings=_warnings(self.parsed, comparison),
            reject_reasons=self.parsed.rejected_by_reason,
            layout=self.parsed.layout.code,
            visit=self.parsed.layout.visit,
            dropped_columns=self.parsed.dropped_columns,
            suppressed=suppressed,
            enrolled=enrolled,
            import_id=None if dry else row.id,
            rejected_file_id=row.rejected_file_id,
            header=self.parsed.header,
            sample=_sample(self.content, self.file_name, self.parsed) if dry else (),
        )

    def _leave_trail(self, row: DataImport, report: ImportReport, suppressed: list[UUID]) -> None:
        subject = f"import:{row.id}"
        if suppressed:
            audit.record(
                self.session,
                "patients.suppressed",
                now=self.now,
                subject=subject,
                reason="deceased",
                detail={"source": "import", "patients": [str(patient) for patient in suppressed]},
            )
        counts = report.as_dict()
        audit.record(
            self.session,
            "patients.imported",
            now=self.now,
            subject=subject,
            detail={
                name: counts[name]
                for name in ("rows", "created", "updated", "unchanged", "rejected", "suppressed", "enrolled")
            }
            | {"sha256": row.file_sha256.hex()},
        )


def _without_stopped(session: HospitalSession, key: DataKey, parsed: Parsed) -> Parsed:
    """The file without the patients who had themselves restricted or erased (PIPL 47).

    Their rows are counted as rejected, and come back without a word of what the file says of them.
    """
    known = stopped(session)
    reasons = {record.row_number: known.reason(key, record) for record in parsed.records}
    refused = [Rejected(number, reason, ()) for number, reason in reasons.items() if reason is not None]
    if not refused:
        return parsed
    return replace(
        parsed,
        records=[record for record in parsed.records if reasons[record.row_number] is None],
        rejected=sorted([*parsed.rejected, *refused], key=lambda row: row.row_number),
    )


def _warnings(parsed: Parsed, comparison: staging.Comparison) -> dict[str, int]:
    if comparison.superseded:
        return parsed.warnings | {SUPERSEDED: comparison.superseded}
    return parsed.warnings


def _sample(content: bytes, file_name: str, parsed: Parsed) -> tuple[SampleRow, ...]:
    """The first rows as sent beside what was understood (SC-53), read once more from the file."""
    records = {record.row_number: record for record in parsed.records[:SAMPLE_ROWS]}
    reasons = {rejected.row_number: rejected.reason for rejected in parsed.rejected[:SAMPLE_ROWS]}
    sample: list[SampleRow] = []
    for number, cells in read_table(content, file_name).rows:
        sample.append(SampleRow(number, cells, records.get(number), reasons.get(number)))
        if len(sample) == SAMPLE_ROWS:
            break
    return tuple(sample)
