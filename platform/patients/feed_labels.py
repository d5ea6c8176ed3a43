"""The words of feeds: states, events, and why a message was not taken."""

from __future__ import annotations

import json

from foundation.languages import gettext
from patients import labels
from patients.adt.events import REASONS, BadMessage
from patients.feeds.messages import REJECTION_TEXTS
from patients.models import FeedMessage

KINDS = {
    "hl7": "HL7 v2 (ADT)",
    "fhir": "FHIR R4",
    "json": "JSON interface",
    "folder": "Watched folder",
    "file": "Lists sent by hand",
}
STATES = {"applied": "Taken in", "waiting": "Waits for more", "rejected": "Rejected"}
EVENTS = {
    "admit": "Admission",
    "register": "Outpatient registration",
    "update": "Change of data",
    "discharge": "Discharge",
    "cancel_discharge": "Discharge cancelled",
    "cancel_admit": "Admission cancelled",
    "merge": "Merge of records",
    "": "Not readable",
}
WAITS = {
    "admit": "Waits for the discharge.",
    "update": "Waits for the discharge.",
    "discharge": "The discharge was taken back; waits for the next one.",
    "cancel_discharge": "The discharge was taken back; waits for the next one.",
    "merge": "Neither record is known here yet; waits for one of them.",
}


def mistake(error: BadMessage) -> str:
    """Why something cannot be read, in one sentence in the current language."""
    return gettext(REASONS[error.code]) % error.params


def reason(stored: str) -> str:
    """Why a message was rejected, from what is stored with it; empty for none."""
    code, params = stored, {}
    if stored.startswith("{"):
        params = json.loads(stored)
        code = params.pop("code")
    if code in REASONS:
        return gettext(REASONS[code]) % params
    return labels.of(REJECTION_TEXTS, code)


def code_of(stored: str) -> str:
    """The code of a stored reason, for programs."""
    return str(json.loads(stored)["code"]) if stored.startswith("{") else stored


def waits_for(event: str) -> str:
    """Why a message of this event waits, in the current language."""
    return labels.of(WAITS, event) or labels.of(WAITS, "admit")


def number(row: FeedMessage, *, in_full: bool) -> str:
    """A record number as lists show it: in full to those who see patients; of an erased person nothing."""
    if not row.record_number or row.record_number == str(row.id):
        return "—"
    return row.record_number if in_full else masked(row.record_number)


def masked(record_number: str) -> str:
    """A record number as lists show it: its last three characters."""
    return f"***{record_number[-3:]}" if len(record_number) > 3 else "***" if record_number else "—"
