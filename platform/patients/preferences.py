"""How somebody is best reached (联系偏好): who answers, in which dialect, in which part of the day.

Only a wish: it orders what the contact policy allows and never widens it (regulation C4).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from foundation import audit
from foundation.database import HospitalSession
from foundation.languages import mark
from patients.models import Patient
from patients.service import patient_or_raise

# Who answers (谁接听): the patient, somebody of the family, or a paid carer.
ANSWERERS = {
    "self": mark("The patient"),
    "spouse": mark("Spouse"),
    "child": mark("Child"),
    "parent": mark("Parent"),
    "caregiver": mark("Caregiver"),
    "other": mark("Somebody else"),
}
# Chinese dialect groups as a caller chooses an agent by them (方言): the south-west and the north-east speak
# Mandarin of their own, the languages of the minorities stand as one.
DIALECTS = {
    "putonghua": mark("Standard Mandarin"),
    "southwest": mark("Southwestern Mandarin"),
    "northeast": mark("Northeastern Mandarin"),
    "mandarin": mark("Another Mandarin"),
    "cantonese": mark("Cantonese"),
    "wu": mark("Wu"),
    "minnan": mark("Southern Min"),
    "hakka": mark("Hakka"),
    "xiang": mark("Xiang"),
    "gan": mark("Gan"),
    "jin": mark("Jin"),
    "minority": mark("A minority language"),
    "other": mark("Another dialect"),
}
PARTS = {"morning": mark("Morning"), "afternoon": mark("Afternoon"), "evening": mark("Evening")}


class UnknownPreference(ValueError):
    """A word that is not on the list of its question."""


def set_preferences(
    session: HospitalSession,
    patient_id: UUID,
    *,
    answered_by: str,
    dialect: str,
    preferred_part: str,
    now: datetime,
) -> list[str]:
    """Note how a patient is best reached; an empty text is «not known». Returns the fields that changed.

    Nothing changed writes nothing. Raises `UnknownPreference`, `patients.suppression.UnknownPatient`.
    """
    wanted = {"answered_by": answered_by, "dialect": dialect, "preferred_part": preferred_part}
    for field, known in (("answered_by", ANSWERERS), ("dialect", DIALECTS), ("preferred_part", PARTS)):
        if wanted[field] not in {"", *known}:
            raise UnknownPreference(field)
    patient: Patient = patient_or_raise(session, patient_id)
    changed = [field for field, word in wanted.items() if getattr(patient, field) != (word or None)]
    if not changed:
        return []
    for field in changed:
        setattr(patient, field, wanted[field] or None)
    patient.updated_at = now
    session.flush()
    audit.record(
        session,
        "patients.preferences_changed",
        now=now,
        subject=f"patient:{patient_id}",
        detail={"fields": changed},
    )
    return changed
