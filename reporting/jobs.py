"""Periodic work of the reports: on day 3 the month that has ended is frozen, reported and compared (J5)."""

from datetime import date, datetime, timedelta
from uuid import UUID

from foundation.calendar import first_of_month, local_date
from foundation.database import FirmSession, HospitalSession
from foundation.work import job
from reporting import benchmark, monthly

SYSTEM = "CareLoop"


def ended_month(now: datetime) -> date:
    """The first of the month that ended last, in China."""
    return first_of_month(first_of_month(local_date(now)) - timedelta(days=1))


@job("reporting.month", every="15 10 3 * *")
def month(session: HospitalSession, now: datetime) -> None:
    """A quarter past the freeze (day 3, 18:00 in Shanghai): the hospital's report of the month that ended."""
    monthly.make_report(session, ended_month(now), by=SYSTEM, now=now)


@job("reporting.benchmark", reach="firm", every="30 10 3 * *")
def compare(session: FirmSession, now: datetime) -> None:
    """Half past the freeze: the draft of the comparison, for two people to look at."""
    benchmark.run(session, ended_month(now), by=SYSTEM, now=now)


@job(benchmark.FILES_JOB)
def member_files(session: HospitalSession, now: datetime, report_id: str) -> None:
    """After the approval: the PDF and the Excel file of one member, in its own hospital."""
    benchmark.store_files(session, UUID(report_id), now=now)
