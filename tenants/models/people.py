"""Tables of people, their roles, and every way to sign in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foundation.database import PlatformRow

ONE_SIDE = "(firm_id IS NOT NULL)::int + (tenant_id IS NOT NULL)::int = 1"


class Person(PlatformRow):
    """Somebody who signs in (用户), by e-mail or by mobile number.

    The number is encrypted under the master key; `phone_index` finds it. `totp_cipher` is the secret of the
    second factor, in force once `totp_confirmed_at` is set; `totp_step` is the last time step that was used,
    so that no code works twice.
    """

    __tablename__ = "person"
    email: Mapped[str | None] = mapped_column(unique=True)
    phone_cipher: Mapped[bytes | None]
    phone_index: Mapped[bytes | None] = mapped_column(unique=True)
    phone_masked: Mapped[str] = mapped_column(default="", server_default="")
    name: Mapped[str]
    password_hash: Mapped[str | None]
    password_set_at: Mapped[datetime | None]
    totp_cipher: Mapped[bytes | None]
    totp_confirmed_at: Mapped[datetime | None]
    totp_step: Mapped[int | None]
    language: Mapped[str]
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("email IS NOT NULL OR phone_index IS NOT NULL", name="reachable"),)


class PastPassword(PlatformRow):
    """A password that was in use before (历史密码), as its hash: none of the last five is taken again."""

    __tablename__ = "past_password"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    password_hash: Mapped[str]
    set_at: Mapped[datetime]


class RecoveryCode(PlatformRow):
    """A code that stands in for the second factor once (恢复码); only its hash is kept."""

    __tablename__ = "recovery_code"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    code_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Membership(PlatformRow):
    """A person's role at a firm or at a hospital (成员身份); one person may hold several.

    A role given to an account that already exists counts only once the person has accepted it; until then
    its side sees what its inviter typed (`offered_name`, `offered_contact`) and nothing of the account. While
    `closed_at` is set the side has closed it: it counts for nothing.
    """

    __tablename__ = "membership"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    role: Mapped[str]
    firm_id: Mapped[UUID | None] = mapped_column(index=True)
    tenant_id: Mapped[UUID | None] = mapped_column(index=True)
    department_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    accepted_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    offered_name: Mapped[str] = mapped_column(default="", server_default="")
    offered_contact: Mapped[str] = mapped_column(default="", server_default="")
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
    """An invitation to set a password (邀请); the token itself is never stored, only its hash.

    `channel`: `email`, `phone`, or `link` where the inviter hands the link over. `sent_at` is when the mail
    server or the gateway took the message, `send_failure` why neither will.
    """

    __tablename__ = "invitation"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    channel: Mapped[str] = mapped_column(default="link", server_default="link")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    send_failure: Mapped[str] = mapped_column(default="", server_default="")


class SigninSession(PlatformRow):
    """A sign-in (登录会话), kept on the server; the cookie holds a token of which only the hash is stored.

    `strength`: `password`, `second_factor`, `provider` (signed in elsewhere), `demo`. While `waiting_for` is
    set (`second_factor`, `enrolment`, `new_password`) nobody is signed in yet. `firm_id` or `tenant_id`
    confine the sign-in to the side whose provider vouched for it.
    """

    __tablename__ = "signin_session"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    address: Mapped[str]
    browser: Mapped[str] = mapped_column(default="", server_default="")
    strength: Mapped[str] = mapped_column(default="password", server_default="password")
    waiting_for: Mapped[str | None]
    firm_id: Mapped[UUID | None]
    tenant_id: Mapped[UUID | None]
    __table_args__ = (
        CheckConstraint("waiting_for IN ('second_factor','enrolment','new_password')", name="waiting_for"),
    )


class SigninEvent(PlatformRow):
    """One attempt to sign in (登录记录): append-only, kept for at least 180 days."""

    __tablename__ = "signin_event"
    append_only = True
    at: Mapped[datetime]
    email: Mapped[str]
    person_id: Mapped[UUID | None]
    result: Mapped[str]
    address: Mapped[str]
    __table_args__ = (
        Index("ix_signin_event_at", "at"),
        Index("ix_signin_event_person", "person_id", "at"),
        Index("ix_signin_event_address", "address", "at"),
    )


class IdentityProvider(PlatformRow):
    """Where the people of one firm or one hospital sign in instead of here (单点登录, OpenID Connect).

    `secret_cipher` is encrypted under the master key. With `required` a password no longer opens this side.
    With `vouches_second_factor` the provider's own second factor counts as one.
    """

    __tablename__ = "identity_provider"
    firm_id: Mapped[UUID | None] = mapped_column(unique=True)
    tenant_id: Mapped[UUID | None] = mapped_column(unique=True)
    label: Mapped[str]
    issuer: Mapped[str]
    client_id: Mapped[str]
    secret_cipher: Mapped[bytes]
    required: Mapped[bool] = mapped_column(default=False)
    vouches_second_factor: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    __table_args__ = (CheckConstraint(ONE_SIDE, name="one_side"),)


class ExternalIdentity(PlatformRow):
    """Who somebody is at a provider (外部身份): its `sub`, linked once to one person."""

    __tablename__ = "external_identity"
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id"))
    subject: Mapped[str]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    linked_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("provider_id", "subject"),)


class ProviderAttempt(PlatformRow):
    """A sign-in that is on its way through a provider (登录请求): its state works once, in one browser."""

    __tablename__ = "provider_attempt"
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_provider.id"))
    state_hash: Mapped[bytes] = mapped_column(unique=True)
    browser_hash: Mapped[bytes]
    nonce: Mapped[str]
    verifier_cipher: Mapped[bytes]
    next_path: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ApiToken(PlatformRow):
    """A key for programs (接口令牌): of one person, towards one firm or one hospital, for named rights
    and until a date. It never reaches further than its owner does at that moment. Only the hash is kept.
    """

    __tablename__ = "api_token"
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    prefix: Mapped[str]
    name: Mapped[str]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    firm_id: Mapped[UUID | None] = mapped_column(index=True)
    tenant_id: Mapped[UUID | None] = mapped_column(index=True)
    actions: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (CheckConstraint(ONE_SIDE, name="one_side"),)


class AccessRefusal(PlatformRow):
    """A request that was refused at a wall (越界访问记录). `route` is the pattern and not the address,
    which may hold what somebody typed; `code` is the hospital's code as it was asked for, when there is
    such a hospital. The same again within a `minute` is counted in `times`, so that nobody can flood the
    table or the hospital's audit trail.
    """

    __tablename__ = "access_refusal"
    at: Mapped[datetime]
    minute: Mapped[datetime]
    times: Mapped[int]
    person_id: Mapped[UUID | None]
    token_id: Mapped[UUID | None]
    code: Mapped[str]
    method: Mapped[str]
    route: Mapped[str]
    status: Mapped[int]
    reason: Mapped[str]
    address: Mapped[str]
    __table_args__ = (
        Index("ix_access_refusal_at", "at"),
        Index(
            "uq_access_refusal_minute",
            "person_id",
            "token_id",
            "method",
            "route",
            "code",
            "status",
            "minute",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )
