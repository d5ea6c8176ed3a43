"""Questionnaires and samples of a hospital (SC-54): what is asked, with which weights, and of whom."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from foundation.web.pages import page
from surveys import card_pages, contact_pages, labels, queries, sample_pages, wave_pages
from tenants.oversight.statistics import is_open, statistics_open, viewed
from tenants.rights import Action
from tenants.visit import Visit


@get("/h/{code:str}/surveys", needs=Action.VIEW_PLANS, sync_to_thread=True)
def surveys_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Questionnaires and samples; the index only for those who may see the statistics (S4-16)."""
    may_see_index = is_open(visit, code, "report", None)
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        asked, samples = queries.questionnaires(session), queries.samples(session)
        if may_see_index:
            viewed(session, "surveys.index_read", statistics_open(visit, code, "report", None), now=visit.now)
    return page(
        "surveys/surveys.html",
        visit=visit,
        active="plans",
        code=code,
        asked=asked,
        samples=samples,
        may_see_index=may_see_index,
        labels=labels,
    )


handlers: list[ControllerRouterHandler] = [
    surveys_page,
    *card_pages.handlers,
    *sample_pages.handlers,
    *contact_pages.handlers,
    *wave_pages.handlers,
]
