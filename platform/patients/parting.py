"""What came while two records were one, when they are two again (撤销合并).

`patients.join_images` brings back what the merge changed. What the hospital's lists sent meanwhile under the
number of the record that went goes with it, and so does a death that followed from it; what one of the two
does not have to bear any more comes back, and what still stops one of them is applied anew, for rows came
back that were open when they left.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from foundation import catalogue
from foundation.calendar import local_date
from foundation.database import HospitalSession
from patients import join_images, join_moves, merging, suppression, suppression_effects
from patients.enrolment import enrol
from patients.models import Encounter, Enrolment, PatientMerge, Suppression

PARTED = "the records were parted"
# Rows that hang on these say nothing of whose they are: a number that was both records' was dialled for one.
_NO_GUIDE = frozenset({catalogue.PERSON_TABLE, catalogue.FILE_TABLE, "contact_point"})
_CAME = text("""
    UPDATE encounter e SET patient_id = :gone
    WHERE e.tenant_id = :tenant_id AND e.patient_id = :kept AND e.created_at >= :since
      AND e.record_number IN (
          SELECT record_number FROM patient WHERE tenant_id = :tenant_id AND id = :gone
          UNION SELECT record_number FROM record_alias WHERE tenant_id = :tenant_id AND patient_id = :gone)
    RETURNING e.id
""")
# An enrolment that goes back to somebody who has an open one ends: one patient, one bill a month.
_ONE_OPEN = text("""
    UPDATE enrolment e SET ended_on = greatest(e.started_on, CAST(:today AS date)), end_reason = 'merged'
    WHERE e.tenant_id = :tenant_id AND e.patient_id = :kept AND e.encounter_id = ANY (CAST(:stays AS uuid[]))
      AND e.ended_on IS NULL AND e.cancelled_on IS NULL AND EXISTS (
          SELECT 1 FROM enrolment o WHERE o.tenant_id = :tenant_id AND o.patient_id = :gone
            AND o.ended_on IS NULL AND o.cancelled_on IS NULL)
""")
_REOPEN = text("""
    UPDATE enrolment o SET ended_on = NULL, end_reason = NULL
    FROM (
        SELECT DISTINCT ON (e.patient_id) e.id FROM enrolment e
        WHERE e.tenant_id = :tenant_id AND e.patient_id = ANY (CAST(:free AS uuid[]))
          AND e.cancelled_on IS NULL AND e.ended_on >= CAST(:day AS date)
          AND EXISTS (
              SELECT 1 FROM suppression s WHERE s.tenant_id = :tenant_id AND s.reason = e.end_reason
                AND s.patient_id = ANY (CAST(:both AS uuid[]))
                AND (s.started_at > :since OR s.lifted_at > :since))
          AND NOT EXISTS (
              SELECT 1 FROM enrolment n WHERE n.tenant_id = :tenant_id AND n.patient_id = e.patient_id
                AND n.ended_on IS NULL AND n.cancelled_on IS NULL)
        ORDER BY e.patient_id, e.started_on DESC, e.id DESC) AS ended
    WHERE o.tenant_id = :tenant_id AND o.id = ended.id
""")


def part(session: HospitalSession, row: PatientMerge, *, now: datetime) -> None:
    """Put both records right, after `join_images.put_back` and before anything else asks of them."""
    _give_what_came(session, row, now)
    _end_copies(session, row, now)
    _give_deaths(session, row, now)
    _bring_back(session, row, now)
    _stop_again(session, [row.kept_id, row.gone_id], now)
    session.expire_all()


def _give_what_came(session: HospitalSession, row: PatientMerge, now: datetime) -> None:
    """Encounters under the number of the record that went, and what hangs on anything of that record."""
    values = {"tenant_id": session.tenant_id, "kept": row.kept_id, "gone": row.gone_id}
    came = set(session.scalars(_CAME, values | {"since": row.merged_at}))
    theirs = {
        table: {
            UUID(row_id)
            for row_id, (before, _after) in parts.get("changed", {}).items()
            if before.get("patient_id") == str(row.gone_id)
        }
        for table, parts in row.moved.items()
    }
    theirs["encounter"] = theirs.get("encounter", set()) | came
    stays = {"stays": list(theirs["encounter"]), "today": local_date(now)}
    session.execute(_ONE_OPEN, values | stays)
    for table in catalogue.patient_tables():
        if table.name not in join_images.LEFT_OUT | _NO_GUIDE | {"encounter"}:
            theirs[table.name] = theirs.get(table.name, set()) | _follow(session, table, row, theirs)


def _follow(
    session: HospitalSession, table: Table, row: PatientMerge, theirs: dict[str, set[UUID]]
) -> set[UUID]:
    """Rows of the kept patient that hang on a row which is the other one's; returns those that moved."""
    links = catalogue.links(table)
    owner = next((c for c, parent in links if parent == catalogue.PERSON_TABLE and c != "id"), None)
    guides = [(c, parent) for c, parent in links if parent not in _NO_GUIDE and theirs.get(parent)]
    if owner is None or not guides:
        return set()
    hanging = or_(*(catalogue.among(table.c[column], theirs[parent]) for column, parent in guides))
    move = (
        update(table)
        .where(table.c.tenant_id == session.tenant_id, table.c[owner] == row.kept_id, hanging)
        .values({owner: row.gone_id})
        .returning(table.c.id)
    )
    try:
        with session.begin_nested():
            return set(session.scalars(move))
    except IntegrityError:  # the other one has the like already: these stay
        return set()


