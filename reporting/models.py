"""Tables of reports: a hospital's month as it was released, and benchmark runs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from foundation.database import FirmRow, TenantRow, tenant_fk
from foundation.personal import OF_THE_HOSPITAL
from tenants.models import hospital_fk


class MonthlyReport(TenantRow):
    """The month of one hospital (月报), frozen: `figures` are the numbers that page, PDF and Excel show."""

    __tablename__ = "monthly_report"
    personal = OF_THE_HOSPITAL
    month: Mapped[date]
    version: Mapped[int]
    figures: Mapped[dict[str, Any]]
    pdf_file_id: Mapped[UUID | None]
    xlsx_file_id: Mapped[UUID | None]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    __table_args__ = (
        UniqueConstraint("tenant_id", "month", "version"),
        tenant_fk("stored_file", "pdf_file_id"),
        tenant_fk("stored_file", "xlsx_file_id"),
        hospital_fk(),
    )


class BenchmarkRun(FirmRow):
    """One monthly comparison of a firm's hospitals (对标): frozen inputs and results; aggregates only (A10).

    ``hospitals`` counts the members, ``withheld`` the own and group values that are not shown.
    """

    __tablename__ = "benchmark_run"
    month: Mapped[date]
    version: Mapped[int]
    state: Mapped[str]
    contributors: Mapped[list[Any]]
    results: Mapped[dict[str, Any]]
    thresholds: Mapped[dict[str, Any]]
    hospitals: Mapped[int]
    withheld: Mapped[int]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    made_by_id: Mapped[UUID | None]
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("firm_id", "month", "version"),
        CheckConstraint("state IN ('draft','approved')", name="state"),
        ForeignKeyConstraint(["firm_id"], ["firm.firm_id"]),
    )


class BenchmarkReport(TenantRow):
    """What one member hospital gets of a run (对标报告): its own value, its group's, never another's name."""

    __tablename__ = "benchmark_report"
    personal = OF_THE_HOSPITAL
    month: Mapped[date]
    version: Mapped[int]
    figures: Mapped[dict[str, Any]]
    pdf_file_id: Mapped[UUID | None]
    xlsx_file_id: Mapped[UUID | None]
    released_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "month", "version"),
        tenant_fk("stored_file", "pdf_file_id"),
        tenant_fk("stored_file", "xlsx_file_id"),
        hospital_fk(),
    )
