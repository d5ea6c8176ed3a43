"""What the call card asks of this package: the tier to propose, a new case from a call, the callback's
answer.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, URLEncodedBody

from feedback import detail, labels, service
from feedback.access import Reader
from feedback.cases import NewCase
from feedback.clock import Tier
from feedback.errors import CaseRefused, UnknownCase
from feedback.models import CaseClock
from feedback.panels import call_going_on, is_callback, lowest_level
from feedback.tags import Tag, TierProposal, by_code, propose_tier
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import fragment
from outreach.errors import NotHeld
from outreach.models import ContactTask
from outreach.queue import require_hold
from patients.models import Encounter
from tenants.models import Department
from tenants.rights import Action
from tenants.visit import Visit

TEXT_LENGTH = 4000
WISH_LENGTH = 500


class NewFeedbackForm(msgspec.Struct):
    """The F7 form. `tier` is empty while the proposal stands; `dispute` answers 是否涉及医疗纠纷?"""

    task_id: UUID
    tag: str = ""
    text: str = ""
    wish: str = ""
    tier: str = ""
    dispute: str = ""
    told: str = ""
    department: str = ""


class AnswerForm(msgspec.Struct):
    """What the patient said of the handling, or `refused`."""

    task_id: UUID
    level: str = ""
    note: str = ""


@post("/h/{code:str}/cases/propose", needs=Action.HANDLE_CASES, sync_to_thread=True, status_code=200)
def propose(code: FromPath[str], visit: Visit, data: URLEncodedBody[NewFeedbackForm]) -> Response[str]:
    """The tier to offer for what is typed so far, why, and the promise that follows from it."""
    with visit.hospital(code, Action.HANDLE_CASES) as session:
        task = _held_task(session, data.task_id, visit)
        level = lowest_level(session, task.id)
    tag = by_code().get(data.tag)
    return fragment("feedback/_tier.html", **tier_values(data, tag, level))


@post("/h/{code:str}/cases/from-call", needs=Action.HANDLE_CASES, sync_to_thread=True, status_code=200)
def from_call(code: FromPath[str], visit: Visit, data: URLEncodedBody[NewFeedbackForm]) -> Response[str]:
    """A new case from the card: patient, stay and call are those of the card, not of the form."""
    tag = by_code().get(data.tag)
    text = data.text.strip()[:TEXT_LENGTH]
    if tag is None:
        raise UserMistake(_("Please choose what it is about."))
    if not text:
        raise UserMistake(_("Please write down what the patient said."))
    with visit.hospital(code, Action.HANDLE_CASES) as session:
        task = _held_task(session, data.task_id, visit)
        proposal = propose_tier(tag, lowest_level(session, task.id), text)
        if proposal.ask_medical_dispute and not data.dispute:
            raise UserMistake(_("Please say whether this is a medical dispute."))
        tier = _chosen_tier(data, proposal)
        case = service.open_case(
            session,
            NewCase(
                patient_id=task.patient_id,
                encounter_id=task.encounter_id,
                call_id=call_going_on(session, task.id, visit.actor),
                department_id=_department(session, task, data.department),
                channel="survey_call" if task.kind == "survey" else "revisit_call",
                category=tag.category,
                tag=tag.code,
                tier=tier,
                medical_dispute=data.dispute == "yes",
                text=text,
                wish=data.wish.strip()[:WISH_LENGTH],
                told=data.told == "yes",
            ),
            actor=visit.actor,
            now=visit.now,
        )
    return fragment("feedback/_opened.html", case=case, code=code, label=labels)


@get("/h/{code:str}/cases/{case_id:uuid}/for-callback", needs=Action.HANDLE_CASES, sync_to_thread=True)
def for_callback(
    code: FromPath[str], case_id: FromPath[UUID], visit: Visit, task: FromQuery[UUID]
) -> Response[str]:
    """What was said and what was done, for the agent who has this callback on the card; reading is
    recorded.
    """
    with visit.hospital(code, Action.HANDLE_CASES) as session:
        held = _held_callback(session, task, case_id, visit)
        found = _found(session, case_id, visit, code)
    done = next((e for e in reversed(found.events) if e.kind == "handled"), None)
    return fragment(
        "feedback/_asked.html",
        code=code,
        task_id=held.id,
        found=found,
        case=found.case,
        done=done,
        now=visit.now,
        levels=[(level, labels.level_name(level)) for level in range(6, 0, -1)],
        label=labels,
    )


@post(
    "/h/{code:str}/cases/{case_id:uuid}/callback-answer",
    needs=Action.HANDLE_CASES,
    sync_to_thread=True,
    status_code=200,
)
def callback_answer(
    code: FromPath[str], case_id: FromPath[UUID], visit: Visit, data: URLEncodedBody[AnswerForm]
) -> Response[str]:
    """The patient's answer, from the card; the call itself ends by its outcome as usual."""
    with visit.hospital(code, Action.HANDLE_CASES) as session:
        _held_callback(session, data.task_id, case_id, visit)
        level = None if data.level == "refused" else labels.level_of(data.level)
        try:
            case = service.record_callback(
                session,
                case_id,
                level,
                actor=visit.actor,
                note=data.note.strip()[:TEXT_LENGTH],
                now=visit.now,
                because="refused",
            )
        except UnknownCase as error:
            raise NotFound from error
        except CaseRefused as error:
            raise UserMistake(labels.refusal_text(error.reason)) from error
    return fragment("feedback/_answered.html", case=case, label=labels)


