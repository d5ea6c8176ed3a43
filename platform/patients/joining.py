"""One person, one record: two records of a hospital become one (合并), and that is taken back (撤销合并).

Never across hospitals (条例 16). Everything of the record that goes is given to the one that is kept, each
floor moving its own rows (`register`); the record that went stays behind, stopped, with its number known as
another one of the kept patient's. A merge remembers row by row what it changed (`patients.join_images`), so
that its undo brings back exactly what was there; what came to the kept record since then stays with it, but
for what belongs to the number of the other one (`patients.parting`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, text

from foundation import audit
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.masking import mask_numbers
from foundation.web.errors import UserMistake
from patients import duplicates, join_images, join_moves, parting, suppression
from patients.models import Patient, PatientMerge, PossibleDuplicate, RecordAlias
from patients.service import patient_or_raise
from patients.suppression import MERGED

Move = Callable[[HospitalSession, UUID, UUID, datetime], None]
Hold = Callable[[HospitalSession, list[UUID], datetime], list[str]]
Settled = Callable[[HospitalSession, list[UUID], datetime], None]
_moves: dict[str, Move] = {}
_holds: dict[str, Hold] = {}
_settled: dict[str, Settled] = {}
_LOCK = text("""
    SELECT count(*) FROM (
        SELECT 1 FROM patient WHERE tenant_id = :tenant_id AND id = ANY (CAST(:patient_ids AS uuid[]))
        ORDER BY id FOR NO KEY UPDATE) AS locked
""")
_KEPT_OF = text("""
    WITH RECURSIVE way AS (
        SELECT kept_id, 1 AS steps FROM patient_merge
        WHERE tenant_id = :tenant_id AND gone_id = :patient_id AND undone_at IS NULL
        UNION ALL
        SELECT m.kept_id, w.steps + 1 FROM way w JOIN patient_merge m
          ON m.tenant_id = :tenant_id AND m.gone_id = w.kept_id AND m.undone_at IS NULL
    )
    SELECT kept_id FROM way ORDER BY steps DESC LIMIT 1
""")
_MERGED_INTO = text("""
    WITH RECURSIVE way AS (
        SELECT gone_id FROM patient_merge
        WHERE tenant_id = :tenant_id AND kept_id = ANY (CAST(:patient_ids AS uuid[])) AND undone_at IS NULL
        UNION ALL
        SELECT m.gone_id FROM way w JOIN patient_merge m
          ON m.tenant_id = :tenant_id AND m.kept_id = w.gone_id AND m.undone_at IS NULL
    )
    SELECT gone_id FROM way
