"""What the platform's operator sees of a running installation (运行状况): counts, ages and states (SC-56).

Everything is read from platform tables and from the broker's own, through a session that reaches no
patient. What messages and events hold inside is never read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Interval,
    Text,
    cast,
    column,
    func,
    literal_column,
    select,
    table,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from billing.models import StripeEvent
from foundation.database import PlatformSession
from foundation.outbox import OutboxMessage
from foundation.settings import Settings
from tenants.models import DirectoryEntry, SigninEvent
from tenants.oversight.refusals import count_since

SIGNINS_WITHIN = timedelta(hours=24)
# What is sent or handled at once, and by the sweep of each minute at the latest, has been waiting too long.
LATE_AFTER = timedelta(minutes=5)
# The broker's own words for its messages, in the order in which they pass through them.
BROKER_STATES = ("queued", "consumed", "rejected")

_QUEUE = table("queue", column("state", Text), column("mtime", DateTime(timezone=True)), schema="dramatiq")
_REVISION = table("alembic_version", column("version_num", Text))


@dataclass(frozen=True, slots=True)
class HospitalLine:
    """A hospital (医院) as the directory knows it: codes alone, no name. `firm_code` is empty without one."""

    code: str
    firm_code: str
    state: str

    @property
    def suspended(self) -> bool:
        """Whether it was suspended."""
        return self.state == "suspended"


@dataclass(frozen=True, slots=True)
class FirmLine:
    """A firm (外包公司) by its code, and how many hospitals it serves."""

    code: str
    suspended: bool
    hospitals: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and for how long the oldest has; `age` is None when nothing does."""

    count: int
    age: timedelta | None

    @property
    def late(self) -> bool:
        """Whether the oldest has been waiting for longer than it ever should."""
        return self.age is not None and self.age > LATE_AFTER


@dataclass(frozen=True, slots=True)
class Operations:
    """One look at the installation.

    `broker` is by state, each of `BROKER_STATES` being there; None when the broker keeps its messages
    elsewhere. `signins` counts the attempts of the last 24 hours by result, `refusals`
    the requests that were refused at a wall in that time. `breaches` is how many things of suppressed
    patients the last nightly checks found open, queued or billable; right is 0. `revision` is the schema's.
    """

    hospitals: list[HospitalLine]
    firms: list[FirmLine]
    outbox: Waiting
    stripe: Waiting
    broker: Mapping[str, Waiting] | None
    signins: Mapping[str, int]
    refusals: int
    breaches: int
    revision: str | None


def read(session: PlatformSession, *, broker_here: bool, now: datetime) -> Operations:
    """Look once; eight statements, however many hospitals there are."""
    return Operations(
        hospitals=_hospitals(session),
        firms=_firms(session),
        outbox=_waiting(session, OutboxMessage.queued_at, OutboxMessage.sent_at.is_(None), now),
        stripe=_waiting(session, StripeEvent.received_at, StripeEvent.handled_at.is_(None), now),
        broker=_broker(session) if broker_here else None,
        signins=_signins(session, now - SIGNINS_WITHIN),
        refusals=count_since(session, now, SIGNINS_WITHIN),
        breaches=session.scalar(select(func.coalesce(func.sum(DirectoryEntry.suppression_breaches), 0))) or 0,
        revision=session.scalar(select(_REVISION.c.version_num)),
    )


def broker_is_here(settings: Settings) -> bool:
    """Whether the broker's messages stand in the product's own database: without a broker of its own, or
    with one whose address names the same server, port and database.
    """
    if settings.broker_url is None:
        return True
    broker = settings.broker_url.get_secret_value()
    if settings.database_url is None or broker.split(":", 1)[0] not in {"postgresql", "postgres"}:
        return False
    return _place(broker) == _place(settings.database_url.get_secret_value())


def _place(url: str) -> tuple[object, ...]:
    parts = conninfo_to_dict(url)
    return parts.get("host"), str(parts.get("port") or 5432), parts.get("dbname") or parts.get("user")


def _hospitals(session: PlatformSession) -> list[HospitalLine]:
    firm = aliased(DirectoryEntry)
    rows = session.execute(
        select(DirectoryEntry.code, func.coalesce(firm.code, ""), DirectoryEntry.state)
        .outerjoin(firm, (firm.firm_id == DirectoryEntry.firm_id) & (firm.kind == "firm"))
        .where(DirectoryEntry.kind == "hospital")
        .order_by(firm.code, DirectoryEntry.code)
    )
    return [HospitalLine(code, firm_code, state) for code, firm_code, state in rows]


def _firms(session: PlatformSession) -> list[FirmLine]:
    served = aliased(DirectoryEntry)
    rows = session.execute(
        select(DirectoryEntry.code, DirectoryEntry.state, func.count(served.id))
        .outerjoin(
            served,
            (served.firm_id == DirectoryEntry.firm_id)
            & (served.kind == "hospital")
            & (served.state != "left"),
        )
        .where(DirectoryEntry.kind == "firm")
        .group_by(DirectoryEntry.code, DirectoryEntry.state)
        .order_by(DirectoryEntry.code)
    )
    return [FirmLine(code, state == "suspended", count) for code, state, count in rows]


def _waiting(
    session: PlatformSession,
    since: InstrumentedAttribute[datetime],
    open_: ColumnElement[bool],
    now: datetime,
) -> Waiting:
    count, oldest = session.execute(select(func.count(), func.min(since)).where(open_)).one()
    return Waiting(count, now - oldest if count else None)


def _broker(session: PlatformSession) -> dict[str, Waiting]:
    # Ages are by the server's clock, which wrote the times; the product's own may be a demo's.
    clock = literal_column("clock_timestamp()", DateTime(timezone=True))
    age = type_coerce(clock - func.min(_QUEUE.c.mtime), Interval)
    state = cast(_QUEUE.c.state, Text)
    rows = session.execute(select(state, func.count(), age).group_by(state))
    found = {name: Waiting(count, waited) for name, count, waited in rows}
    return {name: found.get(name, Waiting(0, None)) for name in BROKER_STATES}


def _signins(session: PlatformSession, since: datetime) -> dict[str, int]:
    rows = session.execute(
        select(SigninEvent.result, func.count().label("attempts"))
        .where(SigninEvent.at > since)
        .group_by(SigninEvent.result)
    )
    return {row.result: row.attempts for row in rows}
