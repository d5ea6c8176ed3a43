"""A file between its check and its import: kept encrypted, for a day at most."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select

from foundation import files
from foundation.database import HospitalSession
from foundation.files import StoredFile
from tenants.keys import data_key

MEDIA_TYPE = "application/vnd.careloop.upload"
KEPT_FOR = timedelta(days=1)


class UploadGone(LookupError):
    """The file was imported already, or was dropped after a day."""


def keep(session: HospitalSession, name: str, content: bytes, *, now: datetime) -> UUID:
    """Keep an uploaded file; returns its id."""
    return files.put(session, data_key(session), name=name, media_type=MEDIA_TYPE, content=content, now=now)


def read(session: HospitalSession, file_id: UUID) -> tuple[str, bytes]:
    """Name and content; raises `UploadGone`."""
    try:
        row, content = files.get(session, data_key(session), file_id)
    except files.FileMissing as error:
        raise UploadGone(str(file_id)) from error
    if row.media_type != MEDIA_TYPE:
        raise UploadGone(str(file_id))
    return row.name, content


def take(session: HospitalSession, file_id: UUID) -> tuple[str, bytes]:
    """Name and content, once: of two people who confirm at once the second gets `UploadGone`."""
    locked = session.scalar(
        select(StoredFile.id)
        .where(StoredFile.tenant_id == session.tenant_id, StoredFile.id == file_id)
        .with_for_update()
    )
    if locked is None:
        raise UploadGone(str(file_id))
    found = read(session, file_id)
    discard(session, file_id)
    return found


def discard(session: HospitalSession, file_id: UUID) -> bool:
    """Drop one upload; False when this hospital has none of this id."""
    dropped = session.execute(
        delete(StoredFile)
        .where(
            StoredFile.tenant_id == session.tenant_id,
            StoredFile.id == file_id,
            StoredFile.media_type == MEDIA_TYPE,
        )
        .returning(StoredFile.id)
    )
    return dropped.first() is not None


def drop_old(session: HospitalSession, *, now: datetime) -> int:
    """Drop uploads older than a day; returns how many."""
    dropped = session.scalars(
        delete(StoredFile)
        .where(
            StoredFile.tenant_id == session.tenant_id,
            StoredFile.media_type == MEDIA_TYPE,
            StoredFile.created_at < now - KEPT_FOR,
        )
        .returning(StoredFile.id)
    )
    return len(dropped.all())
