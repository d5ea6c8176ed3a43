"""Refusals on record (越界访问): who asked for what is not theirs, told to the hospital they asked for.

Another hospital's id anywhere is answered as if it did not exist; that it was tried stands in the audit trail
of the hospital that was asked for, and in one table of the platform (PIPL 59, regulation.md C1).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from foundation import audit
from foundation.database import PlatformSession, ScopedSession
from foundation.ids import new_id
from foundation.scope import HospitalScope, PlatformScope
from foundation.web.errors import Refusal
from tenants.models import AccessRefusal, DirectoryEntry
from tenants.visit import Visit

PURPOSE = "refusal"
log = structlog.get_logger()


def record(refusal: Refusal) -> None:
    """Put one refusal on record. Called after the answer has left (`foundation.web.errors.on_refusal`).

    The same again within a minute is only counted, so that nobody can flood the hospital's chain.
    """
    visit = refusal.viewer
    if not isinstance(visit, Visit):
        return
    try:
        _record(visit, refusal)
    except SQLAlchemyError as error:
        # The answer has left already; what stands in the log is all that remains of it.
        log.warning("refusal not recorded", route=refusal.route, error=type(error).__name__)


def _record(visit: Visit, refusal: Refusal) -> None:
    beyond = refusal.code is not None and refusal.code not in visit.reached
    reason = "beyond_reach" if beyond and refusal.reason == "unknown" else refusal.reason
    with visit.database.platform(PlatformScope(visit.actor, PURPOSE)) as session:
        tenant_id = _hospital(session, refusal.code or "")
        times = _count(session, visit, refusal, reason, known=tenant_id is not None)
    if tenant_id is None or times > 1:
        return
    scope = HospitalScope(tenant_id, visit.actor_at(refusal.code), PURPOSE, address=visit.address)
    with visit.database.hospital(scope) as late:
        audit.record(
            late,
            "access.refused",
            now=visit.now,
            reason=reason,
            detail={
                "route": refusal.route,
                "method": refusal.method,
                "status": refusal.status,
                **({"token": str(visit.token_id)} if visit.token_id else {}),
            },
        )


def _hospital(session: PlatformSession, code: str) -> UUID | None:
    """The hospital of this code, unless it has left: of that one nothing is kept any more."""
    return session.scalar(
        select(DirectoryEntry.tenant_id).where(
            DirectoryEntry.code == code, DirectoryEntry.kind == "hospital", DirectoryEntry.state != "left"
        )
    )


def _count(session: PlatformSession, visit: Visit, refusal: Refusal, reason: str, *, known: bool) -> int:
    """How often this was refused to this person in this minute, this time included."""
    statement = insert(AccessRefusal).values(
        id=new_id(),
        at=visit.now,
        minute=visit.now.replace(second=0, microsecond=0),
        times=1,
        person_id=visit.person.id,
        token_id=visit.token_id,
        code=refusal.code if known else "",
        method=refusal.method,
        route=refusal.route,
        status=refusal.status,
        reason=reason,
        address=visit.address,
    )
    counted = statement.on_conflict_do_update(
        index_elements=["person_id", "token_id", "method", "route", "code", "status", "minute"],
        set_={"times": AccessRefusal.times + 1},
    ).returning(AccessRefusal.times)
    return session.execute(counted).scalar_one()


def count_since(session: ScopedSession, now: datetime, within: timedelta) -> int:
    """How many requests were refused in this time, repeated ones counted each."""
    total = select(func.coalesce(func.sum(AccessRefusal.times), 0)).where(AccessRefusal.at > now - within)
    return int(session.execute(total).scalar_one())
