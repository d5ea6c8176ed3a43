"""Periodic work of the plans: make the steps ahead, open what is due, close what is over."""

from datetime import datetime

from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.work import job
from revisits import planning
from tenants.life import stages

# Where steps are planned ahead: nobody is called before the go-live, but the plan can be looked at.
PLANNED_IN = ("onboarding", stages.ACTIVE)


@job("revisits.plan", every="15 16 * * *")
def plan(session: HospitalSession, now: datetime) -> None:
    """A quarter past midnight in Shanghai: close yesterday's windows, plan ahead, open today's tasks."""
    if stages.is_active(session):
        planning.close_windows(session, now=now)
    _plan_ahead(session, now)


@job("revisits.catch_up", every="*/10 * * * *")
def catch_up(session: HospitalSession, now: datetime) -> None:
    """Every ten minutes: patients who came in since, and steps refused for a reason that has passed."""
    _plan_ahead(session, now)


def _plan_ahead(session: HospitalSession, now: datetime) -> None:
    stage = stages.stage_of(session)
    if stage in PLANNED_IN:
        planning.materialise(session, local_date(now), now=now)
    if stage == stages.ACTIVE:
        planning.open_tasks(session, now=now)
