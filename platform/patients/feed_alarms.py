"""Messages that name another hospital: taken, for a header may say anything, but somebody is to look."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from foundation.database import HospitalSession
from patients.feeds.senders import hospital_in, is_other
from patients.models import DataImport
from tenants.models import Hospital

OTHER_HOSPITAL = "other_hospital"  # as an import's own alarm for a list
MOST_NAMES = 5
SHOWN_FOR = timedelta(days=7)


def others(session: HospitalSession, named: Iterable[tuple[str, ...]]) -> list[str]:
    """The names among these that clearly are another hospital's, each once."""
    found = dict.fromkeys(filter(None, (hospital_in(text) for names in named for text in names)))
    if not found:
        return []
    ours = session.scalar(select(Hospital.name).where(Hospital.tenant_id == session.tenant_id)) or ""
    return [name for name in found if is_other(name, ours)]


def raise_on(session: HospitalSession, import_id: UUID, names: Iterable[str]) -> None:
    """Note these names among the alarms of the feed's import, each once, the first few."""
    row = session.get_one(DataImport, (session.tenant_id, import_id))
    known = [alarm.get("name") for alarm in row.alarms]
    fresh = [name for name in names if name not in known][: max(0, MOST_NAMES - len(known))]
    row.alarms = [
        *row.alarms,
        *({"code": OTHER_HOSPITAL, "name": name, "by": "message"} for name in fresh),
    ]
    session.flush()


def recent(session: HospitalSession, now: datetime) -> list[dict[str, Any]]:
    """The alarms of the feeds' imports of the last days, each once, the newest first."""
    rows = session.scalars(
        select(DataImport.alarms)
        .where(
            DataImport.tenant_id == session.tenant_id,
            DataImport.source.in_(("hl7", "fhir", "json")),
            DataImport.imported_at >= now - SHOWN_FOR,
        )
        .order_by(DataImport.id.desc())
    )
    found: dict[str, dict[str, Any]] = {}
    for alarms in rows:
        for alarm in alarms:
            found.setdefault(str(alarm.get("name", "")), alarm)
    return list(found.values())
