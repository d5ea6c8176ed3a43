"""A hospital's departure on screen (SC-58): for the firm, which begins and erases, and for the hospital's
director, who takes the data and signs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Stream

from foundation import catalogue
from foundation.database import FirmSession
from foundation.languages import current
from foundation.languages import gettext as _
from foundation.scope import HospitalScope
from foundation.web.errors import Forbidden, NotFound, UserMistake
from foundation.web.pages import fragment, page, redirect
from tenants.labels import DEPARTURE_STATES
from tenants.life import departure, departure_export
from tenants.models import Departure
from tenants.oversight.firm_audit import note
from tenants.rights import Action
from tenants.visit import Visit

BEGINS, SIGNS = Action.OFFBOARD_HOSPITAL, Action.SIGN_DEPARTURE
T = TypeVar("T")


class ReasonForm(msgspec.Struct):
    """Why a hospital leaves, or stays after all."""

    reason: str = ""


class SignForm(msgspec.Struct):
    """The tick under the count sheet."""

    confirmed: str = ""


class EraseForm(msgspec.Struct):
    """The hospital's code, typed out."""

    typed: str = ""


@dataclass(frozen=True, slots=True)
class CountLine:
    """One table of the count sheet, in the reader's language."""

    table: str
    term: str
    rows: int


@get("/h/{code:str}/departure", needs=SIGNS, asks_itself=True, sync_to_thread=True)
def departure_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Where the departure stands, and what comes next."""
    row = _look(visit, code)
    return page(
        "tenants/departure.html",
        visit=visit,
        active="departure" if visit.may(SIGNS, code) else "settings",
        code=code,
        row=row,
        face=visit.reached[code].face,
        counts=_counts(row),
        states=DEPARTURE_STATES,
        may_begin=visit.may(BEGINS, code),
        may_sign=visit.may(SIGNS, code),
    )


@get("/h/{code:str}/departure/progress", needs=SIGNS, asks_itself=True, sync_to_thread=True)
def progress(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """How far the export is; the page is loaded anew when it is over."""
    row = _look(visit, code)
    headers = None if row is not None and row.state == "exporting" else {"HX-Refresh": "true"}
    return fragment("tenants/_departure_progress.html", headers=headers, code=code, row=row)


@post("/h/{code:str}/departure/begin", needs=BEGINS, sync_to_thread=True)
def begin(code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[ReasonForm]) -> Redirect:
    """Let a hospital leave: contacts stop at once."""
    with visit.hospital(code, BEGINS) as session:
        departure.stop_hospital(session, reason=data.reason, now=visit.now)
        tenant_id = session.tenant_id
    _act(visit, code, BEGINS, lambda s: departure.begin(s, tenant_id, reason=data.reason, now=visit.now))
    return _back(code, _("The hospital is leaving: nobody is contacted any more."))


@post("/h/{code:str}/departure/export", needs=BEGINS, sync_to_thread=True)
def start_export(code: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Begin the export, or make it anew."""
    tenant_id = _tenant(visit, code)
    _act(visit, code, BEGINS, lambda s: departure.start_export(s, tenant_id, now=visit.now))
    return _back(code, _("The export has begun."))


@post("/h/{code:str}/departure/export/stop", needs=BEGINS, sync_to_thread=True)
def stop_export(code: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Stop the export."""
    tenant_id = _tenant(visit, code)
    _act(visit, code, BEGINS, lambda s: departure.stop_export(s, tenant_id))
    return _back(code, _("The export was stopped."))


@post("/h/{code:str}/departure/withdraw", needs=BEGINS, sync_to_thread=True)
def withdraw(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[ReasonForm]
) -> Redirect:
    """Stay after all: the work is taken up where it stopped."""
    tenant_id = _tenant(visit, code)
    if not data.reason.strip():
        raise UserMistake(_("Please give a reason."))
    _act(visit, code, BEGINS, lambda s: departure.withdraw(s, tenant_id, now=visit.now))
    with visit.hospital(code, BEGINS) as session:
        departure.take_back(session, reason=data.reason, now=visit.now)
    return _back(code, _("The departure was withdrawn; the hospital goes on as before."))


@get("/h/{code:str}/departure/data", needs=SIGNS, sync_to_thread=True)
def download(code: FromPath[str], visit: NamedDependency[Visit]) -> Stream:
    """The hospital's data as one ZIP file, for its director; the download is on record."""
    row = _act(visit, code, SIGNS, lambda s: departure.current(s, _tenant(visit, code)))
    if row is None or row.exported_at is None or row.state not in {"exported", "signed"}:
        raise NotFound
    with visit.hospital(code, SIGNS) as session:
        if not departure_export.parts_are_there(session, row.export_parts):
            raise NotFound
        departure.record(session, "downloaded", now=visit.now, bytes=row.export_bytes)
        scope = HospitalScope(session.tenant_id, visit.actor, SIGNS.value)
    _act(visit, code, SIGNS, lambda s: departure.downloaded(s, scope.tenant_id, now=visit.now))
    name = f"{row.code}-{row.exported_at:%Y%m%d}.zip"
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "Content-Length": str(row.export_bytes),
    }
    content = departure_export.pieces(visit.database, scope, row.export_parts)
    return Stream(content, media_type="application/zip", headers=headers)


