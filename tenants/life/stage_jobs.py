"""What follows a decision by itself: hospitals after their firm's suspension, and moves at their hour."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from foundation import runtime
from foundation.database import HospitalSession
from foundation.scope import PlatformScope
from foundation.web.errors import UserMistake
from foundation.work import job
from tenants.life import firm_stage, moves, moving, stages

log = structlog.get_logger()
# Whatever a move stumbles over, in the data or in what a higher floor refuses.
FAILURES = (SQLAlchemyError, UserMistake, LookupError, ValueError, TypeError, ArithmeticError, RuntimeError)


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
    failed: list[Exception] = []
    for move_id in due:
        try:
            moving.carry_out(database, move_id, now=now)
        except FAILURES as error:  # the others' hour has come as well
            log.exception("move not carried out", move=str(move_id))
            failed.append(error)
    if failed:
        raise ExceptionGroup("moves not carried out; tried again in a minute", failed)
