"""Statistics that the hospital's director opens to somebody (统计授权, S4-16).

Statistics go to the hospital's director; others get them only through the director: a person or a department,
a report or the comparison, one month or the series, until a day. Every grant and every view is on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, and_, func, or_, select, text

from foundation import audit
from foundation.audit import AuditEvent
from foundation.calendar import add_months, first_of_month, local_date
from foundation.database import FirmSession, HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from tenants.faces import GRANT_OPENS, Grant, Member
from tenants.identity import membership
from tenants.models import Department, Membership, Person, StatisticsGrant
from tenants.oversight.statistics import VIEWS
from tenants.rights import Role, allowed

State = Literal["open", "expired", "withdrawn"]
# The longest that statistics stay open to somebody without being asked again.
LONGEST_MONTHS = 12
LOOKS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Grantee:
    """Whom something may be opened to: a person (`person`) or whoever heads a department (`department`)."""

    kind: Literal["person", "department"]
    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class GrantLine:
    """One grant as the director sees it, with how often and when last it was used.

    `heads` is how many people headed the department when it was given and do so still; None for a person's.
    """

    id: UUID
    subject: str
    month: date | None
    grantee: Grantee
    granted_by: str
    granted_at: datetime
    ends_on: date
    state: State
    ended_by: str | None
    heads: int | None
    views: int
    last_view: datetime | None


@dataclass(frozen=True, slots=True)
class Look:
    """One look at statistics: by whom, at what, and whether by role or by a grant."""

    at: datetime
    name: str
    what: str
    form: str
    month: str
    granted: bool


def of_person(
    session: FirmSession, person_id: UUID, members: Sequence[Member], today: date
) -> dict[UUID, tuple[Grant, ...]]:
    """What is open to this person today at the session's hospitals, by hospital: given to them, or to a
    department that they headed already when it was given.

    Whoever comes to head it later needs the director's word anew (S4-16): else whoever appoints people would
    open statistics to whom they like.
    """
    headed = [
        and_(
            StatisticsGrant.tenant_id == member.tenant_id,
            StatisticsGrant.department_id == member.department_id,
            StatisticsGrant.granted_at >= member.since,
        )
        for member in members
        if member.role is Role.DEPARTMENT_HEAD and member.department_id and member.since is not None
    ]
    rows = session.scalars(
        select(StatisticsGrant).where(
            StatisticsGrant.tenant_id.in_(session.tenant_ids),
            StatisticsGrant.revoked_at.is_(None),
            StatisticsGrant.ends_on >= today,
            or_(StatisticsGrant.person_id == person_id, *headed),
        )
    )
    found: dict[UUID, tuple[Grant, ...]] = {}
    for row in rows:
        found[row.tenant_id] = (*found.get(row.tenant_id, ()), Grant(row.id, row.subject, row.month))
    return found


def grantees(session: HospitalSession) -> list[Grantee]:
    """The hospital's own people who do not read statistics by their role, and its departments."""
    people = session.execute(
        select(Person.id, Person.name, Membership.role)
        .join(Membership, Membership.person_id == Person.id)
        .where(
            Membership.tenant_id == session.tenant_id,
            membership.counts(),
            Person.disabled_at.is_(None),
        )
        .order_by(Person.name, Person.id)
    ).all()
    readers = {row.id for row in people if _reads_anyway(row.role)}
    names = {row.id: row.name for row in people if row.id not in readers}
    places = session.execute(
        select(Department.id, Department.name)
        .where(Department.tenant_id == session.tenant_id)
        .order_by(Department.name)
    )
    return [
        *(Grantee("person", id_, name) for id_, name in names.items()),
        *(Grantee("department", row.id, row.name) for row in places),
    ]


def _reads_anyway(role: str) -> bool:
    return all(allowed([Role(role)], action) for action in GRANT_OPENS.values())


def give(
    session: HospitalSession,
    *,
    kind: str,
    grantee_id: UUID,
    subject: str,
    month: date | None,
    ends_on: date,
    now: datetime,
) -> StatisticsGrant:
    """Open statistics to somebody through `ends_on`; the same once more is the one that exists, unless
    somebody has come to head the department since.

    Raises `NotFound` for somebody who is not of this hospital, `UserMistake` for a day that has passed or
    lies more than a year ahead, or a month that has not begun.
    """
    actor = session.scope.actor
    _check(subject, month, ends_on, local_date(now))
    if not any(one.kind == kind and one.id == grantee_id for one in grantees(session)):
        raise NotFound
    _lock(session)
    to = {f"{kind}_id": grantee_id}
    again = session.scalars(
        select(StatisticsGrant)
        .filter_by(tenant_id=session.tenant_id, subject=subject, month=month, ends_on=ends_on, **to)
        .where(StatisticsGrant.revoked_at.is_(None), ~_new_head().exists())
        .limit(1)
    ).one_or_none()
    if again is not None:
        return again
    if actor.id is None:
        msg = "statistics are opened by a person"
        raise ValueError(msg)
    made = StatisticsGrant(
        tenant_id=session.tenant_id,
        id=new_id(),
        subject=subject,
        month=None if month is None else first_of_month(month),
        granted_by=actor.id,
        granted_by_name=actor.name,
        granted_at=now,
        ends_on=ends_on,
        **to,
    )
    session.add(made)
    session.flush()
    _record(session, "statistics.granted", made, now)
    return made


