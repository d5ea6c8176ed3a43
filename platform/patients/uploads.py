"""The files of imports that are not over: kept encrypted, for a day at most (`patients.intake.drop_old`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from foundation import files
from foundation.database import HospitalSession
from tenants.keys import data_key

MEDIA_TYPE = "application/vnd.careloop.upload"
KEPT_FOR = timedelta(days=1)


def keep(session: HospitalSession, name: str, content: bytes, *, now: datetime) -> UUID:
    """Keep an uploaded file; returns its id."""
    return files.put(session, data_key(session), name=name, media_type=MEDIA_TYPE, content=content, now=now)


def read(session: HospitalSession, file_id: UUID) -> tuple[str, bytes]:
    """Name and content; raises `foundation.files.FileMissing`."""
    row, content = files.get(session, data_key(session), file_id)
    return row.name, content
