"""A hospital's audit trail over the API, for a collector of logs (GB/T 22239-2019, central audit)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from foundation.web.api import TROUBLES
from tenants.oversight import audit_queries
from tenants.oversight.audit_labels import group_of
from tenants.oversight.audit_queries import PAGE, AuditLine
from tenants.rights import Action
from tenants.visit import Visit


class AuditRecord(msgspec.Struct):
    """One record. `hash` is hexadecimal; `seq` counts from 1 without a gap in each hospital."""

    id: UUID
    seq: int
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    kind: str
    action: str
    subject: str
    reason: str
    detail: dict[str, Any]
    hash: str


class AuditPage(msgspec.Struct):
    """Records, the newest first; `after` fetches the next page, null at the end."""

    records: list[AuditRecord]
    after: UUID | None


@get(
    "/api/v1/h/{code:str}/audit",
    needs=Action.VIEW_AUDIT,
    sync_to_thread=True,
    summary="List audit records",
    responses=TROUBLES,
)
def list_audit(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    person: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> AuditPage:
    """The records of the page, fifty at a time: `since` and `until` are days in China, both included, `kind`
    a group or an action, `subject` such as `patient:<id>` or the id alone. 404 for an unknown `after`."""
    query = audit_queries.query_of(since, until, person, kind, subject)
    with visit.hospital(code, Action.VIEW_AUDIT) as session:
        before = audit_queries.number_of(session, after) if after else None
        rows = audit_queries.lines(session, query, before=before, limit=PAGE + 1)
    shown = rows[:PAGE]
    return AuditPage([_record(row) for row in shown], shown[-1].id if len(rows) > PAGE else None)


def _record(line: AuditLine) -> AuditRecord:
    return AuditRecord(
        id=line.id,
        seq=line.seq,
        at=line.at,
        actor_kind=line.actor_kind,
        actor_id=line.actor_id,
        actor_name=line.actor_name,
        kind=group_of(line.action),
        action=line.action,
        subject=line.subject,
        reason=line.reason,
        detail=line.detail,
        hash=line.hash.hex(),
    )


handlers: list[ControllerRouterHandler | Any] = [list_audit]
