"""What the audit pages, their files and the API read: one query over a hospital's trail or a firm's
record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select

from foundation.audit import AuditEvent
from foundation.calendar import add_months, first_of_month, local_date, local_day_start
from foundation.chain import BATCH
from foundation.database import FirmSession, HospitalSession
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from tenants.models import FirmEvent
from tenants.oversight.audit_chains import chain_id, model_of
from tenants.oversight.audit_labels import GROUPS, actions_of, group_of, known

Trail = HospitalSession | FirmSession
PAGE = 50
# What a page shows unless asked for more: the last days, today among them.
USUAL_DAYS = 30
MOST_TYPED = 80
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
# The columns of the summary of a month (PIPL 54, 合规审计).
SUMMED = ("consent", "access", "export", "deletion", "refusal", "signin")


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which records are wanted: days in Shanghai, both included; part of a name; a group of actions or one
    action; a subject such as `patient:<id>`, or the id alone.
    """

    since: date | None = None
    until: date | None = None
    person: str = ""
    group: str = ""
    action: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One record."""

    id: UUID
    seq: int
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    action: str
    subject: str
    reason: str
    detail: dict[str, Any]
    hash: bytes


@dataclass(frozen=True, slots=True)
class MonthLine:
    """What happened in a month, by the groups that an auditor asks for; `other` is everything else."""

    month: date
    counts: dict[str, int]
    other: int


def query_of(
    since: str, until: str, person: str, kind: str, subject: str, *, today: date | None = None
) -> AuditQuery:
    """The query of an address. `kind` is a group or an action; with `today` the days are the usual ones where
    none was named. Raises `UserMistake` for what is no day or no kind.
    """
    first, last = _day(since), _day(until)
    group, action = _kind(kind)
    if today is not None and not since and not until:
        first, last = today - timedelta(days=USUAL_DAYS - 1), today
    return AuditQuery(
        since=first,
        until=last,
        person=_typed(person),
        group=group,
        action=action,
        subject=_typed(subject),
    )


def lines(
    session: Trail, query: AuditQuery, *, before: int | None = None, limit: int | None = None
) -> list[AuditLine]:
    """The newest records first; those before number `before`, when it is named."""
    model = model_of(session)
    statement = _select(session, query).order_by(model.seq.desc())
    if before is not None:
        statement = statement.where(model.seq < before)
    return [AuditLine(**row._mapping) for row in session.execute(statement.limit(limit))]


def number_of(session: Trail, record_id: UUID) -> int:
    """The number of a record that a cursor names; `NotFound` for one that is not of this chain."""
    model = model_of(session)
    seq = session.scalar(select(model.seq).where(_chain(session, model), model.id == record_id))
    if seq is None:
        raise NotFound
    return seq


def stream(session: Trail, query: AuditQuery) -> Iterator[AuditLine]:
    """All records of the query, the newest first, a batch in memory at a time."""
    statement = _select(session, query).order_by(model_of(session).seq.desc())
    with session.execute(statement.execution_options(yield_per=BATCH)) as rows:
        for row in rows:
            yield AuditLine(**row._mapping)


def size(session: Trail, query: AuditQuery) -> int:
    """How many records the query has."""
    return session.scalar(select(func.count()).select_from(_select(session, query).subquery())) or 0


def months(session: Trail, query: AuditQuery) -> list[MonthLine]:
    """The months of the query and what happened in them, the newest first (PIPL 54)."""
    model = model_of(session)
    month = func.date_trunc("month", func.timezone("Asia/Shanghai", model.at)).label("month")
    rows = session.execute(
        select(month, model.action, func.count().label("number"))
        .where(*_conditions(session, query))
        .group_by(month, model.action)
    )
    counted: dict[date, Counter[str]] = {}
    for row in rows:
        counted.setdefault(row.month.date(), Counter())[group_of(row.action)] += row.number
    return [
        MonthLine(
            first,
            {group: counts[group] for group in SUMMED},
            sum(number for group, number in counts.items() if group not in SUMMED),
        )
        for first, counts in sorted(counted.items(), reverse=True)
    ]


def last_verified(session: Trail) -> AuditLine | None:
    """When the chain was verified last, and with what result."""
    found = lines(session, AuditQuery(action="audit.verified"), limit=1)
    return found[0] if found else None


def default_months(now: datetime) -> AuditQuery:
    """The twelve months that end with the present one."""
    today = local_date(now)
    return AuditQuery(since=add_months(first_of_month(today), -11), until=today)


def _select(session: Trail, query: AuditQuery) -> Select[Any]:
    model = model_of(session)
    return select(*(getattr(model, name) for name in AuditLine.__slots__)).where(*_conditions(session, query))


def _conditions(session: Trail, query: AuditQuery) -> list[ColumnElement[bool]]:
    model = model_of(session)
    found: list[ColumnElement[bool]] = [_chain(session, model)]
    if query.since is not None:
        found.append(model.at >= local_day_start(query.since))
    if query.until is not None:
        found.append(model.at < local_day_start(query.until + timedelta(days=1)))
    if query.person:
        found.append(model.actor_name.icontains(query.person, autoescape=True))
    if query.group:
        found.append(model.action.in_(actions_of(query.group)))
    if query.action:
        found.append(model.action == query.action)
    if query.subject:
        found.append(
            or_(model.subject == query.subject, model.subject.endswith(f":{query.subject}", autoescape=True))
        )
    return found


def _chain(session: Trail, model: type[AuditEvent | FirmEvent]) -> ColumnElement[bool]:
    column: ColumnElement[UUID] = getattr(model, "firm_id" if model is FirmEvent else "tenant_id")
    return column == chain_id(session)


def _typed(text: str) -> str:
    return text.strip()[:MOST_TYPED].replace("\x00", "")


def _day(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise UserMistake(_("This is not a day: {text}", text=_typed(text))) from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise UserMistake(_("This is not a day: {text}", text=_typed(text)))
    return day


def _kind(text: str) -> tuple[str, str]:
    """A group and no action, or an action and no group; neither when nothing was chosen."""
    if not text or text in GROUPS:
        return text, ""
    if not known(text):
        raise UserMistake(_("There is no such kind of record: {text}", text=_typed(text)))
    return "", text
