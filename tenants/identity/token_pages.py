"""Pages of keys for programs: one's own, and all of a firm or of a hospital for whoever manages them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import ColumnElement

from foundation import audit
from foundation.database import FirmSession, HospitalSession
from foundation.languages import gettext as _
from foundation.scope import FirmScope, HospitalScope
from foundation.web.access import SIGNED_IN
from foundation.web.errors import Forbidden, UserMistake
from foundation.web.pages import fragment, page, redirect
from tenants.identity import confined, tokens
from tenants.labels import ACTIONS
from tenants.models import ApiToken
from tenants.oversight.firm_audit import note
from tenants.rights import Action
from tenants.stage_words import FIRM_SUSPENDED
from tenants.visit import Visit

USUAL_DAYS = 90


class TokenForm(msgspec.Struct):
    """A new key, as typed."""

    name: str
    side: str
    days: str
    actions: str | tuple[str, ...] = ()


@get("/me/tokens", needs=SIGNED_IN, asks_itself=True, sync_to_thread=True)
def my_tokens(visit: NamedDependency[Visit]) -> Response[str]:
    """One's own keys, and a form for a new one."""
    sides = tokens.sides_of(visit)
    if not sides:
        raise Forbidden
    with visit.platform() as session:
        lines = tokens.lines(session, confined.keys_in_reach(visit), visit.now)
    return _page(visit, lines, "/me/tokens", sides=sides, tab="mine")


@post("/me/tokens", needs=SIGNED_IN, asks_itself=True, sync_to_thread=True)
def make_token(visit: NamedDependency[Visit], data: URLEncodedBody[TokenForm]) -> Response[str]:
    """Make a key; shows it, this once."""
    side = next((side for side in tokens.sides_of(visit) if side.key == data.side), None)
    if side is None:
        raise Forbidden
    if side.firm_id is not None and visit.firm_states.get(side.firm_id, "active") != "active":
        raise UserMistake(_(FIRM_SUSPENDED))
    days = data.days.strip()
    if not (days.isascii() and days.isdigit() and len(days) < 5):
        raise UserMistake(_("A key lasts between 1 and 365 days."))
    wanted = (data.actions,) if isinstance(data.actions, str) else data.actions
    with _trail(visit, side.firm_id, side.tenant_id) as session:
        token, text = tokens.make(
            session, visit.person.id, side, name=data.name, actions=wanted, days=int(days), now=visit.now
        )
        _note(session, "tenants.token_made", token, visit)
    return fragment("tenants/_token.html", token=token, text=text)


@post("/me/tokens/{token_id:uuid}/revoke", needs=SIGNED_IN, sync_to_thread=True)
def revoke_mine(token_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """End one of one's own keys."""
    with visit.platform() as session:
        token = tokens.revoke(session, token_id, confined.keys_in_reach(visit), now=visit.now)
    with _trail(visit, token.firm_id, token.tenant_id) as trail:
        _note(trail, "tenants.token_revoked", token, visit)
    return redirect("/me/tokens", notice=_("The key was revoked; it is refused from now on."))


@get("/firm/tokens", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def firm_tokens(visit: NamedDependency[Visit]) -> Response[str]:
    """All keys towards the firm."""
    with visit.firm(Action.WITHDRAW_ACCESS) as session:
        lines = tokens.lines(session, _of_firm(session), visit.now)
    return _page(visit, lines, "/firm/tokens", tab="firm")


@post("/firm/tokens/{token_id:uuid}/revoke", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def revoke_of_firm(token_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """End somebody's key towards the firm."""
    with visit.firm(Action.WITHDRAW_ACCESS) as session:
        token = tokens.revoke(session, token_id, _of_firm(session), now=visit.now)
        _note(session, "tenants.token_revoked", token, visit)
    return redirect("/firm/tokens", notice=_("The key was revoked; it is refused from now on."))


@get("/h/{code:str}/tokens", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def hospital_tokens(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """All keys towards the hospital."""
    with visit.hospital(code, Action.WITHDRAW_ACCESS) as session:
        lines = tokens.lines(session, ApiToken.tenant_id == session.tenant_id, visit.now)
    return _page(visit, lines, f"/h/{code}/tokens", tab="hospital")


@post("/h/{code:str}/tokens/{token_id:uuid}/revoke", needs=Action.WITHDRAW_ACCESS, sync_to_thread=True)
def revoke_of_hospital(
    code: FromPath[str], token_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Redirect:
    """End somebody's key towards the hospital."""
    with visit.hospital(code, Action.WITHDRAW_ACCESS) as session:
        token = tokens.revoke(session, token_id, ApiToken.tenant_id == session.tenant_id, now=visit.now)
        _note(session, "tenants.token_revoked", token, visit)
    return redirect(f"/h/{code}/tokens", notice=_("The key was revoked; it is refused from now on."))


def _page(
    visit: Visit,
    lines: list[tokens.TokenLine],
    base: str,
    *,
    tab: str,
    sides: list[tokens.Side] | None = None,
) -> Response[str]:
    offered = [action for action in Action if any(action in side.actions for side in sides or [])]
    return page(
        "tenants/tokens.html",
        visit=visit,
        active="settings",
        lines=lines,
        base=base,
        tab=tab,
        sides=sides or [],
        offered=[(action.value, _(ACTIONS[action.value])) for action in offered],
        actions={key: _(text) for key, text in ACTIONS.items()},
        days=USUAL_DAYS,
        most=tokens.LONGEST_DAYS,
    )


def _of_firm(session: FirmSession) -> ColumnElement[bool]:
    return ApiToken.firm_id == session.firm_id


@contextmanager
def _trail(
    visit: Visit, firm_id: UUID | None, tenant_id: UUID | None
) -> Iterator[FirmSession | HospitalSession]:
    """A session in which the side of one's own key keeps its record."""
    if tenant_id is not None:
        scope = HospitalScope(tenant_id, visit.actor, "own keys", address=visit.address)
        with visit.database.hospital(scope) as session:
            yield session
    elif firm_id is not None:
        with visit.database.firm(FirmScope(firm_id, (), visit.actor, "own keys")) as firm:
            yield firm


def _note(session: FirmSession | HospitalSession, action: str, token: ApiToken, visit: Visit) -> None:
    subject = f"token:{token.id}"
    detail: dict[str, Any] = {"owner": str(token.person_id), "actions": list(token.actions)}
    if isinstance(session, HospitalSession):
        audit.record(session, action, now=visit.now, subject=subject, detail=detail)
    else:
        note(session, action, now=visit.now, subject=subject, **detail)


handlers = [
    my_tokens,
    make_token,
    revoke_mine,
    firm_tokens,
    revoke_of_firm,
    hospital_tokens,
    revoke_of_hospital,
]
