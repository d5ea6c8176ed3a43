"""Tables of firms, hospitals, departments, people and their sign-in."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foundation.database import Base, FirmRow, PlatformRow, TenantRow
from foundation.ids import new_id


class DirectoryEntry(PlatformRow):
    """Which short code names which firm or hospital: what an address is looked up in before any scope is
    known.
    """

    __tablename__ = "directory_entry"
    code: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    firm_id: Mapped[UUID] = mapped_column(index=True)
    tenant_id: Mapped[UUID | None] = mapped_column(unique=True)
    suspended: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (CheckConstraint("kind IN ('firm', 'hospital')", name="kind"),)


class Firm(Base):
    """An outsourcing firm (外包公司)."""

    __tablename__ = "firm"
    table_class = "firm"
    firm_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str]
    created_at: Mapped[datetime]


class Hospital(Base):
    """A hospital (医院): the tenant. Its id is the `tenant_id` of everything it owns."""

    __tablename__ = "hospital"
    table_class = "tenant"
    anchor: ClassVar[bool] = True
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
        CheckConstraint("state IN ('active','suspended')", name="state"),
        UniqueConstraint("tenant_id", "firm_id"),
        ForeignKeyConstraint(["firm_id"], ["firm.firm_id"]),
    )


def hospital_fk() -> ForeignKeyConstraint:
    """The hospital must exist."""
    return ForeignKeyConstraint(["tenant_id"], ["hospital.tenant_id"])


class Department(TenantRow):
    """A clinical department (科室)."""

    __tablename__ = "department"
    name: Mapped[str]
    __table_args__ = (UniqueConstraint("tenant_id", "name"), hospital_fk())


class Person(PlatformRow):
    """Somebody who signs in (用户)."""

    __tablename__ = "person"
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str | None]
    language: Mapped[str]
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Membership(PlatformRow):
    """A person's role at a firm or at a hospital (成员身份); one person may hold several."""

    __tablename__ = "membership"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    role: Mapped[str]
    firm_id: Mapped[UUID | None] = mapped_column(index=True)
    tenant_id: Mapped[UUID | None] = mapped_column(index=True)
    department_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("(firm_id IS NOT NULL)::int + (tenant_id IS NOT NULL)::int <= 1", name="one_side"),
        Index(
            "uq_membership_person_role_side",
            "person_id",
            "role",
            "firm_id",
            "tenant_id",
            "department_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )


class Invitation(PlatformRow):
    """An invitation by e-mail to set a password (邀请); the token itself is never stored, only its hash."""

    __tablename__ = "invitation"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SigninSession(PlatformRow):
    """A sign-in (登录会话), kept on the server; the cookie holds a token of which only the hash is stored."""

    __tablename__ = "signin_session"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    address: Mapped[str]


class SigninEvent(PlatformRow):
    """One attempt to sign in (登录记录): append-only, kept for at least 180 days."""

    __tablename__ = "signin_event"
    append_only = True
    at: Mapped[datetime]
    email: Mapped[str]
    person_id: Mapped[UUID | None]
    result: Mapped[str]
    address: Mapped[str]


class FirmEvent(FirmRow):
    """What a firm's people did across hospitals (跨院操作记录): runs, approvals, publications;
    append-only.
    """

    __tablename__ = "firm_event"
    append_only = True
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]
    __table_args__ = (ForeignKeyConstraint(["firm_id"], ["firm.firm_id"]),)
