"""Which column is which, on screen: chosen once for a header, remembered, and forgotten again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation import audit
from foundation.languages import gettext as _
from foundation.web.errors import NotFound
from foundation.web.pages import page, redirect
from patients import intake, intake_labels, labels, layouts
from patients.intake_actions import found, readable
from tenants.rights import Action
from tenants.visit import Visit

COLUMN = "column-"


@post("/h/{code:str}/imports/{import_id:uuid}/columns", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def choose_columns(
    code: FromPath[str],
    import_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[dict[str, str]],
) -> Redirect:
    """Keep what a person chose, and check the file by it."""
    picks = {
        int(name.removeprefix(COLUMN)): field
        for name, field in data.items()
        if name.startswith(COLUMN) and name.removeprefix(COLUMN).isdecimal() and len(name) < 12
    }
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found(), readable():
        row = intake.map_columns(session, import_id, picks, by=visit.person.name, now=visit.now)
        audit.record(
            session,
            "patients.columns_chosen",
            now=visit.now,
            subject=f"import:{row.id}",
            detail={"fields": sorted(row.columns)},
        )
    return redirect(f"/h/{code}/imports/{import_id}")


@post("/h/{code:str}/imports/{import_id:uuid}/header", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def accept_header(code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Read a changed header as it is recognised."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found(), readable():
        row = intake.accept_header(session, import_id, by=visit.person.name, now=visit.now)
        audit.record(
            session,
            "patients.columns_chosen",
            now=visit.now,
            subject=f"import:{row.id}",
            detail={"fields": sorted(row.columns)},
        )
    return redirect(f"/h/{code}/imports/{import_id}")


@get("/h/{code:str}/imports/headers", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def headers_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The headers that are read without a question."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        rows = layouts.layouts(session)
    return page(
        "patients/headers.html",
        visit=visit,
        active="imports",
        code=code,
        rows=rows,
        labels=labels,
        words=intake_labels,
        may_change=visit.support is None,
    )


@post(
    "/h/{code:str}/imports/headers/{layout_id:uuid}/forget", needs=Action.IMPORT_PATIENTS, sync_to_thread=True
)
def forget_header(code: FromPath[str], layout_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Ask about this header again when it next comes."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        forgotten = layouts.forget(session, layout_id)
        if forgotten is None:
            raise NotFound
        audit.record(session, "patients.columns_forgotten", now=visit.now, subject=f"layout:{layout_id}")
    return redirect(f"/h/{code}/imports/headers", notice=_("The header was forgotten."))


handlers: list[ControllerRouterHandler | Any] = [
    choose_columns,
    accept_header,
    headers_page,
    forget_header,
]
