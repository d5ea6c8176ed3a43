"""What of surveys goes along when two records of a patient become one: answers, and who stopped a slot."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from foundation.database import HospitalSession
from foundation.languages import mark
from patients import duplicate_view, joining
from patients.join_moves import count_rows, move_rows
from surveys.models import Response

# A slot that a stop of the other record ended comes back with the same stop of the kept one.
_STOPPED_BY = text("""
    UPDATE sample_member m SET stopped_by_id = k.id
    FROM suppression g
    JOIN suppression k ON k.tenant_id = :tenant_id AND k.patient_id = :kept AND k.reason = g.reason
        AND k.lifted_at IS NULL
    WHERE g.tenant_id = :tenant_id AND g.patient_id = :gone AND g.lifted_at IS NULL
      AND m.tenant_id = :tenant_id AND m.stopped_by_id = g.id
""")


def register() -> None:
    """Wire the hook; harmless twice."""
    joining.register("surveys", move)
    duplicate_view.register_count("responses", mark("Questionnaires"), count)


def move(session: HospitalSession, kept: UUID, gone: UUID, _now: datetime) -> None:
    """Responses; members of samples follow their visit by themselves."""
    move_rows(session, Response, kept, gone)
    session.execute(_STOPPED_BY, {"tenant_id": session.tenant_id, "kept": kept, "gone": gone})


def count(session: HospitalSession, patient_ids: list[UUID]) -> dict[UUID, int]:
    """How many of them each of these records has."""
    return count_rows(session, Response, patient_ids)
