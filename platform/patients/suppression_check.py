"""The nightly look (停止联系核查): nothing open, queued or billable belongs to a suppressed patient (S4-15).

Every kind of live thing is counted (`suppression_effects.register_live`), and whatever else a floor registers
here. Each number must be 0. One that is not is an error of the program and is told: in the log, in the audit
trail, on the hospital's page of suppressions, and to the operator as a number.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import select, update

from foundation import audit
from foundation.database import HospitalSession
from foundation.ids import new_id
from patients import suppression_effects
from patients.models import SuppressionCheck
from tenants.models import DirectoryEntry

Count = Callable[[HospitalSession], int]
_counts: dict[str, Count] = {}
log = structlog.get_logger()


def register(name: str, count: Count) -> None:
    """Register one more thing to be counted, 0 being right; harmless twice."""
    _counts[name] = count


def look(session: HospitalSession) -> dict[str, int]:
    """How many of each thing belong to patients whom nobody may contact; one statement a thing."""
    session.flush()
    found = {live.name: live.count(session) for live in suppression_effects.registered()}
    return found | {name: count(session) for name, count in _counts.items()}


def run(session: HospitalSession, *, now: datetime) -> SuppressionCheck:
    """Look, and write down what was found."""
    found = look(session)
    broken = {name: count for name, count in found.items() if count}
    row = SuppressionCheck(
        tenant_id=session.tenant_id, id=new_id(), found=found, broken=sum(broken.values()), at=now
    )
    session.add(row)
    session.flush()
    session.execute(
        update(DirectoryEntry)
        .where(
            DirectoryEntry.tenant_id == session.tenant_id,
            DirectoryEntry.suppression_breaches != row.broken,
        )
        .values(suppression_breaches=row.broken)
    )
    if broken:
        log.error("suppressed patients are not left alone", tenant_id=str(session.tenant_id), **broken)
        audit.record(session, "patients.suppression_broken", now=now, detail={"found": broken})
    return row


def latest(session: HospitalSession) -> SuppressionCheck | None:
    """What the last look found; None before the first."""
    return session.scalar(
        select(SuppressionCheck)
        .where(SuppressionCheck.tenant_id == session.tenant_id)
        .order_by(SuppressionCheck.at.desc(), SuppressionCheck.id.desc())
        .limit(1)
    )
