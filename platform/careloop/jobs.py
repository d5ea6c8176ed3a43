"""Every module with background work, in one visible list, and the product's own housekeeping."""

from __future__ import annotations

from datetime import datetime

from billing import jobs as billing_jobs
from foundation import outbox, runtime
from foundation.scope import PlatformScope
from foundation.work import JOBS, job
from outreach import jobs as outreach_jobs
from patients import feed_retention, identity_jobs, intake_jobs
from patients import jobs as patients_jobs
from reporting import jobs as reporting_jobs
from revisits import jobs as revisits_jobs
from surveys import jobs as surveys_jobs
from tenants import jobs as tenants_jobs
from tenants.life import departure_jobs, stage_jobs
from tenants.oversight import audit_jobs

# Importing a module registers its jobs.
MODULES = (
    audit_jobs,
    departure_jobs,
    stage_jobs,
    tenants_jobs,
    patients_jobs,
    intake_jobs,
    feed_retention,
    identity_jobs,
    outreach_jobs,
    surveys_jobs,
    revisits_jobs,
    billing_jobs,
    reporting_jobs,
)


def load() -> int:
    """Make sure that every job is registered; returns how many there are."""
    return len(JOBS)


@job("careloop.sweep_outbox", reach="platform", every="* * * * *", opens_own=True)
def sweep_outbox(_scope: PlatformScope, now: datetime) -> None:
    """Send what stayed in the outbox after a failed attempt."""
    parts = runtime.current()
    if parts.sender is not None:
        outbox.sweep(parts.database, parts.sender, now)
