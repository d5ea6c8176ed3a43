"""What the questionnaire on the call card asks of the server: an answer, a reason, another question."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.types import ControllerRouterHandler

from foundation import languages
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import fragment
from outreach.errors import NotHeld
from outreach.models import ContactTask
from outreach.queue import require_hold
from surveys import panel, service
from surveys.errors import AnswerRefused, ResponseClosed, UnknownQuestion
from surveys.instrument import LEVELS
from tenants.rights import Action
from tenants.visit import Visit

NOT_APPLICABLE = "na"


class AnswerForm(msgspec.Struct):
    """A question and its level, 1 to 6 or `na`; `tag` is the reason of a low one, `then` whether to go on."""

    question: str
    level: str
    tag: str = ""
    then: str = ""


@post(
    "/h/{code:str}/contacts/{task_id:uuid}/answers",
    needs=Action.WORK_QUEUE,
    sync_to_thread=True,
    status_code=200,
)
def answer(
    code: FromPath[str],
    task_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[AnswerForm],
) -> Response[str]:
    """Ctrl+1 to 6: the answer is kept, and the next question comes; a low level first asks for the reason."""
    level = _level(data.level)
    with visit.hospital(code, Action.WORK_QUEUE) as session:
        task = _held(session, task_id, visit)
        try:
            response = service.open_response(session, task, agent=visit.actor, mode="phone", now=visit.now)
            service.record_answer(
                session, response.id, data.question, level, tag=data.tag or None, now=visit.now
            )
            if not service.unanswered(session, response):
                service.finish_response(session, response.id, now=visit.now)
        except UnknownQuestion as error:
            raise NotFound from error
        except AnswerRefused as error:
            raise UserMistake(_("This answer cannot be kept.")) from error
        except ResponseClosed as error:
            raise UserMistake(_("This questionnaire is closed; the answer was not kept.")) from error
        shown = panel.values(session, task, languages.current(), at=data.question)
        if data.then == "next" or not shown["asks_reason"]:
            shown = panel.values(session, task, languages.current(), at=shown["following"])
    return fragment("surveys/_questionnaire.html", **shown)


@get(
    "/h/{code:str}/contacts/{task_id:uuid}/questions/{question:str}",
    needs=Action.WORK_QUEUE,
    sync_to_thread=True,
)
def question_piece(
    code: FromPath[str], task_id: FromPath[UUID], question: FromPath[str], visit: NamedDependency[Visit]
) -> Response[str]:
    """Ctrl+↓, Ctrl+↑ or a click on a number: that question, or the end with the index."""
    with visit.hospital(code, Action.WORK_QUEUE) as session:
        task = _held(session, task_id, visit)
        shown = panel.values(session, task, languages.current(), at=question)
    return fragment("surveys/_questionnaire.html", **shown)


def _level(text: str) -> int | None:
    if text == NOT_APPLICABLE:
        return None
    if text in {str(level) for level in range(1, LEVELS + 1)}:
        return int(text)
    raise UserMistake(_("This answer cannot be kept."))


def _held(session: HospitalSession, task_id: UUID, visit: Visit) -> ContactTask:
    """The task on this agent's card, if it asks a questionnaire."""
    task = panel.task_of(session, task_id)
    if task is None or not service.carries_survey(session, task):
        raise NotFound
    try:
        require_hold(session, task, visit.actor, visit.now)
    except NotHeld as error:
        raise UserMistake(_("This patient is not on your card any more.")) from error
    return task


handlers: list[ControllerRouterHandler] = [answer, question_piece]
