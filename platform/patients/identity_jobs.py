"""Periodic work on who is who, and on what an import may still be undone with."""

from __future__ import annotations

from datetime import datetime

from foundation.database import HospitalSession
from foundation.work import job
from patients import duplicates, intake, undoing


@job("patients.find_duplicates", every="40 17 * * *")  # 01:40 in China
def find_duplicates(session: HospitalSession, now: datetime) -> None:
    """Park the likely duplicates among the records that changed in the last day."""
    duplicates.find_changed(session, now=now)


@job("patients.forget_imports", every="50 17 * * *")  # 01:50 in China
def forget_imports(session: HospitalSession, now: datetime) -> None:
    """What the undo of an import needs is kept for 30 days, and so are its files."""
    undoing.drop_old(session, now=now)
    intake.drop_finished(session, now=now)
