"""Tables of contacting people: tasks, who holds whom, and calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foundation.database import TenantRow, tenant_fk
from foundation.personal import on_erasure


class ContactTask(TenantRow):
    """One contact to be made (联系任务): a row with a window, a rank and a reason, not a message in a broker.

    `source` and `source_id` name the row of a higher floor that asked for it (revisit step, sample member,
    case).
    `next_try_at` is when it may be drawn; `closes_at` when it is too late.
    """

    __tablename__ = "contact_task"
    personal = on_erasure(kept="kind purpose source label state outcome")
    patient_id: Mapped[UUID]
    encounter_id: Mapped[UUID | None]
    kind: Mapped[str]
    purpose: Mapped[str]
    source: Mapped[str]
    source_id: Mapped[UUID]
    label: Mapped[dict[str, Any]]
    rank: Mapped[int]
    opens_at: Mapped[datetime]
    due_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    not_by: Mapped[UUID | None]
    appointment_at: Mapped[datetime | None]
    appointment_agent: Mapped[UUID | None]
    state: Mapped[str]
    outcome: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "source", "source_id"),
        CheckConstraint("kind IN ('revisit','survey','callback','acknowledge','promise')", name="kind"),
        CheckConstraint(
            "purpose IN ('care_followup','satisfaction','complaint','marketing')", name="purpose"
        ),
        CheckConstraint(
            "state IN ('open','completed','partial','unreachable','refused','cancelled','expired')",
            name="state",
        ),
        Index("ix_contact_task_due", "tenant_id", "rank", "due_at", "id", postgresql_where="state = 'open'"),
        Index("ix_contact_task_patient", "tenant_id", "patient_id"),
        Index("ix_contact_task_encounter", "tenant_id", "encounter_id"),
        # What presses: callbacks, first answers, promises and revisits by when it is too late.
        Index("ix_contact_task_closing", "tenant_id", "kind", "closes_at", postgresql_where="state = 'open'"),
        Index(
            "ix_contact_task_appointment",
            "tenant_id",
            "appointment_at",
            postgresql_where="state = 'open' AND appointment_at IS NOT NULL",
        ),
        tenant_fk("patient", "patient_id"),
        tenant_fk("encounter", "encounter_id"),
    )


class PatientHold(TenantRow):
    """Whose card a patient is on (锁定): one row a patient, so two agents can never have the same one.

    `id` is the patient's id. It lapses at `until`; `draft_cipher` is what the agent had typed
    (JSON, encrypted; None for nothing), kept for after a crash.
    """

    __tablename__ = "patient_hold"
    personal = on_erasure(wiped="draft_cipher", kept="why")
    task_id: Mapped[UUID]
    agent_id: Mapped[UUID]
    drawn_at: Mapped[datetime]
    until: Mapped[datetime]
    why: Mapped[str]
    draft_cipher: Mapped[bytes | None]
    __table_args__ = (
        tenant_fk("contact_task", "task_id"),
        tenant_fk("patient", "id"),
    )


class Call(TenantRow):
    """One dial (通话) of one number for one task; answered or not. `note_cipher` is what the agent wrote
    down, encrypted (PIPL 28); None for nothing."""

    __tablename__ = "call"
    personal = on_erasure(wiped="number_index note_cipher", kept="agent_name outcome")
    task_id: Mapped[UUID]
    patient_id: Mapped[UUID]
    contact_point_id: Mapped[UUID]
    number_index: Mapped[bytes]
    agent_id: Mapped[UUID]
    agent_name: Mapped[str]
    dialled_at: Mapped[datetime]
    connected_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    note_cipher: Mapped[bytes | None]
    __table_args__ = (
        Index("ix_call_number", "tenant_id", "number_index", "dialled_at"),
        Index("ix_call_patient", "tenant_id", "patient_id", "dialled_at"),
        Index("ix_call_task", "tenant_id", "task_id"),
        Index("ix_call_contact_point", "tenant_id", "contact_point_id"),
        Index("ix_call_agent", "tenant_id", "agent_id", "dialled_at"),
        tenant_fk("contact_task", "task_id"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("contact_point", "contact_point_id"),
    )
