"""The cases of a patient for the page of all that happened (patients.timeline), and at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from feedback import labels
from feedback.models import FeedbackCase
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from patients import overview, timeline
from patients.timeline import Entry


def register() -> None:
    """Show cases on the patient's page."""
    timeline.register("feedback", cases_of)
    overview.register("cases", "feedback", open_first)


def cases_of(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    """Every case (反馈) with its tag and stage; the words themselves stand on the case's own page."""
    return [
        Entry(
            at=row.received_at,
            kind="case",
            title=_("Feedback {number}", number=row.number),
            detail=_detail(row),
            tone="neutral" if row.stage == "closed" else "warn",
            path=f"cases/{row.id}",
        )
        for row in _cases(session, patient_id)
    ]


def open_first(session: HospitalSession, patient_id: UUID, now: datetime) -> list[overview.Line]:
    """Every case at a glance, the open ones before the closed, the newest first."""
    return [
        overview.Line(
            title=row.number,
            order=overview.newest(row.received_at) + (row.stage == "closed") * now.timestamp(),
            at=row.received_at,
            whole_day=True,
            detail=_detail(row),
            tone="neutral" if row.stage == "closed" else "warn",
            path=f"cases/{row.id}",
        )
        for row in _cases(session, patient_id)
    ]


def _cases(session: HospitalSession, patient_id: UUID) -> Sequence[FeedbackCase]:
    return session.scalars(
        select(FeedbackCase).where(
            FeedbackCase.tenant_id == session.tenant_id, FeedbackCase.patient_id == patient_id
        )
    ).all()


def _detail(row: FeedbackCase) -> str:
    # Of a dispute the firm's people know that there is one, and no more (S4-9).
    tag = _("Medical dispute") if row.medical_dispute else labels.tag_name(row.tag)
    return f"{tag} · {labels.stage_name(row.stage)}"
