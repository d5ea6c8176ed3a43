"""What a patient's wish does to their data: restricted, taken up again, corrected, erased (PIPL 46, 47).

A restricted patient is kept and not used: no list, no search, no queue and no contact shows them. An erased
one is a row without a person: closed months stay billed and answers keep their levels, and nothing says whose
they are. What the law or an open matter holds back is said in sentences (`holds`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, update

from foundation import audit, erasure
from foundation.database import HospitalSession
from foundation.encryption import DataKey
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from patients import corrections, joining, merging, suppression, traces
from patients.identity import clean_id
from patients.initials import initials_of
from patients.models import ContactPoint, DataProblem, Patient, RecordAlias, Suppression
from patients.phones import mask_phone, parse_phone
from patients.service import patient_or_raise
from patients.stopped import index_of
from patients.suppression import RESTRICTED
from tenants.keys import data_key

Hold = Callable[[HospitalSession, UUID, date], list[str]]
SOURCE = "request"
_holds: dict[str, Hold] = {}


@dataclass(frozen=True, slots=True)
class Correction:
    """What is put right; an empty one stays as it is."""

    name: str = ""
    sex: str = ""
    birth_date: date | None = None
    id_number: str = ""
    phone: str = ""
    contact_name: str = ""
    contact_phone: str = ""


def register_hold(name: str, hold: Hold) -> None:
    """Register what keeps data from being erased: (session, patient, today) → sentences."""
    _holds[name] = hold


def holds(session: HospitalSession, patient_id: UUID, today: date) -> list[str]:
    """Why this patient cannot be erased now, in the reader's language; empty when nothing is in the way."""
    sentences = []
    if "dispute" in suppression.active_reasons(session, patient_id):
        sentences.append(_("A medical dispute is noted for this patient."))
    for hold in _holds.values():
        sentences += hold(session, patient_id, today)
    return sentences


def restrict(session: HospitalSession, patient_id: UUID, *, now: datetime) -> Patient:
    """Keep and do not use: every contact stops in this transaction. Twice is once."""
    patient = patient_or_raise(session, patient_id)
    if patient.restricted_at is None:
        patient.restricted_at = patient.updated_at = now
        session.flush()
        suppression.suppress(session, patient_id, RESTRICTED, source=SOURCE, now=now)
        audit.record(session, "patients.restricted", now=now, subject=f"patient:{patient_id}")
        for gone in joining.merged_into(session, patient_id):  # the same person under another number
            restrict(session, gone, now=now)
    return patient


def lift(session: HospitalSession, patient_id: UUID, *, reason: str, now: datetime) -> Patient:
    """Use the data again: what the restriction ended comes back as after any suppression.

    Raises `UserMistake` for an erased patient and without a reason.
    """
    patient = patient_or_raise(session, patient_id)
    if patient.erased_at is not None or patient.restricted_at is None:
        raise UserMistake(_("There is no restriction to lift."))
    if not reason.strip():
        raise UserMistake(_("Please give a reason."))
    patient.restricted_at, patient.updated_at = None, now
    session.flush()
    active = session.scalar(
        select(Suppression.id).where(
            Suppression.tenant_id == session.tenant_id,
            Suppression.patient_id == patient_id,
            Suppression.reason == RESTRICTED,
            Suppression.lifted_at.is_(None),
        )
    )
    if active is not None:
        suppression.lift(session, active, now=now, reason=reason, by_request=True)
    audit.record(
        session, "patients.restriction_lifted", now=now, subject=f"patient:{patient_id}", reason=reason
    )
    for gone in _restricted_too(session, patient_id):
        lift(session, gone, reason=reason, now=now)
    return patient


def erase(session: HospitalSession, patient_id: UUID, *, now: datetime) -> dict[str, int]:
    """Make the patient a row without a person; the caller has asked `holds`. Returns rows touched by table.

    The keyed index of the record number stays, so that a later list does not bring the person back under that
    number (`patients.stopped` says what is recognised and what cannot be any more).
    """
    key = data_key(session)
    patient = restrict(session, patient_id, now=now)
    if patient.erased_at is not None:
        return {}
    for gone in joining.merged_into(session, patient_id):  # before the memory of the merges is wiped
        erase(session, gone, now=now)
    came_in = traces.wipe(session, patient)
    patient.record_index = index_of(key, patient.record_number)
    patient.erased_at, patient.contact_state = now, "no_number"
    for alias in session.scalars(
        select(RecordAlias).where(
            RecordAlias.tenant_id == session.tenant_id, RecordAlias.patient_id == patient_id
        )
    ):
        alias.record_index = index_of(key, alias.record_number)
    session.flush()
    session.execute(
        update(DataProblem)
        .where(
            DataProblem.tenant_id == session.tenant_id,
            DataProblem.patient_id == patient_id,
            DataProblem.resolved_at.is_(None),
        )
        .values(resolved_at=now)
    )
    touched = erasure.erase_patient(session, key, patient_id)
    audit.record(
        session,
        "patients.erased",
        now=now,
        subject=f"patient:{patient_id}",
        detail={"rows": touched} | came_in,
    )
    return touched


