"""The way through a company sign-in as the tests walk it: set up, leave, come back, and what it came to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from oidc_provider import CLIENT_ID, SECRET, LocalProvider
from sqlalchemy import func, select, update
from web_client import Browser
from world import NOW, World

from foundation.scope import Actor, PlatformScope
from tenants.arrival import Arrival
from tenants.identity import providers, signin
from tenants.identity.providers import Settings, Side
from tenants.models import Person, SigninEvent, SigninSession
from tenants.visit import Visit

MAIL = "chenjing@heqing.example"


def platform(world: World) -> Any:
    return world.db.platform(PlatformScope(Actor.system("test"), "test"))


def set_up(
    world: World,
    provider: LocalProvider,
    *,
    vouches: bool = True,
    required: bool = False,
    at_firm: bool = False,
) -> UUID:
    """The provider of the hospital (or the firm), and the director's address known to it."""
    side = Side(world.firm_id, None) if at_firm else Side(None, world.heqing.tenant_id)
    person_id = world.people["operations" if at_firm else "heqing_admin"]
    with platform(world) as session:
        session.execute(update(Person).where(Person.id == person_id).values(email=MAIL))
        wanted = Settings("医院账号", provider.url, CLIENT_ID, SECRET, required=False, vouches=vouches)
        made = providers.save(session, side, wanted, person_id=person_id, now=NOW, local=True)
        made.required = required
        return made.id


def leave(browser: Browser, code: str = "heqing") -> str:
    """Press the button; gives the provider's address."""
    answer = browser.get(f"/signin/{code}/provider")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come(browser: Browser, provider: LocalProvider, code: str = "heqing") -> httpx.Response:
    """The whole way."""
    return browser.get(provider.authorize(leave(browser, code)))


def visit_of(browser: Browser) -> Visit | None:
    return Arrival(browser.runtime).visit(browser.client.cookies[signin.COOKIE], None, "")


def results(world: World) -> list[str]:
    with platform(world) as session:
        return list(session.scalars(select(SigninEvent.result).order_by(SigninEvent.at, SigninEvent.id)))


def sessions(world: World) -> int:
    with platform(world) as session:
        return session.scalar(select(func.count()).select_from(SigninSession)) or 0
