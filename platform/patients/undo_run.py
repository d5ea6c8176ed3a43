"""The undo of an import as somebody asks for it: a small one at once, a large one by the worker.

A row that is being undone is still `done`, with the phase `undoing`: until the last statement of the undo
everything that the import brought is there. The undo is one transaction, so no lease is needed: whoever works
holds a lock that ends with the worker, and the tick takes up what nobody works on.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select, text

from foundation import audit, outbox
from foundation.database import HospitalSession
from foundation.web.errors import UserMistake
from patients import undoing
from patients.models import DataImport

JOB = "patients.import_undo"
UNDOING = "undoing"
# Rows that were written; so many are undone within the seconds that somebody waits for a page.
AT_ONCE = 5_000
_MINE_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
log = structlog.get_logger()


def ask(session: HospitalSession, import_id: UUID, *, now: datetime) -> bool:
    """Undo this import now, or queue it when it is large; returns whether it is over. Twice is once.

    Raises `undoing.UnknownImport`, and `UserMistake` with what is in the way.
    """
    key = (session.tenant_id, import_id)
    row = session.get(DataImport, key)
    if row is None:
        raise undoing.UnknownImport(str(import_id))
    if is_undoing(row):  # the worker may hold the row for minutes: nobody waits for it
        return False
    session.refresh(row, with_for_update={"key_share": True})
    if is_undoing(row):
        return False
    if row.state == "undone" or row.created + row.updated <= AT_ONCE:
        undoing.undo(session, import_id, now=now)
        return True
    if blocks := undoing.blocks(session, import_id, now=now):
        told = " ".join(blocks)
        raise UserMistake(told)
    row.phase, row.undone_by = UNDOING, session.scope.actor.name
    session.flush()
    audit.record(session, "patients.import_undo_asked", now=now, subject=f"import:{import_id}")
    queue(session, import_id, now=now)
    return False


def is_undoing(row: DataImport) -> bool:
    """Whether this import waits for its undo, or is being undone."""
    return row.state == "done" and row.phase == UNDOING


def queue(session: HospitalSession, import_id: UUID, *, now: datetime) -> None:
    """Hint that there is an import to undo."""
    outbox.enqueue(session, JOB, now=now, tenant_id=str(session.tenant_id), import_id=str(import_id))


def due(session: HospitalSession) -> list[UUID]:
    """The imports that somebody asked to undo, the latest first: it is the one that can be undone."""
    query = select(DataImport.id).where(
        DataImport.tenant_id == session.tenant_id, DataImport.state == "done", DataImport.phase == UNDOING
    )
    return list(session.scalars(query.order_by(DataImport.id.desc())))


def run(session: HospitalSession, import_id: UUID, *, now: datetime) -> bool:
    """Undo what `ask` queued; returns whether this call did.

    Where something was built on it in the meantime nothing is undone, and its page says what is in the way.
    """
    if not session.scalar(_MINE_ALONE, {"key": f"patients.undo:{session.tenant_id}:{import_id}"}):
        return False
    row = session.get(DataImport, (session.tenant_id, import_id), populate_existing=True)
    if row is None or not is_undoing(row):
        return False
    try:
        undoing.undo(session, import_id, now=now)
    except UserMistake:
        row.phase, row.undone_by = "", None
        log.warning("import not undone", import_id=str(import_id))
        return False
    return True
