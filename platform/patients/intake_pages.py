"""Files coming in, on screen (SC-53): the list, and the page of one file through its life."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from foundation import audit, files
from foundation.database import HospitalSession
from foundation.masking import mask_numbers
from foundation.web import cursors
from foundation.web.errors import NotFound
from foundation.web.pages import fragment, page
from patients import (
    intake,
    intake_actions,
    intake_labels,
    labels,
    layouts,
    mapping,
    mapping_pages,
    queries,
    undo_run,
    undoing,
)
from patients.models import DataImport
from tenants.keys import data_key
from tenants.rights import Action
from tenants.visit import Visit

REFRESH = {"HX-Refresh": "true"}


@get("/h/{code:str}/imports", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def imports_page(
    code: FromPath[str], visit: NamedDependency[Visit], after: FromQuery[UUID | None] = None
) -> Response[str]:
    """What came in by whatever way, and the form for the next file."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        cursor = cursors.checked(session, DataImport, after)
        rows = queries.imports(session, after=cursor, limit=queries.PAGE + 1)
        remembered = len(layouts.layouts(session))
    return page(
        "patients/imports.html",
        visit=visit,
        active="imports",
        code=code,
        rows=rows[: queries.PAGE],
        after=rows[queries.PAGE - 1].id if len(rows) > queries.PAGE else None,
        remembered=remembered,
        largest=intake_actions.LARGEST_MB,
        labels=labels,
        words=intake_labels,
    )


@get("/h/{code:str}/imports/{import_id:uuid}", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def import_page(
    code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[str]:
    """One file where it stands: its columns, its progress, its check, or what became of it."""
    values: dict[str, Any] = {}
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        row = _one(session, import_id)
        shown = intake.shown(session, row)
        if row.state == "mapping":
            values = _mapping_values(session, row, shown)
        undone_now = undo_run.is_undoing(row)
        if row.state == "done" and not undone_now and visit.support is None:
            values = {"blocks": undoing.blocks(session, import_id, now=visit.now)}
    return page(
        "patients/import.html",
        visit=visit,
        active="imports",
        code=code,
        row=row,
        preview=shown.get("rows", []),
        ticked=intake.must_be_ticked(row),
        alarms=[intake_labels.alarm(alarm) for alarm in row.alarms],
        failure=intake_labels.failure(row.failure),
        base=f"/h/{code}/imports/{row.id}",
        labels=labels,
        words=intake_labels,
        undoing=undone_now,
        may_change=visit.support is None,
        **values,
    )


def _mapping_values(session: HospitalSession, row: DataImport, shown: Mapping[str, Any]) -> dict[str, Any]:
    last = layouts.last_used(session)
    before = row.columns or (last.columns if last is not None and last.by_hand else {})
    return {
        "columns": mapping.columns(row.header, shown.get("examples", []), before),
        "readable": bool(row.columns),
        "change": next((a for a in row.alarms if a["code"] == layouts.HEADER_CHANGED), None),
    }


@get("/h/{code:str}/imports/{import_id:uuid}/progress", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def import_progress(
    code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[str]:
    """How far it is, asked again and again by the page; when it is over the page loads anew."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        row = _one(session, import_id)
    undone_now = undo_run.is_undoing(row)
    return fragment(
        "patients/_import_progress.html",
        headers=None if undone_now or row.state in intake.AT_WORK else REFRESH,
        undoing=undone_now,
        row=row,
        base=f"/h/{code}/imports/{row.id}",
        labels=labels,
        words=intake_labels,
        may_change=visit.support is None,
    )


@get("/h/{code:str}/imports/{import_id:uuid}/rejected", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def rejected_rows(
    code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[bytes]:
    """The rejected rows as the sender's own format, with the reasons; the download is recorded."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        return rejected_file(session, _one(session, import_id), visit)


@get("/h/{code:str}/imports/{import_id:uuid}/verdicts", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def all_verdicts(
    code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[bytes]:
    """Every row's verdict with its reason; the download is recorded."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        return verdicts_file(session, _one(session, import_id), visit)


def rejected_file(session: HospitalSession, row: DataImport, visit: Visit) -> Response[bytes]:
    """The file of rejected rows; `NotFound` where none was rejected."""
    return _download(session, row, row.rejected_file_id, "patients.rejected_exported", row.rejected, visit)


def verdicts_file(session: HospitalSession, row: DataImport, visit: Visit) -> Response[bytes]:
    """The file of verdicts; `NotFound` where there is none."""
    return _download(session, row, row.verdicts_file_id, "patients.verdicts_exported", row.rows, visit)


def _download(
    session: HospitalSession,
    row: DataImport,
    file_id: UUID | None,
    action: str,
    rows: int,
    visit: Visit,
) -> Response[bytes]:
    if file_id is None:
        raise NotFound
    stored, content = files.get(session, data_key(session), file_id)
    name = mask_numbers(stored.name)
    audit.record(session, action, now=visit.now, subject=f"import:{row.id}", detail={"rows": rows})
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=stored.media_type, headers=headers)


def _one(session: HospitalSession, import_id: UUID) -> DataImport:
    row = queries.one_import(session, import_id)
    if row is None:
        raise NotFound
    return row


handlers: list[ControllerRouterHandler | Any] = [
    imports_page,
    import_page,
    import_progress,
    rejected_rows,
    all_verdicts,
    *intake_actions.handlers,
    *mapping_pages.handlers,
]
