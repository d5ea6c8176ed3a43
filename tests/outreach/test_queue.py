"""Who is drawn first, and that nobody is drawn twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select, text, update
from world import NOW, TestHospital, World

from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.scope import Actor
from outreach import queue
from outreach.models import Call, ContactTask, PatientHold
from outreach.ranks import Rank
from outreach.tasks import TaskRequest, make_tasks
from patients.models import ContactPoint, Patient, Suppression
from tenants.models import Hospital


def add_task(session: HospitalSession, patient_id: UUID, **changes: Any) -> UUID:
    """An open task that is due now."""
    values: dict[str, Any] = {
        "tenant_id": session.tenant_id,
        "id": new_id(),
        "patient_id": patient_id,
        "kind": "revisit",
        "purpose": "care_followup",
        "source": "revisit",
        "source_id": new_id(),
        "label": {"zh": "回访", "en": "Revisit"},
        "rank": Rank.REST,
        "opens_at": NOW - timedelta(days=1),
        "due_at": NOW + timedelta(days=2),
        "closes_at": NOW + timedelta(days=5),
        "next_try_at": NOW - timedelta(days=1),
        "attempts": 0,
        "state": "open",
        "created_at": NOW,
    }
    task = ContactTask(**values | changes)
    session.add(task)
    session.flush()
    return task.id


def draw(world: World, agent: Actor | None = None, now: datetime = NOW, *hospitals: TestHospital) -> Any:
    agent = agent or world.agent
    with world.firm(agent, *hospitals) as session:
        return queue.draw(session, agent, now)


def test_the_order_is_that_of_the_eight_classes(world: World) -> None:
    due_soon, later = NOW + timedelta(hours=1), NOW + timedelta(hours=9)
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("rest", {}),
        ("survey", {"kind": "survey", "purpose": "satisfaction", "rank": Rank.SURVEY}),
        ("first_call", {"rank": Rank.FIRST_CALL}),
        ("closes_today", {"closes_at": NOW + timedelta(hours=8)}),
        ("promise", {"kind": "promise", "due_at": later}),
        ("acknowledge_due", {"kind": "acknowledge", "due_at": due_soon}),
        ("callback_due", {"kind": "callback", "due_at": NOW + timedelta(hours=3)}),
        ("appointment", {"appointment_at": NOW + timedelta(minutes=9), "appointment_agent": world.agent.id}),
    ]
    for number, (_, changes) in enumerate(wanted):
        with world.hospital(world.heqing if number % 2 else world.yunling) as session:
            add_task(session, world.patient(session).id, **changes)
    assert [draw(world).why for _ in wanted] == [why for why, _ in reversed(wanted)]
    assert draw(world) is None


def test_inside_a_class_the_earliest_due_of_all_hospitals_comes_first(world: World) -> None:
    expected = []
    for hours, hospital in ((3, world.yunling), (1, world.heqing), (2, world.yunling)):
        with world.hospital(hospital) as session:
            task_id = add_task(session, world.patient(session).id, due_at=NOW + timedelta(hours=hours))
            expected.append((hours, task_id))
    assert [draw(world).task_id for _ in expected] == [task for _, task in sorted(expected)]


def test_an_appointment_waits_for_its_agent_then_anybody_keeps_the_promise(world: World) -> None:
    at = NOW + timedelta(minutes=5)
    with world.hospital(world.heqing) as session:
        add_task(session, world.patient(session).id, appointment_at=at, appointment_agent=world.agent.id)
    assert draw(world, world.agent2) is None
    assert draw(world, world.agent2, at + timedelta(minutes=11)).why == "promise"


def test_who_is_never_drawn(world: World) -> None:
    with world.hospital(world.heqing) as session:
        suppressed, handled, later, closed, held, capped = (world.patient(session).id for _ in range(6))
        for patient_id in (suppressed, held, capped):
            add_task(session, patient_id)
        add_task(session, handled, kind="callback", purpose="complaint", not_by=world.agent.id)
        add_task(session, later, next_try_at=NOW + timedelta(hours=1))
        add_task(session, closed, state="completed")
        add_task(session, closed, closes_at=NOW - timedelta(hours=1))
        session.add(
            Suppression(
                tenant_id=session.tenant_id,
                patient_id=suppressed,
                reason="refused",
                source="card",
                started_at=NOW,
                started_by="",
            )
        )
        _dial(session, capped, NOW - timedelta(hours=1), world.agent2)
        session.flush()
        held_task = session.scalars(select(ContactTask.id).where(ContactTask.patient_id == held)).one()
        session.add(
            PatientHold(
                tenant_id=session.tenant_id,
                id=held,
                task_id=held_task,
                agent_id=world.agent2.id,
                drawn_at=NOW,
                until=NOW + timedelta(minutes=1),
                why="rest",
            )
        )
        capped_task = session.scalars(select(ContactTask.id).where(ContactTask.patient_id == capped)).one()
    assert draw(world) is None
    with world.hospital(world.heqing) as session:
        # The refused one waits for the moment when its number is free: three hours after 09:00, in opening
        # hours.
        task = session.get_one(ContactTask, (session.tenant_id, capped_task))
        assert task.next_try_at == NOW + timedelta(hours=4)
    assert draw(world, world.agent2).patient_id == handled
    # Two minutes later the hold of the other agent has lapsed.
    assert draw(world, world.agent, NOW + timedelta(minutes=2)).patient_id == held


def test_hours_pause_and_assignment_close_a_hospital(world: World) -> None:
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            add_task(session, world.patient(session).id)
            add_task(session, world.patient(session).id)
    assert draw(world, None, NOW + timedelta(hours=2, minutes=30)) is None  # 12:30
    assert draw(world, None, NOW + timedelta(hours=10)) is None  # 20:00
    only = draw(world, None, NOW, world.yunling)
    assert only.tenant_id == world.yunling.tenant_id
    with world.hospital(world.heqing) as session:
        session.execute(
            update(Hospital).where(Hospital.tenant_id == session.tenant_id).values(state="suspended")
        )
    assert draw(world).tenant_id == world.yunling.tenant_id
    assert draw(world) is None


def test_the_western_hospital_rings_at_noon(world: World) -> None:
    noon = NOW + timedelta(hours=2, minutes=30)
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            add_task(session, world.patient(session).id)
    with world.hospital(world.yunling) as session:
        session.execute(
            update(Hospital).where(Hospital.tenant_id == session.tenant_id).values(region="650100")
        )
    assert draw(world) is not None  # 10:00: Beijing's profile only
    assert draw(world, now=NOW) is None
    assert draw(world, now=noon).tenant_id == world.yunling.tenant_id


def test_after_a_crash_the_same_patient_comes_back_with_the_draft(world: World) -> None:
    with world.hospital(world.heqing) as session:
        add_task(session, world.patient(session).id)
        add_task(session, world.patient(session).id)
    with world.firm() as session:
        card = queue.next_card(session, world.agent, NOW)
    assert card is not None
    with world.hospital(world.heqing) as session:
        until = queue.save_draft(
            session, card.task_id, world.agent, {"note": "女儿接听"}, NOW + timedelta(minutes=9)
        )
        assert until == NOW + timedelta(minutes=29)
    # A second press of the key, and one after the hold has lapsed: still the same patient, nothing lost.
    for minutes in (10, 45):
        with world.firm() as session:
            again = queue.next_card(session, world.agent, NOW + timedelta(minutes=minutes))
            assert again is not None
            assert (again.task_id, dict(again.draft)) == (card.task_id, {"note": "女儿接听"})
    with world.firm(world.agent2) as session:
        other = queue.next_card(session, world.agent2, NOW)
        assert other is not None
        assert other.patient_id != card.patient_id


def test_a_skipped_patient_rests_and_an_acquaintance_goes_to_somebody_else(world: World) -> None:
    with world.hospital(world.heqing) as session:
        add_task(session, world.patient(session).id)
    card = draw(world)
    with world.hospital(world.heqing) as session:
        assert not queue.skip(session, card.task_id, world.agent2, "other", NOW)
        assert queue.skip(session, card.task_id, world.agent, "know_the_patient", NOW)
        assert not queue.skip(session, card.task_id, world.agent, "know_the_patient", NOW)
    later = NOW + timedelta(minutes=31)
    assert draw(world, world.agent2) is None
    assert draw(world, world.agent, later) is None
    assert draw(world, world.agent2, later).task_id == card.task_id


def test_two_tasks_of_one_patient_are_never_with_two_agents(engine_world: World) -> None:
    world = engine_world
    with world.hospital(world.heqing) as session:
        for _ in range(20):
            patient_id = world.patient(session).id
            for _ in range(3):
                add_task(session, patient_id)
    cards = _draw_in_parallel(world, 20)
    assert len(cards) == 20
    assert len({card.patient_id for card in cards}) == 20


def test_fifty_agents_empty_the_queue_and_nobody_is_called_twice(
    engine_world: World, owner_engine: Engine
) -> None:
    world = engine_world
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            people = _many_patients(session, 1000)
            requests = [
                TaskRequest(
                    patient_id, None, "revisit", "care_followup", "revisit", new_id(), {"zh": "", "en": ""},
                    Rank.FIRST_CALL, NOW - timedelta(days=1), NOW + timedelta(minutes=n), NOW +
                    timedelta(days=3),
                )
                for n, patient_id in enumerate(people)
            ]  # fmt: skip
            assert make_tasks(session, requests, NOW).made == 1000
    with owner_engine.connect() as connection:
        connection.execute(text("ANALYZE contact_task, patient, contact_point"))  # as autovacuum does
        connection.commit()
    cards = _draw_in_parallel(world, 50)
    assert len(cards) == 2000
    assert len({(card.tenant_id, card.patient_id) for card in cards}) == 2000


def _many_patients(session: HospitalSession, count: int) -> list[UUID]:
    """People with a number each, by two statements."""
    common = {"tenant_id": session.tenant_id, "count": count}
    session.execute(
        text("""
        INSERT INTO patient (tenant_id, id, record_number, name, contact_state, created_at,
        updated_at) SELECT :tenant_id, uuidv7(), 'M' || n, '王', 'reachable', now(), now()
        FROM generate_series(1, :count) AS n"""),
        common,
    )
    session.execute(
        text("""
        INSERT INTO contact_point (tenant_id, id, patient_id, holder, relation, name, number_cipher,
        number_index,
            number_masked, position)
        SELECT tenant_id, uuidv7(), id, 'patient', 'self', '', '', uuid_send(id), '', 1 FROM patient
        WHERE tenant_id = :tenant_id"""),
        common,
    )
    return list(session.scalars(select(Patient.id).where(Patient.tenant_id == session.tenant_id)))


def _draw_in_parallel(world: World, agents: int) -> list[queue.DrawnCard]:
    start = threading.Barrier(agents)

    def work(number: int) -> list[queue.DrawnCard]:
        agent = Actor("person", new_id(), f"agent {number}")
        drawn: list[queue.DrawnCard] = []
        start.wait()
        while True:
            with world.firm(agent) as session:
                card = queue.draw(session, agent, NOW)
            if card is None:
                return drawn
            drawn.append(card)

    with ThreadPoolExecutor(agents) as pool:
        return [card for cards in pool.map(work, range(agents)) for card in cards]


def _dial(session: HospitalSession, patient_id: UUID, at: datetime, agent: Actor) -> None:
    point = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == patient_id)).one()
    task = session.scalars(select(ContactTask.id).where(ContactTask.patient_id == patient_id)).one()
    session.add(
        Call(
            tenant_id=session.tenant_id,
            id=new_id(),
            task_id=task,
            patient_id=patient_id,
            contact_point_id=point.id,
            number_index=point.number_index,
            agent_id=agent.id,
            agent_name=agent.name,
            dialled_at=at,
            outcome="no_answer",
        )
    )
