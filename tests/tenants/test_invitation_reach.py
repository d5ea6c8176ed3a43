"""What an invitation opens: what its own inviter gave, and nothing that somebody else added later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from foundation.database import Database
from foundation.scope import Actor, PlatformScope
from foundation.web.errors import UserMistake
from tenants import service
from tenants.models import Membership, Person
from tenants.rights import Role

PASSWORD = {"password": "Riverside-42", "again": "Riverside-42"}
MAIL = "bob@example.com"


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


def platform(world: World) -> Any:
    return world.db.platform(PlatformScope(Actor.system("test"), "test"))


def link_in(text: str) -> str:
    return str(re.findall(r"/invitation/[\w-]{43}", text)[0])


def invite(browser: Browser, world: World, who: str, role: Role, *, at: str = "") -> Any:
    browser.enter(world.people[who])
    path = "/h/heqing/people" if who.startswith("heqing") else "/firm/people"
    return browser.post(path, {"name": "包博", "email": MAIL, "role": role.value, "hospital": at})


def roles_of(world: World) -> set[str]:
    with platform(world) as session:
        person = select(Person.id).where(Person.email == MAIL).scalar_subquery()
        return set(session.scalars(select(Membership.role).where(Membership.person_id == person)))


def test_a_hospitals_link_never_opens_what_the_firm_gives(browser: Browser, world: World) -> None:
    kept = link_in(invite(browser, world, "heqing_admin", Role.HOSPITAL_FINANCE).text)
    assert invite(browser, world, "firm_gm", Role.FIRM_GM).status_code == 422
    assert invite(browser, world, "firm_gm", Role.HOSPITAL_GM, at="yunling").status_code == 422
    assert browser.post(kept, PASSWORD).status_code == 303
    assert roles_of(world) == {"hospital_finance"}


def test_a_second_role_of_one_side_ends_the_link_before(browser: Browser, world: World) -> None:
    first = link_in(invite(browser, world, "heqing_admin", Role.HOSPITAL_FINANCE).text)
    second = link_in(invite(browser, world, "firm_gm", Role.HOSPITAL_GM, at="heqing").text)
    assert browser.post(first, PASSWORD).status_code == 422
    # Nor does who cannot give the director's role get a link that opens it.
    assert invite(browser, world, "heqing_admin", Role.MEDICAL_AFFAIRS).status_code == 422
    assert browser.post(second, PASSWORD).status_code == 303


def test_a_link_does_not_open_a_role_that_was_made_another_one(browser: Browser, world: World) -> None:
    kept = link_in(invite(browser, world, "heqing_admin", Role.HOSPITAL_FINANCE).text)
    with platform(world) as session:
        role = session.scalars(select(Membership.id).where(Membership.role == "hospital_finance")).one()
    browser.enter(world.people["firm_gm"])
    change = {"act": "change", "role": "hospital_gm"}
    assert browser.post(f"/firm/people/roles/{role}", change).status_code == 303
    assert browser.post(kept, PASSWORD).status_code == 422


def test_the_command_line_keeps_to_one_side_as_well(world: World) -> None:
    with world.firm() as session:
        service.invite_person(
            session, email=MAIL, name="包博", role=Role.HOSPITAL_FINANCE, now=NOW,
            tenant_id=world.heqing.tenant_id,
        )  # fmt: skip
        with pytest.raises(UserMistake):
            service.invite_person(session, email=MAIL, name="包博", role=Role.FIRM_GM, now=NOW)
