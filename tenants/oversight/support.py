"""Support access (支持访问): an operator's look at one hospital, granted by it or by its firm (SC-57).

Asked with a reason and minutes, granted or refused by somebody of the hospital or of its firm, read-only, and
over by itself. Everything about it stands in the hospital's audit trail, each look under both names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select, text

from foundation import audit
from foundation.audit import AuditEvent
from foundation.database import Database, FirmSession, HospitalSession, ScopedSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.masking import mask_numbers
from foundation.scope import HospitalScope
from foundation.web.errors import NotFound, UserMistake
from tenants.faces import Member, SupportNote
from tenants.identity import membership
from tenants.models import DirectoryEntry, Membership, SupportAccess
from tenants.rights import Role
from tenants.visit import Visit

State = Literal["waiting", "running", "refused", "ended", "lapsed"]
MINUTES = range(5, 241)
# A request that nobody has answered by then is none any more.
LAPSES_AFTER = timedelta(hours=24)
REASON_LENGTH = 300
SHOWN = 50
LOG_SHOWN = 200


@dataclass(frozen=True, slots=True)
class SupportRow:
    """One request (支持访问申请) and what became of it; `ended_at` is set where it ended before its time."""

    id: UUID
    code: str
    tenant_id: UUID
    operator: str
    reason: str
    minutes: int
    asked_at: datetime
    decided_by: str
    ends_at: datetime | None
    ended_at: datetime | None
    state: State


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of what happened under support access, as the hospital reads it."""

    at: datetime
    tenant_id: UUID
    action: str
    actor: str
    granted_by: str
    route: str
    reason: str


def lent_roles(session: ScopedSession, person_id: UUID, now: datetime) -> list[Member]:
    """The hospitals an operator may look at right now, each as a role that ends by itself; none for somebody
    who is no operator any more.
    """
    operator = exists().where(
        Membership.person_id == person_id,
        Membership.role == Role.OPERATOR.value,
        membership.counts(),
    )
    rows = session.scalars(
        select(SupportAccess).where(
            SupportAccess.operator_id == person_id,
            SupportAccess.decision == "granted",
            SupportAccess.ends_at > now,
            SupportAccess.ended_at.is_(None),
            operator,
        )
    )
    return [
        Member(Role.SUPPORT, None, row.tenant_id, None, SupportNote(row.id, row.decided_by_name, row.ends_at))
        for row in rows
        if row.ends_at is not None
    ]


def state_of(row: SupportAccess, now: datetime) -> State:
    """How a request stands at this moment."""
    if row.decision is None:
        return "waiting" if row.ended_at is None and now < row.asked_at + LAPSES_AFTER else "lapsed"
    if row.decision == "refused":
        return "refused"
    over = row.ended_at is not None or row.ends_at is None or now >= row.ends_at
    return "ended" if over else "running"


# ------------------------------------------------------------------------------------------- the two sides


def ask(session: HospitalSession, *, reason: str, minutes: int, now: datetime) -> SupportAccess:
    """An operator asks for a look at the session's hospital.

    Raises `UserMistake` without a reason, for minutes out of bounds, for somebody who holds a role at the
    hospital or its firm, and while an earlier request waits or runs.
    """
    actor, told = session.scope.actor, reason.strip()
    if not told:
        raise UserMistake(_("Say why you need to look."))
    if minutes not in MINUTES:
        raise UserMistake(_("Between 5 and 240 minutes."))
    entry = session.scalar(
        select(DirectoryEntry).where(
            DirectoryEntry.tenant_id == session.tenant_id, DirectoryEntry.state != "left"
        )
    )
    if entry is None or actor.id is None:
        raise NotFound
    _of_neither_side(session, actor.id, entry.firm_id)
    _lock(session, f"support:{actor.id}:{session.tenant_id}")
    earlier = session.scalars(
        select(SupportAccess).where(
            SupportAccess.operator_id == actor.id, SupportAccess.tenant_id == session.tenant_id
        )
    )
    if any(state_of(row, now) in {"waiting", "running"} for row in earlier):
        raise UserMistake(_("You have asked already; that request is open or running."))
    made = SupportAccess(
        id=new_id(),
        operator_id=actor.id,
        operator_name=actor.name,
        firm_id=entry.firm_id,
        tenant_id=session.tenant_id,
        reason=mask_numbers(told)[:REASON_LENGTH],
        minutes=minutes,
        asked_at=now,
        decided_by_name="",
    )
    session.add(made)
    session.flush()
    _record(session, "support.asked", made, now)
    return made


def decide(session: HospitalSession, access_id: UUID, *, grant: bool, now: datetime) -> SupportAccess:
    """Grant a request or refuse it; the same answer twice is once.

    Raises `NotFound` for another hospital's request, `UserMistake` for one's own, for one that was answered
    otherwise meanwhile, for one that has lapsed, and for granting it to somebody of either side.
    """
    row, actor = _taken(session, access_id), session.scope.actor
    if row.operator_id == actor.id:
        raise UserMistake(_("You asked for this yourself; somebody else has to answer."))
    decision = "granted" if grant else "refused"
    if row.decision == decision:
        return row
    if row.decision is not None:
        raise UserMistake(_("{name} has answered this request already.", name=row.decided_by_name))
    if state_of(row, now) == "lapsed":
        raise UserMistake(_("This request has lapsed; it has to be asked anew."))
    if grant:
        _of_neither_side(session, row.operator_id, row.firm_id)
    row.decision, row.decided_at, row.decided_by, row.decided_by_name = decision, now, actor.id, actor.name
    if grant:
        row.ends_at = now + timedelta(minutes=row.minutes)
    session.flush()
    _record(session, f"support.{decision}", row, now)
    return row


