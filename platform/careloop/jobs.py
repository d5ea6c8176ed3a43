"""Every module with background work, in one visible list, and the product's own housekeeping."""

from __future__ import annotations

import importlib
from datetime import datetime

from foundation import outbox, runtime
from foundation.scope import PlatformScope
from foundation.work import job

MODULES = (
    "careloop.jobs",
    "patients.jobs",
    "outreach.jobs",
    "surveys.jobs",
    "revisits.jobs",
    "feedback.jobs",
    "billing.jobs",
    "reporting.jobs",
)


def load() -> None:
    """Import every module of the list, so that its jobs are registered."""
    for name in MODULES:
        importlib.import_module(name)


@job("careloop.sweep_outbox", reach="platform", every="* * * * *", opens_own=True)
def sweep_outbox(_scope: PlatformScope, now: datetime) -> None:
    """Send what stayed in the outbox after a failed attempt."""
    parts = runtime.current()
    if parts.sender is not None:
        outbox.sweep(parts.database, parts.sender, now)
