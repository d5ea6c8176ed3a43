"""The workbench on screen: SC-1 workbench, SC-2 call card with SC-3 outcome pad, SC-7 my day.

The workbench is the firm's one screen over several hospitals; whatever is done to a patient goes to an
address of that patient's hospital.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast, get_args
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from foundation import audit
from foundation.calendar import SHANGHAI, local_date
from foundation.database import HospitalSession
from foundation.languages import format_clock
from foundation.languages import gettext as _
from foundation.masking import Shown
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import fragment, page, redirect
from outreach import calls, labels, queries, queue
from outreach.card_view import card_values, dialog_values, greeted_of, number_values
from outreach.errors import ContactRefused, NotHeld, OutcomeIncomplete
from outreach.models import ContactTask, PatientHold
from outreach.outcomes import EFFECTS, Outcome
from tenants.rights import Action
from tenants.visit import Visit

WORKBENCH = "/workbench"
CARD = "/workbench/card"
NOTE_LENGTH = 2000
FIRST_DAY = date(2000, 1, 1)  # there is no work of ours before it
DRAFT_FIELDS = ("note", "outcome", "callback_at", "reported_by", "happened_on")


class DialForm(msgspec.Struct):
    """Which of the numbers."""

    contact_point_id: UUID


class CallForm(msgspec.Struct):
    """Which call."""

    call_id: UUID


class CardForm(msgspec.Struct):
    """What stands on the card: kept as a draft every few seconds, and saved at the end.

    Times are those of China, as the fields of the browser write them (`2026-09-16T09:30`).
    """

    outcome: str = ""
    note: str = ""
    callback_at: str = ""
    reported_by: str = ""
    happened_on: str = ""
    call_id: str = ""
    then: str = "next"


class SkipForm(msgspec.Struct):
    """Why this patient is passed over."""

    reason: str = ""


@get(WORKBENCH, needs=Action.WORK_QUEUE, sync_to_thread=True)
def workbench_page(visit: NamedDependency[Visit]) -> Response[str]:
    """SC-1: the day's figures, its fixed times, the pool by hospital, and the key for the next patient."""
    with visit.firm(Action.WORK_QUEUE) as session:
        bench = queries.workbench(session, visit.person.id, visit.now)
        held = queue.resume(session, visit.actor, visit.now)
    return page(
        "outreach/workbench.html",
        visit=visit,
        active="workbench",
        bench=bench,
        held=held,
        now=visit.now,
        labels=labels,
    )


@post("/workbench/next", needs=Action.WORK_QUEUE, sync_to_thread=True)
def next_patient(visit: NamedDependency[Visit]) -> Redirect:
    """F8: the card already held, or a fresh one; pressing twice gives one patient."""
    return _next(visit)


@get(CARD, needs=Action.FINISH_CALL, sync_to_thread=True)
def card_page(visit: NamedDependency[Visit]) -> Response[str] | Redirect:
    """SC-2: the patient this agent holds, with the draft; without one, back to the workbench."""
    with visit.firm(Action.FINISH_CALL) as firm:
        held = queue.resume(firm, visit.actor, visit.now)
    if held is None:
        return redirect(WORKBENCH)
    face = visit.face(held.tenant_id)
    with visit.hospital(face.code, Action.FINISH_CALL) as session:
        values = card_values(session, held, visit.person.name, face.label, visit.now)
        audit.record(session, "outreach.card_read", now=visit.now, subject=f"patient:{held.patient_id}")
    return page(
        "outreach/card.html", visit=visit, active="workbench", hospital=face, face=face, held=held, **values
    )


@post(
    "/h/{code:str}/contacts/{task_id:uuid}/dial",
    needs=Action.WORK_QUEUE,
    sync_to_thread=True,
    status_code=200,
)
def dial(
    code: FromPath[str],
    task_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[DialForm],
) -> Response[str]:
    """F2: the policy is asked once more, the number is shown for this call, and the timer starts."""
    with visit.hospital(code, Action.WORK_QUEUE) as session:
        try:
            dialled = calls.dial(session, task_id, data.contact_point_id, visit.actor, visit.now)
        except ContactRefused as error:
            raise UserMistake(labels.refusal(error)) from error
        except NotHeld as error:
            raise _gone() from error
        values = number_values(session, dialled.call_id, visit.now)
        greeting = _greeting(session, visit, dialled.call_id)
    return fragment(
        "outreach/_call.html",
        code=code,
        number=Shown(dialled.number),
        names=(dialled.patient_name, dialled.holder_name),
        labels=labels,
        **greeting,
        **values,
    )


