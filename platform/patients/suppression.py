"""Suppression (停止联系): nobody is contacted who should not be (S4-15), and the undo of it.

Deceased 已故, cured 痊愈, special patients 特殊, refused 拒绝 (PIPL 15, 16), the hospital's wish 医院要求,
a dispute 纠纷. One transaction ends the enrolment and, through the hooks of the higher floors, every open and
future contact of every plan and channel; lifting the last suppression restores exactly that. What passed
meanwhile (a window that closed) ends by its own tick, not by the undo.

Whoever queues anything for a patient registers here what stops it and what brings it back, and with
`suppression_effects.register_live` how it is counted: the preview and the nightly check then know it too.
The card that an agent has open is closed and not given back: it is a lock of minutes, not a plan.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import select, text

from foundation import audit
from foundation.bulk import whole_sets
from foundation.calendar import local_date
from foundation.catalogue import among
from foundation.database import HospitalSession
from patients import merging
from patients.enrolment import enrol
from patients.models import Enrolment, Patient, Suppression
from patients.reporters import reported_here
from tenants.keys import seal

Reason = Literal["deceased", "cured", "special", "refused", "hospital", "dispute"]
REASONS: tuple[Reason, ...] = get_args(Reason)
# Not chosen by hand: the one follows from a request of the patient (PIPL 47) and ends with it, the other from
# a merge of two records, and ends when that is undone.
RESTRICTED, MERGED = "restricted", "merged"
NOT_BY_HAND = frozenset({RESTRICTED, MERGED})
ALL_REASONS: tuple[str, ...] = (*REASONS, RESTRICTED, MERGED)
# What the hospital itself says of a death needs no second person.
OWN_LISTS = frozenset({"import", "feed"})
FEW = 100
Hook = Callable[[HospitalSession, list[UUID], str, datetime], None]
_suppressed_hooks: list[Hook] = []
_lifted_hooks: list[Hook] = []


class UnknownPatient(LookupError):
    """No such patient in this hospital."""


class UnknownSuppression(LookupError):
    """No such suppression in this hospital."""


class UnknownReason(ValueError):
    """Not one of the reasons."""


class SamePerson(PermissionError):
    """Whoever reported a death does not confirm it (S4-15)."""


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
                             started_by, confirmed_at, confirmed_by)
    SELECT :tenant_id, uuidv7(), w.patient_id, :reason, CAST(:note AS bytea), :source, :now, :by,
           CASE WHEN :confirmed THEN CAST(:now AS timestamptz) END, CASE WHEN :confirmed THEN :by END
    FROM unnest(CAST(:patient_ids AS uuid[])) AS w (patient_id)
    ON CONFLICT (tenant_id, patient_id, reason) WHERE lifted_at IS NULL DO NOTHING
    RETURNING patient_id
""")
# A death reported by telephone that the hospital's own list says later.
_CONFIRM = text("""
    UPDATE suppression SET confirmed_at = :now, confirmed_by = :by
    WHERE tenant_id = :tenant_id AND patient_id = ANY (CAST(:patient_ids AS uuid[])) AND reason = 'deceased'
      AND lifted_at IS NULL AND confirmed_at IS NULL
    RETURNING id, patient_id
""")
# The last enrolled day is today, or the day of death where the hospital's data has it.
_END_ENROLMENTS = text("""
    UPDATE enrolment o
    SET end_reason = :reason, ended_on = greatest(o.started_on, coalesce(d.died_on, CAST(:today AS date)))
    FROM unnest(CAST(:patient_ids AS uuid[])) AS w (patient_id)
    LEFT JOIN (
        SELECT e.patient_id, max(e.discharged_on) AS died_on FROM encounter e
        WHERE e.tenant_id = :tenant_id AND e.patient_id = ANY (CAST(:patient_ids AS uuid[]))
          AND e.disposition = 'died' AND e.withdrawn_at IS NULL AND :reason = 'deceased'
        GROUP BY e.patient_id) AS d ON d.patient_id = w.patient_id
    WHERE o.tenant_id = :tenant_id AND o.patient_id = w.patient_id
      AND o.ended_on IS NULL AND o.cancelled_on IS NULL
""")
# An enrolment ended by a suppression of its own patient exists only while the patient is suppressed: reason
# and patient are link enough. One that came with a merged record keeps its end.
_REOPEN_ENROLMENTS = text("""
    UPDATE enrolment o SET ended_on = NULL, end_reason = NULL
    FROM (
        SELECT DISTINCT ON (e.patient_id) e.id FROM enrolment e
        WHERE e.tenant_id = :tenant_id AND e.patient_id = ANY (CAST(:patient_ids AS uuid[]))
          AND e.cancelled_on IS NULL AND EXISTS (
                SELECT 1 FROM suppression s WHERE s.tenant_id = :tenant_id AND s.patient_id = e.patient_id
                   AND s.reason = e.end_reason AND s.lifted_at IS NOT NULL)
          AND NOT EXISTS (
                SELECT 1 FROM enrolment n WHERE n.tenant_id = :tenant_id AND n.patient_id = e.patient_id
                   AND n.ended_on IS NULL AND n.cancelled_on IS NULL)
        ORDER BY e.patient_id, e.started_on DESC, e.id DESC) AS ended
    WHERE o.tenant_id = :tenant_id AND o.id = ended.id
""")
_LIFT = text("""
    UPDATE suppression SET lifted_at = :now, lifted_by = :by
    WHERE tenant_id = :tenant_id AND id = ANY (CAST(:ids AS uuid[])) AND lifted_at IS NULL
    RETURNING id, patient_id, reason
""")
_FREE = text("""
    SELECT w.patient_id FROM unnest(CAST(:patient_ids AS uuid[])) AS w (patient_id)
    WHERE NOT EXISTS (
        SELECT 1 FROM suppression s
        WHERE s.tenant_id = :tenant_id AND s.patient_id = w.patient_id AND s.lifted_at IS NULL)
""")


