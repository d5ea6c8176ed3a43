"""Answers given on the telephone: kept at once, scored by the declared rule, and never of two minds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select
from world import NOW, TODAY, World

from foundation.calendar import local_day_start
from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach.models import ContactTask
from outreach.ranks import Rank
from outreach.tasks import TaskRequest, make_tasks
from patients import suppression
from patients.models import Encounter, Patient
from surveys import hooks, instrument, service
from surveys.errors import AnswerRefused, NoSurvey, ResponseClosed, UnknownQuestion, UnknownResponse
from surveys.models import Answer, Questionnaire, Response
from surveys.scoring import response_index

ALL_INPATIENT = [question.code for question in instrument.load("inpatient").questions()]


@pytest.fixture(autouse=True)
def _wired() -> None:
    hooks.register()


@pytest.fixture
def heqing(world: World) -> Iterator[HospitalSession]:
    with world.hospital(world.heqing, world.agent) as session:
        yield session


def contact(session: HospitalSession, patient: Patient, kind: str = "revisit", days: int = 0) -> ContactTask:
    """An open task about the patient's last encounter, whose window opens `days` from today."""
    encounter_id = session.scalars(
        select(Encounter.id)
        .where(Encounter.tenant_id == session.tenant_id, Encounter.patient_id == patient.id)
        .order_by(Encounter.discharged_on.desc())
        .limit(1)
    ).one()
    source_id = new_id()
    opens_at = local_day_start(TODAY + timedelta(days=days))
    request = TaskRequest(
        patient_id=patient.id,
        encounter_id=encounter_id,
        kind=kind,
        purpose="satisfaction" if kind == "survey" else "care_followup",
        source="revisit" if kind == "revisit" else "sample",
        source_id=source_id,
        label={"zh": "回访", "en": "Follow-up"},
        rank=Rank.REST,
        opens_at=opens_at,
        due_at=opens_at + timedelta(days=7),
        closes_at=opens_at + timedelta(days=14),
    )
    assert make_tasks(session, [request], NOW).made == 1
    return session.scalars(
        select(ContactTask).where(
            ContactTask.tenant_id == session.tenant_id, ContactTask.source_id == source_id
        )
    ).one()


def begin(session: HospitalSession, world: World, task: ContactTask) -> Response:
    return service.open_response(session, task, agent=world.agent, mode="phone", now=NOW)


def states(session: HospitalSession, patient_id: UUID) -> list[str]:
    return list(
        session.scalars(
            select(Response.state)
            .where(Response.tenant_id == session.tenant_id, Response.patient_id == patient_id)
            .order_by(Response.started_at)
        )
    )


def test_each_hospital_gets_its_own_frozen_copy_once(world: World) -> None:
    with world.hospital(world.heqing) as session:
        first = service.questionnaire_for(session, "inpatient", now=NOW)
        again = service.questionnaire_for(session, "inpatient", now=NOW + timedelta(days=1))
        assert first.id == again.id
        assert service.instrument_of(first) == instrument.load("inpatient")
        # What ships later changes nothing for those who are asked with this version.
        first.content = first.content | {"title": {"zh": "旧版", "en": "Old"}}
        session.flush()
        assert service.instrument_of(first).title.zh == "旧版"
    with world.hospital(world.yunling) as session:
        own = service.questionnaire_for(session, "inpatient", now=NOW)
        assert own.id != first.id
        assert service.instrument_of(own).title.zh != "旧版"


def test_a_full_revisit_is_scored_by_the_declared_rule(world: World, heqing: HospitalSession) -> None:
    task = contact(heqing, world.patient(heqing))
    response = begin(heqing, world, task)
    assert begin(heqing, world, task).id == response.id
    levels: dict[str, int | None] = {**dict.fromkeys(ALL_INPATIENT, 5), "meals": None, "pain": 1}
    for question, level in levels.items():
        service.record_answer(heqing, response.id, question, level, now=NOW)
    assert service.unanswered(heqing, response) == []
    done = service.finish_response(heqing, response.id, now=NOW)
    expected = response_index(levels, instrument.load("inpatient"))
    # Levels 5 are 80; the dimension of medication and pain, 15 % of the whole, is the mean of 80 and 0.
    assert done.index_value == expected.index == Decimal("74.000000")
    assert done.state == "complete"
    assert done.dimension_values["medication_pain"] == "40.000000"
    assert done.completed_at == NOW
    assert service.finish_response(heqing, response.id, now=NOW + timedelta(hours=1)).completed_at == NOW


