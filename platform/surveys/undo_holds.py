"""What of surveys is in the way of undoing an import: answers, and samples drawn from its visits."""

from __future__ import annotations

from sqlalchemy import text

from foundation.database import HospitalSession
from foundation.languages import ngettext
from patients import undoing
from patients.undo_blocks import counted
from patients.undo_scope import Scope

_RESPONSES = text("""
    SELECT count(*) FROM (
        SELECT r.id FROM response r JOIN undo_encounter u ON u.id = r.encounter_id AND u.is_new
        WHERE r.tenant_id = :tenant_id
        UNION
        SELECT r.id FROM response r JOIN undo_patient p ON p.id = r.patient_id AND p.is_new
        WHERE r.tenant_id = :tenant_id) AS found
""")
_SAMPLED = text("""
    SELECT count(*) FROM sample_member m JOIN undo_encounter u ON u.id = m.encounter_id AND u.is_new
    WHERE m.tenant_id = :tenant_id
""")


def register() -> None:
    """Wire the hold; harmless twice."""
    undoing.register("surveys", hold)


def hold(session: HospitalSession, scope: Scope) -> list[str]:
    """Questionnaires that were begun, and visits that stand in the frame of a sample."""
    found = []
    if number := counted(session, _RESPONSES, scope):
        found.append(
            ngettext("{count} questionnaire was answered.", "{count} questionnaires were answered.", number)
        )
    if number := counted(session, _SAMPLED, scope):
        found.append(
            ngettext(
                "A sample was drawn with {count} of these visits.",
                "A sample was drawn with {count} of these visits.",
                number,
            )
        )
    return found
