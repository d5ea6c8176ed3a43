"""A hospital's cases over the API: what the reader's pages show, with names and numbers by mask.

Of a medical dispute the firm sees the status line only (S4-9), here as there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from feedback import detail
from feedback.errors import UnknownCase
from feedback.models import FeedbackCase
from feedback.pages import PAGE, reader_of
from feedback.queries import LedgerQuery, LedgerRow, View, newest
from foundation.masking import mask_numbers, masked_name
from foundation.web.api import TROUBLES
from foundation.web.cursors import checked
from foundation.web.errors import NotFound
from tenants.rights import Action
from tenants.visit import Visit


class CaseSummary(msgspec.Struct):
    """A case in the ledger; `next_step` is the next limit and `due_at` when it ends.

    Of a medical dispute the firm is told number, day and stage; everything else is null (`hidden`).
    """

    id: UUID
    number: str
    received_at: datetime
    stage: str
    medical_dispute: bool
    hidden: bool
    channel: str | None
    category: str | None
    tag: str | None
    department: str | None
    tier: int | None
    round: int | None
    next_step: str | None
    due_at: datetime | None
    close_reason: str | None
    callback_level: int | None


class CaseList(msgspec.Struct):
    """Cases, the newest first; `after` fetches the next page, null at the end."""

    cases: list[CaseSummary]
    after: UUID | None


class CaseEventRecord(msgspec.Struct):
    """What happened in a case."""

    at: datetime
    kind: str
    round: int
    by: str
    note: str


class CaseLimit(msgspec.Struct):
    """One limit of one round; `state` is kept, late, running, overdue, missed or ended."""

    kind: str
    round: int
    due_at: datetime
    met_at: datetime | None
    state: str


class CaseRecord(msgspec.Struct):
    """One case. Of a medical dispute the firm is told number, day and stage (`hidden`): no words, no events,
    no limits, and null for everything else."""

    id: UUID
    number: str
    received_at: datetime
    stage: str
    medical_dispute: bool
    hidden: bool
    channel: str | None
    category: str | None
    tag: str | None
    department: str | None
    tier: int | None
    round: int | None
    patient_id: UUID | None
    patient_name: str | None
    handled_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    callback_level: int | None
    text: str
    wish: str
    events: list[CaseEventRecord]
    limits: list[CaseLimit]


@get(
    "/api/v1/h/{code:str}/cases",
    needs=Action.VIEW_CASES,
    sync_to_thread=True,
    summary="List cases",
    responses=TROUBLES,
)
def list_cases(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    view: FromQuery[View] = "open",
    after: FromQuery[UUID | None] = None,
) -> CaseList:
    """The ledger, the newest first, fifty at a time; the head of a department sees that department's. 404 for
    an unknown `after`."""
    with visit.hospital(code, Action.VIEW_CASES) as session:
        query = LedgerQuery(
            view=view,
            departments=visit.departments(code),
            disputes=visit.may(Action.VIEW_DISPUTES, code),
        )
        cursor = checked(session, FeedbackCase, after)
        rows = newest(session, query, visit.now, after=cursor, limit=PAGE + 1)
    shown = rows[:PAGE]
    lines = [_summary(row, hidden=row.medical_dispute and not query.disputes) for row in shown]
    return CaseList(lines, shown[-1].id if len(rows) > PAGE else None)


@get(
    "/api/v1/h/{code:str}/cases/{case_id:uuid}",
    needs=Action.VIEW_CASES,
    sync_to_thread=True,
    summary="Read a case",
    responses=TROUBLES,
)
def read_case(code: FromPath[str], case_id: FromPath[UUID], visit: NamedDependency[Visit]) -> CaseRecord:
    """One case; reading the patient's words is recorded."""
    with visit.hospital(code, Action.VIEW_CASES) as session:
        try:
            found = detail.case_detail(session, case_id, reader_of(visit, code), visit.now)
        except UnknownCase as error:
            raise NotFound from error
    return _record(found)


def _summary(row: LedgerRow, *, hidden: bool) -> CaseSummary:
    return CaseSummary(
        id=row.id,
        number=row.number,
        received_at=row.received_at,
        stage=row.stage,
        medical_dispute=row.medical_dispute,
        hidden=hidden,
        channel=None if hidden else row.channel,
        category=None if hidden else row.category,
        tag=None if hidden else row.tag,
        department=None if hidden else row.department,
        tier=None if hidden else row.tier,
        round=None if hidden else row.round,
        next_step=None if hidden else row.next_kind,
        due_at=None if hidden else row.due_at,
        close_reason=None if hidden else row.close_reason,
        callback_level=None if hidden else row.callback_level,
    )


def _record(found: detail.CaseDetail) -> CaseRecord:
    case, hidden = found.case, found.hidden
    return CaseRecord(
        id=case.id,
        number=case.number,
        received_at=case.received_at,
        stage=case.stage,
        medical_dispute=case.medical_dispute,
        hidden=hidden,
        channel=None if hidden else case.channel,
        category=None if hidden else case.category,
        tag=None if hidden else case.tag,
        department=None if hidden else found.department,
        tier=None if hidden else case.tier,
        round=None if hidden else case.round,
        patient_id=None if hidden else case.patient_id,
        patient_name=None if hidden else masked_name(found.patient_name),
        handled_at=None if hidden else case.handled_at,
        closed_at=None if hidden else case.closed_at,
        close_reason=None if hidden else case.close_reason,
        callback_level=None if hidden else case.callback_level,
        text=mask_numbers(found.text),
        wish=mask_numbers(found.wish),
        events=[CaseEventRecord(e.at, e.kind, e.round, e.by, mask_numbers(e.note)) for e in found.events],
        limits=[CaseLimit(c.kind, c.round, c.due_at, c.met_at, c.state) for c in found.clocks],
    )


handlers: list[ControllerRouterHandler | Any] = [list_cases, read_case]
