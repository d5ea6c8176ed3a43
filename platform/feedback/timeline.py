"""The cases of a patient, for the one list of what happened (patients.timeline)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from feedback import labels
from feedback.models import FeedbackCase
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from patients import timeline
from patients.timeline import Entry


def register() -> None:
    """Show cases on the patient's page."""
    timeline.register("feedback", cases_of)


def cases_of(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    """Every case (反馈) with its tag and stage; the words themselves stand on the case's own page."""
    rows = session.scalars(
        select(FeedbackCase).where(
            FeedbackCase.tenant_id == session.tenant_id, FeedbackCase.patient_id == patient_id
        )
    )
    return [
        Entry(
            at=row.received_at,
            kind="case",
            title=_("Feedback {number}", number=row.number),
            # Of a dispute the firm's people know that there is one, and no more (S4-9).
            detail=(
                f"{_('Medical dispute') if row.medical_dispute else labels.tag_name(row.tag)} · "
                f"{labels.stage_name(row.stage)}"
            ),
            tone="neutral" if row.stage == "closed" else "warn",
            path=f"cases/{row.id}",
        )
        for row in rows
    ]
