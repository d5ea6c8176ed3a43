"""From FHIR R4 bundles to events: Patient and Encounter, with what they refer to inside the bundle.

An Encounter says everything about a visit as of its `meta.lastUpdated`, else as of the bundle's timestamp,
else as of now; so its events are whole. The models are those of R4B, in which Patient, Encounter and Bundle
are as in R4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from fhir.resources.R4B.encounter import Encounter
from fhir.resources.R4B.patient import Patient
from pydantic import ValidationError

from patients.adt.events import BadMessage, Event, Heard, Kind, checked
from patients.adt.fhir_words import (
    contact,
    day,
    disposition,
    first_text,
    id_number,
    moment,
    named_person,
    phone,
    record_number,
    words,
)
from patients.feeds.headers import Visit

BUNDLES: Final = frozenset({"transaction", "batch", "message", "collection", "searchset"})
MOST = 1000  # encounters of one bundle
_INPATIENT = frozenset({"IMP", "ACUTE", "NONAC", "NONACUTE", "OBSENC", "PRENC"})
_OUTPATIENT = frozenset({"AMB", "EMER", "SS", "HH", "VR", "FLD"})
_STATUS: Final[dict[str, Kind]] = {
    "planned": "update",
    "arrived": "admit",
    "triaged": "admit",
    "in-progress": "admit",
    "onleave": "admit",
    "finished": "discharge",
    "cancelled": "cancel_admit",
    "entered-in-error": "cancel_admit",
    "unknown": "update",
}
_SEXES = {"male": "M", "female": "F"}
Resource = Mapping[str, Any]


def read(content: bytes, *, now: datetime) -> list[Heard]:
    """The encounters of a bundle, each with its patient and the names it refers to.

    Raises `BadMessage`; nothing of a bundle with one unreadable Patient or Encounter is taken.
    """
    bundle = _bundle(content)
    known = _Known(bundle)
    sent = moment(bundle.get("timestamp"))
    heard: list[Heard] = []
    for place, encounter in known.encounters:
        if len(heard) == MOST:
            raise BadMessage("too_many", limit=MOST)
        _valid(Encounter, encounter, place)
        patient = known.patient_of(encounter)
        stored = {"encounter": encounter, "patient": patient, "names": known.names_for(encounter)}
        updated = moment(_dict(encounter.get("meta")).get("lastUpdated")) or sent
        text = json.dumps(stored, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        heard.append(Heard(_event(stored, updated or now, timed=updated is not None), text))
    told = {id(known.patient_of(encounter)) for _, encounter in known.encounters}
    alone = [patient for patient in known.patients if id(patient) not in told and _says_life(patient)]
    if len(heard) + len(alone) > MOST:
        raise BadMessage("too_many", limit=MOST)
    return heard + [_of_person(patient, sent, now) for patient in alone]


def _says_life(patient: Resource) -> bool:
    return bool(patient.get("deceasedDateTime")) or isinstance(patient.get("deceasedBoolean"), bool)


def _of_person(patient: Resource, sent: datetime | None, now: datetime) -> Heard:
    """What a Patient without an encounter says: whether they live, of the person alone."""
    number = record_number(_list(patient.get("identifier")))
    if not number:
        raise BadMessage("no_record_number")
    meta = _dict(patient.get("meta"))
    updated = moment(meta.get("lastUpdated")) or sent
    control = str(meta.get("versionId") or "")
    said = {"outcome": _person(patient)["outcome"]}
    event = Event("update", updated or now, control, number, "", said, timed=updated is not None)
    text = json.dumps({"patient": patient}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Heard(checked(event), text)


def _bundle(content: bytes) -> Resource:
    try:
        bundle = msgspec.json.decode(content)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadMessage("not_json") from error
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise BadMessage("no_bundle")
    if bundle.get("type") not in BUNDLES or not isinstance(bundle.get("entry", []), list):
        raise BadMessage("no_bundle")
    return bundle


def _valid(model: type[Encounter | Patient], resource: Resource, place: str) -> None:
    try:
        model.model_validate(resource)
    except (ValidationError, RecursionError) as error:
        where = (
            ".".join(str(part) for part in error.errors()[0]["loc"])
            if isinstance(error, ValidationError)
            else ""
        )
        raise BadMessage("not_fhir", place=f"{place}.{where}"[:200].rstrip(".")) from error


class _Known:
    """What a bundle holds, by every name under which it may be referred to."""

    def __init__(self, bundle: Resource) -> None:
        self.encounters: list[tuple[str, dict[str, Any]]] = []
        self.patients: list[dict[str, Any]] = []
        self._by_name: dict[str, dict[str, Any]] = {}
        for index, entry in enumerate(bundle.get("entry") or []):
            resource = _dict(_dict(entry).get("resource"))
            place = f"Bundle.entry[{index}].resource"
            if resource.get("resourceType") == "Patient":
                _valid(Patient, resource, place)
                self.patients.append(resource)
            if resource.get("resourceType") == "Encounter":
                self.encounters.append((place, resource))
            if resource:
                self._remember(resource, str(_dict(entry).get("fullUrl") or ""))

    def _remember(self, resource: dict[str, Any], full_url: str) -> None:
        names = {
            full_url,
            f"{resource.get('resourceType')}/{resource.get('id')}" if resource.get("id") else "",
        }
        if resource.get("resourceType") == "Patient":
            for identifier in _list(resource.get("identifier")):
                names.add(f"identifier:{identifier.get('system', '')}|{identifier.get('value', '')}")
        for name in names - {""}:
            self._by_name.setdefault(name, resource)

    def find(self, reference: Resource, within: Resource) -> dict[str, Any] | None:
        """What a reference means: contained, by fullUrl, by type and id, or by identifier."""
        target = str(reference.get("reference") or "")
        if target.startswith("#"):
            contained = _list(within.get("contained"))
            return next((item for item in contained if item.get("id") == target[1:]), None)
        plain = target.split("/_history/", 1)[0]
        found = self._by_name.get(plain) or self._by_name.get("/".join(plain.rsplit("/", 2)[-2:]))
        if found is None and isinstance(reference.get("identifier"), dict):
            identifier = reference["identifier"]
            name = f"identifier:{identifier.get('system', '')}|{identifier.get('value', '')}"
            found = self._by_name.get(name)
        return found

    def patient_of(self, encounter: Resource) -> dict[str, Any]:
        """The encounter's patient, or no more than the number that the reference itself gives."""
        subject = _dict(encounter.get("subject"))
        found = self.find(subject, encounter)
        if found is not None and found.get("resourceType") == "Patient":
            return found
        identifier = _dict(subject.get("identifier"))
        if not identifier.get("value"):
            raise BadMessage("no_patient")
        name = str(subject.get("display") or "")
        return {"identifier": [identifier]} | ({"name": [{"text": name}]} if name else {})

    def names_for(self, encounter: Resource) -> dict[str, str]:
        """What doctor, department and diagnosis are called where only a reference stands."""
        asked = {
            "doctor": [item.get("individual") for item in _list(encounter.get("participant"))],
            "ward": [item.get("location") for item in _list(encounter.get("location"))],
            "department": [encounter.get("serviceProvider")],
            "diagnosis": [item.get("condition") for item in _list(encounter.get("diagnosis"))[:1]],
        }
        names: dict[str, str] = {}
        for field, references in asked.items():
            called = [self._called(_dict(reference), encounter) for reference in references]
            names[field] = next(filter(None, called), "")
        condition = self.find(_dict((asked["diagnosis"] or [None])[0]), encounter) or {}
        names["diagnosis_code"] = first_text(_dict(condition.get("code")), "code")
        return names

    def _called(self, reference: Resource, within: Resource) -> str:
        if reference.get("display"):
            return str(reference["display"])
        found = self.find(reference, within) or {}
        name = found.get("name")
        if isinstance(name, list):
            return named_person(_list(name))
        return str(name or "") or words(_dict(found.get("code")))


