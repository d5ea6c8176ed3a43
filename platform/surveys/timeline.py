"""The responses of a patient, for the one list of what happened (patients.timeline)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.languages import format_number
from foundation.languages import gettext as _
from patients import timeline
from patients.timeline import Entry
from surveys.models import Response


def register() -> None:
    """Show responses on the patient's page."""
    timeline.register("surveys", responses_of)


def responses_of(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    """Every finished response (答卷) with its index from 0 to 100."""
    rows = session.scalars(
        select(Response).where(
            Response.tenant_id == session.tenant_id,
            Response.patient_id == patient_id,
            Response.state.in_(("complete", "partial")),
        )
    )
    return [
        Entry(
            at=row.completed_at or row.started_at,
            kind="response",
            title=_("Questionnaire answered"),
            detail=""
            if row.index_value is None
            else _("Index {index}", index=format_number(row.index_value, 1)),
            tone="info",
        )
        for row in rows
    ]
