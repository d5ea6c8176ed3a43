"""The outbox: work that a transaction starts is a row of that transaction, sent after it commits.

A message that could not be sent stays as a row, and the sweeper sends it later: nothing is lost with a
broker, and
nothing is sent for a transaction that rolled back. Messages carry ids, never people.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Index, select, update
from sqlalchemy.orm import Mapped

from foundation.database import Database, PlatformRow, PlatformSession, ScopedSession
from foundation.ids import new_id
from foundation.scope import Actor, PlatformScope

SWEEP_AFTER = timedelta(seconds=15)
BATCH = 200


class OutboxMessage(PlatformRow):
    """One message to be sent: the name of a job and its arguments."""

    __tablename__ = "outbox_message"
    job: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    queued_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    __table_args__ = (Index("ix_outbox_message_unsent", "queued_at", postgresql_where="sent_at IS NULL"),)


class Sender(Protocol):
    """Hands one message to the broker; raises when the broker cannot be reached."""

    def send(self, job: str, arguments: dict[str, Any]) -> None:
        """Send now."""
        ...


def enqueue(session: ScopedSession, job: str, *, now: datetime, **arguments: Any) -> UUID:
    """Queue a job in this transaction; it is sent when the transaction commits."""
    message = OutboxMessage(id=new_id(), job=job, arguments=arguments, queued_at=now, sent_at=None)
    session.add(message)
    session.info.setdefault("outbox", []).append(message.id)
    return message.id


def send_now(database: Database, sender: Sender, ids: list[UUID], now: datetime) -> int:
    """Send these messages if they are still unsent; returns how many were."""
    with database.platform(PlatformScope(Actor.system("outbox"), "outbox")) as session:
        return _send(session, sender, OutboxMessage.id.in_(ids), now)


def sweep(database: Database, sender: Sender, now: datetime) -> int:
    """Send what an earlier attempt left behind; returns how many were."""
    with database.platform(PlatformScope(Actor.system("outbox"), "outbox")) as session:
        return _send(session, sender, OutboxMessage.queued_at < now - SWEEP_AFTER, now)


def _send(session: PlatformSession, sender: Sender, condition: Any, now: datetime) -> int:
    """Claim with SKIP LOCKED so that two senders never send the same row at once.

    A crash between sending and commit sends a row twice: jobs are idempotent, and at least once is the
    promise.
    """
    rows = session.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.sent_at.is_(None), condition)
        .order_by(OutboxMessage.queued_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        sender.send(row.job, row.arguments)
    session.execute(
        update(OutboxMessage).where(OutboxMessage.id.in_([r.id for r in rows])).values(sent_at=now)
    )
    return len(rows)
