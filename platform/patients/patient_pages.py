"""One patient on screen: all that is known in one place (S1-14), and what a mask hides, with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
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
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import fragment, page, redirect
from patients import (
    consent_view,
    joining,
    labels,
    overview,
    preferences,
    queries,
    request_pages,
    requests,
    revealing,
    suppression,
    suppression_effects,
    timeline,
)
from patients.models import ContactPoint, Patient, Suppression
from tenants.keys import unseal
from tenants.rights import Action
from tenants.visit import Visit

LONGEST = 500


class RevealForm(msgspec.Struct):
    """Why what a mask hides is looked at; `what` of a person: `name` or `id_number`."""

    reason: str = ""
    what: str = "name"


@dataclass(frozen=True, slots=True)
class Stopped:
    """A suppression that holds, as the patient's page shows it; `note` is in the clear."""

    row: Suppression
    note: str


@get("/h/{code:str}/patients/{patient_id:uuid}", needs=Action.VIEW_PATIENTS, sync_to_thread=True)
def patient_page(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    show: FromQuery[str] = "",
    before: FromQuery[date | None] = None,
) -> Response[Any]:
    """One patient; that somebody looked is recorded. `show` keeps the history to one kind, `before` to days
    before that one. A record that was merged leads to the one that is kept.
    """
    shown = show if show in timeline.KINDS else ""
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        kept = joining.kept_of(session, patient_id)
        if kept is not None and kept != patient_id:
            return merged_into(code, kept)
        in_use(session, patient_id)
        values = _values(session, patient_id, visit, code) | _rights(visit, code)
        entries = timeline.of(session, patient_id)
        audit.record(session, "patients.viewed", now=visit.now, subject=f"patient:{patient_id}")
    history = timeline.page(entries, kind=shown, before=before)
    return page(
        "patients/patient.html",
        visit=visit,
        active="patients",
        code=code,
        labels=labels,
        history=history,
        show=shown,
        chips=_chips(history, shown, f"/h/{code}/patients/{patient_id}", len(entries)),
        **values,
    )


def merged_into(code: str, kept: UUID) -> Redirect:
    """The way to the record that was kept, said."""
    notice = _("This record was merged into another one; that one is shown.")
    return redirect(f"/h/{code}/patients/{kept}", notice=notice)


def _values(session: HospitalSession, patient_id: UUID, visit: Visit, code: str) -> dict[str, Any]:
    may_ask = visit.may(Action.HANDLE_REQUESTS, code)
    may_stop = visit.may(Action.SUPPRESS_PATIENTS, code)
    reasons = [(code_, labels.of(labels.SUPPRESSION_REASONS, code_)) for code_ in suppression.REASONS]
    return {
        "card": _card(session, patient_id, visit),
        "merges": joining.history(session, patient_id),
        "other_numbers": queries.other_numbers(session, patient_id),
        "stopped": _stopped(session, patient_id),
        "glance": overview.of(session, patient_id, visit.now),
        "consents": consent_view.of(session, patient_id, visit.now),
        "asked": requests.listed(session, patient_id=patient_id) if may_ask else [],
        "request_choices": request_pages.form_choices(),
        "reasons": [("", _("Choose a reason")), *reasons],
        "effects": suppression_effects.of(session, patient_id) if may_stop else [],
        "preferences": preferences,
        "whats": [(what, labels.of(labels.REVEALED, what)) for what in revealing.WHAT],
    }


def _rights(visit: Visit, code: str) -> dict[str, bool]:
    return {
        "may_ask": visit.may(Action.HANDLE_REQUESTS, code),
        "may_suppress": visit.may(Action.SUPPRESS_PATIENTS, code),
        "may_merge": visit.may(Action.MERGE_PATIENTS, code),
        "may_confirm": visit.may(Action.CONFIRM_DEATHS, code),
        "may_correct": visit.may(Action.IMPORT_PATIENTS, code),
        "may_reveal": visit.may(Action.REVEAL, code),
    }


def _chips(
    history: timeline.Page, show: str, address: str, everything: int
) -> list[tuple[str, str, bool, int]]:
    """The filter of the history: kinds that are there, with how many."""
    chips = [(_("All"), f"{address}#history", not show, everything)]
    return chips + [
        (labels.of(timeline.KINDS, kind), f"{address}?show={kind}#history", kind == show, count)
        for kind, count in history.counts.items()
        if count or kind == show
    ]


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
        in_use(session, patient_id)
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
        in_use(session, patient_id)
        point = session.get(ContactPoint, (session.tenant_id, point_id))
        if point is None or point.patient_id != patient_id:
            raise NotFound
        number = revealing.reveal_number(session, point_id, reason=reason, now=visit.now)
        holder = point.name if point.holder == "contact" else ""
    return fragment("patients/_number.html", number=Shown(number), holder=holder)


def in_use(session: HospitalSession, patient_id: UUID) -> None:
    """A patient whose data is restricted or erased is on no page but their request's (PIPL 47), and a merged
    record is changed no more."""
    patient = session.get(Patient, (session.tenant_id, patient_id))
    if patient is not None and (patient.restricted_at is not None or patient.merged_at is not None):
        raise NotFound


def short(words: str) -> str:
    """What was typed, no longer than is kept."""
    return words.strip()[:LONGEST]


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
    return short(data.reason)


handlers: list[ControllerRouterHandler | Any] = [patient_page, reveal_person, reveal]
