"""Who reported a death (谁报告的死亡): whoever did is not the one who confirms it (S4-15).

A stop that came with a merge is the report of whoever reported it of the other record.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from foundation.database import HospitalSession
from patients.models import Suppression

# The records that were one with another at any time, in either direction, merges undone among them: a copy
# goes the way of the merges, and so does the report of it.
_TOLD = text("""
    WITH RECURSIVE kin AS (
        SELECT w.patient_id AS of, w.patient_id AS patient_id
        FROM unnest(CAST(:patient_ids AS uuid[])) AS w (patient_id)
        UNION
        SELECT k.of, CASE WHEN m.gone_id = k.patient_id THEN m.kept_id ELSE m.gone_id END
        FROM kin k JOIN patient_merge m
          ON m.tenant_id = :tenant_id AND k.patient_id IN (m.gone_id, m.kept_id)
    )
    SELECT k.of, a.detail ->> 'suppression' AS suppression, a.reason
    FROM kin k JOIN audit_event a ON a.tenant_id = :tenant_id AND a.actor_id = :actor_id
      AND a.action = 'patients.suppressed' AND a.subject = 'patient:' || CAST(k.patient_id AS text)
""")


def reported_here(session: HospitalSession, rows: Sequence[Suppression]) -> set[UUID]:
    """Which of these suppressions were reported by whoever acts now, by their id in the trail or by their
    name; all of them for a program, which confirms nothing. Of a stop that came with a merge the report of
    the other record counts. One statement.
    """
    actor = session.scope.actor
    if actor.id is None:
        return {row.id for row in rows}
    values = {
        "tenant_id": session.tenant_id,
        "actor_id": actor.id,
        "patient_ids": [row.patient_id for row in rows],
    }
    told = session.execute(_TOLD, values).all()
    by_id = {row.suppression for row in told}
    by_reason = {(row.of, row.reason) for row in told}
    return {
        row.id
        for row in rows
        if row.started_by == actor.name
        or str(row.id) in by_id
        or (row.source == "merge" and (row.patient_id, row.reason) in by_reason)
    }
