"""The audit trail (审计记录): who did what to whose data, append-only, hash-chained per hospital
(GB/T 22239-2019, audit clauses; PIPL 51, 54, 69).

The runtime role may insert and read, never change. `foundation.chain` says what the chain can show.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint

from foundation import chain
from foundation.chain import ChainColumns
from foundation.database import HospitalSession, TenantRow, afterwards
from foundation.personal import NAMED
from foundation.scope import Actor


class AuditEvent(ChainColumns, TenantRow):
    """One event (审计记录) of one hospital."""

    __tablename__ = "audit_event"
    personal = NAMED
    stays = "audit"
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
    actor: Actor | None = None,
) -> None:
    """Append one event. `subject` names what was touched by kind and id, never by a person's name; neither
    does `detail` hold anything of a patient but ids.

    Appending takes the hospital's chain for the rest of the transaction, so call it late. In a transaction
    that only reads (support access) the event is written right after it.
    """
    if session.scope.read_only:
        afterwards(
            session,
            lambda late: record(
                late, action, now=now, subject=subject, reason=reason, detail=detail, actor=actor
            ),
        )
        return
    chain.append(
        session, AuditEvent, session.tenant_id, action,
        now=now, subject=subject, reason=reason, detail=detail, actor=actor,
    )  # fmt: skip


def first_broken(session: HospitalSession) -> int | None:
    """The number of the first event that does not fit the chain, or None when all of it holds."""
    fault = chain.verify(session, AuditEvent, session.tenant_id).fault
    return None if fault is None else fault.expected
