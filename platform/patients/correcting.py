"""Data put right where it is seen to be wrong (就地更正, SC-25): with a reason, by whoever may bring data in.

It needs no request of the patient: a hospital corrects what its own list had wrong (PIPL 8). What the fault
kept from happening follows at once: the thing leaves the list of data to correct, and whoever can be reached
now is enrolled by the rules.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from foundation.database import HospitalSession
from patients import enrolment, merging, restriction
from patients.models import DataProblem, Enrolment
from patients.restriction import Correction

_NUMBERS = frozenset({"phone", "contact_phone"})
_SOLVED = text("""
    UPDATE data_problem d SET resolved_at = :now
    WHERE d.tenant_id = :tenant_id AND d.patient_id = :patient_id AND d.resolved_at IS NULL
      AND ((d.kind = 'phone_damaged' AND :numbers) OR (d.kind = 'bad_id' AND :identity)
           OR (d.kind = 'wrong_number' AND NOT EXISTS (
               SELECT 1 FROM contact_point c WHERE c.tenant_id = :tenant_id AND c.patient_id = d.patient_id
               AND c.invalid_since IS NOT NULL)))
""")


def correct(
    session: HospitalSession, patient_id: UUID, wanted: Correction, *, reason: str, now: datetime
) -> list[str]:
    """Put data of one patient right; returns the names of the fields that changed.

    Raises `foundation.web.errors.UserMistake` for a number that cannot be, and when nothing would change.
    """
    changed = restriction.correct(session, patient_id, wanted, now=now, reason=reason)
    session.execute(
        _SOLVED,
        {
            "tenant_id": session.tenant_id,
            "patient_id": patient_id,
            "now": now,
            "numbers": not _NUMBERS.isdisjoint(changed),
            "identity": "id_number" in changed,
        },
    )
    merging.reload(session, DataProblem)
    enrolment.enrol(session, [patient_id], now=now)
    merging.reload(session, Enrolment)
    return changed
