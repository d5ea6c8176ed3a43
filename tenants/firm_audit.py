"""The record of what a firm's people did across its hospitals (跨院操作记录): chained per firm."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text

from foundation import audit
from foundation.database import FirmSession
from foundation.ids import new_id
from tenants.models import FirmEvent


def note(
    session: FirmSession, action: str, *, now: datetime, subject: str, reason: str = "", **detail: Any
) -> None:
    """One line of what the firm's people did across hospitals (跨院操作记录); ids and codes, never people.

    Lines are chained per firm as an audit trail is. Appending takes the chain for the rest of the
    transaction, so call it late.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"firm:{session.firm_id}"}
    )
    last = session.execute(
        select(FirmEvent.seq, FirmEvent.hash)
        .where(FirmEvent.firm_id == session.firm_id)
        .order_by(FirmEvent.seq.desc())
        .limit(1)
    ).one_or_none()
    actor = session.scope.actor
    event = FirmEvent(
        firm_id=session.firm_id,
        id=new_id(),
        seq=1 if last is None else last.seq + 1,
        at=now,
        actor_id=actor.id,
        actor_name=actor.name,
        action=action,
        subject=subject,
        reason=reason,
        detail=detail,
        previous_hash=audit.GENESIS if last is None else last.hash,
    )
    event.hash = firm_digest(event)
    session.add(event)
    session.flush()


def firm_digest(event: FirmEvent) -> bytes:
    """SHA-256 over the line's content and the hash before it, as `foundation.audit.digest`."""
    content = [
        str(event.firm_id),
        event.seq,
        event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        str(event.actor_id),
        event.actor_name,
        event.action,
        event.subject,
        event.reason,
        event.detail,
    ]
    plain = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(event.previous_hash + plain.encode()).digest()
