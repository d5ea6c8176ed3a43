"""Tables of follow-up plans and their steps."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from foundation.database import TenantRow, tenant_fk
from foundation.personal import REFERENCE, on_erasure
from tenants.models import hospital_fk


class RevisitPlan(TenantRow):
    """A follow-up plan (回访计划) of one hospital; `rules` are the numbers of revisits.schedule.PlanRules."""

    __tablename__ = "revisit_plan"
    personal = REFERENCE
    code: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str]
    rules: Mapped[dict[str, Any]]
    active: Mapped[bool]
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("tenant_id", "code"), hospital_fk())


class RevisitStep(TenantRow):
    """One planned contact of one discharge (回访步骤) with its window in Asia/Shanghai days."""

    __tablename__ = "revisit_step"
    personal = on_erasure(kept="state cancelled_because")
    plan_id: Mapped[UUID]
    patient_id: Mapped[UUID]
    encounter_id: Mapped[UUID]
    number: Mapped[int]
    opens_on: Mapped[date]
    target_on: Mapped[date]
    closes_on: Mapped[date]
    state: Mapped[str]
    cancelled_because: Mapped[str | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "encounter_id", "number"),
        CheckConstraint("state IN ('planned','tasked','done','missed','cancelled')", name="state"),
        CheckConstraint("opens_on <= target_on AND target_on <= closes_on", name="window"),
        Index("ix_revisit_step_opening", "tenant_id", "opens_on", postgresql_where="state = 'planned'"),
        Index("ix_revisit_step_patient", "tenant_id", "patient_id"),
        tenant_fk("revisit_plan", "plan_id"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("encounter", "encounter_id"),
    )
