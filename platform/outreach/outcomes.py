"""What a call can end with (通话结果) and what each end does: one table, read by the pad and by the service.

Delays are those of requirements (f): 180 minutes and another part of the day after no answer, seven days
after a refusal. A suppression's effect is S4-15: every plan and channel of the patient at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from foundation.database import HospitalSession
from outreach.models import ContactTask

Retry = Literal["other_part", "soon", "later"]
Need = Literal["callback_at", "reported_by"]


class Outcome(StrEnum):
    """The end of a call, by code. Two are no agent's choice: `EXPIRED`, the window closed, and `WITHDRAWN`,
    the patient refused the purpose or the number elsewhere.
    """

    COMPLETED = "completed"
    PARTIAL = "partial"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"
    WRONG_NUMBER = "wrong_number"
    SOMEONE_ELSE = "someone_else"
    REFUSED_NOW = "refused_now"
    REFUSED_FOREVER = "refused_forever"
    LANGUAGE = "language"
    TOO_ILL = "too_ill"
    DECEASED = "deceased"
    CURED = "cured"
    MOVED = "moved"
    CALLBACK_BOOKED = "callback_booked"
    HUNG_UP = "hung_up"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Effect:
    """What an outcome does to the task and to the patient.

    `key` is its letter on the pad. Either it closes the task (`closes_as`), or it is tried again (`retry`,
    after `delay`), or the patient is suppressed for `suppress`, which cancels this task and all others.
    `gives_up_as` is how the task ends when no further try fits: no attempts left, or the window closes
    before.
    """

    key: str
    closes_as: str | None = None
    retry: Retry | None = None
    delay: timedelta = timedelta(0)
    gives_up_as: str = "unreachable"
    suppress: str | None = None
    number_invalid: bool = False
    another_agent: bool = False
    needs: Need | None = None
    reached: bool = True


DAY = timedelta(days=1)

EFFECTS: dict[Outcome, Effect] = {
    Outcome.COMPLETED: Effect("C", closes_as="completed"),
    Outcome.PARTIAL: Effect("P", closes_as="partial"),
    Outcome.CALLBACK_BOOKED: Effect("K", needs="callback_at"),
    Outcome.NO_ANSWER: Effect("N", retry="other_part", reached=False),
    Outcome.BUSY: Effect("B", retry="other_part", reached=False),
    Outcome.VOICEMAIL: Effect("V", retry="other_part", reached=False),
    Outcome.HUNG_UP: Effect("H", retry="later", delay=DAY),
    Outcome.WRONG_NUMBER: Effect("W", retry="soon", number_invalid=True, reached=False),
    Outcome.SOMEONE_ELSE: Effect("S", retry="soon", number_invalid=True, reached=False),
    Outcome.LANGUAGE: Effect("L", retry="later", delay=DAY, another_agent=True),
    Outcome.TOO_ILL: Effect("T", retry="later", delay=7 * DAY),
    Outcome.REFUSED_NOW: Effect("R", retry="later", delay=7 * DAY, gives_up_as="refused"),
    Outcome.REFUSED_FOREVER: Effect("F", closes_as="refused", suppress="refused"),
    Outcome.CURED: Effect("U", suppress="cured"),
    Outcome.MOVED: Effect("M", suppress="special"),
    Outcome.DECEASED: Effect("D", suppress="deceased", needs="reported_by"),
}

TaskClosedHook = Callable[[HospitalSession, ContactTask, Outcome, datetime], None]
_closed_hooks: dict[str, TaskClosedHook] = {}


def on_task_closed(source: str, hook: TaskClosedHook) -> None:
    """Register what follows when a task of this source closes: (session, task, outcome, now), same
    transaction.

    Called once a task, when it ends by a call's outcome, because its window closed (`Outcome.EXPIRED`) or
    because the patient refused its purpose (`Outcome.WITHDRAWN`);
    `task.state` says how. A suppression has hooks of its own (patients.suppression) and does not come here.
    """
    _closed_hooks[source] = hook


def task_closed(session: HospitalSession, task: ContactTask, outcome: Outcome, now: datetime) -> None:
    """Tell the floor that asked for the task."""
    hook = _closed_hooks.get(task.source)
    if hook is not None:
        hook(session, task, outcome, now)
