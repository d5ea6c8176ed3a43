"""What the contact policy must know of many patients, read in one statement.

For a few patients (a draw, a dial) each thing is looked up by its key; for many (a plan of 20,000) every
table is read once and joined as a set, which also holds right after an import, when the planner knows nothing
of the tables yet and would look 20,000 times through the calls of the day. What the hospital has set is read
once and comes with every row as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from json import loads
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text

from foundation.bulk import whole_sets
from foundation.calendar import local_date
from foundation.database import FirmSession, HospitalSession
from outreach.policy import STANDARD, ContactFacts, NumberFacts
from patients.consent_rules import Ask, Basis, Version, Word
from patients.identity import GUARDIAN_UNTIL, is_minor

# Two calendar days hold every dial that a cap of today or a gap of three hours can see.
DIALS_BACK = timedelta(days=2)

_COLUMNS = """
SELECT p.id, h.region, h.active, h.asks, h.bases, p.birth_date, p.age_years,
    s.suppressions, w.words, n.numbers, t.surveyed_at, t.pending_surveys
FROM (
    SELECT g.region, g.state = 'active' AS active,
        (SELECT jsonb_agg(jsonb_build_array(v.purpose, v.channel, v.version, extract(epoch FROM greatest(
                v.created_at, CAST(v.valid_from AS timestamp) AT TIME ZONE 'Asia/Shanghai'))))::text
            FROM consent_text v WHERE v.tenant_id = g.tenant_id AND v.asks_again) AS asks,
        (SELECT jsonb_object_agg(b.purpose, b.basis)::text FROM (
            SELECT DISTINCT ON (o.purpose) o.purpose, o.basis FROM purpose_basis o
            WHERE o.tenant_id = g.tenant_id ORDER BY o.purpose, o.set_at DESC, o.id DESC) AS b) AS bases
    FROM hospital g WHERE g.tenant_id = :tenant_id OFFSET 0
) AS h
CROSS JOIN unnest(CAST(:patient_ids AS uuid[])) AS wanted (id)
"""
_WORD = """jsonb_build_array(c.purpose, c.channel, c.given, extract(epoch FROM c.at), x.channel, x.version)"""
_NUMBER = """jsonb_build_array(m.id, m.holder, m.relation, m.invalid_since IS NULL, d.dials, k.scopes)"""
_SURVEYS = """max(y.closed_at) FILTER (WHERE y.state IN ('completed', 'partial')
                                      AND y.closed_at > :surveys_since) AS surveyed_at,
        array_agg(y.source_id) FILTER (WHERE y.state = 'open') AS pending_surveys"""


def _statement(joins: str) -> TextClause:
    """One of the two texts; what both select stands once."""
    for name, columns in (("[word]", _WORD), ("[number]", _NUMBER), ("[surveys]", _SURVEYS)):
        joins = joins.replace(name, columns)
    return text(_COLUMNS + joins)


# A few patients: each thing is a look-up by its key.
_OF_FEW = _statement(
    """
CROSS JOIN LATERAL (
    SELECT q.id, q.birth_date, q.age_years FROM patient q WHERE q.tenant_id = :tenant_id AND q.id = wanted.id
    OFFSET 0
) AS p
CROSS JOIN LATERAL (
    SELECT array_agg(u.reason) AS suppressions FROM suppression u
    WHERE u.tenant_id = :tenant_id AND u.patient_id = p.id AND u.lifted_at IS NULL
) AS s
CROSS JOIN LATERAL (
    SELECT jsonb_agg([word]) AS words
    FROM consent c LEFT JOIN consent_text x ON x.tenant_id = c.tenant_id AND x.id = c.text_id
    WHERE c.tenant_id = :tenant_id AND c.patient_id = p.id
) AS w
CROSS JOIN LATERAL (
    SELECT jsonb_agg([number] ORDER BY m.position) AS numbers
    FROM contact_point m
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(extract(epoch FROM l.dialled_at)) AS dials FROM call l
        WHERE l.tenant_id = :tenant_id AND l.number_index = m.number_index
          AND l.dialled_at > :dials_since AND l.dialled_at <= :now
    ) AS d
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(z.scope) AS scopes FROM number_block z
        WHERE z.tenant_id = :tenant_id AND z.number_index = m.number_index AND z.removed_at IS NULL
    ) AS k
    WHERE m.tenant_id = :tenant_id AND m.patient_id = p.id
) AS n
CROSS JOIN LATERAL (
    SELECT [surveys]
    FROM contact_task y WHERE y.tenant_id = :tenant_id AND y.patient_id = p.id AND y.kind = 'survey'
) AS t
"""
)
# Many: every table is read once and joined as a set.
_OF_MANY = _statement(
    """
