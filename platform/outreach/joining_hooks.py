"""What of contacts goes along when two records of a patient become one: tasks and calls."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select

from foundation.catalogue import among
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.languages import mark
from outreach.models import Call, ContactTask, PatientHold
from patients import duplicate_view, joining
from patients.join_moves import count_rows, move_rows


def register() -> None:
    """Wire the hooks; harmless twice."""
    joining.register_hold("outreach", on_a_card)
    joining.register("outreach", move)
    duplicate_view.register_count("calls", mark("Calls"), count)


def on_a_card(session: HospitalSession, patient_ids: list[UUID], now: datetime) -> list[str]:
    """Nobody is merged, and no merge undone, under the hands of an agent."""
    held = session.scalar(
        select(func.count())
        .select_from(PatientHold)
        .where(
            PatientHold.tenant_id == session.tenant_id,
            among(PatientHold.id, patient_ids),
            PatientHold.until >= now,
        )
    )
    return [_("An agent has this patient on the card right now. Try again in a few minutes.")] if held else []


def move(session: HospitalSession, kept: UUID, gone: UUID, _now: datetime) -> None:
    """Tasks and calls. A lapsed hold would give the wrong record's card back to its agent: it ends."""
    session.execute(
        delete(PatientHold).where(
            PatientHold.tenant_id == session.tenant_id, among(PatientHold.id, [kept, gone])
        )
    )
    move_rows(session, ContactTask, kept, gone)
    move_rows(session, Call, kept, gone)


def count(session: HospitalSession, patient_ids: list[UUID]) -> dict[UUID, int]:
    """How many of them each of these records has."""
    return count_rows(session, Call, patient_ids)
