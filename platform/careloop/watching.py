"""A folder into which a hospital's system writes its lists: each complete file is imported once, and moved.

A file goes to `done/`, or to `failed/` with a `.txt` beside it that says why; rejected rows stay inside the
product. After a crash between the import and the move the file is known by its content and only moved. Links
are never followed: whoever may write here must not reach beyond the folder. While the hospital is paused the
files stay where they are.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import select

from foundation.clock import Clock
from foundation.database import Database, HospitalSession
from foundation.languages import gettext, mark
from foundation.scope import HospitalScope
from foundation.web.errors import UserMistake
from patients import feed_store, intake, intake_labels, labels, receiving
from patients.feeds.files import MAX_BYTES
from patients.feeds.messages import UnreadableFile
from patients.models import DataImport

BY = "careloop feed watch"
SOURCE = "folder"
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp", ".lock")
DONE, FAILED = "done", "failed"
LINK = mark("Links are not followed; put the file itself into the folder.")
log = structlog.get_logger()
Look = tuple[int, int]


class UnsafeFolder(Exception):
    """The place where files are put away is a link: nothing is taken."""


@dataclass
class Watched:
    """One folder of one hospital. `follow` works on an import until it is over."""

    folder: Path
    database: Database
    scope: HospitalScope
    clock: Clock
    follow: Callable[[UUID], DataImport]
    _looked: dict[Path, Look] = field(default_factory=dict)
    _paused: bool = False

    def round(self) -> int:
        """Take every file that has not changed since the last round; returns how many were taken. None while
        the hospital is paused. Raises `UnsafeFolder`.
        """
        for name in (DONE, FAILED):
            if (self.folder / name).is_symlink():
                raise UnsafeFolder(f"{name}/ is a link, and links are not followed; make it a folder.")
        if self._is_paused():
            self._looked = {}
            return 0
        taken = 0
        seen: dict[Path, Look] = {}
        for path in self._waiting():
            look = _look(path)
            if look is None:
                continue
            seen[path] = look
            if self._looked.get(path) == look and look[0] > 0:
                self._take(path)
                taken += 1
        self._looked = seen
        return taken

    @property
    def unsettled(self) -> bool:
        """Whether a file was seen that may still be written to."""
        return bool(self._looked)

    def _waiting(self) -> Iterator[Path]:
        for path in sorted(self.folder.iterdir()):
            name = path.name
            if name.startswith((".", "~")) or name.lower().endswith(UNFINISHED):
                continue
            if path.is_symlink() or path.is_file():
                yield path

    def _is_paused(self) -> bool:
        with self.database.hospital(self.scope) as session:
            paused = receiving.paused(session)
        if paused != self._paused:
            log.warning("folder left alone" if paused else "folder watched again")
        self._paused = paused
        return paused

    def _take(self, path: Path) -> None:
        try:
            failure = self._import(path)
        except UnreadableFile as error:
            failure = labels.sentence(error)
        except UserMistake as error:
            failure = gettext(error.message)
        except PermissionError:
            failure = "The file may not be read by the user under whom this runs."
        self._move(path, failure)

    def _import(self, path: Path) -> str:
        """Import one file; why it failed, empty for success."""
        content = _read(path)
        now = self.clock.now()
        with self.database.hospital(self.scope) as session:
            import_id = self._known(session, content) or self._receive(session, content, path.name, now)
        row = self.follow(import_id)
        with self.database.hospital(self.scope) as session:
            feed_store.seen(session, SOURCE, self.folder.name, taken=row.state == "done", now=now)
        if row.state == "failed":
            return intake_labels.failure(row.failure)
        return "" if row.state in {"done", "undone"} else "The import was stopped; nothing of it was kept."

    def _receive(self, session: HospitalSession, content: bytes, name: str, now: datetime) -> UUID:
        arrival = intake.Arrival(SOURCE, BY, now, go=True, hint=False)
        return intake.receive(session, content, name, arrival).id

    def _known(self, session: HospitalSession, content: bytes) -> UUID | None:
        """The import that this very file became before it could be moved: the last one from here. A list that
        came before another one is imported again, for it says something else than what stands now.
        """
        last = session.execute(
            select(DataImport.id, DataImport.file_sha256)
            .where(
                DataImport.tenant_id == session.tenant_id,
                DataImport.source == SOURCE,
                DataImport.state.in_(("waiting", "running", "done")),
            )
            .order_by(DataImport.id.desc())
            .limit(1)
        ).first()
        same = last is not None and last.file_sha256 == hashlib.sha256(content).digest()
        return last.id if last is not None and same else None

    def _move(self, path: Path, failure: str) -> None:
        target = self.folder / (FAILED if failure else DONE)
        target.mkdir(mode=0o700, exist_ok=True)
        # By its descriptor: what is put in the folder's place meanwhile is not written to.
        try:
            place = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise UnsafeFolder(f"{target.name}/ is a link, and links are not followed.") from error
        try:
            name = _free(target, path.name)
            os.rename(path, name, dst_dir_fd=place)
            if failure:
                _write(name + ".txt", failure + "\n", place)
        finally:
            os.close(place)
        log.info("file taken from the folder", state=target.name)


def _look(path: Path) -> Look | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _read(path: Path) -> bytes:
    """The file's content. Raises `UserMistake` for a link, `UnreadableFile` for one that is too large."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        raise
    except OSError as error:
        raise UserMistake(LINK) from error
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise UserMistake(LINK)
        if found.st_size > MAX_BYTES:
            raise UnreadableFile("too_large", limit_mb=MAX_BYTES // 1024 // 1024)
        return file.read()


def _write(name: str, text: str, folder: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
        file.write(text)


def _free(folder: Path, name: str) -> str:
    """A name in the folder that nobody has yet, nor the one with the reason beside it."""
    free, count = name, 1
    while os.path.lexists(folder / free) or os.path.lexists(folder / (free + ".txt")):
        count += 1
        free = f"{Path(name).stem} ({count}){Path(name).suffix}"
    return free
