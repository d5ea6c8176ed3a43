"""A listener for HL7 v2 over MLLP: reads frames, has each message taken, answers after the commit.

The wire is asynchronous as its library is; a message is worked on by an ordinary function in a thread. What a
message says stands in no log: only addresses, counts and kinds of trouble.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from asyncio import IncompleteReadError, LimitOverrunError
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import structlog
from hl7.mllp import start_hl7_server

START, END = b"\x0b", b"\x1c\r"
LARGEST_FRAME = 1_000_000  # bytes
FRAME_SECONDS = 60.0  # from the first byte of a frame to its last
LAST_SECONDS = 30.0  # what the message in hand may take when the listener is stopped
CONNECTIONS = 32
IDLE_SECONDS = 600.0  # what a connection may be silent between two frames
CROWDED_SECONDS = 60.0  # the same, when somebody else has no place
Network = IPv4Network | IPv6Network
log = structlog.get_logger()


@dataclass(frozen=True)
class Desk:
    """Who answers: `handle` takes a frame's content and gives the answer, and raises when nothing was kept;
    `refuse` answers what is no message, with the code of the reason.
    """

    handle: Callable[[bytes], bytes]
    refuse: Callable[[str], bytes]


@dataclass
class Listener:
    """Connections, at most so many at once, from these networks (all when empty)."""

    desk: Desk
    allowed: Sequence[Network] = ()
    connections: int = CONNECTIONS
    frame_seconds: float = FRAME_SECONDS
    largest: int = LARGEST_FRAME
    idle_seconds: float = IDLE_SECONDS
    crowded_seconds: float = CROWDED_SECONDS
    _silent: dict[asyncio.Task[None], tuple[float, Any]] = field(default_factory=dict)
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(
        self, address: str, port: int, *, tls: ssl.SSLContext | None = None, ready: Callable[[int], None]
    ) -> None:
        """Listen until `stop`; then finish the messages in hand. `ready` is told the port."""
        with ThreadPoolExecutor(self.connections, thread_name_prefix="mllp") as pool:
            self._pool = pool
            server = await start_hl7_server(self._connected, address, port, limit=self.largest, ssl=tls)
            ready(server.sockets[0].getsockname()[1])
            await self._stop.wait()
            server.close()
            if self._open:
                await asyncio.wait(self._open, timeout=LAST_SECONDS)

    def stop(self) -> None:
        """Take no more; called in the loop's own thread."""
        self._stop.set()

    async def _connected(self, reader: Any, writer: Any) -> None:
        task = asyncio.current_task()
        peer = (writer.get_extra_info("peername") or ("",))[0]
        if task is None or not self._may(peer) or not self._place():
            log.warning("mllp connection refused", address=peer, open=len(self._open))
            writer.close()
            return
        self._open.add(task)
        try:
            await self._converse(task, reader, writer)
        except (ConnectionError, IncompleteReadError):
            log.info("mllp connection ended", address=peer)
        finally:
            self._open.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    def _place(self) -> bool:
        """Whether there is a place; one who has been silent for long gives theirs up."""
        if len(self._open) < self.connections:
            return True
        if not self._silent:
            return False
        task, (since, writer) = min(self._silent.items(), key=lambda one: one[1][0])
        if time.monotonic() - since < self.crowded_seconds:
            return False
        self._open.discard(task)
        del self._silent[task]
        writer.close()
        return True

    def _may(self, peer: str) -> bool:
        if not self.allowed:
            return True
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self.allowed)

    async def _converse(self, task: asyncio.Task[None], reader: Any, writer: Any) -> None:
        while not self._stop.is_set():
            self._silent[task] = time.monotonic(), writer
            try:
                begun = await self._first(reader)
            finally:
                self._silent.pop(task, None)
            frame, fault = await self._rest(reader, begun)
            if fault:
                writer.writeblock(self.desk.refuse(fault))
                await writer.drain()
                return
            if frame is None:
                return
            answer = await self._answered(frame)
            if answer is None:
                return
            writer.writeblock(answer)
            await writer.drain()

    async def _answered(self, frame: bytes) -> bytes | None:
        """The answer, or None where something of ours went wrong: without one the sender sends again."""
        work = asyncio.get_running_loop().run_in_executor(self._pool, self.desk.handle, frame)
        await asyncio.wait([work])
        error = work.exception()
        if error is not None:
            log.error("mllp message not kept", error=type(error).__name__)
            return None
        return work.result()

    async def _first(self, reader: Any) -> bytes:
        """The first byte of the next frame; nothing when the other side ends, is silent for too long, or the
        listener stops. What stands between two frames is no sign of life.
        """
        until = time.monotonic() + self.idle_seconds
        first = b"\r"
        while first in {b"\r", b"\n"}:
            read = asyncio.ensure_future(reader.read(1))
            stop = asyncio.ensure_future(self._stop.wait())
            left = max(0.0, until - time.monotonic())
            await asyncio.wait([read, stop], timeout=left, return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if not read.done():
                read.cancel()
                return b""
            first = read.result()
        return first

    async def _rest(self, reader: Any, first: bytes) -> tuple[bytes | None, str]:
        """The frame's content; or what is wrong with it; neither when there is to be none."""
        if not first:
            return None, ""
        if first != START:
            return None, "not_hl7"
        try:
            whole: bytes = await asyncio.wait_for(reader.readuntil(END), self.frame_seconds)
        except LimitOverrunError:
            return None, "too_long"
        except TimeoutError:
            return None, "not_finished"
        return whole.removesuffix(END), ""
