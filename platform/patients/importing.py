"""Taking in a list (数据导入): what it brings is compared with what is there, and the difference is written.

rows = created + updated + unchanged + rejected, always; the same list again is all unchanged. A dry run gives
the same report and writes nothing. Two imports of one hospital follow each other. Rows go through this
process a chunk at a time, so its memory does not grow with the list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, select, text

from foundation import audit, files
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.encryption import DataKey
from foundation.ids import new_id
from patients import (
    duplicates,
    feed_deaths,
    matching,
    merging,
    other_people,
    revivals,
    staging,
    trail,
    verdicts,
)
from patients.enrolment import enrol
from patients.feeds.files import read_table
from patients.feeds.headers import Layout, recognise
from patients.feeds.messages import UnreadableFile
from patients.feeds.records import scan
from patients.feeds.returns import returned_filename, write_rejected
from patients.feeds.senders import is_other, named_hospital
from patients.feeds.table import Table
from patients.import_report import DEATH_TAKEN_BACK, OTHER_HOSPITAL, ImportReport, fill
from patients.models import (
    ContactPoint,
    DataImport,
    DataProblem,
    Encounter,
    Enrolment,
    Patient,
    Suppression,
)
from patients.preview import Preview, SampleRow
from patients.stopped import standing, stopped
from patients.suppression import suppress_many
from tenants.keys import data_key
from tenants.life import agreement
from tenants.models import Hospital

ENROLLED_AT_ONCE = 20_000  # patients
MOST_READINGS = 5
MEDIA_TYPES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
WRITTEN = (Patient, ContactPoint, Encounter, Enrolment, Suppression, DataProblem)
Progress = Callable[[str, int, int], None]
_SERIALISE = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


class Unsettled(RuntimeError):
    """People of the hospital were restricted, erased or merged at every reading: to be tried again later."""


def _as_written(message: str) -> str:
    return message


def _unseen(_phase: str, _done: int, _of: int) -> None:
    pass


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
    source: str = "upload",
    progress: Progress = _unseen,
) -> ImportReport:
    """Take in one file; all of it or nothing. The import's own row is made here (see `take_in`).

    `columns` maps fields to headings by hand where the header is not known; `translate` is for the files of
    rejected rows and of verdicts. Columns of a kind of data that the hospital's agreement does not name are
    dropped, and the report names them. Raises `patients.feeds.messages.UnreadableFile`, and
    `tenants.life.agreement.NotAgreed` (PIPL 21); then nothing is written.
    """
    agreement.require(session, "care_followup", doing="patients.import", now=now)
    table = read_table(content, file_name)
    layout = Layout.by_hand(table.header, columns) if columns else recognise(table.header)
    row = new_import(session, content, file_name, by=by, now=now, source=source)
    with session.begin_nested():
        return take_in(
            session, table, layout, row=row, now=now, dry_run=dry_run, progress=progress, translate=translate
        )


def new_import(
    session: HospitalSession, content: bytes, file_name: str, *, by: str, now: datetime, source: str
) -> DataImport:
    """A row for one file that is to be taken in, not yet in the session; `take_in` fills it in."""
    return DataImport(
        tenant_id=session.tenant_id,
        id=new_id(),
        file_name=file_name,
        file_sha256=hashlib.sha256(content).digest(),
        layout="",
        rows=0,
        created=0,
        updated=0,
        unchanged=0,
        rejected=0,
        warnings={},
        reject_reasons={},
        dropped_columns=[],
        imported_by=by,
        imported_at=now,
        source=source,
    )


def take_in(
    session: HospitalSession,
    table: Table,
    layout: Layout,
    *,
    row: DataImport,
    now: datetime,
    dry_run: bool = False,
    progress: Progress = _unseen,
    translate: Callable[[str], str] = _as_written,
) -> ImportReport:
    """Take in one table, whatever it was made of: the one way in for files, feeds, programs and commands.

    `row` is the caller's. What became of the table is filled in on it at the very end (counts, warnings,
    reasons, header, alarms, and the files of rejected rows and of verdicts); until then this transaction does
    not change it, so the caller may write its progress from another. A dry run fills in the counts and alarms
    and writes nothing else: its verdicts come back in the report.

    `progress` is called between statements with the phase (`reading`, `comparing`, `writing`), rows done and
    rows in all (about); what it raises stops the import, and the transaction is to be rolled back. Raises
    `patients.feeds.messages.UnreadableFile`, and `tenants.life.agreement.NotAgreed` (PIPL 21); then, too.
    """
    terms = agreement.require(session, "care_followup", doing="patients.import", now=now)
    agreed = layout.within(table.header, terms.fields)
    session.flush()
    follow_each_other(session)
    key = data_key(session)
    work = _Import(session, table, agreed, row, now, progress, translate, dry_run, key)
    if not dry_run:
        return work.run()
    savepoint = session.begin_nested()
    try:
        report = work.run()
    finally:
        savepoint.rollback()
    fill(row, table, report)
    return report


def follow_each_other(session: HospitalSession) -> None:
    """Wait for another import of this hospital, or its undo, and keep the next one waiting."""
    session.execute(_SERIALISE, {"key": f"patients.import:{session.tenant_id}"})


@dataclass(slots=True)
class _Import:
    """One list on its way in."""

    session: HospitalSession
    table: Table
    layout: Layout
    row: DataImport
    now: datetime
    progress: Progress
    translate: Callable[[str], str]
    dry: bool
    key: DataKey
    steps: int = 0
    preview: Preview | None = None
    alarms: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> ImportReport:
        """Read, compare, write, and say what was done; in a dry run the caller rolls it all back."""
        if not inspect(self.row).persistent:
            self.session.add(self.row)
        self.session.flush()
        staged, counts = self._settled()
        with staging.sized_for(self.session, staged.rows):
            suppressed, enrolled = self._write(staged.rows) if counts.changes else (0, 0)
            report = self._report(staged, counts, suppressed, enrolled)
        staging.unstage(self.session)
        merging.reload(self.session, *WRITTEN)
        if not self.dry:
            fill(self.row, self.table, report)
            self.session.flush()
            self._record(report)
        return report

    def _settled(self) -> tuple[staging.Staging, verdicts.Counts]:
        """The rows read and compared, and the records that they change locked.

        Who is restricted, erased or merged while the list is read would be written back by it: then it is
        read once more. Raises `Unsettled` when that does not end.
        """
        for _reading in range(MOST_READINGS):
            before = standing(self.session)
            staged = self._read()
            with staging.sized_for(self.session, staged.rows):
                counts = self._compare(staged)
            if not counts.changes or standing(self.session) == before:
                return staged, counts
        raise Unsettled

    def _compare(self, staged: staging.Staging) -> verdicts.Counts:
        self.progress("comparing", 0, staged.rows)
        for warnings in other_people.refuse(self.session):
            staged.reasons[other_people.REASON] += 1
            staged.warnings.subtract(warnings)
        counts = verdicts.judge(self.session)
        self.progress("comparing", staged.rows, staged.rows)
        if counts.changes:
            matching.match(self.session)
            merging.lock(self.session)
        return counts

    def _read(self) -> staging.Staging:
        self.alarms = []
        if self.dry:
            self.preview = Preview(self.session, self.key, self.layout.visit)
        staged = staging.Staging(self.session, self.key, self.layout.visit, stopped(self.session))
        about = self.table.rows.about
        self.progress("reading", 0, about)
        rows = scan(self.table, self.layout, local_date(self.now))
        while chunk := list(islice(rows, staging.CHUNK)):
            if self.preview is not None:
                self.preview.see(chunk)
            staged.take(chunk)
            self.progress("reading", staged.rows, max(about, staged.rows))
        if not staged.rows:
            raise UnreadableFile("no_rows")
        self._look_at_the_sender()
        return staged

    def _look_at_the_sender(self) -> None:
        titles = tuple(self.table.rows.skipped)  # before the rows are begun anew
        named = named_hospital(self.table, titles)
        ours = self.session.scalar(select(Hospital.name).where(Hospital.tenant_id == self.session.tenant_id))
        if named and is_other(named, ours or ""):
            self.alarms.append({"code": OTHER_HOSPITAL, "name": named})

    def _write(self, rows: int) -> tuple[int, int]:
        """Write what changed; returns how many were suppressed and enrolled."""
        session, now, import_id = self.session, self.now, self.row.id

        def step() -> None:
            self.progress("writing", rows * self.steps // (merging.STEPS + 3), rows)
            self.steps += 1

        revived = revivals.taken_back(session)
        if revived:
            self.alarms.append({"code": DEATH_TAKEN_BACK, "count": len(revived)})
        trail.look(session)
        merging.merge(session, import_id, self.layout.visit, now=now, step=step)
        step()
        touched = merging.touched_patients(session)
        dead = merging.deceased_patients(session)
        suppressed = suppress_many(session, dead, "deceased", source="import", now=now)
        trail.keep(session, import_id, "suppression", trail.deaths(session, suppressed))
        feed_deaths.settle(session, merging.spoken_of(session), (), now=now)
        known = trail.enrolments(session, revived)
        revivals.lift(session, revived, now=now)
        enrolled = trail.keep_enrolments(session, import_id, revived, known)
        for start in range(0, len(touched), ENROLLED_AT_ONCE):  # a part at a time, for the memory
            begun = enrol(session, touched[start : start + ENROLLED_AT_ONCE], now=now)
            enrolled = trail.keep_enrolments(session, import_id, begun, set()) or enrolled
        step()
        mark = trail.mark(session)
        duplicates.find(session, touched, now=now)
        trail.keep(session, import_id, "possible_duplicate", trail.pairs_since(session, mark))
        step()
        if not self.dry:
            trail.keep_images(session, self.key, import_id)
            self._note_deaths(suppressed)
        return len(suppressed), enrolled

    def _note_deaths(self, suppressed: list[UUID]) -> None:
        if suppressed:
            audit.record(
                self.session,
                "patients.suppressed",
                now=self.now,
                subject=f"import:{self.row.id}",
                reason="deceased",
                detail={"source": "import", "patients": [str(patient) for patient in suppressed]},
            )

    def _report(
        self, staged: staging.Staging, counts: verdicts.Counts, suppressed: int, enrolled: int
    ) -> ImportReport:
        reasons = verdicts.reasons(self.session)
        listed = verdicts.write(self.session, self.translate)
        superseded = {verdicts.SUPERSEDED: counts.superseded} if counts.superseded else {}
        return ImportReport(
            rows=staged.rows,
            created=counts.created,
            updated=counts.updated,
            unchanged=counts.unchanged,
            rejected=counts.rejected,
            warnings=dict(+staged.warnings) | superseded,
            reject_reasons=dict(staged.reasons),
            layout=self.layout.code,
            visit=self.layout.visit,
            dropped_columns=self.layout.dropped,
            suppressed=suppressed,
            enrolled=enrolled,
            import_id=None if self.dry else self.row.id,
            rejected_file_id=self._keep_rejected(reasons),
            verdicts_file_id=None if self.dry else self._keep("verdicts.csv", verdicts.MEDIA_TYPE, listed),
            header=self.table.header,
            alarms=tuple(self.alarms),
            verdicts=listed if self.dry else b"",
            sample=self._sample(reasons),
            refused=reasons,
        )

    def _sample(self, reasons: dict[int, str]) -> tuple[SampleRow, ...]:
        if self.preview is None:
            return ()
        said = verdicts.of_rows(self.session, self.preview.row_numbers)
        return self.preview.rows(self.table, said, reasons)

    def _keep_rejected(self, reasons: dict[int, str]) -> UUID | None:
        if self.dry or not reasons:
            return None
        return self._keep(
            returned_filename(self.row.file_name, self.table.kind),
            MEDIA_TYPES["csv" if self.table.kind == "csv" else "xlsx"],
            write_rejected(self.table, reasons, self.translate),
        )

    def _keep(self, name: str, media_type: str, content: bytes) -> UUID:
        return files.put(
            self.session, self.key, name=name, media_type=media_type, content=content, now=self.now
        )

    def _record(self, report: ImportReport) -> None:
        counts = report.as_dict()
        names = ("rows", "created", "updated", "unchanged", "rejected", "suppressed", "enrolled")
        audit.record(
            self.session,
            "patients.imported",
            now=self.now,
            subject=f"import:{self.row.id}",
            detail={name: counts[name] for name in names} | {"sha256": self.row.file_sha256.hex()},
        )
