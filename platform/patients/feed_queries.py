"""What is shown of the feeds (数据对接): how old each is, what came today, and the last messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from foundation.calendar import local_date, local_day_start
from foundation.database import HospitalSession
from patients.models import DataImport, Feed, FeedMessage

PAGE = 50
FILES = ("upload", "api", "command")  # sources of lists that somebody sends by hand


@dataclass(frozen=True, slots=True)
class FeedAge:
    """One way in and its silence: `age` since anything last came, None when nothing ever did.

    `late` when the silence is longer than `expected_hours`; never without an expectation. `feed_id` is None
    for lists sent by hand, which have no expectation until somebody sets one.
    """

    feed_id: UUID | None
    kind: str
    name: str
    expected_hours: int | None
    last_received_at: datetime | None
    last_taken_at: datetime | None
    age: timedelta | None
    late: bool


def ages(session: HospitalSession, now: datetime) -> list[FeedAge]:
    """Every way in with its age, by kind and name; lists sent by hand stand last as `file`."""
    rows = session.scalars(
        select(Feed).where(Feed.tenant_id == session.tenant_id).order_by(Feed.kind, Feed.name)
    ).all()
    last_file = session.scalar(
        select(func.max(DataImport.imported_at)).where(
            DataImport.tenant_id == session.tenant_id,
            DataImport.source.in_(FILES),
            # A list that waits, failed or was undone is no sign of life.
            DataImport.state == "done",
        )
    )
    found = [_age(row, now, None if row.kind != "file" else last_file) for row in rows]
    if last_file is not None and not any(row.kind == "file" for row in rows):
        found.append(FeedAge(None, "file", "", None, last_file, last_file, now - last_file, late=False))
    return found


def _age(row: Feed, now: datetime, last_file: datetime | None) -> FeedAge:
    received = max(filter(None, (row.last_received_at, last_file)), default=None)
    taken = max(filter(None, (row.last_taken_at, last_file)), default=None)
    silent = now - (received or row.created_at)
    late = row.expected_hours is not None and silent > timedelta(hours=row.expected_hours)
    return FeedAge(
        row.id,
        row.kind,
        row.name,
        row.expected_hours,
        received,
        taken,
        None if received is None else now - received,
        late,
    )


def today(session: HospitalSession, now: datetime) -> dict[tuple[str, str], int]:
    """How many messages came since midnight in China, by kind and state."""
    rows = session.execute(
        select(FeedMessage.kind, FeedMessage.state, func.count())
        .where(
            FeedMessage.tenant_id == session.tenant_id,
            FeedMessage.received_at >= local_day_start(local_date(now)),
        )
        .group_by(FeedMessage.kind, FeedMessage.state)
    ).all()
    return {(kind, state): count for kind, state, count in rows}


def messages(
    session: HospitalSession,
    *,
    state: str | None = None,
    kind: str | None = None,
    after: UUID | None = None,
    limit: int = PAGE + 1,
) -> list[FeedMessage]:
    """The last messages, the newest first; of one state or kind."""
    query = select(FeedMessage).where(FeedMessage.tenant_id == session.tenant_id)
    if state is not None:
        query = query.where(FeedMessage.state == state)
    if kind is not None:
        query = query.where(FeedMessage.kind == kind)
    if after is not None:
        query = query.where(FeedMessage.id < after)
    return list(session.scalars(query.order_by(FeedMessage.id.desc()).limit(limit)))