@post(
    "/h/{code:str}/contacts/{task_id:uuid}/connected",
    needs=Action.FINISH_CALL,
    sync_to_thread=True,
    status_code=200,
)
def connected(
    code: FromPath[str],
    task_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[CallForm],
) -> Response[str]:
    """F2 again: somebody answered."""
    with visit.hospital(code, Action.FINISH_CALL) as session:
        try:
            calls.connected(session, data.call_id, visit.actor, visit.now)
            names = calls.names_of(session, data.call_id, visit.actor)
        except NotHeld as error:
            raise _gone() from error
        values = number_values(session, data.call_id, visit.now)
        if values["task_id"] != task_id:
            raise NotFound
        greeting = _greeting(session, visit, data.call_id) if names else {}
    return fragment(
        "outreach/_call.html", code=code, number=None, names=names, labels=labels, **greeting, **values
    )


@post(
    "/h/{code:str}/contacts/{task_id:uuid}/draft",
    needs=Action.FINISH_CALL,
    sync_to_thread=True,
    status_code=200,
)
def save_draft(
    code: FromPath[str],
    task_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[CardForm],
) -> Response[str]:
    """Every five seconds: what was typed, and the patient for another twenty minutes."""
    draft = {name: getattr(data, name)[:NOTE_LENGTH] for name in DRAFT_FIELDS if getattr(data, name)}
    with visit.hospital(code, Action.FINISH_CALL) as session:
        try:
            queue.save_draft(session, task_id, visit.actor, draft, visit.now)
        except NotHeld as error:
            raise _gone() from error
    return fragment("outreach/_saved.html", at=format_clock(visit.now))


@post("/h/{code:str}/contacts/{task_id:uuid}/finish", needs=Action.FINISH_CALL, sync_to_thread=True)
def finish(
    code: FromPath[str],
    task_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[CardForm],
) -> Redirect:
    """Ctrl+Enter: the outcome has its effect, and the next card comes; sent twice it counts once."""
    if data.outcome not in EFFECTS:
        raise UserMistake(_("Please choose how the call ended."))
    with visit.hospital(code, Action.FINISH_CALL) as session:
        _require_task(session, task_id)
        try:
            calls.finish(
                session,
                _call_id(data.call_id),
                task_id,
                Outcome(data.outcome),
                agent=visit.actor,
                note=data.note.strip()[:NOTE_LENGTH],
                now=visit.now,
                callback_at=_local_moment(data.callback_at),
                reported_by=data.reported_by.strip()[:NOTE_LENGTH] or None,
                happened_on=_day(data.happened_on),
            )
        except OutcomeIncomplete as error:
            raise UserMistake(labels.incomplete(error)) from error
        except NotHeld as error:
            raise _gone() from error
    return redirect(WORKBENCH, notice=_("Saved.")) if data.then == "stop" else _next(visit)


@post("/h/{code:str}/contacts/{task_id:uuid}/skip", needs=Action.WORK_QUEUE, sync_to_thread=True)
def skip(
    code: FromPath[str],
    task_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[SkipForm],
) -> Redirect:
    """Pass this patient over, with a reason that stays in the trail."""
    if data.reason not in get_args(queue.SkipReason):
        raise UserMistake(_("Please choose a reason."))
    with visit.hospital(code, Action.WORK_QUEUE) as session:
        _require_task(session, task_id)
        queue.skip(session, task_id, visit.actor, cast("queue.SkipReason", data.reason), visit.now)
    return _next(visit)


