"""Requests about one's own data, on screen: taken down, identity checked, decided, handed over."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from foundation import audit
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.masking import Shown
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from patients import labels, requests, restriction, suppression
from patients.restriction import Correction
from tenants.rights import Action
from tenants.visit import Visit

TAKES, DECIDES = Action.HANDLE_REQUESTS, Action.DECIDE_REQUESTS


class RequestForm(msgspec.Struct):
    """A request as it is taken down."""

    kind: str = ""
    requester: str = ""
    channel: str = ""
    wish: str = ""
    asked_on: str = ""


class ProofForm(msgspec.Struct):
    """How the identity was checked."""

    proof: str = ""


class ReasonForm(msgspec.Struct):
    """Why something is refused, handed over or taken up again."""

    reason: str = ""


class CorrectionForm(msgspec.Struct):
    """What is put right; an empty field stays."""

    name: str = ""
    sex: str = ""
    birth_date: str = ""
    id_number: str = ""
    phone: str = ""
    contact_name: str = ""
    contact_phone: str = ""


class EraseForm(msgspec.Struct):
    """The tick before an erasure."""

    confirmed: str = ""


@get("/h/{code:str}/requests", needs=TAKES, sync_to_thread=True)
def requests_page(
    code: FromPath[str], visit: NamedDependency[Visit], show: FromQuery[str] = "open"
) -> Response[str]:
    """The hospital's requests, the most urgent first."""
    wanted = show if show in labels.REQUEST_STATES else "open"
    with visit.hospital(code, TAKES) as session:
        lines = requests.listed(session, state=wanted)
        late = requests.overdue_count(session, local_date(visit.now))
    address = f"/h/{code}/requests"
    return page(
        "patients/requests.html",
        visit=visit,
        active="patients",
        code=code,
        lines=lines,
        late=late,
        today=local_date(visit.now),
        labels=labels,
        tabs=[
            (labels.of(labels.REQUEST_STATES, state), f"{address}?show={state}", state == wanted)
            for state in labels.REQUEST_STATES
        ],
        shown=wanted,
    )


@post("/h/{code:str}/patients/{patient_id:uuid}/requests", needs=TAKES, sync_to_thread=True)
def register(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[RequestForm],
) -> Redirect:
    """Take a request down."""
    asked_on = day_of(data.asked_on) or local_date(visit.now)
    with visit.hospital(code, TAKES) as session:
        try:
            row = requests.register(
                session,
                patient_id,
                kind=data.kind,
                requester=data.requester,
                channel=data.channel,
                wish=data.wish,
                asked_on=asked_on,
                now=visit.now,
            )
        except suppression.UnknownPatient as error:
            raise NotFound from error
        request_id = row.id
    return _back(code, request_id, _("The request is noted; the clock runs."))


@get("/h/{code:str}/requests/{request_id:uuid}", needs=TAKES, sync_to_thread=True)
def request_page(
    code: FromPath[str], request_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[str]:
    """One request; that somebody read the wish is recorded."""
    with visit.hospital(code, TAKES) as session:
        line = _one(session, request_id)
        wish = requests.wish_of(session, line.row)
        if line.row.kind == "correction" and line.row.identity_checked_at and visit.may(DECIDES, code):
            wish = Shown(wish)  # the number to put in stands here; that it was read is on record
        open_erasure = line.row.kind == "erasure" and line.row.state == "open"
        today = local_date(visit.now)
        holds = restriction.holds(session, line.row.patient_id, today) if open_erasure else []
        audit.record(session, "patients.request_viewed", now=visit.now, subject=f"request:{request_id}")
    return page(
        "patients/request.html",
        visit=visit,
        active="patients",
        code=code,
        line=line,
        row=line.row,
        wish=wish,
        holds=holds,
        today=today,
        labels=labels,
        proofs=_choices(labels.PROOFS, _("Choose how")),
        sexes=_choices(labels.SEXES, _("unchanged")),
        may_decide=visit.may(DECIDES, code),
    )


@post("/h/{code:str}/requests/{request_id:uuid}/identity", needs=TAKES, sync_to_thread=True)
def confirm_identity(
    code: FromPath[str],
    request_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ProofForm],
) -> Redirect:
    """Whoever asks has shown who they are."""
    with visit.hospital(code, TAKES) as session:
        _one(session, request_id)
        requests.confirm_identity(session, request_id, proof=data.proof, now=visit.now)
    return _back(code, request_id, _("Saved."))


@post("/h/{code:str}/requests/{request_id:uuid}/refuse", needs=DECIDES, sync_to_thread=True)
def refuse(
    code: FromPath[str],
    request_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ReasonForm],
) -> Redirect:
    """Decline, with a reason."""
    with visit.hospital(code, DECIDES) as session:
        _one(session, request_id)
        requests.refuse(session, request_id, reason=data.reason, now=visit.now)
    return _back(code, request_id, _("Refused; tell the reason to whoever asked."))


