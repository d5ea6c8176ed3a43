"""Periodic work of the plans: make the steps ahead, open what is due, close what is over."""

from datetime import datetime

from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.work import job
from revisits import planning


@job("revisits.plan", every="15 16 * * *")
def plan(session: HospitalSession, now: datetime) -> None:
    """A quarter past midnight in Shanghai: close yesterday's windows, plan ahead, open today's tasks."""
    planning.close_windows(session, now=now)
    planning.materialise(session, local_date(now), now=now)
    planning.open_tasks(session, now=now)


@job("revisits.catch_up", every="*/10 * * * *")
def catch_up(session: HospitalSession, now: datetime) -> None:
    """Every ten minutes: patients who came in since, and steps refused for a reason that has passed."""
    planning.materialise(session, local_date(now), now=now)
    planning.open_tasks(session, now=now)
