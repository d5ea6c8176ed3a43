"""Since when the present firm serves a hospital: what it billed and agreed before is another firm's
(医院转移).

A firm's people never see what another firm charged (反垄断法 17, 19: no prices between competitors); the
hospital's own people see every invoice and contract of theirs.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement, Date, ScalarSelect, cast, func, select

from foundation.database import HospitalSession
from tenants.models import Hospital, HospitalMove
from tenants.visit import Visit

ALWAYS = date(1900, 1, 1)


def since_of(tenant_id: ColumnElement[object] | object) -> ScalarSelect[date]:
    """The day (Asia/Shanghai) of the last move of this hospital, as a scalar subquery; `ALWAYS` without
    one.
    """
    day = cast(func.timezone("Asia/Shanghai", HospitalMove.moves_at), Date)
    return (
        select(func.coalesce(func.max(day), ALWAYS))
        .where(HospitalMove.tenant_id == tenant_id, HospitalMove.done_at.is_not(None))
        .correlate(Hospital)
        .scalar_subquery()
    )


def served_since(session: HospitalSession) -> date:
    """The day since which the present firm serves the session's hospital; `ALWAYS` for its first firm."""
    return session.execute(select(since_of(session.tenant_id))).scalar_one()


def shown_since(session: HospitalSession, visit: Visit, code: str) -> date:
    """From which day on contracts, and the invoices under them, are shown to this visit."""
    own = any(member.tenant_id is not None for member in visit.reached[code].members)
    return ALWAYS if own else served_since(session)