def suppress(
    session: HospitalSession, patient_id: UUID, reason: str, *, note: str = "", source: str, now: datetime
) -> Suppression:
    """Stop every contact with one patient, from now on.

    `source` says where it came from (`card`, `call`, `import`, `case`). Suppressing twice for one reason is
    once. A death holds at once and waits for a second person (`confirm_death`), unless the hospital's own
    list says it. Raises `UnknownPatient`, `UnknownReason`.
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
    with _sized_for(session, patient_ids):
        return _suppress(session, patient_ids, reason, note=note, source=source, now=now)


def _suppress(
    session: HospitalSession, patient_ids: list[UUID], reason: str, *, note: str, source: str, now: datetime
) -> list[UUID]:
    common = {"tenant_id": session.tenant_id, "patient_ids": patient_ids}
    session.execute(_LOCK, common)
    made = {
        "reason": reason,
        "note": seal(session, note),
        "source": source,
        "now": now,
        "by": session.scope.actor.name,
        "confirmed": reason == "deceased" and source in OWN_LISTS,
    }
    new = list(session.scalars(_INSERT, common | made))
    if made["confirmed"] and len(new) < len(set(patient_ids)):
        _confirm_by_list(session, patient_ids, source, now)
    if not new:
        return []
    stop(session, new, reason, now=now)
    return new


def stop(session: HospitalSession, patient_ids: list[UUID], reason: str, *, now: datetime) -> None:
    """End what a suppression ends, of patients of whom one holds: also once more, when something of theirs
    came back by another way (the undo of a merge).
    """
    ending = {"tenant_id": session.tenant_id, "patient_ids": patient_ids, "reason": reason}
    session.execute(_END_ENROLMENTS, ending | {"today": local_date(now)})
    merging.reload(session, Enrolment)
    for hook in _suppressed_hooks:
        hook(session, patient_ids, reason, now)


def restore(session: HospitalSession, patient_ids: list[UUID], reason: str, *, now: datetime) -> None:
    """Bring back what the higher floors stopped, of patients of whom nothing holds any more."""
    for hook in _lifted_hooks:
        hook(session, patient_ids, reason, now)


def confirm_death(session: HospitalSession, suppression_id: UUID, *, now: datetime) -> Suppression:
    """The second confirmation of a death (二次确认, S4-15); confirming twice is once.

    Raises `UnknownSuppression` for anything but a death that still holds, `SamePerson` when it was this
    person who reported it.
    """
    row = session.get(Suppression, (session.tenant_id, suppression_id), with_for_update=True)
    if row is None or row.reason != "deceased" or row.lifted_at is not None:
        raise UnknownSuppression(str(suppression_id))
    if row.confirmed_at is not None:
        return row
    if reported_here(session, [row]):
        raise SamePerson(str(suppression_id))
    row.confirmed_at, row.confirmed_by = now, session.scope.actor.name
    session.flush()
    audit.record(
        session,
        "patients.death_confirmed",
        now=now,
        subject=f"patient:{row.patient_id}",
        detail={"suppression": str(row.id), "reported_from": row.source},
    )
    return row


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
    alone, the stop of a merged record with the undo of the merge (`by_request`). Lifting twice is once.
    Raises `UnknownSuppression`.
    """
    row = session.get(Suppression, (session.tenant_id, suppression_id))
    if row is None or (row.reason in NOT_BY_HAND and not by_request):
        raise UnknownSuppression(str(suppression_id))
    session.flush()
    lift_many(session, [row.id], now=now, reason=reason)
    session.refresh(row)
    return row


