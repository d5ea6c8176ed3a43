"""The audit trail: who did what to whose data, append-only, hash-chained per hospital (GB/T 22239, audit
clauses).

The runtime role may insert and read, never change. Each row holds the hash of the one before it, so a
changed or
missing row breaks the chain at a place that `first_broken` names.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped

from foundation.database import HospitalSession, TenantRow, afterwards
from foundation.ids import new_id

GENESIS = b"\x00" * 32


class AuditEvent(TenantRow):
    """One event (审计记录) of one hospital."""

    __tablename__ = "audit_event"
    append_only = True
    seq: Mapped[int]
    at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[dict[str, Any]]
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes]
    __table_args__ = (
        UniqueConstraint("tenant_id", "seq"),
        Index("ix_audit_event_at", "tenant_id", "at"),
        Index("ix_audit_event_action", "tenant_id", "action", "at"),
        Index("ix_audit_event_actor", "tenant_id", "actor_id", "at"),
        Index("ix_audit_event_subject", "tenant_id", "subject", "at"),
    )


def record(
    session: HospitalSession,
    action: str,
    *,
    now: datetime,
    subject: str = "",
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one event. `subject` names what was touched by kind and id, never by a person's name.

    Appending takes the hospital's chain for the rest of the transaction, so call it late. In a transaction
    that only reads (support access) the event is written right after it.
    """
    if session.scope.read_only:
        afterwards(
            session,
            lambda late: record(late, action, now=now, subject=subject, reason=reason, detail=detail),
        )
        return
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"audit:{session.tenant_id}"}
    )
    last = session.execute(
        select(AuditEvent.seq, AuditEvent.hash)
        .where(AuditEvent.tenant_id == session.tenant_id)
        .order_by(AuditEvent.seq.desc())
        .limit(1)
    ).one_or_none()
    scope, actor = session.scope, session.scope.actor
    told = dict(detail or {})
    if scope.address:
        told["address"] = scope.address
    if actor.granted_by:
        told["granted_by"] = actor.granted_by
    event = AuditEvent(
        tenant_id=session.tenant_id,
        id=new_id(),
        seq=1 if last is None else last.seq + 1,
        at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        action=action,
        subject=subject,
        reason=reason,
        detail=told,
        previous_hash=GENESIS if last is None else last.hash,
    )
    event.hash = digest(event)
    session.add(event)
    session.flush()


def digest(event: AuditEvent) -> bytes:
    """SHA-256 over the row's content and the hash before it; independent of time zone and key order."""
    content = [
        str(event.tenant_id),
        event.seq,
        event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        event.actor_kind,
        str(event.actor_id),
        event.actor_name,
        event.action,
        event.subject,
        event.reason,
        event.detail,
    ]
    text_form = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(event.previous_hash + text_form.encode()).digest()


def first_broken(session: HospitalSession) -> int | None:
    """The sequence number of the first event that does not fit the chain, or None when all of it holds."""
    expected_seq, previous = 1, GENESIS
    rows = session.scalars(
        select(AuditEvent).where(AuditEvent.tenant_id == session.tenant_id).order_by(AuditEvent.seq)
    )
    for event in rows:
        if event.seq != expected_seq or event.previous_hash != previous or digest(event) != event.hash:
            return expected_seq
        expected_seq, previous = expected_seq + 1, event.hash
    return None
