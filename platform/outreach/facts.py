"""What the contact policy must know of many patients, read in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from foundation.calendar import local_date
from foundation.database import FirmSession, HospitalSession
from outreach.policy import STANDARD, ContactFacts, NumberFacts
from patients.identity import GUARDIAN_UNTIL, is_minor

# Two calendar days hold every dial that a cap of today or a gap of three hours can see.
DIALS_BACK = timedelta(days=2)

_FACTS = text("""
SELECT p.id, h.region, h.state = 'active' AS active, p.birth_date, p.age_years,
    ARRAY(SELECT s.reason FROM suppression s
          WHERE s.tenant_id = p.tenant_id AND s.patient_id = p.id AND s.lifted_at IS NULL) AS suppressions,
    (SELECT jsonb_object_agg(c.purpose, c.given) FROM (
        SELECT DISTINCT ON (k.purpose) k.purpose, k.given FROM consent k
        WHERE k.tenant_id = p.tenant_id AND k.patient_id = p.id
        ORDER BY k.purpose, k.at DESC, k.id DESC) c) AS consents,
    (SELECT jsonb_agg(jsonb_build_object(
            'id', n.id, 'holder', n.holder, 'relation', n.relation, 'valid', n.invalid_since IS NULL,
            'dials', (SELECT jsonb_agg(extract(epoch FROM d.dialled_at)) FROM call d
                      WHERE d.tenant_id = n.tenant_id AND d.number_index = n.number_index
                        AND d.dialled_at > :dials_since AND d.dialled_at <= :now)) ORDER BY n.position)
        FROM contact_point n WHERE n.tenant_id = p.tenant_id AND n.patient_id = p.id) AS numbers,
    (SELECT max(t.closed_at) FROM contact_task t
        WHERE t.tenant_id = p.tenant_id AND t.patient_id = p.id AND t.kind = 'survey'
          AND t.state IN ('completed', 'partial') AND t.closed_at > :surveys_since) AS surveyed_at,
    ARRAY(SELECT t.source_id FROM contact_task t
        WHERE t.tenant_id = p.tenant_id AND t.patient_id = p.id AND t.kind = 'survey'
          AND t.state = 'open') AS pending_surveys
FROM patient p JOIN hospital h ON h.tenant_id = p.tenant_id
WHERE p.tenant_id = :tenant_id AND p.id = ANY (CAST(:patient_ids AS uuid[]))
""")


def load(
    session: HospitalSession | FirmSession,
    patient_ids: Iterable[UUID],
    now: datetime,
    *,
    tenant_id: UUID | None = None,
) -> dict[UUID, ContactFacts]:
    """The facts of these patients of one hospital, by patient; unknown ones are left out.

    `tenant_id` names the hospital in a session over several; in a hospital's own session it is known.
    """
    if tenant_id is None:
        if not isinstance(session, HospitalSession):
            msg = "a session over several hospitals needs tenant_id"
            raise TypeError(msg)
        tenant_id = session.tenant_id
    rows = session.execute(
        _FACTS,
        {
            "tenant_id": tenant_id,
            "patient_ids": list(patient_ids),
            "now": now,
            "dials_since": now - DIALS_BACK,
            "surveys_since": now - STANDARD.survey_gap,
        },
    )
    today = local_date(now)
    return {row.id: _facts(row, today) for row in rows}


def _facts(row: Row[Any], today: date) -> ContactFacts:
    return ContactFacts(
        patient_id=row.id,
        region=row.region,
        hospital_active=row.active,
        minor=_minor(row.birth_date, row.age_years, today),
        suppressions=frozenset(row.suppressions),
        consents=row.consents or {},
        numbers=tuple(_number(number) for number in row.numbers or ()),
        surveyed_at=row.surveyed_at,
        pending_surveys=frozenset(row.pending_surveys),
    )


def _number(stored: dict[str, Any]) -> NumberFacts:
    dials = tuple(datetime.fromtimestamp(seconds, UTC) for seconds in stored["dials"] or ())
    return NumberFacts(UUID(stored["id"]), stored["holder"], stored["relation"], stored["valid"], dials)


def _minor(birth_date: date | None, age_years: int | None, today: date) -> bool:
    if birth_date is not None:
        return is_minor(birth_date, today)
    return age_years is not None and age_years < GUARDIAN_UNTIL
