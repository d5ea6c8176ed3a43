"""The rail and the first page of each role: nothing that leads nowhere, nothing that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from web_client import Browser, browsing
from world import NOW, World

from careloop.app import RAIL
from foundation.database import Database
from foundation.scope import Actor, PlatformScope
from foundation.web import navigation
from tenants import reach, service
from tenants.arrival import Arrival
from tenants.rights import SIDES, Action, Role
from tenants.visit import Visit
from workforce import service as workforce

STAND_INS = [
    navigation.Item("workbench", "Workbench", "headset", Action.WORK_QUEUE, "/workbench"),
    navigation.Item("cases", "Cases", "message-report", Action.VIEW_CASES, "/h/{code}/cases"),
    navigation.Item("billing", "Billing", "receipt", Action.VIEW_INVOICES, "/h/{code}/billing", "/billing"),
    navigation.Item("settings", "Settings", "settings", Action.MANAGE_HOSPITALS, "/firm/hospitals"),
]


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    before = list(reach._sources)
    reach.register(workforce)
    with browsing(db) as made:
        yield made
    reach._sources[:] = before


def somebody(world: World, role: Role) -> UUID:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        person = service.make_person(
            session, email=f"{role}@example.com", name="某人", language="zh_Hans", now=NOW
        )
        side = SIDES[role]
        firm_id = world.firm_id if side == "firm" else None
        tenant_id = world.yunling.tenant_id if side == "hospital" else None
        service.add_member(session, person.id, role, firm_id=firm_id, tenant_id=tenant_id, now=NOW)
    if role is Role.AGENT:
        with world.firm() as firm:
            workforce.assign(firm, person.id, world.yunling.tenant_id, NOW)
    return person.id


def visit_of(browser: Browser, person_id: UUID, code: str | None = None) -> Visit:
    browser.enter(person_id)
    made = Arrival(browser.runtime).visit(browser.client.cookies["careloop_session"], code, "")
    assert made is not None
    return made


@pytest.mark.parametrize("role", list(Role))
def test_whatever_the_rail_offers_opens(browser: Browser, world: World, role: Role) -> None:
    visit = visit_of(browser, somebody(world, role))
    for link in visit.rail:
        assert browser.get(link.href).status_code == 200, link
    assert browser.get("/").headers["location"] == visit.home
    assert browser.get(visit.home).status_code == 200


def test_a_hospitals_own_people_are_led_to_their_hospital(browser: Browser, world: World) -> None:
    navigation.install(STAND_INS)
    finance = visit_of(browser, somebody(world, Role.HOSPITAL_FINANCE))
    assert [link.href for link in finance.rail] == ["/h/yunling/billing"]
    operations = visit_of(browser, somebody(world, Role.OPERATIONS), "yunling")
    assert [link.href for link in operations.rail] == ["/h/yunling/cases", "/billing", "/firm/hospitals"]
    assert [switch.href for switch in operations.switches("cases")] == ["/h/heqing/cases", "/h/yunling/cases"]
    assert operations.switches("settings") == []


def test_every_entry_names_a_right_and_has_a_key_of_its_own() -> None:
    assert len({item.key for item in RAIL}) == len(RAIL)
    assert all(Action(item.action) for item in RAIL)


def test_the_schema_holds_the_programming_interface_alone(browser: Browser) -> None:
    paths = browser.get("/api/schema/openapi.json").json()["paths"]
    assert all(path.startswith("/api/v1/") for path in paths)


def test_an_api_answers_in_json_when_nobody_is_signed_in(browser: Browser) -> None:
    answer = browser.get("/api/v1/h/heqing/imports")
    assert answer.status_code == 401
    assert answer.json()["status_code"] == 401
