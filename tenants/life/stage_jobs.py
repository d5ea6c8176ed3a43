"""What follows a decision by itself: hospitals after their firm's suspension, and moves at their hour."""

from __future__ import annotations

from datetime import datetime

from foundation import runtime
from foundation.database import HospitalSession
from foundation.scope import PlatformScope
from foundation.work import job
from tenants.life import firm_stage, moves, moving, stages


@job(firm_stage.FOLLOW, every="*/10 * * * *")
def follow_firm(session: HospitalSession, now: datetime) -> None:
    """Let a hospital follow its firm: right after the operator's word, and every ten minutes for certain."""
    stages.follow_firm(session, now=now)


@job("tenants.carry_out_moves", reach="platform", every="* * * * *", opens_own=True)
def carry_out_moves(scope: PlatformScope, now: datetime) -> None:
    """Every minute: the moves whose hour has come, each in its own transaction."""
    database = runtime.current().database
    with database.platform(scope) as session:
        due = moves.due(session, now)
    for move_id in due:
        moving.carry_out(database, move_id, now=now)