def _restricted_too(session: HospitalSession, patient_id: UUID) -> list[UUID]:
    """The records merged into this one that are restricted and not erased."""
    return list(
        session.scalars(
            select(Patient.id).where(
                Patient.tenant_id == session.tenant_id,
                Patient.id.in_(joining.merged_into(session, patient_id)),
                Patient.restricted_at.is_not(None),
                Patient.erased_at.is_(None),
            )
        )
    )


def correct(
    session: HospitalSession, patient_id: UUID, wanted: Correction, *, now: datetime, reason: str = ""
) -> list[str]:
    """Put data right (PIPL 46); returns the names of the fields that changed, which go on record with the
    reason.

    Raises `UserMistake` for a number that cannot be, and when nothing would change.
    """
    patient = patient_or_raise(session, patient_id)
    key = data_key(session)
    changed = _correct_person(patient, wanted, key)
    for holder, number, name in (
        ("patient", wanted.phone, wanted.name),
        ("contact", wanted.contact_phone, wanted.contact_name),
    ):
        changed += _correct_number(session, patient, holder, number, name, key)
    if not changed:
        raise UserMistake(_("Nothing would change."))
    patient.updated_at = now
    session.flush()
    merging.refresh_contact_state(session, [patient_id], now=now)
    merging.solve_number_problems(session, [patient_id], now)
    merging.reload(session, Patient)
    audit.record(
        session,
        "patients.corrected",
        now=now,
        subject=f"patient:{patient_id}",
        reason=reason,
        detail={"fields": sorted(set(changed))},
    )
    return sorted(set(changed))


def _correct_person(patient: Patient, wanted: Correction, key: DataKey) -> list[str]:
    changed = []
    for field, value in (
        ("name", wanted.name.strip()),
        ("sex", wanted.sex),
        ("birth_date", wanted.birth_date),
    ):
        if value and getattr(patient, field) != value:
            corrections.note(patient, field, getattr(patient, field))
            setattr(patient, field, value)
            changed.append(field)
    if "name" in changed:
        patient.initials = initials_of(patient.name)
    if wanted.id_number.strip():
        number = clean_id(wanted.id_number)
        if number is None:
            raise UserMistake(_("The ID number is wrong: its check digit does not fit."))
        if patient.id_number_index != key.blind_index(number):
            corrections.note(patient, "id_number", patient.id_number_index)
            patient.id_number_cipher, patient.id_number_index = key.encrypt(number), key.blind_index(number)
            changed.append("id_number")
    return changed


def _correct_number(
    session: HospitalSession, patient: Patient, holder: str, typed: str, name: str, key: DataKey
) -> list[str]:
    number = parse_phone(typed) if typed.strip() else None
    if typed.strip() and number is None:
        raise UserMistake(_("The phone number cannot be dialled."))
    point = session.scalar(
        select(ContactPoint).where(
            ContactPoint.tenant_id == session.tenant_id,
            ContactPoint.patient_id == patient.id,
            ContactPoint.holder == holder,
        )
    )
    changed = []
    if point is not None and name.strip() and point.name != name.strip():
        if holder == "contact":
            corrections.note(patient, "contact_name", point.name)
        point.name = name.strip()
        changed += [] if holder == "patient" else ["contact_name"]
    if number is None or (point is not None and point.number_index == key.blind_index(number)):
        return changed
    field = "phone" if holder == "patient" else "contact_phone"
    corrections.note(patient, field, point.number_index if point is not None else None)
    if point is None:
        point = ContactPoint(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=patient.id,
            holder=holder,
            relation="self" if holder == "patient" else "",
            name=name.strip(),
            position=1 if holder == "patient" else 2,
        )
        session.add(point)
    point.number_cipher, point.number_index = key.encrypt(number), key.blind_index(number)
    point.number_masked, point.invalid_since = mask_phone(number), None
    return [*changed, field]
