"""Company sign-in against a real provider on loopback: who gets in, where to, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from company_signin import MAIL, come, leave, platform, results, sessions, set_up, visit_of
from oidc_provider import CLIENT_ID, LocalProvider, local_provider
from sqlalchemy import select, update
from web_client import Browser, browsing
from world import NOW, World

from foundation.clock import SetClock
from foundation.database import Database
from tenants.identity import passwords, providers, required_provider, signin
from tenants.models import (
    IdentityProvider,
    Membership,
    Person,
    SigninSession,
)
from tenants.rights import Role


@pytest.fixture
def provider() -> Iterator[LocalProvider]:
    with local_provider(NOW) as running:
        running.who = {"sub": "u-17", "email": MAIL, "email_verified": True, "amr": ["pwd", "mfa"]}
        yield running


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, world: World, clock: SetClock) -> Iterator[Browser]:
    with browsing(db, clock=clock) as made:
        yield made


def test_a_verified_address_opens_the_side_and_is_linked_once(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    assert come(browser, provider).status_code == 303
    visit = visit_of(browser)
    assert visit is not None
    assert visit.person.id == world.people["heqing_admin"]
    assert set(visit.reached) == {"heqing"}
    provider.who = {"sub": "u-17", "amr": ["mfa"]}  # no address any more: the link knows
    assert come(browser, provider).status_code == 303
    assert results(world) == ["provider_linked", "signed_in", "signed_in"]


def test_the_button_stands_at_the_sides_own_address_alone(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    assert "医院账号" in browser.get("/signin/heqing").text
    for code in ("yunling", "hk", "nobody"):
        assert "医院账号" not in browser.get(f"/signin/{code}").text
    assert "医院账号" not in browser.get("/signin").text
    assert browser.get("/signin/company?code=HEQING%20").headers["location"] == "/signin/heqing"
    assert browser.get("/signin/company?code=//x").headers["location"] == "/signin/%2F%2Fx"


def test_a_hospitals_provider_never_opens_another_side(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    """The person also works for the firm; the hospital's word reaches the hospital only."""
    set_up(world, provider)
    with platform(world) as session:
        session.add(
            Membership(
                person_id=world.people["heqing_admin"],
                role=Role.FIRM_GM,
                firm_id=world.firm_id,
                created_at=NOW,
                accepted_at=NOW,
            )
        )
    come(browser, provider)
    visit = visit_of(browser)
    assert visit is not None
    assert set(visit.reached) == {"heqing"}
    assert {m.tenant_id for m in visit.members} == {world.heqing.tenant_id}
    assert browser.get("/firm/people").status_code == 403


@pytest.mark.parametrize("name", ["yunling_admin", "operations"])
def test_somebody_without_a_role_on_that_side_is_not_let_in(
    browser: Browser, world: World, provider: LocalProvider, name: str
) -> None:
    set_up(world, provider)
    with platform(world) as session:
        session.execute(
            update(Person).where(Person.id == world.people[name]).values(email="elsewhere@example.com")
        )
    provider.who = {"sub": "u-18", "email": "elsewhere@example.com", "email_verified": True}
    assert come(browser, provider).status_code == 422
    assert sessions(world) == 0
    assert results(world) == ["provider_unknown"]
    provider.who = {"sub": "u-19", "email": "stranger@example.com", "email_verified": True}
    assert come(browser, provider).status_code == 422
    with platform(world) as session:
        assert session.scalar(select(Person).where(Person.email == "stranger@example.com")) is None


@pytest.mark.parametrize("sure", [False, None, "no"])
def test_an_address_that_nobody_verified_links_nothing(
    browser: Browser, world: World, provider: LocalProvider, sure: object
) -> None:
    set_up(world, provider)
    provider.who = {"sub": "u-17", "email": MAIL, "email_verified": sure}
    assert come(browser, provider).status_code == 422
    assert sessions(world) == 0


def test_an_address_given_to_a_new_colleague_does_not_open_the_old_account(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    come(browser, provider)
    provider.who = {"sub": "u-99", "email": MAIL, "email_verified": True}
    assert come(browser, provider).status_code == 422
    assert results(world)[-1] == "provider_other"


def test_userinfo_may_tell_the_address(browser: Browser, world: World, provider: LocalProvider) -> None:
    set_up(world, provider)
    provider.userinfo_only = True
    assert come(browser, provider).headers["location"].startswith("/signin/enrol")  # and no mfa was told


@pytest.mark.parametrize(
    ("vouches", "methods", "waits"),
    [
        (True, ["mfa"], None),
        (True, ["pwd"], "enrolment"),
        (True, None, "enrolment"),
        (False, ["mfa"], "enrolment"),
    ],
)
def test_a_second_factor_is_asked_unless_the_provider_vouches_and_says_so(
    browser: Browser,
    world: World,
    provider: LocalProvider,
    vouches: bool,
    methods: list[str] | None,
    waits: str | None,
) -> None:
    set_up(world, provider, vouches=vouches)
    provider.who["amr"] = methods
    come(browser, provider)
    with platform(world) as session:
        row = session.scalars(select(SigninSession)).one()
    assert (row.strength, row.waiting_for, row.tenant_id) == ("provider", waits, world.heqing.tenant_id)
    assert (visit_of(browser) is None) is (waits is not None)


# ----------------------------------------------------------------------------------------------- refused


def test_a_state_works_once(browser: Browser, world: World, provider: LocalProvider) -> None:
    set_up(world, provider)
    back = provider.authorize(leave(browser))
    assert browser.get(back).status_code == 303
    assert browser.get(back).status_code == 422
    assert results(world)[-1] == "provider_state"
    assert sessions(world) == 1


def test_a_forged_state_another_browser_and_a_late_return_are_refused_and_recorded(
    browser: Browser, world: World, provider: LocalProvider, clock: SetClock, db: Database
) -> None:
    set_up(world, provider)
    assert browser.get("/signin/callback?state=made-up&code=x").status_code == 422
    back = provider.authorize(leave(browser))
    with browsing(db, clock=clock) as another:
        assert another.get(back).status_code == 422
    clock.at = NOW + timedelta(minutes=10)
    assert browser.get(back).status_code == 422
    assert results(world) == ["provider_state", "provider_browser", "provider_expired"]
    assert sessions(world) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "another"}, {"nonce": None}, {"aud": "somebody-else"}, {"aud": [CLIENT_ID, "x"]},
        {"iss": "https://elsewhere.example"}, {"exp": int(NOW.timestamp()) - 120}, {"exp": None},
        {"iat": int(NOW.timestamp()) + 3600}, {"sub": None}, {"sub": ""}, {"azp": "somebody-else"},
    ],
)  # fmt: skip
def test_an_identity_that_is_not_ours_is_not_believed(
    browser: Browser, world: World, provider: LocalProvider, changes: dict[str, Any]
) -> None:
    set_up(world, provider)
    provider.changes = changes
    assert come(browser, provider).status_code == 422
    assert sessions(world) == 0
    assert results(world) == ["provider_answer"]


