"""Where a lower floor calls a higher one: every hook and panel of the product, in one visible list."""

from __future__ import annotations

from billing import golive_checks as billing_checks
from billing import holds as billing_holds
from billing import joining_hooks as billing_joining
from billing import moving as billing_moves
from billing import refresh as billing_refresh
from billing import undo_holds as billing_undo
from billing import withdrawal_hooks as billing_withdrawals
from careloop import golive_checks as careloop_checks
from feedback import holds as feedback_holds
from feedback import hooks as feedback_hooks
from feedback import joining_hooks as feedback_joining
from feedback import onboarding as feedback_onboarding
from feedback import panels as feedback_panels
from feedback import timeline as feedback_timeline
from feedback import undo_holds as feedback_undo
from outreach import consent_hooks as outreach_consent
from outreach import consent_panel
from outreach import joining_hooks as outreach_joining
from outreach import stage_hooks as outreach_stages
from outreach import tasks as outreach_tasks
from outreach import timeline as outreach_timeline
from outreach import undo_holds as outreach_undo
from outreach import withdrawal_hooks as outreach_withdrawals
from patients import golive_checks as patients_checks
from reporting import golive_checks as reporting_checks
from revisits import going_live as revisits_going_live
from revisits import hooks as revisits_hooks
from revisits import joining_hooks as revisits_joining
from revisits import stage_hooks as revisits_stages
from revisits import timeline as revisits_timeline
from revisits import undo_holds as revisits_undo
from revisits import withdrawal_hooks as revisits_withdrawals
from surveys import extract as surveys_extract
from surveys import hooks as surveys_hooks
from surveys import joining_hooks as surveys_joining
from surveys import onboarding as surveys_onboarding
from surveys import panel as surveys_panel
from surveys import sample_timeline as surveys_samples
from surveys import timeline as surveys_timeline
from surveys import undo_holds as surveys_undo
from tenants import reach
from tenants.life import golive_checks as tenants_checks
from workforce import golive_checks as workforce_checks
from workforce import service as workforce_service


def wire() -> None:
    """Register all hooks. Harmless twice: each registry keeps one entry per name."""
    reach.register(workforce_service)
    outreach_tasks.register()
    outreach_consent.register()
    surveys_hooks.register()
    revisits_hooks.register()
    feedback_hooks.register()
    billing_refresh.register()
    revisits_stages.register()  # before outreach, which spreads what the plan has opened
    outreach_stages.register()
    billing_moves.register()
    surveys_panel.register()
    consent_panel.register()  # below the questions: said at the end of a call
    surveys_extract.register()
    feedback_holds.register()
    billing_holds.register()
    # Contacts before the plan, which ends some of them.
    for joined in (outreach_joining, surveys_joining, revisits_joining, feedback_joining, billing_joining):
        joined.register()
    # What hangs on others goes first.
    for held in (billing_undo, feedback_undo, surveys_undo, outreach_undo, revisits_undo):
        held.register()
    # Contacts before the plan, which asks whether they are open; the ledger last.
    for withdrawn in (outreach_withdrawals, revisits_withdrawals, billing_withdrawals):
        withdrawn.register()
    surveys_panel.offer_reasons(reasons)
    # In the order in which the gate and a new hospital's page show them.
    for room in (
        tenants_checks,
        surveys_onboarding,
        revisits_going_live,
        feedback_onboarding,
        patients_checks,
        workforce_checks,
        billing_checks,
        reporting_checks,
        careloop_checks,
    ):
        room.register()
    for timeline in (
        outreach_timeline,
        surveys_timeline,
        surveys_samples,
        revisits_timeline,
        feedback_timeline,
    ):
        timeline.register()


def reasons() -> list[tuple[str, str]]:
    """The reasons offered for a low answer: the tags of feedback, each with what a search for it may type."""
    return [(name, typed) for _, _, tags in feedback_panels.tag_groups() for _, name, typed in tags]
