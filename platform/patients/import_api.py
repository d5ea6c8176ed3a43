"""Lists over the API: send a file, ask how far it is, decide, and fetch what came back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, MultipartBody
from litestar.types import ControllerRouterHandler

from foundation import audit
from foundation.database import HospitalSession
from foundation.masking import mask_numbers
from foundation.web import cursors
from foundation.web.api import TROUBLES, Trouble
from foundation.web.errors import NotFound
from patients import intake, intake_labels, mapping, queries, undo_run
from patients.intake_actions import LARGEST_BODY, found, readable, received
from patients.intake_pages import rejected_file, verdicts_file
from patients.models import DataImport
from tenants.rights import Action
from tenants.visit import Visit

TOO_LARGE = {
    413: ResponseSpec(Trouble, generate_examples=False, description="The file is too large; nothing is kept.")
}


@dataclass
class SentFile:
    """A list: the file, and where its header is not known a JSON object of field and heading."""

    file: UploadFile | None = None
    columns: str | None = None


class ImportAlarm(msgspec.Struct):
    """What asks for a second look: its code, and a sentence."""

    code: str
    sentence: str


class ImportState(msgspec.Struct):
    """One list and where it stands: rows = created + updated + unchanged + rejected.

    `state` is mapping, checking, checked, waiting, running, done, failed, stopped or undone; `progress` of
    `progress_of` rows are through the step `phase`. `failure` is one sentence, empty when nothing failed.
    `address` is where to ask again.
    """

    id: UUID
    import_id: UUID | None
    state: str
    address: str
    file_name: str
    source: str
    phase: str
    progress: int
    progress_of: int
    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    warnings: dict[str, int]
    reject_reasons: dict[str, int]
    layout: str
    visit: str
    columns: dict[str, list[str]]
    dropped_columns: list[str]
    suppressed: int
    enrolled: int
    alarms: list[ImportAlarm]
    failure: str
    rejected_file_id: UUID | None
    verdicts_file_id: UUID | None
    imported_by: str
    imported_at: datetime
    finished_at: datetime | None


class ImportPage(msgspec.Struct):
    """Lists that came in, the newest first; `after` fetches the next page, null at the end."""

    imports: list[ImportState]
    after: UUID | None


@post(
    "/api/v1/h/{code:str}/imports",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    status_code=202,
    request_max_body_size=LARGEST_BODY,
    summary="Import a patient list",
    responses={**TROUBLES, **TOO_LARGE},
)
def create_import(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    data: MultipartBody[SentFile],
    dry_run: FromQuery[bool] = False,
    accept_header: FromQuery[bool] = False,
) -> ImportState:
    """Take in one file (multipart); it is checked and imported in the background, and `address` says how
    far it is. With `dry_run` it is checked only and waits for its confirmation. `columns` says which column
    holds which field where the header is not known; it is remembered. 422 with one sentence for a file that
    cannot be read, and for a header that has changed unless `accept_header`; then nothing is kept. The same
    file once more while the first is at work gives the first.
    """
    name, content = received(data.file)
    arrival = intake.Arrival(
        "api",
        visit.person.name,
        visit.now,
        columns=mapping.from_json(data.columns) if data.columns else None,
        accept_header=accept_header,
        go=not dry_run,
    )
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, readable():
        return told(code, intake.receive(session, content, name, arrival))


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
    """The lists that came in by whatever way, the newest first, fifty at a time."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        cursor = cursors.checked(session, DataImport, after)
        rows = queries.imports(session, after=cursor, limit=queries.PAGE + 1)
        lines = [told(code, row) for row in rows[: queries.PAGE]]
    return ImportPage(lines, lines[-1].id if len(rows) > queries.PAGE else None)


@get(
    "/api/v1/h/{code:str}/imports/{import_id:uuid}",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    summary="Read one import",
    responses=TROUBLES,
)
def read_import(code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]) -> ImportState:
    """Where a list stands, and its counts."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        return told(code, _one(session, import_id))


@post(
    "/api/v1/h/{code:str}/imports/{import_id:uuid}/confirm",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    status_code=202,
    summary="Import a checked list",
    responses=TROUBLES,
)
def confirm(code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]) -> ImportState:
    """Import what was checked, alarms or not; said twice it is imported once."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found():
        row = intake.confirm(session, import_id, despite_alarms=True, now=visit.now)
        audit.record(session, "patients.import_confirmed", now=visit.now, subject=f"import:{import_id}")
        return told(code, row)


@post(
    "/api/v1/h/{code:str}/imports/{import_id:uuid}/stop",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    status_code=202,
    summary="Stop an import",
    responses=TROUBLES,
)
def stop(code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]) -> ImportState:
    """Stop it at its next point of progress; nothing of it is kept."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found():
        row = intake.stop(session, import_id, now=visit.now)
        audit.record(session, "patients.import_stopped", now=visit.now, subject=f"import:{import_id}")
        return told(code, row)


@post(
    "/api/v1/h/{code:str}/imports/{import_id:uuid}/undo",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    status_code=200,
    summary="Undo an import",
    responses=TROUBLES,
)
def undo(code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]) -> ImportState:
    """Take away what it made and put back what it changed; 422 with what was built on it since. A large one
    is undone in the background: it stays `done`, with the phase `undoing`, until it is `undone`.
    """
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found():
        undo_run.ask(session, import_id, now=visit.now)
        return told(code, _one(session, import_id))


@get(
    "/api/v1/h/{code:str}/imports/{import_id:uuid}/rejected",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    media_type="application/octet-stream",
    summary="Fetch the rejected rows",
    responses=TROUBLES,
)
def rejected(
    code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[bytes]:
    """The rejected rows in the sender's own format, with a column of reasons."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        return _bytes(rejected_file(session, _one(session, import_id), visit))


@get(
    "/api/v1/h/{code:str}/imports/{import_id:uuid}/verdicts",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    media_type="application/octet-stream",
    summary="Fetch the verdict of every row",
    responses=TROUBLES,
)
def verdicts(
    code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[bytes]:
    """What became of every row, and why."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        return _bytes(verdicts_file(session, _one(session, import_id), visit))


def told(code: str, row: DataImport) -> ImportState:
    """A row as a program reads it; `import_id` is None for what was only checked."""
    own: dict[str, Any] = {
        "import_id": row.id if row.state in {"waiting", "running", "done", "undone"} else None,
        "address": f"/api/v1/h/{code}/imports/{row.id}",
        "file_name": mask_numbers(row.file_name),
        "alarms": [ImportAlarm(alarm["code"], intake_labels.alarm(alarm)) for alarm in row.alarms],
        "failure": intake_labels.failure(row.failure),
    }
    rest = {name: getattr(row, name) for name in ImportState.__struct_fields__ if name not in own}
    return ImportState(**own, **rest)


def _bytes(answer: Response[bytes]) -> Response[bytes]:
    answer.media_type = "application/octet-stream"
    return answer


def _one(session: HospitalSession, import_id: UUID) -> DataImport:
    row = queries.one_import(session, import_id)
    if row is None:
        raise NotFound
    return row


handlers: list[ControllerRouterHandler | Any] = [
    create_import,
    list_imports,
    read_import,
    confirm,
    stop,
    undo,
    rejected,
    verdicts,
]
