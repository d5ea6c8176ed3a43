"""`careloop demo`: an invented firm lived through, in a browser or as one JSON object."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.request import urlopen

from cyclopts import Parameter
from rich.console import Console

from careloop import processes
from careloop.assemble import (
    DEMO_CLOCK,
    Server,
    assembled,
    database_server,
    list_firms,
    set_demo_clock,
)
from careloop.commands.errors import CommandMistake
from careloop.commands.output import report
from careloop.demo.headless import run_headless
from careloop.demo.house import furnish
from careloop.demo.stage import set_stage
from careloop.demo.story import SAMPLE_MONTH, telling
from foundation.calendar import add_months, local_day_start
from foundation.embedded import EmbeddedServer, private_folder
from foundation.logs import configure
from foundation.settings import Settings

MONTHS = 3
SEED = "2026"
TELLING = "demo-being-told"
READY_SECONDS = 60
FIRST_MORNING = local_day_start(SAMPLE_MONTH) + timedelta(hours=6)
# Days of the month after, until its reports are released (S3-24), and the morning on which the demo's world
# begins: a working Friday, a few minutes after the lines open.
DAYS = 3
BEGINS = local_day_start(date(2026, 12, 4)) + timedelta(hours=9, minutes=5)
Json = Annotated[bool, Parameter(name="--json", negative=())]


def demo(*, headless: bool = False, json: Json = False, out: Path | None = None, seed: str = SEED) -> None:
    """Show the product with an invented firm and twelve invented hospitals.

    Parameters
    ----------
    headless
        Live through September 2026 in a throwaway data folder, without a browser, print the result, and end.
    json
        With --headless: print one JSON object.
    out
        With --headless: the folder that keeps the PDF and Excel files; a new temporary one by default.
    seed
        What the story is drawn from; the same seed tells the same story.
    """
    if headless:
        _headless(out, seed, as_json=json)
        return
    if json or out is not None:
        raise CommandMistake("--json and --out belong to --headless.")
    _in_a_browser(seed)


def _headless(out: Path | None, seed: str, *, as_json: bool) -> None:
    target = out if out is not None else Path(tempfile.mkdtemp(prefix="careloop-demo-"))
    configure("console", level=logging.WARNING)
    with private_folder() as folder:
        settings = Settings(data_dir=folder / "data", demo=True, database_url=None, owner_database_url=None)
        result = run_headless(settings, target.resolve(), seed, progress())
    report(result, as_json=as_json)


def _in_a_browser(seed: str) -> None:
    settings = demo_settings()
    configure(settings.log_format, level=logging.WARNING)
    told = progress()
    _forget_interrupted(settings.data_dir, told)
    told(f"starting the database in {settings.data_dir}")
    with database_server(settings, purpose="careloop demo", exclusive=True) as server:
        if not (settings.data_dir / DEMO_CLOCK).exists():
            _tell(settings, server, seed, told)
        told("starting web, worker and scheduler")
        family = processes.Family(processes.server_environment(settings, server))
        family.start()
        try:
            _announce(settings, told)
            family.watch(lambda command, code: told(f"{command} ended with code {code}, starting it again"))
        finally:
            told("stopping")
            family.stop()


def demo_settings() -> Settings:
    """The settings, with a data folder of the demo's own: invented patients never stand among real ones."""
    given = Settings(demo=True)
    if given.given_server:
        raise CommandMistake("The demo uses a server of its own: unset CARELOOP_DATABASE_URL.")
    if "data_dir" in given.model_fields_set:
        return given
    return given.model_copy(update={"data_dir": given.data_dir.with_name(given.data_dir.name + "-demo")})


def _tell(settings: Settings, server: Server, seed: str, told: Callable[[str], None]) -> None:
    """Three months, once; a marker stands while it is told, so that a broken-off story begins anew."""
    with assembled(settings, server, name="demo", with_broker=False, durable=False) as parts:
        if list_firms(parts.database):
            raise CommandMistake(
                f"{settings.data_dir} holds data that are not the demo's: "
                "set CARELOOP_DATA_DIR to another folder."
            )
        told("first start: telling three months of an invented firm, this takes some minutes")
        marker = settings.data_dir / TELLING
        marker.touch()
        stage = set_stage(parts.database, FIRST_MORNING)
        with telling(stage, seed, told, parts, server.endpoints.runtime_url) as story:
            for count in range(MONTHS):
                month = add_months(SAMPLE_MONTH, count)
                story.month(month)
                story.close(month)
            story.begin(add_months(SAMPLE_MONTH, MONTHS), DAYS)
        furnish(stage, BEGINS - timedelta(hours=16))
        set_demo_clock(settings.data_dir, BEGINS)
        marker.unlink()


def _forget_interrupted(data_dir: Path, told: Callable[[str], None]) -> None:
    """Drop a story that was broken off in the middle, so that it is told from the beginning."""
    if not (data_dir / TELLING).exists():
        return
    told("the story was broken off last time: beginning anew")
    server = EmbeddedServer(data_dir)
    server.start(purpose="careloop demo")
    try:
        server.drop_database("careloop")
    finally:
        server.stop()
    (data_dir / TELLING).unlink()


def _announce(settings: Settings, told: Callable[[str], None]) -> None:
    """Wait until pages are served, then print the address."""
    address = settings.public_url or f"http://{settings.host}:{settings.port}"
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://{settings.host}:{settings.port}/health/ready", timeout=2) as answer:
                if answer.status == HTTPStatus.OK:
                    told(f"ready: {address} (Ctrl+C ends it)")
                    return
        except OSError:
            time.sleep(0.3)
    told(f"the web server did not answer within {READY_SECONDS} seconds; is port {settings.port} taken?")


def progress() -> Callable[[str], None]:
    """Prints one line per step on standard error, with the seconds since the start."""
    started = time.monotonic()
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def told(line: str) -> None:
        console.print(f"[{time.monotonic() - started:6.1f} s] {line}", markup=False)

    return told
