"""What can be done to one patient: a wrong number, something that must not be said."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text, update

from foundation import audit
from foundation.database import HospitalSession
from patients import merging
from patients.enrolment import enrol
from patients.models import ContactPoint, DataProblem, Patient
from patients.suppression import UnknownPatient
from tenants.keys import seal

_PROBLEM = text("""
    INSERT INTO data_problem (tenant_id, id, patient_id, kind, found_at)
    VALUES (:tenant_id, uuidv7(), :patient_id, :kind, :now)
    ON CONFLICT (tenant_id, patient_id, kind) WHERE resolved_at IS NULL DO NOTHING
""")
# Those whose guardian answered for them, and who have become 14 since.
_OF_AGE = text("""
    SELECT id FROM patient
    WHERE tenant_id = :tenant_id AND contact_state = 'no_guardian_number'
      AND birth_date <= CAST(:today AS date) - interval '14 years'
""")


class UnknownNumber(LookupError):
    """No such number in this hospital."""


def report_wrong_number(session: HospitalSession, contact_point_id: UUID, *, now: datetime) -> list[UUID]:
    """A stranger answered (号码错误): the number is dialled no more and is to be corrected (PIPL 8).

    The same number of the same patient under another holder is marked, too. Returns the contact points
    marked. Raises `UnknownNumber`.
    """
    point = session.get(ContactPoint, (session.tenant_id, contact_point_id))
    if point is None:
        raise UnknownNumber(str(contact_point_id))
    patient_id = point.patient_id
    marked = list(
        session.scalars(
            update(ContactPoint)
            .where(
                ContactPoint.tenant_id == session.tenant_id,
                ContactPoint.patient_id == patient_id,
                ContactPoint.number_index == point.number_index,
                ContactPoint.invalid_since.is_(None),
            )
            .values(invalid_since=now)
            .returning(ContactPoint.id)
        )
    )
    problem = {"tenant_id": session.tenant_id, "patient_id": patient_id, "now": now}
    session.execute(_PROBLEM, problem | {"kind": "wrong_number"})
    merging.refresh_contact_state(session, [patient_id], now=now)
    merging.reload(session, Patient, ContactPoint)
    audit.record(
        session,
        "patients.number_wrong",
        now=now,
        subject=f"patient:{patient_id}",
        detail={"contact_points": [str(point_id) for point_id in marked]},
    )
    return marked


def set_must_not_say(session: HospitalSession, patient_id: UUID, words: str, *, now: datetime) -> Patient:
    """Note what must not be said to this patient or near others (禁忌话题). Raises `UnknownPatient`."""
    patient = patient_or_raise(session, patient_id)
    patient.must_not_say_cipher = seal(session, words.strip())
    patient.updated_at = now
    session.flush()
    audit.record(session, "patients.must_not_say_changed", now=now, subject=f"patient:{patient_id}")
    return patient


def resolve_problem(session: HospitalSession, problem_id: UUID, *, now: datetime) -> DataProblem | None:
    """Take a thing off the list of data to correct by hand; None when it is not on it."""
    problem = session.get(DataProblem, (session.tenant_id, problem_id))
    if problem is None or problem.resolved_at is not None:
        return None
    problem.resolved_at = now
    session.flush()
    audit.record(
        session,
        "patients.problem_resolved",
        now=now,
        subject=f"patient:{problem.patient_id}",
        reason=problem.kind,
    )
    return problem


def come_of_age(session: HospitalSession, today: date, *, now: datetime) -> list[UUID]:
    """On the 14th birthday the patient answers (PIPL 31): who lacked a guardian's number is enrolled now."""
    grown = list(session.scalars(_OF_AGE, {"tenant_id": session.tenant_id, "today": today}))
    changed = merging.refresh_contact_state(session, grown, now=now, day=today)
    if changed:
        merging.solve_number_problems(session, changed, now)
        merging.reload(session, Patient, DataProblem)
        enrol(session, changed, now=now, start_reason="come_of_age")
    return changed


def patient_or_raise(session: HospitalSession, patient_id: UUID) -> Patient:
    """The patient of this hospital; raises `UnknownPatient`."""
    patient = session.get(Patient, (session.tenant_id, patient_id))
    if patient is None:
        raise UnknownPatient(str(patient_id))
    return patient
