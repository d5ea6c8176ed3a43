"""Files the product makes or receives (invoices, reports, rejected rows): encrypted rows of one hospital.

They stand in the database so that every web and worker replica reads them, a backup holds them, and the
wall around
the hospital holds for them too. Recordings, which are large, get object storage instead.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped

from foundation.database import HospitalSession, TenantRow
from foundation.encryption import DataKey
from foundation.ids import new_id
from foundation.masking import mask_numbers
from foundation.personal import POINTED_AT


class FileMissing(LookupError):
    """No such file in this hospital."""


class StoredFile(TenantRow):
    """One file (文件) of one hospital; `content` is encrypted under the hospital's key."""

    __tablename__ = "stored_file"
    personal = POINTED_AT
    name: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[bytes]
    content: Mapped[bytes]
    created_at: Mapped[datetime]


def put(
    session: HospitalSession, key: DataKey, *, name: str, media_type: str, content: bytes, now: datetime
) -> UUID:
    """Keep one file; returns its id. `size` and `sha256` are of the plain content; numbers of people in the
    name are masked, because names stand in the clear.
    """
    row = StoredFile(
        tenant_id=session.tenant_id,
        id=new_id(),
        name=mask_numbers(name),
        media_type=media_type,
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        content=key.encrypt_bytes(content),
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def get(session: HospitalSession, key: DataKey, file_id: UUID) -> tuple[StoredFile, bytes]:
    """The row and the plain content; raises `FileMissing`."""
    row = session.get(StoredFile, (session.tenant_id, file_id))
    if row is None:
        raise FileMissing(str(file_id))
    return row, key.decrypt_bytes(row.content)
