"""What of complaints keeps a patient's data from being erased (legal hold, regulation C6)."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import or_, select

from feedback.models import FeedbackCase
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.languages import format_date
from foundation.languages import gettext as _
from patients import restriction
from patients.models import Encounter

# 医疗纠纷预防和处理条例 24: what was sealed in a dispute is kept for three years.
DISPUTE_DAYS = 3 * 365 + 1


def of_patient(session: HospitalSession, patient_id: UUID, today: date) -> list[str]:
    """Open complaints, and medical disputes closed less than three years ago."""
    stays = select(Encounter.id).where(
        Encounter.tenant_id == session.tenant_id, Encounter.patient_id == patient_id
    )
    cases = session.scalars(
        select(FeedbackCase)
        .where(
            FeedbackCase.tenant_id == session.tenant_id,
            or_(FeedbackCase.patient_id == patient_id, FeedbackCase.encounter_id.in_(stays)),
            or_(FeedbackCase.stage != "closed", FeedbackCase.medical_dispute),
        )
        .order_by(FeedbackCase.number)
    )
    sentences = []
    for case in cases:
        if case.stage != "closed" or case.closed_at is None:
            sentences.append(_("Complaint {number} is still open.", number=case.number))
            continue
        until = local_date(case.closed_at) + timedelta(days=DISPUTE_DAYS)
        if today < until:
            sentences.append(
                _(
                    "The medical dispute {number} is kept until {day}.",
                    number=case.number,
                    day=format_date(until),
                )
            )
    return sentences


def register() -> None:
    """Let it be asked before anybody is erased."""
    restriction.register_hold("feedback", of_patient)
