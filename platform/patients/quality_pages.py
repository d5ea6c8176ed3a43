"""The quality of a hospital's data on screen (数据质量, SC-25): lists, each with the way to put it right."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation import audit
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.documents.charts import BarRow, Values, bars
from foundation.documents.figures import Figure
from foundation.documents.spreadsheet import write_csv
from foundation.languages import gettext as _
from foundation.web import cursors
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from patients import (
    feed_labels,
    feed_queries,
    labels,
    quality_files,
    quality_fixes,
    quality_queries,
    queries,
    service,
)
from patients.models import DataProblem, Patient
from patients.quality_queries import Chosen, Counts
from tenants.rights import Action
from tenants.visit import Visit

VIEW, FIX = Action.VIEW_PATIENTS, Action.IMPORT_PATIENTS
BARS = 10
WIDE = 500  # pixels: half the page beside the lists


class AssignForm(msgspec.Struct):
    """The department of a ward."""

    ward: str = ""
    department_id: str = ""


@get("/h/{code:str}/quality", needs=VIEW, sync_to_thread=True)
def wrong_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    ward: FromQuery[str | None] = None,
    department: FromQuery[UUID | None] = None,
    list_id: FromQuery[UUID | None] = None,
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """Wrong numbers by ward and by list; with `ward` the patients of that ward (and list) alone."""
    today = local_date(visit.now)
    chosen = None if ward is None else Chosen(ward, department, list_id)
    with visit.hospital(code, VIEW) as session:
        cursor = cursors.checked(session, Patient, after)
        wards = quality_queries.by_ward(session, today)
        values = {
            "wards": wards,
            "lists": quality_queries.by_file(session, today),
            "people": quality_queries.wrong_numbers(session, chosen, after=cursor),
        }
        counts = quality_queries.counts(session, visit.now)
    kept = {"ward": ward, "department": department, "list_id": list_id}
    query = {name: str(value) for name, value in kept.items() if value is not None}
    return _page(
        "wrong",
        code,
        visit,
        counts,
        chosen=chosen,
        figure=_figure(wards[:BARS]) if wards else None,
        address=lambda line, list_id=None: _address(code, line, list_id),
        query=urlencode(query) + "&" if query else "",
        **values,
    )


@get("/h/{code:str}/quality/unreachable", needs=VIEW, sync_to_thread=True)
def unreachable_page(
    code: FromPath[str], visit: NamedDependency[Visit], after: FromQuery[UUID | None] = None
) -> Response[str]:
    """Patients whom nobody can call, each with a place for the number."""
    with visit.hospital(code, VIEW) as session:
        cursor = cursors.checked(session, Patient, after)
        people = quality_queries.unreachable(session, after=cursor)
        counts = quality_queries.counts(session, visit.now)
    return _page("unreachable", code, visit, counts, people=people)


@get("/h/{code:str}/quality/departments", needs=VIEW, sync_to_thread=True)
def departments_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Stays without a department, by ward, and departments that nobody heads."""
    with visit.hospital(code, VIEW) as session:
        lines = quality_queries.without_department(session)
        known = quality_queries.departments(session)
        headless = quality_queries.without_head(session)
        counts = quality_queries.counts(session, visit.now)
    choices = [("", _("Choose a department")), *((str(key), name) for key, name in known)]
    return _page("departments", code, visit, counts, lines=lines, choices=choices, headless=headless)


@post("/h/{code:str}/quality/departments", needs=FIX, sync_to_thread=True)
def assign_department(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[AssignForm]
) -> Redirect:
    """Give the stays of a ward their department."""
    try:
        department_id = UUID(data.department_id)
    except ValueError as error:
        raise UserMistake(_("Choose a department.")) from error
    with visit.hospital(code, FIX) as session:
        try:
            stays = quality_fixes.assign_department(session, data.ward, department_id, now=visit.now)
        except quality_fixes.UnknownDepartment as error:
            raise NotFound from error
    notice = _("{count} stays have their department now.", count=stays)
    return redirect(f"/h/{code}/quality/departments", notice=notice)


@get("/h/{code:str}/quality/feeds", needs=VIEW, sync_to_thread=True)
def feeds_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """How old each way in of data is; one that is silent for too long is said in red."""
    with visit.hospital(code, VIEW) as session:
        ages = feed_queries.ages(session, visit.now)
        counts = quality_queries.counts(session, visit.now)
    return _page("feeds", code, visit, counts, ages=ages, kinds=feed_labels.KINDS)