@post("/h/{code:str}/requests/{request_id:uuid}/copy", needs=DECIDES, sync_to_thread=True)
def prepare_copy(code: FromPath[str], request_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Have the copy made."""
    with visit.hospital(code, DECIDES) as session:
        _one(session, request_id)
        requests.prepare_copy(session, request_id, now=visit.now)
    return _back(code, request_id, _("The copy is being made."))


@post(
    "/h/{code:str}/requests/{request_id:uuid}/hand-out", needs=DECIDES, sync_to_thread=True, status_code=200
)
def hand_out(
    code: FromPath[str],
    request_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ReasonForm],
) -> Response[bytes]:
    """The copy, once."""
    with visit.hospital(code, DECIDES) as session:
        _one(session, request_id)
        name, content = requests.hand_out(session, request_id, reason=data.reason, now=visit.now)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type="application/zip", headers=headers)


@post("/h/{code:str}/requests/{request_id:uuid}/correct", needs=DECIDES, sync_to_thread=True)
def correct(
    code: FromPath[str],
    request_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[CorrectionForm],
) -> Redirect:
    """Put data right."""
    if data.sex not in {"", *labels.SEXES}:
        raise UserMistake(_("Choose a sex, or leave it as it is."))
    wanted = Correction(
        name=data.name[:100],
        sex=data.sex,
        birth_date=day_of(data.birth_date),
        id_number=data.id_number,
        phone=data.phone,
        contact_name=data.contact_name[:100],
        contact_phone=data.contact_phone,
    )
    if wanted.birth_date is not None and wanted.birth_date > local_date(visit.now):
        raise UserMistake(_("The birth date lies in the future."))
    with visit.hospital(code, DECIDES) as session:
        _one(session, request_id)
        requests.correct(session, request_id, wanted, now=visit.now)
    return _back(code, request_id, _("Corrected."))


@post("/h/{code:str}/requests/{request_id:uuid}/restrict", needs=DECIDES, sync_to_thread=True)
def restrict(code: FromPath[str], request_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Keep the data and use it no more."""
    with visit.hospital(code, DECIDES) as session:
        _one(session, request_id)
        requests.restrict(session, request_id, now=visit.now)
    return _back(code, request_id, _("Restricted: nobody sees or contacts this patient any more."))


@post("/h/{code:str}/requests/{request_id:uuid}/erase", needs=DECIDES, sync_to_thread=True)
def erase(
    code: FromPath[str],
    request_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[EraseForm],
) -> Redirect:
    """Erase the patient's data, for good."""
    if data.confirmed != "yes":
        raise UserMistake(_("Tick the box: there is no way back."))
    with visit.hospital(code, DECIDES) as session:
        _one(session, request_id)
        requests.erase(session, request_id, now=visit.now)
    return _back(code, request_id, _("Erased: nothing personal is left."))


@post("/h/{code:str}/requests/{request_id:uuid}/lift", needs=DECIDES, sync_to_thread=True)
def lift(
    code: FromPath[str],
    request_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ReasonForm],
) -> Redirect:
    """Use a restricted patient's data again."""
    with visit.hospital(code, DECIDES) as session:
        line = _one(session, request_id)
        restriction.lift(session, line.row.patient_id, reason=data.reason[:500], now=visit.now)
    return _back(code, request_id, _("The restriction is lifted."))


def _one(session: HospitalSession, request_id: UUID) -> requests.RequestLine:
    try:
        return requests.one(session, request_id)
    except requests.UnknownRequest as error:
        raise NotFound from error


def _choices(texts: dict[str, str], first: str) -> list[tuple[str, str]]:
    return [("", first), *((key, labels.of(texts, key)) for key in texts)]


def form_choices() -> dict[str, list[tuple[str, str]]]:
    """What the form on the patient's page offers."""
    return {
        "kind": _choices(labels.REQUEST_KINDS, _("Choose")),
        "requester": [(key, labels.of(labels.REQUESTERS, key)) for key in labels.REQUESTERS],
        "channel": [(key, labels.of(labels.REQUEST_CHANNELS, key)) for key in labels.REQUEST_CHANNELS],
    }


def day_of(typed: str) -> date | None:
    """A day as a form holds it; None for nothing typed."""
    if not typed.strip():
        return None
    try:
        return date.fromisoformat(typed.strip())
    except ValueError as error:
        raise UserMistake(_("A date as 2026-03-12, please.")) from error


def _back(code: str, request_id: UUID, notice: str) -> Redirect:
    return redirect(f"/h/{code}/requests/{request_id}", notice=notice)


handlers: list[Any] = [
    requests_page,
    register,
    request_page,
    confirm_identity,
    refuse,
    prepare_copy,
    hand_out,
    correct,
    restrict,
    erase,
    lift,
]
