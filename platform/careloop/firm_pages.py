"""The operator suspends a firm and lets it work again (J6): a reason, and no look at anything of it."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import select

from foundation.languages import gettext as _
from foundation.scope import FirmScope
from foundation.web.errors import NotFound
from foundation.web.pages import redirect
from tenants.life import firm_stage
from tenants.models import DirectoryEntry
from tenants.rights import Action
from tenants.visit import Visit


class ReasonForm(msgspec.Struct):
    """Why, as typed."""

    reason: str = ""


@post("/operations/firms/{firm:str}/suspend", needs=Action.SUSPEND_FIRM, sync_to_thread=True)
def suspend(firm: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[ReasonForm]) -> Redirect:
    """All hospitals of the firm can be read only from now on, and their scheduled work stops."""
    scope = FirmScope(_firm_id(visit, firm), (), visit.actor, Action.SUSPEND_FIRM.value)
    with visit.database.firm(scope) as session:
        firm_stage.suspend(session, reason=data.reason, now=visit.now)
    return redirect("/operations", notice=_("The firm {code} is suspended.", code=firm))


@post("/operations/firms/{firm:str}/resume", needs=Action.SUSPEND_FIRM, sync_to_thread=True)
def resume(firm: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[ReasonForm]) -> Redirect:
    """The firm works again; its hospitals follow within a minute or so."""
    scope = FirmScope(_firm_id(visit, firm), (), visit.actor, Action.SUSPEND_FIRM.value)
    with visit.database.firm(scope) as session:
        firm_stage.resume(session, reason=data.reason, now=visit.now)
    return redirect("/operations", notice=_("The firm {code} is active again.", code=firm))


def _firm_id(visit: Visit, code: str) -> UUID:
    with visit.platform(Action.SUSPEND_FIRM) as session:
        found = session.scalar(
            select(DirectoryEntry.firm_id).where(DirectoryEntry.kind == "firm", DirectoryEntry.code == code)
        )
    if found is None:
        raise NotFound
    return found


handlers = [suspend, resume]
