"""What the call card, the lists and the reports read of patients.

Lists show masks; what stands behind them is for `patients.revealing`, on the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import RowMapping, func, select, text

from foundation.database import HospitalSession
from foundation.masking import masked_name
from patients import searching
from patients.identity import GUARDIAN_UNTIL, age_on, is_minor
from patients.models import (
    ContactPoint,
    DataImport,
    DataProblem,
    Encounter,
    Enrolment,
    Patient,
    RecordAlias,
)
from patients.service import patient_or_raise
from patients.suppression import UnknownPatient, active_reasons
from tenants.keys import unseal
from tenants.models import Department

PAGE = 50


@dataclass(frozen=True, slots=True)
class NumberOnCard:
    """A number as the card shows it. `name` is the holder's; `may_dial` says whether it may be called."""

    contact_point_id: UUID
    holder: str
    relation: str
    name: str
    masked: str
    may_dial: bool
    invalid_since: datetime | None


@dataclass(frozen=True, slots=True)
class EncounterOnCard:
    """One stay or visit, as the card shows it."""

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


@dataclass(frozen=True, slots=True)
class PatientCard:
    """A patient before a call.

    `numbers` holds only those that may be dialled, in the order in which to try them: the patient's own
    first; under 14 (PIPL 31) the contact person's alone. `all_numbers` holds the others, too. `encounter` is
    the one asked for or the latest; `age` is in completed years. `taken_back` are the stays and visits that
    the hospital withdrew: they count nowhere, and the patient's page shows them as such.
    """

    id: UUID
    name: str
    masked_name: str
    sex: str | None
    age: int | None
    minor: bool
    must_not_say: str
    record_number: str
    contact_state: str
    encounter: EncounterOnCard | None
    encounters: tuple[EncounterOnCard, ...]
    numbers: tuple[NumberOnCard, ...]
    all_numbers: tuple[NumberOnCard, ...]
    suppressed_for: tuple[str, ...]
    enrolled_on: date | None
    contact_type: str
    answered_by: str | None
    dialect: str | None
    preferred_part: str | None
    taken_back: tuple[EncounterOnCard, ...] = ()


def shown_card(session: HospitalSession, patient_id: UUID, *, today: date) -> PatientCard:
    """The card for reading, with the age of `today`.

    Raises `UnknownPatient`, also for a patient whose data is restricted or erased: they are on no page but
    their request's, and programs read no more than pages do (PIPL 47).
    """
    if patient_or_raise(session, patient_id).restricted_at is not None:
        raise UnknownPatient(str(patient_id))
    return card(session, patient_id, today=today)


def card(
    session: HospitalSession, patient_id: UUID, *, encounter_id: UUID | None = None, today: date | None = None
) -> PatientCard:
    """The patient's card. Age is that of `today`, without it of the encounter's last day.

    Raises `patients.suppression.UnknownPatient`.
    """
    patient = patient_or_raise(session, patient_id)
    encounters, taken_back = _encounters(session, patient_id)
    shown = next((e for e in encounters if e.id == encounter_id), encounters[0] if encounters else None)
    day = today or (shown.discharged_on if shown else None)
    minor = _is_minor(patient, day)
    numbers = _numbers(session, patient_id, minor=minor)
    return PatientCard(
        id=patient.id,
        name=patient.name,
        # An organisation's name is no person's.
        masked_name=masked_name(patient.name) if patient.contact_type == "patient" else patient.name,
        sex=patient.sex,
        age=age_on(patient.birth_date, day) if patient.birth_date and day else patient.age_years,
        minor=minor,
        must_not_say=unseal(session, patient.must_not_say_cipher),
        record_number=patient.record_number,
        contact_state=patient.contact_state,
        encounter=shown,
        encounters=encounters,
        taken_back=taken_back,
        numbers=tuple(number for number in numbers if number.may_dial),
        all_numbers=numbers,
        suppressed_for=tuple(active_reasons(session, patient_id)),
        enrolled_on=session.scalar(
            select(Enrolment.started_on).where(
                Enrolment.tenant_id == session.tenant_id,
                Enrolment.patient_id == patient_id,
                Enrolment.ended_on.is_(None),
                Enrolment.cancelled_on.is_(None),
            )
        ),
        contact_type=patient.contact_type,
        answered_by=patient.answered_by,
        dialect=patient.dialect,
        preferred_part=patient.preferred_part,
    )


