"""Patients on screen: the list, one patient's page, and what can be done there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from sqlalchemy import select

from foundation import audit
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.masking import Shown
from foundation.web import cursors
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import fragment, page, redirect
from patients import (
    enrolment,
    intake_pages,
    labels,
    queries,
    request_pages,
    requests,
    revealing,
    service,
    suppression,
    timeline,
)
from patients.models import ContactPoint, Patient, Suppression
from tenants.keys import unseal
from tenants.rights import Action
from tenants.visit import Visit

LONGEST = 500


class SearchForm(msgspec.Struct):
    """What to look for, and the cursor of the page."""

    search: str = ""
    after: UUID | None = None


class RevealForm(msgspec.Struct):
    """Why what a mask hides is looked at; `what` of a person: `name` or `id_number`."""

    reason: str = ""
    what: str = "name"


@dataclass(frozen=True, slots=True)
class Stopped:
    """A suppression that holds, as the patient's page shows it; `note` is in the clear."""

    row: Suppression
    note: str


class SuppressForm(msgspec.Struct):
    """Why nobody may contact this patient any more; `confirmed` is asked for the dead."""

    reason: str = ""
    note: str = ""
    confirmed: str = ""


class ReasonForm(msgspec.Struct):
    """Why something is undone."""

    reason: str = ""


class WordsForm(msgspec.Struct):
    """What must not be said."""

    words: str = ""


@get("/h/{code:str}/patients", needs=Action.VIEW_PATIENTS, sync_to_thread=True)
def patients_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    contact: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """The hospital's patients, masked, the newest first; `contact` keeps to one contact state."""
    wanted = contact if contact in labels.CONTACT_STATES else None
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        found = queries.patients(session, state=wanted, after=cursors.checked(session, Patient, after))
    return _list(visit, code, found, state=wanted or "")


@post(
    "/h/{code:str}/patients/search",
    needs=Action.VIEW_PATIENTS,
    reads=True,
    sync_to_thread=True,
    status_code=200,
)
def search_patients(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[SearchForm]
) -> Response[str]:
    """The same list, searched. By POST: names and numbers do not belong into addresses, which are logged."""
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        cursor = cursors.checked(session, Patient, data.after)
        found = queries.patients(session, data.search, after=cursor)
    return _list(visit, code, found, search=data.search.strip())


def _list(
    visit: Visit, code: str, found: queries.PatientPage, *, search: str = "", state: str = ""
) -> Response[str]:
    return page(
        "patients/list.html",
        visit=visit,
        active="patients",
        code=code,
        found=found,
        search=Shown(search),  # as it was typed
        state=state,
        labels=labels,
        may_import=visit.may(Action.IMPORT_PATIENTS, code),
    )


@get("/h/{code:str}/patients/{patient_id:uuid}", needs=Action.VIEW_PATIENTS, sync_to_thread=True)
def patient_page(
    code: FromPath[str], patient_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[str]:
    """One patient; that somebody looked is recorded."""
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        _in_use(session, patient_id)
        shown = _card(session, patient_id, visit)
        entries = timeline.of(session, patient_id)
        stopped = _stopped(session, patient_id)
        asked = requests.listed(session, patient_id=patient_id)
        audit.record(session, "patients.viewed", now=visit.now, subject=f"patient:{patient_id}")
    reasons = [(reason, labels.of(labels.SUPPRESSION_REASONS, reason)) for reason in suppression.REASONS]
    return page(
        "patients/patient.html",
        visit=visit,
        active="patients",
        code=code,
        card=shown,
        entries=entries,
        stopped=stopped,
        reasons=[("", _("Choose a reason")), *reasons],
        labels=labels,
        asked=asked,
        request_choices=request_pages.form_choices(),
        may_ask=visit.may(Action.HANDLE_REQUESTS, code),
        may_suppress=visit.may(Action.SUPPRESS_PATIENTS, code),
        may_reveal=visit.may(Action.REVEAL, code),
        whats=[(what, labels.of(labels.REVEALED, what)) for what in revealing.WHAT],
    )


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/reveal",
    needs=Action.REVEAL,
    sync_to_thread=True,
    status_code=200,
)
def reveal_person(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[RevealForm],
) -> Response[str]:
    """Show the name or the identity number, with a reason, on the record."""
    if data.what not in revealing.WHAT:
        raise UserMistake(_("Choose what to show."))
    reason = _reason(data)
    with visit.hospital(code, Action.REVEAL) as session:
        _in_use(session, patient_id)
        try:
            text = revealing.reveal_person(session, patient_id, data.what, reason=reason, now=visit.now)
        except suppression.UnknownPatient as error:
            raise NotFound from error
    return fragment("patients/_number.html", number=Shown(text or "—"), holder="")


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/numbers/{point_id:uuid}/reveal",
    needs=Action.REVEAL,
    sync_to_thread=True,
    status_code=200,
)
def reveal(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    point_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[RevealForm],
) -> Response[str]:
    """Show one number and, of a contact person, the name, with a reason, on the record."""
    reason = _reason(data)
    with visit.hospital(code, Action.REVEAL) as session:
        _in_use(session, patient_id)
        point = session.get(ContactPoint, (session.tenant_id, point_id))
        if point is None or point.patient_id != patient_id:
            raise NotFound
        number = revealing.reveal_number(session, point_id, reason=reason, now=visit.now)
        holder = point.name if point.holder == "contact" else ""
    return fragment("patients/_number.html", number=Shown(number), holder=holder)


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/suppress", needs=Action.SUPPRESS_PATIENTS, sync_to_thread=True
)
def suppress(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[SuppressForm],
) -> Redirect:
    """Stop every contact with this patient. The dead need a second confirmation (S4-15)."""
    if data.reason not in suppression.REASONS:
        raise UserMistake(_("Choose a reason."))
    if data.reason == "deceased" and data.confirmed != "yes":
        raise UserMistake(_("Tick the box to confirm that the patient has died."))
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        _in_use(session, patient_id)
        try:
            suppression.suppress(
                session, patient_id, data.reason, note=_short(data.note), source="card", now=visit.now
            )
        except suppression.UnknownPatient as error:
            raise NotFound from error
    return redirect(f"/h/{code}/patients/{patient_id}", notice=_("Nobody will contact this patient."))


