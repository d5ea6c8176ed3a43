"""The planned contacts of a patient that are no task yet: what comes next on their page (S1-14)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from foundation.calendar import local_day_start
from foundation.database import HospitalSession
from foundation.languages import bilingual, format_date
from foundation.languages import gettext as _
from patients import overview
from revisits.models import RevisitPlan, RevisitStep


def register() -> None:
    """Show the plan on the patient's page."""
    overview.register("next", "revisits", planned_of)


def planned_of(session: HospitalSession, patient_id: UUID, _now: datetime) -> list[overview.Line]:
    """The steps still planned (回访步骤) with their windows, in their order."""
    rows = session.execute(
        select(RevisitStep, RevisitPlan)
        .join(
            RevisitPlan,
            (RevisitPlan.tenant_id == RevisitStep.tenant_id) & (RevisitPlan.id == RevisitStep.plan_id),
        )
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.patient_id == patient_id,
            RevisitStep.state == "planned",
        )
    )
    return [
        overview.Line(
            title=_("Follow-up {number}", number=step.number),
            order=overview.soonest(local_day_start(step.target_on)),
            at=local_day_start(step.target_on),
            whole_day=True,
            detail=_(
                "{plan} · from {first} to {last}",
                plan=bilingual({"zh": plan.name, "en": plan.name_en}),
                first=format_date(step.opens_on),
                last=format_date(step.closes_on),
            ),
        )
        for step, plan in rows
    ]
