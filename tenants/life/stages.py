"""The stages of a hospital's life (阶段): the one place that changes them.

The hospital's own row, its line in the directory and the history (`hospital_phase`) change together or not at
all. Higher floors register what they stop and what they take up again: `on_suspended` is called when a
hospital leaves the active stage, `on_resumed` when it comes (back) to it: a go-live must not bring a
flood either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text, update

from foundation import audit
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.masking import mask_numbers
from foundation.web.errors import UserMistake
from tenants.life import branding
from tenants.models import DirectoryEntry, Hospital, HospitalPhase

ACTIVE, SUSPENDED = "active", "suspended"
REASON_LENGTH = 500
# The reason of a suspension that follows the firm's own (停用); ended with it, and by nobody else.
BY_FIRM, BY_GATE = "firm_suspended", "go_live"

STAGES: dict[str, str] = {
    "onboarding": mark("Onboarding"),
    "active": mark("Active"),
    "suspended": mark("Suspended"),
    "leaving": mark("Leaving"),
    "left": mark("Has left"),
}
TONES = {"onboarding": "info", "active": "good", "suspended": "warn", "leaving": "warn", "left": "neutral"}

# From which stage to which: a hospital that has left never comes back.
FOLLOWS: dict[str, frozenset[str]] = {
    "onboarding": frozenset({"active", "leaving"}),
    "active": frozenset({"suspended", "leaving"}),
    "suspended": frozenset({"active", "leaving"}),
    # A departure that was withdrawn leads back to where it began.
    "leaving": frozenset({"onboarding", "active", "suspended", "left"}),
    "left": frozenset(),
}

SuspendedHook = Callable[[HospitalSession, datetime], None]
ResumedHook = Callable[[HospitalSession, datetime, datetime], None]
_suspended_hooks: list[SuspendedHook] = []
_resumed_hooks: list[ResumedHook] = []


@dataclass(frozen=True, slots=True)
class Change:
    """From which stage to which; `changed` is False when the hospital was there already."""

    before: str
    after: str
    changed: bool


def on_suspended(hook: SuspendedHook) -> SuspendedHook:
    """Register what a higher floor stops: (session, now), in the same transaction; twice is once."""
    if hook not in _suspended_hooks:
        _suspended_hooks.append(hook)
    return hook


def on_resumed(hook: ResumedHook) -> ResumedHook:
    """Register what a higher floor takes up again: (session, since, now); `since` is when it was stopped."""
    if hook not in _resumed_hooks:
        _resumed_hooks.append(hook)
    return hook


def is_active(session: HospitalSession) -> bool:
    """Whether scheduled work goes on at the session's hospital: asked by every job that contacts people."""
    return stage_of(session) == ACTIVE


def stage_of(session: HospitalSession) -> str:
    """The stage that the session's hospital is in now."""
    return session.scalars(select(Hospital.state).where(Hospital.tenant_id == session.tenant_id)).one()


def hold(session: HospitalSession) -> str:
    """The stage, which does not change before this transaction ends: for what must not slip past a
    suspension, such as a dial. Call it before any row is locked.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:key, 0))"), {"key": _key(session)}
    )
    return stage_of(session)


def change(session: HospitalSession, after: str, *, reason: str, now: datetime, by_name: str = "") -> Change:
    """Bring the hospital into another stage, with everything that follows; there already is the same.

    Raises `UserMistake` for a stage that does not follow the present one.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": _key(session)})
    before = stage_of(session)
    if before == after:
        return Change(before, after, changed=False)
    if after not in FOLLOWS[before]:
        raise UserMistake(
            _(
                "A hospital that is “{before}” cannot become “{after}”.",
                before=_(STAGES[before]),
                after=_(STAGES[after]),
            )
        )
    reason = mask_numbers(reason)  # no number of a person outlives them in the history of a stage
    since = _not_active_since(session) if after == ACTIVE else None
    _write(session, after, reason, now, by_name or session.scope.actor.name)
    if after == "left":
        branding.forget(session)
    if before == ACTIVE:
        for stop in _suspended_hooks:
            stop(session, now)
    if since is not None:
        for take_up in _resumed_hooks:
            take_up(session, since, now)
    audit.record(
        session,
        "tenants.stage_changed",
        now=now,
        subject=f"hospital:{session.tenant_id}",
        reason=reason,
        detail={"before": before, "after": after},
    )
    return Change(before, after, changed=True)