def _lock(session: HospitalSession) -> None:
    """One grant of the hospital after the other: the same given twice at once is one."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"grants:{session.tenant_id}"},
    )


def _check(subject: str, month: date | None, ends_on: date, today: date) -> None:
    if subject not in GRANT_OPENS:
        raise UserMistake(_("Choose what to open."))
    if not today <= ends_on <= add_months(today, LONGEST_MONTHS):
        raise UserMistake(_("The last day lies between today and one year from today."))
    if month is not None and month > today:
        raise UserMistake(_("This month has not begun yet."))


def withdraw(session: HospitalSession, grant_id: UUID, *, now: datetime) -> StatisticsGrant:
    """Close it again, at once; twice is once. Raises `NotFound`."""
    found = session.get(StatisticsGrant, (session.tenant_id, grant_id), with_for_update=True)
    if found is None:
        raise NotFound
    if found.revoked_at is None:
        found.revoked_at, found.revoked_by_name = now, session.scope.actor.name
        session.flush()
        _record(session, "statistics.withdrawn", found, now)
    return found


def _record(session: HospitalSession, action: str, grant: StatisticsGrant, now: datetime) -> None:
    audit.record(
        session,
        action,
        now=now,
        subject=f"statistics_grant:{grant.id}",
        detail={
            "subject": grant.subject,
            "month": f"{grant.month:%Y-%m}" if grant.month else None,
            "person": str(grant.person_id) if grant.person_id else None,
            "department": str(grant.department_id) if grant.department_id else None,
            "ends_on": grant.ends_on.isoformat(),
        },
    )


# ------------------------------------------------------------------------------------ the director's page


def lines(session: HospitalSession, today: date) -> list[GrantLine]:
    """All grants, those still open first, then the newest."""
    rows = session.execute(
        select(
            StatisticsGrant,
            func.coalesce(Person.name, Department.name, "—").label("name"),
            _heads().label("heads"),
        )
        .outerjoin(Person, Person.id == StatisticsGrant.person_id)
        .outerjoin(
            Department,
            (Department.tenant_id == StatisticsGrant.tenant_id)
            & (Department.id == StatisticsGrant.department_id),
        )
        .where(StatisticsGrant.tenant_id == session.tenant_id)
        .order_by(StatisticsGrant.granted_at.desc(), StatisticsGrant.id.desc())
    ).all()
    used = _used(session)
    found = [_line(row, name, today, heads, used.get(str(row.id), (0, None))) for row, name, heads in rows]
    return sorted(found, key=lambda line: line.state != "open")


def _headed() -> Select[Any]:
    """Who heads the department of a grant now; the grant is the one of the statement around it."""
    return (
        select(func.count(Membership.person_id.distinct()))
        .join(Person, Person.id == Membership.person_id)
        .where(
            Membership.tenant_id == StatisticsGrant.tenant_id,
            Membership.department_id == StatisticsGrant.department_id,
            Membership.role == Role.DEPARTMENT_HEAD.value,
            membership.counts(),
            Person.disabled_at.is_(None),
        )
        .correlate(StatisticsGrant)
    )


def _heads() -> ScalarSelect[int]:
    """To how many people a department's grant opens: those who headed it when it was given."""
    return _headed().where(Membership.accepted_at <= StatisticsGrant.granted_at).scalar_subquery()


def _new_head() -> Select[Any]:
    """Who came to head the department after the grant."""
    return (
        _headed().with_only_columns(Membership.id).where(Membership.accepted_at > StatisticsGrant.granted_at)
    )


def _line(
    row: StatisticsGrant, name: str, today: date, heads: int, used: tuple[int, datetime | None]
) -> GrantLine:
    person = row.person_id is not None
    grantee_id = row.person_id or row.department_id or row.id
    if row.revoked_at is not None:
        state: State = "withdrawn"
    else:
        state = "open" if row.ends_on >= today else "expired"
    return GrantLine(
        id=row.id,
        subject=row.subject,
        month=row.month,
        grantee=Grantee("person" if person else "department", grantee_id, name),
        granted_by=row.granted_by_name,
        granted_at=row.granted_at,
        ends_on=row.ends_on,
        state=state,
        ended_by=row.revoked_by_name,
        heads=None if person else heads,
        views=used[0],
        last_view=used[1],
    )


def _used(session: HospitalSession) -> dict[str, tuple[int, datetime | None]]:
    """Of each grant by its id: how many looks it opened, and the last one."""
    grant = AuditEvent.detail["grant"].astext
    rows = session.execute(
        select(grant.label("grant"), func.count().label("views"), func.max(AuditEvent.at).label("last"))
        .where(
            AuditEvent.tenant_id == session.tenant_id,
            AuditEvent.action.in_(VIEWS),
            AuditEvent.detail["by"].astext == "grant",
        )
        .group_by(grant)
    )
    return {row.grant: (row.views, row.last) for row in rows}


def looks(session: HospitalSession, limit: int = LOOKS_SHOWN) -> list[Look]:
    """Who looked at the hospital's statistics, the latest first, whether of the hospital or of the firm."""
    rows = session.scalars(
        select(AuditEvent)
        .where(AuditEvent.tenant_id == session.tenant_id, AuditEvent.action.in_(VIEWS))
        .order_by(AuditEvent.seq.desc())
        .limit(limit)
    )
    return [
        Look(
            at=row.at,
            name=row.actor_name,
            what=VIEWS[row.action],
            form=row.detail.get("form", "page"),
            month=row.detail.get("month") or "",
            granted=row.detail.get("by") == "grant",
        )
        for row in rows
    ]
