"""Running the product: serve, worker, scheduler, migrate, doctor."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

from cyclopts import Parameter

from careloop.assemble import database_server, migration_target
from careloop.commands.output import report
from careloop.doctor import examine
from careloop.migrate import check as check_schema
from careloop.migrate import upgrade
from foundation.logs import configure
from foundation.settings import Settings

# Imported when a process stays: a web server and a worker are much to load for `careloop migrate`.
PROCESSES = "careloop.processes"
Json = Annotated[bool, Parameter(name="--json", negative=())]


def serve() -> None:
    """Serve pages until stopped."""
    settings = started()
    with database_server(settings, purpose="careloop serve") as server:
        import_module(PROCESSES).run_web(settings, server)


def worker() -> None:
    """Work through background messages until stopped."""
    settings = started()
    with database_server(settings, purpose="careloop worker") as server:
        import_module(PROCESSES).run_worker(settings, server)


def scheduler() -> None:
    """Send the ticks of periodic work until stopped; run exactly one."""
    settings = started()
    with database_server(settings, purpose="careloop scheduler") as server:
        import_module(PROCESSES).run_scheduler(settings, server)


def migrate(*, check: bool = False, json: Json = False) -> None:
    """Bring the database up to date, as the owner, and grant the runtime role what it needs.

    Parameters
    ----------
    check
        Change nothing but the revisions; fail when a model has something that no revision makes.
    json
        Print one JSON object.
    """
    settings = Settings()
    with database_server(settings, purpose="careloop migrate") as server:
        target = migration_target(settings, server)
        upgrade(target)
        if check:
            check_schema(target)
    report({"migrated": True, "runtime_role": target.runtime_role}, as_json=json)


def doctor(*, json: Json = False) -> None:
    """Say what is wrong with this installation and how to mend it; exit code 2 when something is."""
    findings = examine()
    report({finding.name: finding.text() for finding in findings}, as_json=json)
    if any(not finding.good for finding in findings):
        raise SystemExit(2)


def started() -> Settings:
    """The settings, with logging set up for a process that stays."""
    settings = Settings()
    configure(settings.log_format)
    return settings
