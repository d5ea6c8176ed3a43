"""What happens to the plan of a stay when its discharge is taken back, and when it is given once more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from foundation.calendar import local_date
from foundation.catalogue import among
from foundation.database import HospitalSession
from patients.models import Encounter
from patients.withdrawal import WITHDRAWN, on_reinstated, on_withdrawn
from revisits.hooks import bring_back
from revisits.models import RevisitStep
from revisits.planning import supersede

OPEN = ("planned", "tasked")


def register() -> None:
    """Wire the hooks; harmless twice. After outreach: a step is tasked again where its contact is open."""
    on_withdrawn(cancel_steps)
    on_reinstated(restore_steps)


def cancel_steps(session: HospitalSession, encounter_ids: Sequence[UUID], _now: datetime) -> None:
    """Nobody is followed after a discharge that was none."""
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            among(RevisitStep.encounter_id, encounter_ids),
            RevisitStep.state.in_(OPEN),
        )
        .values(state="cancelled", cancelled_because=WITHDRAWN)
        .execution_options(synchronize_session="fetch")
    )


def restore_steps(session: HospitalSession, encounter_ids: Sequence[UUID], now: datetime) -> None:
    """What was cancelled and can still be done is planned again; the next tick moves it to the new day."""
    bring_back(session, among(RevisitStep.encounter_id, encounter_ids), WITHDRAWN, now=now)
    patients = session.scalars(
        select(Encounter.patient_id).where(
            Encounter.tenant_id == session.tenant_id, among(Encounter.id, encounter_ids)
        )
    ).all()
    supersede(session, local_date(now), now=now, patient_ids=list(patients))
