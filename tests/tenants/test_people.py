"""The people of a firm and of a hospital: who may give which role, and what taking one away ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from web_client import Browser, browsing
from world import NOW, World

from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.scope import Actor, PlatformScope
from tenants.arrival import Arrival
from tenants.identity import providers, signin, tokens
from tenants.models import Department, ExternalIdentity, FirmEvent, Membership, Person, SigninSession
from tenants.rights import GIVES, MATRIX, SIDES, Action, Role
from tenants.visit import Visit

PASSWORD = "Riverside-42"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, world: World, clock: SetClock) -> Iterator[Browser]:
    with browsing(db, clock=clock) as made:
        yield made


def platform(world: World) -> Any:
    return world.db.platform(PlatformScope(Actor.system("test"), "test"))


def visit_of(browser: Browser, person_id: UUID) -> Visit:
    with browser.runtime.database.platform(PlatformScope(Actor.system("test"), "test")) as session:
        token = signin.open_session(session, session.get_one(Person, person_id), now=NOW, address="")
    made = Arrival(browser.runtime).visit(token, None, "")
    assert made is not None
    return made


def give(
    world: World, person_id: UUID, role: Role, *, tenant_id: UUID | None = None, firm_id: UUID | None = None
) -> UUID:
    made = new_id()
    with platform(world) as session:
        session.add(
            Membership(
                id=made, person_id=person_id, role=role.value, firm_id=firm_id, tenant_id=tenant_id,
                created_at=NOW, accepted_at=NOW,
            )
        )  # fmt: skip
    return made


def held(world: World, name: str) -> Membership:
    with platform(world) as session:
        found = select(Membership).where(Membership.person_id == world.people[name])
        member: Membership = session.scalars(found).one()
        return member


def person_of(world: World, email: str) -> Person | None:
    with platform(world) as session:
        found: Person | None = session.scalar(select(Person).where(Person.email == email))
        return found


def wish(role: Role, **changes: str) -> dict[str, str]:
    return {"name": "新人", "email": "new@example.com", "role": role.value, **changes}


# ------------------------------------------------------------------------------------ who may give what


def test_what_is_given_lies_on_the_givers_side_and_needs_the_right_to_give() -> None:
    managing = {role for role in Role if Action.MANAGE_PEOPLE in MATRIX[role]}
    assert set(GIVES) == managing
    for giver, roles in GIVES.items():
        assert not {role for role in roles if SIDES[role] == "platform"}
        if SIDES[giver] == "hospital":
            assert {SIDES[role] for role in roles} == {"hospital"}
    assert Role.FIRM_GM in GIVES[Role.FIRM_GM]
    assert Role.FIRM_GM not in GIVES[Role.OPERATIONS]


@pytest.mark.parametrize(("giver", "path"), [("operations", "/firm/people"), ("firm_gm", "/firm/people"),
                                             ("heqing_admin", "/h/heqing/people")])  # fmt: skip
@pytest.mark.parametrize("role", list(Role))
def test_each_manager_gives_exactly_the_roles_written_down(
    browser: Browser, world: World, giver: str, path: str, role: Role
) -> None:
    browser.enter(world.people[giver])
    answer = browser.post(path, wish(role, hospital="heqing", department="骨科"))
    allowed = role in GIVES[Role(held(world, giver).role)]
    assert answer.status_code == (200 if allowed else 422), answer.text
    assert (person_of(world, "new@example.com") is not None) is allowed


def test_a_hospitals_manager_manages_that_hospital_alone(browser: Browser, world: World) -> None:
    browser.enter(world.people["heqing_admin"])
    assert browser.get("/h/yunling/people").status_code == 404
    assert browser.get("/firm/people").status_code == 403
    listed = browser.get("/h/heqing/people").text
    assert "赵院长" in listed
    assert "吴芳" not in listed
    assert "李敏" not in listed
    foreign = held(world, "yunling_admin")
    assert browser.post(f"/h/heqing/people/roles/{foreign.id}", {"act": "remove"}).status_code == 404
    for act in ("close", "reopen", "unlock", "reset_second_factor", "unlink"):
        path = f"/h/heqing/people/{foreign.person_id}/account"
        assert browser.post(path, {"act": act}).status_code == 404
    assert browser.post(f"/h/heqing/people/{foreign.person_id}/invitation").status_code == 404


def test_nobody_shuts_out_whom_they_could_not_appoint(browser: Browser, world: World) -> None:
    browser.enter(world.people["operations"])
    boss = held(world, "firm_gm")
    assert browser.post(f"/firm/people/roles/{boss.id}", {"act": "remove"}).status_code == 422
    for act in ("close", "unlock", "reset_second_factor"):
        assert browser.post(f"/firm/people/{boss.person_id}/account", {"act": act}).status_code == 422
    browser.enter(world.people["heqing_admin"])
    director = held(world, "heqing_gm")
    assert browser.post(f"/h/heqing/people/roles/{director.id}", {"act": "remove"}).status_code == 422


def test_nobody_gives_themselves_a_role_or_loses_the_last_one_that_manages(
    browser: Browser, world: World
) -> None:
    with platform(world) as session:
        mail = session.get_one(Person, world.people["operations"]).email
    browser.enter(world.people["operations"])
    assert mail is not None
    assert browser.post("/firm/people", wish(Role.QA, email=mail)).status_code == 422
    own = held(world, "operations")
    assert browser.post(f"/firm/people/roles/{own.id}", {"act": "remove"}).status_code == 422
    change = {"act": "change", "role": "team_lead"}
    assert browser.post(f"/firm/people/roles/{own.id}", change).status_code == 422
    extra = give(world, own.person_id, Role.QA, firm_id=world.firm_id)
    assert browser.post(f"/firm/people/roles/{extra}", {"act": "remove"}).status_code == 303


def test_a_firm_keeps_a_general_manager(browser: Browser, world: World) -> None:
    second = give(world, world.people["operations"], Role.FIRM_GM, firm_id=world.firm_id)
    first = held(world, "firm_gm")
    browser.enter(world.people["operations"])
    assert browser.post(f"/firm/people/roles/{first.id}", {"act": "remove"}).status_code == 303
    browser.enter(world.people["agent"])
    give(world, world.people["agent"], Role.FIRM_GM, firm_id=world.firm_id)
    with platform(world) as session:  # the agent's account is closed: it does not count as a manager
        session.execute(update(Person).where(Person.id == world.people["agent2"]).values(disabled_at=NOW))
    assert browser.post(f"/firm/people/roles/{second}", {"act": "remove"}).status_code == 303
    last = select(func.count()).where(Membership.role == Role.FIRM_GM.value)
    with platform(world) as session:
        assert session.scalar(last) == 1
        mine = session.scalars(select(Membership.id).where(Membership.role == Role.FIRM_GM.value)).one()
    assert browser.post(f"/firm/people/roles/{mine}", {"act": "remove"}).status_code == 422


# ------------------------------------------------------------------------------------------- invitations


def test_somebody_invited_by_mobile_number_sets_a_password_and_works(browser: Browser, world: World) -> None:
    browser.enter(world.people["heqing_admin"])
    form = wish(Role.DEPARTMENT_HEAD, email="", phone="+86 138 0013 8000", department="骨科")
    answer = browser.post("/h/heqing/people", form)
    link = re.findall(r"/invitation/[\w-]{43}", answer.text)[0]
    listed = browser.get("/h/heqing/people").text
    assert "138****8000" in listed
    assert "13800138000" not in listed
    assert browser.post(link, {"password": PASSWORD, "again": PASSWORD}).status_code == 303
    with platform(world) as session:
        person = session.scalars(select(Person).where(Person.phone_masked == "138****8000")).one()
        assert person.email is None
    own = frozenset([world.heqing.departments["骨科"]])
    assert visit_of(browser, person.id).departments("heqing") == own
    with world.hospital(world.heqing) as session:
        recorded = session.scalars(select(AuditEvent)).all()
    assert "tenants.person_invited" in [event.action for event in recorded]
    assert "138" not in str([event.detail for event in recorded])


@pytest.mark.parametrize(
    "changes",
    [{"email": "", "phone": ""}, {"phone": "13800138000"}, {"email": "no-address"}, {"name": " "},
     {"email": "", "phone": "12345"}],
)  # fmt: skip
def test_an_invitation_names_one_way_to_reach_somebody(
    browser: Browser, world: World, changes: dict[str, str]
) -> None:
    browser.enter(world.people["operations"])
    assert browser.post("/firm/people", wish(Role.QA, **changes)).status_code == 422


def test_a_role_given_to_an_account_that_is_there_waits_for_its_owner(browser: Browser, world: World) -> None:
    with platform(world) as session:
        known = session.get_one(Person, world.people["yunling_admin"])
        known.password_hash = "x"
        mail = known.email
    assert mail is not None
    browser.enter(world.people["heqing_admin"])
    answer = browser.post("/h/heqing/people", wish(Role.MEDICAL_AFFAIRS, email=mail, name="某某"))
    assert "/invitation/" not in answer.text
    assert "吴芳" not in answer.text  # who somebody is elsewhere is not told to who types an address
    assert set(visit_of(browser, world.people["yunling_admin"]).reached) == {"yunling"}
    assert "待接受" in browser.get("/h/heqing/people").text
    again = browser.post("/h/heqing/people", wish(Role.MEDICAL_AFFAIRS, email=mail))
    assert again.status_code == 422


def test_no_link_is_made_for_an_account_that_others_invited_first(browser: Browser, world: World) -> None:
    """The link would open what the firm gave to this address."""
    browser.enter(world.people["firm_gm"])
    assert browser.post("/firm/people", wish(Role.FIRM_GM)).status_code == 200
    browser.enter(world.people["heqing_admin"])
    assert browser.post("/h/heqing/people", wish(Role.MEDICAL_AFFAIRS)).status_code == 422
    # Neither gives the firm a hospital's role besides: the hospital could send a link anew.
    browser.enter(world.people["firm_gm"])
    assert browser.post("/firm/people", wish(Role.MEDICAL_AFFAIRS, hospital="heqing")).status_code == 422


def test_an_invitation_sent_again_ends_the_link_before_and_one_withdrawn_ends_with_the_role(
    browser: Browser, world: World, clock: SetClock
) -> None:
    browser.enter(world.people["operations"])
    first = re.findall(r"/invitation/[\w-]{43}", browser.post("/firm/people", wish(Role.QA)).text)[0]
    clock.at = NOW + timedelta(days=7)
    browser.enter(world.people["operations"])
    assert "过期" in browser.get("/firm/people").text
    person = person_of(world, "new@example.com")
    assert person is not None
    again = browser.post(f"/firm/people/{person.id}/invitation").text
    second = re.findall(r"/invitation/[\w-]{43}", again)[0]
    assert second != first
    passwords = {"password": PASSWORD, "again": PASSWORD}
    assert browser.post(first, passwords).status_code == 422
    with platform(world) as session:
        role = session.scalars(select(Membership.id).where(Membership.person_id == person.id)).one()
    assert browser.post(f"/firm/people/roles/{role}", {"act": "remove"}).status_code == 303
    assert browser.post(second, passwords).status_code == 422


# --------------------------------------------------------------------------------- what ends, what stays


def test_a_role_taken_away_is_gone_at_once_with_keys_and_confined_sign_ins(
    browser: Browser, world: World
) -> None:
    person_id = world.people["heqing_admin"]
    side = tokens.Side("x", None, world.heqing.tenant_id, "", frozenset(Action))
    with platform(world) as session:
        text = tokens.make(
            session, person_id, side, name="HIS", actions=[Action.VIEW_CASES], days=9, now=NOW
        )[1]
        person = session.get_one(Person, person_id)
        bounded = signin.open_session(
            session, person, now=NOW, address="", strength="provider", tenant_id=world.heqing.tenant_id
        )
    give(world, person_id, Role.QA, firm_id=world.firm_id)
    with browsing(world.db) as theirs:
        theirs.enter(person_id)
        assert theirs.get("/h/heqing/cases").status_code == 200
        browser.enter(world.people["firm_gm"])
        role = select(Membership.id).where(Membership.tenant_id == world.heqing.tenant_id)
        with platform(world) as session:
            gone = session.scalars(role.where(Membership.person_id == person_id)).one()
        assert browser.post(f"/firm/people/roles/{gone}", {"act": "remove"}).status_code == 303
        assert theirs.get("/h/heqing/people").status_code in {403, 404}
    arrival = Arrival(browser.runtime)
    assert arrival.visit(bounded, None, "") is None
    assert arrival.visit_by_key(text, tokens.Asked("GET", "/", None, "")) is None
    assert {m.role for m in visit_of(browser, person_id).members} == {Role.QA}
    with world.firm() as session:
        assert "tenants.role_removed" in session.scalars(select(FirmEvent.action)).all()


def test_access_closed_here_stays_open_elsewhere_and_opens_again(browser: Browser, world: World) -> None:
    person_id = world.people["yunling_admin"]
    give(world, person_id, Role.MEDICAL_AFFAIRS, tenant_id=world.heqing.tenant_id)
    browser.enter(world.people["heqing_admin"])
    path = f"/h/heqing/people/{person_id}/account"
    assert browser.post(path, {"act": "close"}).status_code == 303
    assert set(visit_of(browser, person_id).reached) == {"yunling"}
    assert "已停用" in browser.get("/h/heqing/people").text
    assert browser.post(path, {"act": "reopen"}).status_code == 303
    assert set(visit_of(browser, person_id).reached) == {"heqing", "yunling"}


def test_what_belongs_to_others_too_is_not_weakened_from_one_side(browser: Browser, world: World) -> None:
    person_id = world.people["yunling_admin"]
    give(world, person_id, Role.MEDICAL_AFFAIRS, tenant_id=world.heqing.tenant_id)
    with platform(world) as session:
        person = session.get_one(Person, person_id)
        person.locked_until, person.disabled_at = NOW + timedelta(minutes=9), NOW
    browser.enter(world.people["heqing_admin"])
    for act in ("unlock", "reset_second_factor", "reopen"):
        assert browser.post(f"/h/heqing/people/{person_id}/account", {"act": act}).status_code == 422
    # The firm serves both hospitals, so the whole account is its own.
    browser.enter(world.people["operations"])
    for act in ("unlock", "reset_second_factor", "reopen"):
        assert browser.post(f"/firm/people/{person_id}/account", {"act": act}).status_code == 303
    with platform(world) as session:
        opened = session.get_one(Person, person_id)
        assert (opened.locked_until, opened.disabled_at) == (None, None)


def test_a_reset_second_factor_ends_every_session_and_the_secret(browser: Browser, world: World) -> None:
    person_id = world.people["heqing_gm"]
    with platform(world) as session:
        person = session.get_one(Person, person_id)
        person.totp_cipher, person.totp_confirmed_at = b"x", NOW
        signin.open_session(session, person, now=NOW, address="")
    browser.enter(world.people["operations"])
    assert (
        browser.post(f"/firm/people/{person_id}/account", {"act": "reset_second_factor"}).status_code == 303
    )
    with platform(world) as session:
        assert session.get_one(Person, person_id).totp_cipher is None
        left = select(func.count()).where(
            SigninSession.person_id == person_id, SigninSession.ended_at.is_(None)
        )
        assert session.scalar(left) == 0


def test_nobody_acts_on_their_own_account_here(browser: Browser, world: World) -> None:
    browser.enter(world.people["operations"])
    for act in ("close", "unlock", "reset_second_factor", "unlink", "nonsense"):
        path = f"/firm/people/{world.people['operations']}/account"
        assert browser.post(path, {"act": act}).status_code == 422


# ------------------------------------------------------------------------------------------- departments


def test_departments_without_a_head_are_named_until_one_has_an_account(
    browser: Browser, world: World
) -> None:
    browser.enter(world.people["heqing_admin"])
    assert browser.get("/h/heqing/people").text.count("无负责人") == 2
    assert browser.post("/h/heqing/departments", {"names": "急诊科\n\n骨科 "}).status_code == 303
    assert browser.get("/h/heqing/people").text.count("无负责人") == 3
    browser.post("/h/heqing/people", wish(Role.DEPARTMENT_HEAD, department="骨科"))
    assert browser.get("/h/heqing/people").text.count("无负责人") == 2
    assert browser.post("/h/heqing/departments", {"names": " "}).status_code == 422
    with world.hospital(world.yunling) as session:
        assert set(session.scalars(select(Department.name))) == {"骨科", "儿科"}


def test_the_link_with_a_provider_is_forgotten_by_its_own_side_only(browser: Browser, world: World) -> None:
    person_id = world.people["heqing_gm"]
    for side in (providers.Side(None, world.heqing.tenant_id), providers.Side(None, world.yunling.tenant_id)):
        wanted = providers.Settings("x", "https://idp.example", "id", "secret", required=False, vouches=False)
        with platform(world) as session:
            made = providers.save(session, side, wanted, person_id=person_id, now=NOW)
            session.add(
                ExternalIdentity(provider_id=made.id, subject="u1", person_id=person_id, linked_at=NOW)
            )
    give(world, person_id, Role.HOSPITAL_AUDITOR, tenant_id=world.yunling.tenant_id)
    browser.enter(world.people["yunling_admin"])
    assert browser.post(f"/h/yunling/people/{person_id}/account", {"act": "unlink"}).status_code == 303
    with platform(world) as session:
        assert session.scalar(select(func.count()).select_from(ExternalIdentity)) == 1
