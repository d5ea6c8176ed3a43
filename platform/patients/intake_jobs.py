"""Files coming in, in the background: the run of one, and the tick that takes up what nobody works on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from foundation import runtime
from foundation.database import HospitalSession
from foundation.scope import HospitalScope
from foundation.work import job
from patients import intake, intake_run, undo_run

AT_MOST_MINUTES = 120
HINTS = 5


@job(intake.RUN_JOB, opens_own=True, minutes=AT_MOST_MINUTES)
def import_run(scope: HospitalScope, _now: datetime, import_id: str) -> None:
    """Check or import one file."""
    parts = runtime.current()
    intake_run.run(parts.database, scope, UUID(import_id), clock=parts.clock)


@job(undo_run.JOB, minutes=AT_MOST_MINUTES)
def import_undo(session: HospitalSession, now: datetime, import_id: str) -> None:
    """Undo one large import."""
    undo_run.run(session, UUID(import_id), now=now)


@job("patients.imports_due", every="* * * * *")
def imports_due(session: HospitalSession, now: datetime) -> None:
    """Hint at files whose worker was killed, or whose hint was lost."""
    for import_id in intake_run.due(session, now=now)[:HINTS]:
        intake.queue(session, import_id, now=now)
    for import_id in undo_run.due(session)[:HINTS]:
        undo_run.queue(session, import_id, now=now)


@job("patients.drop_uploads", every="25 * * * *")
def drop_uploads(session: HospitalSession, now: datetime) -> None:
    """Files that nobody decided about go after a day (GB/T 22239: no residual information)."""
    intake.drop_old(session, now=now)
