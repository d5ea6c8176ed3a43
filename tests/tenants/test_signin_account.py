"""One's own account: sessions that can be seen and ended, roles offered, invitations, and unused accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient
from sqlalchemy import select, update
from web_client import MASTER, Browser, browsing
from world import NOW, World

from careloop.app import create_app
from foundation.clock import SetClock
from foundation.database import Database, PlatformSession
from foundation.encryption import MasterKey
from foundation.ids import new_id
from foundation.runtime import Runtime
from foundation.scope import Actor, FirmScope, PlatformScope
from foundation.settings import Settings
from foundation.web.context import CSRF_COOKIE
from foundation.web.errors import UserMistake
from tenants import service
from tenants.identity import invitations, signin, unused
from tenants.models import FirmEvent, Invitation, Membership, Person, SigninEvent, SigninSession
from tenants.rights import Role

PASSWORD = "Riverside-42"
EMAIL = "helin@example.com"
ADDRESS = "192.0.2.7"
SCOPE = PlatformScope(Actor.system("test"), "test")
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36"


@pytest.fixture
def session(db: Database) -> Iterator[PlatformSession]:
    with db.platform(SCOPE) as opened:
        yield opened


def head_of_department(db: Database, world: World) -> UUID:
    """Somebody whose role asks for no second factor."""
    with db.platform(SCOPE) as session:
        made = service.make_person(
            session, email=EMAIL, name="何琳", language="zh_Hans", now=NOW, password=PASSWORD
        )
        service.add_member(
            session, made.id, Role.DEPARTMENT_HEAD, tenant_id=world.heqing.tenant_id, now=NOW,
            department_id=world.heqing.departments["骨科"],
        )  # fmt: skip
        return made.id


def sign_in(browser: Browser, password: str = PASSWORD) -> int:
    form = {"email": EMAIL, "password": password, "next": "/me"}
    return browser.post("/signin", form, headers={"User-Agent": CHROME}).status_code


def results(db: Database, person_id: UUID | None = None) -> list[str]:
    with db.platform(SCOPE) as session:
        lines = select(SigninEvent.result).order_by(SigninEvent.at, SigninEvent.id)
        return list(session.scalars(lines.where(SigninEvent.person_id == person_id) if person_id else lines))


# ----------------------------------------------------------------------------------------------- sessions


def test_somebody_sees_where_they_are_signed_in_and_ends_one_session(db: Database, world: World) -> None:
    person_id = head_of_department(db, world)
    with browsing(db) as desk, browsing(db) as forgotten:
        assert sign_in(forgotten) == 303
        assert sign_in(desk) == 303
        text = desk.get("/me/sessions").text
        assert text.count("Chrome 141 · Windows") == 2
        assert text.count("当前") == 1
        (other,) = re.findall(r"/me/sessions/([0-9a-f-]{36})/end", text)
        assert desk.post(f"/me/sessions/{other}/end").status_code == 303
        answer = forgotten.get("/me/sessions")
        assert answer.headers["location"] == "/signin?next=/me/sessions"
        forgotten.get("/me/sessions")
        assert desk.get("/me/sessions").text.count("Chrome 141") == 1
    assert results(db, person_id).count("session_ended") == 1


def test_all_other_sessions_end_at_once(db: Database, world: World) -> None:
    head_of_department(db, world)
    with browsing(db) as one, browsing(db) as two, browsing(db) as desk:
        for browser in (one, two, desk):
            sign_in(browser)
        assert desk.post("/me/sessions/end-others").status_code == 303
        assert [b.get("/me").status_code for b in (one, two, desk)] == [303, 303, 200]


def test_nobody_ends_the_session_of_somebody_else(db: Database, world: World) -> None:
    head_of_department(db, world)
    with browsing(db) as mine, browsing(db) as theirs:
        sign_in(mine)
        theirs.enter(world.people["operations"])
        with db.platform(SCOPE) as session:
            foreign = session.scalars(
                select(SigninSession.id).where(SigninSession.person_id == world.people["operations"])
            ).one()
        assert mine.post(f"/me/sessions/{foreign}/end").status_code == 404
        assert theirs.get("/me").status_code == 200


def test_being_there_keeps_a_session_and_asking_quietly_does_not(db: Database, world: World) -> None:
    clock = SetClock(NOW)
    with browsing(db, clock=clock) as browser:
        browser.enter(world.people["operations"])
        for minutes in range(5, 60, 5):  # on the phone, without a click
            clock.at = NOW + timedelta(minutes=minutes)
            assert browser.post("/me/alive").status_code == 204
        for minutes in range(56, 70, 2):  # the page that nobody touches
            clock.at = NOW + timedelta(minutes=minutes)
            assert browser.get("/me/alive", headers={"x-careloop-quiet": "1"}).status_code == 204
        clock.at = NOW + timedelta(minutes=70)
        answer = browser.get("/me/alive", headers={"x-careloop-quiet": "1", "x-careloop-form": "1"})
        assert "HX-Redirect" in answer.headers


def test_a_form_sent_too_late_leads_to_the_door_and_back_to_its_page(db: Database, world: World) -> None:
    with browsing(db) as browser:
        headers = {"x-careloop-form": "1", "referer": "http://testserver.local/firm/people"}
        answer = browser.post("/firm/people", {}, headers=headers)
        assert answer.headers["HX-Redirect"] == "/signin?next=/firm/people"
        elsewhere = {"x-careloop-form": "1", "referer": "https://elsewhere.example/firm/people"}
        assert browser.post("/firm/people", {}, headers=elsewhere).headers["HX-Redirect"] == "/signin?next=/"


def test_an_own_password_is_changed_with_the_present_one(db: Database, world: World) -> None:
    person_id = head_of_department(db, world)
    new = {"password": "Mountain-43", "again": "Mountain-43"}
    with browsing(db) as other, browsing(db) as desk:
        sign_in(other)
        sign_in(desk)
        assert desk.post("/me/password", new | {"present": "Wrong-1234"}).status_code == 422
        assert other.get("/me").status_code == 200
        assert desk.post("/me/password", new | {"present": PASSWORD}).status_code == 303
        assert desk.get("/me").status_code == 200
        assert other.get("/me").status_code == 303
        assert sign_in(other) == 422
        assert sign_in(other, "Mountain-43") == 303
    assert "password_set" in results(db, person_id)


def test_guessing_ones_own_password_locks_too(db: Database, world: World) -> None:
    head_of_department(db, world)
    new = {"password": "Mountain-43", "again": "Mountain-43"}
    with browsing(db) as desk:
        sign_in(desk)
        for _ in range(5):
            assert desk.post("/me/password", new | {"present": "Wrong-1234"}).status_code == 422
        assert desk.post("/me/password", new | {"present": PASSWORD}).status_code == 422


# ---------------------------------------------------------------------------------- where requests come from


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        ("", "203.0.113.5", "192.0.2.1"),
        ("10.0.0.0/8", "203.0.113.5", "192.0.2.1"),
        ("192.0.2.0/24", "203.0.113.5", "203.0.113.5"),
        ("192.0.2.0/24,10.0.0.0/8", "6.6.6.6, 203.0.113.5, 10.1.2.3", "203.0.113.5"),
        ("192.0.2.0/24", "203.0.113.5:4711", "203.0.113.5"),
        ("192.0.2.0/24", "[2001:db8::1]:4711", "2001:db8::1"),
        ("192.0.2.0/24", "nonsense", "192.0.2.1"),
        ("192.0.2.0/24", "203.0.113.5, unknown", "192.0.2.1"),
        ("192.0.2.0/24", "", "192.0.2.1"),
    ],
)
def test_only_our_own_proxies_say_who_asks(
    db: Database, world: World, proxies: str, forwarded: str, address: str
) -> None:
    runtime = Runtime(
        Settings(master_key=MASTER, trusted_proxies=proxies), db, SetClock(NOW), MasterKey(b"0" * 32)
    )
    app = create_app(runtime)

    async def from_the_network(scope: Any, receive: Any, send: Any) -> None:
        """The peer of the connection, as a server sees it."""
        if scope["type"] == "http":
            scope["client"] = ("192.0.2.1", 4711)
        await app(scope, receive, send)

    with TestClient(from_the_network) as client:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        client.get("/signin")
        form = {"email": "no@example.com", "password": "x", "_csrf_token": client.cookies[CSRF_COOKIE]}
        assert client.post("/signin", data=form, headers=headers).status_code == 422
    with db.platform(SCOPE) as session:
        assert session.scalars(select(SigninEvent.address)).one() == address


# ---------------------------------------------------------------------------------- invitations and offers


def invited(world: World, role: Role = Role.QA) -> tuple[Person, str]:
    with world.firm(world.admin) as session:
        person = service.make_person(session, email=EMAIL, name="周倩", language="zh_Hans", now=NOW)
        service.add_member(session, person.id, role, firm_id=world.firm_id, now=NOW, accepted=False)
        _invitation, token = invitations.create(session, person, channel="link", now=NOW)
    return person, token


def test_an_invited_person_sets_a_password_once_and_holds_the_role(db: Database, world: World) -> None:
    person, token = invited(world)
    link = f"/invitation/{token}"
    new = {"password": PASSWORD, "again": PASSWORD}
    with browsing(db) as browser:
        assert "周倩" in browser.get(link).text
        assert browser.post(link, {"password": PASSWORD, "again": "Another-42"}).status_code == 422
        assert browser.post(link, {"password": "weak", "again": "weak"}).status_code == 422
        assert browser.post(link, new).headers["location"] == "/signin/enrol?next=/"
    with db.platform(SCOPE) as session:
        assert session.scalars(select(Membership.accepted_at)).all()[-1] is not None
    with browsing(db) as browser:
        assert "邀请已失效" in browser.get(link).text
        assert browser.post(link, new).status_code == 422
    assert results(db, person.id)[-2:] == ["invitation_refused"] * 2


def test_an_invitation_is_good_for_seven_days(world: World) -> None:
    _person, token = invited(world)
    with world.firm(world.admin) as session:
        last = NOW + timedelta(days=7)
        assert invitations.invited_person(session, token, now=last - timedelta(seconds=1)) is not None
        assert invitations.invited_person(session, token, now=last) is None
        assert invitations.invited_person(session, token + "x", now=NOW) is None


def test_the_token_is_not_in_the_database_and_not_to_be_guessed_from_it(world: World) -> None:
    _person, token = invited(world)
    with world.firm(world.admin) as session:
        stored = session.scalars(select(Invitation)).one()
        assert token.encode() not in stored.token_hash
        assert invitations.token_of(session, stored.id) == token
        assert invitations.token_of(session, new_id()) != token


def test_a_role_offered_to_a_known_account_counts_once_it_is_taken(db: Database, world: World) -> None:
    person_id = head_of_department(db, world)
    with world.firm(world.admin) as session:
        for role in (Role.HOSPITAL_FINANCE, Role.MEDICAL_AFFAIRS):
            service.add_member(
                session, person_id, role, tenant_id=world.yunling.tenant_id, now=NOW, accepted=False
            )
    with browsing(db) as browser:
        answer = browser.post("/signin", {"email": EMAIL, "password": PASSWORD, "next": "/"})
        assert answer.headers["location"] == "/me"
        text = browser.get("/me").text
        assert "云岭妇幼保健院" in text
        assert browser.get("/h/yunling/cases").status_code == 404
        first, second = re.findall(r"/me/offers/([0-9a-f-]{36})/accept", text)
        assert browser.post(f"/me/offers/{first}/decline").status_code == 303
        assert browser.post(f"/me/offers/{first}/accept").status_code == 422
        assert browser.post(f"/me/offers/{second}/accept").status_code == 303
        assert browser.post(f"/me/offers/{second}/decline").status_code == 422
        assert browser.get("/h/yunling/cases").status_code == 200
        assert "/me/offers/" not in browser.get("/me").text
    with world.firm(world.admin) as session:
        actions = session.scalars(select(FirmEvent.action).order_by(FirmEvent.seq)).all()
    assert actions[-2:] == ["tenants.role_declined", "tenants.role_accepted"]


def test_a_role_that_needs_a_second_factor_opens_nothing_before_it_is_there(
    db: Database, world: World
) -> None:
    person_id = head_of_department(db, world)
    with world.firm(world.admin) as session:
        service.add_member(
            session, person_id, Role.OPERATIONS, firm_id=world.firm_id, now=NOW, accepted=False
        )
    with browsing(db) as browser:
        sign_in(browser)
        (offer,) = re.findall(r"/me/offers/([0-9a-f-]{36})/accept", browser.get("/me").text)
        answer = browser.post(f"/me/offers/{offer}/accept")
        assert answer.headers["location"].startswith("/signin/enrol")
        assert browser.get("/firm/hospitals").status_code == 303


def test_nobody_takes_an_offer_made_to_somebody_else(db: Database, world: World) -> None:
    person_id = head_of_department(db, world)
    with world.firm(world.admin) as session:
        service.add_member(
            session, person_id, Role.OPERATIONS, firm_id=world.firm_id, now=NOW, accepted=False
        )
        (offer,) = invitations.offers_of(session, person_id)
    with browsing(db) as browser:
        browser.enter(world.people["heqing_admin"])
        assert browser.post(f"/me/offers/{offer.id}/accept").status_code == 422
    with world.firm(world.admin) as session, pytest.raises(UserMistake):
        invitations.accept_offer(session, world.people["heqing_admin"], offer.id, now=NOW)


# ------------------------------------------------------------------------------------- accounts nobody uses


def test_an_account_is_closed_after_ninety_days_without_use(db: Database, world: World) -> None:
    person_id = head_of_department(db, world)
    with browsing(db) as browser:
        sign_in(browser)
    for days, state in [(89, 0), (90, 1)]:
        now = NOW + timedelta(days=days)
        with db.platform(SCOPE) as session:
            session.execute(
                update(Person).where(Person.id.in_(world.people.values())).values(last_seen_at=now)
            )
            assert unused.close_unused(session, now=now) == state
    with db.platform(SCOPE) as session:
        person = session.get_one(Person, person_id)
        now = NOW + timedelta(days=90)
        assert signin.sign_in(session, EMAIL, PASSWORD, now=now, address=ADDRESS) is None
        unused.reopen(session, person, now=now, address=ADDRESS)
        assert unused.close_unused(session, now=now) == 0
        assert signin.sign_in(session, EMAIL, PASSWORD, now=now, address=ADDRESS) is not None
    assert {"closed_unused", "disabled", "account_opened"} <= set(results(db, person_id))


def test_a_firm_keeps_its_last_general_manager_and_the_platform_its_last_operator(
    db: Database, world: World
) -> None:
    with db.firm(FirmScope(world.firm_id, (), Actor.system("test"), "test")) as session:
        second = service.make_person(session, email="gm2@example.com", name="二", language="en", now=NOW)
        service.add_member(session, second.id, Role.FIRM_GM, firm_id=world.firm_id, now=NOW)
        operator = service.make_person(session, email="op@example.com", name="运", language="en", now=NOW)
        service.add_member(session, operator.id, Role.OPERATOR, now=NOW)
        session.get_one(Person, world.people["firm_gm"]).last_seen_at = NOW + timedelta(days=3)
    with db.platform(SCOPE) as session:
        unused.close_unused(session, now=NOW + timedelta(days=200))
        still_open = set(session.scalars(select(Person.id).where(Person.disabled_at.is_(None))))
    assert still_open == {world.people["firm_gm"], operator.id}


PEOPLE = st.sampled_from([UUID(int=n) for n in range(6)])
MOMENTS = st.integers(0, 400).map(lambda days: NOW - timedelta(days=days))


@given(st.dictionaries(PEOPLE, MOMENTS), st.lists(st.sets(PEOPLE), max_size=3))
def test_every_group_that_had_somebody_still_has_somebody(
    used: dict[UUID, object], groups: list[set[UUID]]
) -> None:
    last_use = {person: NOW - timedelta(days=person.int) for person in map(UUID, map(str, used))}
    unused_ones = {person: last_use[person] for person in last_use if person.int % 2}
    keepers = [{person: last_use[person] for person in group if person in last_use} for group in groups]
    closing = unused.to_close(unused_ones, keepers)
    assert closing <= set(unused_ones)
    for group in keepers:
        assert not group or set(group) - closing