@post("/h/{code:str}/contacts/{task_id:uuid}/release", needs=Action.WORK_QUEUE, sync_to_thread=True)
def release(code: FromPath[str], task_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Before a break: the patient goes back to the queue, unless something was typed already."""
    with visit.hospital(code, Action.WORK_QUEUE) as session:
        task = _require_task(session, task_id)
        hold = session.get(PatientHold, (session.tenant_id, task.patient_id))
        if hold is None or hold.draft_cipher is None:
            queue.release(session, task_id, visit.actor, visit.now)
    return redirect("/workbench/break")


@get("/h/{code:str}/contacts/{task_id:uuid}/dialog/{name:str}", needs=Action.WORK_QUEUE, sync_to_thread=True)
def card_dialog(
    code: FromPath[str], task_id: FromPath[UUID], name: FromPath[str], visit: NamedDependency[Visit]
) -> Response[str]:
    """F7: a panel of another package over the card."""
    with visit.hospital(code, Action.WORK_QUEUE) as session:
        task = _require_task(session, task_id)
        try:
            queue.require_hold(session, task, visit.actor, visit.now)
        except NotHeld as error:
            raise _gone() from error
        values = dialog_values(session, task, name)
        if values is None:
            raise NotFound
    return fragment("outreach/_dialog.html", **values)


@get("/workbench/my-day", needs=Action.WORK_QUEUE, sync_to_thread=True)
def my_day_page(visit: NamedDependency[Visit], day: FromQuery[date | None] = None) -> Response[str]:
    """SC-7: what this agent did today, or on another day, and the promises still open."""
    today = local_date(visit.now)
    shown = min(day or today, today)
    if shown < FIRST_DAY:
        raise NotFound
    with visit.firm(Action.WORK_QUEUE) as session:
        mine = queries.my_day(session, visit.person.id, shown, visit.now)
    return page(
        "outreach/my_day.html",
        visit=visit,
        active="workbench",
        mine=mine,
        day=shown,
        today=today,
        now=visit.now,
        goal=queries.GOAL,
        labels=labels,
    )


@get("/workbench/break", needs=Action.WORK_QUEUE, sync_to_thread=True)
def break_page(visit: NamedDependency[Visit]) -> Response[str]:
    """F9: nobody is held; the same key goes on."""
    with visit.firm(Action.WORK_QUEUE) as session:
        held = queue.resume(session, visit.actor, visit.now)
    return page("outreach/break.html", visit=visit, active="workbench", since=visit.now, held=held)


def _next(visit: Visit) -> Redirect:
    with visit.firm(Action.WORK_QUEUE) as session:
        card = queue.next_card(session, visit.actor, visit.now)
    if card is None:
        return redirect(WORKBENCH, notice=_("There is nobody to call right now."))
    return redirect(CARD)


def _require_task(session: HospitalSession, task_id: UUID) -> ContactTask:
    task = session.get(ContactTask, (session.tenant_id, task_id))
    if task is None:
        raise NotFound
    return task


def _call_id(typed: str) -> UUID | None:
    """The call of the form; None when nothing was dialled. One that is none is not this agent's either."""
    try:
        return UUID(typed) if typed else None
    except ValueError as error:
        raise _gone() from error


def _greeting(session: HospitalSession, visit: Visit, call_id: UUID) -> dict[str, Any]:
    """What the first words of the card need while the call goes on."""
    return {
        "greeted": greeted_of(session, call_id),
        "agent_name": visit.person.name,
        "hospital_name": visit.face(session.tenant_id).label,
    }


def _gone() -> UserMistake:
    return UserMistake(_("This patient is not on your card any more."))


def _local_moment(typed: str) -> datetime | None:
    """A time of a datetime field, in China; None when empty. Raises `UserMistake`."""
    if not typed:
        return None
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError as error:
        raise UserMistake(_("This is not a time: {typed}", typed=typed[:40])) from error
    return moment.replace(tzinfo=SHANGHAI) if moment.tzinfo is None else moment


def _day(typed: str) -> date | None:
    if not typed:
        return None
    try:
        return date.fromisoformat(typed)
    except ValueError as error:
        raise UserMistake(_("This is not a date: {typed}", typed=typed[:40])) from error


handlers: list[ControllerRouterHandler] = [
    workbench_page,
    next_patient,
    card_page,
    dial,
    connected,
    save_draft,
    finish,
    skip,
    release,
    card_dialog,
    my_day_page,
    break_page,
]
