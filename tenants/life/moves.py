"""A hospital goes to another firm (医院转移, SC-58): who has to say yes, and the one transaction that
does it.

The old firm asks, the new one accepts and says what it charges, the hospital agrees: it is the hospital that
lets another firm process its patients' data (PIPL 21, 23). All three sign the same terms, those of the
agreement that is in force. At the hour agreed a job carries it out; until then each of the three may
withdraw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from foundation import audit
from foundation.calendar import local_date
from foundation.database import FirmSession, HospitalSession, ScopedSession
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from tenants.life import agreement, agreement_moves, stages
from tenants.models import DirectoryEntry, Hospital, HospitalMove
from tenants.oversight import firm_audit

FARTHEST = timedelta(days=366)
MOVABLE = frozenset({"onboarding", "active", "suspended"})
# The most that may be asked per patient and month, and how long the words on an invoice may be.
MOST_UNIT_FEN = 10_000_000
LONGEST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Offer:
    """What the new firm charges (报价): fen per patient and month before tax, and who bills, as in a contract
    (`name`, `name_en`, `bank`, `account`, `tax_number`).
    """

    unit_fen: int
    name: str
    name_en: str = ""
    bank: str = ""
    account: str = ""
    tax_number: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A move as higher floors hear of it: the hour, both firms, and what the new one charges."""

    id: UUID
    moves_at: datetime
    from_firm_id: UUID
    to_firm_id: UUID
    offer: Offer


LeavingHook = Callable[[HospitalSession, Moved, datetime], list[dict[str, Any]]]
ArrivedHook = Callable[[HospitalSession, Moved, datetime], None]
_leaving_hooks: list[LeavingHook] = []
_arrived_hooks: list[ArrivedHook] = []


def on_leaving(hook: LeavingHook) -> LeavingHook:
    """Register what the old firm ends, while the hospital is still its own: (session, move, now);
    returns what the old firm is to keep of it (its last invoices). Twice is once.
    """
    if hook not in _leaving_hooks:
        _leaving_hooks.append(hook)
    return hook


def on_arrived(hook: ArrivedHook) -> ArrivedHook:
    """Register what begins with the new firm, in the same transaction: (session, move, now). Twice is
    once.
    """
    if hook not in _arrived_hooks:
        _arrived_hooks.append(hook)
    return hook


def leave(session: HospitalSession, moved: Moved, now: datetime) -> list[dict[str, Any]]:
    """Everything that ends with the old firm; returns what that firm is to keep."""
    return [kept for hook in _leaving_hooks for kept in hook(session, moved, now)]


def arrive(session: HospitalSession, moved: Moved, now: datetime) -> None:
    """Everything that begins with the new firm."""
    for hook in _arrived_hooks:
        hook(session, moved, now)


def ask(session: HospitalSession, firm_code: str, *, moves_at: datetime, now: datetime) -> HospitalMove:
    """The old firm asks for the session's hospital to go to the firm of this code at `moves_at` (aware).

    Raises `UserMistake` for an unknown firm, an hour in the past, a stage or an agreement in the way, or
    while another move is open.
    """
    state = stages.hold(session)
    hospital = session.get_one(Hospital, session.tenant_id)
    if state not in MOVABLE:
        raise UserMistake(_("A hospital that is leaving cannot be moved."))
    firm = session.scalar(
        select(DirectoryEntry).where(
            DirectoryEntry.kind == "firm",
            DirectoryEntry.code == firm_code.strip(),
            DirectoryEntry.state == stages.ACTIVE,
        )
    )
    if firm is None or firm.firm_id == hospital.firm_id:
        raise UserMistake(_("There is no other firm with this code: {code}", code=firm_code.strip()[:40]))
    if not now < moves_at <= now + FARTHEST:
        raise UserMistake(_("The hour of the change lies within the next year."))
    if of_hospital(session) is not None:
        raise UserMistake(_("A move of this hospital is being agreed already."))
    terms = _agreed(session, now)
    if terms is None:
        raise UserMistake(_("Without a processing agreement in force there is nothing to hand over."))
    move = HospitalMove(
        tenant_id=session.tenant_id,
        code=hospital.code,
        name=hospital.name,
        name_en=hospital.name_en,
        from_firm_id=hospital.firm_id,
        to_firm_id=firm.firm_id,
        agreement=terms,
        offer=None,
        settled=None,
        asked_by_name=session.scope.actor.name,
        asked_at=now,
        moves_at=moves_at,
    )
    session.add(move)
    session.flush()
    _record(session, "tenants.move_asked", move, now)
    return move


def accept(session: FirmSession, move_id: UUID, offer: Offer, *, now: datetime) -> HospitalMove:
    """The new firm takes the hospital on under the terms shown, and says what it charges. Raises `NotFound`
    for a move that is not to the session's firm, `UserMistake`.
    """
    move = _locked(session, move_id)
    if move.to_firm_id != session.firm_id:
        raise NotFound
    _require_open(move, now)
    if offer.unit_fen <= 0 or not offer.name.strip():
        raise UserMistake(_("A price and who bills are needed."))
    if offer.unit_fen > MOST_UNIT_FEN:
        raise UserMistake(_("This price cannot be right."))
    if any(len(words) > LONGEST_WORDS for words in asdict(offer).values() if isinstance(words, str)):
        raise UserMistake(_("Each line of who bills has at most {most} letters.", most=LONGEST_WORDS))
    if move.accepted_at is None:
        move.accepted_at, move.accepted_by_name = now, session.scope.actor.name
        move.offer = asdict(offer)
        session.flush()
        firm_audit.note(session, "tenants.move_accepted", now=now, subject=f"move:{move.id}", code=move.code)
    return move


