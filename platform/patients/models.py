"""Tables of the people cared for: encounters, numbers, enrolment, suppression, consent and imports."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from foundation.database import TenantRow, tenant_fk
from foundation.personal import OF_THE_HOSPITAL, on_erasure
from tenants.models import hospital_fk


class Patient(TenantRow):
    """A person in one hospital (患者); never matched with a person of another hospital (条例 16).

    `must_not_say_cipher` holds encrypted words (禁忌话题), None for nothing; name and record number stand in
    the clear, because people search for them. `restricted_at`: kept but not used any more, `erased_at`:
    nothing personal is left (PIPL 47); then `record_index` is the keyed index of the record number, so that
    a later list does not bring the person back.
    """

    __tablename__ = "patient"
    personal = on_erasure(
        wiped="name sex birth_date age_years id_number_cipher id_number_index must_not_say_cipher",
        numbered="record_number",
        kept="contact_state record_index",
    )
    record_number: Mapped[str]
    name: Mapped[str]
    sex: Mapped[str | None]
    birth_date: Mapped[date | None]
    age_years: Mapped[int | None]
    id_number_cipher: Mapped[bytes | None]
    id_number_index: Mapped[bytes | None]
    contact_state: Mapped[str]
    must_not_say_cipher: Mapped[bytes | None]
    record_index: Mapped[bytes | None]
    restricted_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "record_number"),
        CheckConstraint(
            "contact_state IN ('reachable','no_number','no_guardian_number')", name="contact_state"
        ),
        hospital_fk(),
    )


class ContactPoint(TenantRow):
    """A number to dial (联系方式): the patient's own or a contact person's; encrypted, with a blind index."""

    __tablename__ = "contact_point"
    personal = on_erasure(wiped="relation name number_cipher number_index number_masked", kept="holder")
    patient_id: Mapped[UUID]
    holder: Mapped[str]
    relation: Mapped[str]
    name: Mapped[str]
    number_cipher: Mapped[bytes]
    number_index: Mapped[bytes]
    number_masked: Mapped[str]
    position: Mapped[int]
    invalid_since: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "patient_id", "holder"),
        CheckConstraint("holder IN ('patient','contact')", name="holder"),
        Index("ix_contact_point_number", "tenant_id", "number_index"),
        tenant_fk("patient", "patient_id"),
    )


class Encounter(TenantRow):
    """A stay or a visit (就诊): inpatient, outpatient or check-up. Keyed by kind, record number and
    admission count.
    """

    __tablename__ = "encounter"
    personal = on_erasure(
        wiped="doctor diagnosis diagnosis_code content_digest",
        numbered="record_number",
        kept="kind ward disposition",
    )
    patient_id: Mapped[UUID]
    department_id: Mapped[UUID | None]
    import_id: Mapped[UUID | None]
    kind: Mapped[str]
    record_number: Mapped[str]
    admission_count: Mapped[int]
    ward: Mapped[str]
    doctor: Mapped[str]
    diagnosis: Mapped[str]
    diagnosis_code: Mapped[str]
    admitted_on: Mapped[date | None]
    discharged_on: Mapped[date]
    disposition: Mapped[str | None]
    content_digest: Mapped[bytes]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", "record_number", "admission_count"),
        CheckConstraint("kind IN ('inpatient','outpatient','checkup')", name="kind"),
        Index("ix_encounter_patient", "tenant_id", "patient_id", "discharged_on"),
        Index("ix_encounter_month", "tenant_id", "kind", "discharged_on"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("department", "department_id"),
        tenant_fk("data_import", "import_id"),
    )


class Enrolment(TenantRow):
    """From when to when a patient is in the programme (入组): the source of the plan and of billing.

    `ended_on` is the last enrolled day, `cancelled_on` is set when the enrolment was taken back.
    """

    __tablename__ = "enrolment"
    personal = on_erasure(kept="end_reason")
    patient_id: Mapped[UUID]
    encounter_id: Mapped[UUID]
    started_on: Mapped[date]
    ended_on: Mapped[date | None]
    end_reason: Mapped[str | None]
    cancelled_on: Mapped[date | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        Index(
            "uq_enrolment_open",
            "tenant_id",
            "patient_id",
            unique=True,
            postgresql_where="ended_on IS NULL AND cancelled_on IS NULL",
        ),
        Index("ix_enrolment_patient", "tenant_id", "patient_id"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("encounter", "encounter_id"),
    )


class Suppression(TenantRow):
    """Why a patient gets no contact (停止联系, S4-15): deceased, cured, special, refused, hospital's wish,
    dispute. `note_cipher` is encrypted, None for nothing.
    """

    __tablename__ = "suppression"
    personal = on_erasure(wiped="note_cipher", kept="reason source started_by lifted_by")
    patient_id: Mapped[UUID]
    reason: Mapped[str]
    note_cipher: Mapped[bytes | None]
    source: Mapped[str]
    started_at: Mapped[datetime]
    started_by: Mapped[str]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    __table_args__ = (
        CheckConstraint(
            "reason IN ('deceased','cured','special','refused','hospital','dispute','restricted')",
            name="reason",
        ),
        Index(
            "uq_suppression_active",
            "tenant_id",
            "patient_id",
            "reason",
            unique=True,
            postgresql_where="lifted_at IS NULL",
        ),
        tenant_fk("patient", "patient_id"),
    )


class Consent(TenantRow):
    """A patient's yes or no to one purpose (同意): the newest row per purpose holds."""

    __tablename__ = "consent"
    personal = on_erasure(wiped="evidence", kept="purpose source")
    patient_id: Mapped[UUID]
    purpose: Mapped[str]
    given: Mapped[bool]
    at: Mapped[datetime]
    source: Mapped[str]
    evidence: Mapped[str]
    __table_args__ = (
        CheckConstraint(
            "purpose IN ('care_followup','satisfaction','complaint','marketing')", name="purpose"
        ),
        Index("ix_consent_latest", "tenant_id", "patient_id", "purpose", "at"),
        tenant_fk("patient", "patient_id"),
    )


