"""From the staged rows to the hospital's own: a handful of statements, whatever the number of rows.

What a file may change: an encounter is replaced by what the file says of it. The person is taken from the
encounter with the latest discharge (an old list sent late does not bring back an old number), and an empty
cell never wipes what is known. What somebody put right by hand stands (`patients.corrections`). A number that
stays the same keeps its mark of being invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from foundation.database import HospitalSession, TenantRow
from patients import corrections

# Writers of one patient (an import, a suppression) follow each other: neither misses the other's decision.
_LOCK_PATIENTS = text("""
    SELECT count(*) FROM (
        SELECT 1 FROM patient p JOIN import_person i ON i.patient_id = p.id
        WHERE p.tenant_id = :tenant_id AND NOT i.is_new ORDER BY p.id FOR NO KEY UPDATE OF p
    ) AS locked
""")
_DEPARTMENTS = """
    INSERT INTO department (tenant_id, id, name)
    SELECT :tenant_id, uuidv7(), r.department FROM import_row r
    WHERE r.department <> '' AND NOT EXISTS (
        SELECT 1 FROM department d WHERE d.tenant_id = :tenant_id AND d.name = r.department)
    GROUP BY r.department ORDER BY r.department
    ON CONFLICT (tenant_id, name) DO NOTHING
    RETURNING id
"""
_NEW_PATIENTS = """
    INSERT INTO patient (tenant_id, id, record_number, name, initials, sex, birth_date, age_years,
                         id_number_cipher, id_number_index, contact_state, created_at, updated_at)
    SELECT :tenant_id, patient_id, record_number, name, initials, sex, birth_date, age_years,
           id_number_cipher, id_number_index,
           CASE WHEN phone_index IS NULL AND contact_index IS NULL THEN 'no_number'
                WHEN contact_index IS NULL
                     AND coalesce(birth_date > as_of - interval '14 years', age_years < 14, false)
                THEN 'no_guardian_number' ELSE 'reachable' END,
           :now, :now
    FROM import_person WHERE is_new
    RETURNING id
"""
_ALIASES = """
    INSERT INTO record_alias (tenant_id, id, patient_id, record_number, why, created_at)
    SELECT :tenant_id, uuidv7(), patient_id, record_number, 'id_number', :now
    FROM import_number WHERE found = 'id_number'
    RETURNING id
"""
_CHANGED_ENCOUNTERS = text("""
    UPDATE encounter e
    SET patient_id = n.patient_id, department_id = d.id, import_id = :import_id, ward = r.ward,
        doctor = r.doctor, diagnosis = r.diagnosis, diagnosis_code = r.diagnosis_code,
        admitted_on = r.admitted_on, discharged_on = r.discharged_on, disposition = r.disposition,
        content_digest = r.digest, updated_at = :now
    FROM import_row r
    JOIN import_number n ON n.record_number = r.record_number
    LEFT JOIN department d ON d.tenant_id = :tenant_id AND d.name = r.department
    WHERE r.encounter_id IS NOT NULL AND e.tenant_id = :tenant_id AND e.id = r.encounter_id
""")
_NEW_ENCOUNTERS = """
    INSERT INTO encounter (tenant_id, id, patient_id, department_id, import_id, kind, record_number,
                           admission_count, ward, doctor, diagnosis, diagnosis_code, admitted_on,
                           discharged_on, disposition, content_digest, created_at, updated_at)
    SELECT :tenant_id, uuidv7(), n.patient_id, d.id, :import_id, :kind, r.record_number,
           r.admission_count, r.ward, r.doctor, r.diagnosis, r.diagnosis_code, r.admitted_on,
           r.discharged_on, r.disposition, r.digest, :now, :now
    FROM import_row r
    JOIN import_number n ON n.record_number = r.record_number
    LEFT JOIN department d ON d.tenant_id = :tenant_id AND d.name = r.department
    WHERE r.encounter_id IS NULL
    RETURNING id
