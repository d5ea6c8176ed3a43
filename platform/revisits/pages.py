"""The follow-up plan of a hospital on screen (SC-26, SC-54)."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from foundation.web.pages import page
from revisits import figures, labels, queries
from tenants.rights import Action
from tenants.visit import Visit


@get("/h/{code:str}/plans", needs=Action.VIEW_PLANS, sync_to_thread=True)
def plans_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The plan, how its steps stand, what is due in the next 90 days, and what is open now."""
    with visit.hospital(code, Action.VIEW_PLANS) as session:
        view = queries.plan_view(session, now=visit.now)
    return page(
        "revisits/plans.html",
        visit=visit,
        active="plans",
        code=code,
        view=view,
        timeline=figures.timeline(view.rules),
        due=figures.due_by_day(view.due, view.today, view.capacity),
        may_open_patients=visit.may(Action.VIEW_PATIENTS, code),
        labels=labels,
    )


handlers: list[ControllerRouterHandler] = [plans_page]
