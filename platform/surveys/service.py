"""Asking and answering: questionnaires of a hospital, responses, answers, scores.

One version of a questionnaire serves every mode, and the mode stands with the response (S1-16). A version is
frozen: its content is copied into the hospital's row when it is first used (S3-6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.scope import Actor
from outreach.models import ContactTask
from patients.models import Encounter
from surveys.errors import AnswerRefused, NoSurvey, ResponseClosed, UnknownQuestion, UnknownResponse
from surveys.instrument import LEVELS, Instrument, Question, load
from surveys.models import Answer, Questionnaire, Response
from surveys.scoring import Score, response_index
from tenants.life import agreement

Mode = Literal["phone", "web", "paper"]
Audience = Literal["inpatient", "outpatient", "organisation"]
SURVEY_GAP = timedelta(days=30)  # regulation C4: one survey per patient per 30 days
LOW_LEVEL = 2  # J1: levels 1 and 2 ask for the reason
TAG_LENGTH = 60
FINISHED = ("complete", "partial")


def audience_of(encounter_kind: str) -> Audience:
    """Which questionnaire a stay or a visit is asked with; a check-up (体检) is asked like a visit.

    A `cooperation` (合作) is that of an organisation, which is asked with its own (S1-2).
    """
    if encounter_kind == "cooperation":
        return "organisation"
    return "inpatient" if encounter_kind == "inpatient" else "outpatient"


# ------------------------------------------------------------------------------------------- questionnaires


def questionnaire_for(session: HospitalSession, audience: str, *, now: datetime) -> Questionnaire:
    """The questionnaire in use for one of the audiences; the shipped version 1 on first use.

    Raises `surveys.instrument.UnknownInstrument` for another audience.
    """
    found = _active(session, audience)
    if found is not None:
        return found
    instrument = load(audience)
    session.execute(
        insert(Questionnaire)
        .values(
            tenant_id=session.tenant_id,
            id=new_id(),
            code=instrument.code,
            version=instrument.version,
            audience=audience,
            content=msgspec.to_builtins(instrument),
            active=True,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "code", "version"])
    )
    installed = _active(session, audience)
    if installed is None:
        msg = f"the hospital has retired its questionnaire for {audience}"
        raise LookupError(msg)
    return installed


def instrument_of(questionnaire: Questionnaire) -> Instrument:
    """The frozen content as an instrument; exactly what was asked, whatever ships today."""
    return msgspec.convert(questionnaire.content, Instrument)


def _active(session: HospitalSession, audience: str) -> Questionnaire | None:
    return session.scalar(
        select(Questionnaire)
        .where(
            Questionnaire.tenant_id == session.tenant_id,
            Questionnaire.audience == audience,
            Questionnaire.active,
        )
        .order_by(Questionnaire.version.desc())
        .limit(1)
    )


# ------------------------------------------------------------------------------------------- which task asks


def carries_survey(session: HospitalSession, task: ContactTask) -> bool:
    """Whether this contact asks the questionnaire.

    A survey task always does. A revisit does until its stay has a finished response, because 100 % of
    inpatients are asked (S3-5) and one call serves both (D1), unless the patient finished another one within
    the 30 days before the revisit's window opened.
    """
    if task.encounter_id is None or task.kind not in {"survey", "revisit"}:
        return False
    if task.kind == "survey" or response_of(session, task.id) is not None:
        return True
    asked = select(
        exists(
            select(1).where(
                Response.tenant_id == session.tenant_id,
                Response.patient_id == task.patient_id,
                Response.state.in_(FINISHED),
                (Response.encounter_id == task.encounter_id)
                | (Response.completed_at > task.opens_at - SURVEY_GAP),
            )
        )
    )
    return not session.scalar(asked)


def response_of(session: HospitalSession, task_id: UUID) -> Response | None:
    """The response that belongs to a task, if it was begun."""
    return session.scalar(
        select(Response).where(Response.tenant_id == session.tenant_id, Response.task_id == task_id)
    )


# ------------------------------------------------------------------------------------------- responses


def open_response(
    session: HospitalSession, task: ContactTask, *, agent: Actor | None, mode: Mode, now: datetime
) -> Response:
    """The response of a task, begun now unless it was begun before.

    Raises `NoSurvey`, and `tenants.life.agreement.NotAgreed` where surveys are not agreed (PIPL 21).
    """
    begun = response_of(session, task.id)
    if begun is not None:
        return begun
    agreement.require(session, "satisfaction", doing="surveys.ask", now=now)
    encounter = task.encounter_id and session.get(Encounter, (session.tenant_id, task.encounter_id))
    if not encounter:
        raise NoSurvey(str(task.id))
    questionnaire = questionnaire_for(session, audience_of(encounter.kind), now=now)
    session.execute(
        insert(Response)
        .values(
            tenant_id=session.tenant_id,
            id=new_id(),
            questionnaire_id=questionnaire.id,
            patient_id=task.patient_id,
            encounter_id=encounter.id,
            task_id=task.id,
            mode=mode,
            state="in_progress",
            agent_id=agent.id if agent else None,
            dimension_values={},
            started_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "task_id"])
    )
    opened = response_of(session, task.id)
    if opened is None:
        raise UnknownResponse(str(task.id))
    return opened


def record_answer(
    session: HospitalSession,
    response_id: UUID,
    question: str,
    level: int | None,
    *,
    tag: str | None = None,
    now: datetime,
) -> Answer:
    """Keep one answer: level 1 to 6, or None for 不适用; the same question again replaces it.

    `tag` is the reason, with levels 1 and 2 only. A finished response whose call still goes on is open again.
    Raises `UnknownResponse`, `UnknownQuestion`, `AnswerRefused`, `ResponseClosed`.
    """
    reason = (tag or "").strip() or None
    if reason and (level is None or level > LOW_LEVEL):
        raise AnswerRefused("a reason goes with levels 1 and 2")
    if reason and len(reason) > TAG_LENGTH:
        raise AnswerRefused(f"a reason has at most {TAG_LENGTH} characters")
    _record(session, response_id, {question: level}, reason, now)
    return session.scalars(
        select(Answer)
        .where(
            Answer.tenant_id == session.tenant_id,
            Answer.response_id == response_id,
            Answer.question == question,
        )
        .execution_options(populate_existing=True)
    ).one()


def record_answers(
    session: HospitalSession, response_id: UUID, levels: Mapping[str, int | None], now: datetime
) -> None:
    """Keep many answers at once (a form, a paper slip), without reasons; raises as `record_answer`."""
    if levels:
        _record(session, response_id, levels, None, now)


def _record(
    session: HospitalSession,
    response_id: UUID,
    levels: Mapping[str, int | None],
    tag: str | None,
    now: datetime,
) -> None:
    response = _open_for_answers(session, response_id)
    known = {question.code for question in _instrument(session, response).questions()}
    if unknown := levels.keys() - known:
        raise UnknownQuestion(", ".join(sorted(unknown)))
    if off := [level for level in levels.values() if level is not None and not 1 <= level <= LEVELS]:
        raise AnswerRefused(f"level {off[0]} is not on a scale of {LEVELS}")
    statement = insert(Answer).values(
        [
            {
                "tenant_id": session.tenant_id,
                "id": new_id(),
                "response_id": response_id,
                "question": question,
                "level": level,
                "tag": tag,
                "answered_at": now,
            }
            for question, level in levels.items()
        ]
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "response_id", "question"],
            set_={name: statement.excluded[name] for name in ("level", "tag", "answered_at")},
        )
    )


def _open_for_answers(session: HospitalSession, response_id: UUID) -> Response:
    response = get_response(session, response_id, lock=True)
    if response.state in FINISHED:
        task = response.task_id and session.get(ContactTask, (session.tenant_id, response.task_id))
        if not task or task.state != "open":
            raise ResponseClosed(response.state)
        response.state, response.completed_at = "in_progress", None
        response.index_value, response.dimension_values = None, {}
        session.flush()
    if response.state != "in_progress":
        raise ResponseClosed(response.state)
    return response


def finish_response(session: HospitalSession, response_id: UUID, *, now: datetime) -> Response:
    """Score the answers: `complete` with at least half of the applicable questions, else `partial` (D3).

    Finishing twice is once. Raises `UnknownResponse`, `ResponseClosed` for a void one.
    """
    response = get_response(session, response_id, lock=True)
    if response.state in FINISHED:
        return response
    if response.state == "void":
        raise ResponseClosed(response.state)
    score = score_of(session, response)
    response.index_value = score.index
    response.dimension_values = {
        code: None if value is None else str(value) for code, value in score.dimensions.items()
    }
    response.state = "complete" if score.completed else "partial"
    response.completed_at = now
    session.flush()
    return response


def settle(session: HospitalSession, task_id: UUID, *, now: datetime) -> Response | None:
    """The call of a task is over: what was answered is scored, and a response without any answer is void."""
    response = response_of(session, task_id)
    if response is None or response.state != "in_progress":
        return response
    if answers_of(session, response.id):
        return finish_response(session, response.id, now=now)
    response.state, response.completed_at = "void", now
    session.flush()
    return response


def settle_many(session: HospitalSession, task_ids: Sequence[UUID], *, now: datetime) -> int:
    """`settle` for the few of these tasks that left a response open; returns how many."""
    open_ones = session.scalars(
        select(Response.task_id).where(
            Response.tenant_id == session.tenant_id,
            Response.task_id.in_(task_ids),
            Response.state == "in_progress",
        )
    ).all()
    for task_id in open_ones:
        if task_id is not None:
            settle(session, task_id, now=now)
    return len(open_ones)


def score_of(session: HospitalSession, response: Response) -> Score:
    """The score of what is answered so far; nothing is stored."""
    return response_index(
        {code: answer.level for code, answer in answers_of(session, response.id).items()},
        _instrument(session, response),
    )


def unanswered(session: HospitalSession, response: Response) -> list[Question]:
    """The questions that have neither a level nor 不适用, in the order in which they are asked."""
    given = answers_of(session, response.id)
    return [q for q in _instrument(session, response).questions() if q.code not in given]


def answers_of(session: HospitalSession, response_id: UUID) -> dict[str, Answer]:
    """The answers of one response by question."""
    rows = session.scalars(
        select(Answer)
        .where(Answer.tenant_id == session.tenant_id, Answer.response_id == response_id)
        .execution_options(populate_existing=True)
    )
    return {answer.question: answer for answer in rows}


def get_response(session: HospitalSession, response_id: UUID, *, lock: bool = False) -> Response:
    """The response of this hospital; raises `UnknownResponse`."""
    statement = select(Response).where(Response.tenant_id == session.tenant_id, Response.id == response_id)
    if lock:
        session.flush()
        statement = statement.with_for_update().execution_options(populate_existing=True)
    response = session.scalar(statement)
    if response is None:
        raise UnknownResponse(str(response_id))
    return response


def _instrument(session: HospitalSession, response: Response) -> Instrument:
    questionnaire = session.get(Questionnaire, (session.tenant_id, response.questionnaire_id))
    if questionnaire is None:
        raise UnknownResponse(str(response.id))
    return instrument_of(questionnaire)
