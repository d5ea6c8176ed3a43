"""Waves on screen (S1-1): organisations asked with their own questionnaire, and what they answered."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation.calendar import first_of_month, local_date
from foundation.languages import gettext as _
from foundation.languages import mark, ngettext
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from foundation.web.typed import whole_number
from patients import labels as patient_labels
from patients.organisations import TYPES
from surveys import contact_queries, labels, sample_queries, waves
from surveys.instrument import load
from surveys.sample_pages import find
from tenants.rights import Action
from tenants.visit import Visit

REFUSALS = {
    "types": mark("Choose at least one kind of organisation."),
    "days": mark("A wave runs between 3 and 90 days."),
    "this_month": mark("A wave has been started this month; the next one can begin next month."),
    "nobody": mark("There is no organisation of the chosen kinds."),
}


class WaveForm(msgspec.Struct):
    """Which kinds are asked, one field each, and for how many days."""

    partner_hospital: str = ""
    community_centre: str = ""
    company: str = ""
    government: str = ""
    ngo: str = ""
    days: str = str(waves.USUAL_DAYS)


@get("/h/{code:str}/waves", needs=Action.VIEW_PLANS, sync_to_thread=True)
def waves_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The waves, the newest first, and the form for the next one."""
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        found = sample_queries.samples(session, audience=waves.AUDIENCE)
        numbers = contact_queries.counts(session)
    month = first_of_month(local_date(visit.now))
    return page(
        "surveys/waves.html",
        visit=visit,
        active="plans",
        code=code,
        found=found,
        kinds=[
            (one, patient_labels.of(patient_labels.CONTACT_TYPES, one), numbers.get(one, 0)) for one in TYPES
        ],
        total=sum(numbers.values()),
        started=any(one.month == month for one in found),
        days=waves.USUAL_DAYS,
        instrument=load(waves.AUDIENCE),
        may_start=visit.may(Action.MANAGE_CONTACTS, code),
        may_view=visit.may(Action.VIEW_PATIENTS, code),
    )


@post("/h/{code:str}/waves", needs=Action.MANAGE_CONTACTS, sync_to_thread=True)
def start_wave(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[WaveForm]
) -> Redirect:
    """Begin to ask."""
    chosen = [one for one in TYPES if getattr(data, one) == "yes"]
    sentence = REFUSALS["days"]
    days = whole_number(data.days, waves.LEAST_DAYS, waves.MOST_DAYS, _(sentence))
    with visit.hospital(code, Action.MANAGE_CONTACTS) as session:
        try:
            sample, made = waves.start(session, chosen, days=days, now=visit.now)
        except waves.WaveRefused as error:
            raise UserMistake(_(REFUSALS[error.reason])) from error
        sample_id = sample.id
    notice = ngettext(
        "{count} organisation will be called.", "{count} organisations will be called.", made.made
    )
    return redirect(f"/h/{code}/waves/{sample_id}", notice=notice)


@get("/h/{code:str}/waves/{sample_id:uuid}", needs=Action.VIEW_PLANS, sync_to_thread=True)
def wave_page(code: FromPath[str], sample_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[str]:
    """One wave: who was reached, who answered, and how."""
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        sample = find(session, sample_id)
        if sample.audience != waves.AUDIENCE:
            raise NotFound
        results = contact_queries.wave_results(session, sample_id)
    return page(
        "surveys/wave.html",
        visit=visit,
        active="plans",
        code=code,
        sample=sample,
        results=results,
        labels=labels,
        kinds=patient_labels.CONTACT_TYPES,
        may_view=visit.may(Action.VIEW_PATIENTS, code),
    )


handlers: list[ControllerRouterHandler] = [waves_page, start_wave, wave_page]
