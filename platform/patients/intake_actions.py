"""What a person does with a file that came in: send it, import it, stop it, drop it, take it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar import post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, MultipartBody, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation import audit
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import redirect
from patients import intake, labels, undo_run
from patients.feeds.files import MAX_BYTES
from patients.feeds.messages import UnreadableFile
from tenants.rights import Action
from tenants.visit import Visit

LARGEST_MB = MAX_BYTES // 1024 // 1024
LARGEST_BODY = MAX_BYTES + 1_000_000
LONGEST_NAME = 120


@dataclass
class Upload:
    """A file, as a form sends it."""

    file: UploadFile | None = None


class ConfirmForm(msgspec.Struct):
    """Whether what asked for a second look had it."""

    looked: str = ""


@post(
    "/h/{code:str}/imports",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    request_max_body_size=LARGEST_BODY,
)
def send_file(code: FromPath[str], visit: NamedDependency[Visit], data: MultipartBody[Upload]) -> Redirect:
    """Take a file for its check; nothing of it is imported. One that cannot be read is not kept."""
    name, content = received(data.file)
    arrival = intake.Arrival("upload", visit.person.name, visit.now, ask=True)
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, readable():
        row = intake.receive(session, content, name, arrival)
    return redirect(f"/h/{code}/imports/{row.id}")


@post("/h/{code:str}/imports/{import_id:uuid}/confirm", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def confirm_import(
    code: FromPath[str],
    import_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ConfirmForm],
) -> Redirect:
    """Import the checked file, in the background."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found():
        confirmed = intake.confirm(session, import_id, despite_alarms=data.looked == "yes", now=visit.now)
        audit.record(session, "patients.import_confirmed", now=visit.now, subject=f"import:{confirmed.id}")
    return redirect(f"/h/{code}/imports/{import_id}")


@post("/h/{code:str}/imports/{import_id:uuid}/stop", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def stop_import(code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Stop it; nothing of it is kept."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found():
        intake.stop(session, import_id, now=visit.now)
        audit.record(session, "patients.import_stopped", now=visit.now, subject=f"import:{import_id}")
    return redirect(f"/h/{code}/imports/{import_id}")


@post("/h/{code:str}/imports/{import_id:uuid}/again", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def try_again(code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Check a failed or stopped file once more."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found():
        intake.try_again(session, import_id, now=visit.now)
    return redirect(f"/h/{code}/imports/{import_id}")


@post("/h/{code:str}/imports/{import_id:uuid}/discard", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def discard_import(code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Do not import it after all; the file is dropped at once."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found():
        intake.discard(session, import_id)
    return redirect(f"/h/{code}/imports", notice=_("The file was dropped; nothing was imported."))


@post("/h/{code:str}/imports/{import_id:uuid}/undo", needs=Action.IMPORT_PATIENTS, sync_to_thread=True)
def undo_import(code: FromPath[str], import_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Take an import back, as long as nothing was built on it."""
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session, found():
        over = undo_run.ask(session, import_id, now=visit.now)
    notice = _("The import was undone.") if over else _("The import is being undone.")
    return redirect(f"/h/{code}/imports/{import_id}", notice=notice)


def received(file: UploadFile | None) -> tuple[str, bytes]:
    """Name (without folders) and content of an uploaded file."""
    if file is None or not file.filename:
        raise UserMistake(_("Choose a file."))
    name = file.filename.replace("\\", "/").rsplit("/", 1)[-1][-LONGEST_NAME:]
    return name.replace("\x00", ""), file.file.read()


@contextmanager
def readable() -> Iterator[None]:
    """A file that cannot be read is a mistake of one sentence."""
    try:
        yield
    except UnreadableFile as error:
        raise UserMistake(labels.sentence(error)) from error


@contextmanager
def found() -> Iterator[None]:
    """An import that this hospital does not have is answered as every such id is."""
    try:
        yield
    except LookupError as error:
        raise NotFound from error


handlers: list[ControllerRouterHandler | Any] = [
    send_file,
    confirm_import,
    stop_import,
    try_again,
    discard_import,
    undo_import,
]
