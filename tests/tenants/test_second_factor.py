"""The second factor: who must have one, what a code opens, and what one that was used before does not."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from uuid import UUID

import httpx
import pyotp
import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from foundation.clock import SetClock
from foundation.database import Database, PlatformSession
from foundation.scope import Actor, PlatformScope
from tenants import service
from tenants.identity import mobiles, second_factor, signin
from tenants.models import Person, RecoveryCode, SigninEvent
from tenants.rights import NEEDS_SECOND_FACTOR, Role

PASSWORD = "Riverside-42"
EMAIL = "helin@example.com"
ADDRESS = "192.0.2.7"
SCOPE = PlatformScope(Actor.system("test"), "test")


@pytest.fixture
def session(db: Database) -> Iterator[PlatformSession]:
    with db.platform(SCOPE) as opened:
        yield opened


def person_with(session: PlatformSession, world: World, role: Role | None) -> Person:
    made = service.make_person(
        session, email=EMAIL, name="何琳", language="zh_Hans", now=NOW, password=PASSWORD
    )
    if role is not None:
        of_hospital = role in {Role.DEPARTMENT_HEAD, Role.HOSPITAL_ADMIN}
        service.add_member(
            session, made.id, role, now=NOW,
            firm_id=None if of_hospital else world.firm_id,
            tenant_id=world.heqing.tenant_id if of_hospital else None,
        )  # fmt: skip
    return made


def enrolled(session: PlatformSession, person: Person, now: datetime = NOW) -> tuple[str, list[str]]:
    """The secret of a second factor that is in force, and its recovery codes."""
    signin_id = person.id
    offer = second_factor.offer(session, signin_id)
    made = second_factor.confirm(
        session, person, offer.sealed, code(offer.secret, now), signin_id=signin_id, now=now,
        address=ADDRESS, at=now,
    )  # fmt: skip
    assert isinstance(made, list)
    return offer.secret, made


def code(secret: str, now: datetime) -> str:
    return pyotp.TOTP(secret).at(now)


def results(session: PlatformSession) -> list[str]:
    session.flush()
    return list(session.scalars(select(SigninEvent.result).order_by(SigninEvent.at, SigninEvent.id)))


# ------------------------------------------------------------------------------------------------ codes


def test_a_code_works_once_and_the_next_one_does(session: PlatformSession, world: World) -> None:
    person = person_with(session, world, None)
    secret, _codes = enrolled(session, person)

    def give(now: datetime) -> str | None:
        return second_factor.check(session, person, code(secret, now), now=now, address=ADDRESS, at=now)

    assert give(NOW) == "code_reused"  # the one that put it into force
    later = NOW + timedelta(seconds=30)
    assert give(later) is None
    assert give(later) == "code_reused"
    assert give(NOW) == "code_reused"  # an older one neither
    assert give(NOW + timedelta(seconds=60)) is None
    assert "code_reused" in results(session)


def test_a_phone_whose_clock_is_half_a_minute_off_still_works(session: PlatformSession, world: World) -> None:
    person = person_with(session, world, None)
    secret, _codes = enrolled(session, person)
    now = NOW + timedelta(minutes=5)
    for off, right in [(-90, False), (-30, True), (30, True), (90, False)]:
        typed = code(secret, now + timedelta(seconds=off))
        refused = second_factor.check(session, person, typed, now=now, address=ADDRESS, at=now)
        assert (refused is None) is right


def test_each_recovery_code_works_once(session: PlatformSession, world: World) -> None:
    person = person_with(session, world, None)
    _secret, codes = enrolled(session, person)
    assert len(set(codes)) == 10
    for number, typed in enumerate([codes[0], codes[1].upper(), codes[2].replace("-", " ")], start=1):
        assert second_factor.check(session, person, typed, now=NOW, address=ADDRESS, at=NOW) is None
        assert second_factor.recovery_codes_left(session, person) == 10 - number
    again = second_factor.check(session, person, codes[0], now=NOW, address=ADDRESS, at=NOW)
    assert again == "code_reused"
    stored = b"".join(session.scalars(select(RecoveryCode.code_hash)))
    assert codes[0].replace("-", "").encode() not in stored


def test_somebody_elses_recovery_code_opens_nothing(session: PlatformSession, world: World) -> None:
    mine = person_with(session, world, None)
    enrolled(session, mine)
    other = service.make_person(session, email="b@example.com", name="乙", language="zh_Hans", now=NOW)
    _secret, codes = enrolled(session, other)
    assert second_factor.check(session, mine, codes[0], now=NOW, address=ADDRESS, at=NOW) == "wrong_code"


def test_wrong_codes_lock_and_then_the_right_one_is_refused(session: PlatformSession, world: World) -> None:
    person = person_with(session, world, None)
    secret, codes = enrolled(session, person)
    now = NOW + timedelta(minutes=1)
    for _ in range(5):
        refused = second_factor.check(session, person, "abcde-fghij", now=now, address=ADDRESS, at=now)
        assert refused == "wrong_code"
    for right in (code(secret, now), codes[0]):
        assert second_factor.check(session, person, right, now=now, address=ADDRESS, at=now) == "locked"
    assert results(session)[-2:] == ["locked", "locked"]


def test_a_password_between_them_does_not_forgive_wrong_codes(session: PlatformSession, world: World) -> None:
    person = person_with(session, world, None)
    enrolled(session, person)
    for number in range(5):
        opened = signin.sign_in(session, EMAIL, PASSWORD, now=NOW, address=f"192.0.2.{number}")
        assert opened is not None
        second_factor.check(session, person, "000000", now=NOW, address=f"192.0.2.{number}", at=NOW)
    assert signin.sign_in(session, EMAIL, PASSWORD, now=NOW, address="192.0.2.99") is None


def test_the_secret_stands_nowhere_in_the_clear(session: PlatformSession, world: World) -> None:
    person = person_with(session, world, None)
    secret, _codes = enrolled(session, person)
    assert person.totp_cipher is not None
    assert secret.encode() not in person.totp_cipher


def test_a_secret_shown_in_one_sign_in_cannot_be_confirmed_in_another(
    session: PlatformSession, world: World
) -> None:
    person = person_with(session, world, None)
    offer = second_factor.offer(session, person.id)
    made = second_factor.confirm(
        session, person, offer.sealed, code(offer.secret, NOW), signin_id=UUID(int=1), now=NOW,
        address=ADDRESS, at=NOW,
    )  # fmt: skip
    assert made == "wrong_code"
    assert not second_factor.is_enrolled(person)


def test_of_two_parallel_requests_with_one_code_one_wins(engine_db: Database) -> None:
    with engine_db.platform(SCOPE) as session:
        person = service.make_person(session, email="race@example.com", name="甲", language="en", now=NOW)
        secret, _codes = enrolled(session, person)
    now = NOW + timedelta(minutes=2)
    came: list[str | None] = []
    together = threading.Barrier(4)

    def give(number: int) -> None:
        together.wait()
        with engine_db.platform(SCOPE) as session:
            found = session.get_one(Person, person.id)
            address = f"192.0.2.{number}"
            came.append(
                second_factor.check(session, found, code(secret, now), now=now, address=address, at=now)
            )

    threads = [threading.Thread(target=give, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came, key=str) == [None, "code_reused", "code_reused", "code_reused"]


# ------------------------------------------------------------------------------------------ in the browser


def sign_in(browser: Browser, *, wanted: str = "/me") -> httpx.Response:
    return browser.post("/signin", {"email": EMAIL, "password": PASSWORD, "next": wanted})


def field(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found is not None
    return unescape(found[1])


def secret_on(text: str) -> str:
    found = re.search(r'class="cl-secret">(.*?)</p>', text, re.DOTALL)
    assert found is not None
    return re.sub(r"<[^>]+>|\s", "", found[1])


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, world: World, clock: SetClock) -> Iterator[Browser]:
    with browsing(db, clock=clock) as made:
        yield made


def test_somebody_who_needs_a_second_factor_enrols_before_anything_opens(
    browser: Browser, db: Database, world: World
) -> None:
    with db.platform(SCOPE) as session:
        person_with(session, world, Role.OPERATIONS)
    answer = sign_in(browser, wanted="/firm/hospitals")
    assert answer.headers["location"] == "/signin/enrol?next=/firm/hospitals"
    first = browser.client.cookies[signin.COOKIE]
    for path in ("/firm/hospitals", "/me", "/me/factor", "/me/alive"):
        assert browser.get(path).headers["location"].startswith("/signin?next=")
    assert browser.get("/signin/code").headers["location"] == "/signin/enrol?next=/"
    text = browser.get(answer.headers["location"]).text
    assert 'src="data:image/svg+xml' in text
    form = {"sealed": field(text, "sealed"), "next": "/firm/hospitals"}
    assert browser.post("/signin/enrol", form | {"code": "000000"}).status_code == 422
    done = browser.post("/signin/enrol", form | {"code": code(secret_on(text), NOW)})
    assert done.status_code in {200, 201}
    codes = re.findall(r"<li>([a-z2-9]{5}-[a-z2-9]{5})</li>", done.text)
    assert len(codes) == 10
    assert 'href="/firm/hospitals"' in done.text
    assert browser.get("/firm/hospitals").status_code == 200
    assert browser.client.cookies[signin.COOKIE] != first
    browser.client.cookies.set(signin.COOKIE, first)
    assert browser.get("/firm/hospitals").status_code == 303


def test_with_a_second_factor_the_sign_in_waits_for_its_code(
    browser: Browser, db: Database, world: World, clock: SetClock
) -> None:
    with db.platform(SCOPE) as session:
        secret, codes = enrolled(session, person_with(session, world, Role.OPERATIONS))
    clock.at = NOW + timedelta(minutes=1)
    answer = sign_in(browser, wanted="/firm/people")
    assert answer.headers["location"] == "/signin/code?next=/firm/people"
    assert browser.get("/signin/enrol").headers["location"].startswith("/signin/code")
    assert browser.get("/firm/people").status_code == 303
    waiting = browser.client.cookies[signin.COOKIE]
    right = code(secret, clock.at)
    done = browser.post("/signin/code", {"code": f"{right[:3]} {right[3:]}", "next": "/firm/people"})
    assert done.headers["location"] == "/firm/people"
    assert browser.get("/firm/people").status_code == 200
    assert browser.client.cookies[signin.COOKIE] != waiting
    with browsing(db, clock=clock) as another:
        sign_in(another)
        assert another.post("/signin/code", {"code": right}).status_code == 422
        assert another.post("/signin/code", {"code": codes[3]}).status_code == 303
        assert another.get("/me").status_code == 200


def test_a_sign_in_that_waits_for_its_code_ends_after_a_quarter_of_an_hour(
    browser: Browser, db: Database, world: World, clock: SetClock
) -> None:
    with db.platform(SCOPE) as session:
        secret, _codes = enrolled(session, person_with(session, world, Role.OPERATIONS))
    sign_in(browser)
    clock.at = NOW + timedelta(minutes=15)
    answer = browser.post("/signin/code", {"code": code(secret, clock.at)})
    assert answer.headers["location"].startswith("/signin?")


def test_an_old_password_comes_after_the_second_factor(
    browser: Browser, db: Database, world: World, clock: SetClock
) -> None:
    with db.platform(SCOPE) as session:
        secret, _codes = enrolled(session, person_with(session, world, Role.OPERATIONS))
    clock.at = NOW + timedelta(days=91)
    assert sign_in(browser).headers["location"].startswith("/signin/code")
    answer = browser.post("/signin/code", {"code": code(secret, clock.at), "next": "/me"})
    assert answer.headers["location"] == "/signin/password?next=/me"
    assert browser.get("/me").status_code == 303
    same = {"password": PASSWORD, "again": PASSWORD, "next": "/me"}
    assert browser.post("/signin/password", same).status_code == 422
    new = {"password": "Mountain-43", "again": "Mountain-43", "next": "/me"}
    assert browser.post("/signin/password", new).headers["location"] == "/me"
    assert browser.get("/me").status_code == 200


def test_who_needs_none_may_have_one_and_take_it_away(
    browser: Browser, db: Database, world: World, clock: SetClock
) -> None:
    with db.platform(SCOPE) as session:
        person_with(session, world, Role.DEPARTMENT_HEAD)
    assert sign_in(browser).headers["location"] == "/me"
    text = browser.get("/me/factor").text
    secret = secret_on(text)
    form = {"sealed": field(text, "sealed"), "code": code(secret, NOW)}
    assert browser.post("/me/factor", form | {"password": "Wrong-1234"}).status_code == 422
    assert "恢复码" in browser.post("/me/factor", form | {"password": PASSWORD}).text
    assert "剩余恢复码" in browser.get("/me/factor").text
    assert secret not in browser.get("/me/factor").text
    fresh = browser.post("/me/factor/codes", {"password": PASSWORD}).text
    codes = re.findall(r"<li>([a-z2-9]{5}-[a-z2-9]{5})</li>", fresh)
    browser.post("/signout")
    assert sign_in(browser).headers["location"].startswith("/signin/code")
    assert browser.post("/signin/code", {"code": codes[0]}).status_code == 303
    away = {"password": PASSWORD, "code": codes[0]}
    assert browser.post("/me/factor/remove", away).status_code == 422
    away = {"password": PASSWORD, "code": codes[1]}
    assert browser.post("/me/factor/remove", away).headers["location"] == "/me/factor"
    browser.post("/signout")
    assert sign_in(browser).headers["location"] == "/me"


def test_another_phone_is_set_up_at_once_where_the_role_asks_for_one(
    browser: Browser, db: Database, world: World, clock: SetClock
) -> None:
    with db.platform(SCOPE) as session:
        person = person_with(session, world, Role.OPERATIONS)
        _secret, codes = enrolled(session, person)
    sign_in(browser)
    browser.post("/signin/code", {"code": codes[0]})
    away = {"password": PASSWORD, "code": codes[1]}
    answer = browser.post("/me/factor/remove", away)
    assert answer.headers["location"].startswith("/signin/enrol")
    assert browser.get("/firm/hospitals").status_code == 303
    text = browser.get("/signin/enrol").text
    form = {"sealed": field(text, "sealed"), "code": code(secret_on(text), NOW)}
    assert browser.post("/signin/enrol", form).status_code in {200, 201}
    assert browser.get("/firm/hospitals").status_code == 200


def test_a_reset_ends_every_session_and_the_next_sign_in_enrols(
    session: PlatformSession, world: World
) -> None:
    person = person_with(session, world, Role.OPERATIONS)
    _secret, codes = enrolled(session, person)
    token = signin.open_session(session, person, now=NOW, address=ADDRESS)
    second_factor.reset(session, person, now=NOW, address=ADDRESS)
    assert signin.person_of(session, token, now=NOW) is None
    assert second_factor.check(session, person, codes[0], now=NOW, address=ADDRESS, at=NOW) == "wrong_code"
    opened = signin.sign_in(session, EMAIL, PASSWORD, now=NOW, address=ADDRESS)
    assert opened is not None
    assert opened.waiting_for == "enrolment"


@pytest.mark.parametrize("role", [Role.AGENT, Role.DEPARTMENT_HEAD, Role.HOSPITAL_ADMIN])
def test_roles_say_who_needs_one(session: PlatformSession, world: World, role: Role) -> None:
    person = person_with(session, world, role)
    opened = signin.sign_in(session, EMAIL, PASSWORD, now=NOW, address=ADDRESS)
    assert opened is not None
    assert (opened.waiting_for == "enrolment") is (role in NEEDS_SECOND_FACTOR)
    mobiles.put(session, person, "13800138000")
    session.flush()
    by_number = signin.sign_in(session, "138 0013 8000", PASSWORD, now=NOW, address=ADDRESS)
    assert by_number is not None
    assert by_number.waiting_for == opened.waiting_for


def test_the_demos_people_come_in_with_one_click_whatever_their_role(db: Database, world: World) -> None:
    with browsing(db, demo=True) as browser:
        browser.post("/demo/enter", {"person_id": str(world.people["operations"])})
        assert browser.get("/firm/hospitals").status_code == 200
        assert "演示" in browser.get("/me/sessions").text
