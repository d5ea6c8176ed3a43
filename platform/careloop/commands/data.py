"""Bringing data in: `careloop import FILE --hospital CODE`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from careloop.assemble import assembled, database_server
from careloop.commands.directory import hospital_of
from careloop.commands.errors import CommandMistake
from careloop.commands.output import report
from foundation import files
from foundation.runtime import Runtime
from foundation.scope import Actor, HospitalScope
from foundation.settings import Settings
from patients import intake, intake_labels, intake_run, labels
from patients.feeds.files import MAX_BYTES
from patients.feeds.messages import UnreadableFile
from patients.models import DataImport
from tenants.keys import data_key

BY = "careloop import"
ASKED_EVERY = 0.5  # seconds, while another process works on it or another import comes first
OWNER_ONLY = 0o600
Json = Annotated[bool, Parameter(name="--json", negative=())]
Columns = Annotated[tuple[str, ...], Parameter(name="--columns", consume_multiple=True, negative=())]


def import_(
    file: Path,
    *,
    hospital: str,
    dry_run: bool = False,
    columns: Columns = (),
    accept_header: Annotated[bool, Parameter(negative=())] = False,
    rejected_to: Path | None = None,
    json: Json = False,
) -> None:
    """Import a hospital's export: patients, encounters, numbers, enrolments.

    Parameters
    ----------
    file
        CSV, TSV, TXT, xls, xlsx or ods; format and encoding are recognised.
    hospital
        The hospital's short code.
    dry_run
        Say what would happen and write nothing.
    columns
        Which column holds which field, as field=heading, where the header is not known; it is remembered.
    accept_header
        Read the file although its header has changed since the last list.
    rejected_to
        Where the rejected rows are written, readable by the owner alone; without it they stay inside.
    json
        Print one JSON object.
    """
    content, chosen, settings = read(file), chosen_columns(columns), Settings()
    with (
        database_server(settings, purpose="careloop import") as server,
        assembled(settings, server, name="import") as parts,
    ):
        scope = HospitalScope(hospital_of(parts, hospital), Actor.system(BY), "import")
        arrival = intake.Arrival(
            "command", BY, parts.clock.now(), chosen, accept_header, go=not dry_run, hint=False
        )
        row = taken_in(parts, scope, content, file.name, arrival, quiet=json)
        written = write_rejected(parts, scope, row, None if dry_run else rejected_to)
    where = str(written) if written else None
    if where is None and row.rejected_file_id is not None and not json:
        where = "kept inside, encrypted; --rejected-to FILE writes it"
    report(told(row, dry_run=dry_run) | {"rejected_file": where}, as_json=json)


def taken_in(
    parts: Runtime,
    scope: HospitalScope,
    content: bytes,
    name: str,
    arrival: intake.Arrival,
    *,
    quiet: bool,
) -> DataImport:
    """The row of a file that was checked or imported; of what was only checked nothing is kept.

    Raises `CommandMistake` with the reason when it failed, and what `intake.receive` raises.
    """
    with parts.database.hospital(scope) as session:
        import_id = intake.receive(session, content, name, arrival).id
    row = followed(parts, scope, import_id, quiet=quiet)
    if row.state == "stopped":
        raise CommandMistake("The import was stopped; nothing of it was kept.")
    if row.state == "failed":
        raise CommandMistake(intake_labels.failure(row.failure))
    if not arrival.go:
        with parts.database.hospital(scope) as session:
            intake.discard(session, import_id)
    return row


def read(file: Path) -> bytes:
    """The file's bytes; a clear sentence for what is no file or too large, before anything is read."""
    if not file.is_file():
        raise CommandMistake(f"There is no file {file}.")
    if file.stat().st_size > MAX_BYTES:
        raise CommandMistake(labels.sentence(UnreadableFile("too_large", limit_mb=MAX_BYTES // 1024 // 1024)))
    return file.read_bytes()


def chosen_columns(words: tuple[str, ...]) -> dict[str, str] | None:
    """Field → heading from words such as `name=姓名`; None for none."""
    chosen: dict[str, str] = {}
    for word in words:
        field, sign, heading = word.partition("=")
        if not sign or not field or not heading:
            raise CommandMistake(f"--columns takes field=heading, not {word}.")
        if field in chosen:
            raise CommandMistake(f"--columns names {field} twice.")
        chosen[field] = heading
    return chosen or None


def followed(parts: Runtime, scope: HospitalScope, import_id: UUID, *, quiet: bool) -> DataImport:
    """Work on it here until it is over; when another process was faster, wait for that one."""
    with progress_bar(quiet=quiet) as listen:
        while True:
            intake_run.run(parts.database, scope, import_id, clock=parts.clock, listen=listen)
            with parts.database.hospital(scope) as session:
                row = session.get(DataImport, (scope.tenant_id, import_id))
            if row is None:
                raise CommandMistake("Somebody dropped this file meanwhile.")
            if row.state not in intake.AT_WORK:
                return row
            listen(row.phase, row.progress, row.progress_of)
            time.sleep(ASKED_EVERY)


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[intake_run.Listener]:
    """A bar on standard error while somebody looks at it; none for programs."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _phase, _done, _of: None
        return
    looks = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*looks, console=console, transient=True) as bar:
        task = bar.add_task("")

        def listen(phase: str, done: int, of: int) -> None:
            words = labels.of(intake_labels.PHASES, phase)
            bar.update(task, description=words, completed=done, total=of or None)

        yield listen


def write_rejected(parts: Runtime, scope: HospitalScope, row: DataImport, target: Path | None) -> Path | None:
    """Write the rejected rows where somebody asked for them: patients' data in the clear, so for the owner
    alone.
    """
    if target is None or row.rejected_file_id is None:
        return None
    with parts.database.hospital(scope) as session:
        _row, content = files.get(session, data_key(session), row.rejected_file_id)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(stream.fileno(), OWNER_ONLY)
        stream.write(content)
    return target


def told(row: DataImport, *, dry_run: bool) -> dict[str, Any]:
    """The counts by name; no person's data. Without ids after a dry run, which keeps nothing."""
    counts = ("rows", "created", "updated", "unchanged", "rejected", "warnings", "reject_reasons")
    found = {name: getattr(row, name) for name in (*counts, "layout", "visit", "dropped_columns")}
    found |= {"suppressed": row.suppressed, "enrolled": row.enrolled, "state": row.state}
    found["alarms"] = [intake_labels.alarm(alarm) for alarm in row.alarms]
    found["import_id"] = None if dry_run else str(row.id)
    found["rejected_file_id"] = str(row.rejected_file_id) if row.rejected_file_id and not dry_run else None
    return found


import_command = App(name="import", help="Import a hospital's export.")
import_command.default(import_)
