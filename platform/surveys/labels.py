"""The words for this package's codes: English messages, translated when shown."""

from __future__ import annotations

from collections.abc import Mapping

from foundation.languages import gettext

AUDIENCES = {
    "inpatient": "Inpatients",
    "outpatient": "Outpatients",
    "organisation": "Partner organisations",
}
EXCLUDED = {
    "suppressed": "No contact (deceased, refused …)",
    "no_number": "No number",
    "no_guardian_number": "Child without a guardian's number",
    "surveyed_recently": "Asked within the last 30 days",
    "same_patient": "Further visit of the same patient",
}
STATES = {
    "in_progress": "In progress",
    "complete": "Complete",
    "partial": "Partial",
    "void": "Void",
}


def of(words: Mapping[str, str], code: str) -> str:
    """The word for a code in the current language; an unknown code stands for itself."""
    return gettext(words[code]) if code in words else code
