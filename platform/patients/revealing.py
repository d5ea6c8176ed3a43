"""What a mask hides, shown to somebody who says why: one audit event each (PIPL 28, 51; C1)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from foundation import audit
from foundation.database import HospitalSession
from patients.models import ContactPoint
from patients.service import UnknownNumber, patient_or_raise
from tenants.keys import data_key, unseal

What = Literal["name", "id_number"]
WHAT: tuple[What, ...] = get_args(What)


def reveal_number(
    session: HospitalSession, contact_point_id: UUID, *, reason: str, now: datetime, with_name: bool = False
) -> str:
    """The number in the clear; who saw it and why is recorded. `with_name`: the patient's name was shown with
    it, as the card does when an agent dials. Raises `UnknownNumber`.
    """
    point = session.get(ContactPoint, (session.tenant_id, contact_point_id))
    if point is None:
        raise UnknownNumber(str(contact_point_id))
    number = data_key(session).decrypt(point.number_cipher)
    audit.record(
        session,
        "patients.number_revealed",
        now=now,
        subject=f"patient:{point.patient_id}",
        reason=reason,
        detail={"contact_point": str(point.id), "holder": point.holder, "with_name": with_name},
    )
    return number


def reveal_person(
    session: HospitalSession, patient_id: UUID, what: What, *, reason: str, now: datetime
) -> str:
    """The name (姓名) or the identity number (身份证号), empty when there is none; on the record.

    Raises `patients.suppression.UnknownPatient`.
    """
    patient = patient_or_raise(session, patient_id)
    shown = patient.name if what == "name" else unseal(session, patient.id_number_cipher)
    audit.record(
        session,
        f"patients.{what}_revealed",
        now=now,
        subject=f"patient:{patient_id}",
        reason=reason,
    )
    return shown
