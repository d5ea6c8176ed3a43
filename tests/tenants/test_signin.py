"""Signing in: who gets in, who is kept out, and for how long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from web_client import browsing
from world import NOW, World

from foundation.clock import SetClock
from foundation.database import Database, PlatformSession
from foundation.scope import Actor, PlatformScope
from tenants import service
from tenants.identity import passwords, signin
from tenants.models import Person, SigninEvent, SigninSession
from tenants.rights import Role

PASSWORD = "Riverside-42"
EMAIL = "helin@example.com"
ADDRESS = "192.0.2.7"


@pytest.fixture
def session(db: Database) -> Iterator[PlatformSession]:
    with db.platform(PlatformScope(Actor.system("test"), "test")) as opened:
        yield opened


@pytest.fixture
def person(session: PlatformSession) -> Person:
    return service.make_person(
        session, email=EMAIL, name="何琳", language="zh_Hans", now=NOW, password=PASSWORD
    )


def attempt(session: PlatformSession, password: str = PASSWORD, *, after: int = 0) -> str | None:
    now = NOW + timedelta(minutes=after)
    opened = signin.sign_in(session, EMAIL, password, now=now, address=ADDRESS)
    return None if opened is None else opened.token


def results(session: PlatformSession) -> list[str]:
    session.flush()
    return list(session.scalars(select(SigninEvent.result).order_by(SigninEvent.at, SigninEvent.id)))


def test_the_right_password_opens_a_session_and_the_token_is_not_stored(
    session: PlatformSession, person: Person
) -> None:
    opened = signin.sign_in(session, " HeLin@Example.com ", PASSWORD, now=NOW, address=ADDRESS)
    assert opened is not None
    token = opened.token
    stored = session.scalars(select(SigninSession)).one()
    assert token.encode() not in stored.token_hash
    assert signin.person_of(session, token, now=NOW) == person
    assert signin.person_of(session, token + "x", now=NOW) is None


def test_five_wrong_passwords_lock_the_account_for_half_an_hour(
    session: PlatformSession, person: Person
) -> None:
    for _ in range(5):
        assert attempt(session, "Wrong-1234") is None
    assert attempt(session) is None
    assert attempt(session, after=29) is None
    assert attempt(session, after=30) is not None
    assert results(session) == ["wrong_password"] * 5 + ["locked", "locked", "signed_in"]


def test_a_right_password_forgives_the_wrong_ones_before(session: PlatformSession, person: Person) -> None:
    for _ in range(2):
        for _ in range(4):
            attempt(session, "Wrong-1234")
        assert attempt(session) is not None


def test_attempts_on_an_unknown_account_are_recorded_too(session: PlatformSession) -> None:
    assert attempt(session) is None
    assert results(session) == ["unknown"]


def test_a_closed_account_stays_out_and_its_open_sessions_end(
    session: PlatformSession, person: Person
) -> None:
    token = attempt(session)
    person.disabled_at = NOW
    session.flush()
    assert token is not None
    assert signin.person_of(session, token, now=NOW) is None
    assert attempt(session) is None


def test_a_session_ends_after_fifteen_minutes_without_use_and_not_while_used(
    session: PlatformSession, person: Person
) -> None:
    token = attempt(session)
    assert token is not None
    for minutes in range(14, 300, 14):
        assert signin.person_of(session, token, now=NOW + timedelta(minutes=minutes)) is not None
        session.flush()
    last = NOW + timedelta(minutes=294)
    assert signin.person_of(session, token, now=last + timedelta(minutes=15)) is None


def test_a_page_that_only_asks_does_not_keep_the_session_alive(
    session: PlatformSession, person: Person
) -> None:
    token = attempt(session)
    assert token is not None
    for minutes in range(1, 15):
        now = NOW + timedelta(minutes=minutes)
        assert signin.session_of(session, token, now=now, touch=False) is not None
    assert signin.person_of(session, token, now=NOW + timedelta(minutes=15)) is None


def test_a_session_ends_after_twelve_hours_however_busy(session: PlatformSession, person: Person) -> None:
    token = attempt(session)
    assert token is not None
    for minutes in range(10, 720, 10):
        assert signin.person_of(session, token, now=NOW + timedelta(minutes=minutes)) is not None
        session.flush()
    assert signin.person_of(session, token, now=NOW + timedelta(hours=12)) is None


def test_signing_out_ends_the_session(session: PlatformSession, person: Person) -> None:
    token = attempt(session)
    assert token is not None
    signin.sign_out(session, token, now=NOW, address=ADDRESS)
    assert signin.person_of(session, token, now=NOW) is None


def test_a_new_password_ends_all_sessions(session: PlatformSession, person: Person) -> None:
    token = attempt(session)
    assert token is not None
    passwords.set_password(session, person, "Mountain-43", now=NOW, address=ADDRESS)
    assert signin.person_of(session, token, now=NOW) is None
    assert attempt(session) is None
    assert attempt(session, "Mountain-43") is not None


# ------------------------------------------------------------------------------------------ in the browser


def test_unknown_wrong_and_locked_read_the_same(db: Database, world: World) -> None:
    with db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        service.make_person(session, email=EMAIL, name="何琳", language="zh_Hans", now=NOW, password=PASSWORD)
    with browsing(db) as browser:
        texts = set()
        for email in ["nobody@example.com", *[EMAIL] * 6]:
            answer = browser.post(
                "/signin", {"email": email, "password": "Wrong-1234"}, headers={"HX-Request": "true"}
            )
            assert answer.status_code == 422
            texts.add(answer.text)
        assert len(texts) == 1


def test_the_cookie_is_out_of_reach_of_scripts_and_the_way_back_stays_on_this_site(
    db: Database, world: World
) -> None:
    with db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        made = service.make_person(
            session, email=EMAIL, name="何琳", language="en", now=NOW, password=PASSWORD
        )
        service.add_member(session, made.id, Role.DEPARTMENT_HEAD, tenant_id=world.heqing.tenant_id, now=NOW)
    for wanted, reached in [
        ("/me/signins", "/me/signins"),
        ("/signin/code", "/"),
        ("https://elsewhere.example", "/"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
    ]:
        with browsing(db) as browser:
            form = {"email": EMAIL, "password": PASSWORD, "next": wanted}
            answer = browser.post("/signin", form)
            assert answer.status_code == 303
            assert answer.headers["location"] == reached
            cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(signin.COOKIE))
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie
            assert 'lang="en"' in browser.get("/me/signins").text


def test_an_expired_session_leads_to_the_sign_in_page(db: Database, world: World) -> None:
    clock = SetClock(NOW)
    with browsing(db, clock=clock) as browser:
        browser.enter(world.people["operations"])
        assert browser.get("/me/signins").status_code == 200
        clock.at = NOW + timedelta(minutes=15)
        answer = browser.get("/me/signins")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/signin?next=/me/signins"


def test_the_demo_offers_its_people_with_one_click(db: Database, world: World) -> None:
    with browsing(db, demo=True) as browser:
        text = browser.get("/signin").text
        assert "李敏" in text
        assert "河清市第一人民医院" in text
        ids = re.findall(r'name="person_id" value="([0-9a-f-]+)"', text)
        assert str(world.people["heqing_gm"]) in ids
        assert browser.post("/demo/enter", {"person_id": ids[0]}).status_code == 303
        assert browser.get("/me/signins").status_code == 200


def test_without_the_demo_nobody_is_offered_or_entered(db: Database, world: World) -> None:
    with browsing(db, demo=False) as browser:
        assert "李敏" not in browser.get("/signin").text
        answer = browser.post("/demo/enter", {"person_id": str(world.people["operations"])})
        assert answer.status_code == 404
        assert signin.COOKIE not in browser.client.cookies
        assert browser.get("/me/signins").status_code == 303


def test_the_language_stays_with_the_person(db: Database, world: World) -> None:
    with browsing(db) as browser:
        browser.enter(world.people["operations"])
        assert "医院" in browser.get("/firm/hospitals").text
        answer = browser.post("/language", {"language": "en", "next": "/firm/hospitals"})
        assert answer.headers["location"] == "/firm/hospitals"
        assert "New hospital" in browser.get("/firm/hospitals").text
    with browsing(db) as another:
        another.enter(world.people["operations"])
        assert "New hospital" in another.get("/firm/hospitals").text
