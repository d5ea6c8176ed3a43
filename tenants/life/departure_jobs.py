"""The long work of a departure: the export and the erasure, and the tick that takes up what died."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select

from foundation import outbox, runtime
from foundation.database import FirmSession
from foundation.scope import FirmScope
from foundation.work import job
from tenants.life import departure, departure_erasing, departure_export
from tenants.models import Departure, DirectoryEntry

# Work that says nothing for so long has died with its worker.
SILENT = timedelta(minutes=10)
AT_MOST_MINUTES = 600
JOB_OF = {"exporting": departure.EXPORT_JOB, "erasing": departure.ERASE_JOB}


@job(departure.EXPORT_JOB, reach="firm", opens_own=True, minutes=AT_MOST_MINUTES)
def export(scope: FirmScope, _now: datetime, departure_id: str) -> None:
    """Make the full export of a leaving hospital."""
    parts = runtime.current()
    departure_export.run(parts.database, scope.firm_id, UUID(departure_id), clock=parts.clock)


@job(departure.ERASE_JOB, reach="firm", opens_own=True, minutes=AT_MOST_MINUTES)
def erase(scope: FirmScope, _now: datetime, departure_id: str) -> None:
    """Erase a hospital whose count sheet is signed."""
    parts = runtime.current()
    departure_erasing.run(parts.database, scope.firm_id, UUID(departure_id), clock=parts.clock)


@job("tenants.departure_watch", reach="firm", every="*/5 * * * *")
def watch(session: FirmSession, now: datetime) -> None:
    """Queue again what was begun and has been silent for ten minutes."""
    rows = session.scalars(
        select(Departure).where(
            Departure.firm_id == session.firm_id,
            Departure.state.in_(JOB_OF),
            # Of a hospital that went to another firm nothing is exported or erased for this one.
            exists().where(
                DirectoryEntry.tenant_id == Departure.tenant_id, DirectoryEntry.firm_id == session.firm_id
            ),
        )
    )
    for row in rows:
        seen = datetime.fromisoformat(row.progress.get("seen_at", row.begun_at.isoformat()))
        if now - seen >= SILENT:
            row.progress = row.progress | {"seen_at": now.isoformat()}
            outbox.enqueue(
                session, JOB_OF[row.state], now=now, firm_id=str(row.firm_id), departure_id=str(row.id)
            )
