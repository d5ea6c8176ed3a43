"""Making, cancelling and bringing back tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, select
from world import NOW, World

from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach import tasks
from outreach.models import ContactTask, PatientHold
from outreach.ranks import Rank
from outreach.tasks import TaskRequest, cancel_tasks, make_tasks
from patients import suppression
from patients.models import Consent, Patient


def request(patient_id: UUID, **changes: Any) -> TaskRequest:
    values: dict[str, Any] = {
        "patient_id": patient_id,
        "encounter_id": None,
        "kind": "revisit",
        "purpose": "care_followup",
        "source": "revisit",
        "source_id": new_id(),
        "label": {"zh": "第1次回访", "en": "Revisit 1"},
        "rank": Rank.FIRST_CALL,
        "opens_at": NOW - timedelta(days=1),
        "due_at": NOW,
        "closes_at": NOW + timedelta(days=4),
    }
    return TaskRequest(**values | changes)


def open_tasks(session: HospitalSession) -> set[UUID]:
    return set(
        session.scalars(
            select(ContactTask.id).where(
                ContactTask.tenant_id == session.tenant_id, ContactTask.state == "open"
            )
        )
    )


@pytest.fixture(autouse=True)
def _wired() -> None:
    tasks.register()


def test_asking_twice_for_one_source_makes_one_task(world: World) -> None:
    with world.hospital(world.heqing) as session:
        wanted = [request(world.patient(session).id) for _ in range(3)]
        assert make_tasks(session, wanted[:2], NOW) == tasks.Made(2, 0)
        assert make_tasks(session, [*wanted, wanted[2]], NOW) == tasks.Made(1, 3)
        assert len(open_tasks(session)) == 3
    with world.hospital(world.yunling) as session:
        assert open_tasks(session) == set()


def test_nobody_gets_a_task_against_the_policy_and_each_reason_is_counted(world: World) -> None:
    with world.hospital(world.yunling) as session:
        elsewhere = world.patient(session).id
    with world.hospital(world.heqing) as session:
        dead, unwilling, well = (world.patient(session).id for _ in range(3))
        suppression.suppress(session, dead, "deceased", source="card", now=NOW)
        session.add(
            Consent(
                tenant_id=session.tenant_id,
                patient_id=unwilling,
                purpose="satisfaction",
                given=False,
                at=NOW,
                source="call",
                evidence="",
            )
        )
        survey = {"kind": "survey", "purpose": "satisfaction", "source": "sample"}
        made = make_tasks(
            session,
            [
                request(dead),
                request(unwilling, **survey),
                request(unwilling),
                request(well, **survey),
                request(well, **survey),
                request(elsewhere),
            ],
            NOW,
        )
        assert made == tasks.Made(
            2, 0, {"suppressed": 1, "refused": 1, "survey_cap": 1, "unknown_patient": 1}
        )


def test_many_tasks_are_made_with_as_many_statements_as_one(world: World) -> None:
    with world.hospital(world.heqing) as session:
        wanted = [request(world.patient(session).id) for _ in range(30)]
        session.flush()
        statements: list[str] = []
        connection = session.connection()

        def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            statements.append(statement)

        event.listen(connection, "before_cursor_execute", count)
        assert make_tasks(session, wanted, NOW).made == 30
        event.remove(connection, "before_cursor_execute", count)
        assert len(statements) == 3, "the agreement, who may be contacted, the tasks"


def test_a_death_cancels_everything_and_its_undo_brings_back_exactly_that(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient, other = world.patient(session), world.patient(session)
        make_tasks(session, [request(patient.id), request(patient.id), request(other.id)], NOW)
        rows = session.scalars(select(ContactTask).where(ContactTask.patient_id == patient.id)).all()
        rows[0].attempts, rows[0].next_try_at = 2, NOW + timedelta(hours=5)
        rows[0].appointment_at, rows[0].appointment_agent = NOW + timedelta(hours=5), world.agent.id
        session.flush()
        before = _picture(session, patient)
        session.add(_hold(session, patient, rows[0].id))
        session.flush()

        death = suppression.suppress(session, patient.id, "deceased", source="call", now=NOW)
        assert open_tasks(session) == {t.id for t in _tasks(session, other)}
        assert session.scalars(select(PatientHold)).all() == []

        suppression.lift(session, death.id, now=NOW + timedelta(hours=1))
        assert _picture(session, patient) == before


def test_tasks_stay_cancelled_while_another_suppression_holds(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        make_tasks(session, [request(patient.id)], NOW)
        death = suppression.suppress(session, patient.id, "deceased", source="call", now=NOW)
        refusal = suppression.suppress(session, patient.id, "refused", source="card", now=NOW)
        suppression.lift(session, death.id, now=NOW)
        assert open_tasks(session) == set()
        suppression.lift(session, refusal.id, now=NOW)
        assert len(open_tasks(session)) == 1


def test_what_was_cancelled_for_another_reason_stays_so(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        make_tasks(session, [request(patient.id)], NOW)
        assert cancel_tasks(session, [patient.id], "readmitted", NOW) == 1
        wish = suppression.suppress(session, patient.id, "hospital", source="card", now=NOW)
        suppression.lift(session, wish.id, now=NOW)
        assert open_tasks(session) == set()


def _tasks(session: HospitalSession, patient: Patient) -> list[ContactTask]:
    return list(
        session.scalars(
            select(ContactTask).where(ContactTask.patient_id == patient.id).order_by(ContactTask.id)
        )
    )


def _picture(session: HospitalSession, patient: Patient) -> list[tuple[Any, ...]]:
    columns = [column for column in ContactTask.__table__.columns if column.name != "created_at"]
    return [
        tuple(row)
        for row in session.execute(
            select(*columns).where(ContactTask.patient_id == patient.id).order_by(ContactTask.id)
        )
    ]


def _hold(session: HospitalSession, patient: Patient, task_id: UUID) -> PatientHold:
    return PatientHold(
        tenant_id=session.tenant_id,
        id=patient.id,
        task_id=task_id,
        agent_id=new_id(),
        drawn_at=NOW,
        until=NOW + timedelta(minutes=20),
        why="rest",
    )
