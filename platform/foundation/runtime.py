"""What one process runs on: settings, database, clock, keys. Put together once by `careloop`.

Jobs are plain functions called by a worker, so they find these parts here and not in their arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from foundation.clock import Clock
from foundation.database import Database
from foundation.encryption import MasterKey
from foundation.outbox import Sender
from foundation.settings import Settings


@dataclass(frozen=True)
class Hospital:
    """What scheduled work must know of a hospital: which one, and whose."""

    tenant_id: UUID
    firm_id: UUID


@dataclass
class Runtime:
    """The parts of a running process.

    `hospitals` and `firms` list what scheduled work goes over; `sender` is None where no broker is spoken
    to, and
    the outbox then waits for a process that does.
    """

    settings: Settings
    database: Database
    clock: Clock
    master_key: MasterKey
    sender: Sender | None = None
    hospitals: Callable[[], list[Hospital]] = field(default=list)
    firms: Callable[[], list[UUID]] = field(default=list)


class NotRunning(RuntimeError):
    """A job was called in a process that was not put together."""


_current: list[Runtime] = []


def install(runtime: Runtime) -> None:
    """Make these the parts of this process."""
    _current[:] = [runtime]


def current() -> Runtime:
    """The parts of this process; raises `NotRunning` before `install`."""
    if not _current:
        msg = "no runtime installed in this process"
        raise NotRunning(msg)
    return _current[0]
