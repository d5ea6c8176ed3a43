"""Organisations on screen (S1-1): partner hospitals, community centres, companies, government, social
organisations; what happened with each stands on the page that patients have.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation.calendar import local_date
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.masking import Shown
from foundation.web import cursors
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from patients import labels as patient_labels
from patients import organisations
from patients.models import Patient
from patients.organisations import Organisation, OrganisationRefused, UnknownOrganisation
from surveys import contact_queries
from tenants.rights import Action
from tenants.visit import Visit

LONGEST = 500
REFUSALS = {
    "type": mark("Choose the kind of the organisation."),
    "name": mark("The organisation needs a name of at most 80 characters."),
    "person": mark("Whom to speak with needs a name; name and post have at most 40 characters each."),
    "number": mark("The contact person needs a number that can be dialled in mainland China."),
    "second": mark("The second number cannot be dialled in mainland China."),
    "code": mark("A number has letters, digits, points and hyphens, at most 32."),
    "code_taken": mark("This number is in use already."),
    "since": mark("The cooperation cannot begin in the future."),
    "reason": mark("Choose a reason."),
}


class OrganisationForm(msgspec.Struct):
    """An organisation as typed; of one that is stored an empty number is left as it is."""

    contact_type: str = ""
    name: str = ""
    person: str = ""
    position: str = ""
    number: str = ""
    second: str = ""
    record: str = ""
    since: str = ""


class EndForm(msgspec.Struct):
    """Why a cooperation rests, or goes on."""

    reason: str = ""
    note: str = ""


@get("/h/{code:str}/contacts", needs=Action.VIEW_PATIENTS, sync_to_thread=True)
def contacts_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    kind: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """The organisations, the newest first; `kind` keeps to one kind."""
    chosen = kind if kind in organisations.TYPES else None
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        cursor = cursors.checked(session, Patient, after)
        lines, following = contact_queries.organisations(session, contact_type=chosen, after=cursor)
        numbers = contact_queries.counts(session)
    return page(
        "surveys/contacts.html",
        visit=visit,
        active="patients",
        code=code,
        lines=lines,
        after=following,
        kind=chosen or "",
        kinds=[(one, _kind(one), numbers.get(one, 0)) for one in organisations.TYPES],
        total=sum(numbers.values()),
        labels=patient_labels,
        may_manage=visit.may(Action.MANAGE_CONTACTS, code),
    )


@get("/h/{code:str}/contacts/new", needs=Action.MANAGE_CONTACTS, sync_to_thread=True)
def new_contact(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The form for a new organisation."""
    with visit.hospital(code, Action.MANAGE_CONTACTS):
        pass
    return _form(visit, code, None, OrganisationForm())


@post("/h/{code:str}/contacts", needs=Action.MANAGE_CONTACTS, sync_to_thread=True)
def add_contact(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[OrganisationForm]
) -> Redirect:
    """Store a new organisation."""
    with visit.hospital(code, Action.MANAGE_CONTACTS) as session:
        try:
            row = organisations.add(session, _typed(data), today=local_date(visit.now), now=visit.now)
        except OrganisationRefused as error:
            raise UserMistake(_(REFUSALS[error.reason])) from error
        patient_id, number = row.id, row.record_number
    return redirect(f"/h/{code}/patients/{patient_id}", notice=_("Stored as {number}.", number=number))


