"""The rows every step of a case works on: the case itself, locked, its clocks of the round, and its event
log.

One log a case feeds clocks, ledger, measures and audit (journeys.md, design consequence 1).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy import select

from feedback.clock import Deadline, Tier, deadlines
from feedback.errors import CaseRefused, UnknownCase
from feedback.models import CaseClock, CaseEvent, FeedbackCase
from foundation.database import HospitalSession
from foundation.scope import Actor
from tenants.keys import data_key
from tenants.models import Membership
from tenants.rights import Action, Role, allowed


def take(session: HospitalSession, case_id: UUID, actor: Actor) -> FeedbackCase:
    """The case, locked until the transaction ends, for a step that `actor` makes.

    Raises `UnknownCase`, and `CaseRefused` when it is closed or a medical dispute in which this person has no
    say (S4-9).
    """
    case = session.scalars(
        select(FeedbackCase)
        .where(FeedbackCase.tenant_id == session.tenant_id, FeedbackCase.id == case_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if case is None:
        raise UnknownCase(str(case_id))
    if case.stage == "closed":
        raise CaseRefused("closed")
    if case.medical_dispute and not has_a_say(session, actor):
        raise CaseRefused("medical_affairs")
    return case


def has_a_say(session: HospitalSession, actor: Actor) -> bool:
    """Whether the actor may change a medical dispute (S4-9): a role held at the hospital itself says so.
    Scheduled work may, the firm's people never.
    """
    if actor.id is None:
        return True
    roles = session.scalars(
        select(Membership.role).where(
            Membership.person_id == actor.id,
            Membership.tenant_id == session.tenant_id,
            Membership.accepted_at.is_not(None),
        )
    )
    held = [Role(role) for role in roles]
    return allowed(held, Action.HANDLE_CASES) and allowed(held, Action.VIEW_DISPUTES)


def write(
    session: HospitalSession,
    case: FeedbackCase,
    kind: str,
    *,
    actor: Actor,
    now: datetime,
    note: str = "",
    **detail: Any,
) -> CaseEvent:
    """Append to the case's log; the note is encrypted with the hospital's key."""
    event = CaseEvent(
        tenant_id=session.tenant_id,
        case_id=case.id,
        at=now,
        kind=kind,
        round=case.round,
        actor_id=actor.id,
        actor_name=actor.name,
        note_cipher=data_key(session).encrypt(note) if note else None,
        detail=detail,
    )
    session.add(event)
    session.flush()
    return event


def start_clocks(session: HospitalSession, case: FeedbackCase) -> list[CaseClock]:
    """The clocks of the case's tier that run from the start of its present round (S0-20 to S0-27, S0-32)."""
    found = deadlines(_tier(case), case.round_started_at)
    return _add(session, case, [d for d in found if d.rule.starts == "received"])


def start_callback_clock(session: HospitalSession, case: FeedbackCase) -> CaseClock | None:
    """The clock of the callback, from handling (S0-31); None for a tier that has none (S0-21)."""
    found = deadlines(_tier(case), case.round_started_at, case.handled_at)
    rows = _add(session, case, [d for d in found if d.rule.starts == "handled"])
    return rows[0] if rows else None


def clocks_of_round(session: HospitalSession, case: FeedbackCase) -> dict[str, CaseClock]:
    """The clocks of the present round by kind."""
    rows = session.scalars(
        select(CaseClock).where(
            CaseClock.tenant_id == session.tenant_id,
            CaseClock.case_id == case.id,
            CaseClock.round == case.round,
        )
    )
    return {row.kind: row for row in rows}


def owners_of(clock: CaseClock) -> tuple[str, ...]:
    """Who must keep this limit; where there are two, both (S0-24)."""
    return tuple(clock.explanation["owners"])


def _add(session: HospitalSession, case: FeedbackCase, found: list[Deadline]) -> list[CaseClock]:
    rows = [
        CaseClock(
            tenant_id=session.tenant_id,
            case_id=case.id,
            round=case.round,
            kind=deadline.kind,
            source=deadline.rule.source,
            starts_at=deadline.explanation.starts_at,
            due_at=deadline.due_at,
            explanation=explained(deadline),
        )
        for deadline in found
    ]
    session.add_all(rows)
    session.flush()
    return rows


def explained(deadline: Deadline) -> dict[str, Any]:
    """A deadline's explanation as stored: `clock.Explanation` in plain values, and the owners."""
    values: dict[str, Any] = msgspec.to_builtins(deadline.explanation)
    return values | {"owners": list(deadline.rule.owners)}


def _tier(case: FeedbackCase) -> Tier:
    return cast("Tier", case.tier)
