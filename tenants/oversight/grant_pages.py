"""Statistics access (统计授权) on the screen: what the director has opened, to whom, and who looked."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from foundation.calendar import add_months, first_of_month, local_date
from foundation.languages import format_month
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from foundation.web.pages import page, redirect
from tenants import labels
from tenants.oversight import grants
from tenants.rights import Action
from tenants.visit import Visit

MONTHS_OFFERED = 24


class GrantForm(msgspec.Struct):
    """What to open, as chosen: `to` is `person:<id>` or `department:<id>`, an empty month is the series."""

    to: str = ""
    subject: str = ""
    month: str = ""
    ends_on: str = ""


@get("/h/{code:str}/grants", needs=Action.GRANT_STATISTICS, sync_to_thread=True)
def grants_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """What is open to whom, the form to open more, and who looked lately."""
    today = local_date(visit.now)
    with visit.hospital(code, Action.GRANT_STATISTICS) as session:
        lines = grants.lines(session, today)
        offered = grants.grantees(session)
        looks = grants.looks(session)
    this = first_of_month(today)
    return page(
        "tenants/grants.html",
        visit=visit,
        active="grants",
        code=code,
        lines=lines,
        looks=looks,
        people=[(f"person:{one.id}", one.name) for one in offered if one.kind == "person"],
        departments=[(f"department:{one.id}", one.name) for one in offered if one.kind == "department"],
        months=[
            (f"{month:%Y-%m}", format_month(month))
            for month in (add_months(this, -back) for back in range(MONTHS_OFFERED))
        ],
        usual_month=f"{add_months(this, -1):%Y-%m}",
        subjects=labels.STATISTICS,
        first_day=today,
        usual_day=add_months(today, 3),
        last_day=add_months(today, grants.LONGEST_MONTHS),
    )


@post("/h/{code:str}/grants", needs=Action.GRANT_STATISTICS, sync_to_thread=True)
def give(code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[GrantForm]) -> Redirect:
    """Open statistics to somebody."""
    kind, _colon, id_ = data.to.partition(":")
    if kind not in {"person", "department"}:
        raise UserMistake(_("Choose a person or a department."))
    with visit.hospital(code, Action.GRANT_STATISTICS) as session:
        grants.give(
            session,
            kind=kind,
            grantee_id=_uuid(id_),
            subject=data.subject,
            month=_day(f"{data.month}-01") if data.month else None,
            ends_on=_day(data.ends_on),
            now=visit.now,
        )
    return redirect(f"/h/{code}/grants", notice=_("Opened. Every look will stand below."))


@post("/h/{code:str}/grants/{grant_id:uuid}/withdraw", needs=Action.GRANT_STATISTICS, sync_to_thread=True)
def withdraw(code: FromPath[str], grant_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Close it again, at once."""
    with visit.hospital(code, Action.GRANT_STATISTICS) as session:
        grants.withdraw(session, grant_id, now=visit.now)
    return redirect(f"/h/{code}/grants", notice=_("Withdrawn; it is closed from now on."))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UserMistake(_("This is no date: {value}", value=text[:20])) from error


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise UserMistake(_("Choose a person or a department.")) from error


handlers = [grants_page, give, withdraw]