@get("/h/{code:str}/contacts/{patient_id:uuid}", needs=Action.MANAGE_CONTACTS, sync_to_thread=True)
def edit_contact(
    code: FromPath[str], patient_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[str]:
    """The form of an organisation; its numbers stay hidden, and what is left empty stays as it is."""
    with visit.hospital(code, Action.MANAGE_CONTACTS) as session:
        line = contact_queries.organisation(session, patient_id)
        if line is None:
            raise NotFound
        points = organisations.points_of(session, patient_id)
        person = points["contact"].name if "contact" in points else ""
        second = points["patient"].number_masked if "patient" in points else ""
    form = OrganisationForm(
        contact_type=line.contact_type,
        name=line.name,
        person=Shown(person),  # whoever may write the name down may read it here
        position=line.position,
        record=line.record_number,
        since=line.since.isoformat() if line.since else "",
    )
    return _form(visit, code, line, form, second=second)


@post("/h/{code:str}/contacts/{patient_id:uuid}", needs=Action.MANAGE_CONTACTS, sync_to_thread=True)
def change_contact(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[OrganisationForm],
) -> Redirect:
    """Write down what is different."""
    with visit.hospital(code, Action.MANAGE_CONTACTS) as session:
        try:
            organisations.change(
                session, patient_id, _typed(data), today=local_date(visit.now), now=visit.now
            )
        except UnknownOrganisation as error:
            raise NotFound from error
        except OrganisationRefused as error:
            raise UserMistake(_(REFUSALS[error.reason])) from error
    return redirect(f"/h/{code}/patients/{patient_id}", notice=_("Saved."))


@post("/h/{code:str}/contacts/{patient_id:uuid}/end", needs=Action.MANAGE_CONTACTS, sync_to_thread=True)
def end_contact(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[EndForm],
) -> Redirect:
    """The cooperation rests: every contact stops at once."""
    with visit.hospital(code, Action.MANAGE_CONTACTS) as session:
        try:
            organisations.end(session, patient_id, data.reason, note=_short(data.note), now=visit.now)
        except UnknownOrganisation as error:
            raise NotFound from error
        except OrganisationRefused as error:
            raise UserMistake(_(REFUSALS[error.reason])) from error
    return redirect(f"/h/{code}/contacts/{patient_id}", notice=_("Nobody contacts this organisation now."))


@post("/h/{code:str}/contacts/{patient_id:uuid}/resume", needs=Action.MANAGE_CONTACTS, sync_to_thread=True)
def resume_contact(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[EndForm],
) -> Redirect:
    """The cooperation goes on."""
    with visit.hospital(code, Action.MANAGE_CONTACTS) as session:
        try:
            organisations.resume(session, patient_id, reason=_short(data.note), now=visit.now)
        except UnknownOrganisation as error:
            raise NotFound from error
    return redirect(f"/h/{code}/contacts/{patient_id}", notice=_("Contacts are allowed again."))


def _form(
    visit: Visit,
    code: str,
    line: contact_queries.OrganisationLine | None,
    form: OrganisationForm,
    *,
    second: str = "",
) -> Response[str]:
    return page(
        "surveys/contact.html",
        visit=visit,
        active="patients",
        code=code,
        line=line,
        form=form,
        second=second,
        kinds=[("", _("Choose a kind")), *((one, _kind(one)) for one in organisations.TYPES)],
        reasons=[(one, _reason(one)) for one in organisations.END_REASONS],
        today=local_date(visit.now).isoformat(),
        labels=patient_labels,
    )


def _typed(data: OrganisationForm) -> Organisation:
    try:
        since = date.fromisoformat(data.since) if data.since else None
    except ValueError as error:
        raise UserMistake(_("This is no day.")) from error
    return Organisation(
        contact_type=data.contact_type,
        name=data.name,
        person=data.person,
        position=data.position,
        number=data.number,
        second=data.second,
        code=data.record,
        since=since,
    )


def _kind(code: str) -> str:
    return patient_labels.of(patient_labels.CONTACT_TYPES, code)


def _reason(code: str) -> str:
    return patient_labels.of(patient_labels.SUPPRESSION_REASONS, code)


def _short(words: str) -> str:
    return words.strip()[:LONGEST]


handlers: list[ControllerRouterHandler] = [
    contacts_page,
    new_contact,
    add_contact,
    edit_contact,
    change_contact,
    end_contact,
    resume_contact,
]