def _event(stored: Mapping[str, Any], at: datetime, *, timed: bool = True) -> Event:
    encounter, patient = _dict(stored["encounter"]), _dict(stored["patient"])
    status = str(encounter.get("status") or "")
    kind = _STATUS.get(status)
    if kind is None:
        raise BadMessage("unknown_status", status=status[:20])
    number = record_number(_list(patient.get("identifier")))
    if not number:
        raise BadMessage("no_record_number")
    visit = _visit(encounter)
    if kind in {"admit", "discharge"} and visit == "outpatient":
        kind = "register"
    if _class(encounter) == "PRENC":
        kind = "update"
    visit_number = _visit_number(encounter)
    control = str(_dict(encounter.get("meta")).get("versionId") or "")
    said = _person(patient) | _stay(encounter, _dict(stored["names"]), discharged=status == "finished")
    return checked(Event(kind, at, control, number, visit_number, said, visit, whole=True, timed=timed))


def _class(encounter: Resource) -> str:
    return str(_dict(encounter.get("class")).get("code") or "").upper()


def _visit(encounter: Resource) -> Visit | Literal[""]:
    code = _class(encounter)
    return "inpatient" if code in _INPATIENT else "outpatient" if code in _OUTPATIENT else ""


def _visit_number(encounter: Resource) -> str:
    identifiers = [item for item in _list(encounter.get("identifier")) if item.get("value")]
    numbered = [item for item in identifiers if first_text(_dict(item.get("type")), "code") == "VN"]
    chosen = next(iter(numbered or identifiers), {})
    number = str(chosen.get("value") or encounter.get("id") or "")
    if not number:
        raise BadMessage("not_fhir", place="Encounter.identifier")
    return number


def _person(patient: Resource) -> dict[str, str]:
    said = {
        "name": named_person(_list(patient.get("name"))),
        "birth_date": str(patient.get("birthDate") or ""),
        "sex": _SEXES.get(str(patient.get("gender") or ""), ""),
        "id_number": id_number(_list(patient.get("identifier"))),
        "phone": phone(_list(patient.get("telecom"))),
    }
    said = {name: text for name, text in (said | contact(_list(patient.get("contact")))).items() if text}
    if patient.get("deceasedBoolean") is True or patient.get("deceasedDateTime"):
        said["outcome"] = "死亡"
    elif patient.get("deceasedBoolean") is False:
        said["outcome"] = ""
    return said


def _stay(encounter: Resource, names: Mapping[str, str], *, discharged: bool) -> dict[str, str]:
    period = _dict(encounter.get("period"))
    hospitalization = _dict(encounter.get("hospitalization"))
    counts = [
        item.get("value") for item in _list(encounter.get("identifier"))
        if first_text(_dict(item.get("type")), "code") == "admission-count"
    ]  # fmt: skip
    said = {
        "admitted_on": day(period.get("start")),
        "discharged_on": day(period.get("end")) if discharged else "",
        "disposition": disposition(_dict(hospitalization.get("dischargeDisposition"))) if discharged else "",
        "ward": names.get("ward", ""),
        "department": words(_dict(encounter.get("serviceType")))
        or names.get("department", "")
        or names.get("ward", ""),
        "doctor": names.get("doctor", ""),
        "diagnosis": names.get("diagnosis", "")
        or words(_dict((_list(encounter.get("reasonCode")) or [{}])[0])),
        "diagnosis_code": names.get("diagnosis_code", ""),
        "admission_count": str(counts[0]) if counts else "",
    }
    return {name: text for name, text in said.items() if text}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
