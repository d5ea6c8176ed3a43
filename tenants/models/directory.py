"""Tables of firms, hospitals, departments, and what a firm's people did across hospitals."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foundation.chain import ChainColumns
from foundation.database import Base, FirmRow, PlatformRow, TenantRow
from foundation.ids import new_id
from foundation.personal import OF_THE_HOSPITAL, REFERENCE

# The stages (阶段) of a hospital's life; a firm is active or suspended.
STATES = "'onboarding','active','suspended','leaving','left'"


class DirectoryEntry(PlatformRow):
    """Which short code names which firm or hospital: what an address is looked up in before any scope is
    known. `suppression_breaches` is what a hospital's last nightly check of suppressions found, a number
    for the operator (停止联系核查).
    """

    __tablename__ = "directory_entry"
    code: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    firm_id: Mapped[UUID] = mapped_column(index=True)
    tenant_id: Mapped[UUID | None] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(default="active", server_default="active")
    suppression_breaches: Mapped[int] = mapped_column(default=0, server_default="0")
    __table_args__ = (
        CheckConstraint("kind IN ('firm', 'hospital')", name="kind"),
        CheckConstraint(f"state IN ({STATES})", name="state"),
    )


class Brand(PlatformRow):
    """The face of a firm or a hospital towards people (自有品牌, SC-59): shown before anybody has signed in,
    so it stands with the directory. An empty name falls back to the real one, an empty colour to the
    product's.

    `version` is a digest of the logo's bytes: a changed logo has a changed address.
    """

    __tablename__ = "brand"
    code: Mapped[str] = mapped_column(ForeignKey("directory_entry.code"), unique=True)
    shown_name: Mapped[str]
    shown_name_en: Mapped[str]
    colour: Mapped[str]
    logo: Mapped[bytes | None] = mapped_column(deferred=True)
    logo_type: Mapped[str | None]
    version: Mapped[str]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


class Firm(Base):
    """An outsourcing firm (外包公司)."""

    __tablename__ = "firm"
    table_class = "firm"
    firm_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str]
    state: Mapped[str] = mapped_column(default="active", server_default="active")
    created_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("state IN ('active','suspended')", name="state"),)


class Hospital(Base):
    """A hospital (医院): the tenant. Its id is the `tenant_id` of everything it owns."""

    __tablename__ = "hospital"
    table_class = "tenant"
    anchor: ClassVar[bool] = True
    personal = OF_THE_HOSPITAL
    stays = "anchor"
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    firm_id: Mapped[UUID] = mapped_column(index=True)
    code: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str]
    hospital_type: Mapped[str]
    region: Mapped[str]
    grade: Mapped[str]
    brand: Mapped[str]
    beds: Mapped[int | None]
    colour: Mapped[str]
    state: Mapped[str]
    outpatient_rate: Mapped[Decimal]
    wrapped_key: Mapped[bytes | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("hospital_type IN ('general','specialist','tcm','maternal','checkup')", name="type"),
        CheckConstraint("region ~ '^[1-8][0-9]{5}$'", name="region"),
        CheckConstraint(f"state IN ({STATES})", name="state"),
        UniqueConstraint("tenant_id", "firm_id"),
        ForeignKeyConstraint(["firm_id"], ["firm.firm_id"]),
    )


def hospital_fk() -> ForeignKeyConstraint:
    """The hospital must exist."""
    return ForeignKeyConstraint(["tenant_id"], ["hospital.tenant_id"])


class Department(TenantRow):
    """A clinical department (科室)."""

    __tablename__ = "department"
    personal = REFERENCE
    name: Mapped[str]
    __table_args__ = (UniqueConstraint("tenant_id", "name"), hospital_fk())


class FirmEvent(ChainColumns, FirmRow):
    """What a firm's people did across hospitals (跨院操作记录): runs, approvals, publications, sign-ins.

    Append-only and chained per firm by hash, as the audit trail of a hospital is (`foundation.chain`).
    """

    __tablename__ = "firm_event"
    __table_args__ = (
        UniqueConstraint("firm_id", "seq"),
        Index("ix_firm_event_at", "firm_id", "at"),
        ForeignKeyConstraint(["firm_id"], ["firm.firm_id"]),
    )
