"""The ledger (SC-21), a case (SC-23) and its steps."""

from __future__ import annotations

from typing import Any, get_args
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from feedback import access, detail, export, labels, service
from feedback.access import Act, Reader, Step
from feedback.card_pages import handlers as card_handlers
from feedback.errors import CaseRefused, UnknownCase
from feedback.queries import VIEWS, LedgerQuery, View, departments, ledger, ledger_size
from feedback.tags import CATEGORIES
from foundation import audit
from foundation.database import HospitalSession
from foundation.documents.spreadsheet import write_csv, write_xlsx
from foundation.languages import gettext as _
from foundation.web.errors import Forbidden, NotFound, UserMistake
from foundation.web.pages import page, redirect
from foundation.web.typed import row_of
from tenants.life import agreement
from tenants.rights import Action
from tenants.visit import Visit

PAGE = 50
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class StepForm(msgspec.Struct):
    """One step of a case: what was said or done, for whom, and the level of a callback."""

    note: str = ""
    owner: str = ""
    level: str = ""
    told: str = ""


@get("/h/{code:str}/cases", needs=Action.VIEW_CASES, sync_to_thread=True)
def cases(
    code: FromPath[str],
    visit: Visit,
    view: FromQuery[str] = "open",
    category: FromQuery[str] = "",
    tier: FromQuery[str] = "",
    department: FromQuery[str] = "",
    search: FromQuery[str] = "",
    start: FromQuery[int] = 0,
) -> Response[str]:
    """The ledger."""
    with visit.hospital(code, Action.VIEW_CASES) as session:
        query = query_of(visit, code, view, category, tier, department, search)
        offset = row_of(start)
        rows = ledger(session, query, visit.now, limit=PAGE, offset=offset)
        size = ledger_size(session, query, visit.now)
        choices = departments(session)
    return page(
        "feedback/cases.html",
        visit=visit,
        active="cases",
        code=code,
        now=visit.now,
        query=query,
        views=[
            (
                labels.view_name(name),
                _address(code, query, view=name),
                name == query.view,
                size if name == query.view else None,
            )
            for name in VIEWS
        ],
        heads=[column.title for column in export.columns()],
        lines=[(row, export.cells(row, visit.now, query), export.hidden(row, query)) for row in rows],
        size=size,
        first=offset + 1 if rows else 0,
        last=offset + len(rows),
        previous=_address(code, query, start=max(offset - PAGE, 0)) if offset else None,
        following=_address(code, query, start=offset + PAGE) if offset + len(rows) < size else None,
        categories=[(name, labels.category_name(name)) for name in CATEGORIES],
        tiers=[(str(number), labels.tier_name(number)) for number in (1, 2, 3)],
        departments=[(str(id_), name) for id_, name in choices],
        exports=[(kind, _address(code, query, format=kind)) for kind in ("xlsx", "csv")]
        if visit.may(Action.EXPORT_CASES, code)
        else [],
    )


@get("/h/{code:str}/cases/export", needs=Action.EXPORT_CASES, sync_to_thread=True)
def export_cases(
    code: FromPath[str],
    visit: Visit,
    view: FromQuery[str] = "open",
    category: FromQuery[str] = "",
    tier: FromQuery[str] = "",
    department: FromQuery[str] = "",
    search: FromQuery[str] = "",
    format: FromQuery[str] = "xlsx",  # noqa: A002 - the word in the address
) -> Response[bytes]:
    """The ledger as a file, whole: the columns, rows and order of the page."""
    if format not in {"xlsx", "csv"}:
        raise NotFound
    with visit.hospital(code, Action.EXPORT_CASES) as session:
        agreement.require_for_export(session, doing="feedback.export", now=visit.now)
        query = query_of(visit, code, view, category, tier, department, search)
        rows = ledger(session, query, visit.now)
        audit.record(
            session,
            "feedback.exported",
            now=visit.now,
            detail={"rows": len(rows), "view": query.view, "format": format},
        )
    made = export.sheet(rows, query, by=visit.person.name, now=visit.now)
    name = f"cases-{code}-{visit.now:%Y%m%d}"
    if format == "csv":
        return _file(write_csv(made), f"{name}.csv", "text/csv; charset=utf-8")
    return _file(write_xlsx([made], title=made.name, generated=visit.now), f"{name}.xlsx", XLSX)


