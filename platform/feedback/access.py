"""Which step who may make now: the buttons of a case, and the question every form is asked again (J3, S4-9).

Pure. Which role has which right stands in `tenants.rights`: who acts for which owner of the clocks, and
that a medical dispute is open to the hospital's own people alone. The hospital's admin (客服中心主任)
stands in for a department that has nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from feedback.errors import Refusal
from feedback.models import FeedbackCase
from tenants.rights import Action

Act = Literal["acknowledge", "progress", "plan", "investigate", "handled", "callback", "medical_affairs"]

# For whom of the owners of a limit which right acts.
ACTS_FOR: Mapping[str, Action] = {
    "agent": Action.ACT_AS_AGENT,
    "department_head": Action.ACT_FOR_DEPARTMENT,
    "complaint_officer": Action.ACT_FOR_OFFICE,
}


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is possible now; `owner` says for whom an acknowledgement is made."""

    act: Act
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks: the person, what they may towards this hospital, the departments they are kept to."""

    person_id: UUID
    rights: frozenset[Action]
    departments: frozenset[UUID] | None = None

    def may(self, action: Action) -> bool:
        """Whether this is among their rights."""
        return action in self.rights


def hidden_from(case: FeedbackCase, reader: Reader) -> bool:
    """Whether the reader sees no more than 由医务处处理 (S4-9)."""
    return case.medical_dispute and not reader.may(Action.VIEW_DISPUTES)


def possible(
    case: FeedbackCase,
    reader: Reader,
    owners: Mapping[str, Collection[str]],
    acknowledged: Mapping[str, UUID | None],
) -> list[Step]:
    """The steps this reader may make now, in the order of the work.

    `owners` are those of each limit of the present round by its kind, `acknowledged` who has taken the case
    up.
    """
    if not reader.may(Action.HANDLE_CASES):
        return []
    if case.stage == "closed" or hidden_from(case, reader):
        return []
    if case.stage == "handled":
        may_ask = reader.may(Action.CALL_BACK) and reader.person_id != case.handled_by
        return [Step("callback")] if may_ask else []
    steps = [
        Step("acknowledge", owner)
        for owner in next((owners[kind] for kind in ("ack", "emergency") if kind in owners), ())
        if owner not in acknowledged
        and acts_for(owner, case, reader)
        and reader.person_id not in acknowledged.values()
    ]
    steps.append(Step("progress"))
    steps += [Step(act) for act in _STEPS if act in owners and _one_of(owners[act], case, reader)]
    last = next((owners[kind] for kind in ("direction", "confirm", "resolve") if kind in owners), ())
    if _one_of(last, case, reader):
        steps.append(Step("handled"))
    if not case.medical_dispute and reader.may(Action.HAND_OVER_DISPUTES):
        steps.append(Step("medical_affairs"))
    return steps


_STEPS: tuple[Literal["investigate", "plan"], ...] = ("investigate", "plan")


def acts_for(owner: str, case: FeedbackCase, reader: Reader) -> bool:
    """Whether the reader acts for this owner; in a dispute the office acts for everybody."""
    return reader.may(ACTS_FOR[owner]) or (case.medical_dispute and reader.may(Action.HANDLE_DISPUTES))


def _one_of(owners: Collection[str], case: FeedbackCase, reader: Reader) -> bool:
    return any(acts_for(owner, case, reader) for owner in owners)


def why_not(case: FeedbackCase, reader: Reader, act: Act) -> Refusal | None:
    """The rule that stands against an act, where it is one of the case and not of the role."""
    if case.stage == "closed":
        return "closed"
    if hidden_from(case, reader):
        return "medical_affairs"
    if act == "callback":
        if case.stage != "handled":
            return "not_handled"
        return "handler" if reader.person_id == case.handled_by else None
    return "already_handled" if case.stage == "handled" else None
