"""Periodic work on patients: birthdays that change who answers, and requests."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.work import job
from patients import requests, service, suppression_check


@job("patients.come_of_age", every="10 16 * * *")  # 00:10 in China
def come_of_age(session: HospitalSession, now: datetime) -> None:
    """From the 14th birthday the patient answers (PIPL 31)."""
    service.come_of_age(session, local_date(now), now=now)


@job(requests.COPY_JOB, minutes=60)
def subject_copy(session: HospitalSession, now: datetime, request_id: str) -> None:
    """Make the copy of one patient's data that somebody asked for (PIPL 45)."""
    requests.make_copy(session, UUID(request_id), now=now)


@job("patients.requests_overdue", every="20 16 * * *")  # 00:20 in China
def requests_overdue(session: HospitalSession, now: datetime) -> None:
    """Put requests that are past their 15 days on record."""
    requests.note_overdue(session, local_date(now), now=now)


@job("patients.suppression_check", every="45 18 * * *")  # 02:45 in China, after the ticks of the night
def look_after_suppressions(session: HospitalSession, now: datetime) -> None:
    """Nothing open, queued or billable belongs to a suppressed patient (S4-15); a breach is told."""
    suppression_check.run(session, now=now)