@post(
    "/h/{code:str}/suppressions/{suppression_id:uuid}/lift",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
)
def lift(
    code: FromPath[str],
    suppression_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ReasonForm],
) -> Redirect:
    """Undo: enrolment and contacts come back as they were."""
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        try:
            row = suppression.lift(session, suppression_id, now=visit.now, reason=_short(data.reason))
        except suppression.UnknownSuppression as error:
            raise NotFound from error
        patient_id = row.patient_id
        still = suppression.active_reasons(session, patient_id)
    notice = _("One reason less; another one still holds.") if still else _("Contacts are allowed again.")
    return redirect(f"/h/{code}/patients/{patient_id}", notice=notice)


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/enrolment/cancel",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
)
def cancel_enrolment(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ReasonForm],
) -> Redirect:
    """Take a patient out of the programme; free within seven days."""
    if not data.reason.strip():
        raise UserMistake(_("Say why the patient leaves the programme."))
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        _in_use(session, patient_id)
        try:
            row = enrolment.cancel(session, patient_id, reason=_short(data.reason), now=visit.now)
        except enrolment.NotEnrolled as error:
            raise UserMistake(_("This patient is not enrolled.")) from error
        free = row.cancelled_on is not None
    notice = _("Enrolment cancelled, free of charge.") if free else _("The enrolment ends today.")
    return redirect(f"/h/{code}/patients/{patient_id}", notice=notice)


@post("/h/{code:str}/patients/{patient_id:uuid}/words", needs=Action.SUPPRESS_PATIENTS, sync_to_thread=True)
def set_words(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[WordsForm],
) -> Redirect:
    """Note what must not be said."""
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        _in_use(session, patient_id)
        try:
            service.set_must_not_say(session, patient_id, _short(data.words), now=visit.now)
        except suppression.UnknownPatient as error:
            raise NotFound from error
    return redirect(f"/h/{code}/patients/{patient_id}", notice=_("Saved."))


def _in_use(session: HospitalSession, patient_id: UUID) -> None:
    """A patient whose data is restricted or erased is on no page but their request's (PIPL 47)."""
    patient = session.get(Patient, (session.tenant_id, patient_id))
    if patient is not None and patient.restricted_at is not None:
        raise NotFound


def _card(session: HospitalSession, patient_id: UUID, visit: Visit) -> queries.PatientCard:
    try:
        return queries.shown_card(session, patient_id, today=local_date(visit.now))
    except suppression.UnknownPatient as error:
        raise NotFound from error


def _stopped(session: HospitalSession, patient_id: UUID) -> list[Stopped]:
    rows = session.scalars(
        select(Suppression)
        .where(
            Suppression.tenant_id == session.tenant_id,
            Suppression.patient_id == patient_id,
            Suppression.lifted_at.is_(None),
        )
        .order_by(Suppression.started_at)
    )
    return [Stopped(row, unseal(session, row.note_cipher)) for row in rows]


def _reason(data: RevealForm) -> str:
    if not data.reason.strip():
        raise UserMistake(_("Say why you need to see it."))
    return _short(data.reason)


def _short(words: str) -> str:
    return words.strip()[:LONGEST]


handlers: list[ControllerRouterHandler | Any] = [
    patients_page,
    search_patients,
    patient_page,
    reveal_person,
    reveal,
    suppress,
    lift,
    cancel_enrolment,
    set_words,
    *intake_pages.handlers,
    *request_pages.handlers,
]
