"""What happens to a task whose window is over, and who works where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from world import NOW, World

from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach import jobs, outcomes
from outreach.models import ContactTask, PatientHold
from workforce.queries import AssignedAgent, assigned_agents
from workforce.service import assign


def add_task(session: HospitalSession, patient_id: UUID, **changes: Any) -> ContactTask:
    values: dict[str, Any] = {"closes_at": NOW - timedelta(minutes=1), "state": "open", "source": "promise"}
    task = ContactTask(
        **values | changes,
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient_id,
        kind="revisit",
        purpose="care_followup",
        source_id=new_id(),
        label={"zh": "", "en": ""},
        rank=8,
        opens_at=NOW - timedelta(days=3),
        due_at=NOW - timedelta(days=1),
        next_try_at=NOW - timedelta(days=1),
        attempts=0,
        created_at=NOW,
    )
    session.add(task)
    session.flush()
    return task


def test_a_task_whose_window_is_over_closes_once_and_its_asker_hears(world: World) -> None:
    heard: list[tuple[UUID, str]] = []
    outcomes.on_task_closed("promise", lambda _s, task, outcome, _n: heard.append((task.id, outcome)))
    with world.hospital(world.heqing) as session:
        late = add_task(session, world.patient(session).id)
        in_time = add_task(session, world.patient(session).id, closes_at=NOW + timedelta(hours=1))
        done = add_task(session, world.patient(session).id, state="completed")
        on_card = add_task(session, world.patient(session).id)
        session.add(
            PatientHold(
                tenant_id=session.tenant_id,
                id=on_card.patient_id,
                task_id=on_card.id,
                agent_id=world.agent.id,
                drawn_at=NOW,
                until=NOW + timedelta(minutes=5),
                why="rest",
            )
        )
        session.flush()
        for _ in range(2):
            jobs.expire(session, NOW)
        assert heard == [(late.id, "expired")]
        assert [t.state for t in (late, in_time, done, on_card)] == ["expired", "open", "completed", "open"]


def test_the_list_of_agents_keeps_to_the_hospitals_of_the_session(world: World) -> None:
    agent, other = world.people["agent"], world.people["agent2"]
    with world.firm() as firm:
        assign(firm, agent, world.heqing.tenant_id, NOW)
        assign(firm, agent, world.yunling.tenant_id, NOW + timedelta(minutes=1))
        assign(firm, other, world.yunling.tenant_id, NOW)
        both = (world.heqing.tenant_id, world.yunling.tenant_id)
        assert {a.person_id: a.tenant_ids for a in assigned_agents(firm)} == {agent: both, other: both[1:]}
    with world.firm(world.agent, world.heqing) as firm:
        assert assigned_agents(firm) == [AssignedAgent(agent, "李敏", both[:1])]
