"""What billing does when a discharge is taken back, and when it is given once more: open months follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from billing import refresh
from foundation.catalogue import among
from foundation.database import HospitalSession
from patients.models import Encounter
from patients.withdrawal import WITHDRAWN, on_reinstated, on_withdrawn


def register() -> None:
    """Wire the hooks; harmless twice."""
    on_withdrawn(follow)
    on_reinstated(follow)


def follow(session: HospitalSession, encounter_ids: Sequence[UUID], now: datetime) -> None:
    """Bring the months that are not invoiced up to what is known now of these patients (J5)."""
    patients = session.scalars(
        select(Encounter.patient_id)
        .where(Encounter.tenant_id == session.tenant_id, among(Encounter.id, encounter_ids))
        .distinct()
    ).all()
    refresh.follow(session, list(patients), WITHDRAWN, now)
