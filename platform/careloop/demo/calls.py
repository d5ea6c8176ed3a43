"""One round of calls: every agent draws until nobody is left to call, and every call ends as the dice say."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from careloop.demo.behaviour import Dice
from careloop.demo.stage import Stage, StageHospital
from feedback.callbacks import record_callback
from feedback.cases import NewCase, open_case
from feedback.models import CaseClock
from feedback.tags import by_code, propose_tier
from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.scope import Actor
from outreach import calls, queue
from outreach.calls import Dialled
from outreach.errors import ContactRefused
from outreach.models import ContactTask
from outreach.outcomes import Outcome
from outreach.queue import DrawnCard
from patients.identity import is_minor
from patients.models import ContactPoint, Encounter, Patient
from surveys.models import Questionnaire
from surveys.service import carries_survey, finish_response, instrument_of, open_response, record_answers

TAGS = by_code()
TWO_AGENTS = 2
REACHED = {Outcome.COMPLETED, Outcome.PARTIAL}


@dataclass(frozen=True, slots=True)
class Round:
    """One part of a day in which calls are made; `spread` minutes from its beginning."""

    begins: datetime
    spread: int


def make_calls(stage: Stage, dice: Dice, part: Round) -> Counter[str]:
    """Work the queue until nobody is left to call; returns how the calls ended.

    A task may be closed to one agent, so the queue is empty when two different agents have found nobody.
    """
    by_tenant = {hospital.tenant_id: hospital for hospital in stage.hospitals}
    ended: Counter[str] = Counter()
    working = deque(stage.agents)
    found_nobody = 0
    while working and found_nobody < TWO_AGENTS:
        agent, serves = working[0]
        with stage.firm(agent, serves) as session:
            card = queue.draw(session, agent, part.begins)
        if card is None:
            working.popleft()
            found_nobody += 1
            continue
        with stage.hospital(by_tenant[card.tenant_id], agent) as session:
            ended[_call(session, by_tenant[card.tenant_id], card, agent, dice, part)] += 1
        working.rotate(-1)
    return ended


def _call(
    session: HospitalSession, hospital: StageHospital, card: DrawnCard, agent: Actor, dice: Dice, part: Round
) -> str:
    """One call from dialling to its outcome; returns the outcome's code."""
    task = session.get_one(ContactTask, (session.tenant_id, card.task_id))
    patient = session.get_one(Patient, (session.tenant_id, card.patient_id))
    facts = (hospital.cast.code, patient.record_number, task.kind, task.label.get("en"), task.attempts)
    at = part.begins + timedelta(
        minutes=dice.minutes(0, part.spread, *facts), seconds=dice.minutes(0, 59, "s", *facts)
    )
    dialled = _dial(session, task, patient, agent, at)
    if dialled is None:
        queue.skip(session, task.id, agent, "technical", at)
        return "not_dialled"
    outcome = Outcome(dice.outcome(*facts))
    over = at + timedelta(seconds=30)
    if outcome in REACHED or outcome is Outcome.HUNG_UP:
        calls.connected(session, dialled.call_id, agent, at + timedelta(seconds=18))
        over = at + timedelta(minutes=dice.minutes(2, 6, "talk", *facts))
    if outcome in REACHED:
        _talk(session, hospital, task, dialled.call_id, agent, dice, over, facts)
    calls.finish(
        session,
        dialled.call_id,
        task.id,
        outcome,
        agent=agent,
        now=over,
        reported_by="家属" if outcome is Outcome.DECEASED else None,
    )
    return outcome.value


def _dial(
    session: HospitalSession, task: ContactTask, patient: Patient, agent: Actor, at: datetime
) -> Dialled | None:
    """Dial the first number that may be dialled: a child's guardian, else the patient, then the contact."""
    minor = patient.birth_date is not None and is_minor(patient.birth_date, local_date(at))
    points = session.execute(
        select(ContactPoint.id)
        .where(
            ContactPoint.tenant_id == session.tenant_id,
            ContactPoint.patient_id == patient.id,
            ContactPoint.invalid_since.is_(None),
            ContactPoint.holder.in_(("contact",) if minor else ("patient", "contact")),
        )
        .order_by(ContactPoint.position)
    ).scalars()
    for point_id in points.all():
        try:
            return calls.dial(session, task.id, point_id, agent, at)
        except ContactRefused:
            continue
    return None


def _talk(
    session: HospitalSession,
    hospital: StageHospital,
    task: ContactTask,
    call_id: UUID,
    agent: Actor,
    dice: Dice,
    now: datetime,
    facts: tuple[object, ...],
) -> None:
    """What is said: the answer of a closing callback, or the questionnaire and perhaps a complaint."""
    if task.source == "case":
        clock = session.get_one(CaseClock, (session.tenant_id, task.source_id))
        # A second effort usually satisfies: who was discontented once is rarely so again.
        weights = (8, 10, 17, 37, 28) if clock.round == 1 else (1, 2, 27, 45, 25)
        level = dice.of("handling", clock.round, *facts).choices((2, 3, 4, 5, 6), weights=weights)[0]
        record_callback(session, clock.case_id, level, actor=agent, note="", now=now)
        return
    answers: dict[str, int | None] = {}
    if carries_survey(session, task):
        response = open_response(session, task, agent=agent, mode="phone", now=now)
        questionnaire = session.get_one(Questionnaire, (session.tenant_id, response.questionnaire_id))
        questions = [question.code for question in instrument_of(questionnaire).questions()]
        answers = dice.levels(questions, hospital.cast.quality, *facts)
        record_answers(session, response.id, answers, now)
        finish_response(session, response.id, now=now)
    if dice.complains(answers, *facts):
        _complain(session, task, call_id, agent, dice, now, facts)


def _complain(
    session: HospitalSession,
    task: ContactTask,
    call_id: UUID,
    agent: Actor,
    dice: Dice,
    now: datetime,
    facts: tuple[object, ...],
) -> None:
    code, words, wish = dice.complaint(*facts)
    tag = TAGS[code]
    proposal = propose_tier(tag, None, words + wish)
    encounter = task.encounter_id and session.get(Encounter, (session.tenant_id, task.encounter_id))
    open_case(
        session,
        NewCase(
            patient_id=task.patient_id,
            encounter_id=task.encounter_id,
            call_id=call_id,
            department_id=encounter.department_id if encounter else None,
            channel="revisit_call" if task.kind == "revisit" else "survey_call",
            category=tag.category,
            tag=code,
            tier=proposal.tier,
            medical_dispute=False,
            text=words,
            wish=wish,
            told=True,
        ),
        actor=agent,
        now=now,
    )
