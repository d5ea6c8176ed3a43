"""The life of a file (数据导入), from its arrival to its end; the heavy work is `patients.intake_run`.

    mapping -> checking -> checked -> waiting -> running -> done -> undone
    and failed or stopped from any that is at work; checked and mapping can be discarded.

A list of an interface or a command skips the check when nobody will look at it: it begins as `waiting`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, text, update

from foundation import outbox
from foundation.database import HospitalSession
from foundation.files import StoredFile
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.web.errors import UserMistake
from patients import intake_labels, layouts, mapping, uploads
from patients.feeds.files import read_table
from patients.feeds.headers import Layout
from patients.feeds.table import Table
from patients.models import DataImport
from tenants.keys import data_key
from tenants.life import agreement

RUN_JOB = "patients.import_run"
AT_WORK = ("checking", "waiting", "running")
CAN_STOP = AT_WORK
CAN_TRY_AGAIN = ("failed", "stopped")
CAN_DISCARD = ("mapping", "checked", *CAN_TRY_AGAIN)
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
# As long as an import can be undone, somebody may ask what became of which row.
KEPT_FINISHED = timedelta(days=30)
GONE = mark("The file is not kept any more. Please send it again.")


class HeaderChanged(UserMistake):
    """The header is not the one of the last list, and nobody is there to ask."""


class NotNow(UserMistake):
    """The import is at another point of its life by now."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a file comes: `source` as the row names it, `by` whom, `now`.

    `columns` (field → heading) says which column is which; `accept_header` takes a changed header as it is
    recognised. With `go` it is imported without a look at its check. `ask` leaves open questions to a page;
    otherwise they are refusals. Without `hint` no worker is told: the caller does the work, and the tick
    finds it should the caller die.
    """

    source: str
    by: str
    now: datetime
    columns: Mapping[str, str] | None = None
    accept_header: bool = False
    go: bool = False
    ask: bool = False
    hint: bool = True


def receive(session: HospitalSession, content: bytes, name: str, arrival: Arrival) -> DataImport:
    """Take in one file: kept encrypted, with its row, and its work queued. The same file once more while the
    first is at work gives the first.

    Raises `UnreadableFile`, `HeaderChanged`, `NotAgreed` (PIPL 21) and `UserMistake`; then nothing is kept.
    """
    agreement.require(session, "care_followup", doing="patients.import", now=arrival.now)
    sha256 = hashlib.sha256(content).digest()
    session.execute(_ONE_AT_A_TIME, {"key": f"patients.receive:{session.tenant_id}:{sha256.hex()}"})
    first = _the_same(session, sha256, go=arrival.go)
    if first is not None:
        return first
    table = read_table(content, name)
    row = DataImport(
        tenant_id=session.tenant_id,
        id=new_id(),
        file_name=name,
        file_sha256=sha256,
        state="waiting" if arrival.go else "checking",
        source=arrival.source,
        header=list(layouts.headings(table.header)),
        imported_by=arrival.by,
        imported_at=arrival.now,
        attempt=0,
        **_nothing_yet(),
    )
    _read_header(session, row, table, arrival)
    row.file_id = uploads.keep(session, name, content, now=arrival.now)
    session.add(row)
    session.flush()
    if row.state in AT_WORK and arrival.hint:
        queue(session, row.id, now=arrival.now)
    return row


def queue(session: HospitalSession, import_id: UUID, *, now: datetime) -> None:
    """Hint that there is work with this import."""
    outbox.enqueue(session, RUN_JOB, now=now, tenant_id=str(session.tenant_id), import_id=str(import_id))


def _the_same(session: HospitalSession, sha256: bytes, *, go: bool) -> DataImport | None:
    states = ("waiting", "running") if go else ("mapping", "checking")
    return session.scalar(
        select(DataImport)
        .where(
            DataImport.tenant_id == session.tenant_id,
            DataImport.file_sha256 == sha256,
            DataImport.state.in_(states),
        )
        .order_by(DataImport.id)
        .limit(1)
    )


def _nothing_yet() -> dict[str, Any]:
    counts = dict.fromkeys(
        ("rows", "created", "updated", "unchanged", "rejected", "enrolled", "suppressed"), 0
    )
    return counts | {
        "layout": "",
        "visit": "inpatient",
        "columns": {},
        "warnings": {},
        "reject_reasons": {},
        "dropped_columns": [],
        "alarms": [],
        "failure": {},
        "phase": "",
        "progress": 0,
        "progress_of": 0,
    }


def _read_header(session: HospitalSession, row: DataImport, table: Table, arrival: Arrival) -> None:
    """Decide how the header is read, or what a person must be asked."""
    if arrival.columns:
        layout = layouts.by_hand(table.header, mapping.given(table.header, arrival.columns))
        layouts.remember(session, table.header, layout, hand=True, by=arrival.by, now=arrival.now)
        read_by(row, layout)
        return
    reading = layouts.read_header(session, table.header)
    if reading.layout is not None:
        read_by(row, reading.layout)
    if reading.change is not None:
        row.alarms = [reading.change.as_alarm()]
    if reading.sure:
        return
    if arrival.ask:
        if reading.fault is not None:
            row.alarms = [{"code": reading.fault.code, **reading.fault.params}, *row.alarms]
        row.state = "mapping"
        row.preview_cipher = sealed(session, {"examples": mapping.examples(table)})
        return
    if reading.fault is not None or reading.layout is None:
        raise reading.fault or HeaderChanged(intake_labels.alarm(row.alarms[0]))
    if not arrival.accept_header:
        raise HeaderChanged(intake_labels.alarm(row.alarms[0]))
    layouts.remember(session, table.header, reading.layout, hand=False, by=arrival.by, now=arrival.now)


def read_by(row: DataImport, layout: Layout) -> None:
    """Note on the row by which layout its file is read."""
    row.layout, row.visit = layout.code, layout.visit
    row.columns = layouts.named_columns(tuple(row.header), layout)


# ------------------------------------------------------------------------------------------- questions


def map_columns(
    session: HospitalSession, import_id: UUID, picks: Mapping[int, str], *, by: str, now: datetime
) -> DataImport:
    """A person said which column is which: remembered for the hospital, and the check begins.

    Raises `LookupError` for an unknown import, `NotNow`, `UserMistake`.
    """
    row = _locked(session, import_id, ("mapping",))
    header = tuple(row.header)
    layout = layouts.by_hand(header, mapping.chosen(header, picks))
    layouts.remember(session, header, layout, hand=True, by=by, now=now)
    read_by(row, layout)
    _check(session, row, now)
    return row


def accept_header(session: HospitalSession, import_id: UUID, *, by: str, now: datetime) -> DataImport:
    """A person looked at the changed header and lets it be read as recognised. Raises as `map_columns`."""
    row = _locked(session, import_id, ("mapping",))
    if not row.columns:
        raise NotNow(_("Please say which column is which."))
    header = tuple(row.header)
    layouts.remember(
        session, header, layout_of(row, header), hand=row.layout == layouts.BY_HAND, by=by, now=now
    )
    _check(session, row, now)
    return row


def layout_of(row: DataImport, header: tuple[str, ...]) -> Layout:
    """By which layout the row's file is read; raises `UnreadableFile`."""
    return layouts.written(header, row.layout, row.columns)


