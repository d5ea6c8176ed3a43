"""Suppression (停止联系): nobody is contacted who should not be (S4-15), and the undo of it.

Deceased 已故, cured 痊愈, special patients 特殊, refused 拒绝 (PIPL 15, 16), the hospital's wish 医院要求,
a dispute 纠纷. One transaction ends the enrolment and, through the hooks of the higher floors, every open and
future contact of every plan and channel; lifting the last suppression restores exactly that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import select, text

from foundation import audit
from foundation.calendar import local_date
from foundation.database import HospitalSession
from patients import merging
from patients.enrolment import enrol
from patients.models import Enrolment, Patient, Suppression
from tenants.keys import seal

Reason = Literal["deceased", "cured", "special", "refused", "hospital", "dispute"]
REASONS: tuple[Reason, ...] = get_args(Reason)
# Not chosen by hand: it follows from a request of the patient (PIPL 47), and ends with it.
RESTRICTED = "restricted"
ALL_REASONS: tuple[str, ...] = (*REASONS, RESTRICTED)
Hook = Callable[[HospitalSession, list[UUID], str, datetime], None]
_suppressed_hooks: list[Hook] = []
_lifted_hooks: list[Hook] = []


class UnknownPatient(LookupError):
    """No such patient in this hospital."""


class UnknownSuppression(LookupError):
    """No such suppression in this hospital."""


class UnknownReason(ValueError):
    """Not one of the six reasons."""


def on_suppressed(hook: Hook) -> Hook:
    """Register what a higher floor stops: (session, patient_ids, reason, now), in the same transaction."""
    if hook not in _suppressed_hooks:
        _suppressed_hooks.append(hook)
    return hook


def on_lifted(hook: Hook) -> Hook:
    """Register what a higher floor restores; called when the patient's last active suppression is lifted.

    `reason` is that of the suppression lifted last: what an earlier one stopped is to be restored as well.
    """
    if hook not in _lifted_hooks:
        _lifted_hooks.append(hook)
    return hook


_LOCK = text("""
    SELECT count(*) FROM (
        SELECT 1 FROM patient WHERE tenant_id = :tenant_id AND id = ANY (CAST(:patient_ids AS uuid[]))
        ORDER BY id FOR NO KEY UPDATE
    ) AS locked
""")
_INSERT = text("""
    INSERT INTO suppression (tenant_id, id, patient_id, reason, note_cipher, source, started_at,
                             started_by)
    SELECT :tenant_id, uuidv7(), w.patient_id, :reason, CAST(:note AS bytea), :source, :now, :by
    FROM unnest(CAST(:patient_ids AS uuid[])) AS w (patient_id)
    ON CONFLICT (tenant_id, patient_id, reason) WHERE lifted_at IS NULL DO NOTHING
    RETURNING patient_id
""")
# The last enrolled day is today, or the day of death where the hospital's data has it.
_END_ENROLMENTS = text("""
    UPDATE enrolment o
    SET end_reason = :reason, ended_on = greatest(o.started_on, coalesce(d.died_on, CAST(:today AS date)))
    FROM patient p
    LEFT JOIN (
        SELECT e.patient_id, max(e.discharged_on) AS died_on FROM encounter e
        WHERE e.tenant_id = :tenant_id AND e.patient_id = ANY (CAST(:patient_ids AS uuid[]))
          AND e.disposition = 'died' AND :reason = 'deceased'
        GROUP BY e.patient_id) AS d ON d.patient_id = p.id
    WHERE p.tenant_id = :tenant_id AND p.id = ANY (CAST(:patient_ids AS uuid[]))
      AND o.tenant_id = :tenant_id AND o.patient_id = p.id AND o.ended_on IS NULL AND o.cancelled_on IS NULL
""")
# An enrolment ended by a suppression exists only while its patient is suppressed: the reason is link enough.
_REOPEN_ENROLMENT = text("""
    UPDATE enrolment SET ended_on = NULL, end_reason = NULL
    WHERE tenant_id = :tenant_id AND patient_id = :patient_id AND cancelled_on IS NULL
      AND end_reason = ANY (CAST(:reasons AS text[]))
