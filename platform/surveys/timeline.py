"""The responses of a patient, for the one list of what happened (patients.timeline)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.languages import bilingual, format_number
from foundation.languages import gettext as _
from patients import overview, timeline
from patients.timeline import Entry
from surveys.models import Questionnaire, Response


def register() -> None:
    """Show responses on the patient's page."""
    timeline.register("surveys", responses_of)
    overview.register("answers", "surveys", answers_of)


def responses_of(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    """Every finished response (答卷) with its index from 0 to 100."""
    return [
        Entry(
            at=row.completed_at or row.started_at,
            kind="response",
            title=_("Questionnaire answered"),
            detail=" · ".join(part for part in (name, _index(row)) if part),
            tone="info",
        )
        for row, name in _answered(session, patient_id)
    ]


def answers_of(session: HospitalSession, patient_id: UUID, _now: datetime) -> list[overview.Line]:
    """The finished responses at a glance, the newest first."""
    return [
        overview.Line(
            title=_index(row) or _("No index"),
            order=overview.newest(row.completed_at or row.started_at),
            at=row.completed_at or row.started_at,
            whole_day=True,
            detail=name,
            tone="info",
        )
        for row, name in _answered(session, patient_id)
    ]


def _answered(session: HospitalSession, patient_id: UUID) -> list[tuple[Response, str]]:
    rows = session.execute(
        select(Response, Questionnaire)
        .join(
            Questionnaire,
            (Questionnaire.tenant_id == Response.tenant_id) & (Questionnaire.id == Response.questionnaire_id),
        )
        .where(
            Response.tenant_id == session.tenant_id,
            Response.patient_id == patient_id,
            Response.state.in_(("complete", "partial")),
        )
    )
    return [(row, bilingual(asked.content.get("title"))) for row, asked in rows]


def _index(row: Response) -> str:
    return "" if row.index_value is None else _("Index {index}", index=format_number(row.index_value, 1))
