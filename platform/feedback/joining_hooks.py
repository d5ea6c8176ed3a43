"""What of complaints goes along when two records of a patient become one: the cases."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from feedback.models import FeedbackCase
from foundation.database import HospitalSession
from foundation.languages import mark
from patients import duplicate_view, joining
from patients.join_moves import count_rows, move_rows


def register() -> None:
    """Wire the hook; harmless twice."""
    joining.register("feedback", move)
    duplicate_view.register_count("cases", mark("Feedback cases"), count)


def move(session: HospitalSession, kept: UUID, gone: UUID, _now: datetime) -> None:
    """Cases, whatever their stage; their clocks and events hang on them."""
    move_rows(session, FeedbackCase, kept, gone)


def count(session: HospitalSession, patient_ids: list[UUID]) -> dict[UUID, int]:
    """How many of them each of these records has."""
    return count_rows(session, FeedbackCase, patient_ids)