def test_half_of_the_applicable_questions_make_a_response_complete(
    world: World, heqing: HospitalSession
) -> None:
    # One question does not apply, so eleven remain: six are enough, five are not.
    assert len(ALL_INPATIENT) == 12
    for answered, state in ((6, "complete"), (5, "partial")):
        response = begin(heqing, world, contact(heqing, world.patient(heqing)))
        asked = dict.fromkeys(ALL_INPATIENT[:answered], 4) | {"meals": None}
        service.record_answers(heqing, response.id, asked, NOW)
        assert service.finish_response(heqing, response.id, now=NOW).state == state
        missing = [question.code for question in service.unanswered(heqing, response)]
        assert missing == [code for code in ALL_INPATIENT[answered:] if code != "meals"]


def test_an_answer_changed_is_one_answer_and_loses_its_reason(world: World, heqing: HospitalSession) -> None:
    response = begin(heqing, world, contact(heqing, world.patient(heqing)))
    low = service.record_answer(heqing, response.id, "ward", 1, tag=" 卫生间脏 ", now=NOW)
    assert (low.level, low.tag) == (1, "卫生间脏")
    changed = service.record_answer(heqing, response.id, "ward", 6, now=NOW + timedelta(minutes=1))
    assert (changed.level, changed.tag) == (6, None)
    count = select(func.count()).select_from(Answer).where(Answer.tenant_id == heqing.tenant_id)
    assert heqing.scalar(count) == 1


def test_what_is_no_answer_is_refused(world: World, heqing: HospitalSession) -> None:
    response = begin(heqing, world, contact(heqing, world.patient(heqing)))
    with pytest.raises(UnknownQuestion):
        service.record_answer(heqing, response.id, "parking", 3, now=NOW)
    for level in (0, 7):
        with pytest.raises(AnswerRefused):
            service.record_answer(heqing, response.id, "ward", level, now=NOW)
    for unneeded in (3, None):
        with pytest.raises(AnswerRefused):
            service.record_answer(heqing, response.id, "ward", unneeded, tag="脏", now=NOW)
    with pytest.raises(AnswerRefused):
        service.record_answer(heqing, response.id, "ward", 1, tag="脏" * 61, now=NOW)
    assert service.answers_of(heqing, response.id) == {}


def test_nobody_answers_in_another_hospital(world: World) -> None:
    with world.hospital(world.heqing) as session:
        response = begin(session, world, contact(session, world.patient(session)))
    with world.hospital(world.yunling) as session:
        with pytest.raises(UnknownResponse):
            service.record_answer(session, response.id, "ward", 5, now=NOW)
        with pytest.raises(UnknownResponse):
            service.finish_response(session, response.id, now=NOW)


def test_a_check_up_is_asked_like_a_visit_and_nothing_is_asked_about_no_visit(
    world: World, heqing: HospitalSession
) -> None:
    response = begin(heqing, world, contact(heqing, world.patient(heqing, kind="checkup", enrolled=False)))
    questionnaire = heqing.get_one(Questionnaire, (heqing.tenant_id, response.questionnaire_id))
    assert questionnaire.audience == "outpatient"
    task = contact(heqing, world.patient(heqing))
    task.encounter_id = None
    assert not service.carries_survey(heqing, task)
    with pytest.raises(NoSurvey):
        begin(heqing, world, task)


