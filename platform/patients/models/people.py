"""Tables of the people cared for: who they are, how they are reached, their stays and enrolment."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.database import TenantRow, tenant_fk
from foundation.personal import on_erasure
from tenants.models import hospital_fk


class Patient(TenantRow):
    """A person in one hospital (患者); never matched with a person of another hospital (条例 16).

    `must_not_say_cipher` holds encrypted words (禁忌话题), None for nothing; name and record number stand in
    the clear, because people search for them. `restricted_at`: kept but not used any more, `erased_at`:
    nothing personal is left (PIPL 47); then `record_index` is the keyed index of the record number, so that
    a later list does not bring the person back. `overruled` holds what a list said of a field before somebody
    put it right by hand (`patients.corrections`): numbers as keyed indexes, so that the list leaves it.
    """

    __tablename__ = "patient"
    personal = on_erasure(
        wiped="name sex birth_date age_years id_number_cipher id_number_index must_not_say_cipher "
        "initials dialect answered_by preferred_part overruled",
        numbered="record_number",
        kept="contact_state record_index contact_type",
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
    contact_type: Mapped[str] = mapped_column(server_default="patient")
    initials: Mapped[str] = mapped_column(server_default="")
    dialect: Mapped[str | None]
    answered_by: Mapped[str | None]
    preferred_part: Mapped[str | None]
    overruled: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    merged_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "record_number"),
        CheckConstraint(
            "contact_state IN ('reachable','no_number','no_guardian_number')", name="contact_state"
        ),
        CheckConstraint(
            "contact_type IN ('patient','partner_hospital','community_centre','company','government','ngo')",
            name="contact_type",
        ),
        CheckConstraint("preferred_part IN ('morning','afternoon','evening')", name="preferred_part"),
        # A search by name, initials or number compares ranges in "C": those a wall lets into an index.
        Index("ix_patient_name", "tenant_id", text('name COLLATE "C"')),
        Index("ix_patient_initials", "tenant_id", text('initials COLLATE "C"')),
        Index("ix_patient_record_number", "tenant_id", text('record_number COLLATE "C"')),
        Index(
            "ix_patient_id_number",
            "tenant_id",
            "id_number_index",
            postgresql_where=text("id_number_index IS NOT NULL"),
        ),
        Index(
            "ix_patient_unreachable",
            "tenant_id",
            "id",
            postgresql_where=text("contact_state <> 'reachable'"),
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
        Index(
            "ix_contact_point_invalid",
            "tenant_id",
            "patient_id",
            postgresql_where=text("invalid_since IS NOT NULL"),
        ),
        tenant_fk("patient", "patient_id"),
    )


class Encounter(TenantRow):
    """A stay or a visit (就诊): inpatient, outpatient or check-up; `cooperation` is that of an organisation.

    Keyed by kind, record number and admission count. `withdrawn_at`: the hospital took the discharge back
    (A13, A11); the row stands for nothing until the patient is discharged again.
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
    withdrawn_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", "record_number", "admission_count"),
        CheckConstraint("kind IN ('inpatient','outpatient','checkup','cooperation')", name="kind"),
        Index("ix_encounter_patient", "tenant_id", "patient_id", "discharged_on"),
        Index("ix_encounter_month", "tenant_id", "kind", "discharged_on"),
        Index(
            "ix_encounter_no_department",
            "tenant_id",
            "ward",
            postgresql_where=text("department_id IS NULL"),
        ),
        tenant_fk("patient", "patient_id"),
        tenant_fk("department", "department_id"),
        tenant_fk("data_import", "import_id"),
    )


class Enrolment(TenantRow):
    """From when to when a patient is in the programme (入组): the source of the plan and of billing.

    `ended_on` is the last enrolled day, `cancelled_on` is set when the enrolment was taken back.
    `start_reason` says why it began: a discharge, a suppression lifted, come of age, by hand.
    """

    __tablename__ = "enrolment"
    personal = on_erasure(kept="start_reason end_reason")
    patient_id: Mapped[UUID]
    encounter_id: Mapped[UUID]
    started_on: Mapped[date]
    start_reason: Mapped[str] = mapped_column(server_default="discharge")
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
        Index("ix_enrolment_encounter", "tenant_id", "encounter_id"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("encounter", "encounter_id"),
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
        Index("ix_data_problem_patient", "tenant_id", "patient_id"),
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


class RecordAlias(TenantRow):
    """Another record number of a patient (曾用病案号): of a second file found by the ID number, or of a
    record that was merged into this one. `record_index` is left when the patient is erased, as on `patient`.
    """

    __tablename__ = "record_alias"
    personal = on_erasure(numbered="record_number", kept="why record_index")
    patient_id: Mapped[UUID]
    record_number: Mapped[str]
    record_index: Mapped[bytes | None]
    why: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "record_number"),
        CheckConstraint("why IN ('id_number','merge')", name="why"),
        Index("ix_record_alias_patient", "tenant_id", "patient_id"),
        tenant_fk("patient", "patient_id"),
    )


class PossibleDuplicate(TenantRow):
    """Two records that may be one person (疑似重复), with the reason; decided by a person, never by the
    program.

    `first_id` is the smaller id of the two, so that a pair stands once.
    """

    __tablename__ = "possible_duplicate"
    personal = on_erasure(kept="reason decision decided_by")
    first_id: Mapped[UUID]
    second_id: Mapped[UUID]
    reason: Mapped[str]
    found_at: Mapped[datetime]
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "first_id", "second_id"),
        CheckConstraint("reason IN ('same_id_number','same_name_phone','same_name_birth')", name="reason"),
        CheckConstraint("decision IN ('merged','different')", name="decision"),
        Index("ix_possible_duplicate_second", "tenant_id", "second_id"),
        Index("ix_possible_duplicate_open", "tenant_id", "id", postgresql_where=text("decision IS NULL")),
        tenant_fk("patient", "first_id"),
        tenant_fk("patient", "second_id"),
    )


class PatientMerge(TenantRow):
    """One record taken into another of the same hospital (合并), with what it moved, so that it can be
    undone.

    `moved` maps a table to what the merge changed in it: changed rows with their values before and after, and
    the rows made and removed (`patients.join_images`).
    """

    __tablename__ = "patient_merge"
    personal = on_erasure(wiped="moved reason", kept="merged_by undone_by")
    kept_id: Mapped[UUID]
    gone_id: Mapped[UUID]
    reason: Mapped[str]
    moved: Mapped[dict[str, Any]]
    merged_at: Mapped[datetime]
    merged_by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    __table_args__ = (
        Index(
            "uq_patient_merge_gone",
            "tenant_id",
            "gone_id",
            unique=True,
            postgresql_where=text("undone_at IS NULL"),
        ),
        Index("ix_patient_merge_kept", "tenant_id", "kept_id"),
        tenant_fk("patient", "kept_id"),
        tenant_fk("patient", "gone_id"),
    )
