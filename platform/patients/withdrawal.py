"""A discharge taken back (撤销出院 A13, 取消入院 A11) and given once more: what rested on it follows.

The encounter stays, marked: it counts nowhere. Its enrolment ends, or rests on another discharge of the
patient; a death that came with it is lifted; what the higher floors planned for it stops through the hooks.
With a new discharge (A03) all of it is there again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from foundation import audit
from foundation.calendar import local_date
from foundation.database import HospitalSession
from patients import merging
from patients.enrolment import FREE_DAYS, enrol
from patients.models import Encounter, Enrolment
from patients.suppression import OWN_LISTS, lift_many, suppress_many

WITHDRAWN = "withdrawn"  # the end reason of an enrolment whose discharge was taken back
Hook = Callable[[HospitalSession, list[UUID], datetime], None]
_withdrawn_hooks: list[Hook] = []
_reinstated_hooks: list[Hook] = []

_LOCK = text("""
    SELECT count(*) FROM (
        SELECT 1 FROM patient p
        WHERE p.tenant_id = :tenant_id AND p.id IN (
            SELECT e.patient_id FROM encounter e
            WHERE e.tenant_id = :tenant_id AND e.id = ANY (CAST(:ids AS uuid[])))
        ORDER BY p.id FOR NO KEY UPDATE OF p) AS locked
""")
_WITHDRAW = text("""
    UPDATE encounter SET withdrawn_at = :now, updated_at = :now
    WHERE tenant_id = :tenant_id AND id = ANY (CAST(:ids AS uuid[])) AND withdrawn_at IS NULL
    RETURNING id, patient_id, disposition
""")
_REINSTATE = text("""
    UPDATE encounter SET withdrawn_at = NULL, updated_at = :now
    WHERE tenant_id = :tenant_id AND id = ANY (CAST(:ids AS uuid[])) AND withdrawn_at IS NOT NULL
    RETURNING id, patient_id, disposition
""")
# Deaths that the hospital's own data told, of patients of whom no other encounter says it.
_DEATHS = text("""
    SELECT s.id FROM suppression s
    WHERE s.tenant_id = :tenant_id AND s.patient_id = ANY (CAST(:patient_ids AS uuid[]))
      AND s.reason = 'deceased' AND s.lifted_at IS NULL AND s.source = ANY (CAST(:sources AS text[]))
      AND NOT EXISTS (
            SELECT 1 FROM encounter e
            WHERE e.tenant_id = :tenant_id AND e.patient_id = s.patient_id AND e.disposition = 'died'
              AND e.withdrawn_at IS NULL)
""")
# Who was discharged at another time as well goes on being followed, from then on.
_REST_ON_ANOTHER = text("""
    UPDATE enrolment o
    SET encounter_id = other.id, started_on = greatest(o.started_on, other.discharged_on)
    FROM (
        SELECT DISTINCT ON (e.patient_id) e.patient_id, e.id, e.discharged_on FROM encounter e
        WHERE e.tenant_id = :tenant_id AND e.patient_id = ANY (CAST(:patient_ids AS uuid[]))
          AND e.kind = 'inpatient' AND e.withdrawn_at IS NULL AND e.disposition IS DISTINCT FROM 'died'
          AND e.discharged_on <= :today
        ORDER BY e.patient_id, e.discharged_on DESC, e.id DESC) AS other
    WHERE o.tenant_id = :tenant_id AND o.encounter_id = ANY (CAST(:ids AS uuid[]))
      AND o.patient_id = other.patient_id AND o.ended_on IS NULL AND o.cancelled_on IS NULL
""")
# As cancelling by hand: free inside 7 days (J5), else it ends today.
_END = text("""
    UPDATE enrolment o
    SET end_reason = :reason,
        cancelled_on = CASE WHEN f.free THEN CAST(:today AS date) END,
        ended_on = CASE WHEN NOT f.free THEN greatest(o.started_on, CAST(:today AS date)) END
    FROM (
        SELECT e.id, CAST(:today AS date) - (e.created_at AT TIME ZONE 'Asia/Shanghai')::date
                     <= :free_days AS free
        FROM enrolment e
        WHERE e.tenant_id = :tenant_id AND e.encounter_id = ANY (CAST(:ids AS uuid[]))
          AND e.ended_on IS NULL AND e.cancelled_on IS NULL) AS f
    WHERE o.tenant_id = :tenant_id AND o.id = f.id
