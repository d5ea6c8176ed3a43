"""What a plan does when its hospital is resumed (journeys.md J6): it goes on, and pretends nothing.

A step whose window closed in the suspension was nobody's fault: it is cancelled because of it and stands in
no rate (`missed` would). Steps whose window opened meanwhile get their contact now, to be spread with the
others.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update

from foundation.calendar import local_date
from foundation.database import HospitalSession
from revisits import planning
from revisits.models import RevisitStep
from tenants.life import stages

LOST = "hospital_paused"


def register() -> None:
    """Follow the stages of the hospitals; harmless twice. Before outreach's own, which spreads the
    contacts.
    """
    stages.on_resumed(take_up)


def take_up(session: HospitalSession, since: datetime, now: datetime) -> None:
    """Cancel the steps that were lost and open the contacts of the others."""
    today = local_date(now)
    session.flush()
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.state.in_(("planned", "tasked")),
            RevisitStep.closes_on >= local_date(since),
            RevisitStep.closes_on < today,
        )
        .values(state="cancelled", cancelled_because=LOST)
        .execution_options(synchronize_session="fetch")
    )
    planning.materialise(session, today, now=now)
    planning.open_tasks(session, now=now)