def end(session: HospitalSession, access_id: UUID, *, now: datetime) -> SupportAccess:
    """End it at once, or take back a request that still waits; what is over stays as it is. `NotFound` for
    another hospital's.
    """
    row = _taken(session, access_id)
    if state_of(row, now) in {"running", "waiting"}:
        row.ended_at = now
        session.flush()
        _record(session, "support.ended", row, now)
    return row


def record_look(database: Database, visit: Visit, *, method: str, route: str) -> None:
    """Put one request under support access on record, under both names, before it is answered: no look
    without a record.
    """
    reached = visit.reached.get(visit.code or "")
    if reached is None or reached.support is None:
        return
    scope = HospitalScope(
        reached.face.tenant_id, visit.actor_at(visit.code), "support", address=visit.address
    )
    with database.hospital(scope) as session:
        audit.record(
            session,
            "support.viewed",
            now=visit.now,
            subject=f"support:{reached.support.id}",
            detail={"route": route, "method": method},
        )


def _of_neither_side(session: HospitalSession, person_id: UUID, firm_id: UUID) -> None:
    """Whoever works for the hospital or its firm reads by that role; support is for those from outside."""
    held = select(Membership.id).where(
        Membership.person_id == person_id,
        or_(Membership.tenant_id == session.tenant_id, Membership.firm_id == firm_id),
        membership.counts(),
    )
    if session.scalar(held.limit(1)) is not None:
        raise UserMistake(_("Support access is for somebody who has no role at this hospital or its firm."))


def _taken(session: HospitalSession, access_id: UUID) -> SupportAccess:
    row = session.scalars(
        select(SupportAccess)
        .where(SupportAccess.id == access_id, SupportAccess.tenant_id == session.tenant_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound
    return row


def _lock(session: ScopedSession, key: str) -> None:
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


def _record(session: HospitalSession, action: str, row: SupportAccess, now: datetime) -> None:
    audit.record(
        session,
        action,
        now=now,
        subject=f"support:{row.id}",
        reason=row.reason,
        detail={"operator": row.operator_name, "minutes": row.minutes},
    )


# ------------------------------------------------------------------------------------------------- reading


def requests_of(session: ScopedSession, operator_id: UUID, now: datetime) -> list[SupportRow]:
    """An operator's own requests, the newest first."""
    return _rows(session, SupportAccess.operator_id == operator_id, now)


def requests_at(session: ScopedSession, tenant_ids: tuple[UUID, ...], now: datetime) -> list[SupportRow]:
    """The requests for these hospitals, the newest first."""
    return _rows(session, SupportAccess.tenant_id.in_(tenant_ids), now)


def hospital_of(session: ScopedSession, access_id: UUID) -> UUID:
    """The hospital of a request; `NotFound` when there is none."""
    found = session.scalar(select(SupportAccess.tenant_id).where(SupportAccess.id == access_id))
    if found is None:
        raise NotFound
    return found


def log_of(session: FirmSession | HospitalSession, tenant_ids: tuple[UUID, ...]) -> list[LogLine]:
    """Everything that happened under support access at these hospitals, the latest first."""
    rows = session.scalars(
        select(AuditEvent)
        .where(
            AuditEvent.tenant_id.in_(tenant_ids),
            AuditEvent.action.in_(
                ["support.asked", "support.granted", "support.refused", "support.ended", "support.viewed"]
            ),
        )
        .order_by(AuditEvent.at.desc(), AuditEvent.seq.desc())
        .limit(LOG_SHOWN)
    )
    return [
        LogLine(
            at=row.at,
            tenant_id=row.tenant_id,
            action=row.action,
            actor=row.actor_name,
            granted_by=row.detail.get("granted_by", ""),
            route=" ".join((row.detail.get("method", ""), row.detail.get("route", ""))).strip(),
            reason=row.reason,
        )
        for row in rows
    ]


def _rows(session: ScopedSession, condition: ColumnElement[bool], now: datetime) -> list[SupportRow]:
    rows = session.execute(
        select(SupportAccess, DirectoryEntry.code)
        .join(DirectoryEntry, DirectoryEntry.tenant_id == SupportAccess.tenant_id)
        .where(condition)
        .order_by(SupportAccess.asked_at.desc(), SupportAccess.id.desc())
        .limit(SHOWN)
    )
    return [
        SupportRow(
            id=row.id,
            code=code,
            tenant_id=row.tenant_id,
            operator=row.operator_name,
            reason=row.reason,
            minutes=row.minutes,
            asked_at=row.asked_at,
            decided_by=row.decided_by_name,
            ends_at=row.ends_at,
            ended_at=row.ended_at,
            state=state_of(row, now),
        )
        for row, code in rows
    ]
