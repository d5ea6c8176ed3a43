"""Where a lower floor calls a higher one: every hook and panel of the product, in one visible list."""

from __future__ import annotations

from feedback import hooks as feedback_hooks
from outreach import tasks as outreach_tasks
from revisits import hooks as revisits_hooks
from surveys import hooks as surveys_hooks
from tenants import reach
from workforce import service as workforce_service


def wire() -> None:
    """Register all hooks. Harmless twice: each registry keeps one entry per name."""
    reach.register(workforce_service)
    outreach_tasks.register()
    surveys_hooks.register()
    revisits_hooks.register()
    feedback_hooks.register()
