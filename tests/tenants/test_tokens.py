"""Keys for programs: what they reach, that they never reach further than their owner, and how they end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from web_client import Browser, browsing
from world import NOW, World

from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.scope import Actor, PlatformScope
from foundation.web.context import CSRF_COOKIE
from foundation.web.errors import Forbidden, NotFound
from tenants.arrival import Arrival
from tenants.identity import tokens
from tenants.labels import ACTIONS
from tenants.models import AccessRefusal, ApiToken, FirmEvent, Membership, Person
from tenants.rights import Action, Role
from tenants.visit import Visit

PATH = "/api/v1/h/heqing/imports"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, world: World, clock: SetClock) -> Iterator[Browser]:
    with browsing(db, clock=clock) as made:
        yield made


def platform(world: World) -> Any:
    return world.db.platform(PlatformScope(Actor.system("test"), "test"))


def made(
    world: World, person: str, *, tenant: bool, actions: list[Action] | None = None, days: int = 90
) -> str:
    """A key of this person towards Heqing or the firm."""
    side = tokens.Side(
        "side",
        None if tenant else world.firm_id,
        world.heqing.tenant_id if tenant else None,
        "",
        frozenset(Action),
    )
    with platform(world) as session:
        return tokens.make(
            session, world.people[person], side,
            name="HIS", actions=actions or [Action.IMPORT_PATIENTS], days=days, now=NOW,
        )[1]  # fmt: skip


def call(
    browser: Browser, text: str, path: str = PATH, method: str = "GET", **options: Any
) -> httpx.Response:
    """One request of a program: no cookie, no form token."""
    browser.client.cookies.clear()
    headers = {"Authorization": f"Bearer {text}", **options.pop("headers", {})}
    return browser.client.request(method, path, headers=headers, follow_redirects=False, **options)


def visit_of(browser: Browser, text: str) -> Visit | None:
    return Arrival(browser.runtime).visit_by_key(text, tokens.Asked("GET", "/", None, ""))


def refusals(world: World) -> list[tuple[str, int]]:
    with platform(world) as session:
        rows = session.execute(
            select(AccessRefusal.reason, AccessRefusal.status).order_by(AccessRefusal.at, AccessRefusal.id)
        )
        return [(reason, status) for reason, status in rows]


def test_a_key_reaches_its_side_within_its_rights_and_nothing_else(browser: Browser, world: World) -> None:
    text = made(world, "heqing_admin", tenant=True)
    assert call(browser, text).status_code == 200
    assert call(browser, text, "/api/v1/h/yunling/imports").status_code == 404
    visit = visit_of(browser, text)
    assert visit is not None
    assert visit.may(Action.IMPORT_PATIENTS, "heqing")
    assert not visit.may(Action.VIEW_PATIENTS, "heqing")  # its owner may, the key does not
    narrow = made(world, "heqing_admin", tenant=True, actions=[Action.VIEW_CASES])
    assert call(browser, narrow).status_code == 403


def test_a_key_for_one_hospital_of_somebody_of_the_firm_stays_in_that_hospital(
    browser: Browser, world: World
) -> None:
    visit = visit_of(browser, made(world, "firm_gm", tenant=True, actions=list(Action)))
    assert visit is not None
    assert set(visit.reached) == {"heqing"}
    assert visit.may(Action.VIEW_PATIENTS, "heqing")
    assert not visit.may_for_the_firm(Action.MANAGE_PEOPLE)
    with pytest.raises(Forbidden), visit.firm(Action.VIEW_CASES):
        pass
    with pytest.raises(NotFound), visit.hospital("yunling", Action.VIEW_CASES):
        pass
    whole = visit_of(browser, made(world, "firm_gm", tenant=False, actions=[Action.VIEW_CASES]))
    assert whole is not None
    assert set(whole.reached) == {"heqing", "yunling"}
    with pytest.raises(Forbidden):
        whole.firm_id(Action.MANAGE_PEOPLE)


def test_what_its_owner_loses_the_key_loses_at_once(browser: Browser, world: World) -> None:
    text = made(world, "heqing_admin", tenant=True)
    own = Membership.person_id == world.people["heqing_admin"]
    with platform(world) as session:
        session.execute(update(Membership).where(own).values(role=Role.DEPARTMENT_HEAD.value))
    assert call(browser, text).status_code == 403
    with platform(world) as session:
        session.execute(update(Membership).where(own).values(closed_at=NOW))
    assert call(browser, text).status_code == 401
    assert refusals(world)[-1] == ("token_owner", 401)


def test_expired_revoked_unknown_keys_and_those_of_closed_accounts_are_refused_and_recorded(
    browser: Browser, world: World, clock: SetClock
) -> None:
    text, other = made(world, "heqing_admin", tenant=True), made(world, "heqing_admin", tenant=True, days=1)
    assert call(browser, "clp_made-up").status_code == 401
    assert call(browser, "").status_code == 401
    clock.at = NOW + timedelta(days=1)
    assert call(browser, other).status_code == 401
    assert call(browser, text).status_code == 200
    person = Person.id == world.people["heqing_admin"]
    with platform(world) as session:
        session.execute(update(Person).where(person).values(disabled_at=NOW))
    assert call(browser, text).status_code == 401
    with platform(world) as session:
        session.execute(update(Person).where(person).values(disabled_at=None))
        session.execute(update(ApiToken).values(revoked_at=NOW))
    clock.at = NOW + timedelta(days=1, minutes=1)
    assert call(browser, text).status_code == 401
    # Both unknown ones came in one minute and are one line.
    reasons = ["token_unknown", "token_expired", "token_owner", "token_revoked"]
    assert refusals(world) == [(reason, 401) for reason in reasons]
    with platform(world) as session:
        row = session.scalars(select(AccessRefusal).where(AccessRefusal.reason == "token_revoked")).one()
        twice = select(AccessRefusal.times).where(AccessRefusal.reason == "token_unknown")
        assert session.scalars(twice).all() == [2]
    assert (row.code, row.route) == ("heqing", "/api/v1/h/{code}/imports")
    assert row.person_id == world.people["heqing_admin"]


def test_the_last_use_is_noted_once_a_minute(browser: Browser, world: World, clock: SetClock) -> None:
    text = made(world, "heqing_admin", tenant=True)
    seen = []
    for seconds in (0, 30, 61):
        clock.at = NOW + timedelta(seconds=seconds)
        call(browser, text)
        with platform(world) as session:
            seen.append(session.scalars(select(ApiToken.last_used_at)).one())
    assert seen == [NOW, NOW, NOW + timedelta(seconds=61)]


def test_a_key_is_no_sign_in(browser: Browser, world: World) -> None:
    """On a page a key means nothing; on the interface it alone counts, whoever is signed in beside it."""
    text = made(world, "heqing_admin", tenant=True, actions=list(Action))
    assert call(browser, text, "/h/heqing/people").status_code == 303
    browser.enter(world.people["operations"])
    head = {"Authorization": f"Bearer {text}"}
    assert browser.get("/api/v1/h/yunling/imports", headers=head).status_code == 404
    assert browser.get("/api/v1/h/yunling/imports").status_code == 200
    assert browser.get("/api/v1/h/yunling/imports", headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_program_needs_no_form_token_and_a_browser_always_does(browser: Browser, world: World) -> None:
    text = made(world, "heqing_admin", tenant=True)
    refused = call(browser, text, method="POST", data={})
    assert refused.status_code not in {401, 403}  # what it sent is judged, not whether a form was opened
    browser.enter(world.people["heqing_admin"])
    browser.client.cookies.delete(CSRF_COOKIE) if CSRF_COOKIE in browser.client.cookies else None
    assert browser.client.post(PATH, data={}).status_code == 403
    for head in ({"Authorization": "Basic eDp5"}, {"Authorization": text}):
        assert browser.client.post(PATH, data={}, headers=head).status_code == 403
    # Elsewhere a key opens no form: the token is asked for as ever.
    head = {"Authorization": f"Bearer {text}"}
    assert browser.client.post("/me/tokens", data={}, headers=head).status_code == 403


# ------------------------------------------------------------------------------------------------- pages


def test_every_right_has_a_name_that_people_read() -> None:
    assert set(ACTIONS) == {action.value for action in Action}


def form(side: str, *actions: Action, **changes: str) -> dict[str, Any]:
    return {"name": "HIS 导出", "side": side, "days": "30", "actions": list(actions), **changes}


def test_a_key_is_shown_once_and_stored_as_a_hash(browser: Browser, world: World) -> None:
    browser.enter(world.people["heqing_admin"])
    assert '<section class="card cl-card" id="no-key">' in browser.get("/me/tokens").text
    answer = browser.post("/me/tokens", form("hospital:heqing", Action.VIEW_CASES, Action.IMPORT_PATIENTS))
    assert '<div id="no-key" hx-swap-oob="delete">' in answer.text  # "no key yet" leaves the page
    text = re.findall(r"clp_[\w-]{43}", answer.text)[0]
    listed = browser.get("/me/tokens").text
    assert text not in listed
    assert text[:12] in listed
    with platform(world) as session:
        stored = session.scalars(select(ApiToken)).one()
        assert text.encode() not in stored.token_hash
        assert stored.expires_at == NOW + timedelta(days=30)
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(AuditEvent.action)).all() == ["tenants.token_made"]
    assert call(browser, text).status_code == 200


def test_nobody_makes_a_key_beyond_their_own_rights(browser: Browser, world: World) -> None:
    browser.enter(world.people["heqing_admin"])
    for wrong in (
        form("hospital:heqing", Action.VIEW_REPORTS),
        form("hospital:heqing"),
        form("hospital:heqing", Action.VIEW_CASES, days="366"),
        form("hospital:heqing", Action.VIEW_CASES, days="0"),
        form("hospital:heqing", Action.VIEW_CASES, days="²"),
        form("hospital:heqing", Action.VIEW_CASES, name=" "),
    ):
        assert browser.post("/me/tokens", wrong).status_code == 422
    for foreign in ("hospital:yunling", f"firm:{world.firm_id}", ""):
        assert browser.post("/me/tokens", form(foreign, Action.VIEW_CASES)).status_code == 403
    browser.enter(world.people["heqing_gm"])
    assert browser.get("/me/tokens").status_code == 403


def test_whoever_manages_keys_sees_and_ends_those_of_their_side_alone(browser: Browser, world: World) -> None:
    text = made(world, "firm_gm", tenant=True)
    whole = made(world, "firm_gm", tenant=False)
    with platform(world) as session:
        ids = {row.tenant_id: row.id for row in session.scalars(select(ApiToken))}
    mine, firms = ids[world.heqing.tenant_id], ids[None]
    browser.enter(world.people["yunling_admin"])
    assert browser.post(f"/h/yunling/tokens/{mine}/revoke").status_code == 404
    assert browser.post(f"/me/tokens/{mine}/revoke").status_code == 404
    browser.enter(world.people["heqing_admin"])
    assert text[:12] in browser.get("/h/heqing/tokens").text
    assert whole[:12] not in browser.get("/h/heqing/tokens").text
    assert browser.post(f"/h/heqing/tokens/{firms}/revoke").status_code == 404
    assert browser.post(f"/h/heqing/tokens/{mine}/revoke").status_code == 303
    assert call(browser, text).status_code == 401
    browser.enter(world.people["operations"])
    assert browser.post(f"/firm/tokens/{firms}/revoke").status_code == 303
    assert visit_of(browser, whole) is None
    with world.firm() as session:
        assert session.scalars(select(FirmEvent.action)).all() == ["tenants.token_revoked"]
