"""Background work: one registry of jobs and ticks, and the one wrapper that runs them.

A job is a plain function, idempotent, that takes `(session, now, **ids)` and runs inside one transaction
with the
scope of its message. Dramatiq actors are made from the registry when a process starts (foundation.broker);
nothing
here needs a broker at import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import structlog

from foundation import audit, outbox, runtime
from foundation.scope import Actor, FirmScope, HospitalScope, PlatformScope

Reach = Literal["hospital", "firm", "platform"]
JobFunction = Callable[..., None]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """A named piece of background work and the reach of its session."""

    name: str
    reach: Reach
    run: JobFunction
    every: str | None
    opens_own: bool
    time_limit_ms: int


class UnknownJob(LookupError):
    """A message names a job that this version does not have."""


class UnknownSubject(LookupError):
    """A message names something that its hospital does not have: another one's id, or a thing that is gone.

    The job ends there. It is not tried again, and the refusal stands in the hospital's audit trail.
    """


JOBS: dict[str, Job] = {}


def job(
    name: str,
    *,
    reach: Reach = "hospital",
    every: str | None = None,
    opens_own: bool = False,
    minutes: int = 10,
) -> Callable[[JobFunction], JobFunction]:
    """Register a job named `<package>.<verb>`.

    `every` is a cron line in UTC: the scheduler then sends the job once per hospital, once per firm or
    once, by its
    reach. With `opens_own` the function gets the scope instead of a session and opens its own transactions:
    for work
    that calls other servers (read, call, write) or that takes many transactions. `minutes` limits one run.
    """

    def register(function: JobFunction) -> JobFunction:
        JOBS[name] = Job(name, reach, function, every, opens_own, minutes * 60_000)
        return function

    return register


def run_job(name: str, arguments: dict[str, Any]) -> None:
    """The one wrapper: find the job, open the session with the message's scope, run, commit."""
    found = JOBS.get(name)
    if found is None:
        raise UnknownJob(name)
    with structlog.contextvars.bound_contextvars(job=name, **{k: str(v) for k, v in arguments.items()}):
        log.info("job started")
        try:
            _RUNNERS[found.reach](found, dict(arguments))
        except UnknownSubject as refused:
            log.warning("job refused", subject=str(refused))
            if found.reach == "hospital":
                _record_refusal(found, UUID(arguments["tenant_id"]))
            return
        log.info("job done")


def _record_refusal(found: Job, tenant_id: UUID) -> None:
    parts = runtime.current()
    with parts.database.hospital(HospitalScope(tenant_id, Actor.system(found.name), "refusal")) as session:
        audit.record(
            session,
            "access.refused",
            now=parts.clock.now(),
            reason="unknown",
            detail={"job": found.name},
        )


def _run_for_hospital(found: Job, arguments: dict[str, Any]) -> None:
    parts = runtime.current()
    scope = HospitalScope(UUID(arguments.pop("tenant_id")), Actor.system(found.name), found.name)
    if found.opens_own:
        found.run(scope, parts.clock.now(), **arguments)
        return
    with parts.database.hospital(scope) as session:
        found.run(session, parts.clock.now(), **arguments)


def _run_for_firm(found: Job, arguments: dict[str, Any]) -> None:
    parts = runtime.current()
    firm_id = UUID(arguments.pop("firm_id"))
    hospitals = tuple(h.tenant_id for h in parts.hospitals() if h.firm_id == firm_id)
    scope = FirmScope(firm_id, hospitals, Actor.system(found.name), found.name)
    if found.opens_own:
        found.run(scope, parts.clock.now(), **arguments)
        return
    with parts.database.firm(scope) as session:
        found.run(session, parts.clock.now(), **arguments)


def _run_for_platform(found: Job, arguments: dict[str, Any]) -> None:
    parts = runtime.current()
    scope = PlatformScope(Actor.system(found.name), found.name)
    if found.opens_own:
        found.run(scope, parts.clock.now(), **arguments)
        return
    with parts.database.platform(scope) as session:
        found.run(session, parts.clock.now(), **arguments)


_RUNNERS: dict[Reach, Callable[[Job, dict[str, Any]], None]] = {
    "hospital": _run_for_hospital,
    "firm": _run_for_firm,
    "platform": _run_for_platform,
}


def fan_out(name: str) -> None:
    """One tick of a periodic job: queue it for every hospital, every firm, or once.

    The rows that are due stand in the database; this message is a hint that now is a good time to look.
    """
    found, parts = JOBS[name], runtime.current()
    now = parts.clock.now()
    if found.reach == "hospital":
        targets = [{"tenant_id": str(h.tenant_id)} for h in parts.hospitals()]
    elif found.reach == "firm":
        targets = [{"firm_id": str(f)} for f in parts.firms()]
    else:
        targets = [{}]
    with parts.database.platform(PlatformScope(Actor.system("tick"), name)) as session:
        for target in targets:
            outbox.enqueue(session, name, now=now, **target)


def run_inline(name: str, **arguments: Any) -> None:
    """Run a job here and now, through the same wrapper: for the command line and the simulated demo."""
    run_job(name, arguments)
