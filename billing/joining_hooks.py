"""What billing does when two records of a patient become one, and two again: open months follow at once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from billing.refresh import follow
from foundation.database import HospitalSession
from patients import joining


def register() -> None:
    """Wire the hook; harmless twice."""
    joining.on_settled("billing", refill)


def refill(session: HospitalSession, patient_ids: list[UUID], now: datetime) -> None:
    """Months without an issued invoice count the person once; others are put right by the next invoice."""
    follow(session, patient_ids, "merged", now)