def lift_many(
    session: HospitalSession, suppression_ids: list[UUID], *, now: datetime, reason: str = ""
) -> list[UUID]:
    """Undo many suppressions, of whatever reason, by a few statements and an audit event each; returns the
    patients who may be contacted again. Those lifted already, or of another hospital, are passed over.
    """
    session.flush()
    with _sized_for(session, suppression_ids):
        return _lift(session, suppression_ids, now=now, reason=reason)


def _lift(session: HospitalSession, suppression_ids: list[UUID], *, now: datetime, reason: str) -> list[UUID]:
    key = {"tenant_id": session.tenant_id}
    of_patients = select(Suppression.patient_id).where(
        Suppression.tenant_id == session.tenant_id, among(Suppression.id, suppression_ids)
    )
    session.execute(_LOCK, key | {"patient_ids": list(session.scalars(of_patients))})
    lifted = session.execute(
        _LIFT, key | {"ids": suppression_ids, "now": now, "by": session.scope.actor.name}
    ).all()
    if not lifted:
        return []
    merging.reload(session, Suppression)
    patients = list({row.patient_id: None for row in lifted})
    free = list(session.scalars(_FREE, key | {"patient_ids": patients}))
    if free:
        session.execute(_REOPEN_ENROLMENTS, key | {"patient_ids": free})
        merging.reload(session, Enrolment)
        # Discharged while suppressed: the rules are asked now.
        enrol(session, free, now=now, start_reason="lifted")
        _tell_lifted(session, {row.patient_id: row.reason for row in lifted}, free, now)
    again = set(free)
    for row in lifted:
        audit.record(
            session,
            "patients.suppression_lifted",
            now=now,
            subject=f"patient:{row.patient_id}",
            reason=reason or row.reason,
            detail={"suppression": str(row.id), "contacts_restored": row.patient_id in again},
        )
    return free


def _sized_for(session: HospitalSession, ids: list[UUID]) -> AbstractContextManager[None]:
    """Few rows are found one by one, many as sets: right after its first import the planner knows nothing of
    a hospital.
    """
    return whole_sets(session) if len(ids) > FEW else nullcontext()


def _tell_lifted(session: HospitalSession, reasons: dict[UUID, str], free: list[UUID], now: datetime) -> None:
    """The hooks are told once for each reason, not once for each patient."""
    by_reason: dict[str, list[UUID]] = {}
    for patient_id in free:
        by_reason.setdefault(reasons[patient_id], []).append(patient_id)
    for lifted_reason, patient_ids in by_reason.items():
        restore(session, patient_ids, lifted_reason, now=now)


def _confirm_by_list(session: HospitalSession, patient_ids: list[UUID], source: str, now: datetime) -> None:
    values = {"patient_ids": patient_ids, "now": now, "by": session.scope.actor.name}
    confirmed = session.execute(_CONFIRM, values | {"tenant_id": session.tenant_id}).all()
    if not confirmed:
        return
    merging.reload(session, Suppression)
    audit.record(
        session,
        "patients.death_confirmed",
        now=now,
        detail={"source": source, "patients": [str(row.patient_id) for row in confirmed]},
    )


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
