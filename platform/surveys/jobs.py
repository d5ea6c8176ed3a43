"""Periodic work of the surveys: the monthly draw, and what arrives late."""

from datetime import datetime, timedelta

from foundation.calendar import first_of_month, local_date
from foundation.database import HospitalSession
from foundation.work import job
from surveys import samples
from tenants.life import agreement, stages


@job("surveys.sample", every="30 18 * * *")
def sample(session: HospitalSession, now: datetime) -> None:
    """Every night at half past two in Shanghai, for the month that has ended.

    The first night after its end draws the month, as people expect («the September sample is there on
    1 October»); the nights after it take in visits of files that came late, so that nothing depends on one
    night or on a file being there in time. A month without any visit waits, and a month is left alone once
    the next one is over. Who is drawn stays drawn. Nobody is drawn while surveys are not agreed (PIPL 21).
    """
    # Of a hospital that is suspended nobody is drawn, and when it is resumed nobody is drawn again.
    if not stages.is_active(session):
        return
    if not agreement.covered(session, {"satisfaction"}, doing="surveys.sample", now=now):
        return
    ended = first_of_month(first_of_month(local_date(now)) - timedelta(days=1))
    if samples.find_sample(session, ended) is not None:
        samples.extend_sample(session, ended, now=now)
    elif samples.has_visits(session, ended):
        samples.draw_sample(session, ended, now=now)