def other_numbers(session: HospitalSession, patient_id: UUID) -> list[str]:
    """The other record numbers of a patient (曾用病案号), by themselves or by a merge."""
    return list(
        session.scalars(
            select(RecordAlias.record_number)
            .where(RecordAlias.tenant_id == session.tenant_id, RecordAlias.patient_id == patient_id)
            .order_by(RecordAlias.record_number)
        )
    )


@dataclass(frozen=True, slots=True)
class PatientLine:
    """A patient in a list."""

    id: UUID
    masked_name: str
    record_number: str
    sex: str | None
    age: int | None
    kind: str | None
    department: str
    discharged_on: date | None
    contact_state: str
    enrolled: bool
    suppressed_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatientPage:
    """A page of the list, newest patients first; `after` is the cursor of the next page, None at the end."""

    lines: tuple[PatientLine, ...]
    after: UUID | None


_LINES = text("""
    SELECT p.id, p.name, p.record_number, p.sex, p.birth_date, p.age_years, p.contact_state,
           p.contact_type, e.kind, e.discharged_on, d.name AS department,
           EXISTS (SELECT 1 FROM enrolment o WHERE o.tenant_id = :tenant_id AND o.patient_id = p.id
                   AND o.ended_on IS NULL AND o.cancelled_on IS NULL) AS enrolled,
           ARRAY (SELECT s.reason FROM suppression s WHERE s.tenant_id = :tenant_id AND s.patient_id = p.id
                  AND s.lifted_at IS NULL ORDER BY s.started_at, s.id) AS suppressed_for
    FROM patient p
    LEFT JOIN LATERAL (
        SELECT kind, discharged_on, department_id FROM encounter
        WHERE tenant_id = :tenant_id AND patient_id = p.id AND withdrawn_at IS NULL
        ORDER BY discharged_on DESC, id DESC LIMIT 1) AS e ON true
    LEFT JOIN department d ON d.tenant_id = :tenant_id AND d.id = e.department_id
    WHERE p.tenant_id = :tenant_id AND p.id = ANY (CAST(:ids AS uuid[]))
""")


def patients(
    session: HospitalSession,
    search: str = "",
    *,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = PAGE,
) -> PatientPage:
    """A page of patients. Organisations have a list of their own; only a search finds them here, too.

    `search` is a phone number or an ID number (found through the blind index), the beginning of a record
    number, of a name, also as the list masks it (张**), or of its pinyin initials; then the surest come first
    (`patients.searching`). `state` is a contact state, without a search.
    """
    if search.strip():
        ids = searching.found(session, search, after=after, limit=limit + 1)
    else:
        ids = _newest(session, state, after, limit + 1)
    rows = session.execute(_LINES, {"tenant_id": session.tenant_id, "ids": ids[:limit]}).mappings()
    lines = {row["id"]: _line(row) for row in rows}
    shown = tuple(lines[patient_id] for patient_id in ids[:limit])
    return PatientPage(shown, ids[limit - 1] if len(ids) > limit else None)


def _newest(session: HospitalSession, state: str | None, after: UUID | None, limit: int) -> list[UUID]:
    query = select(Patient.id).where(
        Patient.tenant_id == session.tenant_id,
        Patient.contact_type == "patient",
        Patient.restricted_at.is_(None),
        Patient.merged_at.is_(None),
    )
    if state:
        query = query.where(Patient.contact_state == state)
    if after is not None:
        query = query.where(Patient.id < after)
    return list(session.scalars(query.order_by(Patient.id.desc()).limit(limit)))


def imports(
    session: HospitalSession, *, after: UUID | None = None, limit: int = PAGE
) -> Sequence[DataImport]:
    """The files that came in, the newest first."""
    query = select(DataImport).where(DataImport.tenant_id == session.tenant_id)
    if after is not None:
        query = query.where(DataImport.id < after)
    return session.scalars(query.order_by(DataImport.id.desc()).limit(limit)).all()


def one_import(session: HospitalSession, import_id: UUID) -> DataImport | None:
    """One file that came in, or None."""
    return session.get(DataImport, (session.tenant_id, import_id))


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """A thing for the hospital to correct (待更正数据)."""

    id: UUID
    kind: str
    found_at: datetime
    patient_id: UUID
    masked_name: str
    record_number: str


