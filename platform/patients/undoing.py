"""Undo of an import (撤销导入): everything is as it was before, as long as nothing was built on it.

What the import made goes, what it changed comes back byte for byte, and what followed by itself (planned
steps, untouched tasks, unissued months, data to correct, likely duplicates) goes along. Whatever somebody did
since is in the way, and is said in sentences. Higher floors register what they hold and what they remove.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import IntegrityError

from foundation import audit, catalogue
from foundation.bulk import whole_sets
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from patients import suppression, undo_blocks, undo_scope
from patients.models import DataImport, ImportBefore, ImportTrail
from patients.undo_scope import Scope

KEPT_FOR = timedelta(days=30)
SOURCES = frozenset({"upload", "api", "command", "folder"})
Hold = Callable[[HospitalSession, Scope], list[str]]
Step = Callable[[HospitalSession, Scope], None]
_holds: dict[str, Hold] = {}
_removals: dict[str, Step] = {}
_afterwards: dict[str, Step] = {}
_SERIALISE = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
# Children before parents.
_TAKE_AWAY = (
    """
    DELETE FROM possible_duplicate d USING undo_patient u
    WHERE d.tenant_id = :tenant_id AND u.is_new AND d.first_id = u.id
    """,
    """
    DELETE FROM possible_duplicate d USING undo_patient u
    WHERE d.tenant_id = :tenant_id AND u.is_new AND d.second_id = u.id
    """,
    """
    DELETE FROM possible_duplicate d USING undo_row r
    WHERE d.tenant_id = :tenant_id AND r.table_name = 'possible_duplicate' AND d.id = r.id
      AND d.decision IS NULL
    """,
    """
    DELETE FROM data_problem d USING undo_row r
    WHERE d.tenant_id = :tenant_id AND r.table_name = 'data_problem' AND d.id = r.id
    """,
    """
    DELETE FROM data_problem d USING undo_patient u
    WHERE d.tenant_id = :tenant_id AND u.is_new AND d.patient_id = u.id
    """,
    """
    DELETE FROM suppression s USING undo_patient u
    WHERE s.tenant_id = :tenant_id AND u.is_new AND s.patient_id = u.id
    """,
    "DELETE FROM enrolment e USING undo_enrolment u WHERE e.tenant_id = :tenant_id AND e.id = u.id",
    """
    DELETE FROM record_alias a USING undo_row r
    WHERE a.tenant_id = :tenant_id AND r.table_name = 'record_alias' AND a.id = r.id
    """,
    """
    DELETE FROM contact_point c USING undo_row r
    WHERE c.tenant_id = :tenant_id AND r.table_name = 'contact_point' AND c.id = r.id
    """,
    """
    DELETE FROM encounter e USING undo_encounter u
    WHERE e.tenant_id = :tenant_id AND e.id = u.id AND u.is_new
    """,
    "DELETE FROM patient p USING undo_patient u WHERE p.tenant_id = :tenant_id AND p.id = u.id AND u.is_new",
)
_STOPPED = text("""
    SELECT s.id, s.patient_id FROM suppression s
    JOIN undo_row r ON r.table_name = 'suppression' AND r.id = s.id WHERE s.tenant_id = :tenant_id
""")
_ENROLMENTS = text("""
    SELECT id FROM enrolment
    WHERE tenant_id = :tenant_id AND patient_id = ANY (CAST(:patient_ids AS uuid[]))
""")
_DROP = text("""
    DELETE FROM {table} b USING data_import i
    WHERE b.tenant_id = :tenant_id AND i.tenant_id = b.tenant_id AND i.id = b.import_id
      AND coalesce(i.finished_at, i.imported_at) < :before
""")


class UnknownImport(LookupError):
    """No such import in this hospital."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo took away and brought back: patients and encounters removed, rows restored."""

    patients: int
    encounters: int
    restored: int


def register(name: str, hold: Hold, remove: Step | None = None, after: Step | None = None) -> None:
    """Register of a higher floor what is in the way, what it removes before the patients' own rows go, and
    what it puts right afterwards; all by statements that join the tables of `patients.undo_scope`.
    """
    _holds[name] = hold
    if remove is not None:
        _removals[name] = remove
    if after is not None:
        _afterwards[name] = after


def blocks(session: HospitalSession, import_id: UUID, *, now: datetime | None = None) -> list[str]:
    """What is in the way of undoing this import, in the reader's language; empty when it can be undone.

    `now` decides whether it is too old and whether a card is still held; without it that of the database.
    Raises `UnknownImport`.
    """
    row = _row_or_raise(session, import_id)
    at: datetime = now or session.scalars(select(func.now())).one()
    return _of_its_life(session, row, at) or _of_its_rows(session, undo_scope.set_aside(session, row, at))