JOIN patient p ON p.tenant_id = :tenant_id AND p.id = wanted.id
LEFT JOIN (
    SELECT u.patient_id, array_agg(u.reason) AS suppressions FROM suppression u
    WHERE u.tenant_id = :tenant_id AND u.lifted_at IS NULL GROUP BY u.patient_id
) AS s ON s.patient_id = p.id
LEFT JOIN (
    SELECT c.patient_id, jsonb_agg([word]) AS words
    FROM consent c LEFT JOIN consent_text x ON x.tenant_id = c.tenant_id AND x.id = c.text_id
    WHERE c.tenant_id = :tenant_id GROUP BY c.patient_id
) AS w ON w.patient_id = p.id
LEFT JOIN (
    SELECT m.patient_id, jsonb_agg([number] ORDER BY m.position) AS numbers
    FROM unnest(CAST(:patient_ids AS uuid[])) AS asked (id)
    JOIN contact_point m ON m.tenant_id = :tenant_id AND m.patient_id = asked.id
    LEFT JOIN (
        SELECT l.number_index, jsonb_agg(extract(epoch FROM l.dialled_at)) AS dials FROM call l
        WHERE l.tenant_id = :tenant_id AND l.dialled_at > :dials_since AND l.dialled_at <= :now
        GROUP BY l.number_index
    ) AS d ON d.number_index = m.number_index
    LEFT JOIN (
        SELECT z.number_index, jsonb_agg(z.scope) AS scopes FROM number_block z
        WHERE z.tenant_id = :tenant_id AND z.removed_at IS NULL GROUP BY z.number_index
    ) AS k ON k.number_index = m.number_index
    GROUP BY m.patient_id
) AS n ON n.patient_id = p.id
LEFT JOIN (
    SELECT y.patient_id, [surveys]
    FROM contact_task y WHERE y.tenant_id = :tenant_id AND y.kind = 'survey' GROUP BY y.patient_id
) AS t ON t.patient_id = p.id
"""
)
FEW = 64


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
    wanted = list(set(patient_ids))
    values = {
        "tenant_id": tenant_id,
        "patient_ids": wanted,
        "now": now,
        "dials_since": now - DIALS_BACK,
        "surveys_since": now - STANDARD.survey_gap,
    }
    if len(wanted) <= FEW or not isinstance(session, HospitalSession):
        rows = session.execute(_OF_FEW, values).all()
    else:
        with whole_sets(session):
            rows = session.execute(_OF_MANY, values).all()
    today = local_date(now)
    return {row.id: _facts(row, today) for row in rows}


def _facts(row: Row[Any], today: date) -> ContactFacts:
    return ContactFacts(
        patient_id=row.id,
        region=row.region,
        hospital_active=row.active,
        minor=_minor(row.birth_date, row.age_years, today),
        suppressions=frozenset(row.suppressions or ()),
        words=tuple(_word(*said) for said in row.words or ()),
        asks=_asks(row.asks),
        bases=_bases(row.bases),
        numbers=tuple(_number(*number) for number in row.numbers or ()),
        surveyed_at=row.surveyed_at,
        pending_surveys=frozenset(row.pending_surveys or ()),
    )


def _number(
    point_id: str,
    holder: str,
    relation: str,
    valid: bool,
    dials: list[float] | None,
    blocked: list[str] | None,
) -> NumberFacts:
    dialled = tuple(_moment(seconds) for seconds in dials or ())
    return NumberFacts(UUID(point_id), holder, relation, valid, dialled, frozenset(blocked or ()))


def _word(
    purpose: str, channel: str, given: bool, at: float, text_channel: str | None, version: int | None
) -> Word:
    shown = None if text_channel is None or version is None else Version(text_channel, version)
    return Word(purpose, channel, given, _moment(at), shown)


@lru_cache(maxsize=512)
def _asks(stored: str | None) -> tuple[Ask, ...]:
    return tuple(
        Ask(purpose, channel, number, _moment(at)) for purpose, channel, number, at in loads(stored or "[]")
    )


@lru_cache(maxsize=512)
def _bases(stored: str | None) -> dict[str, Basis]:
    return dict(loads(stored or "{}"))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _minor(birth_date: date | None, age_years: int | None, today: date) -> bool:
    if birth_date is not None:
        return is_minor(birth_date, today)
    return age_years is not None and age_years < GUARDIAN_UNTIL
