"""The web application: every room's handlers in one list, the rail, and what all answers have in common."""

from __future__ import annotations

import warnings

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import LitestarDeprecationWarning
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ControllerRouterHandler

from billing import pages as billing_pages
from careloop import operations_pages
from feedback import api as feedback_api
from feedback import pages as feedback_pages
from feedback import reveal_pages as feedback_reveal
from foundation.languages import mark
from foundation.runtime import Runtime
from foundation.web import errors, health, navigation, security, static
from foundation.web.access import PUBLIC
from foundation.web.navigation import Item
from outreach import consent_panel
from outreach import pages as outreach_pages
from patients import api as patients_api
from patients import (
    consent_api,
    consent_pages,
    duplicate_pages,
    enrolment_pages,
    feed_pages,
    suppression_pages,
)
from patients import pages as patients_pages
from reporting import pages as reporting_pages
from revisits import pages as revisits_pages
from surveys import pages as surveys_pages
from surveys import sample_api as surveys_api
from tenants import api as tenants_api
from tenants import pages as tenants_pages
from tenants.arrival import Arrival
from tenants.oversight import audit_api, audit_pages, grant_pages, refusals, support_pages
from tenants.rights import Action
from tenants.visit import guard, provide_visit

# One line per room, lowest floor first.
PAGES: list[ControllerRouterHandler] = [
    *health.handlers,
    *tenants_pages.handlers,
    *grant_pages.handlers,
    *support_pages.handlers,
    *audit_pages.handlers,
    *patients_pages.handlers,
    *consent_pages.handlers,
    *feed_pages.handlers,
    *suppression_pages.handlers,
    *enrolment_pages.handlers,
    *duplicate_pages.handlers,
    *outreach_pages.handlers,
    *consent_panel.handlers,
    *surveys_pages.handlers,
    *revisits_pages.handlers,
    *feedback_pages.handlers,
    *feedback_reveal.handlers,
    *billing_pages.handlers,
    *reporting_pages.handlers,
    *operations_pages.handlers,
]

# Handlers of /api/v1 with their whole path; they alone stand in the OpenAPI schema.
API: list[ControllerRouterHandler] = [
    *tenants_api.handlers,
    *audit_api.handlers,
    *patients_api.handlers,
    *consent_api.handlers,
    *surveys_api.handlers,
    *feedback_api.handlers,
]

# The left rail, from top to bottom. An entry whose page this installation lacks is left out.
RAIL = [
    Item("workbench", mark("Workbench"), "headset", Action.WORK_QUEUE, "/workbench"),
    Item("cases", mark("Cases"), "message-report", Action.VIEW_CASES, "/h/{code}/cases"),
    Item("plans", mark("Plans"), "calendar-event", Action.VIEW_PLANS, "/h/{code}/plans"),
    Item("patients", mark("Patients"), "users", Action.VIEW_PATIENTS, "/h/{code}/patients"),
    Item("imports", mark("Imports"), "file-import", Action.IMPORT_PATIENTS, "/h/{code}/imports"),
    Item("data_quality", mark("Data quality"), "database", Action.VIEW_PATIENTS, "/h/{code}/quality"),
    Item("reports", mark("Reports"), "report-analytics", Action.VIEW_REPORTS, "/h/{code}/reports"),
    Item(
        "benchmark",
        mark("Benchmark"),
        "chart-bar",
        Action.VIEW_BENCHMARK,
        "/h/{code}/benchmark",
        "/firm/benchmark",
    ),
    Item("grants", mark("Statistics access"), "lock-open", Action.GRANT_STATISTICS, "/h/{code}/grants"),
    Item("billing", mark("Billing"), "receipt", Action.VIEW_INVOICES, "/h/{code}/billing", "/billing"),
    Item("audit", mark("Audit trail"), "shield-check", Action.VIEW_AUDIT, "/h/{code}/audit", "/firm/audit"),
    Item("departure", mark("Departure"), "logout", Action.SIGN_DEPARTURE, "/h/{code}/departure"),
    Item(
        "agreement",
        mark("Onboarding"),
        "checklist",
        Action.VIEW_ONBOARDING,
        "/h/{code}/agreement",
        "/firm/onboarding",
    ),
    Item(
        "support", mark("Support access"), "eye", Action.GRANT_SUPPORT, "/h/{code}/support", "/firm/support"
    ),
    Item("ask_support", mark("Support access"), "eye", Action.ASK_SUPPORT, "/operations/support"),
    Item("operations", mark("Operations"), "heartbeat", Action.VIEW_OPERATIONS, "/operations"),
    Item(
        "settings",
        mark("Settings"),
        "settings",
        Action.WITHDRAW_ACCESS,
        "/h/{code}/people",
        "/firm/hospitals",
    ),
]


def create_app(runtime: Runtime) -> Litestar:
    """The application of one process over its parts; hooks are wired before (careloop.wiring)."""
    with warnings.catch_warnings():
        # Litestar 3 will want the source of each parameter spelled out; Litestar 2 reads both alike.
        warnings.filterwarnings("ignore", r".*(Inferred|deprecated)", LitestarDeprecationWarning)
        app = Litestar(
            route_handlers=[
                Router("/", route_handlers=PAGES, include_in_schema=False),
                Router("/", route_handlers=API, include_in_schema=True),
                *static.routers(),
            ],
            dependencies={
                "visit": Provide(provide_visit, sync_to_thread=False),
                "runtime": Provide(lambda: runtime, sync_to_thread=False),
            },
            guards=[guard],
            middleware=[
                Arrival(runtime),
                DefineMiddleware(security.FormTokens, config=security.csrf_config(runtime.settings)),
            ],
            before_send=[security.protect],
            exception_handlers=errors.handlers(),
            openapi_config=OpenAPIConfig(
                title="CareLoop",
                version="1",
                openapi_router=Router(
                    "/api/schema", route_handlers=[], opt={"needs": PUBLIC}, include_in_schema=False
                ),
                render_plugins=[JsonRenderPlugin()],
            ),
            logging_config=None,
        )
    app.state.runtime = runtime
    errors.on_refusal(refusals.record)
    known = {route.path_format for route in app.routes}
    navigation.install([item for item in RAIL if item.path in known])
    return app