"""
# A person whose latest discharge is stored already and later than the file's keeps what is stored.
_FORGET_STALE = text("""
    DELETE FROM import_person i
    WHERE NOT i.is_new AND EXISTS (
        SELECT 1 FROM encounter e
        WHERE e.tenant_id = :tenant_id AND e.patient_id = i.patient_id AND e.discharged_on > i.as_of
          AND e.withdrawn_at IS NULL)
""")
# Who stays the same keeps the moment of the last change: an undo would take a new one for somebody's hand.
_CHANGED_PATIENTS = text("""
    UPDATE patient p
    SET name = CASE WHEN i.name = '' THEN p.name ELSE i.name END,
        initials = CASE WHEN i.name = '' THEN p.initials ELSE i.initials END, sex = coalesce(i.sex, p.sex),
        birth_date = coalesce(i.birth_date, p.birth_date), age_years = coalesce(i.age_years, p.age_years),
        id_number_cipher = CASE WHEN i.id_number_index IS NULL OR i.id_number_index = p.id_number_index
                                THEN p.id_number_cipher ELSE i.id_number_cipher END,
        id_number_index = coalesce(i.id_number_index, p.id_number_index), updated_at = :now
    FROM import_person i
    WHERE NOT i.is_new AND p.tenant_id = :tenant_id AND p.id = i.patient_id
      AND (p.name, p.initials, p.sex, p.birth_date, p.age_years, p.id_number_index) IS DISTINCT FROM (
          CASE WHEN i.name = '' THEN p.name ELSE i.name END,
          CASE WHEN i.name = '' THEN p.initials ELSE i.initials END, coalesce(i.sex, p.sex),
          coalesce(i.birth_date, p.birth_date), coalesce(i.age_years, p.age_years),
          coalesce(i.id_number_index, p.id_number_index))
""")
_NUMBERS = """
    INSERT INTO contact_point AS c (tenant_id, id, patient_id, holder, relation, name, number_cipher,
                                    number_index, number_masked, position)
    SELECT :tenant_id, uuidv7(), i.patient_id, n.holder, n.relation, n.name, n.cipher, n.index, n.masked,
           n.position
    FROM import_person i
    CROSS JOIN LATERAL (VALUES
        ('patient', 'self', i.name, i.phone_cipher, i.phone_index, i.phone_masked, 1),
        ('contact', i.contact_relation, i.contact_name, i.contact_cipher, i.contact_index,
         i.contact_masked, 2)
    ) AS n (holder, relation, name, cipher, index, masked, position)
    WHERE n.index IS NOT NULL
    ON CONFLICT (tenant_id, patient_id, holder) DO UPDATE
    SET relation = excluded.relation, name = excluded.name,
        number_cipher = CASE WHEN c.number_index = excluded.number_index
                             THEN c.number_cipher ELSE excluded.number_cipher END,
        number_index = excluded.number_index, number_masked = excluded.number_masked,
        invalid_since = CASE WHEN c.number_index = excluded.number_index THEN c.invalid_since END
    WHERE (c.number_index, c.relation, c.name)
          IS DISTINCT FROM (excluded.number_index, excluded.relation, excluded.name)
    RETURNING CASE WHEN old.id IS NULL THEN new.id END AS id
"""
# Whom a call reaches (PIPL 31): under 14 only the contact person, else any number still valid. Age is judged
# on the day given, or else on the patient's latest discharge.
_CONTACT_STATE = text("""
    UPDATE patient p SET contact_state = s.state, updated_at = :now
    FROM (
        SELECT q.id, CASE
            WHEN n.patient_id IS NULL THEN 'no_number'
            WHEN coalesce(q.birth_date > d.day - interval '14 years', q.age_years < 14, false)
                 AND NOT n.guardian THEN 'no_guardian_number'
            ELSE 'reachable' END AS state
        FROM patient q
        LEFT JOIN (
            SELECT c.patient_id, bool_or(c.holder = 'contact') AS guardian FROM contact_point c
            WHERE c.tenant_id = :tenant_id AND c.patient_id = ANY (CAST(:patient_ids AS uuid[]))
              AND c.invalid_since IS NULL
            GROUP BY c.patient_id) AS n ON n.patient_id = q.id
        LEFT JOIN (
            SELECT e.patient_id, coalesce(CAST(:day AS date), max(e.discharged_on)) AS day FROM encounter e
            WHERE e.tenant_id = :tenant_id AND e.patient_id = ANY (CAST(:patient_ids AS uuid[]))
              AND e.withdrawn_at IS NULL
            GROUP BY e.patient_id) AS d ON d.patient_id = q.id
        WHERE q.tenant_id = :tenant_id AND q.id = ANY (CAST(:patient_ids AS uuid[]))
    ) AS s
    WHERE p.tenant_id = :tenant_id AND p.id = s.id AND p.contact_state <> s.state
      AND p.id = ANY (CAST(:patient_ids AS uuid[]))
    RETURNING p.id