def suspend(session: HospitalSession, *, reason: str, now: datetime) -> Change:
    """Stop everything scheduled at once (暂停); open complaints stay workable (journeys.md J6)."""
    if not reason.strip():
        raise UserMistake(_("Please give a reason."))
    return change(session, SUSPENDED, reason=reason.strip()[:REASON_LENGTH], now=now)


def resume(session: HospitalSession, *, reason: str, now: datetime) -> Change:
    """Take up the work again (恢复), without a flood. Raises `UserMistake` where the firm is suspended or the
    hospital is not.
    """
    if stage_of(session) != SUSPENDED:
        raise UserMistake(_("This hospital is not suspended."))
    if firm_is_suspended(session):
        raise UserMistake(_("The firm is suspended; everything can be read and nothing changed."))
    return change(session, ACTIVE, reason=reason.strip()[:REASON_LENGTH], now=now)


def follow_firm(session: HospitalSession, *, now: datetime) -> Change | None:
    """Do at the session's hospital what its firm's suspension asks for, and end it with that; any time again.

    A hospital that was suspended before its firm stays so afterwards.
    """
    phase = open_phase(session)
    if firm_is_suspended(session):
        if stage_of(session) == ACTIVE:
            return change(session, SUSPENDED, reason=BY_FIRM, now=now)
    elif phase is not None and phase.state == SUSPENDED and phase.reason == BY_FIRM:
        return change(session, ACTIVE, reason=BY_FIRM, now=now)
    return None


def firm_is_suspended(session: HospitalSession) -> bool:
    """Whether the firm of the session's hospital is suspended."""
    firm = select(Hospital.firm_id).where(Hospital.tenant_id == session.tenant_id).scalar_subquery()
    state = session.scalar(
        select(DirectoryEntry.state).where(DirectoryEntry.kind == "firm", DirectoryEntry.firm_id == firm)
    )
    return state == SUSPENDED


def open_phase(session: HospitalSession) -> HospitalPhase | None:
    """The stage the hospital is in, with since when, why and by whom."""
    return session.scalar(
        select(HospitalPhase).where(
            HospitalPhase.tenant_id == session.tenant_id, HospitalPhase.ended_at.is_(None)
        )
    )


def history(session: HospitalSession) -> Sequence[HospitalPhase]:
    """Every stage that the hospital was in, the newest first."""
    return session.scalars(
        select(HospitalPhase)
        .where(HospitalPhase.tenant_id == session.tenant_id)
        .order_by(HospitalPhase.started_at.desc(), HospitalPhase.id.desc())
    ).all()


def stopped_since(session: HospitalSession) -> datetime | None:
    """When the hospital was active last; None when it has not been yet."""
    return session.scalar(
        select(func.max(HospitalPhase.ended_at)).where(
            HospitalPhase.tenant_id == session.tenant_id, HospitalPhase.state == ACTIVE
        )
    )


def reason_words(reason: str) -> str:
    """A reason as people read it."""
    known = {BY_FIRM: _("The firm was suspended"), BY_GATE: _("Went live")}
    return known.get(reason, reason)


def _write(session: HospitalSession, after: str, reason: str, now: datetime, by_name: str) -> None:
    own = Hospital.tenant_id == session.tenant_id
    session.flush()
    session.execute(
        update(Hospital).where(own).values(state=after).execution_options(synchronize_session="fetch")
    )
    session.execute(
        update(DirectoryEntry)
        .where(DirectoryEntry.tenant_id == session.tenant_id)
        .values(state=after)
        .execution_options(synchronize_session="fetch")
    )
    session.execute(
        update(HospitalPhase)
        .where(HospitalPhase.tenant_id == session.tenant_id, HospitalPhase.ended_at.is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session="fetch")
    )
    session.add(
        HospitalPhase(
            tenant_id=session.tenant_id,
            id=new_id(),
            state=after,
            started_at=now,
            reason=reason,
            by_name=by_name,
        )
    )
    session.flush()


def _not_active_since(session: HospitalSession) -> datetime | None:
    """When the work stopped, or for a hospital before its first day when it was made."""
    phase = open_phase(session)
    return stopped_since(session) or (phase.started_at if phase is not None else None)


def _key(session: HospitalSession) -> str:
    return f"stage:{session.tenant_id}"
