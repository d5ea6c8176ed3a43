"""What the worker does with lists that came in, run here and now: the queued runs of imports."""

from __future__ import annotations

from sqlalchemy import select

from careloop import jobs
from foundation import runtime
from foundation.outbox import OutboxMessage
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.work import run_job
from patients import intake

SYSTEM = PlatformScope(Actor.system("test"), "test")
assert jobs.load(), "what the worker can do is known once this is imported"


def run_imports(parts: Runtime, name: str = intake.RUN_JOB) -> int:
    """Run what is queued under this name until nothing is left; returns how many runs there were."""
    runtime.install(parts)
    ran = 0
    while True:
        with parts.database.platform(SYSTEM) as session:
            waiting = session.scalars(
                select(OutboxMessage)
                .where(OutboxMessage.sent_at.is_(None), OutboxMessage.job == name)
                .order_by(OutboxMessage.id)
            ).all()
            for message in waiting:
                message.sent_at = parts.clock.now()
        if not waiting:
            return ran
        for message in waiting:
            run_job(message.job, message.arguments)
            ran += 1