@get("/h/{code:str}/quality/problems", needs=VIEW, sync_to_thread=True)
def problems_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    kind: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """Every single thing for the hospital to correct, by kind."""
    wanted = kind if kind in labels.PROBLEMS else None
    with visit.hospital(code, VIEW) as session:
        cursor = cursors.checked(session, DataProblem, after)
        lines = queries.problems(session, kind=wanted, after=cursor, limit=queries.PAGE + 1)
        by_kind = queries.problem_counts(session)
        counts = quality_queries.counts(session, visit.now)
    address = f"/h/{code}/quality/problems"
    kinds = [(_("All"), address, wanted is None, sum(by_kind.values()))]
    kinds += [
        (labels.of(labels.PROBLEMS, name), f"{address}?kind={name}", wanted == name, number)
        for name, number in by_kind.items()
    ]
    return _page(
        "problems",
        code,
        visit,
        counts,
        lines=lines[: queries.PAGE],
        after=lines[queries.PAGE - 1].id if len(lines) > queries.PAGE else None,
        kinds=kinds,
        kind=wanted or "",
    )


@get("/h/{code:str}/problems", needs=VIEW, sync_to_thread=True)
def moved_problems(code: FromPath[str], visit: NamedDependency[Visit], kind: FromQuery[str] = "") -> Redirect:
    """Where this list was before."""
    with visit.hospital(code, VIEW):
        known = kind if kind in labels.PROBLEMS else ""
    return Redirect(f"/h/{code}/quality/problems" + (f"?kind={known}" if known else ""), status_code=302)


@post("/h/{code:str}/problems/{problem_id:uuid}/resolve", needs=FIX, sync_to_thread=True)
def resolve_problem(
    code: FromPath[str], problem_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Redirect:
    """Take one off the list by hand."""
    with visit.hospital(code, FIX) as session:
        cursors.checked(session, DataProblem, problem_id)
        service.resolve_problem(session, problem_id, now=visit.now)
    return redirect(f"/h/{code}/quality/problems", notice=_("Taken off the list."))


@get("/h/{code:str}/quality/csv/{listed:str}", needs=VIEW, sync_to_thread=True)
def quality_file(
    code: FromPath[str], listed: FromPath[str], visit: NamedDependency[Visit]
) -> Response[bytes]:
    """One of the lists as CSV, by mask as on screen; the download is recorded."""
    with visit.hospital(code, VIEW) as session:
        sheet = _sheet(session, listed, visit)
        audit.record(
            session,
            "patients.quality_exported",
            now=visit.now,
            subject=f"list:{listed}",
            detail={"rows": len(list(sheet.rows))},
        )
    headers = {"Content-Disposition": f'attachment; filename="{code}-{listed}.csv"'}
    return Response(write_csv(sheet), media_type="text/csv; charset=utf-8", headers=headers)


def _sheet(session: HospitalSession, listed: str, visit: Visit) -> Any:
    made = quality_files.sheet(session, listed, visit.now)
    if made is None:
        raise NotFound
    return made


def _page(shown: str, code: str, visit: Visit, counts: Counts, **values: Any) -> Response[str]:
    address = f"/h/{code}/quality"
    tabs = [
        (_("Wrong numbers"), address, shown == "wrong", counts.wrong),
        (_("Cannot be called"), f"{address}/unreachable", shown == "unreachable", counts.unreachable),
        (_("No department"), f"{address}/departments", shown == "departments", counts.departments),
        (_("Ways in"), f"{address}/feeds", shown == "feeds", counts.feeds),
        (_("All data to correct"), f"{address}/problems", shown == "problems", counts.problems),
    ]
    return page(
        f"patients/quality_{shown}.html",
        visit=visit,
        active="data_quality",
        code=code,
        tabs=tabs,
        shown=shown,
        labels=labels,
        may_fix=visit.may(FIX, code),
        **values,
    )


def _figure(wards: list[quality_queries.WardLine]) -> Figure:
    rows = [
        BarRow(
            " ".join(part for part in (line.department, line.ward) if part) or _("Ward unknown"),
            line.share,
            note=_("{wrong} of {patients}", wrong=line.wrong, patients=line.patients),
        )
        for line in sorted(wards, key=lambda line: -line.share)
    ]
    values = Values(_("Patients with a wrong number"), percent=True)
    said = _("Share of patients with a wrong number, by ward")
    return bars(rows, values, label_title=_("Ward"), alt_text=said, width=WIDE)


def _address(code: str, line: Any, list_id: UUID | None) -> str:
    chosen = {"ward": line.ward, "department": line.department_id, "list_id": list_id}
    return f"/h/{code}/quality?{urlencode({name: str(v) for name, v in chosen.items() if v is not None})}"


handlers: list[ControllerRouterHandler | Any] = [
    wrong_page,
    unreachable_page,
    departments_page,
    assign_department,
    feeds_page,
    problems_page,
    moved_problems,
    resolve_problem,
    quality_file,
]
