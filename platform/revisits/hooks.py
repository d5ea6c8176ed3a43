"""What a plan does when a call ends, when a patient is suppressed or leaves, and when that is undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, exists, select, update

from foundation.calendar import local_date
from foundation.catalogue import among
from foundation.database import HospitalSession
from foundation.languages import mark
from outreach.models import ContactTask
from outreach.outcomes import Outcome, on_task_closed
from patients import merging
from patients.enrolment import CANCELLED, on_ended, on_started
from patients.suppression import on_lifted, on_suppressed
from patients.suppression_effects import Live, register_live
from revisits.models import RevisitStep
from revisits.planning import SOURCE, supersede
from surveys import service as surveys

STATE_AFTER = {
    "completed": "done",
    "partial": "done",
    "unreachable": "missed",
    "refused": "missed",
    "expired": "missed",
    "cancelled": "cancelled",
}
OPEN = ("planned", "tasked")
# Live is what somebody would still be called for; a step on its way to a call is counted with the call.
LIVE = Live(
    "revisit_step",
    mark("Follow-ups planned"),
    """SELECT count(*) FROM revisit_step s WHERE s.tenant_id = :tenant_id
       AND s.state IN ('planned', 'tasked') AND s.patient_id IN ({patients})""",
    previewed="""SELECT count(*) FROM revisit_step s WHERE s.tenant_id = :tenant_id AND s.state = 'planned'
       AND s.patient_id IN ({patients}) AND NOT EXISTS (
           SELECT FROM contact_task t WHERE t.tenant_id = :tenant_id AND t.source = 'revisit'
              AND t.source_id = s.id AND t.state = 'open')""",
)
# What a suppressed step was before: an undo brings back exactly that (S4-15).
SUPPRESSED = "suppressed, was "
# A step whose call the patient refused by a word on consent, or by a number that may not be called any more.
# Not "withdrawn": that is a discharge that the hospital took back, which may come to stand again.
REFUSED = "consent refused"


def register() -> None:
    """Wire the hooks; harmless twice."""
    on_task_closed(SOURCE, task_closed)
    on_suppressed(stop_steps)
    on_lifted(restore_steps)
    on_ended(end_plan)
    on_started(resume_plan)
    register_live(LIVE)


def task_closed(session: HospitalSession, task: ContactTask, outcome: str, now: datetime) -> None:
    """The step of a closed task is done, missed or cancelled; what its call answered is scored (D1)."""
    # A step that the patient withdrew from was not missed by anybody (PIPL 15).
    refused = outcome == Outcome.WITHDRAWN
    state = "cancelled" if refused else STATE_AFTER[task.state]
    because = REFUSED if refused else str(outcome)
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.id == task.source_id,
            RevisitStep.state.in_(OPEN),
        )
        .values(state=state, cancelled_because=because if state == "cancelled" else None)
        .execution_options(synchronize_session="fetch")
    )
    surveys.settle(session, task.id, now=now)


def stop_steps(session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, _now: datetime) -> None:
    """A suppressed patient's open and future steps are cancelled, all at once."""
    session.flush()
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            among(RevisitStep.patient_id, patient_ids),
            RevisitStep.state.in_(OPEN),
        )
        .values(state="cancelled", cancelled_because=SUPPRESSED + RevisitStep.state)
        .execution_options(synchronize_session=False)  # hundreds of thousands, when a list brings the dead
    )
    merging.reload(session, RevisitStep)


def restore_steps(session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, now: datetime) -> None:
    """What a suppression cancelled is what it was before; a new stay still ends the old plan."""
    session.flush()
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            among(RevisitStep.patient_id, patient_ids),
            RevisitStep.state == "cancelled",
            RevisitStep.cancelled_because.in_([SUPPRESSED + state for state in OPEN]),
        )
        .values(
            state=case((RevisitStep.cancelled_because == SUPPRESSED + "planned", "planned"), else_="tasked"),
            cancelled_because=None,
        )
        .execution_options(synchronize_session=False)
    )
    merging.reload(session, RevisitStep)
    supersede(session, local_date(now), now=now, patient_ids=patient_ids)


def end_plan(session: HospitalSession, patient_ids: Sequence[UUID], because: str, now: datetime) -> None:
    """A patient who left the programme is not followed any more; other contacts (a complaint) go on."""
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            among(RevisitStep.patient_id, patient_ids),
            RevisitStep.state.in_(OPEN),
        )
        .values(state="cancelled", cancelled_because=because)
        .execution_options(synchronize_session="fetch")
    )
    session.execute(
        update(ContactTask)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            among(ContactTask.patient_id, patient_ids),
            ContactTask.source == SOURCE,
            ContactTask.state == "open",
        )
        .values(state="cancelled", outcome=because, closed_at=now)
        .execution_options(synchronize_session="fetch")
    )


def resume_plan(session: HospitalSession, patient_ids: Sequence[UUID], now: datetime) -> None:
    """Somebody taken out of the programme by mistake is back in it: what was cancelled and can still be done
    is planned again.
    """
    session.execute(
        update(ContactTask)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            among(ContactTask.patient_id, patient_ids),
            ContactTask.source == SOURCE,
            ContactTask.state == "cancelled",
            ContactTask.outcome == CANCELLED,
            ContactTask.closes_at > now,
        )
        .values(state="open", outcome=None, closed_at=None)
        .execution_options(synchronize_session="fetch")
    )
    bring_back(session, among(RevisitStep.patient_id, patient_ids), CANCELLED, now=now)


def bring_back(session: HospitalSession, whose: ColumnElement[bool], because: str, *, now: datetime) -> None:
    """Of these steps those that were cancelled for this reason and can still be done are what they were."""
    called = exists(
        select(1).where(
            ContactTask.tenant_id == RevisitStep.tenant_id,
            ContactTask.source == SOURCE,
            ContactTask.source_id == RevisitStep.id,
            ContactTask.state == "open",
        )
    )
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            whose,
            RevisitStep.state == "cancelled",
            RevisitStep.cancelled_because == because,
            RevisitStep.closes_on >= local_date(now),
        )
        .values(state=case((called, "tasked"), else_="planned"), cancelled_because=None)
        .execution_options(synchronize_session="fetch")
    )