""")
_REOPEN = text("""
    UPDATE enrolment o SET ended_on = NULL, cancelled_on = NULL, end_reason = NULL
    FROM (
        SELECT DISTINCT ON (e.patient_id) e.id FROM enrolment e
        WHERE e.tenant_id = :tenant_id AND e.encounter_id = ANY (CAST(:ids AS uuid[]))
          AND e.end_reason = :reason
          AND NOT EXISTS (
                SELECT 1 FROM suppression s WHERE s.tenant_id = :tenant_id AND s.patient_id = e.patient_id
                   AND s.lifted_at IS NULL)
          AND NOT EXISTS (
                SELECT 1 FROM enrolment n WHERE n.tenant_id = :tenant_id AND n.patient_id = e.patient_id
                   AND n.ended_on IS NULL AND n.cancelled_on IS NULL)
        ORDER BY e.patient_id, e.started_on DESC, e.id DESC) AS ended
    JOIN enrolment self ON self.tenant_id = :tenant_id AND self.id = ended.id
    JOIN encounter n ON n.tenant_id = :tenant_id AND n.id = self.encounter_id
        AND n.disposition IS DISTINCT FROM 'died'
    WHERE o.tenant_id = :tenant_id AND o.id = ended.id
""")


def on_withdrawn(hook: Hook) -> Hook:
    """Register what a higher floor stops: (session, encounter_ids, now), in the same transaction."""
    if hook not in _withdrawn_hooks:
        _withdrawn_hooks.append(hook)
    return hook


def on_reinstated(hook: Hook) -> Hook:
    """Register what a higher floor brings back when the discharge is given once more."""
    if hook not in _reinstated_hooks:
        _reinstated_hooks.append(hook)
    return hook


def withdraw(session: HospitalSession, encounter_ids: list[UUID], *, now: datetime) -> list[UUID]:
    """Take back these encounters; returns those that stood until now. Twice is once."""
    values = _locked(session, encounter_ids)
    gone = session.execute(_WITHDRAW, values | {"now": now}).all()
    if not gone:
        return []
    merging.reload(session, Encounter)
    patients, ids = list({row.patient_id: None for row in gone}), [row.id for row in gone]
    common = {"tenant_id": session.tenant_id, "ids": ids, "patient_ids": patients, "today": local_date(now)}
    dead = session.scalars(_DEATHS, common | {"sources": sorted(OWN_LISTS)}).all()
    if dead:
        lift_many(session, list(dead), now=now, reason=WITHDRAWN)
    session.execute(_REST_ON_ANOTHER, common)
    session.execute(_END, common | {"reason": WITHDRAWN, "free_days": FREE_DAYS})
    merging.reload(session, Enrolment)
    # Last, so that what the lifted death brought back for this stay stops with the rest of it.
    for hook in _withdrawn_hooks:
        hook(session, ids, now)
    _recorded(session, "patients.encounter_withdrawn", ids, now)
    return ids


def reinstate(session: HospitalSession, encounter_ids: list[UUID], *, now: datetime) -> list[UUID]:
    """Let these encounters stand again; returns those that were taken back. Twice is once."""
    values = _locked(session, encounter_ids)
    back = session.execute(_REINSTATE, values | {"now": now}).all()
    if not back:
        return []
    merging.reload(session, Encounter)
    patients, ids = list({row.patient_id: None for row in back}), [row.id for row in back]
    session.execute(_REOPEN, {"tenant_id": session.tenant_id, "ids": ids, "reason": WITHDRAWN})
    merging.reload(session, Enrolment)
    enrol(session, patients, now=now)
    for hook in _reinstated_hooks:
        hook(session, ids, now)
    dead = list({row.patient_id: None for row in back if row.disposition == "died"})
    new = suppress_many(session, dead, "deceased", source="feed", now=now)
    if new:
        audit.record(
            session,
            "patients.suppressed",
            now=now,
            reason="deceased",
            detail={"source": "feed", "patients": [str(patient) for patient in new]},
        )
    _recorded(session, "patients.encounter_reinstated", ids, now)
    return ids


def _locked(session: HospitalSession, encounter_ids: list[UUID]) -> dict[str, object]:
    session.flush()
    values: dict[str, object] = {"tenant_id": session.tenant_id, "ids": encounter_ids}
    session.execute(_LOCK, values)
    return values


def _recorded(session: HospitalSession, action: str, ids: list[UUID], now: datetime) -> None:
    audit.record(session, action, now=now, detail={"encounters": [str(one) for one in ids]})