def undo(session: HospitalSession, import_id: UUID, *, now: datetime) -> Undone:
    """Take the import back, all of it in this transaction; twice is once.

    Raises `UnknownImport`, and `UserMistake` with the first of what is in the way.
    """
    session.flush()
    session.execute(_SERIALISE, {"key": f"patients.import:{session.tenant_id}"})
    row = session.get(
        DataImport, (session.tenant_id, import_id), with_for_update=True, populate_existing=True
    )
    if row is None:
        raise UnknownImport(str(import_id))
    if row.state == "undone":
        return Undone(0, 0, 0)
    _refuse(_of_its_life(session, row, now))
    scope = undo_scope.set_aside(session, row, now, lock=True)
    _refuse(_of_its_rows(session, scope))
    try:
        with session.begin_nested(), whole_sets(session):
            done = _take_back(session, scope)
    except IntegrityError as error:
        raise UserMistake(_("Something newer stands on what this list brought.")) from error
    row.state, row.phase, row.undone_at = "undone", "", now
    row.undone_by = row.undone_by or session.scope.actor.name  # who asked, where a worker does it
    session.flush()
    audit.record(
        session,
        "patients.import_undone",
        now=now,
        subject=f"import:{import_id}",
        detail={"patients": done.patients, "encounters": done.encounters, "restored": done.restored},
    )
    return done


def drop_old(session: HospitalSession, *, now: datetime) -> None:
    """Forget after 30 days what the undo would need: images of patients are not kept for ever (PIPL 19)."""
    values = {"tenant_id": session.tenant_id, "before": now - KEPT_FOR}
    for table in ("import_before", "import_trail"):
        session.execute(text(_DROP.text.replace("{table}", table)), values)


def _of_its_life(session: HospitalSession, row: DataImport, now: datetime) -> list[str]:
    if row.state == "undone":
        return [_("This import has been undone already.")]
    if row.state != "done":
        return [_("This import is not finished.")]
    if row.source not in SOURCES:
        return [_("What the hospital's systems send is corrected there; it is not undone here.")]
    kept = select(ImportTrail.id).where(
        ImportTrail.tenant_id == session.tenant_id, ImportTrail.import_id == row.id
    )
    images = select(ImportBefore.id).where(
        ImportBefore.tenant_id == session.tenant_id, ImportBefore.import_id == row.id
    )
    forgotten = (row.created and session.scalar(kept.limit(1)) is None) or (
        row.updated and session.scalar(images.limit(1)) is None and session.scalar(kept.limit(1)) is None
    )
    if forgotten or now - (row.finished_at or row.imported_at) > KEPT_FOR:
        return [_("This import is too old: what was there before is kept for 30 days.")]
    return []


def _of_its_rows(session: HospitalSession, scope: Scope) -> list[str]:
    with whole_sets(session):
        found = undo_blocks.sentences(session, scope)
        for hold in _holds.values():
            found += hold(session, scope)
    return found


def _refuse(sentences: list[str]) -> None:
    if sentences:
        told = " ".join(sentences)
        raise UserMistake(told)


def _take_back(session: HospitalSession, scope: Scope) -> Undone:
    key = {"tenant_id": session.tenant_id}
    for remove in _removals.values():
        remove(session, scope)
    counts = [_rows(session, statement, key) for statement in _TAKE_AWAY]
    restored = undo_scope.restore_images(session, scope.import_id)
    session.expire_all()
    _allow_again(session, scope)
    _drop_departments(session)
    for table in (ImportBefore, ImportTrail):
        session.execute(
            delete(table).where(table.tenant_id == session.tenant_id, table.import_id == scope.import_id)
        )
    for after in _afterwards.values():
        after(session, scope)
    session.expire_all()
    return Undone(patients=counts[-1], encounters=counts[-2], restored=restored)


def _allow_again(session: HospitalSession, scope: Scope) -> None:
    """Stops that the list brought to known patients: lifted through the hooks of every floor, then gone."""
    key = {"tenant_id": session.tenant_id}
    stopped = session.execute(_STOPPED, key).all()
    if not stopped:
        return
    known = {"patient_ids": [row.patient_id for row in stopped]}
    before = set(session.scalars(_ENROLMENTS, key | known))
    suppression.lift_many(session, [row.id for row in stopped], now=scope.now, reason="import undone")
    made = [row_id for row_id in session.scalars(_ENROLMENTS, key | known) if row_id not in before]
    for table, ids in (("enrolment", made), ("suppression", [row.id for row in stopped])):
        session.execute(
            text(f"DELETE FROM {table} WHERE tenant_id = :tenant_id AND id = ANY (CAST(:ids AS uuid[]))"),  # noqa: S608
            key | {"ids": ids},
        )


def _drop_departments(session: HospitalSession) -> None:
    """Departments that the list brought and nothing else uses."""
    used = " ".join(
        f"AND NOT EXISTS (SELECT 1 FROM {table.name} x WHERE x.tenant_id = :tenant_id AND x.{column} = d.id)"  # noqa: S608
        for table in catalogue.tenant_tables()
        for column, parent in catalogue.links(table)
        if parent == "department"
    )
    statement = (
        "DELETE FROM department d USING undo_row r WHERE d.tenant_id = :tenant_id"  # noqa: S608
        f" AND r.table_name = 'department' AND d.id = r.id {used}"
    )
    try:
        with session.begin_nested():
            session.execute(text(statement), {"tenant_id": session.tenant_id})
    except IntegrityError:  # somebody has been given one of them: they stay, empty
        return


def _rows(session: HospitalSession, statement: str, key: dict[str, Any]) -> int:
    counted = f"WITH gone AS ({statement} RETURNING 1) SELECT count(*) FROM gone"  # noqa: S608
    return int(session.scalar(text(counted), key) or 0)


def _row_or_raise(session: HospitalSession, import_id: UUID) -> DataImport:
    row = session.get(DataImport, (session.tenant_id, import_id))
    if row is None:
        raise UnknownImport(str(import_id))
    return row
