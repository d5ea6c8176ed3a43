"""Tables of what may be done with somebody: suppression, consent, legal basis, numbers not to be called,
requests about own data."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from foundation.database import TenantRow, tenant_fk
from foundation.personal import OF_THE_HOSPITAL, REFERENCE, on_erasure
from tenants.models import hospital_fk


class Suppression(TenantRow):
    """Why a patient gets no contact (停止联系, S4-15): deceased, cured, special, refused, hospital's wish,
    dispute. `note_cipher` is encrypted, None for nothing. A death holds from its first report and asks for a
    second confirmation: `confirmed_at` is None until a second person, or the hospital's own list, says so.
    `merged` stops a record that was taken into another one.
    """

    __tablename__ = "suppression"
    personal = on_erasure(wiped="note_cipher", kept="reason source started_by confirmed_by lifted_by")
    patient_id: Mapped[UUID]
    reason: Mapped[str]
    note_cipher: Mapped[bytes | None]
    source: Mapped[str]
    started_at: Mapped[datetime]
    started_by: Mapped[str]
    confirmed_at: Mapped[datetime | None]
    confirmed_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    __table_args__ = (
        CheckConstraint(
            "reason IN ('deceased','cured','special','refused','hospital','dispute','restricted','merged')",
            name="reason",
        ),
        Index("ix_suppression_patient", "tenant_id", "patient_id"),
        Index(
            "uq_suppression_active",
            "tenant_id",
            "patient_id",
            "reason",
            unique=True,
            postgresql_where="lifted_at IS NULL",
        ),
        tenant_fk("patient", "patient_id"),
    )


class ConsentText(TenantRow):
    """A version of the words by which somebody is asked (告知同意文本, PIPL 14, 17), per purpose and channel.

    With `asks_again` the yes given to an earlier version no longer holds.
    """

    __tablename__ = "consent_text"
    personal = REFERENCE
    purpose: Mapped[str]
    channel: Mapped[str]
    version: Mapped[int]
    text_zh: Mapped[str]
    text_en: Mapped[str]
    asks_again: Mapped[bool]
    valid_from: Mapped[date]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "purpose", "channel", "version"),
        CheckConstraint(
            "purpose IN ('care_followup','satisfaction','complaint','marketing')", name="purpose"
        ),
        CheckConstraint("channel IN ('all','telephone','sms','wechat','email')", name="channel"),
        hospital_fk(),
    )


class Consent(TenantRow):
    """A patient's yes or no to one purpose on one channel (同意): the newest row of both holds.

    `channel` "all" is a word for every channel. `source` says where it was given, `given_by` by whom (the
    guardian of a child under 14, PIPL 31), `text_id` which version of the words was shown, `evidence` and
    `evidence_file_id` how it can be proved (PIPL 14 to 16).
    """

    __tablename__ = "consent"
    personal = on_erasure(wiped="evidence", kept="purpose channel source given_by recorded_by")
    patient_id: Mapped[UUID]
    purpose: Mapped[str]
    channel: Mapped[str] = mapped_column(server_default="all")
    given: Mapped[bool]
    at: Mapped[datetime]
    source: Mapped[str]
    given_by: Mapped[str] = mapped_column(server_default="patient")
    text_id: Mapped[UUID | None]
    evidence: Mapped[str]
    evidence_file_id: Mapped[UUID | None]
    recorded_by: Mapped[str] = mapped_column(server_default="")
    __table_args__ = (
        CheckConstraint(
            "purpose IN ('care_followup','satisfaction','complaint','marketing')", name="purpose"
        ),
        CheckConstraint("channel IN ('all','telephone','sms','wechat','email')", name="channel"),
        CheckConstraint("given_by IN ('patient','guardian')", name="given_by"),
        Index("ix_consent_latest", "tenant_id", "patient_id", "purpose", "at"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("consent_text", "text_id"),
        tenant_fk("stored_file", "evidence_file_id"),
    )


class NumberBlock(TenantRow):
    """A number that is not called (谢绝来电号码), for everything or for one kind of contact, whoever of the
    hospital's patients it belongs to: a family shares a telephone (regulation C4).

    Stronger than any patient's yes. `patient_id` is on whose page it was noted. The index of the number
    outlives the erasure of that patient: without it the refusal would be forgotten. It ends with a request
    only, which `removed_reason` records.
    """

    __tablename__ = "number_block"
    personal = on_erasure(
        wiped="evidence removed_reason", kept="number_index scope source recorded_by removed_by"
    )
    patient_id: Mapped[UUID]
    number_index: Mapped[bytes]
    scope: Mapped[str]
    source: Mapped[str]
    evidence: Mapped[str]
    since: Mapped[datetime]
    recorded_by: Mapped[str]
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[str | None]
    removed_reason: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("scope IN ('all','marketing','survey')", name="scope"),
        CheckConstraint("source IN ('patient','hospital','carrier')", name="source"),
        Index(
            "uq_number_block_active",
            "tenant_id",
            "number_index",
            "scope",
            unique=True,
            postgresql_where="removed_at IS NULL",
        ),
        tenant_fk("patient", "patient_id"),
    )


class PurposeBasis(TenantRow):
    """On what a purpose rests in this hospital (合法性基础, PIPL 13): the newest row of a purpose holds.

    Telemarketing rests on consent and nothing else.
    """

    __tablename__ = "purpose_basis"
    personal = OF_THE_HOSPITAL
    purpose: Mapped[str]
    basis: Mapped[str]
    reason: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint(
            "purpose IN ('care_followup','satisfaction','complaint','marketing')", name="purpose"
        ),
        CheckConstraint("basis IN ('consent','contract','legal_duty')", name="basis"),
        CheckConstraint("purpose <> 'marketing' OR basis = 'consent'", name="marketing_by_consent"),
        hospital_fk(),
    )


class SuppressionCheck(TenantRow):
    """What a nightly look found (停止联系核查): nothing open, queued or billable belongs to a suppressed
    patient.

    `found` maps each thing looked at to how many broke the rule.
    """

    __tablename__ = "suppression_check"
    personal = OF_THE_HOSPITAL
    found: Mapped[dict[str, Any]]
    broken: Mapped[int]
    at: Mapped[datetime]
    __table_args__ = (hospital_fk(),)


class SubjectRequest(TenantRow):
    """What a patient asks about their own data (个人信息权利请求, PIPL 44 to 50): a copy, a correction,
    erasure, a restriction. The clock is 15 days; a refusal needs its reason. `wish_cipher` is what is
    asked for, in the words of whoever asks, encrypted.
    """

    __tablename__ = "subject_request"
    personal = on_erasure(
        wiped="wish_cipher",
        kept="kind requester channel identity_checked_by state reason taken_by decided_by counts",
    )
    patient_id: Mapped[UUID]
    kind: Mapped[str]
    requester: Mapped[str]
    channel: Mapped[str]
    wish_cipher: Mapped[bytes]
    asked_on: Mapped[date]
    due_on: Mapped[date]
    identity_checked_by: Mapped[str | None]
    identity_checked_at: Mapped[datetime | None]
    state: Mapped[str]
    reason: Mapped[str]
    taken_by: Mapped[str]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    result_file_id: Mapped[UUID | None]
    counts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("kind IN ('copy','correction','erasure','restriction')", name="kind"),
        CheckConstraint("requester IN ('patient','guardian','relative')", name="requester"),
        CheckConstraint("state IN ('open','done','refused')", name="state"),
        Index("ix_subject_request_due", "tenant_id", "due_on", postgresql_where="state = 'open'"),
        tenant_fk("patient", "patient_id"),
        tenant_fk("stored_file", "result_file_id"),
    )
