"""What of complaints goes along when two records of a patient become one: the cases."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from feedback.models import FeedbackCase
from foundation.database import HospitalSession
from patients import joining
from patients.join_moves import move_rows


def register() -> None:
    """Wire the hook; harmless twice."""
    joining.register("feedback", move)


def move(session: HospitalSession, kept: UUID, gone: UUID, _now: datetime) -> None:
    """Cases, whatever their stage; their clocks and events hang on them."""
    move_rows(session, FeedbackCase, kept, gone)
