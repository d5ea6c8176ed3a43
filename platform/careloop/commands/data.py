"""Bringing data in: `careloop import FILE --hospital CODE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from careloop.assemble import assembled, database_server
from careloop.commands.directory import hospital_of
from careloop.commands.errors import CommandMistake
from careloop.commands.output import report
from foundation import files
from foundation.languages import gettext
from foundation.scope import Actor, HospitalScope
from foundation.settings import Settings
from patients.importing import import_file
from tenants.keys import data_key

LARGEST_BYTES = 2 * 1024**3
Json = Annotated[bool, Parameter(name="--json", negative=())]


def import_(
    file: Path,
    *,
    hospital: str,
    dry_run: bool = False,
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
    rejected_to
        Where the rejected rows are written; beside the file by default.
    json
        Print one JSON object.
    """
    content = read(file)
    settings = Settings()
    with (
        database_server(settings, purpose="careloop import") as server,
        assembled(settings, server, name="import") as parts,
    ):
        scope = HospitalScope(hospital_of(parts, hospital), Actor.system("careloop import"), "import")
        with parts.database.hospital(scope) as session:
            result = import_file(
                session,
                content,
                file.name,
                by="careloop import",
                now=parts.clock.now(),
                dry_run=dry_run,
                translate=gettext,
            )
            rejected: tuple[str, bytes] | None = None
            if result.rejected_file_id is not None:
                row, rows = files.get(session, data_key(session), result.rejected_file_id)
                rejected = (row.name, rows)
    written = None
    if rejected is not None:
        written = rejected_to or file.with_name(rejected[0])
        written.write_bytes(rejected[1])
    report({**result.as_dict(), "rejected_file": written and str(written)}, as_json=json)


def read(file: Path) -> bytes:
    """The file's bytes; a clear sentence for what is no file or too large."""
    if not file.is_file():
        raise CommandMistake(f"There is no file {file}.")
    if file.stat().st_size > LARGEST_BYTES:
        raise CommandMistake(f"{file} is larger than 2 GB.")
    return file.read_bytes()


import_command = App(name="import", help="Import a hospital's export.")
import_command.default(import_)
