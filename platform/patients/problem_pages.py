"""Data for the hospital to correct, on screen."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation.languages import gettext as _
from foundation.web import cursors
from foundation.web.pages import page, redirect
from patients import labels, queries, service
from patients.models import DataProblem
from tenants.rights import Action
from tenants.visit import Visit


@get("/h/{code:str}/problems", needs=Action.VIEW_PATIENTS, sync_to_thread=True)
def problems_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    kind: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """Data for the hospital to correct."""
    wanted = kind if kind in labels.PROBLEMS else None
    with visit.hospital(code, Action.VIEW_PATIENTS) as session:
        cursor = cursors.checked(session, DataProblem, after)
        lines = queries.problems(session, kind=wanted, after=cursor, limit=queries.PAGE + 1)
        counts = queries.problem_counts(session)
    address = f"/h/{code}/problems"
    tabs = [(_("All"), address, wanted is None, sum(counts.values()))]
    tabs += [
        (labels.of(labels.PROBLEMS, name), f"{address}?kind={name}", wanted == name, number)
        for name, number in counts.items()
    ]
    return page(
        "patients/problems.html",
        visit=visit,
        active="patients",
        code=code,
        lines=lines[: queries.PAGE],
        after=lines[queries.PAGE - 1].id if len(lines) > queries.PAGE else None,
        counts=counts,
        tabs=tabs,
        kind=wanted or "",
        labels=labels,
        may_resolve=visit.may(Action.IMPORT_PATIENTS, code),
    )


@post("/h/{code:str}/problems/{problem_id:uuid}/resolve", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def resolve_problem(
    code: FromPath[str], problem_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Redirect:
    """Take one off the list by hand."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        cursors.checked(session, DataProblem, problem_id)
        service.resolve_problem(session, problem_id, now=visit.now)
    return redirect(f"/h/{code}/problems", notice=_("Taken off the list."))


handlers: list[ControllerRouterHandler | Any] = [problems_page, resolve_problem]
