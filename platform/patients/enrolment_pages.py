"""Enrolments on screen (入组): who is in the programme, from when to when and why; taken in by hand."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.web import cursors
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from patients import enrolment, enrolment_queries, labels
from patients.enrolment_queries import Show
from patients.models import Enrolment, Patient
from tenants.rights import Action
from tenants.visit import Visit

LONGEST = 200
SHOWN: dict[Show, str] = {"open": mark("Enrolled"), "ended": mark("Ended"), "cancelled": mark("Taken back")}
START_REASONS = {
    "discharge": mark("After discharge"),
    "lifted": mark("Contact allowed again"),
    "come_of_age": mark("Turned 14"),
    "by_hand": mark("By hand"),
    "reinstated": mark("Again, after a cancellation"),
}
REFUSALS: dict[enrolment.Refusal, str] = {
    "not_inpatient": mark("Only somebody with a stay in hospital can be enrolled."),
    "withdrawn": mark("The hospital took the discharge back."),
    "died": mark("The hospital's data says that this patient has died."),
    "suppressed": mark("Nobody may contact this patient: undo that first."),
    "no_number": mark("There is no number that may be called."),
    "already_enrolled": mark("This patient is enrolled already."),
    "before_last_end": mark("The stay ended before the last enrolment did."),
}


class EnrolForm(msgspec.Struct):
    """Why somebody is enrolled by hand."""

    reason: str = ""


@get("/h/{code:str}/enrolments", needs=Action.VIEW_PATIENTS, sync_to_thread=True)
def enrolments_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    show: FromQuery[str] = "open",
    month: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """Open, ended or cancelled enrolments, of all times or of one month (`2026-09`)."""
    wanted: Show = show if show in SHOWN else "open"
    first = _month(month)
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        cursor = cursors.checked(session, Enrolment, after)
        lines = enrolment_queries.listed(session, wanted, month=first, after=cursor)
        counts = enrolment_queries.counts(session)
    address, size = f"/h/{code}/enrolments", enrolment_queries.PAGE
    kept = f"show={wanted}" + (f"&month={first:%Y-%m}" if first else "")
    return page(
        "patients/enrolments.html",
        visit=visit,
        active="patients",
        code=code,
        lines=lines[:size],
        shown=wanted,
        month=f"{first:%Y-%m}" if first else "",
        following=f"{address}?{kept}&after={lines[size - 1].id}" if len(lines) > size else None,
        tabs=[(_(SHOWN[key]), f"{address}?show={key}", key == wanted, counts[key]) for key in SHOWN],
        labels=labels,
        start_reasons=START_REASONS,
        may_enrol=visit.may(Action.SUPPRESS_PATIENTS, code),
    )


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/enrolment/start",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
)
def start_enrolment(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[EnrolForm],
) -> Redirect:
    """Take somebody into the programme by hand, from today on."""
    if not data.reason.strip():
        raise UserMistake(_("Say why the patient is enrolled."))
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        patient = session.get(Patient, (session.tenant_id, patient_id))
        if patient is None or patient.restricted_at is not None or patient.merged_at is not None:
            raise NotFound
        try:
            enrolment.enrol_by_hand(session, patient_id, reason=data.reason.strip()[:LONGEST], now=visit.now)
        except enrolment.CannotEnrol as error:
            raise UserMistake(_(REFUSALS[error.reason])) from error
    return redirect(f"/h/{code}/patients/{patient_id}", notice=_("Enrolled from today on."))


def _month(text: str) -> date | None:
    """The first day of `2026-09`; None for anything else, which shows all months."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        return None


handlers = [enrolments_page, start_enrolment]