""")
_REVISED = text("SELECT patient_id FROM import_person WHERE NOT is_new")
_TOUCHED = text("SELECT DISTINCT patient_id FROM import_number")
# Somebody who was not known here when a message told something of them, most of all a death.
_SPOKEN_OF = text("""
    SELECT DISTINCT m.record_number FROM import_number v
    JOIN feed_message m ON m.tenant_id = :tenant_id AND m.record_number = v.record_number
    WHERE m.state = 'waiting'
""")
_DECEASED = text("""
    SELECT DISTINCT n.patient_id FROM import_row r JOIN import_number n ON n.record_number = r.record_number
    WHERE r.disposition = 'died'
""")
# The list of data to correct follows from what is stored: it opens and closes by itself.
_PROBLEMS_FOUND = """
    INSERT INTO data_problem (tenant_id, id, patient_id, kind, found_at)
    SELECT :tenant_id, uuidv7(), i.patient_id, k.kind, :now
    FROM import_person i
    JOIN patient p ON p.tenant_id = :tenant_id AND p.id = i.patient_id
    CROSS JOIN LATERAL (VALUES
        ('no_phone_at_all', p.contact_state = 'no_number'),
        ('no_guardian_phone', p.contact_state = 'no_guardian_number'),
        ('phone_damaged', i.phone_damaged),
        ('bad_id', i.bad_id AND p.id_number_index IS NULL)
    ) AS k (kind, found)
    WHERE k.found
    ON CONFLICT (tenant_id, patient_id, kind) WHERE resolved_at IS NULL DO NOTHING
    RETURNING id
"""
_PROBLEMS_SOLVED = text("""
    UPDATE data_problem d SET resolved_at = :now
    FROM import_person i
    JOIN patient p ON p.tenant_id = :tenant_id AND p.id = i.patient_id
    WHERE d.tenant_id = :tenant_id AND d.patient_id = i.patient_id AND d.resolved_at IS NULL AND NOT i.is_new
      AND CASE d.kind
            WHEN 'no_phone_at_all' THEN p.contact_state <> 'no_number'
            WHEN 'no_guardian_phone' THEN p.contact_state <> 'no_guardian_number'
            WHEN 'phone_damaged' THEN NOT i.phone_damaged AND i.phone_index IS NOT NULL
            WHEN 'bad_id' THEN i.id_number_index IS NOT NULL
            WHEN 'wrong_number' THEN NOT EXISTS (
                SELECT 1 FROM contact_point c WHERE c.tenant_id = :tenant_id AND c.patient_id = d.patient_id
                AND c.invalid_since IS NOT NULL)
            ELSE false END
""")
_SOLVED_FOR = text("""
    UPDATE data_problem d SET resolved_at = :now FROM patient p
    WHERE d.tenant_id = :tenant_id AND d.patient_id = ANY (CAST(:patient_ids AS uuid[]))
      AND p.tenant_id = :tenant_id AND p.id = d.patient_id AND d.resolved_at IS NULL
      AND ((d.kind = 'no_phone_at_all' AND p.contact_state <> 'no_number')
           OR (d.kind = 'no_guardian_phone' AND p.contact_state <> 'no_guardian_number'))
