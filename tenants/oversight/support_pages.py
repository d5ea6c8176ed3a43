"""Support access (SC-57) on the screen: the operator asks; the hospital or its firm answers, ends, and reads
the log.
"""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from foundation.languages import gettext as _
from foundation.scope import HospitalScope
from foundation.web.errors import Forbidden, NotFound, UserMistake
from foundation.web.pages import page, redirect
from foundation.web.typed import whole_number
from tenants import queries
from tenants.oversight import support
from tenants.oversight.support import SupportRow
from tenants.rights import Action
from tenants.visit import Visit

OPERATOR, FIRM = "/operations/support", "/firm/support"
ANSWERS = ("grant", "refuse", "end")


class AskForm(msgspec.Struct):
    """What an operator asks for: a hospital by its code, why, and for how many minutes."""

    code: str = ""
    reason: str = ""
    minutes: str = ""


# -------------------------------------------------------------------------------------------- the operator


@get(OPERATOR, needs=Action.ASK_SUPPORT, sync_to_thread=True)
def asking_page(visit: NamedDependency[Visit]) -> Response[str]:
    """The form, and one's own requests."""
    with visit.platform(Action.ASK_SUPPORT) as session:
        rows = support.requests_of(session, visit.person.id, visit.now)
    return page("tenants/support_ask.html", visit=visit, active="ask_support", rows=rows)


@post(OPERATOR, needs=Action.ASK_SUPPORT, sync_to_thread=True)
def ask(visit: NamedDependency[Visit], data: URLEncodedBody[AskForm]) -> Redirect:
    """Ask for a look at one hospital."""
    minutes = whole_number(
        data.minutes, support.MINUTES[0], support.MINUTES[-1], _("Between 5 and 240 minutes.")
    )
    entry = queries.hospital_entry(visit.database, data.code.strip().lower())
    if entry is None:
        raise UserMistake(_("There is no such hospital."))
    scope = HospitalScope(entry.tenant_id, visit.actor, "support", address=visit.address)
    with visit.database.hospital(scope) as session:
        support.ask(session, reason=data.reason, minutes=minutes, now=visit.now)
    return redirect(OPERATOR, notice=_("Asked. You can look once the hospital or its firm has granted it."))


@post(OPERATOR + "/{access_id:uuid}/end", needs=Action.ASK_SUPPORT, sync_to_thread=True)
def end_own(access_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """End one's own look early, or take the request back."""
    with visit.platform(Action.ASK_SUPPORT) as session:
        mine = [
            row for row in support.requests_of(session, visit.person.id, visit.now) if row.id == access_id
        ]
    if not mine:
        raise NotFound
    scope = HospitalScope(mine[0].tenant_id, visit.actor, "support", address=visit.address)
    with visit.database.hospital(scope) as session:
        support.end(session, access_id, now=visit.now)
    return redirect(OPERATOR, notice=_("Ended."))


# -------------------------------------------------------------------------------------------- the hospital


@get("/h/{code:str}/support", needs=Action.GRANT_SUPPORT, sync_to_thread=True)
def hospital_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """What was asked of this hospital, what runs, and everything that was looked at."""
    with visit.hospital(code, Action.GRANT_SUPPORT) as session:
        ids = (session.tenant_id,)
        rows, log = support.requests_at(session, ids, visit.now), support.log_of(session, ids)
    return _page(visit, f"/h/{code}/support", rows, log, code=code)


@post("/h/{code:str}/support/{access_id:uuid}/{answer:str}", needs=Action.GRANT_SUPPORT, sync_to_thread=True)
def answer_hospital(
    code: FromPath[str], access_id: FromPath[UUID], answer: FromPath[str], visit: NamedDependency[Visit]
) -> Redirect:
    """Grant, refuse or end."""
    return redirect(f"/h/{code}/support", notice=_answer(visit, code, access_id, answer))


# ------------------------------------------------------------------------------------------------ the firm


@get(FIRM, needs=Action.GRANT_SUPPORT, sync_to_thread=True)
def firm_page(visit: NamedDependency[Visit]) -> Response[str]:
    """The same for all hospitals of the firm."""
    with visit.firm(Action.GRANT_SUPPORT) as session:
        rows = support.requests_at(session, session.tenant_ids, visit.now)
        log = support.log_of(session, session.tenant_ids)
    return _page(visit, FIRM, rows, log)


@post(FIRM + "/{access_id:uuid}/{answer:str}", needs=Action.GRANT_SUPPORT, sync_to_thread=True)
def answer_firm(access_id: FromPath[UUID], answer: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Grant, refuse or end, for a hospital of the firm."""
    with visit.platform() as session:
        tenant_id = support.hospital_of(session, access_id)
    return redirect(FIRM, notice=_answer(visit, visit.face(tenant_id).code, access_id, answer))


def _answer(visit: Visit, code: str, access_id: UUID, answer: str) -> str:
    if answer not in ANSWERS:
        raise NotFound
    if visit.reached[code].support is not None:
        raise Forbidden
    with visit.hospital(code, Action.GRANT_SUPPORT) as session:
        if answer == "end":
            support.end(session, access_id, now=visit.now)
            return _("Ended; the next click of the operator is refused.")
        row = support.decide(session, access_id, grant=answer == "grant", now=visit.now)
    if answer == "grant":
        return _("Granted for {minutes} minutes.", minutes=row.minutes)
    return _("Refused.")


def _page(
    visit: Visit, here: str, rows: list[SupportRow], log: list[support.LogLine], *, code: str | None = None
) -> Response[str]:
    faces = {reached.face.tenant_id: reached.face for reached in visit.reached.values()}
    return page(
        "tenants/support.html",
        visit=visit,
        active="support",
        code=code,
        here=here,
        waiting=[row for row in rows if row.state == "waiting"],
        running=[row for row in rows if row.state == "running"],
        over=[row for row in rows if row.state not in {"waiting", "running"}],
        log=log,
        faces=faces,
    )


handlers = [asking_page, ask, end_own, hospital_page, answer_hospital, firm_page, answer_firm]
