"""The heavy part of an import's life: the check and the import itself, by whoever claims the row first.

A run holds the row by a lease that it renews; one whose worker was killed is taken over when the lease has
run out. The import is one transaction, whose last statement sets the row to done only while the run is still
the one that counts: nothing is half written, and nothing twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Engine, and_, exists, or_, select, text, update

from foundation import files
from foundation.clock import Clock
from foundation.database import Database, HospitalSession
from foundation.languages import gettext
from foundation.scope import HospitalScope
from patients import importing, intake, intake_view, layouts, receiving, uploads
from patients.feeds.files import read_table
from patients.feeds.headers import Layout
from patients.feeds.messages import UnreadableFile
from patients.import_report import ImportReport
from patients.models import DataImport
from tenants.keys import data_key
from tenants.life.agreement import NotAgreed

LEASE = timedelta(seconds=90)
RENEWED_EVERY = 20.0  # seconds, by the machine's own clock
TOLD_EVERY = 0.5
# A file that killed so many workers is not given to another.
MOST_TAKEOVERS = 3
Listener = Callable[[str, int, int], None]
log = structlog.get_logger()


class StopAsked(Exception):
    """Somebody asked this import to stop."""


class Superseded(Exception):
    """This run was given up for dead, and another has taken over."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that may work: which import, its how-manieth run, and whether it only checks."""

    import_id: UUID
    attempt: int
    dry: bool


def run(
    database: Database,
    scope: HospitalScope,
    import_id: UUID,
    *,
    clock: Clock,
    listen: Listener | None = None,
) -> bool:
    """Check or import this file if it is its turn; returns whether this call did.

    What is wrong with the file ends in the state `failed`, with the reason; what is wrong with the
    machine raises, and the row is taken up again when the lease has run out.
    """
    with database.hospital(scope) as session:
        claim = claimed(session, import_id, now=clock.now())
    if claim is None:
        return False
    pulse = Pulse(database, scope, claim, clock, listen)
    try:
        with pulse.beating():
            _work(pulse)
    except UnreadableFile as error:
        _end(pulse, "failed", {"code": error.code, **error.params})
    except NotAgreed:
        _end(pulse, "failed", {"code": "not_agreed"})
    except receiving.HospitalPaused:
        _end(pulse, "failed", {"code": receiving.PAUSED})
    except StopAsked:
        _end(pulse, "stopped", {})
    except Superseded:
        log.warning("import superseded", import_id=str(import_id), attempt=claim.attempt)
    _next(pulse)
    return True


# ------------------------------------------------------------------------------------------- claims

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


def claimed(session: HospitalSession, import_id: UUID, *, now: datetime) -> Claim | None:
    """Take this import for a run; None when it is not its turn, not due, or over.

    The imports of one hospital follow each other.
    """
    session.execute(_ONE_AT_A_TIME, {"key": f"patients.claim:{session.tenant_id}"})
    row = session.scalar(
        select(DataImport)
        .where(DataImport.tenant_id == session.tenant_id, DataImport.id == import_id, _due(now))
        .with_for_update(skip_locked=True, key_share=True)
    )
    if row is None or _another_runs(session, import_id, now):
        return None
    lost = int(row.failure.get("lost", 0)) + (row.lease_until is not None)
    over = row.stop_asked_at is not None or lost >= MOST_TAKEOVERS
    if over:
        row.state = "stopped" if row.stop_asked_at is not None else "failed"
        row.failure = {} if row.state == "stopped" else {"code": "gave_up"}
        row.lease_until, row.finished_at = None, now
        return None
    dry = row.state == "checking"
    row.state = "checking" if dry else "running"
    row.failure = {"lost": lost} if lost else {}
    row.attempt += 1
    row.lease_until = now + LEASE
    row.phase, row.progress, row.progress_of = "reading", 0, 0
    session.flush()
    return Claim(row.id, row.attempt, dry)


def due(session: HospitalSession, *, now: datetime) -> list[UUID]:
    """The imports that nobody works on, the oldest first."""
    query = select(DataImport.id).where(DataImport.tenant_id == session.tenant_id, _due(now))
    return list(session.scalars(query.order_by(DataImport.id)))


def _due(now: datetime) -> Any:
    free = or_(DataImport.lease_until.is_(None), DataImport.lease_until <= now)
    return and_(DataImport.state.in_(intake.AT_WORK), DataImport.file_id.is_not(None), free)


def _another_runs(session: HospitalSession, import_id: UUID, now: datetime) -> bool:
    at_work = exists().where(
        DataImport.tenant_id == session.tenant_id,
        DataImport.id != import_id,
        DataImport.state.in_(intake.AT_WORK),
        DataImport.lease_until > now,
    )
    return bool(session.scalar(select(at_work)))


# ------------------------------------------------------------------------------------------- alive


