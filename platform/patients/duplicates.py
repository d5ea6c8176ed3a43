"""Likely duplicates (疑似重复): two records of one hospital that may be one person, found and parked.

Nothing is joined here: a person looks at the pair and decides (`patients.joining`, `different`). A pair that
was decided stays decided. People whose data is restricted, erased or merged already are in no pair, nor are
contacts that are no patients.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import text

from foundation import audit
from foundation.bulk import whole_sets
from foundation.database import HospitalSession
from patients.models import PossibleDuplicate

Reason = Literal["same_id_number", "same_name_phone", "same_name_birth"]
REASONS: tuple[Reason, ...] = get_args(Reason)  # the strongest first
# From how many patients on whole sets are joined. A list of some hundred is slower so in a hospital of a
# million, by a second; without it a hospital that the planner has no statistics of yet waits for minutes.
MANY = 50
# A name, a birthday or a number that so many records share says nothing of any two of them: 000000 typed for
# a number, the first of January for a birthday that nobody knew.
CROWD = 20
_FIND = text("""
    WITH mine AS (
        SELECT p.id, p.name, p.id_number_index, p.birth_date FROM patient p
        WHERE p.tenant_id = :tenant_id AND p.id = ANY (CAST(:patient_ids AS uuid[]))
          AND p.contact_type = 'patient' AND p.restricted_at IS NULL AND p.merged_at IS NULL
    ), pairs AS (
        SELECT m.id AS mine, o.id AS other, 1 AS strength
        FROM mine m JOIN patient o ON o.tenant_id = :tenant_id AND o.id_number_index = m.id_number_index
        WHERE o.id <> m.id AND o.contact_type = 'patient' AND o.restricted_at IS NULL
          AND o.merged_at IS NULL
        UNION ALL
        SELECT m.id, o.id, 2
        FROM mine m
        JOIN contact_point c ON c.tenant_id = :tenant_id AND c.patient_id = m.id
        JOIN contact_point d ON d.tenant_id = :tenant_id AND d.number_index = c.number_index
        JOIN patient o ON o.tenant_id = :tenant_id AND o.id = d.patient_id AND o.name = m.name
        WHERE o.id <> m.id AND m.name <> '' AND o.contact_type = 'patient' AND o.restricted_at IS NULL
          AND o.merged_at IS NULL
        UNION ALL
        SELECT m.id, o.id, 3
        FROM mine m
        JOIN patient o ON o.tenant_id = :tenant_id AND o.name COLLATE "C" = m.name COLLATE "C"
            AND o.birth_date = m.birth_date
        WHERE o.id <> m.id AND m.name <> '' AND o.contact_type = 'patient' AND o.restricted_at IS NULL
          AND o.merged_at IS NULL
          -- Two ID numbers that differ say that it is two people, however common the name.
          AND (m.id_number_index IS NULL OR o.id_number_index IS NULL
               OR m.id_number_index = o.id_number_index)
    ), counted AS (
        SELECT mine, other, strength, count(*) OVER (PARTITION BY mine, strength) AS crowd FROM pairs
    ), strongest AS (
        SELECT least(mine, other) AS first_id, greatest(mine, other) AS second_id, min(strength) AS strength
        FROM counted WHERE crowd <= :crowd GROUP BY 1, 2
    )
    INSERT INTO possible_duplicate (tenant_id, id, first_id, second_id, reason, found_at)
    SELECT :tenant_id, uuidv7(), first_id, second_id,
           (CAST(:reasons AS text[]))[strength], :now
    FROM strongest ORDER BY strength, first_id, second_id
    ON CONFLICT (tenant_id, first_id, second_id) DO NOTHING
    RETURNING id
""")
_CHANGED = text("""
    SELECT id FROM patient WHERE tenant_id = :tenant_id AND updated_at >= :since
      AND contact_type = 'patient' AND restricted_at IS NULL AND merged_at IS NULL
""")


class UnknownPair(LookupError):
    """No such pair in this hospital, or it is decided already."""


def find(session: HospitalSession, patient_ids: list[UUID], *, now: datetime) -> int:
    """Park the pairs that one of these patients makes with anybody of the hospital; returns how many are new.

    One statement whatever the number. The strongest reason wins: the same ID number, then the same name with
    the same phone number (a family that shares a phone under different names is no pair), then the same name
    and birth date unless two ID numbers say otherwise.
    """
    if not patient_ids:
        return 0
    session.flush()
    values = {
        "tenant_id": session.tenant_id,
        "patient_ids": patient_ids,
        "reasons": list(REASONS),
        "crowd": CROWD,
        "now": now,
    }
    if len(patient_ids) < MANY:
        return len(session.execute(_FIND, values).all())
    with whole_sets(session):
        return len(session.execute(_FIND, values).all())


def find_changed(session: HospitalSession, *, now: datetime) -> int:
    """Park the pairs of everybody whose record changed in the last day and an hour: the nightly look."""
    values = {"tenant_id": session.tenant_id, "since": now - timedelta(hours=25)}
    return find(session, list(session.scalars(_CHANGED, values)), now=now)


def pair_or_raise(session: HospitalSession, pair_id: UUID) -> PossibleDuplicate:
    """A pair of this hospital, locked; raises `UnknownPair`."""
    pair = session.get(PossibleDuplicate, (session.tenant_id, pair_id), with_for_update=True)
    if pair is None:
        raise UnknownPair(str(pair_id))
    return pair


def different(session: HospitalSession, pair_id: UUID, *, now: datetime) -> PossibleDuplicate:
    """Say that the two are different people; they are not shown again. Saying it twice is once.

    Raises `UnknownPair`, also for a pair that was merged.
    """
    pair = pair_or_raise(session, pair_id)
    if pair.decision == "merged":
        raise UnknownPair(str(pair_id))
    if pair.decision is None:
        _decide(session, pair, "different", now)
    return pair


def reconsider(session: HospitalSession, pair_id: UUID, *, now: datetime) -> PossibleDuplicate:
    """Take back that the two are different people. Raises `UnknownPair`, also for a pair that was merged."""
    pair = pair_or_raise(session, pair_id)
    if pair.decision == "merged":
        raise UnknownPair(str(pair_id))
    if pair.decision is not None:
        _decide(session, pair, None, now)
    return pair


def _decide(session: HospitalSession, pair: PossibleDuplicate, decision: str | None, now: datetime) -> None:
    pair.decision = decision
    pair.decided_at = now if decision else None
    pair.decided_by = session.scope.actor.name if decision else None
    session.flush()
    audit.record(
        session,
        "patients.duplicate_decided",
        now=now,
        subject=f"patient:{pair.first_id}",
        reason=decision or "reconsidered",
        detail={"pair": str(pair.id), "other": str(pair.second_id)},
    )
