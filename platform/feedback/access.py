"""Which step who may make now: the buttons of a case, and the question every form is asked again (J3, S4-9).

Pure. A role acts for an owner of the clocks; the hospital's admin (客服中心主任) stands in for a department
that has
nobody. A medical dispute is open to the hospital's own people alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from feedback.errors import Refusal
from feedback.models import FeedbackCase
from tenants.rights import SIDES, Action, Role, allowed

Act = Literal["acknowledge", "progress", "plan", "investigate", "handled", "callback", "medical_affairs"]

OWNERS: Mapping[str, frozenset[Role]] = {
    "agent": frozenset({Role.AGENT, Role.TEAM_LEAD, Role.FIRM_GM, Role.HOSPITAL_ADMIN}),
    "department_head": frozenset({Role.DEPARTMENT_HEAD, Role.HOSPITAL_ADMIN}),
    "complaint_officer": frozenset({Role.HOSPITAL_ADMIN, Role.MEDICAL_AFFAIRS}),
}
OFFICE = frozenset({Role.MEDICAL_AFFAIRS, Role.HOSPITAL_ADMIN})
CALLERS = frozenset({Role.AGENT, Role.TEAM_LEAD, Role.FIRM_GM, Role.HOSPITAL_ADMIN, Role.MEDICAL_AFFAIRS})
# An agent may not take lists away; a department and quality review have no need to (journeys.md, roles).
EXPORTERS = frozenset(
    {
        Role.TEAM_LEAD,
        Role.OPERATIONS,
        Role.FIRM_GM,
        Role.HOSPITAL_GM,
        Role.HOSPITAL_ADMIN,
        Role.MEDICAL_AFFAIRS,
    }
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is possible now; `owner` says for whom an acknowledgement is made."""

    act: Act
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks: the person, the roles held towards this hospital, the departments they are kept to."""

    person_id: UUID
    roles: frozenset[Role]
    departments: frozenset[UUID] | None = None

    @property
    def of_the_firm(self) -> bool:
        """Whether nobody of the hospital looks."""
        return not any(SIDES[role] == "hospital" for role in self.roles)

    def may_export(self) -> bool:
        """Whether this person may take the ledger away as a file."""
        return bool(self.roles & EXPORTERS)


def hidden_from(case: FeedbackCase, reader: Reader) -> bool:
    """Whether the reader sees no more than 由医务处处理 (S4-9)."""
    return case.medical_dispute and reader.of_the_firm


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
    if not allowed(reader.roles, Action.HANDLE_CASES):
        return []
    if case.stage == "closed" or hidden_from(case, reader):
        return []
    if case.stage == "handled":
        may_ask = bool(reader.roles & CALLERS) and reader.person_id != case.handled_by
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
    if not case.medical_dispute and Role.MEDICAL_AFFAIRS not in reader.roles:
        steps.append(Step("medical_affairs"))
    return steps


_STEPS: tuple[Literal["investigate", "plan"], ...] = ("investigate", "plan")


def acts_for(owner: str, case: FeedbackCase, reader: Reader) -> bool:
    """Whether one of the reader's roles acts for this owner; in a dispute the office acts for everybody."""
    return bool(reader.roles & (OWNERS[owner] | (OFFICE if case.medical_dispute else frozenset())))


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
