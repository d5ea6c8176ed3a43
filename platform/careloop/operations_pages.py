"""The platform operator's one page (SC-56)."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency

from careloop import firm_pages, operations
from foundation.languages import mark
from foundation.runtime import Runtime
from foundation.web.pages import page
from tenants.labels import SIGNIN_RESULTS
from tenants.life import stages
from tenants.rights import Action
from tenants.visit import Visit

# The broker's states in words, and how each is coloured when there are messages in it.
BROKER_STATES = {
    "queued": (mark("Waiting for a worker"), "info"),
    "consumed": (mark("Being worked on"), "info"),
    "rejected": (mark("Given up"), "bad"),
}


@get("/operations", needs=Action.VIEW_OPERATIONS, sync_to_thread=True)
def operations_page(visit: NamedDependency[Visit], runtime: NamedDependency[Runtime]) -> Response[str]:
    """Hospitals by code, what waits to be sent and handled, and sign-ins; nothing of a patient."""
    with visit.platform(Action.VIEW_OPERATIONS) as session:
        found = operations.read(
            session, broker_here=operations.broker_is_here(runtime.settings), now=visit.now
        )
    # The results we know in their usual order, then any other by its own word.
    known = [key for key in SIGNIN_RESULTS if key in found.signins]
    others = sorted(set(found.signins) - set(known))
    return page(
        "careloop/operations.html",
        visit=visit,
        active="operations",
        found=found,
        states=BROKER_STATES,
        stages=stages.STAGES,
        tones=stages.TONES,
        signins=[(SIGNIN_RESULTS.get(key, key), found.signins[key]) for key in [*known, *others]],
    )


handlers = [operations_page, *firm_pages.handlers]