def test_one_call_serves_both_and_the_stay_is_asked_once(world: World, heqing: HospitalSession) -> None:
    patient = world.patient(heqing)
    first, later = contact(heqing, patient), contact(heqing, patient, days=80)
    assert service.carries_survey(heqing, first)
    assert service.carries_survey(heqing, later)
    response = begin(heqing, world, first)
    service.record_answers(heqing, response.id, dict.fromkeys(ALL_INPATIENT, 5), NOW)
    service.finish_response(heqing, response.id, now=NOW)
    # The call that asked still shows its own answers; no later call asks about the same stay.
    assert service.carries_survey(heqing, first)
    assert not service.carries_survey(heqing, later)
    assert service.carries_survey(heqing, contact(heqing, patient, kind="survey"))


def test_a_patient_is_not_surveyed_again_within_thirty_days(world: World, heqing: HospitalSession) -> None:
    patient = world.patient(heqing)
    response = begin(heqing, world, contact(heqing, patient))
    service.record_answers(heqing, response.id, dict.fromkeys(ALL_INPATIENT, 5), NOW)
    service.finish_response(heqing, response.id, now=NOW)
    readmission = Encounter(
        tenant_id=heqing.tenant_id, id=new_id(), patient_id=patient.id, kind="inpatient",
        record_number=patient.record_number, admission_count=2, ward="", doctor="", diagnosis="",
        diagnosis_code="", discharged_on=TODAY, content_digest=b"", created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    heqing.add(readmission)
    heqing.flush()
    assert not service.carries_survey(heqing, contact(heqing, patient, days=7))
    assert service.carries_survey(heqing, contact(heqing, patient, days=31))


def test_the_end_of_the_call_settles_what_the_agent_left_open(world: World, heqing: HospitalSession) -> None:
    asked, empty = (contact(heqing, world.patient(heqing), kind="survey") for _ in range(2))
    response, nothing = begin(heqing, world, asked), begin(heqing, world, empty)
    service.record_answers(heqing, response.id, dict.fromkeys(ALL_INPATIENT[:3], 6), NOW)
    for task in (asked, empty):
        task.state, task.closed_at = "partial", NOW
        hooks.task_closed(heqing, task, "partial", NOW)
    assert (response.state, response.index_value) == ("partial", Decimal(100))
    assert (nothing.state, nothing.index_value) == ("void", None)
    with pytest.raises(ResponseClosed):
        service.record_answer(heqing, response.id, "ward", 1, now=NOW)


def test_while_the_call_goes_on_a_finished_response_can_be_put_right(
    world: World, heqing: HospitalSession
) -> None:
    response = begin(heqing, world, contact(heqing, world.patient(heqing)))
    service.record_answers(heqing, response.id, dict.fromkeys(ALL_INPATIENT, 1), NOW)
    assert service.finish_response(heqing, response.id, now=NOW).index_value == 0
    service.record_answers(heqing, response.id, dict.fromkeys(ALL_INPATIENT, 6), NOW)
    assert response.state == "in_progress"
    assert service.finish_response(heqing, response.id, now=NOW).index_value == 100


def test_suppression_stops_the_response_and_its_undo_brings_back_every_answer(
    world: World, heqing: HospitalSession
) -> None:
    patient, other = world.patient(heqing), world.patient(heqing)
    response, untouched = (begin(heqing, world, contact(heqing, one)) for one in (patient, other))
    service.record_answer(heqing, response.id, "ward", 5, now=NOW)
    finished = begin(heqing, world, contact(heqing, patient, days=40))
    service.record_answers(heqing, finished.id, dict.fromkeys(ALL_INPATIENT, 5), NOW)
    service.finish_response(heqing, finished.id, now=NOW)
    before = sorted(states(heqing, patient.id))
    suppressed = suppression.suppress(heqing, patient.id, "deceased", source="call", now=NOW)
    assert sorted(states(heqing, patient.id)) == ["complete", "void"]
    with pytest.raises(ResponseClosed):
        service.record_answer(heqing, response.id, "meals", 5, now=NOW)
    heqing.refresh(untouched)
    assert untouched.state == "in_progress"
    suppression.lift(heqing, suppressed.id, now=NOW)
    assert sorted(states(heqing, patient.id)) == before
    assert service.record_answer(heqing, response.id, "meals", 4, now=NOW).level == 4
    assert set(service.answers_of(heqing, response.id)) == {"ward", "meals"}
