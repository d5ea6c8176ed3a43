"""A merge that the hospital's system reports (A40): by its word, whichever of the two numbers comes first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.web.errors import UserMistake
from patients import feed_store, joining
from patients.models import FeedMessage, RecordAlias

REASON = "feed"


def settle(session: HospitalSession, rows: Sequence[FeedMessage], *, now: datetime) -> int:
    """Merge what these messages name; returns how many are done. `visit_number` is the number that goes.

    Two known records become one. Of one known record the other number becomes an alias, so that what comes
    under it later is the same person's. Two unknown numbers wait.
    """
    return sum(_one(session, row, now) for row in rows)


def _one(session: HospitalSession, row: FeedMessage, now: datetime) -> bool:
    kept_number, gone_number = row.record_number, row.visit_number
    people = feed_store.people(session, (kept_number, gone_number))
    kept, gone = people.get(kept_number), people.get(gone_number)
    if kept is None and gone is None:
        row.state = "waiting"
        return False
    row.state, row.reason = "applied", ""
    if kept is None and gone is not None:
        row.patient_id = gone.patient_id
        _alias(session, gone.patient_id, kept_number, now)
    elif gone is None and kept is not None:
        row.patient_id = kept.patient_id
        _alias(session, kept.patient_id, gone_number, now)
    elif kept is not None and gone is not None:
        row.patient_id = kept.patient_id
        if kept.patient_id != gone.patient_id:
            _join(session, row, kept.patient_id, gone.patient_id, now)
    session.flush()
    return row.state == "applied"


def _alias(session: HospitalSession, patient_id: UUID, number: str, now: datetime) -> None:
    session.add(
        RecordAlias(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=patient_id,
            record_number=number,
            why="merge",
            created_at=now,
        )
    )


def _join(session: HospitalSession, row: FeedMessage, kept: UUID, gone: UUID, now: datetime) -> None:
    """Two records as one, or the sentence for what is in the way: then a person decides."""
    try:
        with session.begin_nested():
            joining.merge(session, kept, gone, reason=REASON, now=now)
    except UserMistake as mistake:
        row.state, row.reason = "rejected", str(mistake)
