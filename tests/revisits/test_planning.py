"""The plan in the database: the same days as the rule, for the right stay, and never twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from world import NOW, TODAY, World

from foundation.calendar import local_day_start
from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach import consent_hooks
from outreach import tasks as contact_tasks
from outreach.models import ContactTask, PatientHold
from outreach.outcomes import Outcome, task_closed
from outreach.ranks import Rank
from patients import consent, enrolment, suppression, withdrawal
from patients.models import Encounter, Patient
from revisits import hooks, jobs, planning, withdrawal_hooks
from revisits.models import RevisitPlan, RevisitStep
from revisits.schedule import DEFAULT_PLAN, PlanRules, PlanStep, Window, steps_until
from surveys import service as surveys
from tenants.models import ProcessingAgreement

Step = tuple[int, date, date, date]
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _wired() -> None:
    contact_tasks.register()
    hooks.register()


@pytest.fixture
def heqing(world: World) -> Iterator[HospitalSession]:
    with world.hospital(world.heqing) as session:
        yield session


def steps(session: HospitalSession, patient: Patient, *states: str) -> list[RevisitStep]:
    statement = (
        select(RevisitStep)
        .where(RevisitStep.tenant_id == session.tenant_id, RevisitStep.patient_id == patient.id)
        .order_by(RevisitStep.opens_on, RevisitStep.number)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(statement.where(RevisitStep.state.in_(states)) if states else statement))


def days(found: list[RevisitStep]) -> list[PlanStep]:
    return [PlanStep(step.number, step.opens_on, step.target_on, step.closes_on) for step in found]


def tasks(session: HospitalSession, patient: Patient) -> list[ContactTask]:
    return list(
        session.scalars(
            select(ContactTask)
            .where(ContactTask.tenant_id == session.tenant_id, ContactTask.patient_id == patient.id)
            .order_by(ContactTask.opens_at)
            .execution_options(populate_existing=True)
        )
    )


def everything(session: HospitalSession, patient: Patient) -> dict[str, list[tuple[object, ...]]]:
    """All that a suppression may touch, as values."""
    return {
        "steps": [
            (s.id, s.number, s.opens_on, s.state, s.cancelled_because) for s in steps(session, patient)
        ],
        "tasks": [
            (t.id, t.state, t.outcome, t.closed_at, t.next_try_at, t.attempts, t.due_at)
            for t in tasks(session, patient)
        ],
    }


def discharge_again(session: HospitalSession, patient: Patient, day: date, *, count: int = 2) -> UUID:
    encounter = Encounter(
        tenant_id=session.tenant_id, id=new_id(), patient_id=patient.id, kind="inpatient",
        record_number=patient.record_number, admission_count=count, ward="", doctor="", diagnosis="",
        diagnosis_code="", discharged_on=day, content_digest=b"", created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    session.add(encounter)
    session.flush()
    return encounter.id


@st.composite
def plans(draw: st.DrawFn) -> PlanRules:
    windows: list[Window] = []
    day = 0
    for _ in range(draw(st.integers(1, 5))):
        opens = day + draw(st.integers(0 if not windows else 1, 30))
        target = opens + draw(st.integers(0, 10))
        day = target + draw(st.integers(0, 10))
        windows.append(Window(opens, target, day))
    return PlanRules(tuple(windows), draw(st.integers(0, 13)), draw(st.integers(0, 27)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plans(),
    st.lists(st.dates(date(2015, 1, 1), date(2026, 12, 31)), min_size=1, max_size=4),
    st.dates(date(2024, 1, 1), date(2027, 1, 31)),
    st.integers(0, 500),
)
def test_the_database_plans_what_the_rule_plans(
    world: World, rules: PlanRules, discharges: list[date], today: date, horizon: int
) -> None:
    with world.hospital(world.heqing) as session:
        planning.ensure_plan(session, now=NOW)
        session.execute(
            update(RevisitPlan)
            .where(RevisitPlan.tenant_id == session.tenant_id)
            .values(rules=rules.to_numbers())
        )
        patients = [world.patient(session, discharged_on=day) for day in discharges]
        made = planning.materialise(session, today, now=NOW, horizon_days=horizon)
        due = [
            [
                step
                for step in steps_until(day, today + horizon * DAY, rules)
                if step.closes >= today and day <= today
            ]
            for day in discharges
        ]
        assert [days(steps(session, patient)) for patient in patients] == due
        assert made == sum(map(len, due))
        # A tick repeated makes nothing, and two ticks make what one later tick would have made.
        assert planning.materialise(session, today, now=NOW, horizon_days=horizon) == 0
        session.execute(delete(RevisitStep).where(RevisitStep.tenant_id == session.tenant_id))
        for patient in patients:
            enrolment.cancel(session, patient.id, reason="next example", now=NOW)


def test_seven_contacts_are_planned_in_the_first_year(world: World, heqing: HospitalSession) -> None:
    patient = world.patient(heqing, discharged_on=TODAY)
    for day in range(0, 366, 10):
        planning.materialise(heqing, TODAY + day * DAY, now=NOW + day * DAY)
    planned = [step for step in steps(heqing, patient) if step.closes_on <= TODAY + 365 * DAY]
    assert days(planned) == steps_until(TODAY, TODAY + 365 * DAY, DEFAULT_PLAN)
    assert len(planned) == 7


def test_the_horizon_rolls_and_an_old_file_brings_no_late_calls(
    world: World, heqing: HospitalSession
) -> None:
    new, old = (
        world.patient(heqing, discharged_on=TODAY),
        world.patient(heqing, discharged_on=TODAY - 40 * DAY),
    )
    planning.materialise(heqing, TODAY, now=NOW)
    assert [step.number for step in steps(heqing, new)] == [1, 2, 3, 4]
    # Weeks 1 and 3 are over for the patient of six weeks ago: the plan starts at week 6.
    assert [step.number for step in steps(heqing, old)] == [3, 4, 5]
    assert planning.open_tasks(heqing, now=NOW).made == 1
    planning.materialise(heqing, TODAY + 40 * DAY, now=NOW + 40 * DAY)
    assert [step.number for step in steps(heqing, new)] == [1, 2, 3, 4, 5]


def test_hospitals_plan_apart(world: World) -> None:
    with world.hospital(world.heqing) as session:
        own = world.patient(session, discharged_on=TODAY)
    with world.hospital(world.yunling) as session:
        other = world.patient(session, discharged_on=TODAY)
        assert planning.materialise(session, TODAY, now=NOW) == 4
        assert steps(session, own) == []
        assert {step.tenant_id for step in steps(session, other)} == {world.yunling.tenant_id}
    with world.hospital(world.heqing) as session:
        assert steps(session, own) == []
        assert planning.close_windows(session, now=NOW + 100 * DAY) == 0
    with world.hospital(world.yunling) as session:
        assert {step.state for step in steps(session, other)} == {"planned"}


def test_a_due_step_becomes_one_task_with_its_window(world: World, heqing: HospitalSession) -> None:
    patient = world.patient(heqing, discharged_on=TODAY - DAY)
    later = world.patient(heqing, discharged_on=TODAY - 15 * DAY)
    planning.materialise(heqing, TODAY, now=NOW)
    assert planning.open_tasks(heqing, now=NOW).made == 2
    assert planning.open_tasks(heqing, now=NOW) == contact_tasks.Made(0, 0)
    (task,), (second,) = tasks(heqing, patient), tasks(heqing, later)
    assert (task.rank, second.rank) == (Rank.FIRST_CALL, Rank.REST)
    assert (task.kind, task.purpose, task.source) == ("revisit", "care_followup", "revisit")
    assert task.opens_at == local_day_start(TODAY)
    # Aimed at day 3 (S0-15), open to the end of day 7 (S4-10).
    assert task.due_at == local_day_start(TODAY + 3 * DAY)
    assert task.closes_at == local_day_start(TODAY + 7 * DAY)
    assert "第1次回访" in task.label["zh"]
    assert [step.state for step in steps(heqing, patient)] == ["tasked", "planned", "planned", "planned"]


def test_a_step_refused_today_is_asked_for_again(world: World, heqing: HospitalSession) -> None:
    patient = world.patient(heqing, discharged_on=TODAY - DAY)
    agreed = heqing.scalars(select(ProcessingAgreement)).one()
    agreed.ended_at = NOW
    jobs.plan(heqing, NOW)
    assert tasks(heqing, patient) == []
    assert steps(heqing, patient)[0].state == "planned"
    agreed.ended_at = None
    jobs.catch_up(heqing, NOW + timedelta(minutes=10))
    assert steps(heqing, patient)[0].state == "tasked"


@pytest.mark.parametrize(
    ("state", "after"),
    [("completed", "done"), ("partial", "done"), ("unreachable", "missed"), ("refused", "missed")],
)
def test_the_end_of_the_task_is_the_end_of_the_step(
    world: World, heqing: HospitalSession, state: str, after: str
) -> None:
    patient = world.patient(heqing, discharged_on=TODAY - DAY)
    jobs.plan(heqing, NOW)
    (task,) = tasks(heqing, patient)
    response = surveys.open_response(heqing, task, agent=world.agent, mode="phone", now=NOW)
    surveys.record_answer(heqing, response.id, "ward", 6, now=NOW)
    task.state, task.closed_at = state, NOW
    task_closed(heqing, task, Outcome.COMPLETED, NOW)
    assert [step.state for step in steps(heqing, patient)] == [after, "planned", "planned", "planned"]
    # One call serves both (D1): what was answered in it is scored with it.
    assert response.state == "partial"


def test_a_window_that_is_over_is_missed_unless_a_callback_is_booked(
    world: World, heqing: HospitalSession
) -> None:
    missed, booked = (world.patient(heqing, discharged_on=TODAY - 7 * DAY) for _ in range(2))
    jobs.plan(heqing, NOW)
    (promised,) = tasks(heqing, booked)
    promised.appointment_at = NOW + DAY
    promised.closes_at = NOW + DAY + timedelta(hours=2)
    heqing.flush()
    midnight = datetime.fromisoformat("2026-09-16T00:15:00+08:00")
    assert planning.close_windows(heqing, now=midnight - timedelta(minutes=20)) == 0
    assert planning.close_windows(heqing, now=midnight) == 1
    assert steps(heqing, missed)[0].state == "missed"
    assert [(task.state, task.outcome) for task in tasks(heqing, missed)] == [("expired", "expired")]
    assert steps(heqing, booked)[0].state == "tasked"
    assert planning.close_windows(heqing, now=midnight + 2 * DAY) == 1
    assert steps(heqing, booked)[0].state == "missed"


def test_a_patient_on_a_card_is_left_to_the_agent_and_an_expired_call_keeps_its_answers(
    world: World, heqing: HospitalSession
) -> None:
    held, gone = (world.patient(heqing, discharged_on=TODAY - 7 * DAY) for _ in range(2))
    jobs.plan(heqing, NOW)
    (on_card,), (left,) = tasks(heqing, held), tasks(heqing, gone)
    night = local_day_start(TODAY + DAY) + timedelta(minutes=15)
    heqing.add(
        PatientHold(
            tenant_id=heqing.tenant_id, id=held.id, task_id=on_card.id, agent_id=world.people["agent"],
            drawn_at=NOW, until=night + timedelta(minutes=5), why="rest",
        )
    )  # fmt: skip
    response = surveys.open_response(heqing, left, agent=world.agent, mode="phone", now=NOW)
    surveys.record_answer(heqing, response.id, "ward", 6, now=NOW)
    assert planning.close_windows(heqing, now=night) == 1
    assert steps(heqing, held)[0].state == "tasked"
    assert steps(heqing, gone)[0].state == "missed"
    assert response.state == "partial"


def test_a_readmission_ends_the_old_plan_and_starts_anew(world: World, heqing: HospitalSession) -> None:
    patient, other = (world.patient(heqing, discharged_on=TODAY - 16 * DAY) for _ in range(2))
    jobs.plan(heqing, NOW)
    assert [task.state for task in tasks(heqing, patient)] == ["open"]
    again = discharge_again(heqing, patient, TODAY - DAY)
    jobs.catch_up(heqing, NOW + timedelta(minutes=10))
    old = [step for step in steps(heqing, patient) if step.encounter_id != again]
    new = [step for step in steps(heqing, patient) if step.encounter_id == again]
    assert {(step.state, step.cancelled_because) for step in old} == {("cancelled", "readmitted")}
    assert days(new) == steps_until(TODAY - DAY, TODAY + planning.HORIZON_DAYS * DAY)
    assert [step.state for step in new] == ["tasked", "planned", "planned", "planned", "planned"][: len(new)]
    assert Counter((t.state, t.outcome) for t in tasks(heqing, patient)) == {
        ("cancelled", "readmitted"): 1, ("open", None): 1,
    }  # fmt: skip
    assert {step.state for step in steps(heqing, other)} == {"tasked", "planned"}


def test_two_stays_that_end_on_one_day_are_followed_once(world: World, heqing: HospitalSession) -> None:
    patient = world.patient(heqing, discharged_on=TODAY)
    discharge_again(heqing, patient, TODAY, count=3)
    for _ in range(3):
        planning.materialise(heqing, TODAY, now=NOW)
    assert [step.number for step in steps(heqing, patient, "planned")] == [1, 2, 3, 4]


def test_a_corrected_discharge_date_moves_what_has_not_begun(world: World, heqing: HospitalSession) -> None:
    patient = world.patient(heqing, discharged_on=TODAY - DAY)
    jobs.plan(heqing, NOW)
    heqing.execute(
        update(Encounter)
        .where(Encounter.tenant_id == heqing.tenant_id, Encounter.patient_id == patient.id)
        .values(discharged_on=TODAY - 2 * DAY)
    )
    assert planning.materialise(heqing, TODAY, now=NOW) == 0
    moved = steps_until(TODAY - 2 * DAY, TODAY + 100 * DAY)[:4]
    assert days(steps(heqing, patient))[1:4] == moved[1:]
    # The call that is already on the agents' list keeps its window.
    assert steps(heqing, patient)[0].opens_on == TODAY


def test_suppression_and_its_undo_leave_exactly_what_was_there(world: World, heqing: HospitalSession) -> None:
    patient, other = (world.patient(heqing, discharged_on=TODAY - 16 * DAY) for _ in range(2))
    jobs.plan(heqing, NOW)
    steps(heqing, patient)[0].state = "done"
    heqing.flush()
    before, untouched = everything(heqing, patient), everything(heqing, other)
    first = suppression.suppress(heqing, patient.id, "deceased", source="call", now=NOW)
    second = suppression.suppress(heqing, patient.id, "hospital", source="card", now=NOW)
    assert {step.state for step in steps(heqing, patient)} == {"done", "cancelled"}
    assert {task.state for task in tasks(heqing, patient)} == {"cancelled"}
    jobs.plan(heqing, NOW + DAY)
    assert steps(heqing, patient, "planned", "tasked") == []
    suppression.lift(heqing, first.id, now=NOW)
    assert steps(heqing, patient, "planned", "tasked") == []
    suppression.lift(heqing, second.id, now=NOW)
    assert everything(heqing, patient) == before
    jobs.catch_up(heqing, NOW)
    assert everything(heqing, patient) == before
    assert everything(heqing, other) == untouched


def test_an_undo_after_a_readmission_does_not_bring_back_the_old_plan(
    world: World, heqing: HospitalSession
) -> None:
    patient = world.patient(heqing, discharged_on=TODAY - 16 * DAY)
    jobs.plan(heqing, NOW)
    wrong = suppression.suppress(heqing, patient.id, "deceased", source="call", now=NOW)
    discharge_again(heqing, patient, TODAY)
    suppression.lift(heqing, wrong.id, now=NOW)
    assert steps(heqing, patient, "planned", "tasked") == []
    assert {task.state for task in tasks(heqing, patient)} == {"cancelled"}
    planning.materialise(heqing, TODAY, now=NOW)
    assert days(steps(heqing, patient, "planned")) == steps_until(TODAY, TODAY + 120 * DAY)


def test_who_leaves_the_programme_is_not_followed(world: World, heqing: HospitalSession) -> None:
    patient = world.patient(heqing, discharged_on=TODAY - DAY)
    jobs.plan(heqing, NOW)
    enrolment.cancel(heqing, patient.id, reason="moved abroad", now=NOW)
    assert {(s.state, s.cancelled_because) for s in steps(heqing, patient)} == {("cancelled", "cancelled")}
    assert [(task.state, task.outcome) for task in tasks(heqing, patient)] == [("cancelled", "cancelled")]
    jobs.catch_up(heqing, NOW + DAY)
    assert steps(heqing, patient, "planned", "tasked") == []


def test_a_step_that_the_patient_refused_is_cancelled_and_not_missed(
    world: World, heqing: HospitalSession
) -> None:
    consent_hooks.register()
    patient = world.patient(heqing, discharged_on=TODAY - 7 * DAY)
    planning.materialise(heqing, TODAY, now=NOW)
    planning.open_tasks(heqing, now=NOW)
    consent.withdraw(heqing, patient.id, purpose="care_followup", source="sms", now=NOW)
    [step] = steps(heqing, patient, "cancelled")
    assert step.cancelled_because == hooks.REFUSED
    assert steps(heqing, patient, "missed") == []
    # A discharge that is taken back and given again brings no call back to somebody who said no.
    withdrawal_hooks.register()
    withdrawal.withdraw(heqing, [step.encounter_id], now=NOW)
    withdrawal.reinstate(heqing, [step.encounter_id], now=NOW)
    assert [one.id for one in steps(heqing, patient, "cancelled")] == [step.id]
