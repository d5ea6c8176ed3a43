"""Carrying out a move that all have signed: one transaction over the scopes of both firms and the
hospital.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from foundation import audit
from foundation.database import Database, HospitalSession, PlatformSession
from foundation.scope import Actor, FirmScope, HospitalScope, PlatformScope
from tenants import reach
from tenants.life import agreement_moves, moves, stages
from tenants.models import (
    ApiToken,
    DirectoryEntry,
    Hospital,
    HospitalMove,
    Membership,
    SigninSession,
    SupportAccess,
)
from tenants.oversight import firm_audit

SYSTEM = Actor.system("tenants.moves")
PURPOSE = "move"


def carry_out(database: Database, move_id: UUID, *, now: datetime) -> bool:
    """Move the hospital; False when it was done, withdrawn or is not due. All of it happens or nothing.

    The old firm's agents lose it, its cards go back, its keys and bounded sessions end, its agreement and
    contract end; the new firm's begin at the same moment. Open contacts and cases stay with the hospital.
    """
    with database.together() as both:
        with both.platform(PlatformScope(SYSTEM, PURPOSE)) as session:
            move = session.get(HospitalMove, move_id, with_for_update=True)
            if move is None or not _is_due(move, now):
                return False
        moved = moves.heard(move)
        with both.hospital(HospitalScope(move.tenant_id, SYSTEM, PURPOSE)) as hospital:
            if not _may_go(hospital, move):
                moves.drop(hospital, hospital.merge(move), now=now)
                return False
            settled = moves.leave(hospital, moved, now)
            agreed = agreement_moves.hand_over(hospital, move, now=now)
        with both.platform(PlatformScope(SYSTEM, PURPOSE)) as session:
            _end_keys(session, move, now)
        with both.firm(FirmScope(move.from_firm_id, (move.tenant_id,), SYSTEM, PURPOSE)) as old:
            agents = reach.hospital_leaves(old, move.tenant_id)
            firm_audit.note(
                old, "tenants.hospital_left", now=now, subject=f"hospital:{move.tenant_id}", code=move.code
            )
        with both.hospital(HospitalScope(move.tenant_id, SYSTEM, PURPOSE)) as hospital:
            _hand_over(hospital, move)
            moves.arrive(hospital, moved, now)
            # A firm that is suspended takes a hospital on suspended; the old one's suspension ends here.
            stages.follow_firm(hospital, now=now)
            detail = {
                "from": str(move.from_firm_id),
                "to": str(move.to_firm_id),
                "agents": agents,
                "agreement": agreed,
            }
            audit.record(hospital, "tenants.moved", now=now, subject=f"move:{move.id}", detail=detail)
        with both.firm(FirmScope(move.to_firm_id, (move.tenant_id,), SYSTEM, PURPOSE)) as new:
            firm_audit.note(
                new, "tenants.hospital_arrived", now=now, subject=f"hospital:{move.tenant_id}", code=move.code
            )
        with both.platform(PlatformScope(SYSTEM, PURPOSE)) as session:
            done = session.get_one(HospitalMove, move_id)
            done.done_at, done.settled = now, settled
    return True


def _is_due(move: HospitalMove, now: datetime) -> bool:
    open_ = move.done_at is None and move.withdrawn_at is None
    return open_ and move.accepted_at is not None and move.agreed_at is not None and move.moves_at <= now


def _may_go(session: HospitalSession, move: HospitalMove) -> bool:
    """Whether the hospital is still the old firm's and not leaving; held so until the move is done."""
    state = stages.hold(session)
    firm_id = session.scalar(select(Hospital.firm_id).where(Hospital.tenant_id == move.tenant_id))
    return state in moves.MOVABLE and firm_id == move.from_firm_id


def _hand_over(session: HospitalSession, move: HospitalMove) -> None:
    """The hospital's own row and its line in the directory say the new firm."""
    for table in (Hospital, DirectoryEntry):
        session.execute(
            update(table)
            .where(table.tenant_id == move.tenant_id)
            .values(firm_id=move.to_firm_id)
            .execution_options(synchronize_session="fetch")
        )


def _end_keys(session: PlatformSession, move: HospitalMove, now: datetime) -> None:
    """Keys and sign-ins bound to this hospital that belong to nobody of its own, and support that the
    old firm let in. Those of the whole firm reach the hospital no longer by themselves.
    """
    own = select(Membership.person_id).where(Membership.tenant_id == move.tenant_id)
    session.execute(
        update(ApiToken)
        .where(
            ApiToken.tenant_id == move.tenant_id,
            ApiToken.revoked_at.is_(None),
            ApiToken.person_id.not_in(own),
        )
        .values(revoked_at=now)
    )
    session.execute(
        update(SigninSession)
        .where(
            SigninSession.tenant_id == move.tenant_id,
            SigninSession.ended_at.is_(None),
            SigninSession.person_id.not_in(own),
        )
        .values(ended_at=now)
    )
    session.execute(
        update(SupportAccess)
        .where(SupportAccess.tenant_id == move.tenant_id, SupportAccess.ended_at.is_(None))
        .values(ended_at=now)
    )