def tier_values(data: NewFeedbackForm, tag: Tag | None, level: int | None) -> dict[str, Any]:
    """What the piece of the form about the tier shows."""
    proposal = propose_tier(tag, level, data.text)
    tier = _chosen_tier(data, proposal)
    return {
        "proposal": proposal,
        "tier": tier,
        "chosen": data.tier,
        "dispute": data.dispute,
        "told": data.told,
        "promise": labels.promise(tier, medical_dispute=data.dispute == "yes"),
        "label": labels,
    }


def _chosen_tier(data: NewFeedbackForm, proposal: TierProposal) -> Tier:
    if data.dispute == "yes":
        return 3
    return cast("Tier", int(data.tier)) if data.tier in {"1", "2", "3"} else proposal.tier


def _held_task(session: HospitalSession, task_id: UUID, visit: Visit) -> ContactTask:
    """The task on this agent's card; `NotFound` when there is none, a clear sentence when it is gone."""
    task = session.get(ContactTask, (session.tenant_id, task_id))
    if task is None:
        raise NotFound
    try:
        require_hold(session, task, visit.actor, visit.now)
    except NotHeld as error:
        raise UserMistake(_("This patient is not on your card any more.")) from error
    return task


def _held_callback(session: HospitalSession, task_id: UUID, case_id: UUID, visit: Visit) -> ContactTask:
    """The callback on this agent's card, which asks of this case and of no other; else as `_held_task`."""
    task = _held_task(session, task_id, visit)
    clock = (
        session.get(CaseClock, (session.tenant_id, task.source_id)) if is_callback(session, task) else None
    )
    if clock is None or clock.case_id != case_id:
        raise NotFound
    return task


def _department(session: HospitalSession, task: ContactTask, chosen: str) -> UUID | None:
    """The department chosen on the form, else the one of the stay; `NotFound` for one of another hospital."""
    if chosen:
        try:
            place = session.get(Department, (session.tenant_id, UUID(chosen)))
        except ValueError:
            place = None
        if place is None:
            raise NotFound
        return place.id
    stay = session.get(Encounter, (session.tenant_id, task.encounter_id)) if task.encounter_id else None
    return stay.department_id if stay else None


def _found(session: HospitalSession, case_id: UUID, visit: Visit, code: str) -> detail.CaseDetail:
    reader = Reader(visit.person.id, visit.rights(code), visit.departments(code))
    try:
        return detail.case_detail(session, case_id, reader, visit.now)
    except UnknownCase as error:
        raise NotFound from error


handlers = [propose, from_call, for_callback, callback_answer]
