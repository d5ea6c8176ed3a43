"""A session that one side's company sign-in vouched for: what it does not do to the account as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from company_signin import MAIL, come, platform, results, sessions, set_up, visit_of
from oidc_provider import LocalProvider, local_provider
from sqlalchemy import select, update
from web_client import Browser, browsing
from world import NOW, World

from foundation.database import Database
from foundation.ids import new_id
from tenants.identity import passwords, signin
from tenants.models import ApiToken, Membership, Person, SigninSession
from tenants.rights import Role
from tenants.service import add_member, make_person

PASSWORD = "Riverside-42"


@pytest.fixture
def provider() -> Iterator[LocalProvider]:
    with local_provider(NOW) as running:
        running.who = {"sub": "u-17", "email": MAIL, "email_verified": True, "amr": ["pwd", "mfa"]}
        yield running


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


def with_password(world: World, name: str) -> None:
    with platform(world) as session:
        person = session.get_one(Person, world.people[name])
        passwords.set_password(session, person, PASSWORD, now=NOW, address="")


def key_at(world: World, tenant_id: UUID) -> UUID:
    made = new_id()
    with platform(world) as session:
        session.add(
            ApiToken(
                id=made, token_hash=made.bytes, prefix="clp_x", name=f"key of {tenant_id}",
                person_id=world.people["heqing_admin"], tenant_id=tenant_id, actions=[],
                created_at=NOW, expires_at=NOW + timedelta(days=9),
            )
        )  # fmt: skip
    return made


def test_an_offer_opens_nothing_by_the_word_of_who_made_it(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    with platform(world) as session:
        victim = make_person(
            session, email="victim@example.com", name="别人", language="zh_Hans", now=NOW, password=PASSWORD
        )
        add_member(session, victim.id, Role.HOSPITAL_ADMIN, tenant_id=world.yunling.tenant_id, now=NOW)
        add_member(
            session, victim.id, Role.HOSPITAL_ADMIN, tenant_id=world.heqing.tenant_id, now=NOW,
            accepted=False,
        )  # fmt: skip
    provider.who |= {"sub": "u-18", "email": "victim@example.com"}
    refused = come(browser, provider)
    assert refused.status_code == 422
    assert "请先用密码登录并接受" in refused.text
    assert sessions(world) == 0
    assert results(world)[-1] == "provider_offer"


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_factor_is_not_set_up_through_one_side_for_an_account_that_has_more(
    browser: Browser, world: World, provider: LocalProvider, elsewhere: bool
) -> None:
    set_up(world, provider, vouches=False)
    if elsewhere:
        with platform(world) as session:
            person_id = world.people["heqing_admin"]
            add_member(session, person_id, Role.HOSPITAL_ADMIN, tenant_id=world.yunling.tenant_id, now=NOW)
    else:
        with_password(world, "heqing_admin")
    assert come(browser, provider).status_code == 422
    assert results(world)[-1] == "provider_enrolment"
    # Neither does a session that began to wait before the account got more.
    with platform(world) as session:
        person = session.get_one(Person, world.people["heqing_admin"])
        token = signin.open_session(
            session, person, now=NOW, address="", strength="provider", waiting_for="enrolment",
            tenant_id=world.heqing.tenant_id,
        )  # fmt: skip
    browser.client.cookies.set(signin.COOKIE, token)
    assert browser.get("/signin/enrol").status_code == 422
    assert browser.post("/signin/enrol", {"code": "1", "sealed": "x"}).status_code == 422


def test_where_no_password_opens_the_only_side_its_sign_in_leads_to_the_factor(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider, vouches=False, required=True)
    with_password(world, "heqing_admin")
    assert come(browser, provider).headers["location"].startswith("/signin/enrol")


def test_a_confined_session_leaves_the_account_as_it_is(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    person_id = world.people["heqing_admin"]
    with platform(world) as session:
        add_member(session, person_id, Role.HOSPITAL_ADMIN, tenant_id=world.yunling.tenant_id, now=NOW)
        other = signin.open_session(session, session.get_one(Person, person_id), now=NOW, address="9.9.9.9")
        other_id = session.scalars(select(SigninSession.id)).one()
    here, there = key_at(world, world.heqing.tenant_id), key_at(world, world.yunling.tenant_id)
    assert come(browser, provider).status_code == 303
    assert visit_of(browser) is not None
    assert browser.get("/me").status_code == 200
    assert browser.get("/me/factor").status_code == 422
    form = {"present": "", "password": PASSWORD, "again": PASSWORD, "code": "1", "sealed": "x"}
    for path in ("/me/factor", "/me/factor/codes", "/me/factor/remove", "/me/password"):
        answer = browser.post(path, form)
        assert answer.status_code == 422
        assert "请用密码登录" in answer.text
    assert "9.9.9.9" not in browser.get("/me/sessions").text
    assert browser.post(f"/me/sessions/{other_id}/end").status_code == 404
    assert browser.post("/me/sessions/end-others").status_code == 303
    with platform(world) as session:
        assert signin.session_of(session, other, now=NOW) is not None
    listed = browser.get("/me/tokens").text
    assert str(world.heqing.tenant_id) in listed
    assert str(world.yunling.tenant_id) not in listed
    assert browser.post(f"/me/tokens/{there}/revoke").status_code == 404
    assert browser.post(f"/me/tokens/{here}/revoke").status_code == 303


def test_a_role_that_asks_for_a_factor_asks_sessions_that_are_open(browser: Browser, world: World) -> None:
    with platform(world) as session:
        person = make_person(
            session, email="clerk@example.com", name="财务", language="zh_Hans", now=NOW, password=PASSWORD
        )
        person_id = person.id
        add_member(session, person_id, Role.HOSPITAL_FINANCE, tenant_id=world.heqing.tenant_id, now=NOW)
        token = signin.open_session(session, person, now=NOW, address="")
        role = session.scalars(select(Membership.id).where(Membership.person_id == person_id)).one()
    browser.enter(world.people["heqing_admin"])
    change = {"act": "change", "role": "hospital_admin"}
    assert browser.post(f"/h/heqing/people/roles/{role}", change).status_code == 303
    browser.client.cookies.set(signin.COOKIE, token)
    assert browser.get("/h/heqing/people").status_code == 303
    assert browser.get("/signin/enrol").status_code == 200


def test_an_offer_taken_in_one_session_asks_the_others_for_the_factor(browser: Browser, world: World) -> None:
    person_id = world.people["agent"]
    with platform(world) as session:
        other = signin.open_session(session, session.get_one(Person, person_id), now=NOW, address="")
        add_member(
            session, person_id, Role.HOSPITAL_ADMIN, tenant_id=world.heqing.tenant_id, now=NOW,
            accepted=False,
        )  # fmt: skip
        offered = Membership.person_id == person_id, Membership.accepted_at.is_(None)
        offer = session.scalars(select(Membership.id).where(*offered)).one()
    browser.enter(person_id)
    answer = browser.post(f"/me/offers/{offer}/accept")
    assert answer.headers["location"].startswith("/signin/enrol")
    with platform(world) as session:
        session.execute(update(Person).values(failures=0))
        assert signin.session_of(session, other, now=NOW) is None
        assert signin.session_of(session, other, now=NOW, waiting=True) is not None
