"""Putting a process together: settings, database, keys, clock, broker, and the rooms' wiring."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import structlog
from dramatiq.errors import BrokerError
from psycopg import Error as PsycopgError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from careloop.migrate import Target, upgrade
from careloop.wiring import wire
from foundation import outbox, runtime
from foundation.broker import BrokerSender, make_broker
from foundation.clock import Clock, SystemClock
from foundation.database import Database
from foundation.embedded import DataFolderHeld, EmbeddedServer, Endpoints
from foundation.encryption import MasterKey
from foundation.runtime import Hospital, Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings, master_key_bytes
from tenants.models import DirectoryEntry

log = structlog.get_logger()
DEMO_CLOCK = "demo-clock.json"
HOLDER_SECONDS = 20


class OwnerUrlMissing(Exception):
    """A given server is used without CARELOOP_OWNER_DATABASE_URL where the owner is needed."""


@dataclass(frozen=True, slots=True)
class Server:
    """The database server in use: how to reach it, and whether this process holds it."""

    endpoints: Endpoints
    held_here: bool


@contextmanager
def database_server(settings: Settings, *, purpose: str, exclusive: bool = False) -> Iterator[Server]:
    """The given server, or the embedded one: held by this process, or by another of ours that is running.

    With `exclusive` a running holder is an error (foundation.embedded.DataFolderHeld). A server that this
    process
    starts is brought up to date first.
    """
    if settings.database_url is not None:
        owner = settings.owner_database_url
        yield Server(
            Endpoints(
                owner_url=owner.get_secret_value() if owner else "",
                runtime_url=settings.database_url.get_secret_value(),
            ),
            held_here=False,
        )
        return
    server = EmbeddedServer(settings.data_dir)
    deadline = time.monotonic() + HOLDER_SECONDS
    while True:
        running = None if exclusive else EmbeddedServer.running(settings.data_dir)
        if running is not None:
            yield Server(running, held_here=False)
            return
        try:
            endpoints = server.start(purpose=purpose)
            break
        except DataFolderHeld:
            # Another process of ours may just be starting the server that we want to use.
            if exclusive or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    try:
        upgrade(Target.of(endpoints.owner_url, endpoints.runtime_url, partial(master_key_bytes, settings)))
        yield Server(endpoints, held_here=True)
    finally:
        server.stop()


def migration_target(settings: Settings, server: Server) -> Target:
    """What `careloop migrate` works on; raises `OwnerUrlMissing`."""
    if not server.endpoints.owner_url:
        raise OwnerUrlMissing
    return Target.of(
        server.endpoints.owner_url, server.endpoints.runtime_url, partial(master_key_bytes, settings)
    )


@contextmanager
def assembled(
    settings: Settings, server: Server, *, name: str, with_broker: bool = True, durable: bool = True
) -> Iterator[Runtime]:
    """The running parts of this process, installed for its jobs; closed again at the end."""
    with ExitStack() as stack:
        key = MasterKey(master_key_bytes(settings))
        database = Database.connect(
            server.endpoints.runtime_url,
            master_key=key,
            pool_size=settings.worker_threads + 10,
            application_name=f"careloop-{name}",
            durable=durable,
        )
        stack.callback(database.close)
        parts = Runtime(settings, database, clock_of(settings), key)
        parts.hospitals = lambda: list_hospitals(database)
        parts.firms = lambda: list_firms(database)
        if with_broker:
            broker = make_broker(broker_url(settings, server))
            stack.callback(broker.close)
            parts.sender = BrokerSender(broker)
            database.after_commit = lambda ids: send_queued(parts, ids)
        runtime.install(parts)
        wire()
        yield parts


def broker_url(settings: Settings, server: Server) -> str:
    """The broker given, or PostgreSQL on the same server."""
    if settings.broker_url is not None:
        return settings.broker_url.get_secret_value()
    return server.endpoints.runtime_url


def send_queued(parts: Runtime, ids: list[UUID]) -> None:
    """Send what a transaction queued; what cannot be sent now stays as rows for the sweeper."""
    if parts.sender is None:
        return
    try:
        outbox.send_now(parts.database, parts.sender, ids, parts.clock.now())
    except (BrokerError, ConnectionError, DBAPIError, PsycopgError) as error:
        log.warning("outbox kept for the sweeper", messages=len(ids), error=type(error).__name__)


def list_hospitals(database: Database) -> list[Hospital]:
    """The hospitals that scheduled work goes over: all that have not left. What a stage
    stops, its rooms stop."""
    with database.platform(PlatformScope(Actor.system("scheduler"), "directory")) as session:
        rows = session.execute(
            select(DirectoryEntry.tenant_id, DirectoryEntry.firm_id)
            .where(DirectoryEntry.kind == "hospital", DirectoryEntry.state != "left")
            .order_by(DirectoryEntry.code)
        )
        return [Hospital(row.tenant_id, row.firm_id) for row in rows]


def list_firms(database: Database) -> list[UUID]:
    """The firms that scheduled work goes over."""
    with database.platform(PlatformScope(Actor.system("scheduler"), "directory")) as session:
        return list(
            session.scalars(
                select(DirectoryEntry.firm_id)
                .where(DirectoryEntry.kind == "firm")
                .order_by(DirectoryEntry.code)
            )
        )


def clock_of(settings: Settings) -> Clock:
    """The machine's clock; in the demo the clock of its world, which goes on from where the story stopped."""
    path = settings.data_dir / DEMO_CLOCK
    if settings.demo and path.exists():
        return SystemClock(timedelta(seconds=float(json.loads(path.read_text())["offset_seconds"])))
    return SystemClock()


def set_demo_clock(data_dir: Path, begins: datetime) -> None:
    """Let the demo's world be at `begins` now; it goes on at the usual speed, also after a restart."""
    offset = (begins - datetime.now(UTC)).total_seconds()
    temporary = data_dir / f"{DEMO_CLOCK}.{os.getpid()}"
    temporary.write_text(json.dumps({"offset_seconds": offset}))
    temporary.replace(data_dir / DEMO_CLOCK)
