"""What this package puts on the call card: new feedback by F7 (SC-4), and the closing callback (J1, 10:40).

The words of a case are not in the card itself: the panel fetches them when it is shown, and that is recorded.
"""

from __future__ import annotations

from functools import cache
from itertools import islice, product
from typing import Any
from uuid import UUID

from pypinyin import Style, pinyin
from sqlalchemy import func, select

from feedback import labels
from feedback.callbacks import SOURCE, case_of_clock
from feedback.models import CaseClock, FeedbackCase
from feedback.queries import departments, open_cases
from feedback.tags import CATEGORIES, DEFAULT_TAGS
from foundation.database import HospitalSession
from foundation.scope import Actor
from outreach.card import Panel, register_panel
from outreach.models import Call, ContactTask
from patients.models import Encounter
from surveys.models import Answer, Response
from tenants.models import Hospital

# Of the ways to read a tag's characters; more would only fill the page.
MOST_WAYS = 32


def register() -> None:
    """Put both panels on the card; harmless twice."""
    register_panel(Panel("feedback", "feedback/_new.html", context=new_feedback, place="dialog"))
    register_panel(Panel("callback", "feedback/_callback.html", applies=is_callback, context=callback))


def new_feedback(session: HospitalSession, task: ContactTask, _language: str) -> dict[str, Any]:
    """The values of the F7 form: where it goes, the tags by category, what the call already knows."""
    stay = session.get(Encounter, (session.tenant_id, task.encounter_id)) if task.encounter_id else None
    return {
        "code": hospital_code(session),
        "task_id": task.id,
        "groups": tag_groups(),
        "departments": departments(session),
        "department_id": stay.department_id if stay else None,
        "ward": stay.ward if stay else "",
        "known": open_cases(session, task.patient_id),
        "label": labels,
    }


def is_callback(_session: HospitalSession, task: ContactTask) -> bool:
    """Whether the call asks how a case was handled."""
    return task.source == SOURCE and task.kind == "callback"


def callback(session: HospitalSession, task: ContactTask, _language: str) -> dict[str, Any]:
    """The values of the callback's panel: which case, and whether the patient has answered already."""
    waiting = case_of_clock(session, task.source_id)
    case = (
        waiting
        or session.scalars(
            select(FeedbackCase)
            .join(
                CaseClock,
                (CaseClock.tenant_id == FeedbackCase.tenant_id) & (CaseClock.case_id == FeedbackCase.id),
            )
            .where(FeedbackCase.tenant_id == session.tenant_id, CaseClock.id == task.source_id)
        ).one()
    )
    return {
        "code": hospital_code(session),
        "task_id": task.id,
        "case": case,
        "waiting": waiting is not None,
        "label": labels,
    }


def tag_groups() -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """The tags by category: (category, its name, [(tag, its name, what a search for it may type)])."""
    return [
        (
            code,
            labels.category_name(code),
            [(tag.code, labels.tag_name(tag.code), _typed(tag.label.zh, tag.label.en)) for tag in tags],
        )
        for code in CATEGORIES
        if (tags := [tag for tag in DEFAULT_TAGS if tag.category == code])
    ]


def lowest_level(session: HospitalSession, task_id: UUID) -> int | None:
    """The lowest answer of the six levels given on this task's questionnaire so far: it may raise the
    tier.
    """
    return session.scalar(
        select(func.min(Answer.level))
        .join(Response, (Response.tenant_id == Answer.tenant_id) & (Response.id == Answer.response_id))
        .where(Answer.tenant_id == session.tenant_id, Response.task_id == task_id)
    )


def call_going_on(session: HospitalSession, task_id: UUID, agent: Actor) -> UUID | None:
    """The agent's call of this task that has no outcome yet, if any."""
    return session.scalar(
        select(Call.id)
        .where(
            Call.tenant_id == session.tenant_id,
            Call.task_id == task_id,
            Call.agent_id == agent.id,
            Call.outcome.is_(None),
        )
        .order_by(Call.dialled_at.desc())
        .limit(1)
    )


def hospital_code(session: HospitalSession) -> str:
    """The short code that the hospital's addresses carry."""
    return session.scalars(select(Hospital.code).where(Hospital.tenant_id == session.tenant_id)).one()


@cache
def _typed(zh: str, en: str) -> str:
    """Both names and the initials of the pinyin: `dhsj` finds 等候时间 (J1). 长 is chang or zhang: both are
    found.
    """
    letters = [sorted(set(sounds)) for sounds in pinyin(zh, style=Style.FIRST_LETTER, heteronym=True)]
    initials = ("".join(way) for way in islice(product(*letters), MOST_WAYS))
    return " ".join([zh, *initials, en]).casefold()
