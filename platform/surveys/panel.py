"""The questionnaire on the call card (J1, 09:40): one question at a time, by Ctrl+1 to 6, kept at once.

What is shown comes from the answers in the database, so a reload, or another call of the same task, goes on
where the agent stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from foundation.database import HospitalSession
from outreach.card import Panel, register_panel
from outreach.models import ContactTask
from patients.models import Encounter
from surveys.instrument import Instrument, Text, fill, load
from surveys.models import Answer, Questionnaire, Response
from surveys.scoring import response_index
from surveys.service import LOW_LEVEL, TAG_LENGTH, audience_of, carries_survey, instrument_of, response_of
from tenants.models import Hospital

END = "end"
Reason = tuple[str, str]
"""A reason's name, and what may be typed to find it (initials of its pinyin)."""
_reasons: list[Callable[[], Sequence[Reason]]] = []


@dataclass(frozen=True, slots=True)
class Step:
    """One question in the row above the panel: its number, and its answer if it has one."""

    code: str
    number: int
    level: int | None
    answered: bool
    current: bool


def register() -> None:
    """Put the questionnaire on the card; harmless twice."""
    register_panel(
        Panel("questionnaire", "surveys/_questionnaire.html", applies=carries_survey, context=context)
    )


def offer_reasons(source: Callable[[], Sequence[Reason]]) -> None:
    """Where the reasons offered for levels 1 and 2 come from; without it the reason is typed freely."""
    _reasons[:] = [source]


def context(session: HospitalSession, task: ContactTask, language: str) -> dict[str, Any]:
    """The values of the panel, at the first question without an answer."""
    return values(session, task, language)


def values(
    session: HospitalSession, task: ContactTask, language: str, *, at: str | None = None
) -> dict[str, Any]:
    """The values of the panel at a question or at its end (`END`); without one, at the first open one."""
    response = response_of(session, task.id)
    instrument = _instrument(session, task, response)
    given = _answers(session, response)
    questions = list(instrument.questions())
    codes = [question.code for question in questions]
    if at is None or at not in {*codes, END}:
        at = next((code for code in codes if code not in given), END)
    return {
        **_words(session, instrument, language),
        **_place(instrument, codes, at, given.get(at), language),
        "task_id": task.id,
        "steps": _steps(codes, given, at),
        "total": len(codes),
        "answered": sum(code in given for code in codes),
        "missing": [one.text.in_language(language) for one in questions if one.code not in given],
        "index": _index(instrument, given),
        "void": response is not None and response.state == "void",
    }


def _words(session: HospitalSession, instrument: Instrument, language: str) -> dict[str, Any]:
    """What is said whatever the question, with the names filled in."""
    hospital = session.scalars(select(Hospital).where(Hospital.tenant_id == session.tenant_id)).one()
    name = hospital.name_en if language.startswith("en") and hospital.name_en else hospital.name
    agent = session.scope.actor.name
    return {
        "code": hospital.code,
        "title": instrument.title.in_language(language),
        "opening": fill(instrument.opening, language, hospital=name, agent=agent),
        "guide": instrument.guide.in_language(language),
        "closing": fill(instrument.closing, language, hospital=name, agent=agent),
        "levels": list(enumerate((level.in_language(language) for level in instrument.scale), start=1)),
        "reasons": _reasons[0]() if _reasons else (),
        "reason_length": TAG_LENGTH,
    }


def _place(
    instrument: Instrument, codes: list[str], at: str, answer: Answer | None, language: str
) -> dict[str, Any]:
    """The question on screen, its answer, and the ones before and after it."""
    place = len(codes) if at == END else codes.index(at)
    question = None if at == END else list(instrument.questions())[place]
    return {
        "question": question,
        "text": question.text.in_language(language) if question else "",
        "other_text": _other(question.text, language) if question else "",
        "dimension": _dimension(instrument, at, language),
        "number": place + 1,
        "answer": answer,
        "asks_reason": answer is not None and answer.level is not None and answer.level <= LOW_LEVEL,
        "previous": codes[place - 1] if place else None,
        "following": None if question is None else (*codes, END)[place + 1],
    }


def _instrument(session: HospitalSession, task: ContactTask, response: Response | None) -> Instrument:
    """What was begun with; else what would be begun with now. Looking at a card installs nothing."""
    if response is not None:
        begun = session.get_one(Questionnaire, (session.tenant_id, response.questionnaire_id))
        return instrument_of(begun)
    encounter = session.get_one(Encounter, (session.tenant_id, task.encounter_id))
    audience = audience_of(encounter.kind)
    active = session.scalar(
        select(Questionnaire)
        .where(
            Questionnaire.tenant_id == session.tenant_id,
            Questionnaire.audience == audience,
            Questionnaire.active,
        )
        .order_by(Questionnaire.version.desc())
        .limit(1)
    )
    return instrument_of(active) if active is not None else load(audience)


def _answers(session: HospitalSession, response: Response | None) -> dict[str, Answer]:
    if response is None:
        return {}
    rows = session.scalars(
        select(Answer).where(Answer.tenant_id == session.tenant_id, Answer.response_id == response.id)
    )
    return {answer.question: answer for answer in rows}


def _steps(codes: list[str], given: dict[str, Answer], at: str) -> list[Step]:
    return [
        Step(
            code,
            number,
            given[code].level if code in given else None,
            answered=code in given,
            current=code == at,
        )
        for number, code in enumerate(codes, start=1)
    ]


def _dimension(instrument: Instrument, question: str, language: str) -> str:
    for dimension in instrument.dimensions:
        if any(one.code == question for one in dimension.questions):
            return dimension.label.in_language(language)
    return ""


def _other(text: Text, language: str) -> str:
    """The same question in the other language: an English screen still reads it out in Chinese."""
    return text.zh if language.startswith("en") else ""


def _index(instrument: Instrument, given: dict[str, Answer]) -> Decimal | None:
    if not given:
        return None
    score = response_index({code: answer.level for code, answer in given.items()}, instrument)
    return score.index if score.completed else None


def task_of(session: HospitalSession, task_id: UUID) -> ContactTask | None:
    """The task of this hospital, None when it has none such."""
    return session.get(ContactTask, (session.tenant_id, task_id))
