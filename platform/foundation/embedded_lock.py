"""One program at a time on a data folder: an advisory lock that the kernel drops with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

LOCK_FILE = "careloop.lock"

_TAKE_TRIES = 6  # a reader may hold the lock for an instant to see whether it is free
_NAME_TRIES = 20  # a new holder writes its name just after taking the lock
_PAUSE_SECONDS = 0.05

_held: set[int] = set()


def _close_in_child() -> None:
    """A forked child must not keep the folder locked when its parent has gone."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


@dataclass(frozen=True)
class Holder:
    """Who holds a data folder: process id, command and since when (aware, UTC)."""

    pid: int
    command: str
    since: datetime


class DataFolderHeld(Exception):
    """Another program works in this data folder; carries `pid`, `command` and `since` (aware, UTC)."""

    def __init__(self, data_dir: Path, holder: Holder) -> None:
        self.data_dir = data_dir
        self.pid = holder.pid
        self.command = holder.command
        self.since = holder.since
        super().__init__(
            f"The data folder {data_dir} is held by process {self.pid} ({self.command}) "
            f"since {self.since:%Y-%m-%d %H:%M:%S} UTC."
        )


class FolderLock:
    """The lock file of one data folder, freed by `release` or by the end of the process, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._path = data_dir / LOCK_FILE
        self._descriptor: int | None = None

    def take(self, command: str) -> None:
        """Take the lock and write down who holds it; raises DataFolderHeld."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if not _try_lock(descriptor, fcntl.LOCK_EX, _TAKE_TRIES):
                raise DataFolderHeld(self._data_dir, self._named_holder())
            note = {"pid": os.getpid(), "command": command, "since": datetime.now(UTC).isoformat()}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(note).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(descriptor)

    def release(self) -> None:
        """Free the folder; does nothing when it is not held by this object."""
        if self._descriptor is None or self._descriptor not in _held:
            return
        os.ftruncate(self._descriptor, 0)
        _held.discard(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None

    def is_held(self) -> bool:
        """Whether some process, this one included, holds the folder now."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor, fcntl.LOCK_SH, 1)
        finally:
            os.close(descriptor)

    def _named_holder(self) -> Holder:
        for _ in range(_NAME_TRIES):
            holder = self._read_holder()
            if holder is not None and psutil.pid_exists(holder.pid):
                return holder
            time.sleep(_PAUSE_SECONDS)
        # Locked by something that is no program of ours: the file's own time is all there is to say.
        changed = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        return Holder(0, "another program", changed)

    def _read_holder(self) -> Holder | None:
        try:
            note = json.loads(self._path.read_text())
            return Holder(int(note["pid"]), str(note["command"]), datetime.fromisoformat(note["since"]))
        except (ValueError, KeyError, TypeError):
            return None


def _try_lock(descriptor: int, kind: int, tries: int) -> bool:
    for turn in range(tries):
        if turn:
            time.sleep(_PAUSE_SECONDS)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False
