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
    "died": "Died",
    "suppressed": "No contact (refused, dispute …)",
    "no_number": "No number",
    "no_guardian_number": "Child without a guardian's number",
    "consent_withdrawn": "Wants no surveys",
    "surveyed_recently": "Asked within the last 30 days",
    "same_patient": "Further visit of the same patient",
    "restricted": "Data restricted",
    "merged": "Record merged into another",
}
RESULTS = {"drawn": "Drawn", "not_drawn": "Not drawn", "excluded": "Could not be drawn"}
MEMBER_STATES = {
    "excluded": "Could not be drawn",
    "not_drawn": "Not drawn",
    "answered": "Answered",
    "stopped": "Stopped",
    "refused": "Refused",
    "reached": "Reached",
    "waiting": "Waiting",
    "not_reached": "Not reached",
    "no_contact": "No contact made",
}
STATE_TONES = {
    "answered": "good",
    "reached": "info",
    "waiting": "neutral",
    "refused": "warn",
    "stopped": "warn",
    "not_reached": "warn",
    "no_contact": "neutral",
}
GONE = {"erased": "Erased since", "restricted": "Restricted since"}
STATES = {
    "in_progress": "In progress",
    "complete": "Complete",
    "partial": "Partial",
    "void": "Void",
}


def of(words: Mapping[str, str], code: str) -> str:
    """The word for a code in the current language; an unknown code stands for itself."""
    return gettext(words[code]) if code in words else code
