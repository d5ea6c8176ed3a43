"""Answers beside the texts that were asked: the readable sheet of an extract."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select

from foundation import extracts
from foundation.database import HospitalSession
from surveys.models import Answer, Questionnaire, Response
from surveys.service import instrument_of

HEADS = (
    "回答时间 answered at", "患者编号 patient id", "就诊编号 encounter id", "问卷 questionnaire",
    "版本 version", "方式 mode", "题号 question", "题目", "question text", "级别 level", "选项",
    "scale text", "原因标签 reason",
)  # fmt: skip


def rows(session: HospitalSession, patient_id: UUID | None) -> Iterator[tuple[str, ...]]:
    """Each answer of the hospital, or of one patient, with the words of its question and its level."""
    query = (
        select(Answer, Response)
        .join(Response, (Response.tenant_id == Answer.tenant_id) & (Response.id == Answer.response_id))
        .where(Answer.tenant_id == session.tenant_id)
        .order_by(Answer.response_id, Answer.question)
    )
    if patient_id is not None:
        query = query.where(Response.patient_id == patient_id)
    own = select(Questionnaire).where(Questionnaire.tenant_id == session.tenant_id)
    asked = {row.id: instrument_of(row) for row in session.scalars(own)}
    texts = {(key, q.code): q.text for key, instrument in asked.items() for q in instrument.questions()}
    for answer, response in session.execute(query, execution_options={"yield_per": extracts.CHUNK}):
        instrument = asked[response.questionnaire_id]
        words = texts.get((response.questionnaire_id, answer.question))
        scale = instrument.scale[answer.level - 1] if answer.level else None
        yield (
            answer.answered_at.isoformat(),
            str(response.patient_id),
            str(response.encounter_id),
            instrument.title.zh,
            f"{instrument.code} {instrument.version}",
            response.mode,
            answer.question,
            words.zh if words else "",
            words.en if words else "",
            str(answer.level or ""),
            scale.zh if scale else "不适用",
            scale.en if scale else "does not apply",
            answer.tag or "",
        )


def register() -> None:
    """Put the sheet into every extract."""
    extracts.register(extracts.Sheet("answers", HEADS, rows))
