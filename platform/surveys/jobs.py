"""Periodic work of the surveys: the monthly draws, and what arrives late."""

from datetime import date, datetime, timedelta

from foundation.calendar import first_of_month, local_date
from foundation.database import HospitalSession
from foundation.work import job
from surveys import samples
from surveys.samples import Drawn
from tenants.life import agreement, stages


@job("surveys.sample", every="30 18 * * *")
def sample(session: HospitalSession, now: datetime) -> None:
    """Every night at half past two in Shanghai, for the month that has ended; inpatients for this one too.

    The first night after its end draws the month, as people expect («the September sample is there on
    1 October»); the nights after it take in visits of files that came late, so that nothing depends on one
    night or on a file being there in time. A month without any visit waits, and a month is left alone once
    the next one is over. Who is drawn stays drawn. Nobody is drawn while surveys are not agreed (PIPL 21).

    Of inpatients everybody is drawn, so nothing has to wait for the month's end: each night takes in those
    discharged until the day before (S3-5).
    """
    # Of a hospital that is suspended nobody is drawn, and when it is resumed nobody is drawn again.
    if not stages.is_active(session):
        return
    if not agreement.covered(session, {"satisfaction"}, doing="surveys.sample", now=now):
        return
    running = first_of_month(local_date(now))
    ended = first_of_month(running - timedelta(days=1))
    _bring_up(session, ended, samples.OUTPATIENT, now)
    for month in (ended, running):
        _bring_up(session, month, samples.INPATIENT, now)


def _bring_up(session: HospitalSession, month: date, audience: Drawn, now: datetime) -> None:
    if samples.find_sample(session, month, audience=audience) is not None:
        samples.extend_sample(session, month, now=now, audience=audience)
    elif samples.has_visits(session, month, audience):
        samples.draw_sample(session, month, now=now, audience=audience)
