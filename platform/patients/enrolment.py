"""Enrolment (入组): who is in the programme, from when, and until when.

Every discharged inpatient is followed (S3-5: 100 % of inpatients), from the day of discharge and for life
(S3-21), unless they died, are suppressed, or cannot be reached. Outpatients are surveyed by sample (S3-5) and
not enrolled. An open enrolment stays open when the patient is admitted again: one patient, one bill a month.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import select, text

from foundation import audit
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.ids import new_id
from patients.models import Enrolment

FREE_DAYS = 7  # J5: an enrolment cancelled inside 7 days is free
Refusal = Literal[
    "not_inpatient", "withdrawn", "died", "no_number", "suppressed", "already_enrolled", "before_last_end"
]
# Why an enrolment began (入组原因): by itself after a discharge, when a suppression was lifted, on the 14th
# birthday; by hand, for the first time or again after a wrong cancellation.
StartReason = Literal["discharge", "lifted", "come_of_age", "by_hand", "reinstated"]
EndedHook = Callable[[HospitalSession, list[UUID], str, datetime], None]
StartedHook = Callable[[HospitalSession, list[UUID], datetime], None]
CANCELLED = "cancelled"  # the end reason of somebody taken out by hand
_ended_hooks: list[EndedHook] = []
_started_hooks: list[StartedHook] = []


class NotEnrolled(LookupError):
    """There is no open enrolment to cancel."""


class CannotEnrol(ValueError):
    """Why somebody cannot be enrolled by hand: one of `Refusal`."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason: Refusal = reason


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rule looks at. `last_end` is the last day of an earlier enrolment of the patient; `withdrawn`
    says that the hospital took the discharge back, `patient` that it is a patient and no organisation.
    """

    kind: str
    disposition: str | None
    contact_state: str
    suppressed: bool
    open_enrolment: bool
    discharged_on: date
    last_end: date | None = None
    withdrawn: bool = False
    patient: bool = True


def refusal(facts: Facts) -> Refusal | None:
    """Why a discharge starts no enrolment, or None when it starts one. `enrol` says the same in SQL."""
    if facts.kind != "inpatient" or not facts.patient:
        return "not_inpatient"
    if facts.withdrawn:
        return "withdrawn"
    if facts.disposition == "died":
        return "died"
    if facts.suppressed:
        return "suppressed"
    if facts.contact_state != "reachable":
        return "no_number"
    if facts.open_enrolment:
        return "already_enrolled"
    if facts.last_end is not None and facts.discharged_on <= facts.last_end:
        return "before_last_end"
    return None


def is_free(created_on: date, cancelled_on: date) -> bool:
    """Whether a cancelled enrolment counts as never made: within 7 days after it was made (J5)."""
    return cancelled_on <= created_on + timedelta(days=FREE_DAYS)


# Of several discharges of one patient the earliest that qualifies starts the enrolment.
_ENROL = text("""
    INSERT INTO enrolment (tenant_id, id, patient_id, encounter_id, started_on, start_reason, created_at)
    SELECT DISTINCT ON (e.patient_id) :tenant_id, uuidv7(), e.patient_id, e.id, e.discharged_on,
           :start_reason, :now
    FROM patient p
    JOIN encounter e ON e.tenant_id = :tenant_id AND e.patient_id = p.id AND e.kind = 'inpatient'
        AND e.disposition IS DISTINCT FROM 'died' AND e.withdrawn_at IS NULL
        AND e.patient_id = ANY (CAST(:patient_ids AS uuid[]))
    WHERE p.tenant_id = :tenant_id AND p.id = ANY (CAST(:patient_ids AS uuid[]))
      AND p.contact_state = 'reachable' AND p.contact_type = 'patient'
      AND p.restricted_at IS NULL AND p.merged_at IS NULL
      AND NOT EXISTS (
            SELECT 1 FROM suppression s
            WHERE s.tenant_id = :tenant_id AND s.patient_id = p.id AND s.lifted_at IS NULL)
      AND NOT EXISTS (
            SELECT 1 FROM enrolment o
            WHERE o.tenant_id = :tenant_id AND o.patient_id = p.id
              AND (coalesce(o.ended_on, o.cancelled_on) IS NULL
                   OR coalesce(o.ended_on, o.cancelled_on) >= e.discharged_on))
    ORDER BY e.patient_id, e.discharged_on, e.id
    ON CONFLICT (tenant_id, patient_id) WHERE ended_on IS NULL AND cancelled_on IS NULL DO NOTHING
    RETURNING patient_id
