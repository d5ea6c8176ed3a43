"""Periodic work on who is who, and on what an import may still be undone with."""

from __future__ import annotations

from datetime import datetime

from foundation.database import HospitalSession
from foundation.work import job
from patients import duplicates


@job("patients.find_duplicates", every="40 17 * * *")  # 01:40 in China
def find_duplicates(session: HospitalSession, now: datetime) -> None:
    """Park the likely duplicates among the records that changed in the last day."""
    duplicates.find_changed(session, now=now)