""")


def suppress(
    session: HospitalSession, patient_id: UUID, reason: str, *, note: str = "", source: str, now: datetime
) -> Suppression:
    """Stop every contact with one patient, from now on.

    `source` says where it came from (`card`, `call`, `import`, `case`). Suppressing twice for one reason is
    once. Raises `UnknownPatient`, `UnknownReason`.
    """
    if session.get(Patient, (session.tenant_id, patient_id)) is None:
        raise UnknownPatient(str(patient_id))
    new = suppress_many(session, [patient_id], reason, note=note, source=source, now=now)
    row = _active(session, patient_id, reason)
    if new:
        audit.record(
            session,
            "patients.suppressed",
            now=now,
            subject=f"patient:{patient_id}",
            reason=reason,
            detail={"suppression": str(row.id), "source": source},
        )
    return row


def suppress_many(
    session: HospitalSession,
    patient_ids: list[UUID],
    reason: str,
    *,
    note: str = "",
    source: str,
    now: datetime,
) -> list[UUID]:
    """Suppress many patients for one reason, by a few statements; returns those who were not already.

    Their open enrolments end today, or on the day of death that the data has. The caller writes the audit
    event. Raises `UnknownReason`.
    """
    if reason not in ALL_REASONS:
        raise UnknownReason(reason)
    if not patient_ids:
        return []
    session.flush()
    common = {"tenant_id": session.tenant_id, "patient_ids": patient_ids}
    session.execute(_LOCK, common)
    made = {
        "reason": reason,
        "note": seal(session, note),
        "source": source,
        "now": now,
        "by": session.scope.actor.name,
    }
    new = list(session.scalars(_INSERT, common | made))
    if not new:
        return []
    ending = {"tenant_id": session.tenant_id, "patient_ids": new, "reason": reason, "today": local_date(now)}
    session.execute(_END_ENROLMENTS, ending)
    merging.reload(session, Enrolment)
    for hook in _suppressed_hooks:
        hook(session, new, reason, now)
    return new


def lift(
    session: HospitalSession,
    suppression_id: UUID,
    *,
    now: datetime,
    reason: str = "",
    by_request: bool = False,
) -> Suppression:
    """Undo a suppression; with the patient's last one the enrolment and the contacts it ended come back.

    `reason` is why, for the audit trail. A restriction that the patient asked for is lifted with that request
    alone (`by_request`). Lifting twice is once. Raises `UnknownSuppression`.
    """
    row = session.get(Suppression, (session.tenant_id, suppression_id))
    if row is None or (row.reason == RESTRICTED and not by_request):
        raise UnknownSuppression(str(suppression_id))
    session.flush()
    session.execute(_LOCK, {"tenant_id": session.tenant_id, "patient_ids": [row.patient_id]})
    session.refresh(row)
    if row.lifted_at is not None:
        return row
    row.lifted_at, row.lifted_by = now, session.scope.actor.name
    session.flush()
    patient_id = row.patient_id
    free = not active_reasons(session, patient_id)
    if free:
        session.execute(
            _REOPEN_ENROLMENT,
            {"tenant_id": session.tenant_id, "patient_id": patient_id, "reasons": list(ALL_REASONS)},
        )
        merging.reload(session, Enrolment)
        enrol(session, [patient_id], now=now)  # discharged while suppressed: the rules are asked now
        for hook in _lifted_hooks:
            hook(session, [patient_id], row.reason, now)
    audit.record(
        session,
        "patients.suppression_lifted",
        now=now,
        subject=f"patient:{patient_id}",
        reason=reason or row.reason,
        detail={"suppression": str(row.id), "contacts_restored": free},
    )
    return row


def active_reasons(session: HospitalSession, patient_id: UUID) -> list[str]:
    """The reasons for which nobody may contact this patient now, oldest first."""
    return list(
        session.scalars(
            select(Suppression.reason)
            .where(
                Suppression.tenant_id == session.tenant_id,
                Suppression.patient_id == patient_id,
                Suppression.lifted_at.is_(None),
            )
            .order_by(Suppression.started_at, Suppression.id)
        )
    )


def _active(session: HospitalSession, patient_id: UUID, reason: str) -> Suppression:
    return session.scalars(
        select(Suppression).where(
            Suppression.tenant_id == session.tenant_id,
            Suppression.patient_id == patient_id,
            Suppression.reason == reason,
            Suppression.lifted_at.is_(None),
        )
    ).one()