def agree(session: HospitalSession, *, now: datetime) -> HospitalMove:
    """The hospital lets the new firm process its data from that hour on, at that price. Raises `UserMistake`
    while the new firm has not accepted.
    """
    move = of_hospital(session)
    if move is None:
        raise NotFound
    _locked(session, move.id)
    _require_open(move, now)
    if move.accepted_at is None:
        raise UserMistake(_("The new firm has not accepted yet."))
    if move.agreed_at is None:
        move.agreed_at, move.agreed_by_name = now, session.scope.actor.name
        session.flush()
        _record(session, "tenants.move_agreed", move, now)
    return move


def withdraw(session: HospitalSession | FirmSession, move_id: UUID, *, now: datetime) -> HospitalMove:
    """Any of the three takes it back before it is done. Raises `NotFound` for somebody else's move."""
    move = _locked(session, move_id)
    if isinstance(session, HospitalSession):
        mine = move.tenant_id == session.tenant_id
    else:
        mine = session.firm_id in {move.from_firm_id, move.to_firm_id}
    if not mine:
        raise NotFound
    if move.done_at is not None:
        raise UserMistake(_("The hospital has moved already."))
    if move.withdrawn_at is None:
        move.withdrawn_at = now
        session.flush()
        if isinstance(session, HospitalSession):
            _record(session, "tenants.move_withdrawn", move, now)
        else:
            firm_audit.note(
                session, "tenants.move_withdrawn", now=now, subject=f"move:{move.id}", code=move.code
            )
    return move


def of_hospital(session: HospitalSession) -> HospitalMove | None:
    """The move of the session's hospital that is being agreed or waits for its hour."""
    return session.scalar(
        select(HospitalMove).where(
            HospitalMove.tenant_id == session.tenant_id,
            HospitalMove.done_at.is_(None),
            HospitalMove.withdrawn_at.is_(None),
        )
    )


def require_none(session: HospitalSession) -> None:
    """Whoever lets the hospital leave ends its open move first. Raises `UserMistake` that names it."""
    move = of_hospital(session)
    if move is None:
        return
    firm = session.scalar(
        select(DirectoryEntry.code).where(
            DirectoryEntry.kind == "firm", DirectoryEntry.firm_id == move.to_firm_id
        )
    )
    raise UserMistake(
        _(
            "This hospital is to move to the firm {firm} on {day}; withdraw the move first.",
            firm=firm or "",
            day=local_date(move.moves_at).isoformat(),
        )
    )


def drop(session: HospitalSession, move: HospitalMove, *, now: datetime) -> None:
    """Withdraw a move that cannot be carried out any more, on record."""
    move.withdrawn_at = now
    session.flush()
    _record(session, "tenants.move_withdrawn", move, now)


def of_firm(session: FirmSession) -> Sequence[HospitalMove]:
    """All moves to and from the session's firm, the newest first."""
    return session.scalars(
        select(HospitalMove)
        .where(or_(HospitalMove.from_firm_id == session.firm_id, HospitalMove.to_firm_id == session.firm_id))
        .order_by(HospitalMove.asked_at.desc(), HospitalMove.id.desc())
    ).all()


def due(session: ScopedSession, now: datetime) -> list[UUID]:
    """Moves whose hour has come: those that all have signed; one that somebody has not is withdrawn."""
    rows = session.scalars(
        select(HospitalMove)
        .where(
            HospitalMove.moves_at <= now, HospitalMove.done_at.is_(None), HospitalMove.withdrawn_at.is_(None)
        )
        .order_by(HospitalMove.moves_at)
        .with_for_update(skip_locked=True)
    ).all()
    for move in rows:
        if move.agreed_at is None:
            move.withdrawn_at = now
    session.flush()
    return [move.id for move in rows if move.withdrawn_at is None]


def heard(move: HospitalMove) -> Moved:
    """The move as values."""
    return Moved(move.id, move.moves_at, move.from_firm_id, move.to_firm_id, Offer(**(move.offer or {})))


def _agreed(session: HospitalSession, now: datetime) -> dict[str, Any] | None:
    row = agreement.row_in_force(session, local_date(now))
    if row is None:
        return None
    last = row.valid_to.isoformat() if row.valid_to else None
    return {key: getattr(row, key) for key in agreement_moves.TERMS} | {"valid_to": last}


def _locked(session: ScopedSession, move_id: UUID) -> HospitalMove:
    move = session.get(HospitalMove, move_id, with_for_update=True, populate_existing=True)
    if move is None:
        raise NotFound
    return move


def _require_open(move: HospitalMove, now: datetime) -> None:
    if move.done_at is not None or move.withdrawn_at is not None:
        raise UserMistake(_("This move was carried out or withdrawn."))
    if move.moves_at <= now:
        raise UserMistake(_("The hour of the change has passed; it has to be asked for anew."))


def _record(session: HospitalSession, action: str, move: HospitalMove, now: datetime) -> None:
    detail = {"to_firm": str(move.to_firm_id), "moves_at": move.moves_at.isoformat()}
    audit.record(session, action, now=now, subject=f"move:{move.id}", detail=detail)