""")


def _trailed(table: str, insert: str) -> TextClause:
    """The insert with its trail: the ids of the rows it made, for the undo of the import."""
    return text(f"""
        WITH made AS ({insert})
        INSERT INTO import_trail (tenant_id, id, import_id, table_name, row_ids)
        SELECT :tenant_id, uuidv7(), :import_id, '{table}', array_agg(id) FROM made
        WHERE id IS NOT NULL HAVING count(*) > 0
    """)  # noqa: S608 - texts of ours, no value in them


# In this order: a row is there before another points at it.
_STEPS: tuple[TextClause, ...] = (
    _trailed("department", _DEPARTMENTS),
    _trailed("patient", _NEW_PATIENTS),
    _trailed("record_alias", _ALIASES),
    _CHANGED_ENCOUNTERS,
    _trailed("encounter", _NEW_ENCOUNTERS),
    _FORGET_STALE,
)
_OF_PEOPLE: tuple[TextClause, ...] = (_CHANGED_PATIENTS, _trailed("contact_point", _NUMBERS))
_PROBLEMS: tuple[TextClause, ...] = (_PROBLEMS_SOLVED, _trailed("data_problem", _PROBLEMS_FOUND))
STEPS = len(_STEPS) + len(_OF_PEOPLE) + 1


def lock(session: HospitalSession) -> None:
    """Keep other writers off the known patients of the file until this transaction ends."""
    session.execute(_LOCK_PATIENTS, {"tenant_id": session.tenant_id})


def merge(
    session: HospitalSession, import_id: UUID, kind: str, *, now: datetime, step: Callable[[], None]
) -> None:
    """Write the staged rows: departments, patients, encounters, numbers, whom a call reaches, problems.

    `kind` is that of the encounters. `step` is called before each of the `STEPS`.
    """
    parameters = {"tenant_id": session.tenant_id, "import_id": import_id, "now": now, "kind": kind}
    for statement in _STEPS:
        step()
        session.execute(statement, _used(statement, parameters))
    corrections.keep(session)
    for statement in _OF_PEOPLE:
        step()
        session.execute(statement, _used(statement, parameters))
    step()
    refresh_contact_state(session, list(session.scalars(_REVISED)), now=now)
    for statement in _PROBLEMS:
        session.execute(statement, _used(statement, parameters))


def refresh_contact_state(
    session: HospitalSession, patient_ids: list[UUID], *, now: datetime, day: date | None = None
) -> list[UUID]:
    """Say again whom a call reaches; returns the patients whom it changed.

    `day` is the day on which age is judged, without it each patient's latest discharge.
    """
    if not patient_ids:
        return []
    parameters = {"tenant_id": session.tenant_id, "now": now, "patient_ids": patient_ids, "day": day}
    return list(session.scalars(_CONTACT_STATE, parameters))


def solve_number_problems(session: HospitalSession, patient_ids: list[UUID], now: datetime) -> None:
    """Take those who can be reached again off the list of data to correct."""
    session.execute(_SOLVED_FOR, {"tenant_id": session.tenant_id, "now": now, "patient_ids": patient_ids})


def reload(session: HospitalSession, *kinds: type[TenantRow]) -> None:
    """Read again those rows of these kinds that the session holds: statements have changed them behind it.

    They are read and not just expired, so that a page may still show them when the session is closed.
    """
    for held in list(session):
        if isinstance(held, kinds):
            session.refresh(held)


def touched_patients(session: HospitalSession) -> list[UUID]:
    """The patients of the staged encounters."""
    return list(session.scalars(_TOUCHED))


def deceased_patients(session: HospitalSession) -> list[UUID]:
    """The patients who left by death according to the staged encounters."""
    return list(session.scalars(_DECEASED))


def _used(statement: TextClause, parameters: dict[str, Any]) -> dict[str, Any]:
    """Only the parameters that the statement names: the driver refuses others."""
    return {name: value for name, value in parameters.items() if name in statement.compile().params}


def spoken_of(session: HospitalSession) -> list[str]:
    """The record numbers of the list of which a message still waits."""
    return list(session.scalars(_SPOKEN_OF, {"tenant_id": session.tenant_id}))
