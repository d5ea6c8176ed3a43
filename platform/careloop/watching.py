"""A folder into which a hospital's system writes its lists: each complete file is imported once, and moved.

A file goes to `done/`, or to `failed/` with a `.txt` beside it that says why; rejected rows stay inside the
product. After a crash between the import and the move the file is known by its content and only moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import select

from foundation.clock import Clock
from foundation.database import Database, HospitalSession
from foundation.languages import gettext
from foundation.scope import HospitalScope
from foundation.web.errors import UserMistake
from patients import feed_store, intake, intake_labels, labels
from patients.feeds.files import MAX_BYTES
from patients.feeds.messages import UnreadableFile
from patients.models import DataImport

BY = "careloop feed watch"
SOURCE = "folder"
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp", ".lock")
DONE, FAILED = "done", "failed"
log = structlog.get_logger()
Look = tuple[int, int]


@dataclass
class Watched:
    """One folder of one hospital. `follow` works on an import until it is over."""

    folder: Path
    database: Database
    scope: HospitalScope
    clock: Clock
    follow: Callable[[UUID], DataImport]
    _looked: dict[Path, Look] = field(default_factory=dict)

    def round(self) -> int:
        """Take every file that has not changed since the last round; returns how many were taken."""
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
            if path.is_file() and not path.is_symlink():
                yield path

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
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableFile("too_large", limit_mb=MAX_BYTES // 1024 // 1024)
        content = path.read_bytes()
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
        """The import that this very file became before it could be moved."""
        return session.scalar(
            select(DataImport.id)
            .where(
                DataImport.tenant_id == session.tenant_id,
                DataImport.source == SOURCE,
                DataImport.file_sha256 == hashlib.sha256(content).digest(),
                DataImport.state.in_(("waiting", "running", "done")),
            )
            .order_by(DataImport.id.desc())
            .limit(1)
        )

    def _move(self, path: Path, failure: str) -> None:
        target = self.folder / (FAILED if failure else DONE)
        target.mkdir(mode=0o700, exist_ok=True)
        place = _free(target, path.name)
        path.replace(place)
        if failure:
            place.with_name(place.name + ".txt").write_text(failure + "\n", encoding="utf-8")
        log.info("file taken from the folder", state=target.name)


def _look(path: Path) -> Look | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _free(folder: Path, name: str) -> Path:
    """A name in the folder that nobody has yet."""
    place, count = folder / name, 1
    while place.exists():
        count += 1
        place = folder / f"{Path(name).stem} ({count}){Path(name).suffix}"
    return place