@get("/h/{code:str}/cases/{case_id:uuid}", needs=Action.VIEW_CASES, sync_to_thread=True)
def case_page(code: FromPath[str], case_id: FromPath[UUID], visit: Visit) -> Response[str]:
    """One case."""
    with visit.hospital(code, Action.VIEW_CASES) as session:
        try:
            found = detail.case_detail(session, case_id, reader_of(visit, code), visit.now)
        except UnknownCase as error:
            raise NotFound from error
    return page(
        "feedback/case.html",
        visit=visit,
        active="cases",
        code=code,
        now=visit.now,
        found=found,
        case=found.case,
        label=labels,
        levels=[(level, labels.level_name(level)) for level in range(6, 0, -1)],
    )


@post("/h/{code:str}/cases/{case_id:uuid}/{act:str}", needs=Action.HANDLE_CASES, sync_to_thread=True)
def step(
    code: FromPath[str],
    case_id: FromPath[UUID],
    act: FromPath[str],
    visit: Visit,
    data: URLEncodedBody[StepForm],
) -> Redirect:
    """Make a step, if this person may make it now."""
    if act not in get_args(Act):
        raise NotFound
    with visit.hospital(code, Action.HANDLE_CASES) as session:
        reader = reader_of(visit, code)
        try:
            case = detail.find_case(session, case_id, reader)
            wanted = Step(act, data.owner or None)  # type: ignore[arg-type]
            if wanted not in detail.steps_of(session, case, reader):
                reason = access.why_not(case, reader, wanted.act)
                if reason is None:
                    raise Forbidden
                raise CaseRefused(reason)
            _take(session, case_id, wanted, data, visit)
            session.flush()
            over = detail.put_away(session, detail.find_case(session, case_id, reader))
        except UnknownCase as error:
            raise NotFound from error
        except CaseRefused as error:
            raise UserMistake(labels.refusal_text(error.reason)) from error
    here = f"/h/{code}/cases"
    return redirect(here if over else f"{here}/{case_id}", notice=_("Saved."))


def _take(session: HospitalSession, case_id: UUID, wanted: Step, data: StepForm, visit: Visit) -> None:
    """The service of each step."""
    who: dict[str, Any] = {"actor": visit.actor, "now": visit.now}
    note = data.note.strip()
    if wanted.act == "acknowledge":
        service.acknowledge(session, case_id, owner=wanted.owner, note=note, **who)
        return
    if not note and wanted.act != "callback":
        raise CaseRefused("note_missing")
    if wanted.act == "progress":
        service.add_progress(session, case_id, note, told=data.told == "yes", **who)
    elif wanted.act in {"plan", "investigate"}:
        service.meet(session, case_id, wanted.act, note=note, **who)
    elif wanted.act == "handled":
        service.mark_handled(session, case_id, note=note, **who)
    elif wanted.act == "medical_affairs":
        service.hand_to_medical_affairs(session, case_id, note=note, **who)
    elif data.level in {"unreachable", "refused"}:
        service.record_callback(session, case_id, None, note=note, because=data.level, **who)  # type: ignore[arg-type]
    else:
        service.record_callback(session, case_id, labels.level_of(data.level), note=note, **who)


def reader_of(visit: Visit, code: str) -> Reader:
    """Who looks, towards this hospital."""
    return Reader(visit.person.id, visit.rights(code), visit.departments(code))


def query_of(
    visit: Visit, code: str, view: str, category: str, tier: str, department: str, search: str
) -> LedgerQuery:
    """The query of an address; what is no value of ours is left out."""
    chosen: View = next((name for name in VIEWS if name == view), "open")
    return LedgerQuery(
        view=chosen,
        category=category if category in CATEGORIES else None,
        tier=int(tier) if tier in {"1", "2", "3"} else None,
        department_id=_uuid(department),
        search=search.strip()[:40],
        departments=visit.departments(code),
        disputes=visit.may(Action.VIEW_DISPUTES, code),
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _address(code: str, query: LedgerQuery, **changes: Any) -> str:
    """The same list, changed; with `format` the address of the file."""
    values = {
        "view": query.view,
        "category": query.category,
        "tier": query.tier,
        "department": query.department_id,
        "search": query.search,
    } | changes
    path = f"/h/{code}/cases" + ("/export" if "format" in changes else "")
    return f"{path}?{urlencode({key: str(value) for key, value in values.items() if value})}"


def _file(content: bytes, name: str, media_type: str) -> Response[bytes]:
    return Response(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


handlers = [cases, export_cases, case_page, step, *card_handlers]
