"""The outbox: nothing sent for what rolled back, nothing lost when the broker is away, nothing sent for
ever.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from world import NOW

from foundation import outbox
from foundation.database import Database
from foundation.outbox import OutboxMessage
from foundation.scope import Actor, PlatformScope

SCOPE = PlatformScope(Actor.system("test"), "test")


class Post:
    """A broker that can be away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.away = False

    def send(self, job: str, arguments: dict[str, Any]) -> None:
        if self.away:
            raise ConnectionError
        self.sent.append((job, arguments))


def send(db: Database, post: Post, ids: list[UUID]) -> None:
    outbox.send_now(db, post, ids, NOW)


def unsent(db: Database) -> int:
    waiting = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.sent_at.is_(None))
    with db.platform(SCOPE) as session:
        return session.scalars(waiting).one()


def test_a_message_is_sent_after_its_transaction(db: Database) -> None:
    post = Post()
    db.after_commit = lambda ids: send(db, post, ids)
    with db.platform(SCOPE) as session:
        outbox.enqueue(session, "billing.push", now=NOW, invoice_id="7")
        assert post.sent == []
    assert post.sent == [("billing.push", {"invoice_id": "7"})]
    assert unsent(db) == 0


def test_a_transaction_that_rolls_back_sends_nothing(db: Database) -> None:
    post = Post()
    db.after_commit = lambda ids: send(db, post, ids)

    def fail() -> None:
        with db.platform(SCOPE) as session:
            outbox.enqueue(session, "billing.push", now=NOW)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert post.sent == []
    assert unsent(db) == 0


def test_what_could_not_be_sent_is_swept_later_and_once(db: Database) -> None:
    post = Post()
    post.away = True
    with db.platform(SCOPE) as session:
        first = outbox.enqueue(session, "billing.push", now=NOW)
    with pytest.raises(ConnectionError):
        outbox.send_now(db, post, [first], NOW)
    assert unsent(db) == 1
    post.away = False
    assert outbox.sweep(db, post, NOW + timedelta(seconds=5)) == 0, "the sender itself may still be at it"
    assert outbox.sweep(db, post, NOW + timedelta(minutes=1)) == 1
    assert outbox.sweep(db, post, NOW + timedelta(minutes=2)) == 0
    assert len(post.sent) == 1
