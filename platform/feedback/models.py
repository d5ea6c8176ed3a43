"""Tables of complaints and praise: cases, their clocks and their one event log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from foundation.database import TenantRow, tenant_fk
from foundation.personal import on_erasure
from tenants.models import hospital_fk


class FeedbackCase(TenantRow):
    """A piece of feedback (反馈) and its way to closing; `number` is FK-YYMM-NNNN within the hospital."""

    __tablename__ = "feedback_case"
    personal = on_erasure(
        wiped="text_cipher wish_cipher",
        kept="number channel category tag first_receiver stage close_reason",
    )
    number: Mapped[str]
    patient_id: Mapped[UUID | None]
    encounter_id: Mapped[UUID | None]
    call_id: Mapped[UUID | None]
    department_id: Mapped[UUID | None]
    channel: Mapped[str]
    category: Mapped[str]
    tag: Mapped[str]
    tier: Mapped[int]
    medical_dispute: Mapped[bool]
    text_cipher: Mapped[bytes]
    wish_cipher: Mapped[bytes]
    received_at: Mapped[datetime]
    first_receiver_id: Mapped[UUID | None]
    first_receiver: Mapped[str]
    stage: Mapped[str]
    round: Mapped[int]
    round_started_at: Mapped[datetime]
    responded_at: Mapped[datetime | None]
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[UUID | None]
    callback_level: Mapped[int | None]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        CheckConstraint("category IN ('service','quality','process','rights')", name="category"),
        CheckConstraint("tier BETWEEN 1 AND 3", name="tier"),
        CheckConstraint("stage IN ('received','in_hand','handled','callback','closed')", name="stage"),
        Index("ix_feedback_case_received", "tenant_id", "received_at"),
        Index("ix_feedback_case_patient", "tenant_id", "patient_id"),
        Index("ix_feedback_case_encounter", "tenant_id", "encounter_id"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("encounter", "encounter_id"),
        tenant_fk("call", "call_id"),
        tenant_fk("department", "department_id"),
        hospital_fk(),
    )


class CaseClock(TenantRow):
    """One deadline of one round (时限): which rule, when due, when met; never moved, only met or missed."""

    __tablename__ = "case_clock"
    personal = on_erasure(kept="kind source explanation")
    case_id: Mapped[UUID]
    round: Mapped[int]
    kind: Mapped[str]
    source: Mapped[str]
    starts_at: Mapped[datetime]
    due_at: Mapped[datetime]
    met_at: Mapped[datetime | None]
    explanation: Mapped[dict[str, Any]]
    __table_args__ = (
        UniqueConstraint("tenant_id", "case_id", "round", "kind"),
        Index("ix_case_clock_due", "tenant_id", "due_at", postgresql_where="met_at IS NULL"),
        tenant_fk("feedback_case", "case_id"),
    )


class CaseEvent(TenantRow):
    """What happened in a case (处理记录): the one log that feeds clocks, ledger, measures and audit;
    append-only.
    """

    __tablename__ = "case_event"
    append_only = True
    personal = on_erasure(wiped="note_cipher", kept="kind actor_name detail", door="wipe_case_notes")
    case_id: Mapped[UUID]
    at: Mapped[datetime]
    kind: Mapped[str]
    round: Mapped[int]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    note_cipher: Mapped[bytes | None]
    detail: Mapped[dict[str, Any]]
    __table_args__ = (
        Index("ix_case_event_case", "tenant_id", "case_id", "at"),
        tenant_fk("feedback_case", "case_id"),
    )