""")


class UnknownMerge(LookupError):
    """No such merge in this hospital."""


@dataclass(frozen=True, slots=True)
class MergeLine:
    """A merge as the patient's page tells it: the other record's number, when, by whom, why, and its undo."""

    id: UUID
    record_number: str
    reason: str
    merged_at: datetime
    merged_by: str
    undone_at: datetime | None
    undone_by: str | None
    may_undo: bool


def register(name: str, move: Move) -> None:
    """Register what a higher floor gives to the kept record: (session, kept, gone, now). What it changes is
    seen and put back by itself.
    """
    _moves[name] = move


def register_hold(name: str, hold: Hold) -> None:
    """Register what is in the way of a merge and of its undo: (session, both ids, now) → sentences."""
    _holds[name] = hold


def on_settled(name: str, hook: Settled) -> None:
    """Register what follows from a merge and from its undo, at the end: (session, both ids, now)."""
    _settled[name] = hook


def merge(
    session: HospitalSession, kept_id: UUID, gone_id: UUID, *, reason: str, now: datetime
) -> PatientMerge:
    """Take the record `gone_id` into `kept_id`. `reason` is why, in the words of whoever decides.

    Raises `UnknownPatient` (also for a record of another hospital) and `UserMistake` with a sentence for what
    is in the way.
    """
    kept, gone = _both(session, kept_id, gone_id)
    _refuse(session, kept, gone, now)
    before = join_images.of_patients(session, (kept_id, gone_id))
    join_moves.stop_both(session, kept_id, gone_id, now=now)
    join_moves.move_own(session, kept, gone, now=now)
    for move in _moves.values():
        move(session, kept_id, gone_id, now)
    _leave(session, kept, gone, now)
    join_moves.fill_gaps(session, kept, gone, now=now)
    duplicates.find(session, [kept_id], now=now)
    row = PatientMerge(
        tenant_id=session.tenant_id,
        id=new_id(),
        kept_id=kept_id,
        gone_id=gone_id,
        reason=mask_numbers(reason.strip()),
        moved=join_images.differences(before, join_images.of_patients(session, (kept_id, gone_id))),
        merged_at=now,
        merged_by=session.scope.actor.name,
    )
    session.add(row)
    session.flush()
    session.expire_all()
    _settle(session, row, now)
    audit.record(
        session,
        "patients.merged",
        now=now,
        subject=f"patient:{kept_id}",
        reason=row.reason,
        detail={"merge": str(row.id), "gone": str(gone_id), "rows": _counted(row.moved)},
    )
    return row


def undo(session: HospitalSession, merge_id: UUID, *, now: datetime) -> PatientMerge:
    """Make it two records again, each with what it had; undoing twice is once.

    Raises `UnknownMerge`, and `UserMistake` with a sentence: a later merge of the same record stands on this
    one, or the data is restricted.
    """
    row = session.get(PatientMerge, (session.tenant_id, merge_id), with_for_update=True)
    if row is None:
        raise UnknownMerge(str(merge_id))
    if row.undone_at is not None:
        return row
    kept, gone = _both(session, row.kept_id, row.gone_id)
    if kept.merged_at is not None or _later(session, row) is not None:
        raise UserMistake(_("A later merge of this patient has to be undone first."))
    if kept.restricted_at is not None or gone.restricted_at is not None:
        raise UserMistake(_("The data of one of the two is restricted or erased."))
    _refuse_held(session, [kept.id, gone.id], now)
    join_images.put_back(session, row.moved, now=now)
    session.refresh(row)
    parting.part(session, row, now=now)
    row.undone_at, row.undone_by = now, session.scope.actor.name
    session.flush()
    _settle(session, row, now)
    audit.record(
        session,
        "patients.merge_undone",
        now=now,
        subject=f"patient:{row.kept_id}",
        detail={"merge": str(row.id), "gone": str(row.gone_id)},
    )
    return row


def kept_of(session: HospitalSession, patient_id: UUID) -> UUID | None:
    """The record into which this one went, whatever the number of merges on the way; None when it stands."""
    found: UUID | None = session.scalar(_KEPT_OF, {"tenant_id": session.tenant_id, "patient_id": patient_id})
    return found


def merged_into(session: HospitalSession, patient_id: UUID) -> list[UUID]:
    """The records that went into this one, also those that came through another."""
    return all_merged_into(session, [patient_id])


def all_merged_into(session: HospitalSession, patient_ids: list[UUID]) -> list[UUID]:
    """The same for many at once."""
    values = {"tenant_id": session.tenant_id, "patient_ids": patient_ids}
    return list(session.scalars(_MERGED_INTO, values))


def history(session: HospitalSession, patient_id: UUID) -> list[MergeLine]:
    """The merges of this record and their undo, the newest first, for `patients/_merges.html`."""
    rows = session.execute(
        select(PatientMerge, Patient.record_number)
        .join(Patient, (Patient.tenant_id == PatientMerge.tenant_id) & (Patient.id == PatientMerge.gone_id))
        .where(PatientMerge.tenant_id == session.tenant_id, PatientMerge.kept_id == patient_id)
        .order_by(PatientMerge.merged_at.desc(), PatientMerge.id.desc())
    ).all()
    latest = next((row.id for row, _number in rows if row.undone_at is None), None)
    return [
        MergeLine(
            row.id,
            number,
            row.reason,
            row.merged_at,
            row.merged_by,
            row.undone_at,
            row.undone_by,
            row.id == latest,
        )
        for row, number in rows
    ]


def _both(session: HospitalSession, kept_id: UUID, gone_id: UUID) -> tuple[Patient, Patient]:
    session.flush()
    session.execute(_LOCK, {"tenant_id": session.tenant_id, "patient_ids": [kept_id, gone_id]})
    kept, gone = patient_or_raise(session, kept_id), patient_or_raise(session, gone_id)
    session.refresh(kept)
    session.refresh(gone)
    return kept, gone


def _refuse(session: HospitalSession, kept: Patient, gone: Patient, now: datetime) -> None:
    if kept.id == gone.id:
        raise UserMistake(_("These are not two records."))
    for patient in (kept, gone):
        if patient.contact_type != "patient":
            raise UserMistake(_("Only records of patients can be merged."))
        if patient.merged_at is not None:
            raise UserMistake(_("One of the two has been merged already."))
        if patient.restricted_at is not None:
            raise UserMistake(_("The data of one of the two is restricted or erased."))
    _refuse_held(session, [kept.id, gone.id], now)


def _refuse_held(session: HospitalSession, patient_ids: list[UUID], now: datetime) -> None:
    for hold in _holds.values():
        for sentence in hold(session, patient_ids, now):
            raise UserMistake(sentence)


def _leave(session: HospitalSession, kept: Patient, gone: Patient, now: datetime) -> None:
    """The record that goes: stopped, and its number leads to the kept one from now on."""
    suppression.suppress_many(session, [gone.id], MERGED, source=join_moves.SOURCE, now=now)
    gone.merged_at = gone.updated_at = now
    known = select(RecordAlias.id).where(
        RecordAlias.tenant_id == session.tenant_id, RecordAlias.record_number == gone.record_number
    )
    if session.scalar(known) is None:
        session.add(
            RecordAlias(
                tenant_id=session.tenant_id,
                id=new_id(),
                patient_id=kept.id,
                record_number=gone.record_number,
                why="merge",
                created_at=now,
            )
        )
    pair = session.scalar(
        select(PossibleDuplicate).where(
            PossibleDuplicate.tenant_id == session.tenant_id,
            PossibleDuplicate.first_id == min(kept.id, gone.id),
            PossibleDuplicate.second_id == max(kept.id, gone.id),
        )
    )
    if pair is not None:
        pair.decision, pair.decided_at, pair.decided_by = "merged", now, session.scope.actor.name
    session.flush()


def _settle(session: HospitalSession, row: PatientMerge, now: datetime) -> None:
    for hook in _settled.values():
        hook(session, [row.kept_id, row.gone_id], now)


def _later(session: HospitalSession, row: PatientMerge) -> UUID | None:
    return session.scalar(
        select(PatientMerge.id)
        .where(
            PatientMerge.tenant_id == session.tenant_id,
            or_(PatientMerge.kept_id == row.kept_id, PatientMerge.gone_id == row.kept_id),
            PatientMerge.undone_at.is_(None),
            PatientMerge.id > row.id,
        )
        .limit(1)
    )


def _counted(moved: dict[str, Any]) -> dict[str, int]:
    return {table: sum(len(rows) for rows in parts.values()) for table, parts in sorted(moved.items())}
