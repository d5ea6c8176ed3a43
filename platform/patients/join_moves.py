"""What of the patients' own floor goes along when two records of one person become one.

The earlier of two open enrolments counts (one patient, one bill a month), what the kept record lacks is
filled from the other one, and what stops either of them stops both.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, update

from foundation.calendar import local_date
from foundation.catalogue import among
from foundation.database import HospitalSession, TenantRow
from patients import merging, suppression
from patients.models import (
    Consent,
    ContactPoint,
    DataProblem,
    Encounter,
    Enrolment,
    Patient,
    RecordAlias,
    SubjectRequest,
    Suppression,
)
from tenants.keys import seal, unseal

SOURCE = "merge"
# What the kept record takes over where it has nothing.
FILLED = ("sex", "birth_date", "age_years", "dialect", "answered_by", "preferred_part")
_NUMBERS = text("""
    UPDATE contact_point c SET patient_id = :kept WHERE c.tenant_id = :tenant_id AND c.patient_id = :gone
      AND NOT EXISTS (SELECT 1 FROM contact_point k WHERE k.tenant_id = :tenant_id AND k.patient_id = :kept
                      AND k.holder = c.holder)
""")
_PROBLEMS = text("""
    UPDATE data_problem d SET patient_id = :kept WHERE d.tenant_id = :tenant_id AND d.patient_id = :gone
      AND (d.resolved_at IS NOT NULL OR NOT EXISTS (
            SELECT 1 FROM data_problem k WHERE k.tenant_id = :tenant_id AND k.patient_id = :kept
              AND k.kind = d.kind AND k.resolved_at IS NULL))
""")
# Of two open enrolments the one that began later ends: its days lie within those of the other.
_ONE_OPEN = text("""
    UPDATE enrolment e SET ended_on = greatest(e.started_on, CAST(:today AS date)), end_reason = 'merged'
    FROM (
        SELECT o.id, row_number() OVER (ORDER BY o.started_on, o.patient_id = :kept DESC, o.id) AS place
        FROM enrolment o WHERE o.tenant_id = :tenant_id AND o.patient_id IN (:kept, :gone)
          AND o.ended_on IS NULL AND o.cancelled_on IS NULL) AS open
    WHERE e.tenant_id = :tenant_id AND e.id = open.id AND open.place > 1
""")
# A stop that came over keeps who said it, what was said of it, and whether a death is confirmed.
_SAME_WORDS = text("""
    UPDATE suppression k
    SET note_cipher = g.note_cipher, started_by = g.started_by, confirmed_at = g.confirmed_at,
        confirmed_by = g.confirmed_by
    FROM suppression g
    WHERE k.tenant_id = :tenant_id AND k.patient_id = :onto AND k.source = :source AND k.started_at = :now
      AND k.lifted_at IS NULL AND g.tenant_id = :tenant_id AND g.patient_id = :from AND g.reason = k.reason
      AND g.lifted_at IS NULL
""")


def move_rows(session: HospitalSession, kind: type[TenantRow], kept: UUID, gone: UUID) -> None:
    """Give all rows of a table that belong to `gone` to `kept`; for tables without a conflict of keys."""
    table = kind.__table__
    session.execute(
        update(kind)
        .where(table.c.tenant_id == session.tenant_id, table.c.patient_id == gone)
        .values(patient_id=kept)
        .execution_options(synchronize_session=False)
    )


def count_rows(session: HospitalSession, kind: type[TenantRow], patient_ids: list[UUID]) -> dict[UUID, int]:
    """How many rows of a table each of these patients has; who has none is left out."""
    table = kind.__table__
    rows = session.execute(
        select(table.c.patient_id, func.count())
        .where(table.c.tenant_id == session.tenant_id, among(table.c.patient_id, patient_ids))
        .group_by(table.c.patient_id)
    )
    return {patient_id: int(number) for patient_id, number in rows}


def stop_both(session: HospitalSession, kept: UUID, gone: UUID, *, now: datetime) -> None:
    """What stops one of the two stops the other, through the hooks of every floor."""
    for onto, other in ((kept, gone), (gone, kept)):
        for reason in suppression.active_reasons(session, other):
            suppression.suppress_many(session, [onto], reason, source=SOURCE, now=now)
        same_words(session, onto, other, SOURCE, now=now)


def same_words(session: HospitalSession, onto: UUID, other: UUID, source: str, *, now: datetime) -> None:
    """The stops that `onto` got just now from this source say what those of `other` say."""
    values = {"tenant_id": session.tenant_id, "onto": onto, "from": other, "source": source, "now": now}
    session.execute(_SAME_WORDS, values)
    merging.reload(session, Suppression)


def move_own(session: HospitalSession, kept: Patient, gone: Patient, *, now: datetime) -> None:
    """Stays, enrolments, numbers, consents, requests, problems and other record numbers."""
    values = {"tenant_id": session.tenant_id, "kept": kept.id, "gone": gone.id}
    session.flush()
    session.execute(_ONE_OPEN, values | {"today": local_date(now)})
    for kind in (Encounter, Enrolment, Consent, SubjectRequest, RecordAlias):
        move_rows(session, kind, kept.id, gone.id)
    session.execute(_NUMBERS, values)
    session.execute(_PROBLEMS, values)
    merging.reload(session, Encounter, Enrolment, Consent, SubjectRequest, RecordAlias)


def fill_gaps(session: HospitalSession, kept: Patient, gone: Patient, *, now: datetime) -> None:
    """Take over what the kept record lacks; what must not be said to either is not said."""
    for name in FILLED:
        if getattr(kept, name) is None:
            setattr(kept, name, getattr(gone, name))
    if kept.id_number_index is None:
        kept.id_number_cipher, kept.id_number_index = gone.id_number_cipher, gone.id_number_index
    words = [unseal(session, cipher) for cipher in (kept.must_not_say_cipher, gone.must_not_say_cipher)]
    if words[1] and words[1] not in words[0]:
        kept.must_not_say_cipher = seal(session, "；".join(word for word in words if word))
    kept.updated_at = now
    session.flush()
    merging.refresh_contact_state(session, [kept.id], now=now)
    merging.solve_number_problems(session, [kept.id], now)
    merging.reload(session, Patient, ContactPoint, DataProblem)
