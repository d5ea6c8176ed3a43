"""Files coming in, on screen: the list, the check before the import, the result, and data to correct."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, MultipartBody, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation import audit, files
from foundation.languages import gettext
from foundation.languages import gettext as _
from foundation.masking import masked_name
from foundation.web import cursors
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from patients import importing, labels, queries, service, uploads
from patients.feeds.files import MAX_BYTES, read_table
from patients.feeds.headers import recognise
from patients.feeds.messages import UnreadableFile
from patients.feeds.records import parse
from patients.models import DataImport, DataProblem
from patients.phones import mask_phone
from tenants.keys import data_key
from tenants.rights import Action
from tenants.visit import Visit

LARGEST_BODY = MAX_BYTES + 1_000_000
LONGEST_NAME = 120


@dataclass
class Upload:
    """A file, as a form or a program sends it."""

    file: UploadFile | None = None


class ConfirmForm(msgspec.Struct):
    """Which checked file is to be imported."""

    file_id: UUID


@get("/h/{code:str}/imports", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def imports_page(
    code: FromPath[str], visit: NamedDependency[Visit], after: FromQuery[UUID | None] = None
) -> Response[str]:
    """The files that came in, and the form for the next."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        cursor = cursors.checked(session, DataImport, after)
        rows = queries.imports(session, after=cursor, limit=queries.PAGE + 1)
    return page(
        "patients/imports.html",
        visit=visit,
        active="imports",
        code=code,
        rows=rows[: queries.PAGE],
        after=rows[queries.PAGE - 1].id if len(rows) > queries.PAGE else None,
        labels=labels,
    )


@post(
    "/h/{code:str}/imports/check",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    request_max_body_size=LARGEST_BODY,
)
def check_upload(code: FromPath[str], visit: NamedDependency[Visit], data: MultipartBody[Upload]) -> Redirect:
    """Take a file for its check; nothing of it is imported. One that cannot be read is not kept."""
    name, content = received(data)
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        try:
            parse(read_table(content, name))
        except UnreadableFile as error:
            raise UserMistake(labels.sentence(error)) from error
        file_id = uploads.keep(session, name, content, now=visit.now)
    return redirect(f"/h/{code}/imports/check/{file_id}")


@get("/h/{code:str}/imports/check/{file_id:uuid}", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def check_page(code: FromPath[str], file_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[str]:
    """What an import of this file would do (SC-53): verdicts, and the first rows before and after."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        try:
            name, content = uploads.read(session, file_id)
        except uploads.UploadGone as error:
            raise NotFound from error
        report = importing.import_file(
            session, content, name, by=visit.person.name, now=visit.now, dry_run=True
        )
    return page(
        "patients/check.html",
        visit=visit,
        active="imports",
        code=code,
        file_id=file_id,
        file_name=name,
        report=report,
        kept=[index for index, head in enumerate(report.header) if head not in report.dropped_columns],
        masks=_masks(report),
        labels=labels,
        masked_name=masked_name,
        mask_phone=mask_phone,
    )


MASKS: dict[str, Callable[[str], str]] = {
    "name": masked_name,
    "contact_name": masked_name,
    "phone": mask_phone,
    "contact_phone": mask_phone,
}


def _masks(report: importing.ImportReport) -> dict[int, Callable[[str], str]]:
    """How the cells of a column are shown as they were sent: people's names and numbers by mask."""
    columns = recognise(report.header).columns
    return {index: mask for field, mask in MASKS.items() for index in columns.get(field, ())}


@post("/h/{code:str}/imports", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def confirm_import(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[ConfirmForm]
) -> Redirect:
    """Import the checked file."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        try:
            name, content = uploads.take(session, data.file_id)
        except uploads.UploadGone as error:
            # Imported already, dropped after a day, or never this hospital's: one answer for all.
            raise NotFound from error
        report = importing.import_file(
            session, content, name, by=visit.person.name, now=visit.now, translate=gettext
        )
    return redirect(
        f"/h/{code}/imports/{report.import_id}",
        notice=_("{rows} rows were read, {created} are new.", rows=report.rows, created=report.created),
    )


@post("/h/{code:str}/imports/check/{file_id:uuid}/discard", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def discard_upload(code: FromPath[str], file_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Do not import it after all; the file is dropped at once."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        if not uploads.discard(session, file_id):
            raise NotFound
    return redirect(f"/h/{code}/imports", notice=_("The file was dropped; nothing was imported."))


@get("/h/{code:str}/imports/{import_id:uuid}", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def import_page(
    code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[str]:
    """What became of one file."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        row = queries.one_import(session, import_id)
    if row is None:
        raise NotFound
    return page("patients/import.html", visit=visit, active="imports", code=code, row=row, labels=labels)


@get("/h/{code:str}/imports/{import_id:uuid}/rejected", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def rejected_rows(
    code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[bytes]:
    """The rejected rows as the sender's own format, with the reasons; the download is recorded."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        row = queries.one_import(session, import_id)
        if row is None or row.rejected_file_id is None:
            raise NotFound
        stored, content = files.get(session, data_key(session), row.rejected_file_id)
        name, media_type = stored.name, stored.media_type
        audit.record(
            session,
            "patients.rejected_exported",
            now=visit.now,
            subject=f"import:{import_id}",
            detail={"rows": row.rejected},
        )
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=media_type, headers=headers)


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


def received(data: Upload) -> tuple[str, bytes]:
    """Name (without folders) and content of an uploaded file."""
    if data.file is None or not data.file.filename:
        raise UserMistake(_("Choose a file."))
    name = data.file.filename.replace("\\", "/").rsplit("/", 1)[-1][-LONGEST_NAME:]
    return name, data.file.file.read()


handlers: list[ControllerRouterHandler | Any] = [
    imports_page,
    check_upload,
    check_page,
    confirm_import,
    discard_upload,
    import_page,
    rejected_rows,
    problems_page,
    resolve_problem,
]
