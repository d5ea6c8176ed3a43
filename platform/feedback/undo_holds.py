"""What of complaints is in the way of undoing an import."""

from __future__ import annotations

from sqlalchemy import text

from foundation.database import HospitalSession
from foundation.languages import ngettext
from patients import undoing
from patients.undo_blocks import counted
from patients.undo_scope import Scope

_CASES = text("""
    SELECT count(*) FROM feedback_case c WHERE c.tenant_id = :tenant_id AND (
        c.patient_id IN (SELECT id FROM undo_patient WHERE is_new)
        OR c.encounter_id IN (SELECT id FROM undo_encounter WHERE is_new))
""")


def register() -> None:
    """Wire the hold; harmless twice."""
    undoing.register("feedback", hold)


def hold(session: HospitalSession, scope: Scope) -> list[str]:
    """Cases of its patients and stays."""
    number = counted(session, _CASES, scope)
    return [ngettext("{count} case was opened.", "{count} cases were opened.", number)] if number else []
