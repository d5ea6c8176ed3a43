"""Assigning agents to hospitals."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError
from world import NOW, World

from foundation.database import Database
from foundation.ids import new_id
from foundation.scope import Actor, FirmScope
from tenants import service as tenants
from workforce import service


def test_an_agent_is_assigned_once_however_often_asked(world: World) -> None:
    with world.firm() as session:
        for _ in range(2):
            service.assign(session, world.people["agent"], world.heqing.tenant_id, NOW)
        service.assign(session, world.people["agent2"], world.yunling.tenant_id, NOW)
        assert service.hospitals_of_agent(session, world.people["agent"]) == [world.heqing.tenant_id]
        assert service.hospitals_of_agents(session) == {
            world.people["agent"]: [world.heqing.tenant_id],
            world.people["agent2"]: [world.yunling.tenant_id],
        }


def test_an_agent_cannot_be_sent_into_another_firms_hospital(db: Database, world: World) -> None:
    scope = FirmScope(new_id(), (), Actor.system("test"), "test")
    with db.firm(scope) as session:
        tenants.create_firm(session, code="other", name="别家", name_en="Other", now=NOW)
        assert service.hospitals_of_agents(session) == {}
        with pytest.raises(IntegrityError), session.begin_nested():
            service.assign(session, world.people["agent"], world.heqing.tenant_id, NOW)
