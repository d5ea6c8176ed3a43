"""Samples on screen (SC-54, S3-5): the months, who was drawn, who was not and why, and the draw repeated."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from sqlalchemy import select

from foundation import audit
from foundation.database import HospitalSession
from foundation.documents.spreadsheet import write_csv, write_xlsx
from foundation.languages import gettext as _
from foundation.masking import Shown
from foundation.web import cursors
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from foundation.web.typed import decimal_of
from surveys import labels, replay, sample_files, sample_queries, samples
from surveys.models import SampleMember, SurveySample
from surveys.sample_queries import MemberQuery, Result, SampleLine
from tenants.life import agreement
from tenants.models import Hospital
from tenants.rights import Action
from tenants.visit import Visit

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILES = {"xlsx": XLSX, "csv": "text/csv; charset=utf-8"}
LONGEST = 60


class SearchForm(msgspec.Struct):
    """A record number to look for in the list."""

    number: str = ""


class RateForm(msgspec.Struct):
    """The share of outpatients to be asked, in percent."""

    percent: str = ""


@get("/h/{code:str}/samples", needs=Action.VIEW_PLANS, sync_to_thread=True)
def samples_page(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    audience: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """The months and audiences: frame, rate, drawn, left out, asked, answered."""
    chosen = audience if audience in labels.AUDIENCES else None
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        cursor = cursors.checked(session, SurveySample, after)
        last = session.get(SurveySample, (session.tenant_id, cursor)) if cursor else None
        found = sample_queries.samples(session, audience=chosen, after=last)
        rate = session.scalars(
            select(Hospital.outpatient_rate).where(Hospital.tenant_id == session.tenant_id)
        ).one()
    return page(
        "surveys/samples.html",
        visit=visit,
        active="plans",
        code=code,
        found=found,
        audience=chosen or "",
        after=found[-1].id if len(found) == sample_queries.SAMPLES else None,
        rate=rate,
        may_set_rate=visit.may(Action.MANAGE_HOSPITALS, code),
        may_view_waves=visit.may(Action.VIEW_PATIENTS, code),
        labels=labels,
    )


@post("/h/{code:str}/samples/rate", needs=Action.MANAGE_HOSPITALS, sync_to_thread=True)
def set_rate(code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[RateForm]) -> Redirect:
    """Another share of outpatients, from the next draw on."""
    sentence = _("The share of outpatients lies between 1% and 100%.")
    percent = decimal_of(data.percent.strip().rstrip("%"), sentence)
    if not 1 <= percent <= 100:
        raise UserMistake(sentence)
    with visit.hospital(code, Action.MANAGE_HOSPITALS) as session:
        samples.set_rate(session, percent / 100, now=visit.now)
    return redirect(f"/h/{code}/samples", notice=_("The share holds from the next draw on."))


@get("/h/{code:str}/samples/{sample_id:uuid}", needs=Action.VIEW_PLANS, sync_to_thread=True)
def sample_page(
    code: FromPath[str],
    sample_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    result: FromQuery[str] = "",
    department: FromQuery[str] = "",
    after: FromQuery[UUID | None] = None,
) -> Response[str]:
    """One sample and its list."""
    query = query_of(result, department)
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        sample = find(session, sample_id)
        cursor = cursors.checked(session, SampleMember, after)
        values = _values(session, sample, query, cursor)
    return _shown(visit, code, values)


@post(
    "/h/{code:str}/samples/{sample_id:uuid}/search",
    needs=Action.VIEW_PLANS,
    reads=True,
    sync_to_thread=True,
    status_code=200,
)
def search_sample(
    code: FromPath[str],
    sample_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[SearchForm],
) -> Response[str]:
    """Whether and why a record number was drawn. By POST: numbers of patients stand in no address."""
    query = MemberQuery(number=data.number.strip()[:LONGEST])
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        values = _values(session, find(session, sample_id), query, None)
    return _shown(visit, code, values)


@post(
    "/h/{code:str}/samples/{sample_id:uuid}/again",
    needs=Action.VIEW_PLANS,
    reads=True,
    sync_to_thread=True,
    status_code=200,
)
def draw_again(
    code: FromPath[str], sample_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[str]:
    """Draw once more from the stored seed and compare with the list; nothing is changed."""
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        sample = find(session, sample_id)
        again = replay.draw_again(session, session.get_one(SurveySample, (session.tenant_id, sample_id)))
        audit.record(
            session,
            "surveys.sample_repeated",
            now=visit.now,
            subject=f"survey_sample:{sample_id}",
            detail={"identical": again.identical, "members": again.members},
        )
        values = _values(session, sample, MemberQuery(), None)
    return _shown(visit, code, values | {"again": again})


@get("/h/{code:str}/samples/{sample_id:uuid}/file", needs=Action.VIEW_PLANS, sync_to_thread=True)
def sample_file(
    code: FromPath[str],
    sample_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    result: FromQuery[str] = "",
    department: FromQuery[str] = "",
    format: FromQuery[str] = "xlsx",  # noqa: A002 - the word in the address
) -> Response[bytes]:
    """The whole list as a file: the columns and the order of the page, names by mask; on record."""
    if format not in FILES:
        raise NotFound
    query = query_of(result, department)
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        agreement.require_for_export(session, doing="surveys.sample_export", now=visit.now)
        sample = find(session, sample_id)
        lines = sample_queries.whole_list(session, sample, query)
        made = sample_files.sheet(lines, sample, query, by=visit.person.name, now=visit.now)
        csv = format == "csv"
        content = write_csv(made) if csv else write_xlsx([made], title=made.name, generated=visit.now)
        audit.record(
            session,
            "surveys.sample_exported",
            now=visit.now,
            subject=f"survey_sample:{sample_id}",
            detail={"format": format, "rows": sample.frame, "result": query.result or "all"},
        )
    name = f"sample-{code}-{sample.month:%Y%m}-{sample.audience}.{format}"
    return Response(
        content,
        media_type=FILES[format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def find(session: HospitalSession, sample_id: UUID) -> SampleLine:
    """The sample of this hospital; `NotFound` otherwise."""
    found = sample_queries.one(session, sample_id)
    if found is None:
        raise NotFound
    return found


def query_of(result: str, department: str) -> MemberQuery:
    """The query of an address; what is no value of ours is left out."""
    chosen: Result | None = next((one for one in sample_queries.RESULTS if one == result), None)
    try:
        department_id = UUID(department) if department else None
    except ValueError:
        department_id = None
    return MemberQuery(chosen, department_id)


def _values(
    session: HospitalSession, sample: SampleLine, query: MemberQuery, after: UUID | None
) -> dict[str, Any]:
    return {
        "sample": sample,
        "query": query,
        "found": sample_queries.members(session, sample, query, after=after),
        "departments": sample_queries.departments(session),
        "number": Shown(query.number),  # as it was typed
        "again": None,
    }


def _shown(visit: Visit, code: str, values: dict[str, Any]) -> Response[str]:
    query: MemberQuery = values["query"]
    chosen = {"result": query.result, "department": query.department_id}
    filters = urlencode({key: str(value) for key, value in chosen.items() if value})
    return page(
        "surveys/sample.html",
        visit=visit,
        active="plans",
        code=code,
        filters=filters,
        recipe=sample_files.recipe(values["sample"]),
        result_of=sample_files.result_of,
        state_of=sample_files.state_of,
        may_open=visit.may(Action.VIEW_PATIENTS, code),
        labels=labels,
        **values,
    )


handlers: list[ControllerRouterHandler] = [
    samples_page,
    set_rate,
    sample_page,
    search_sample,
    draw_again,
    sample_file,
]
