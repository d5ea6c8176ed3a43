"""What of billing is in the way of undoing an import, and the months without an invoice that go with it."""

from __future__ import annotations

from sqlalchemy import text

from billing.refresh import follow
from foundation.database import HospitalSession
from foundation.languages import ngettext
from patients import undoing
from patients.undo_blocks import counted
from patients.undo_scope import Scope

_ITS_ENTRIES = """
    SELECT l.id FROM ledger_entry l JOIN undo_enrolment u ON u.id = l.enrolment_id
    WHERE l.tenant_id = :tenant_id
    UNION
    SELECT l.id FROM ledger_entry l JOIN undo_patient p ON p.id = l.patient_id AND p.is_new
    WHERE l.tenant_id = :tenant_id
"""
_BILLED = text(f"""
    SELECT count(*) FROM ledger_entry l
    JOIN invoice i ON i.tenant_id = l.tenant_id AND i.id = l.invoice_id AND i.state IN ('issued', 'paid')
    WHERE l.tenant_id = :tenant_id AND l.id IN ({_ITS_ENTRIES})
""")  # noqa: S608 - made of constants
_DROP = text(f"DELETE FROM ledger_entry WHERE tenant_id = :tenant_id AND id IN ({_ITS_ENTRIES})")  # noqa: S608
_KNOWN = text("SELECT id FROM undo_patient WHERE NOT is_new")


def register() -> None:
    """Wire the holds; harmless twice."""
    undoing.register("billing", hold, remove, refill)


def hold(session: HospitalSession, scope: Scope) -> list[str]:
    """Patient-months on an invoice that is out."""
    number = counted(session, _BILLED, scope)
    if not number:
        return []
    return [ngettext("{count} patient-month was invoiced.", "{count} patient-months were invoiced.", number)]


def remove(session: HospitalSession, _scope: Scope) -> None:
    """Patient-months of months whose invoice is not out."""
    session.execute(_DROP, {"tenant_id": session.tenant_id})


def refill(session: HospitalSession, scope: Scope) -> None:
    """The open months of known patients, and the drafts, as they are without the import."""
    follow(session, list(session.scalars(_KNOWN)), "import undone", scope.now)
