"""What a case does when its callback ends, and when its patient is suppressed or may be contacted again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from feedback import log, panels
from feedback.callbacks import (
    SOURCE,
    TRIED_AFTER_DUE,
    ask_waiting,
    case_of_clock,
    close_without_answer,
)
from foundation import audit
from foundation.database import HospitalSession
from outreach.errors import OutcomeIncomplete
from outreach.models import ContactTask
from outreach.outcomes import Outcome, on_task_closed
from patients.suppression import on_lifted, on_suppressed

# Outcomes with which the patient was spoken to.
ANSWERED = (Outcome.COMPLETED, Outcome.PARTIAL)

_WRITE_TO_OPEN_CASES = text("""
    INSERT INTO case_event (tenant_id, id, case_id, at, kind, round, actor_id, actor_name, note_cipher,
    detail)
    SELECT c.tenant_id, uuidv7(), c.id, :now, :kind, c.round, :actor_id, :actor_name, NULL,
           jsonb_build_object('reason', CAST(:reason AS text))
    FROM feedback_case c
    WHERE c.tenant_id = :tenant_id AND c.stage <> 'closed'
      AND c.patient_id = ANY (CAST(:patient_ids AS uuid[]))
""")


def register() -> None:
    """Wire the hooks and the panels of the call card; harmless twice."""
    on_task_closed(SOURCE, task_closed)
    on_suppressed(patients_suppressed)
    on_lifted(patients_lifted)
    panels.register()


def task_closed(session: HospitalSession, task: ContactTask, outcome: Outcome, now: datetime) -> None:
    """The callback's task is closed: unreachable and refused close the case, all else is written down.

    A call that was answered has recorded its level before, and then the case has moved on; without one the
    call cannot end as completed (`OutcomeIncomplete`).
    """
    case = case_of_clock(session, task.source_id)
    if case is None:
        return
    if case.medical_dispute and not log.has_a_say(session, session.scope.actor):
        # Handed to medical affairs while the call was waiting: what the firm's call came to changes nothing.
        told = {"state": task.state, "outcome": outcome.value}
        log.write(session, case, "callback_ended", actor=session.scope.actor, now=now, **told)
        return
    if outcome in ANSWERED:
        # The patient was reached: what they said of the handling is the whole reason of this call (S0-31).
        raise OutcomeIncomplete("callback_level")
    actor = session.scope.actor
    if task.state == "unreachable":
        close_without_answer(session, case, "unreachable", actor=actor, now=now)
    elif task.state == "refused":
        close_without_answer(session, case, "refused", actor=actor, now=now)
    elif outcome is Outcome.EXPIRED and task.attempts:
        close_without_answer(session, case, "unreachable", actor=actor, now=now)
    elif outcome is Outcome.EXPIRED:
        # Nobody tried (a long holiday): a patient who was promised a call is still called.
        task.state, task.outcome, task.closed_at = "open", None, None
        task.closes_at, task.next_try_at = now + TRIED_AFTER_DUE, now
        session.flush()
        return
    else:
        log.write(
            session, case, "callback_ended", actor=actor, now=now, state=task.state, outcome=outcome.value
        )
        return
    session.flush()
    audit.record(
        session,
        "feedback.closed",
        now=now,
        subject=f"case:{case.id}",
        detail={"reason": case.close_reason, "attempts": task.attempts},
    )


def patients_suppressed(
    session: HospitalSession, patient_ids: Sequence[UUID], reason: str, now: datetime
) -> None:
    """No callback will be made; the case itself stays open for the hospital, and its log says so.

    A complaint does not end with whoever made it (S4-9, S4-15): the hospital owes an answer, also to the
    family of somebody who has died, and its limits run on. With a dispute the firm calls no more and medical
    affairs asks by itself. What the firm cannot ask, the hospital closes as not to be reached.
    """
    _write_to_open_cases(session, patient_ids, "suppressed", reason, now)


def patients_lifted(
    session: HospitalSession, patient_ids: Sequence[UUID], reason: str, now: datetime
) -> None:
    """The callback is back in the queue, and the log says so; a case handled meanwhile is asked about now."""
    _write_to_open_cases(session, patient_ids, "lifted", reason, now)
    ask_waiting(session, patient_ids, now=now)


def _write_to_open_cases(
    session: HospitalSession, patient_ids: Sequence[UUID], kind: str, reason: str, now: datetime
) -> None:
    session.flush()
    actor = session.scope.actor
    session.execute(
        _WRITE_TO_OPEN_CASES,
        {
            "tenant_id": session.tenant_id,
            "now": now,
            "kind": kind,
            "reason": reason,
            "actor_id": actor.id,
            "actor_name": actor.name,
            "patient_ids": list(patient_ids),
        },
    )