@dataclass
class Pulse:
    """A run's sign of life and its progress, in short transactions of their own."""

    database: Database
    scope: HospitalScope
    claim: Claim
    clock: Clock
    listen: Listener | None
    _at: tuple[str, int, int] = ("reading", 0, 0)
    _told: float = 0.0
    _trouble: type[Exception] | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, phase: str, done: int, of: int) -> None:
        """A point of progress: raises `StopAsked` or `Superseded` when the run must end."""
        new_phase = phase != self._at[0]
        self._at = (phase, done, of)
        if new_phase or time.monotonic() - self._told >= TOLD_EVERY:
            self.beat()
        if self.listen is not None:
            self.listen(phase, done, of)
        if self._trouble is not None:
            raise self._trouble

    def beat(self) -> None:
        """Renew the lease, say how far it is, and hear whether to go on."""
        self._told = time.monotonic()
        phase, done, of = self._at
        with self.database.hospital(self.scope) as session:
            found = session.execute(
                update(DataImport)
                .where(_still_mine(session, self.claim))
                .values(lease_until=self.clock.now() + LEASE, phase=phase, progress=done, progress_of=of)
                .returning(DataImport.stop_asked_at)
            ).first()
        if found is None:
            self._trouble = Superseded
        elif found.stop_asked_at is not None:
            self._trouble = StopAsked

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Renew the lease also through a statement that takes minutes."""
        if not isinstance(self.database.bind, Engine):  # one connection holds no transaction beside another
            yield
            return
        thread = threading.Thread(target=self._keep_beating, daemon=True, name="import-lease")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _keep_beating(self) -> None:
        while not self._over.wait(RENEWED_EVERY) and self._trouble is None:
            self.beat()


def _still_mine(session: HospitalSession, claim: Claim) -> Any:
    return and_(
        DataImport.tenant_id == session.tenant_id,
        DataImport.id == claim.import_id,
        DataImport.attempt == claim.attempt,
        DataImport.state == ("checking" if claim.dry else "running"),
    )


# ------------------------------------------------------------------------------------------- work


def _work(pulse: Pulse) -> None:
    claim = pulse.claim
    with pulse.database.hospital(pulse.scope) as session:
        row = session.get_one(DataImport, (session.tenant_id, claim.import_id))
        if row.file_id is None:
            raise Superseded
        receiving.require(session)
        before, now = intake.files_of(row), pulse.clock.now()
        name, content = uploads.read(session, row.file_id)
        table = read_table(content, name)
        layout = layouts.written(table.header, row.layout, row.columns)
        report = importing.take_in(
            session,
            table,
            layout,
            row=row,
            now=now,
            dry_run=claim.dry,
            progress=pulse,
            translate=gettext,
        )
        # From here on this transaction holds the row, and nothing asks about it from another.
        ended = _checked(session, row, report, layout, now) if claim.dry else _done(row, now)
        if not claim.dry and row.source in layouts.LISTS:
            hand = row.layout == layouts.BY_HAND
            layouts.remember(session, table.header, layout, hand=hand, by=row.imported_by, now=now)
        _finish(session, claim, ended | {"alarms": _alarms(session, row)}, now)
        kept = {ended["file_id"], ended["verdicts_file_id"], row.rejected_file_id}
        intake.drop_files(session, [file_id for file_id in before if file_id not in kept])


def _checked(
    session: HospitalSession, row: DataImport, report: ImportReport, layout: Layout, now: datetime
) -> dict[str, Any]:
    """What the row keeps of a dry run beside its counts: the verdicts, and the first rows for the page."""
    stem = row.file_name.rsplit(".", 1)[0]
    verdicts = files.put(
        session,
        data_key(session),
        name=f"{stem}-verdicts.csv",
        media_type="text/csv",
        content=report.verdicts,
        now=now,
    )
    preview = intake.sealed(session, _preview(report, layout))
    return {
        "state": "checked",
        "file_id": row.file_id,
        "verdicts_file_id": verdicts,
        "preview_cipher": preview,
    }


def _done(row: DataImport, now: datetime) -> dict[str, Any]:
    """What the row keeps of an import beside its counts; the file itself is not needed any more."""
    return {
        "state": "done",
        "file_id": None,
        "verdicts_file_id": row.verdicts_file_id,
        "preview_cipher": None,
        "imported_at": now,
    }


def _finish(session: HospitalSession, claim: Claim, values: dict[str, Any], now: datetime) -> None:
    """The last statement of a run: raises when it is not the one that counts any more."""
    # Nothing read before may be written later over what this statement writes.
    session.flush()
    ended: dict[str, Any] = {"lease_until": None, "finished_at": now, "failure": {}}
    done = session.execute(
        update(DataImport)
        .where(_still_mine(session, claim))
        .values(values | ended)
        .returning(DataImport.stop_asked_at)
    ).first()
    if done is None:
        raise Superseded
    if done.stop_asked_at is not None:
        raise StopAsked


def _alarms(session: HospitalSession, row: DataImport) -> list[dict[str, Any]]:
    """What asks for a second look: what was known before, and a size that is not the usual one."""
    known = [alarm for alarm in row.alarms if alarm["code"] != layouts.SIZE]
    if row.source not in layouts.LISTS:
        return known
    size = layouts.size_alarm(row.rows, layouts.earlier_sizes(session, row.visit, but=row.id))
    return [*known, size] if size is not None else known


def _preview(report: ImportReport, layout: Layout) -> dict[str, Any]:
    rows = [
        {
            "row_number": line.row_number,
            "verdict": line.verdict,
            "reason": line.reason,
            "warnings": list(line.warnings),
            "sent": intake_view.sent(report.header, layout, line.cells) if _ours(line.reason) else [],
            "before": intake_view.understood(line.before),
            "after": intake_view.understood(line.after),
        }
        for line in report.sample
    ]
    return {"rows": rows}


def _ours(reason: str | None) -> bool:
    """Whether a row may be shown: of people who had themselves erased or restricted nothing is (PIPL 47)."""
    return reason is None or not reason.endswith("_on_request")


def _end(pulse: Pulse, state: str, failure: dict[str, Any]) -> None:
    """Say how it ended, unless another run has taken over."""
    with pulse.database.hospital(pulse.scope) as session:
        session.execute(
            update(DataImport)
            .where(_still_mine(session, pulse.claim))
            .values(state=state, failure=failure, lease_until=None, finished_at=pulse.clock.now())
        )


def _next(pulse: Pulse) -> None:
    """Hint at the import that waited for this one."""
    with pulse.database.hospital(pulse.scope) as session:
        now = pulse.clock.now()
        for import_id in due(session, now=now)[:1]:
            intake.queue(session, import_id, now=now)
