"""Whose a patient-month is when records were merged (合并): one patient, one bill a month (decision 0007).

`billing_owner` says where a merged record went in the end, through however many merges; `billing_came` which
enrolment began with which record, so that what stopped one record takes no day from the other.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from foundation.database import HospitalSession
from patients import joining

_SET_UP = (
    text("DROP TABLE IF EXISTS pg_temp.billing_owner, pg_temp.billing_came"),
    text("CREATE TEMP TABLE billing_owner (gone_id uuid PRIMARY KEY, kept_id uuid) ON COMMIT DROP"),
    text("CREATE TEMP TABLE billing_came (enrolment_id uuid PRIMARY KEY, record_id uuid) ON COMMIT DROP"),
)
_OWNERS = text("""
    INSERT INTO billing_owner
    WITH RECURSIVE live AS (
        SELECT gone_id, kept_id FROM patient_merge WHERE tenant_id = :tenant_id AND undone_at IS NULL
    ), way AS (
        SELECT gone_id, kept_id FROM live
        UNION ALL
        SELECT w.gone_id, m.kept_id FROM way w JOIN live m ON m.gone_id = w.kept_id
    )
    SELECT w.gone_id, w.kept_id FROM way w WHERE NOT EXISTS (SELECT 1 FROM live m WHERE m.gone_id = w.kept_id)
""")
# Of several merges on its way the first says with which record an enrolment began.
_CAME = text("""
    INSERT INTO billing_came
    SELECT DISTINCT ON (x.id) CAST(x.id AS uuid), m.gone_id
    FROM patient_merge m
    CROSS JOIN LATERAL jsonb_each(
        coalesce(m.moved -> 'enrolment' -> 'changed', CAST('{}' AS jsonb))) AS x (id, images)
    WHERE m.tenant_id = :tenant_id AND m.undone_at IS NULL
      AND x.images -> 0 ->> 'patient_id' = CAST(m.gone_id AS text)
    ORDER BY x.id, m.id
""")


def set_aside(session: HospitalSession) -> None:
    """Make the two tables, for the statements of `billing.ledger`; they go with the transaction."""
    for statement in _SET_UP:
        session.execute(statement)
    for statement in (_OWNERS, _CAME):
        session.execute(statement, {"tenant_id": session.tenant_id})


def with_merged(session: HospitalSession, patient_ids: list[UUID]) -> list[UUID]:
    """These patients and the records that went into them: a person's month is looked at as a whole."""
    found = dict.fromkeys(patient_ids)
    found |= dict.fromkeys(joining.all_merged_into(session, patient_ids))
    return list(found)
