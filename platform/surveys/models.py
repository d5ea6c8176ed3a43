"""Tables of surveys: questionnaires in use, samples, responses and answers."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from foundation.database import TenantRow, tenant_fk
from foundation.personal import OF_THE_HOSPITAL, REFERENCE, on_erasure
from tenants.models import hospital_fk


class Questionnaire(TenantRow):
    """A version of an instrument as one hospital uses it (问卷); frozen once it has an answer."""

    __tablename__ = "questionnaire"
    personal = REFERENCE
    code: Mapped[str]
    version: Mapped[int]
    audience: Mapped[str]
    content: Mapped[dict[str, Any]]
    active: Mapped[bool]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "code", "version"),
        CheckConstraint("audience IN ('inpatient','outpatient','organisation')", name="audience"),
        hospital_fk(),
    )


class SurveySample(TenantRow):
    """The draw of one month (抽样, S3-5): rate, seed and sizes, so that it can be drawn again and comes out
    the same.
    """

    __tablename__ = "survey_sample"
    personal = OF_THE_HOSPITAL
    month: Mapped[date]
    audience: Mapped[str]
    rate: Mapped[Decimal]
    seed: Mapped[str]
    frame_size: Mapped[int]
    drawn_size: Mapped[int]
    drawn_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("tenant_id", "month", "audience"), hospital_fk())


class SampleMember(TenantRow):
    """One encounter of the frame (抽样框成员), drawn or not, and why it could not be contacted if so.

    `stopped_by_id` is the suppression that ended the slot of somebody drawn; its undo gives the slot back.
    """

    __tablename__ = "sample_member"
    personal = on_erasure(kept="excluded")
    sample_id: Mapped[UUID]
    encounter_id: Mapped[UUID]
    drawn: Mapped[bool]
    position: Mapped[int]
    excluded: Mapped[str | None]
    stopped_by_id: Mapped[UUID | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "sample_id", "encounter_id"),
        Index("ix_sample_member_encounter", "tenant_id", "encounter_id"),
        Index("ix_sample_member_position", "tenant_id", "sample_id", "position"),
        tenant_fk("survey_sample", "sample_id"),
        tenant_fk("suppression", "stopped_by_id"),
        tenant_fk("encounter", "encounter_id"),
    )


class Response(TenantRow):
    """One filled questionnaire (答卷). `index_value` is 0–100, exact to 6 places; None when nothing was
    scored.
    """

    __tablename__ = "response"
    personal = on_erasure(kept="mode state dimension_values")
    questionnaire_id: Mapped[UUID]
    patient_id: Mapped[UUID]
    encounter_id: Mapped[UUID]
    task_id: Mapped[UUID | None]
    mode: Mapped[str]
    state: Mapped[str]
    agent_id: Mapped[UUID | None]
    index_value: Mapped[Decimal | None]
    dimension_values: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "task_id"),
        CheckConstraint("state IN ('in_progress','complete','partial','void')", name="state"),
        CheckConstraint("mode IN ('phone','web','paper')", name="mode"),
        Index("ix_response_completed", "tenant_id", "completed_at"),
        Index("ix_response_encounter", "tenant_id", "encounter_id"),
        Index("ix_response_patient", "tenant_id", "patient_id"),
        tenant_fk("questionnaire", "questionnaire_id"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("encounter", "encounter_id"),
        tenant_fk("contact_task", "task_id"),
    )


class Answer(TenantRow):
    """One answer (答案): level 1–6, or None for «does not apply»; a low one may carry the reason's tag."""

    __tablename__ = "answer"
    personal = on_erasure(kept="question tag")
    response_id: Mapped[UUID]
    question: Mapped[str]
    level: Mapped[int | None]
    tag: Mapped[str | None]
    answered_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "response_id", "question"),
        CheckConstraint("level BETWEEN 1 AND 6", name="six_levels"),
        tenant_fk("response", "response_id"),
    )