def problems(
    session: HospitalSession, *, kind: str | None = None, after: UUID | None = None, limit: int = PAGE
) -> tuple[ProblemLine, ...]:
    """The open problems, the newest first."""
    query = (
        select(DataProblem, Patient.name, Patient.record_number)
        .join(Patient, (Patient.tenant_id == DataProblem.tenant_id) & (Patient.id == DataProblem.patient_id))
        .where(
            DataProblem.tenant_id == session.tenant_id,
            DataProblem.resolved_at.is_(None),
            Patient.restricted_at.is_(None),
        )
    )
    if kind:
        query = query.where(DataProblem.kind == kind)
    if after is not None:
        query = query.where(DataProblem.id < after)
    return tuple(
        ProblemLine(row.id, row.kind, row.found_at, row.patient_id, masked_name(name), record_number)
        for row, name, record_number in session.execute(query.order_by(DataProblem.id.desc()).limit(limit))
    )


def problem_counts(session: HospitalSession) -> dict[str, int]:
    """How many open problems there are of each kind."""
    rows = session.execute(
        select(DataProblem.kind, func.count())
        .join(Patient, (Patient.tenant_id == DataProblem.tenant_id) & (Patient.id == DataProblem.patient_id))
        .where(
            DataProblem.tenant_id == session.tenant_id,
            DataProblem.resolved_at.is_(None),
            Patient.restricted_at.is_(None),
        )
        .group_by(DataProblem.kind)
        .order_by(DataProblem.kind)
    )
    return {kind: number for kind, number in rows}  # noqa: C416 - a row is no pair to dict()


def _line(row: RowMapping) -> PatientLine:
    birth_date, day = row["birth_date"], row["discharged_on"]
    return PatientLine(
        id=row["id"],
        masked_name=masked_name(row["name"]) if row["contact_type"] == "patient" else row["name"],
        record_number=row["record_number"],
        sex=row["sex"],
        age=age_on(birth_date, day) if birth_date and day else row["age_years"],
        kind=row["kind"],
        department=row["department"] or "",
        discharged_on=day,
        contact_state=row["contact_state"],
        enrolled=row["enrolled"],
        suppressed_for=tuple(row["suppressed_for"]),
    )


def _encounters(
    session: HospitalSession, patient_id: UUID
) -> tuple[tuple[EncounterOnCard, ...], tuple[EncounterOnCard, ...]]:
    """The stays and visits, the latest first; those that stand and those that were taken back."""
    query = (
        select(Encounter, Department.name)
        .outerjoin(
            Department,
            (Department.tenant_id == Encounter.tenant_id) & (Department.id == Encounter.department_id),
        )
        .where(Encounter.tenant_id == session.tenant_id, Encounter.patient_id == patient_id)
        .order_by(Encounter.discharged_on.desc(), Encounter.id.desc())
    )
    rows = session.execute(query).all()
    standing = tuple(_stay(row, department) for row, department in rows if row.withdrawn_at is None)
    gone = tuple(_stay(row, department) for row, department in rows if row.withdrawn_at is not None)
    return standing, gone


def _stay(row: Encounter, department: str | None) -> EncounterOnCard:
    return EncounterOnCard(
        id=row.id,
        kind=row.kind,
        department=department or "",
        ward=row.ward,
        doctor=row.doctor,
        diagnosis=row.diagnosis,
        diagnosis_code=row.diagnosis_code,
        admitted_on=row.admitted_on,
        discharged_on=row.discharged_on,
        disposition=row.disposition,
        admission_count=row.admission_count,
    )


def _numbers(session: HospitalSession, patient_id: UUID, *, minor: bool) -> tuple[NumberOnCard, ...]:
    rows = session.scalars(
        select(ContactPoint)
        .where(ContactPoint.tenant_id == session.tenant_id, ContactPoint.patient_id == patient_id)
        .order_by(ContactPoint.position, ContactPoint.id)
    )
    return tuple(
        NumberOnCard(
            contact_point_id=row.id,
            holder=row.holder,
            relation=row.relation,
            name=row.name,
            masked=row.number_masked,
            may_dial=row.invalid_since is None and not (minor and row.holder == "patient"),
            invalid_since=row.invalid_since,
        )
        for row in rows
    )


def _is_minor(patient: Patient, day: date | None) -> bool:
    if patient.birth_date and day:
        return is_minor(patient.birth_date, day)
    return patient.age_years is not None and patient.age_years < GUARDIAN_UNTIL
