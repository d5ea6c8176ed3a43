"""What is shown of the feeds (数据对接): how old each is, what came and waits, and the last messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import case, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from foundation.calendar import local_date, local_day_start
from foundation.database import HospitalSession
from foundation.ids import new_id
from patients.models import DataImport, Feed, FeedMessage

PAGE = 50
FILES = ("upload", "api", "command")  # sources of lists that somebody sends by hand
# What the state of a list is among the states of messages; an undone list is none of them.
LISTS = {
    "applied": ("done",),
    "waiting": ("mapping", "waiting", "running", "checked"),
    "rejected": ("failed",),
}


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


def by_kind(found: list[FeedAge]) -> list[tuple[str, list[FeedAge]]]:
    """The ways in of each kind together, in the order in which they come."""
    kinds: dict[str, list[FeedAge]] = {}
    for one in found:
        kinds.setdefault(one.kind, []).append(one)
    return list(kinds.items())


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


def of_lists(session: HospitalSession, *, now: datetime) -> Feed:
    """The way in of lists that are sent by hand; made when it is first asked for. Two at once keep one."""
    values = {"tenant_id": session.tenant_id, "id": new_id(), "kind": "file", "name": "", "created_at": now}
    session.execute(insert(Feed).values(values).on_conflict_do_nothing())
    return session.scalars(
        select(Feed).where(Feed.tenant_id == session.tenant_id, Feed.kind == "file", Feed.name == "")
    ).one()


def counts(session: HospitalSession, now: datetime) -> dict[tuple[str, str], int]:
    """How much, by kind and state: taken in and rejected since midnight in China, and all that waits now.

    Messages do not say by which of two feeds of a kind they came, so they count by kind. Of lists, whole
    lists count: `applied` when taken in, `rejected` when they failed.
    """
    midnight = local_day_start(local_date(now))
    of_messages = (
        select(FeedMessage.kind, FeedMessage.state, func.count())
        .where(
            FeedMessage.tenant_id == session.tenant_id,
            or_(FeedMessage.state == "waiting", FeedMessage.received_at >= midnight),
        )
        .group_by(FeedMessage.kind, FeedMessage.state)
    )
    kind = case((DataImport.source == "folder", "folder"), else_="file").label("kind")
    state = case(*((DataImport.state.in_(few), name) for name, few in LISTS.items())).label("state")
    of_lists = (
        select(kind, state, func.count())
        .where(
            DataImport.tenant_id == session.tenant_id,
            DataImport.source.in_((*FILES, "folder")),
            or_(
                DataImport.state.in_(LISTS["waiting"]),
                DataImport.state.in_(LISTS["applied"] + LISTS["rejected"])
                & (DataImport.imported_at >= midnight),
            ),
        )
        .group_by(kind, state)
    )
    rows = [*session.execute(of_messages), *session.execute(of_lists)]
    return {(kind_of, state_of): count for kind_of, state_of, count in rows}


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