def _end_copies(session: HospitalSession, row: PatientMerge, now: datetime) -> None:
    """A stop that came with the merge and was confirmed since goes; what it is a copy of is confirmed."""
    made = [UUID(row_id) for row_id in row.moved.get("suppression", {}).get("made", {})]
    copies = session.scalars(
        select(Suppression).where(
            Suppression.tenant_id == session.tenant_id,
            catalogue.among(Suppression.id, made),
            Suppression.lifted_at.is_(None),
        )
    ).all()
    ended = []
    for copy in copies:
        other = row.gone_id if copy.patient_id == row.kept_id else row.kept_id
        original = session.scalar(_active(session, other).where(Suppression.reason == copy.reason))
        if original is None:
            continue
        if original.confirmed_at is None:
            original.confirmed_at, original.confirmed_by = copy.confirmed_at, copy.confirmed_by
        ended.append(copy.id)
    if ended:
        session.flush()
        suppression.lift_many(session, ended, now=now, reason=PARTED)


def _give_deaths(session: HospitalSession, row: PatientMerge, now: datetime) -> None:
    """A death that the hospital's lists told while the two were one is that of the record whose stay says so.

    One that no stay says could be either's: both are left alone until a person decides.
    """
    listed = session.scalars(
        _active(session, row.kept_id).where(
            Suppression.reason == "deceased",
            Suppression.source.in_(suppression.OWN_LISTS),
            Suppression.started_at >= row.merged_at,
        )
    ).all()
    died = _last_told_dead(session, [row.kept_id, row.gone_id])
    told = row.gone_id in died and died[row.gone_id] > row.merged_at
    if not listed and (not told or _lifted_since(session, row, "deceased")):
        return
    if row.gone_id in died or row.kept_id not in died:
        source = listed[0].source if listed else "import"
        suppression.suppress_many(session, [row.gone_id], "deceased", source=source, now=now)
        join_moves.same_words(session, row.gone_id, row.kept_id, source, now=now)
    if row.gone_id in died and row.kept_id not in died:
        suppression.lift_many(session, [stop.id for stop in listed], now=now, reason=PARTED)


def _last_told_dead(session: HospitalSession, patient_ids: list[UUID]) -> dict[UUID, datetime]:
    """Whose stays say that they died, and when such a stay was written last."""
    rows = session.execute(
        select(Encounter.patient_id, func.max(Encounter.updated_at))
        .where(
            Encounter.tenant_id == session.tenant_id,
            catalogue.among(Encounter.patient_id, patient_ids),
            Encounter.disposition == "died",
            Encounter.withdrawn_at.is_(None),
        )
        .group_by(Encounter.patient_id)
    ).all()
    return {row[0]: row[1] for row in rows}


def _bring_back(session: HospitalSession, row: PatientMerge, now: datetime) -> None:
    """What a stop of the one ended of the other while they were one, where nothing holds any more."""
    both = [row.kept_id, row.gone_id]
    if not _lifted_since(session, row) and not _stopped_since(session, row):
        return
    held = set(
        session.scalars(
            select(Suppression.patient_id).where(
                Suppression.tenant_id == session.tenant_id,
                catalogue.among(Suppression.patient_id, both),
                Suppression.lifted_at.is_(None),
            )
        )
    )
    free = [patient_id for patient_id in both if patient_id not in held]
    if not free:
        return
    values = {"tenant_id": session.tenant_id, "both": both, "free": free, "since": row.merged_at}
    session.execute(_REOPEN, values | {"day": local_date(row.merged_at)})
    merging.reload(session, Enrolment)
    enrol(session, free, now=now, start_reason="lifted")
    suppression.restore(session, free, suppression.MERGED, now=now)


def _stop_again(session: HospitalSession, patient_ids: list[UUID], now: datetime) -> None:
    """Whoever must be left alone and has something open after all is stopped for each of the reasons."""
    session.flush()
    for patient_id in patient_ids:
        reasons = suppression.active_reasons(session, patient_id)
        if reasons and any(live.open_of(session, [patient_id]) for live in suppression_effects.registered()):
            for reason in sorted(reasons, key=lambda reason: reason != "deceased"):
                suppression.stop(session, [patient_id], reason, now=now)


def _active(session: HospitalSession, patient_id: UUID) -> Any:
    return select(Suppression).where(
        Suppression.tenant_id == session.tenant_id,
        Suppression.patient_id == patient_id,
        Suppression.lifted_at.is_(None),
    )


def _stopped_since(session: HospitalSession, row: PatientMerge) -> bool:
    return _any(session, row, Suppression.started_at > row.merged_at)


def _lifted_since(session: HospitalSession, row: PatientMerge, reason: str | None = None) -> bool:
    of_reason = (Suppression.reason == reason,) if reason else ()
    return _any(session, row, Suppression.lifted_at > row.merged_at, *of_reason)


def _any(session: HospitalSession, row: PatientMerge, *conditions: Any) -> bool:
    found = select(Suppression.id).where(
        Suppression.tenant_id == session.tenant_id,
        catalogue.among(Suppression.patient_id, [row.kept_id, row.gone_id]),
        *conditions,
    )
    return session.scalar(found.limit(1)) is not None