def _check(session: HospitalSession, row: DataImport, now: datetime) -> None:
    row.state, row.preview_cipher = "checking", None
    row.alarms = [alarm for alarm in row.alarms if alarm["code"] == layouts.HEADER_CHANGED]
    session.flush()
    queue(session, row.id, now=now)


# ------------------------------------------------------------------------------------------- decisions


def must_be_ticked(row: DataImport) -> bool:
    """Whether an alarm asks for a second look before the import; an accepted header had its look."""
    return any(alarm["code"] != layouts.HEADER_CHANGED for alarm in row.alarms)


def confirm(session: HospitalSession, import_id: UUID, *, despite_alarms: bool, now: datetime) -> DataImport:
    """Import the checked file; of two who say so at once both are right, and it is imported once.

    Raises `LookupError`, `NotNow`, `UserMistake` for alarms that nobody ticked.
    """
    row = _locked(session, import_id)
    if row.state in {"waiting", "running", "done"}:
        return row
    if row.state != "checked":
        raise NotNow(_("This list is not checked."))
    if must_be_ticked(row) and not despite_alarms:
        raise UserMistake(_("Please confirm that you have looked at the warnings above."))
    _begin_again(row, "waiting")
    session.flush()
    queue(session, row.id, now=now)
    return row


def stop(session: HospitalSession, import_id: UUID, *, now: datetime) -> DataImport:
    """Ask an import to stop; nothing of it is kept. Raises `LookupError`, `NotNow` when it is over."""
    row = _locked(session, import_id, CAN_STOP)
    row.stop_asked_at = row.stop_asked_at or now
    if row.lease_until is None:
        row.state, row.finished_at = "stopped", now
    session.flush()
    return row


def try_again(session: HospitalSession, import_id: UUID, *, now: datetime) -> DataImport:
    """Check a failed or stopped file once more. Raises `LookupError`, `NotNow`."""
    row = _locked(session, import_id, CAN_TRY_AGAIN)
    if row.file_id is None:
        raise NotNow(_(GONE))
    _begin_again(row, "checking")
    session.flush()
    queue(session, row.id, now=now)
    return row