@post("/h/{code:str}/departure/sign", needs=SIGNS, sync_to_thread=True)
def sign(code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[SignForm]) -> Redirect:
    """Sign the count sheet for the hospital."""
    if data.confirmed != "yes":
        raise UserMistake(_("Tick the box: you have the data and agree to its erasure."))
    tenant_id = _tenant(visit, code)
    row = _act(visit, code, SIGNS, lambda s: departure.sign(s, tenant_id, now=visit.now))
    with visit.hospital(code, SIGNS) as session:
        departure.record(session, "signed", now=visit.now, sha256=(row.export_sha256 or b"").hex())
    return _back(code, _("Signed. The firm may erase the data now."))


@post("/h/{code:str}/departure/erase", needs=BEGINS, sync_to_thread=True)
def erase(code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[EraseForm]) -> Redirect:
    """Erase the hospital, for good. Its address answers nobody from the first moment on."""
    tenant_id = _tenant(visit, code)
    row = _act(
        visit, code, BEGINS, lambda s: departure.start_erasure(s, tenant_id, typed=data.typed, now=visit.now)
    )
    if row.state != "erasing":
        raise UserMistake(_(departure.CHANGED))
    return redirect("/firm/departures", notice=_("The erasure has begun."))


@get("/firm/departures", needs=BEGINS, sync_to_thread=True)
def departures_page(visit: NamedDependency[Visit]) -> Response[str]:
    """Hospitals that leave or have left, with their certificates."""
    with visit.firm(BEGINS) as session:
        rows = departure.departures(session)
    here = {row.tenant_id for row in rows}
    return page(
        "tenants/departures.html",
        visit=visit,
        active="settings",
        rows=rows,
        states=DEPARTURE_STATES,
        others=[face for face in visit.chips if face.tenant_id not in here and visit.may(BEGINS, face.code)],
    )


@get("/firm/departures/{departure_id:uuid}/certificate", needs=BEGINS, sync_to_thread=True)
def certificate(departure_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[bytes]:
    """The certificate of erasure as a PDF; the firm keeps it for good."""
    with visit.firm(BEGINS) as session:
        row = departure.one(session, departure_id)
        if row is None or row.certificate is None:
            raise NotFound
        note(
            session,
            "tenants.certificate_downloaded",
            now=visit.now,
            subject=f"hospital:{row.tenant_id}",
            code=row.code,
        )
        name, content = f"{row.code}-certificate.pdf", row.certificate
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type="application/pdf", headers=headers)


def _look(visit: Visit, code: str) -> Departure | None:
    if not (visit.may(BEGINS, code) or visit.may(SIGNS, code)):
        raise Forbidden
    action = SIGNS if visit.may(SIGNS, code) else BEGINS
    return _act(visit, code, action, lambda s: departure.current(s, _tenant(visit, code)))


def _act(visit: Visit, code: str, action: Action, do: Callable[[FirmSession], T]) -> T:
    """Do something on the firm's side of this hospital, after asking whether the person may."""
    visit.require(code, action)
    face = visit.reached[code].face
    scope = HospitalScope(face.tenant_id, visit.actor, action.value)
    with departure.opened(visit.database, face.firm_id, scope) as session:
        return do(session)


def _tenant(visit: Visit, code: str) -> UUID:
    return visit.reached[code].face.tenant_id


def _counts(row: Departure | None) -> list[CountLine]:
    if row is None or not row.counts:
        return []
    rows: dict[str, int] = row.counts.get("rows", {})
    return [
        CountLine(name, _term(name), number)
        for name, number in sorted(rows.items(), key=lambda pair: -pair[1])
    ]


def _term(table: str) -> str:
    known = catalogue.classes().get(table)
    chinese = catalogue.described(known.__doc__ or "")[0] if known is not None else ""
    return chinese if current() == "zh_Hans" else ""


def _back(code: str, notice: str) -> Redirect:
    return redirect(f"/h/{code}/departure", notice=notice)


handlers: list[Any] = [
    departure_page,
    progress,
    begin,
    start_export,
    stop_export,
    withdraw,
    download,
    sign,
    erase,
    departures_page,
    certificate,
]