class DataImport(TenantRow):
    """One file that came in (数据导入) and what became of its rows; the counts always add up."""

    __tablename__ = "data_import"
    personal = OF_THE_HOSPITAL
    file_name: Mapped[str]
    file_sha256: Mapped[bytes]
    layout: Mapped[str]
    rows: Mapped[int]
    created: Mapped[int]
    updated: Mapped[int]
    unchanged: Mapped[int]
    rejected: Mapped[int]
    warnings: Mapped[dict[str, Any]]
    reject_reasons: Mapped[dict[str, Any]]
    dropped_columns: Mapped[list[Any]]
    rejected_file_id: Mapped[UUID | None]
    imported_by: Mapped[str]
    imported_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("rows = created + updated + unchanged + rejected", name="counts_add_up"),
        tenant_fk("stored_file", "rejected_file_id"),
        hospital_fk(),
    )


class DataProblem(TenantRow):
    """A thing for the hospital to correct (待更正数据): no number at all, wrong number, damaged number, bad
    ID.
    """

    __tablename__ = "data_problem"
    personal = on_erasure(kept="kind")
    patient_id: Mapped[UUID]
    kind: Mapped[str]
    found_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "uq_data_problem_open",
            "tenant_id",
            "patient_id",
            "kind",
            unique=True,
            postgresql_where="resolved_at IS NULL",
        ),
        tenant_fk("patient", "patient_id"),
    )


class SubjectRequest(TenantRow):
    """What a patient asks about their own data (个人信息权利请求, PIPL 44 to 50): a copy, a correction,
    erasure, a restriction. The clock is 15 days; a refusal needs its reason. `wish_cipher` is what is
    asked for, in the words of whoever asks, encrypted.
    """

    __tablename__ = "subject_request"
    personal = on_erasure(
        wiped="wish_cipher",
        kept="kind requester channel identity_checked_by state reason taken_by decided_by counts",
    )
    patient_id: Mapped[UUID]
    kind: Mapped[str]
    requester: Mapped[str]
    channel: Mapped[str]
    wish_cipher: Mapped[bytes]
    asked_on: Mapped[date]
    due_on: Mapped[date]
    identity_checked_by: Mapped[str | None]
    identity_checked_at: Mapped[datetime | None]
    state: Mapped[str]
    reason: Mapped[str]
    taken_by: Mapped[str]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    result_file_id: Mapped[UUID | None]
    counts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("kind IN ('copy','correction','erasure','restriction')", name="kind"),
        CheckConstraint("requester IN ('patient','guardian','relative')", name="requester"),
        CheckConstraint("state IN ('open','done','refused')", name="state"),
        Index("ix_subject_request_due", "tenant_id", "due_on", postgresql_where="state = 'open'"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("stored_file", "result_file_id"),
    )
