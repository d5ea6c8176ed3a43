"""Reach: which hospitals a person gets to, and what the others look like to them (nothing)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import select, update
from web_client import browsing
from world import NOW, World

from foundation.database import Database, FirmSession
from foundation.ids import new_id
from foundation.runtime import Runtime
from foundation.scope import Actor, FirmScope, PlatformScope
from foundation.web.errors import Forbidden, NotFound, UserMistake
from tenants import reach, service
from tenants.arrival import Arrival
from tenants.identity import signin
from tenants.models import DirectoryEntry, Hospital, Person
from tenants.rights import Action, Role
from tenants.visit import Visit
from workforce import service as workforce


@pytest.fixture(autouse=True)
def _wired() -> Iterator[None]:
    before = list(reach._sources)
    reach.register(workforce)
    yield
    reach._sources[:] = before


@contextmanager
def opened(world: World) -> Iterator[FirmSession]:
    with world.firm(world.admin) as session:
        yield session


def visit(world: World, person_id: UUID, code: str | None = None) -> Visit:
    """A visit as a request makes it."""
    with browsing(world.db) as browser:
        runtime: Runtime = browser.runtime
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        token = signin.open_session(session, session.get_one(Person, person_id), now=NOW, address="")
    made = Arrival(runtime).visit(token, code, "")
    assert made is not None
    return made


def test_an_agent_reaches_only_assigned_hospitals(world: World) -> None:
    agent = world.people["agent"]
    assert visit(world, agent).reached == {}
    with opened(world) as session:
        workforce.assign(session, agent, world.heqing.tenant_id, NOW)
    made = visit(world, agent)
    assert set(made.reached) == {"heqing"}
    with made.hospital("heqing", Action.VIEW_CASES) as hospital:
        assert hospital.tenant_id == world.heqing.tenant_id
    with pytest.raises(NotFound), made.hospital("yunling", Action.VIEW_CASES):
        pass
    with made.firm(Action.WORK_QUEUE) as firm:
        assert firm.tenant_ids == (world.heqing.tenant_id,)


def test_a_hospital_taken_away_is_gone_with_the_next_request(world: World) -> None:
    agent = world.people["agent"]
    with opened(world) as session:
        workforce.assign(session, agent, world.heqing.tenant_id, NOW)
        workforce.assign(session, agent, world.yunling.tenant_id, NOW)
        workforce.unassign(session, agent, world.heqing.tenant_id)
    assert set(visit(world, agent).reached) == {"yunling"}


def test_without_a_source_an_agent_reaches_nothing(world: World) -> None:
    with opened(world) as session:
        workforce.assign(session, world.people["agent"], world.heqing.tenant_id, NOW)
    reach._sources.clear()
    assert visit(world, world.people["agent"]).reached == {}


def test_another_hospital_does_not_exist_and_a_missing_right_is_said(world: World) -> None:
    admin = visit(world, world.people["heqing_admin"])
    with pytest.raises(NotFound), admin.hospital("yunling", Action.VIEW_CASES):
        pass
    with pytest.raises(NotFound), admin.hospital("no-such-code", Action.VIEW_CASES):
        pass
    with pytest.raises(Forbidden), admin.hospital("heqing", Action.VIEW_REPORTS):
        pass
    with pytest.raises(Forbidden), admin.firm(Action.VIEW_CASES):
        pass
    with pytest.raises(NotFound):
        admin.face(world.yunling.tenant_id)
    assert admin.may(Action.VIEW_CASES, "heqing")
    assert not admin.may(Action.VIEW_CASES, "yunling")
    assert not admin.may(Action.MANAGE_HOSPITALS)


def test_the_firms_people_reach_its_hospitals_and_no_other_firms(world: World) -> None:
    other = FirmScope(new_id(), (), Actor.system("test"), "test")
    with world.db.firm(other) as session:
        service.create_firm(session, code="other", name="别家客服", name_en="Other", now=NOW)
        service.create_hospital(
            session,
            service.NewHospital("elsewhere", "别处医院", "Elsewhere", "general", "310000", "2A"),
            now=NOW,
        )
    made = visit(world, world.people["operations"])
    assert set(made.reached) == {"heqing", "yunling"}
    with made.firm(Action.VIEW_CASES) as session:
        codes = set(session.scalars(select(Hospital.code)))
    assert codes == {"heqing", "yunling"}


def test_a_hospital_that_left_is_out_of_reach(world: World) -> None:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        session.execute(update(DirectoryEntry).where(DirectoryEntry.code == "heqing").values(state="left"))
    assert set(visit(world, world.people["operations"]).reached) == {"yunling"}
    assert visit(world, world.people["heqing_admin"]).reached == {}


def test_a_suspended_hospital_can_be_read_and_takes_no_list(world: World) -> None:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        session.execute(
            update(DirectoryEntry).where(DirectoryEntry.code == "heqing").values(state="suspended")
        )
    admin = visit(world, world.people["heqing_admin"])
    assert admin.may(Action.VIEW_PATIENTS, "heqing")
    assert admin.may(Action.HANDLE_CASES, "heqing"), "open complaints stay workable"
    assert not admin.may(Action.IMPORT_PATIENTS, "heqing")
    with pytest.raises(UserMistake), admin.hospital("heqing", Action.IMPORT_PATIENTS):
        pass


def test_a_department_head_is_kept_to_the_department(world: World) -> None:
    department = world.heqing.departments["骨科"]
    with opened(world) as session:
        invited = service.invite_person(
            session, email="sun@example.com", name="孙主任", role=Role.DEPARTMENT_HEAD,
            tenant_id=world.heqing.tenant_id, department_id=department, now=NOW,
        )  # fmt: skip
    assert visit(world, invited.person.id).departments("heqing") == frozenset([department])
    assert visit(world, world.people["heqing_admin"]).departments("heqing") is None


def test_the_chip_is_the_hospital_of_the_address(world: World) -> None:
    chip = visit(world, world.people["operations"], "yunling").chip
    assert chip is not None
    assert chip.label == "云岭妇幼保健院"
    assert visit(world, world.people["heqing_admin"], "yunling").chip is None


def test_an_actor_carries_the_person(world: World) -> None:
    made = visit(world, world.people["operations"])
    assert made.actor == Actor("person", world.people["operations"], "何琳")


def test_requests_see_a_hospital_that_was_just_made(db: Database, world: World) -> None:
    with browsing(db) as browser:
        browser.enter(world.people["operations"])
        assert "新建医院" not in browser.get("/firm/hospitals").text
        form = {
            "code": "xinjian", "name": "新建医院", "name_en": "New Build", "hospital_type": "tcm",
            "region": "440100", "grade": "none", "beds": "", "outpatient_percent": "5",
        }  # fmt: skip
        assert browser.post("/firm/hospitals", form).status_code == 303
        text = browser.get("/firm/hospitals").text
        assert "新建医院" in text
        assert "广东省" in text
        assert browser.get("/firm/people").text.count('value="xinjian"') >= 2