@pytest.mark.parametrize("forge", ["key", "none", "secret"])
def test_a_signature_by_anybody_else_is_not_believed(
    browser: Browser, world: World, provider: LocalProvider, forge: str
) -> None:
    set_up(world, provider)
    provider.forge = forge
    assert come(browser, provider).status_code == 422
    assert sessions(world) == 0


def test_a_code_stolen_on_the_way_is_worth_nothing_without_the_verifier(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    """Somebody swaps in the code of their own sign-in: the verifier does not fit."""
    set_up(world, provider)
    stolen = provider.authorize(leave(browser)).split("code=")[1].split("&")[0]
    state = provider.authorize(leave(browser)).split("state=")[1]
    assert browser.get(f"/signin/callback?code={stolen}&state={state}").status_code == 422
    assert provider.refusals == ["invalid_grant"]


def test_a_provider_that_calls_itself_another_is_refused(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    provider.told_issuer = "https://elsewhere.example"
    assert browser.get("/signin/heqing/provider").status_code == 422


def test_what_was_broken_off_there_and_a_provider_that_is_down_are_said(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    state = provider.authorize(leave(browser)).split("state=")[1]
    answer = browser.get(f"/signin/callback?error=access_denied&state={state}")
    assert "中断" in answer.text
    provider.broken = True
    assert "500" in browser.get("/signin/heqing/provider").text


def test_a_provider_that_was_switched_off_meanwhile_opens_nothing(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    provider_id = set_up(world, provider)
    back = provider.authorize(leave(browser))
    with platform(world) as session:
        providers.switch(session, session.get_one(IdentityProvider, provider_id), on=False, now=NOW)
    assert browser.get(back).status_code == 422
    assert results(world) == ["provider_disabled"]
    assert browser.get("/signin/heqing/provider").status_code == 422


def test_a_closed_account_and_a_removed_role_stay_out(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    come(browser, provider)
    with platform(world) as session:
        session.execute(
            update(Membership)
            .where(Membership.person_id == world.people["heqing_admin"])
            .values(closed_at=NOW)
        )
    assert come(browser, provider).status_code == 422
    assert results(world)[-1] == "provider_unknown"
    visit = visit_of(browser)
    assert visit is None or not visit.members


# ---------------------------------------------------------------------------------------------- required


def test_where_the_provider_is_required_a_password_does_not_reach_the_side(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider, required=True)
    person_id = world.people["heqing_admin"]
    with platform(world) as session:
        sentence = required_provider.password_refusal(session, person_id)
        assert sentence is not None
        assert "医院账号" in sentence
        assert required_provider.password_refusal(session, world.people["operations"]) is None
    browser.enter(person_id)
    visit = visit_of(browser)
    assert visit is not None
    assert visit.reached == {}
    with platform(world) as session:
        session.add(
            Membership(
                person_id=person_id, role=Role.QA, firm_id=world.firm_id, created_at=NOW, accepted_at=NOW
            )
        )
        assert required_provider.password_refusal(session, person_id) is None
    visit = visit_of(browser)
    assert visit is not None
    assert {m.role for m in visit.members} == {Role.QA}
    browser.client.cookies.clear()
    come(browser, provider)
    visit = visit_of(browser)
    assert visit is not None
    assert {m.role for m in visit.members} == {Role.HOSPITAL_ADMIN}


def test_a_right_password_is_told_where_to_sign_in_and_a_wrong_one_is_not(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider, required=True)
    with platform(world) as session:
        person = session.get_one(Person, world.people["heqing_admin"])
        passwords.set_password(session, person, "Riverside-42", now=NOW, address="")
    wrong = browser.post("/signin", {"email": MAIL, "password": "Wrong-12345"})
    assert "医院账号" not in wrong.text
    right = browser.post("/signin", {"email": MAIL, "password": "Riverside-42"})
    assert right.status_code == 422
    assert "请通过“医院账号”登录" in right.text
    assert signin.COOKIE not in browser.client.cookies
    assert results(world)[-1] == "provider_required"
