"""What is counted of the cases of a time: received, answered in time, content in the end (S0-2, S0-5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select

from feedback.callbacks import SATISFIED_FROM
from feedback.models import CaseClock, CaseEvent, FeedbackCase
from foundation.database import HospitalSession

RESPONSE_LIMIT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class CaseFigures:
    """Counts for cases received from `start` until before `end`.

    `timely`: first response within 24 hours (S0-2), of `received` less `pending`, whose 24 hours still run.
    `limits_kept` of `limits_due` is the other number, of each tier's own limits (D5). `satisfied` of
    `callbacks`
    are the answers given in that time (S0-5), every round's.
    """

    received: int
    pending: int
    timely: int
    limits_due: int
    limits_kept: int
    callbacks: int
    satisfied: int
    closed: int
    tiers: dict[int, int]
    categories: dict[str, int]


def timely_24h(received_at: datetime, responded_at: datetime | None, now: datetime) -> bool | None:
    """Whether the first response came within 24 hours (S0-2); None while it still may. The last instant
    counts.
    """
    limit = received_at + RESPONSE_LIMIT
    if responded_at is not None:
        return responded_at <= limit
    return None if now <= limit else False


def case_figures(session: HospitalSession, start: datetime, end: datetime, now: datetime) -> CaseFigures:
    """The counts of one hospital; four statements."""
    case, limit = FeedbackCase, FeedbackCase.received_at + RESPONSE_LIMIT
    received_then = and_(
        case.tenant_id == session.tenant_id, case.received_at >= start, case.received_at < end
    )
    totals = session.execute(
        select(
            func.count(),
            func.count().filter(case.responded_at.is_(None), limit >= now),
            func.count().filter(case.responded_at <= limit),
            func.count().filter(case.stage == "closed"),
        ).where(received_then)
    ).one()
    groups = session.execute(
        select(case.tier, case.category, func.count()).where(received_then).group_by(case.tier, case.category)
    ).all()
    due, kept = _limits(session, start, end, now)
    level = CaseEvent.detail["level"].as_integer()
    answers = session.execute(
        select(func.count(), func.count().filter(level >= SATISFIED_FROM)).where(
            CaseEvent.tenant_id == session.tenant_id,
            CaseEvent.kind == "callback",
            CaseEvent.at >= start,
            CaseEvent.at < end,
        )
    ).one()
    tiers: dict[int, int] = {}
    categories: dict[str, int] = {}
    for tier, category, count in groups:
        tiers[tier] = tiers.get(tier, 0) + count
        categories[category] = categories.get(category, 0) + count
    return CaseFigures(
        received=totals[0],
        pending=totals[1],
        timely=totals[2],
        limits_due=due,
        limits_kept=kept,
        callbacks=answers[0],
        satisfied=answers[1],
        closed=totals[3],
        tiers=tiers,
        categories=categories,
    )


def _limits(session: HospitalSession, start: datetime, end: datetime, now: datetime) -> tuple[int, int]:
    """Limits of the cases received then that were kept or have run out, and those kept.

    A callback that nobody could make, because the patient was not reached or refused, is no limit missed.
    """
    settled = or_(CaseClock.met_at.is_not(None), CaseClock.due_at < now)
    unanswered = and_(
        CaseClock.kind == "callback",
        CaseClock.met_at.is_(None),
        FeedbackCase.close_reason.in_(("unreachable", "refused")),
    )
    row = session.execute(
        select(func.count(), func.count().filter(CaseClock.met_at <= CaseClock.due_at))
        .select_from(CaseClock)
        .join(
            FeedbackCase,
            and_(FeedbackCase.tenant_id == CaseClock.tenant_id, FeedbackCase.id == CaseClock.case_id),
        )
        .where(
            CaseClock.tenant_id == session.tenant_id,
            FeedbackCase.received_at >= start,
            FeedbackCase.received_at < end,
            settled,
            ~func.coalesce(unanswered, False),
        )
    ).one()
    return row[0], row[1]
