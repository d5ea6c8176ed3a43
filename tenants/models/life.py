"""Tables of a hospital's life with the firm: agreement, onboarding, stages, grants, support, departure."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.database import FirmRow, PlatformRow, TenantRow, tenant_fk
from foundation.personal import OF_THE_HOSPITAL
from tenants.models.directory import STATES, hospital_fk


class HospitalPhase(TenantRow):
    """From when to when a hospital was in which stage (阶段); the open one is the present one."""

    __tablename__ = "hospital_phase"
    personal = OF_THE_HOSPITAL
    stays = "entrusting"
    state: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str]
    by_name: Mapped[str]
    __table_args__ = (
        CheckConstraint(f"state IN ({STATES})", name="state"),
        Index("uq_hospital_phase_open", "tenant_id", unique=True, postgresql_where="ended_at IS NULL"),
        hospital_fk(),
    )


class ProcessingAgreement(TenantRow):
    """What the hospital lets the firm do with its patients' data (委托处理协议, PIPL 21): the purposes,
    the kinds of data, the channels and the time. A change is a new version; the newest signed one that
    covers the day is in force. `benchmark`: `none` or `full` (contributes and receives). `signed_at` is
    set once both sides have signed.
    """

    __tablename__ = "processing_agreement"
    personal = OF_THE_HOSPITAL
    stays = "entrusting"
    version: Mapped[int]
    purposes: Mapped[list[Any]]
    fields: Mapped[list[Any]]
    channels: Mapped[list[Any]]
    benchmark: Mapped[str]
    on_end: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    signed_for_firm: Mapped[str]
    firm_signed_at: Mapped[datetime | None]
    signed_for_hospital: Mapped[str]
    hospital_signed_at: Mapped[datetime | None]
    signed_at: Mapped[datetime | None]
    document_file_id: Mapped[UUID | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "version"),
        CheckConstraint("benchmark IN ('none','full')", name="benchmark"),
        CheckConstraint("on_end IN ('return','delete')", name="on_end"),
        tenant_fk("stored_file", "document_file_id"),
        hospital_fk(),
    )


class SubProcessor(TenantRow):
    """Whom the firm may pass data on to (转委托方, PIPL 21): approved by the hospital, for one service."""

    __tablename__ = "sub_processor"
    personal = OF_THE_HOSPITAL
    stays = "entrusting"
    name: Mapped[str]
    service: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("service IN ('sms','telephony','cloud','speech','wechat')", name="service"),
        UniqueConstraint("tenant_id", "service", "name"),
        hospital_fk(),
    )


class ImpactAssessment(TenantRow):
    """The assessment that comes before a purpose begins (个人信息保护影响评估, PIPL 55 and 56): kept
    three years after its end. Go-live waits for it.
    """

    __tablename__ = "impact_assessment"
    personal = OF_THE_HOSPITAL
    stays = "entrusting"
    purpose: Mapped[str]
    assessed_on: Mapped[date]
    assessed_by: Mapped[str]
    summary: Mapped[str]
    document_file_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        Index("ix_impact_assessment_purpose", "tenant_id", "purpose"),
        tenant_fk("stored_file", "document_file_id"),
        hospital_fk(),
    )


class OnboardingStep(TenantRow):
    """One step of the way to the first call (上线步骤, S3-4, SC-51), with an owner and a date."""

    __tablename__ = "onboarding_step"
    personal = OF_THE_HOSPITAL
    key: Mapped[str]
    position: Mapped[int]
    owner_id: Mapped[UUID | None]
    owner_name: Mapped[str]
    due_on: Mapped[date]
    state: Mapped[str]
    note: Mapped[str]
    done_at: Mapped[datetime | None]
    done_by: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        CheckConstraint("state IN ('open','done','not_needed')", name="state"),
        hospital_fk(),
    )


class GateAcceptance(TenantRow):
    """Who let an amber check of the go-live gate pass, and why (上线豁免)."""

    __tablename__ = "gate_acceptance"
    personal = OF_THE_HOSPITAL
    check: Mapped[str]
    accepted_by: Mapped[str]
    reason: Mapped[str]
    accepted_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("tenant_id", "check"), hospital_fk())


class StatisticsGrant(TenantRow):
    """What the hospital's director opened to a person or a department (统计授权, S4-16): a report of one
    month, or the series when `month` is empty, through `ends_on`.
    """

    __tablename__ = "statistics_grant"
    personal = OF_THE_HOSPITAL
    subject: Mapped[str]
    month: Mapped[date | None]
    person_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    granted_by: Mapped[UUID]
    granted_by_name: Mapped[str]
    granted_at: Mapped[datetime]
    ends_on: Mapped[date]
    revoked_at: Mapped[datetime | None]
    revoked_by_name: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("subject IN ('report','benchmark')", name="subject"),
        CheckConstraint(
            "(person_id IS NOT NULL)::int + (department_id IS NOT NULL)::int = 1", name="one_grantee"
        ),
        Index("ix_statistics_grant_ends", "tenant_id", "ends_on"),
        tenant_fk("department", "department_id"),
        hospital_fk(),
    )


class SupportAccess(PlatformRow):
    """An operator's look at one hospital (支持访问, SC-57): asked with a reason and minutes, granted by
    the hospital or its firm, over at `ends_at` by itself. Holds no patient data.
    """

    __tablename__ = "support_access"
    operator_id: Mapped[UUID]
    operator_name: Mapped[str]
    firm_id: Mapped[UUID] = mapped_column(index=True)
    tenant_id: Mapped[UUID] = mapped_column(index=True)
    reason: Mapped[str]
    minutes: Mapped[int]
    asked_at: Mapped[datetime]
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    decided_by_name: Mapped[str]
    ends_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("decision IN ('granted','refused')", name="decision"),
        CheckConstraint("minutes BETWEEN 5 AND 240", name="minutes"),
        Index("ix_support_access_operator", "operator_id", "ends_at"),
    )


class HospitalMove(PlatformRow):
    """A hospital that goes from one firm to another (医院转移, SC-58): asked by the old firm, accepted
    by the new one, agreed by the hospital, done at `moves_at`. Holds no patient data.

    `agreement` are the terms that all three sign again (as in `ProcessingAgreement`), `offer` is what the
    new firm charges and who bills, `settled` the old firm's last invoices (number, month, fen).
    """

    __tablename__ = "hospital_move"
    tenant_id: Mapped[UUID] = mapped_column(index=True)
    code: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str]
    from_firm_id: Mapped[UUID] = mapped_column(index=True)
    to_firm_id: Mapped[UUID] = mapped_column(index=True)
    agreement: Mapped[dict[str, Any]]
    offer: Mapped[dict[str, Any] | None]
    settled: Mapped[list[Any] | None]
    asked_by_name: Mapped[str]
    asked_at: Mapped[datetime]
    moves_at: Mapped[datetime]
    accepted_by_name: Mapped[str | None]
    accepted_at: Mapped[datetime | None]
    agreed_by_name: Mapped[str | None]
    agreed_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "uq_hospital_move_open",
            "tenant_id",
            unique=True,
            postgresql_where=text("done_at IS NULL AND withdrawn_at IS NULL"),
        ),
    )


class Departure(FirmRow):
    """A hospital that leaves (退出, SC-58, PIPL 21 and 47): everything handed back, then erased. The row
    belongs to the firm, because of the hospital nothing stays. `progress` is how far the work in the
    background is (`run`, `done`, `of`, `seen_at`), `export_parts` the ids of the encrypted pieces of the
    export; `counts` are rows by table, `erased` what was removed and what stayed, `certificate` the PDF.
    """

    __tablename__ = "departure"
    stays = "entrusting"
    tenant_id: Mapped[UUID]
    code: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    begun_by: Mapped[str]
    begun_at: Mapped[datetime]
    progress: Mapped[dict[str, Any]]
    export_parts: Mapped[list[Any]]
    export_bytes: Mapped[int | None]
    export_sha256: Mapped[bytes | None]
    exported_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]]
    downloaded_by: Mapped[str | None]
    downloaded_at: Mapped[datetime | None]
    signed_by: Mapped[str | None]
    signed_at: Mapped[datetime | None]
    key_destroyed_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    erased: Mapped[dict[str, Any]]
    certificate: Mapped[bytes | None] = mapped_column(deferred=True)
    __table_args__ = (
        Index(
            "uq_departure_open", "firm_id", "tenant_id", unique=True, postgresql_where="state <> 'withdrawn'"
        ),
        CheckConstraint(
            "state IN ('begun','exporting','exported','signed','erasing','erased','withdrawn')", name="state"
        ),
    )
