"""What an inviter learns of an account that was there already: nothing, until its owner takes the role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from foundation.database import Database
from foundation.scope import Actor, PlatformScope
from tenants.identity import mobiles, passwords
from tenants.models import Membership, Person
from tenants.rights import Role
from tenants.service import add_member, make_person

NUMBER = "13911112222"


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


def platform(world: World) -> Any:
    return world.db.platform(PlatformScope(Actor.system("test"), "test"))


def known(world: World) -> Any:
    """Somebody who works at the other hospital, with a number and an address."""
    with platform(world) as session:
        person = make_person(
            session, email="secret.person@example.com", name="机密人", language="zh_Hans", now=NOW
        )
        mobiles.put(session, person, NUMBER)
        passwords.set_password(session, person, "Riverside-42", now=NOW, address="")
        person.last_seen_at = person.totp_confirmed_at = NOW
        person.totp_cipher = b"x"
        add_member(session, person.id, Role.HOSPITAL_ADMIN, tenant_id=world.yunling.tenant_id, now=NOW)
        return person.id


def test_the_list_shows_what_was_typed_until_the_role_is_taken(browser: Browser, world: World) -> None:
    person_id = known(world)
    browser.enter(world.people["heqing_admin"])
    form = {"name": "猜测", "role": "hospital_finance", "phone": NUMBER}
    answer = browser.post("/h/heqing/people", form)
    assert answer.status_code == 200
    assert "已有账号" not in answer.text
    listed = browser.get("/h/heqing/people").text
    row = next(part for part in listed.split("<tr>") if "猜测" in part)
    assert "139****2222" in row
    assert "待接受" in row
    assert "最近使用" not in row
    assert "reset_second_factor" not in row
    for text in ("机密人", "secret.person"):
        assert text not in listed + answer.text
    for act in ("unlock", "reset_second_factor"):
        refused = browser.post(f"/h/heqing/people/{person_id}/account", {"act": act})
        assert refused.status_code == 422
        assert "机密人" not in refused.text
    assert "机密人" not in browser.post(f"/h/heqing/people/{person_id}/invitation").text
    with platform(world) as session:
        member = session.scalars(select(Membership).where(Membership.offered_name == "猜测")).one()
        member.accepted_at = NOW
    assert "机密人" in browser.get("/h/heqing/people").text


def test_an_offer_gives_no_say_over_an_account_that_has_no_other_role(browser: Browser, world: World) -> None:
    person_id = known(world)
    browser.enter(world.people["heqing_admin"])
    browser.post("/h/heqing/people", {"name": "猜测", "role": "hospital_finance", "phone": NUMBER})
    with platform(world) as session:
        for role in session.scalars(
            select(Membership).where(Membership.tenant_id == world.yunling.tenant_id)
        ):
            session.delete(role)
    path = f"/h/heqing/people/{person_id}/account"
    assert browser.post(path, {"act": "reset_second_factor"}).status_code == 422
    with platform(world) as session:
        assert session.get_one(Person, person_id).totp_cipher is not None


@pytest.mark.parametrize(
    "long",
    [
        {"name": "名" * 81},
        {"email": "a" * 250 + "@b.cn"},
        {"role": "department_head", "department": "科" * 81},
    ],
)
def test_texts_that_are_too_long_are_said_in_a_sentence(
    browser: Browser, world: World, long: dict[str, str]
) -> None:
    browser.enter(world.people["heqing_admin"])
    form = {"name": "新人", "role": "hospital_finance", "email": "new@example.com"} | long
    answer = browser.post("/h/heqing/people", form)
    assert answer.status_code == 422
    assert "最多" in answer.text or "1 至 80" in answer.text
    with platform(world) as session:
        assert session.scalar(select(Person.id).where(Person.email == "new@example.com")) is None
