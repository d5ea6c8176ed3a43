"""A hospital's patients over the API: by mask, as every list; what a mask hides is not given to programs."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler

from foundation import audit
from foundation.calendar import local_date
from foundation.masking import mask_numbers, masked_name
from foundation.web.api import TROUBLES
from foundation.web.cursors import checked
from foundation.web.errors import NotFound
from patients import queries
from patients.models import Patient
from patients.suppression import UnknownPatient
from tenants.rights import Action
from tenants.visit import Visit

LONGEST_SEARCH = 60
ContactState = Literal["reachable", "no_number", "no_guardian_number"]


class PatientSummary(msgspec.Struct):
    """A patient in the list. `age` is in years on the day of the latest stay or visit."""

    id: UUID
    name: str
    record_number: str
    sex: str | None
    age: int | None
    kind: str | None
    department: str
    discharged_on: date | None
    contact_state: str
    enrolled: bool
    suppressed_for: list[str]


class PatientList(msgspec.Struct):
    """Patients, the newest first; `after` fetches the next page, null at the end."""

    patients: list[PatientSummary]
    after: UUID | None


class PatientSearch(msgspec.Struct):
    """What to look for: a name (also 张**), its initials, a record number, a telephone or ID number."""

    search: str
    after: UUID | None = None


class Number(msgspec.Struct):
    """A number by mask: whose it is, and whether it may be dialled."""

    id: UUID
    holder: str
    relation: str
    name: str
    number: str
    may_dial: bool


class Stay(msgspec.Struct):
    """One stay or visit."""

    id: UUID
    kind: str
    department: str
    ward: str
    doctor: str
    diagnosis: str
    diagnosis_code: str
    admitted_on: date | None
    discharged_on: date
    disposition: str | None
    admission_count: int


class PatientRecord(msgspec.Struct):
    """One patient. `age` is in years today; `minor` is under 14 years of age. `answered_by`, `dialect` and
    `preferred_part` say how they are best reached, null where nobody knows.
    """

    id: UUID
    name: str
    record_number: str
    sex: str | None
    age: int | None
    minor: bool
    contact_type: str
    contact_state: str
    answered_by: str | None
    dialect: str | None
    preferred_part: str | None
    enrolled_on: date | None
    suppressed_for: list[str]
    numbers: list[Number]
    stays: list[Stay]


@get(
    "/api/v1/h/{code:str}/patients",
    needs=Action.VIEW_PATIENTS,
    sync_to_thread=True,
    summary="List patients",
    responses=TROUBLES,
)
def list_patients(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    contact: FromQuery[ContactState | None] = None,
    after: FromQuery[UUID | None] = None,
) -> PatientList:
    """Patients by mask, fifty at a time; `contact` keeps to one contact state. 404 for an unknown `after`."""
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        cursor = checked(session, Patient, after)
        found = queries.patients(session, state=contact, after=cursor)
    return PatientList([_summary(line) for line in found.lines], found.after)


@post(
    "/api/v1/h/{code:str}/patients/search",
    needs=Action.VIEW_PATIENTS,
    reads=True,
    sync_to_thread=True,
    status_code=200,
    summary="Search patients",
    responses=TROUBLES,
)
def search_patients(
    code: FromPath[str], visit: NamedDependency[Visit], data: JSONBody[PatientSearch]
) -> PatientList:
    """Patients that a text means, fifty at a time, the surest first: exact numbers, record numbers, names and
    initials that begin so. By POST, because names and numbers do not belong into addresses. 404 for an
    unknown `after`; an empty text finds nobody.
    """
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        cursor = checked(session, Patient, data.after)
        typed = data.search.strip()[:LONGEST_SEARCH]
        found = queries.patients(session, typed, after=cursor) if typed else None
    return (
        PatientList([], None) if found is None else PatientList(list(map(_summary, found.lines)), found.after)
    )


@get(
    "/api/v1/h/{code:str}/patients/{patient_id:uuid}",
    needs=Action.VIEW_PATIENTS,
    sync_to_thread=True,
    summary="Read a patient",
    responses=TROUBLES,
)
def read_patient(
    code: FromPath[str], patient_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> PatientRecord:
    """One patient by mask; that somebody looked is recorded. 404 for one whose data is restricted or
    erased."""
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        try:
            card = queries.shown_card(session, patient_id, today=local_date(visit.now))
        except UnknownPatient as error:
            raise NotFound from error
        audit.record(session, "patients.viewed", now=visit.now, subject=f"patient:{patient_id}")
    return _record(card)


def _summary(line: queries.PatientLine) -> PatientSummary:
    return PatientSummary(
        id=line.id,
        name=line.masked_name,
        record_number=mask_numbers(line.record_number),
        sex=line.sex,
        age=line.age,
        kind=line.kind,
        department=line.department,
        discharged_on=line.discharged_on,
        contact_state=line.contact_state,
        enrolled=line.enrolled,
        suppressed_for=list(line.suppressed_for),
    )


def _record(card: queries.PatientCard) -> PatientRecord:
    return PatientRecord(
        id=card.id,
        name=card.masked_name,
        record_number=mask_numbers(card.record_number),
        sex=card.sex,
        age=card.age,
        minor=card.minor,
        contact_type=card.contact_type,
        contact_state=card.contact_state,
        answered_by=card.answered_by,
        dialect=card.dialect,
        preferred_part=card.preferred_part,
        enrolled_on=card.enrolled_on,
        suppressed_for=list(card.suppressed_for),
        numbers=[
            Number(n.contact_point_id, n.holder, n.relation, masked_name(n.name), n.masked, n.may_dial)
            for n in card.all_numbers
        ],
        stays=[_stay(stay) for stay in card.encounters],
    )


def _stay(stay: queries.EncounterOnCard) -> Stay:
    return Stay(
        id=stay.id,
        kind=stay.kind,
        department=stay.department,
        ward=mask_numbers(stay.ward),
        doctor=mask_numbers(stay.doctor),
        diagnosis=mask_numbers(stay.diagnosis),
        diagnosis_code=stay.diagnosis_code,
        admitted_on=stay.admitted_on,
        discharged_on=stay.discharged_on,
        disposition=stay.disposition,
        admission_count=stay.admission_count,
    )


handlers: list[ControllerRouterHandler | Any] = [list_patients, search_patients, read_patient]
