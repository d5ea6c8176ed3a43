"""Ways in that stay open: `careloop feed mllp` for HL7 v2, `careloop feed watch` for a folder."""

from __future__ import annotations

import asyncio
import signal
import ssl
import threading
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated

import structlog
from cyclopts import App, Parameter
from psycopg import Error as PsycopgError
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError
from watchfiles import watch as watch_files

from careloop.assemble import assembled, database_server
from careloop.commands.data import followed
from careloop.commands.directory import hospital_of
from careloop.commands.errors import CommandMistake
from careloop.commands.operate import started
from careloop.mllp import LARGEST_FRAME, Desk, Listener, Network
from careloop.watching import BY as WATCHING
from careloop.watching import UnsafeFolder, Watched
from foundation.languages import gettext as _
from foundation.runtime import Runtime
from foundation.scope import Actor, HospitalScope
from patients import feed_acks, feed_inbox, feed_labels
from patients.adt import hl7_text
from patients.adt.events import BadMessage
from patients.adt.hl7_ack import ack

LISTENING = "careloop feed mllp"
SETTLE_MS = 2_000  # between two looks at a file that must not have changed
POLL_MS = 10_000  # a network drive tells of nothing by itself
log = structlog.get_logger()
Allowed = Annotated[tuple[str, ...], Parameter(name="--allow", consume_multiple=True, negative=())]


def mllp(
    *,
    hospital: str,
    port: int = 2575,
    address: str = "127.0.0.1",
    allow: Allowed = (),
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Take HL7 v2 ADT messages of one hospital over MLLP until stopped; each is answered after the commit.

    Parameters
    ----------
    hospital
        The hospital's short code.
    port
        Where to listen.
    address
        On which address of this machine; beyond this machine only with --allow or --certificate.
    allow
        Networks that may connect, such as 10.1.0.0/16; all others are refused.
    certificate
        A PEM file with the certificate, for TLS.
    key
        A PEM file with its key.
    """
    networks = networks_of(allow)
    tls = tls_of(certificate, key)
    if not is_loopback(address) and not networks and tls is None:
        raise CommandMistake("Say who may connect with --allow, or give --certificate and --key.")
    settings = started()
    with (
        database_server(settings, purpose=LISTENING) as server,
        assembled(settings, server, name="mllp") as parts,
    ):
        scope = HospitalScope(hospital_of(parts, hospital), Actor.system(LISTENING), "feed")
        listener = Listener(desk(parts, scope), networks)
        asyncio.run(_until_stopped(listener, address, port, tls))


async def _until_stopped(listener: Listener, address: str, port: int, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, listener.stop)
    await listener.serve(address, port, tls=tls, ready=lambda taken: say(f"listening on {address}:{taken}"))


def desk(parts: Runtime, scope: HospitalScope) -> Desk:
    """Who takes the messages of one hospital: one transaction each, answered when it is committed."""

    def take(message: bytes) -> feed_inbox.Answer:
        with parts.database.hospital(scope) as session:
            return feed_inbox.receive(session, "hl7", message, name="mllp", now=parts.clock.now())

    def handle(frame: bytes) -> bytes:
        messages = hl7_text.split(frame)
        if not messages:
            return refuse("empty")
        if len(messages) > feed_inbox.MOST_MESSAGES:
            return refuse("too_many", feed_inbox.MOST_MESSAGES)
        return b"".join(_handled(parts, message, take) for message in messages)

    def refuse(code: str, limit: int = LARGEST_FRAME // 1000) -> bytes:
        error = BadMessage(code, limit=limit)
        text = feed_labels.mistake(error)
        return ack(None, "AR", text=text, reason=code, now=parts.clock.now())

    return Desk(handle, refuse)


def _handled(parts: Runtime, message: bytes, take: feed_acks.Take) -> bytes:
    now = parts.clock.now()
    try:
        return feed_acks.acknowledged(message, take, now=now)
    except (SQLAlchemyError, PsycopgError):
        return feed_acks.trouble(message, _("It could not be kept now; please send it again."), now=now)


def watch(folder: Path, *, hospital: str, once: bool = False) -> None:
    """Import the lists that appear in a folder until stopped; they move to done/, or failed/ with the reason.

    Parameters
    ----------
    folder
        Where the hospital's system writes its lists; names ending in .tmp or .part are left alone.
    hospital
        The hospital's short code.
    once
        Take what is there and end.
    """
    if not folder.is_dir():
        raise CommandMistake(f"There is no folder {folder}.")
    settings = started()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda _number, _frame: stop.set())
    with (
        database_server(settings, purpose=WATCHING) as server,
        assembled(settings, server, name="watch") as parts,
    ):
        scope = HospitalScope(hospital_of(parts, hospital), Actor.system(WATCHING), "feed")
        watched = Watched(
            folder.resolve(),
            parts.database,
            scope,
            parts.clock,
            lambda import_id: followed(parts, scope, import_id, quiet=True),
        )
        say(f"watching {folder}")
        _round(watched)
        while not stop.wait(SETTLE_MS / 1000):
            _round(watched)
            if not watched.unsettled:
                if once:
                    return
                _wait_for_change(watched.folder, stop)


def _round(watched: Watched) -> None:
    """One look at the folder; what cannot be kept now stays where it is for the next."""
    try:
        watched.round()
    except UnsafeFolder as error:
        raise CommandMistake(str(error)) from error
    except (SQLAlchemyError, PsycopgError) as error:
        log.warning("database unreachable", error=type(error).__name__)


def _wait_for_change(folder: Path, stop: threading.Event) -> None:
    """Until something changes in the folder, or a while has passed."""
    changes = watch_files(
        folder,
        stop_event=stop,
        rust_timeout=POLL_MS,
        yield_on_timeout=True,
        recursive=False,
        raise_interrupt=False,
    )
    next(iter(changes), None)


def networks_of(words: tuple[str, ...]) -> list[Network]:
    """The networks named by --allow."""
    try:
        return [ip_network(word, strict=False) for word in words]
    except ValueError as error:
        raise CommandMistake(f"--allow takes networks such as 10.1.0.0/16: {error}.") from error


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def tls_of(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The server's side of TLS, None without a certificate."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise CommandMistake("--certificate and --key belong together.")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise CommandMistake(f"The certificate or its key cannot be read: {error}.") from error
    return context


def say(line: str) -> None:
    """One line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(line, markup=False)


feed_group = App(name="feed", help="Ways in that stay open: HL7 v2 over MLLP, a watched folder.")
feed_group.command(mllp, name="mllp")
feed_group.command(watch, name="watch")
