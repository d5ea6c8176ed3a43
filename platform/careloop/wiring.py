"""Where a lower floor calls a higher one: every hook and panel of the product, in one visible list."""

from __future__ import annotations

from feedback import hooks as feedback_hooks
from feedback import panels as feedback_panels
from feedback import timeline as feedback_timeline
from outreach import stage_hooks as outreach_stages
from outreach import tasks as outreach_tasks
from outreach import timeline as outreach_timeline
from revisits import hooks as revisits_hooks
from revisits import stage_hooks as revisits_stages
from surveys import hooks as surveys_hooks
from surveys import panel as surveys_panel
from surveys import timeline as surveys_timeline
from tenants import reach
from workforce import service as workforce_service


def wire() -> None:
    """Register all hooks. Harmless twice: each registry keeps one entry per name."""
    reach.register(workforce_service)
    outreach_tasks.register()
    surveys_hooks.register()
    revisits_hooks.register()
    feedback_hooks.register()
    revisits_stages.register()  # before outreach, which spreads what the plan has opened
    outreach_stages.register()
    surveys_panel.register()
    surveys_panel.offer_reasons(reasons)
    for timeline in (outreach_timeline, surveys_timeline, feedback_timeline):
        timeline.register()


def reasons() -> list[tuple[str, str]]:
    """The reasons offered for a low answer: the tags of feedback, each with what a search for it may type."""
    return [(name, typed) for _, _, tags in feedback_panels.tag_groups() for _, name, typed in tags]
