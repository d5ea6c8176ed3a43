"""Patient lists over the API: send a file, see what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, MultipartBody
from litestar.types import ControllerRouterHandler

from foundation.languages import gettext
from foundation.masking import mask_numbers
from foundation.web import cursors
from foundation.web.api import TROUBLES
from foundation.web.errors import UserMistake
from patients import importing, labels, patients_api, queries
from patients.feeds.messages import UnreadableFile
from patients.intake_pages import LARGEST_BODY, Upload, received
from patients.models import DataImport
from tenants.rights import Action
from tenants.visit import Visit


class ImportResult(msgspec.Struct):
    """What became of a file: rows = created + updated + unchanged + rejected. After a dry run without ids."""

    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    warnings: dict[str, int]
    reject_reasons: dict[str, int]
    layout: str
    visit: str
    dropped_columns: list[str]
    suppressed: int
    enrolled: int
    import_id: UUID | None
    rejected_file_id: UUID | None


class ImportLine(msgspec.Struct):
    """One file that came in."""

    id: UUID
    file_name: str
    layout: str
    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    warnings: dict[str, int]
    reject_reasons: dict[str, int]
    imported_by: str
    imported_at: datetime


class ImportPage(msgspec.Struct):
    """Files that came in, the newest first; `after` fetches the next page, null at the end."""

    imports: list[ImportLine]
    after: UUID | None


@post(
    "/api/v1/h/{code:str}/imports",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    request_max_body_size=LARGEST_BODY,
    summary="Import a patient list",
    responses=TROUBLES,
)
def create_import(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    data: MultipartBody[Upload],
    dry_run: FromQuery[bool] = False,
) -> ImportResult:
    """Take in one file (multipart); with `dry_run` only say what would become of it. 422 with one sentence
    for a file that cannot be read, and then nothing is written."""
    name, content = received(data)
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        try:
            report = importing.import_file(
                session,
                content,
                name,
                by=visit.person.name,
                now=visit.now,
                dry_run=dry_run,
                translate=gettext,
            )
        except UnreadableFile as error:
            raise UserMistake(labels.sentence(error)) from error
    return msgspec.convert(report.as_dict(), ImportResult)


@get(
    "/api/v1/h/{code:str}/imports",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    summary="List imported files",
    responses=TROUBLES,
)
def list_imports(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    after: FromQuery[UUID | None] = None,
) -> ImportPage:
    """The files that came in, the newest first, fifty at a time."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        cursor = cursors.checked(session, DataImport, after)
        rows = queries.imports(session, after=cursor, limit=queries.PAGE + 1)
        lines = [_line(row) for row in rows[: queries.PAGE]]
    return ImportPage(lines, lines[-1].id if len(rows) > queries.PAGE else None)


def _line(row: DataImport) -> ImportLine:
    line = ImportLine(**{field: getattr(row, field) for field in ImportLine.__struct_fields__})
    line.file_name = mask_numbers(line.file_name)
    return line


handlers: list[ControllerRouterHandler | Any] = [create_import, list_imports, *patients_api.handlers]
