"""The full export of a departure, made in the background: counted, hashed, kept in encrypted pieces.

The work is one reading transaction that sees one moment. A worker that dies loses what it had and the next
one begins anew; two workers of one departure cannot run at once, and one that was stopped ends by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import IO, Any
from uuid import UUID

from sqlalchemy import delete, func, select, update

from foundation import extracts, files
from foundation.clock import Clock
from foundation.database import Database, HospitalSession
from foundation.files import StoredFile
from foundation.scope import Actor, FirmScope, HospitalScope
from tenants.keys import data_key
from tenants.life import departure
from tenants.models import Departure

PIECE = 32 * 1024 * 1024
BY = Actor.system(departure.EXPORT_JOB)


class Stopped(Exception):
    """Somebody stopped this run, or began another."""


def run(database: Database, firm_id: UUID, departure_id: UUID, *, clock: Clock) -> bool:
    """Make the export of one departure; False when there was nothing to do or it was stopped."""
    work = _Export(database, firm_id, departure_id, clock)
    try:
        return work.run()
    except Stopped:
        return False


class _Export:
    def __init__(self, database: Database, firm_id: UUID, departure_id: UUID, clock: Clock) -> None:
        self.database, self.firm_id, self.departure_id, self.clock = database, firm_id, departure_id, clock
        self.total = 0
        self.packed: int | None = None
        self.run_id = ""

    def run(self) -> bool:
        found = self._read()
        if found is None or found.state != "exporting":
            return False
        self.run_id = str(found.progress.get("run", ""))
        scope = HospitalScope(found.tenant_id, BY, BY.name)
        with extracts.spool() as target:
            with self.database.hospital(scope) as session:
                extracts.consistent(session)
                if not extracts.alone(session, self._lock) or not departure.belongs(session, self.firm_id):
                    return False
                self.packed = session.scalar(
                    select(func.count())
                    .select_from(StoredFile)
                    .where(
                        StoredFile.tenant_id == session.tenant_id,
                        StoredFile.media_type != extracts.MEDIA_TYPE,
                    )
                )
                made = self._write(session, found, target)
            digest, size = _measure(target)
            with self.database.hospital(scope) as session:
                if not extracts.alone(session, self._lock):
                    return False
                parts = self._keep(session, target)
                counts = dict(made.counts)
                departure.record(session, "exported", now=self.clock.now(), rows=sum(counts.values()))
        try:
            self._beat(self.total)
            return self._finish(parts, made, digest, size)
        except Stopped:  # nobody will ever ask for these pieces
            with self.database.hospital(scope) as session:
                self._drop(session, parts)
            raise

    @property
    def _lock(self) -> str:
        return f"departure:{self.departure_id}"

    @property
    def _name(self) -> str:
        return f"{departure.ARCHIVE}{self.departure_id}-"

    def _write(self, session: HospitalSession, found: Departure, target: IO[bytes]) -> extracts.Extract:
        self.total = extracts.total_rows(session)
        self._beat(0)
        whom = extracts.Whom(found.code, found.name, found.name_en)
        key = data_key(session)
        return extracts.write(session, key, whom, target, now=self.clock.now(), progress=self._beat)

    def _keep(self, session: HospitalSession, target: IO[bytes]) -> list[str]:
        """Replace what an earlier run left by this archive, in pieces of a size that memory holds."""
        session.execute(
            delete(StoredFile).where(
                StoredFile.tenant_id == session.tenant_id,
                StoredFile.media_type == extracts.MEDIA_TYPE,
                StoredFile.name.startswith(self._name),
            )
        )
        parts = []
        target.seek(0)
        for number, piece in enumerate(iter(lambda: target.read(PIECE), b""), start=1):
            file_id = files.put(
                session,
                data_key(session),
                name=f"{self._name}{number:04d}",
                media_type=extracts.MEDIA_TYPE,
                content=piece,
                now=self.clock.now(),
            )
            session.expunge_all()
            parts.append(str(file_id))
        return parts

    def _drop(self, session: HospitalSession, parts: list[str]) -> None:
        session.execute(
            delete(StoredFile).where(
                StoredFile.tenant_id == session.tenant_id, StoredFile.id.in_([UUID(part) for part in parts])
            )
        )

    def _read(self) -> Departure | None:
        with self._firm() as session:
            return departure.one(session, self.departure_id)

    def _beat(self, done: int) -> None:
        """Say how far the work is, in a transaction of its own; raises `Stopped` when it is ours no more."""
        progress = {
            "run": self.run_id,
            "done": done,
            "of": max(self.total, done),
            "seen_at": self.clock.now().isoformat(),
        }
        self._change(progress=progress)

    def _finish(self, parts: list[str], made: extracts.Extract, digest: bytes, size: int) -> bool:
        self._change(
            state="exported",
            export_parts=parts,
            export_bytes=size,
            export_sha256=digest,
            exported_at=self.clock.now(),
            counts={
                "rows": made.counts,
                "files": made.files,
                "packed": self.packed,
                "unreadable": made.unreadable,
            },
        )
        return True

    def _change(self, **values: Any) -> None:
        with self._firm() as session:
            changed = session.scalar(
                update(Departure)
                .where(
                    Departure.firm_id == self.firm_id,
                    Departure.id == self.departure_id,
                    Departure.state == "exporting",
                    Departure.progress["run"].astext == self.run_id,
                )
                .values(**values)
                .returning(Departure.id)
            )
            if changed is None:
                raise Stopped

    def _firm(self) -> Any:
        return self.database.firm(FirmScope(self.firm_id, (), BY, BY.name))


def pieces(database: Database, scope: HospitalScope, parts: list[str]) -> Iterator[bytes]:
    """The archive again, piece by piece, each read and decrypted in a transaction of its own."""
    for part in parts:
        with database.hospital(scope) as session:
            _row, content = files.get(session, data_key(session), UUID(part))
        yield content


def parts_are_there(session: HospitalSession, parts: list[str]) -> bool:
    """Whether every piece of an export is still kept."""
    wanted = [UUID(part) for part in parts]
    found = session.scalars(
        select(StoredFile.id).where(StoredFile.tenant_id == session.tenant_id, StoredFile.id.in_(wanted))
    ).all()
    return bool(wanted) and len(found) == len(wanted)


def _measure(target: IO[bytes]) -> tuple[bytes, int]:
    """SHA-256 and bytes of the whole archive."""
    target.seek(0)
    digest = hashlib.sha256()
    for piece in iter(lambda: target.read(PIECE), b""):
        digest.update(piece)
    return digest.digest(), target.tell()