def _begin_again(row: DataImport, state: str) -> None:
    row.state, row.failure, row.finished_at = state, {}, None
    row.stop_asked_at = row.lease_until = None
    row.phase, row.progress, row.progress_of = "", 0, 0


def discard(session: HospitalSession, import_id: UUID) -> None:
    """Drop a file that is not imported, and its row. Raises `LookupError`, `NotNow`."""
    row = _locked(session, import_id, CAN_DISCARD)
    _drop(session, [row.id], files_of(row))


def files_of(row: DataImport) -> list[UUID]:
    """The stored files of an import."""
    return [found for found in (row.file_id, row.verdicts_file_id, row.rejected_file_id) if found is not None]


def _drop(session: HospitalSession, import_ids: list[UUID], file_ids: list[UUID]) -> None:
    session.execute(
        delete(DataImport).where(DataImport.tenant_id == session.tenant_id, DataImport.id.in_(import_ids))
    )
    drop_files(session, file_ids)


def drop_files(session: HospitalSession, file_ids: list[UUID]) -> None:
    """Drop stored files that nothing points at any more."""
    session.execute(
        delete(StoredFile).where(StoredFile.tenant_id == session.tenant_id, StoredFile.id.in_(file_ids))
    )


def drop_old(session: HospitalSession, *, now: datetime) -> int:
    """Drop files that wait for a person since a day (GB/T 22239: no residual information): one that was
    never imported goes with its row, a failed one keeps its row. Returns how many files.
    """
    rows = session.scalars(
        select(DataImport)
        .where(
            DataImport.tenant_id == session.tenant_id,
            DataImport.state.in_(CAN_DISCARD),
            DataImport.file_id.is_not(None),
            DataImport.imported_at < now - uploads.KEPT_FOR,
        )
        .with_for_update(skip_locked=True)
    ).all()
    never = [row for row in rows if row.state in {"mapping", "checked"}]
    file_ids = [file_id for row in rows for file_id in files_of(row)]
    session.execute(
        update(DataImport)
        .where(DataImport.tenant_id == session.tenant_id, DataImport.id.in_([row.id for row in rows]))
        .values(file_id=None, verdicts_file_id=None, rejected_file_id=None, preview_cipher=None)
    )
    _drop(session, [row.id for row in never], file_ids)
    return len(rows)


def drop_finished(session: HospitalSession, *, now: datetime) -> int:
    """Drop what is kept of lists that are over since 30 days: rejected rows, verdicts, uploads (PIPL 19).

    The import keeps its counts. Returns how many imports lost their files.
    """
    over = func.coalesce(DataImport.finished_at, DataImport.imported_at) < now - KEPT_FINISHED
    kept = (DataImport.file_id, DataImport.verdicts_file_id, DataImport.rejected_file_id)
    rows = session.scalars(
        select(DataImport)
        .where(
            DataImport.tenant_id == session.tenant_id,
            DataImport.state.not_in(AT_WORK),
            or_(*(column.is_not(None) for column in kept)),
            over,
        )
        .with_for_update(skip_locked=True)
    ).all()
    file_ids = [file_id for row in rows for file_id in files_of(row)]
    session.execute(
        update(DataImport)
        .where(DataImport.tenant_id == session.tenant_id, DataImport.id.in_([row.id for row in rows]))
        .values(file_id=None, verdicts_file_id=None, rejected_file_id=None, preview_cipher=None)
    )
    drop_files(session, file_ids)
    return len(rows)


# ------------------------------------------------------------------------------------------- rows


def _locked(session: HospitalSession, import_id: UUID, states: tuple[str, ...] | None = None) -> DataImport:
    row = session.scalar(
        select(DataImport)
        .where(DataImport.tenant_id == session.tenant_id, DataImport.id == import_id)
        # Not against the rows that a running import writes beside it: whoever stops it does not wait for it.
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise LookupError(str(import_id))
    if states is not None and row.state not in states:
        raise NotNow(_("This import is at another step by now. Load the page again and look."))
    return row


def sealed(session: HospitalSession, values: Any) -> bytes:
    """What a page shows of a file until it is over, encrypted."""
    return data_key(session).encrypt(json.dumps(values, ensure_ascii=False))


def shown(session: HospitalSession, row: DataImport) -> dict[str, Any]:
    """What `sealed` kept for the page; empty when there is nothing."""
    if row.preview_cipher is None:
        return {}
    found: dict[str, Any] = json.loads(data_key(session).decrypt(row.preview_cipher))
    return found
