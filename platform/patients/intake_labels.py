"""The words for files coming in: fields, states, steps, alarms and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foundation.languages import gettext as _
from foundation.languages import mark
from patients import labels
from patients.feeds.messages import TEMPLATES

FIELDS = {
    "record_number": mark("Record number"),
    "admission_count": mark("Number of the admission"),
    "name": mark("Name"),
    "sex": mark("Sex"),
    "birth_date": mark("Date of birth"),
    "age": mark("Age"),
    "id_number": mark("ID number"),
    "phone": mark("Telephone of the patient"),
    "contact_name": mark("Contact person"),
    "contact_relation": mark("Relation of the contact person"),
    "contact_phone": mark("Telephone of the contact person"),
    "admitted_on": mark("Date of admission"),
    "discharged_on": mark("Date of discharge"),
    "visited_on": mark("Date of the visit"),
    "department": mark("Department"),
    "ward": mark("Ward"),
    "doctor": mark("Doctor in charge"),
    "diagnosis": mark("Diagnosis"),
    "diagnosis_code": mark("Code of the diagnosis"),
    "disposition": mark("Way of leaving"),
    "outcome": mark("Result of the treatment"),
}
STATES = {
    "mapping": mark("Columns to choose"),
    "checking": mark("Being checked"),
    "checked": mark("Checked, not imported"),
    "waiting": mark("Waits for its turn"),
    "running": mark("Being imported"),
    "done": mark("Imported"),
    "failed": mark("Failed"),
    "stopped": mark("Stopped"),
    "undone": mark("Undone"),
}
TONES = {
    "mapping": "warn",
    "checking": "info",
    "checked": "warn",
    "waiting": "info",
    "running": "info",
    "done": "good",
    "failed": "bad",
    "stopped": "neutral",
    "undone": "neutral",
}
SOURCES = {
    "upload": mark("Upload"),
    "api": mark("Programming interface"),
    "command": mark("Command line"),
    "hl7": "HL7 v2",
    "fhir": "FHIR",
    "json": "JSON",
    "folder": mark("Watched folder"),
}
PHASES = {
    "": mark("Waits for its turn"),
    "reading": mark("The rows are read"),
    "comparing": mark("Compared with what is stored"),
    "writing": mark("What is new is written"),
}
VERDICTS = {
    "created": mark("New"),
    "updated": mark("Changed"),
    "unchanged": mark("Unchanged"),
    "rejected": mark("Rejected"),
}
VERDICT_TONES = {"created": "good", "updated": "info", "unchanged": "neutral", "rejected": "bad"}
FAILURES = {
    "not_agreed": mark("The processing agreement does not cover the follow-up of care."),
    "hospital_paused": mark(
        "The hospital's service was paused or ended before the import; nothing was taken in."
    ),
    "gave_up": mark("The import was broken off three times; please tell operations."),
}
# Required as `mapping.REQUIRED` says, marked in the choice of fields.
REQUIRED = frozenset({"record_number", "name", "discharged_on", "visited_on"})
VALUES = {"sex": labels.SEXES, "contact_relation": labels.RELATIONS, "disposition": labels.DISPOSITIONS}
KINDS_OF_LISTS = {"inpatient": mark("Inpatients"), "outpatient": mark("Outpatients")}


def alarm(found: Mapping[str, Any]) -> str:
    """What asks for a second look, in one sentence."""
    code = found["code"]
    if code == "header_changed":
        return _changed(found)
    if code == "size":
        return _(
            "The list has {rows} rows; the last three had {usual} on average.",
            rows=found["rows"],
            usual=found["usual"],
        )
    if code == "other_hospital":
        if found.get("by") == "message":
            return _("Messages name another hospital: {name}.", name=found.get("name", ""))
        return _("The list names another hospital: {name}.", name=found.get("name", ""))
    if code == "death_taken_back":
        return _(
            "The list says that {count} patients noted as dead left alive; they would be called again.",
            count=found.get("count", 0),
        )
    return unreadable(found)


def _changed(found: Mapping[str, Any]) -> str:
    gone = ", ".join(_gone(line) for line in found["gone"])
    new = ", ".join(found["new"])
    if gone and new:
        return _("The header has changed. Gone: {gone}. New: {new}.", gone=gone, new=new)
    if gone:
        return _("The header has changed. Gone: {gone}.", gone=gone)
    return _("The header has changed. New: {new}.", new=new)


def _gone(line: Mapping[str, Any]) -> str:
    heading, held = str(line["heading"]), labels.of(FIELDS, line["field"])
    return f"{heading} ({held})" if held and held != heading else heading


def failure(found: Mapping[str, Any]) -> str:
    """Why an import failed, in one sentence; empty when it did not."""
    code = found.get("code", "")
    if not code:
        return ""
    return labels.of(FAILURES, code) if code in FAILURES else unreadable(found)


def unreadable(found: Mapping[str, Any]) -> str:
    """The sentence for a code of `feeds.messages` with its parameters."""
    template = TEMPLATES.get(found["code"])
    return _(template) % dict(found) if template else str(found["code"])


# How a row stands in a table: who it is, how to reach them, the stay, and what was found.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("name", "sex", "age", "birth_date", "id_number"),
    ("phone", "contact_name", "contact_relation", "contact_phone"),
    ("admitted_on", "discharged_on", "department", "ward"),
    ("doctor", "diagnosis", "diagnosis_code", "disposition"),
)


def groups(after: Mapping[str, str], before: Mapping[str, str]) -> list[tuple[str, str]]:
    """A row's masked fields by group: what stands there after the import, and what did before if that
    differs."""
    shown = []
    for fields in GROUPS:
        now, was = _line(fields, after or before), _line(fields, before)
        shown.append((now, was if before and after and was != now else ""))
    return shown


def _line(fields: tuple[str, ...], values: Mapping[str, str]) -> str:
    return " · ".join(_value(field, values[field]) for field in fields if field in values)


def _value(field: str, value: str) -> str:
    return labels.of(VALUES[field], value) if field in VALUES else value
