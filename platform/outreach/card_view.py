"""What the call card shows, put together from the patient, the task, the calls before and the panels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import select

from foundation import languages
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.masking import Shown, masked_name
from foundation.web import templates
from outreach import card, labels, queries
from outreach.models import Call, ContactTask
from outreach.outcomes import EFFECTS, Effect, Outcome
from outreach.queue import DrawnCard
from patients import labels as patient_labels
from patients import preferences
from patients.models import ContactPoint, Patient
from patients.queries import PatientCard
from patients.queries import card as patient_card

# SC-3: two columns, the good ends and the tries left, what ends everything right.
PAD = (
    (
        Outcome.COMPLETED,
        Outcome.PARTIAL,
        Outcome.CALLBACK_BOOKED,
        Outcome.NO_ANSWER,
        Outcome.BUSY,
        Outcome.VOICEMAIL,
        Outcome.HUNG_UP,
        Outcome.REFUSED_NOW,
    ),
    (
        Outcome.WRONG_NUMBER,
        Outcome.SOMEONE_ELSE,
        Outcome.LANGUAGE,
        Outcome.TOO_ILL,
        Outcome.REFUSED_FOREVER,
        Outcome.CURED,
        Outcome.MOVED,
        Outcome.DECEASED,
    ),
)


@dataclass(frozen=True, slots=True)
class PadKey:
    """One key of the outcome pad: its letter, its words and what it does."""

    code: str
    key: str
    text: str
    effect: str
    stops: bool


def card_values(
    session: HospitalSession, held: DrawnCard, agent_name: str, hospital_name: str, now: datetime
) -> dict[str, Any]:
    """Everything the card's template needs, in the current language."""
    task = session.get_one(ContactTask, (session.tenant_id, held.task_id))
    today = local_date(now)
    patient = patient_card(session, held.patient_id, encounter_id=task.encounter_id, today=today)
    history = queries.history(session, held.patient_id)
    discharged = patient.encounter.discharged_on if patient.encounter else None
    return {
        "task": task,
        "patient": patient,
        "days_since": None if discharged is None else (today - discharged).days,
        "history": history,
        "last_results": last_results(session, held.patient_id),
        "also_open": also_open(session, task),
        "panels": [
            (panel.name, Markup(templates.render(panel.template, panel.values)))  # noqa: S704 - our template
            for panel in card.shown_panels(session, task, languages.current())
        ],
        "panel_files": card.panel_files(),
        "address": address_of(patient),
        "organisation": patient.contact_type != "patient",
        "has_feedback": card.has_dialog("feedback"),
        "pad": [
            [pad_key(outcome) for outcome in column if patient.contact_type == "patient" or fits(outcome)]
            for column in PAD
        ],
        # What the agent is typing on this card stays as it was typed.
        "draft": {name: Shown(text) for name, text in held.draft.items()},
        "call": None if held.call_id is None else number_values(session, held.call_id, now),
        "agent_name": agent_name,
        "hospital_name": hospital_name,
        "skips": [(code, labels.of(labels.SKIPS, code)) for code in labels.SKIPS],
        "labels": labels,
        "patient_labels": patient_labels,
        "reached": reached(patient),
        "now": now,
        "today": today,
        "earliest": f"{today.isoformat()}T08:00",
    }


def greeted_of(session: HospitalSession, call_id: UUID) -> str:
    """Whom to ask for while the contact person of an organisation is being called, by the full name that the
    dial put on record; empty for any other call.
    """
    call = session.get_one(Call, (session.tenant_id, call_id))
    point = session.get_one(ContactPoint, (session.tenant_id, call.contact_point_id))
    patient = session.get_one(Patient, (session.tenant_id, call.patient_id))
    if patient.contact_type == "patient" or point.holder != "contact":
        return ""
    return _person_of(point.name, point.relation, patient.name)


def address_of(patient: PatientCard) -> str:
    """Whom to ask for: the patient, or the contact person of an organisation, by mask until a dial."""
    if patient.contact_type == "patient":
        return labels.address(patient.name, patient.sex, minor=patient.minor)
    person = next((n for n in patient.all_numbers if n.holder == "contact"), None)
    if person is None:
        return patient.name
    return _person_of(masked_name(person.name), person.relation, patient.name)


def _person_of(name: str, post: str, organisation: str) -> str:
    who = _("{person} ({post})", person=name, post=post) if post else name
    return _("{person} of {organisation}", person=who, organisation=organisation)


def fits(outcome: Outcome) -> bool:
    """Whether a contact with an organisation can end so: what is said of a patient's health is left out."""
    return outcome not in {Outcome.DECEASED, Outcome.CURED, Outcome.TOO_ILL}


def reached(patient: PatientCard) -> list[str]:
    """How the patient is best reached, in words: who answers, in which dialect, when."""
    said = []
    if patient.answered_by:
        said.append(_("Answers: {word}", word=labels.of(preferences.ANSWERERS, patient.answered_by)))
    if patient.dialect:
        said.append(_("Dialect: {word}", word=labels.of(preferences.DIALECTS, patient.dialect)))
    if patient.preferred_part:
        said.append(_("Best time: {word}", word=labels.of(preferences.PARTS, patient.preferred_part)))
    return said


def dialog_values(session: HospitalSession, task: ContactTask, name: str) -> dict[str, Any] | None:
    """The values of a dialog over the card, or None when there is none of this name for this task."""
    panel = card.dialog(session, task, name, languages.current())
    if panel is None:
        return None
    return {"panel": name, "body": Markup(templates.render(panel.template, panel.values))}  # noqa: S704 - as above


def number_values(session: HospitalSession, call_id: UUID, now: datetime) -> dict[str, Any]:
    """A call as the card shows it: whom, answered or not, and for how many seconds it has been going on."""
    call = session.get_one(Call, (session.tenant_id, call_id))
    point = session.get_one(ContactPoint, (session.tenant_id, call.contact_point_id))
    return {
        "call_id": call.id,
        "task_id": call.task_id,
        "point": point,
        "dialled_at": call.dialled_at,
        "connected_at": call.connected_at,
        "elapsed": max(0, int((now - (call.connected_at or call.dialled_at)).total_seconds())),
    }


def last_results(session: HospitalSession, patient_id: UUID) -> dict[UUID, tuple[datetime, str]]:
    """The last outcome of each number of this patient."""
    rows = session.execute(
        select(Call.contact_point_id, Call.dialled_at, Call.outcome)
        .where(Call.tenant_id == session.tenant_id, Call.patient_id == patient_id, Call.outcome.is_not(None))
        .order_by(Call.dialled_at)
    )
    return {row.contact_point_id: (row.dialled_at, row.outcome) for row in rows}


def also_open(session: HospitalSession, task: ContactTask) -> list[ContactTask]:
    """What else is open for the patient, so that one call serves it or nobody is surprised."""
    return list(
        session.scalars(
            select(ContactTask)
            .where(
                ContactTask.tenant_id == session.tenant_id,
                ContactTask.patient_id == task.patient_id,
                ContactTask.state == "open",
                ContactTask.id != task.id,
            )
            .order_by(ContactTask.due_at)
        )
    )


def pad_key(outcome: Outcome) -> PadKey:
    """One outcome as the pad prints it, in the current language."""
    does: Effect = EFFECTS[outcome]
    return PadKey(
        outcome.value,
        does.key,
        labels.of(labels.OUTCOMES, outcome.value),
        labels.effect(outcome),
        does.suppress is not None,
    )