""")


def enrol(
    session: HospitalSession,
    patient_ids: list[UUID],
    *,
    now: datetime,
    start_reason: StartReason = "discharge",
) -> list[UUID]:
    """Enrol those of these patients whose discharges qualify; returns who was. One statement for all."""
    if not patient_ids:
        return []
    parameters = {"tenant_id": session.tenant_id, "patient_ids": patient_ids, "now": now}
    return list(session.scalars(_ENROL, parameters | {"start_reason": start_reason}))


def on_ended(hook: EndedHook) -> EndedHook:
    """Register what a higher floor does when an enrolment is cancelled: (session, patient_ids, why, now)."""
    if hook not in _ended_hooks:
        _ended_hooks.append(hook)
    return hook


def on_started(hook: StartedHook) -> StartedHook:
    """Register what a higher floor does when somebody is enrolled by hand: (session, patient_ids, now)."""
    if hook not in _started_hooks:
        _started_hooks.append(hook)
    return hook


def open_enrolment(session: HospitalSession, patient_id: UUID) -> Enrolment | None:
    """The patient's open enrolment, locked for change."""
    return session.scalar(
        select(Enrolment)
        .where(
            Enrolment.tenant_id == session.tenant_id,
            Enrolment.patient_id == patient_id,
            Enrolment.ended_on.is_(None),
            Enrolment.cancelled_on.is_(None),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def cancel(session: HospitalSession, patient_id: UUID, *, reason: str, now: datetime) -> Enrolment:
    """Take a patient out of the programme (取消入组).

    Within 7 days the enrolment counts as never made (`cancelled_on`, free); later it ends today (`ended_on`).
    Raises `NotEnrolled`.
    """
    enrolment = open_enrolment(session, patient_id)
    if enrolment is None:
        raise NotEnrolled(str(patient_id))
    today = local_date(now)
    enrolment.end_reason = CANCELLED
    if is_free(local_date(enrolment.created_at), today):
        enrolment.cancelled_on = today
    else:
        enrolment.ended_on = max(today, enrolment.started_on)
    session.flush()
    for hook in _ended_hooks:
        hook(session, [patient_id], CANCELLED, now)
    audit.record(
        session,
        "patients.enrolment_cancelled",
        now=now,
        subject=f"patient:{patient_id}",
        reason=reason,
        detail={"enrolment": str(enrolment.id), "free": enrolment.cancelled_on is not None},
    )
    return enrolment


# What the rule asks of somebody who is to be enrolled by hand, with the stay that the enrolment hangs on: the
# latest one that they left alive and that was not taken back.
_BY_HAND = text("""
    SELECT p.contact_type = 'patient' AS patient, p.contact_state,
           p.restricted_at IS NOT NULL OR p.merged_at IS NOT NULL OR EXISTS (
               SELECT 1 FROM suppression s
               WHERE s.tenant_id = :tenant_id AND s.patient_id = p.id AND s.lifted_at IS NULL) AS suppressed,
           EXISTS (SELECT 1 FROM enrolment o WHERE o.tenant_id = :tenant_id AND o.patient_id = p.id
                   AND o.ended_on IS NULL AND o.cancelled_on IS NULL) AS enrolled,
           EXISTS (SELECT 1 FROM enrolment o WHERE o.tenant_id = :tenant_id AND o.patient_id = p.id
                   AND o.end_reason = :cancelled) AS cancelled,
           EXISTS (SELECT 1 FROM encounter e WHERE e.tenant_id = :tenant_id AND e.patient_id = p.id
                   AND e.disposition = 'died' AND e.withdrawn_at IS NULL) AS died,
           (SELECT e.id FROM encounter e
            WHERE e.tenant_id = :tenant_id AND e.patient_id = p.id AND e.kind = 'inpatient'
              AND e.withdrawn_at IS NULL AND e.discharged_on <= :today
            ORDER BY e.discharged_on DESC, e.admission_count DESC, e.id DESC LIMIT 1) AS encounter_id
    FROM patient p WHERE p.tenant_id = :tenant_id AND p.id = :patient_id FOR NO KEY UPDATE OF p
""")


def enrol_by_hand(session: HospitalSession, patient_id: UUID, *, reason: str, now: datetime) -> Enrolment:
    """Take somebody into the programme (手工入组) from today on: again after a wrong cancellation, or for the
    first time.

    A new enrolment and not the old one, so that no day is billed on which nobody was followed; what the
    cancellation ended in the plan, and can still be done, is planned again. Raises `NotEnrolled` for nobody
    of this hospital, `CannotEnrol` with the rule that is in the way.
    """
    today = local_date(now)
    key = {"tenant_id": session.tenant_id, "patient_id": patient_id, "today": today, "cancelled": CANCELLED}
    session.flush()
    found = session.execute(_BY_HAND, key).one_or_none()
    if found is None:
        raise NotEnrolled(str(patient_id))
    in_the_way: tuple[tuple[bool, Refusal], ...] = (
        (found.encounter_id is None or not found.patient, "not_inpatient"),
        (found.died, "died"),
        (found.suppressed, "suppressed"),
        (found.contact_state != "reachable", "no_number"),
        (found.enrolled, "already_enrolled"),
    )
    for there, why in in_the_way:
        if there:
            raise CannotEnrol(why)
    row = Enrolment(
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient_id,
        encounter_id=found.encounter_id,
        started_on=today,
        start_reason="reinstated" if found.cancelled else "by_hand",
        created_at=now,
    )
    session.add(row)
    session.flush()
    for hook in _started_hooks:
        hook(session, [patient_id], now)
    audit.record(
        session,
        "patients.enrolled_by_hand",
        now=now,
        subject=f"patient:{patient_id}",
        reason=reason,
        detail={"enrolment": str(row.id), "start_reason": row.start_reason},
    )
    return row
