"""Samples over the API: the same lines as on screen, names by mask (S3-5)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from foundation.web.api import TROUBLES
from foundation.web.cursors import checked
from surveys import sample_queries
from surveys.models import SampleMember, SurveySample
from surveys.sample_pages import find
from surveys.sample_queries import MemberQuery, SampleLine
from tenants.rights import Action
from tenants.visit import Visit

Audience = Literal["inpatient", "outpatient", "organisation"]
Result = Literal["drawn", "not_drawn", "excluded"]


class SampleSummary(msgspec.Struct):
    """One sample. `rate` is a share of one; `frame` is everybody of the month, `excluded` who of them could
    not be drawn, by reason; `seed` and the record numbers of the list repeat the draw.
    """

    id: UUID
    month: date
    audience: str
    rate: Decimal
    seed: str
    drawn_at: datetime
    frame: int
    drawn: int
    excluded: dict[str, int]
    asked: int
    reached: int
    answered: int
    waiting: int
    stopped: int


class SampleList(msgspec.Struct):
    """Samples, the newest month first; `after` fetches the next page, null at the end."""

    samples: list[SampleSummary]
    after: UUID | None


class SampleMemberSummary(msgspec.Struct):
    """One line of a list, in the order of the draw; `excluded` is the reason of the day on which it came in,
    `state` what became of somebody drawn. Names and numbers of the erased and the restricted are empty.
    """

    id: UUID
    position: int
    name: str
    record_number: str
    department: str
    on: date
    drawn: bool
    excluded: str | None
    state: str


class SampleMembers(msgspec.Struct):
    """Lines of a sample's list; `after` fetches the next page, null at the end."""

    members: list[SampleMemberSummary]
    after: UUID | None


@get(
    "/api/v1/h/{code:str}/samples",
    needs=Action.VIEW_PLANS,
    sync_to_thread=True,
    summary="List samples",
    responses=TROUBLES,
)
def list_samples(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    audience: FromQuery[Audience | None] = None,
    after: FromQuery[UUID | None] = None,
) -> SampleList:
    """The monthly samples, twelve at a time; 404 for an unknown `after`."""
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        cursor = checked(session, SurveySample, after)
        last = session.get(SurveySample, (session.tenant_id, cursor)) if cursor else None
        found = sample_queries.samples(session, audience=audience, after=last)
    return SampleList(
        [_summary(line) for line in found],
        found[-1].id if len(found) == sample_queries.SAMPLES else None,
    )


@get(
    "/api/v1/h/{code:str}/samples/{sample_id:uuid}/members",
    needs=Action.VIEW_PLANS,
    sync_to_thread=True,
    summary="List who was drawn and who was not",
    responses=TROUBLES,
)
def list_members(
    code: FromPath[str],
    sample_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    result: FromQuery[Result | None] = None,
    after: FromQuery[UUID | None] = None,
) -> SampleMembers:
    """The list of a sample, fifty lines at a time; 404 for an unknown sample or `after`."""
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        sample = find(session, sample_id)
        cursor = checked(session, SampleMember, after)
        found = sample_queries.members(session, sample, MemberQuery(result), after=cursor)
    return SampleMembers(
        [
            SampleMemberSummary(
                id=line.id,
                position=line.position,
                name=line.masked_name,
                record_number=line.record_number,
                department=line.department,
                on=line.on,
                drawn=line.drawn,
                excluded=line.excluded,
                state=line.state,
            )
            for line in found.lines
        ],
        found.after,
    )


def _summary(line: SampleLine) -> SampleSummary:
    return SampleSummary(**{name: getattr(line, name) for name in SampleSummary.__struct_fields__})


handlers: list[ControllerRouterHandler] = [list_samples, list_members]
