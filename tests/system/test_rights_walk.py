"""Every address × every role: what comes is what the matrix says, and no page offers what it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest
from addresses import Route, expected, routes
from canaries import Canaries, filled
from sqlalchemy import Connection, Engine
from structlog.testing import capture_logs
from web_client import Browser, browsing

from foundation.web.access import PUBLIC, SIGNED_IN
from tenants.identity.signin import COOKIE
from tenants.rights import MATRIX, SIDES, Action, Role, Side

# What ends the sign-in or changes who it is: not to be walked by somebody who goes on.
LEFT_OUT = ("/signout", "/demo", "/webhooks", "/api/schema", "/static")


@pytest.fixture(scope="module")
def canaries(engine: Engine) -> Iterator[Canaries]:
    with filled(engine) as made:
        yield made


@pytest.fixture(scope="module")
def browser(canaries: Canaries) -> Iterator[Browser]:
    with capture_logs(), browsing(canaries.world.db) as made:
        yield made


def got(status: int, location: str) -> str:
    """The same words for an answer; a status of our own fault is `broken`."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "broken"
    if status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.SEE_OTHER and "/signin?" in location):
        return "nobody"
    return {HTTPStatus.FORBIDDEN: "refused", HTTPStatus.NOT_FOUND: "unknown"}.get(HTTPStatus(status), "open")


def ask(browser: Browser, route: Route, address: str, wanted: str = "open") -> tuple[str, str]:
    """Open an address and undo what it did; what came, and the page. A refusal is asked for as a piece of a
    page: the same answer, sooner."""
    connection = browser.runtime.database.bind
    assert isinstance(connection, Connection)
    headers = {} if wanted == "open" else {"HX-Request": "true"}
    with connection.begin_nested() as savepoint:
        if route.method == "POST":
            answer = browser.post(address, headers=headers)
        else:
            if route.method != "GET":
                headers["X-CSRFToken"] = browser.token()
            answer = browser.client.request(route.method, address, headers=headers, follow_redirects=False)
        savepoint.rollback()
    html = answer.text if answer.headers.get("content-type", "").startswith("text/html") else ""
    return got(answer.status_code, answer.headers.get("location", "")), html


def test_every_address_says_what_it_asks_for(browser: Browser) -> None:
    silent = [
        f"{route.method} {route.path}"
        for route in routes(browser.client.app)
        if not (isinstance(route.needs, Action) or route.needs in {PUBLIC, SIGNED_IN})
    ]
    assert silent == []
    assert sum(isinstance(route.needs, Action) for route in routes(browser.client.app)) > 90


@pytest.mark.parametrize("sides", [{"firm"}, {"hospital", "platform"}], ids=["firm", "hospital"])
def test_each_address_opens_to_the_roles_of_the_matrix_and_to_nobody_else(
    browser: Browser, canaries: Canaries, sides: set[Side]
) -> None:
    """Also the links and forms of each page: it hides what it would refuse."""
    found = walked(browser)
    wrong, opened = [], set()
    for role in (role for role in Role if SIDES[role] in sides):
        browser.enter(canaries.people[role])
        for route in found:
            wanted = expected(route, role, "heqing")
            came, html = ask(browser, route, route.address(canaries.ids), wanted)
            if not fits(route, wanted, came):
                wrong.append(f"{role.value}: {route.method} {route.path} is {came}, not {wanted}")
            if came == "open":
                opened.add((route.method, route.path))
                wrong += [f"{role.value}: {route.path} offers {o}" for o in refused_offers(html, found, role)]
    assert not wrong, "\n".join(wrong)
    assert len(opened) > len(found) / 2


def test_nobody_and_a_person_of_another_hospital_get_nowhere(browser: Browser, canaries: Canaries) -> None:
    found = [
        route
        for route in routes(browser.client.app)
        if not route.path.startswith(LEFT_OUT) and route.needs != PUBLIC
    ]
    wrong = []
    for route in found:
        browser.client.cookies.delete(COOKIE)
        came, _html = ask(browser, route, route.address(canaries.ids))
        if came != "nobody":
            wrong.append(f"nobody: {route.method} {route.path} is {came}")
    browser.enter(canaries.stranger)
    for route in found:
        if "{code" in route.path:
            came, _html = ask(browser, route, route.address(canaries.ids), "unknown")
            own, _html = ask(browser, route, route.address(canaries.ids | {"code": "yunling"}))
            if came != "unknown" or own == "broken":
                wrong.append(f"stranger: {route.method} {route.path} is {came}, at home {own}")
    assert not wrong, "\n".join(wrong)


def walked(browser: Browser) -> list[Route]:
    """Every address that somebody may ask and still be who they were."""
    return [route for route in routes(browser.client.app) if not route.path.startswith(LEFT_OUT)]


def fits(route: Route, wanted: str, came: str) -> bool:
    """What is within reach may still not be there (404); a handler that asks itself may say so, too."""
    if route.needs == PUBLIC:
        return came in {"open", "unknown", "nobody"}
    if wanted == "open":
        return came in {"open", "unknown"} or (came == "refused" and asks_itself(route))
    if wanted == "refused" and asks_itself(route):
        return came in {"refused", "unknown"}
    return came == wanted


def asks_itself(route: Route) -> bool:
    """Whether the handler decides the right by what is asked for."""
    return bool(route.handler.opt.get("asks_itself"))


class Offers(HTMLParser):
    """The addresses that a page offers, with the method each is asked by."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Links, forms, and what htmx fetches."""
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in values:
            self.found.add(("GET", values["href"]))
        if tag == "form" and "action" in values:
            self.found.add((values.get("method", "get").upper(), values["action"]))
        for method in ("get", "post", "put", "delete"):
            if f"hx-{method}" in values:
                self.found.add((method.upper(), values[f"hx-{method}"]))


def refused_offers(html: str, known: list[Route], role: Role) -> list[str]:
    """What this page offers although it would be refused, or is no address at all."""
    page = Offers()
    page.feed(html)
    faults = []
    for method, address in sorted(page.found):
        path = urlsplit(address).path
        if not path.startswith("/") or path.startswith(
            ("/static", "/signout", "/demo", "/signin", "/api/schema")
        ):
            continue
        route = next((r for r in known if r.method == method and r.pattern.fullmatch(path)), None)
        if route is None:
            faults.append(f"{method} {path}, which is no address")
        elif not asks_itself(route):
            found = route.pattern.fullmatch(path)
            code = found.groupdict().get("code", "") if found else ""
            faults += [f"{method} {path}"] if expected(route, role, code) != "open" else []
    return faults


# Who may do what, written down a second time as an auditor would sign it: a right that is given or taken away
# has to be changed in both places, by two hands. Columns: agent, team lead, quality, operations, firm's GM,
# hospital's GM, hospital's admin, head of department, medical affairs, finance, hospital's auditor, firm's
# auditor, platform operator, support.
SIGNED = """
                    AG TL QA OP GM HG HA DH MA HF HX AU PO SU
work_queue           x  x  .  .  .  .  .  .  .  .  .  .  .  .
finish_call          x  x  .  .  .  .  .  .  .  .  .  .  .  .
view_cases           x  x  x  x  x  x  x  x  x  .  .  .  .  x
handle_cases         x  x  .  .  x  .  x  x  x  .  .  .  .  .
export_cases         .  x  .  x  x  x  x  .  x  .  .  .  .  .
act_as_agent         x  x  .  .  x  .  x  .  .  .  .  .  .  .
act_for_department   .  .  .  .  .  .  x  x  .  .  .  .  .  .
act_for_office       .  .  .  .  .  .  x  .  x  .  .  .  .  .
call_back            x  x  .  .  x  .  x  .  x  .  .  .  .  .
view_disputes        .  .  .  .  .  x  x  x  x  .  .  .  .  .
handle_disputes      .  .  .  .  .  .  x  .  x  .  .  .  .  .
hand_over_disputes   x  x  .  .  x  .  x  x  .  .  .  .  .  .
view_patients        x  x  x  x  x  x  x  .  .  .  .  .  .  x
reveal               x  x  .  .  x  .  x  .  x  .  .  .  .  .
import_patients      .  x  .  x  x  .  x  .  .  .  .  .  .  .
suppress_patients    x  x  .  .  x  .  x  .  .  .  .  .  .  .
confirm_deaths       .  x  .  .  x  .  x  .  .  .  .  .  .  .
merge_patients       .  x  .  x  x  .  x  .  .  .  .  .  .  .
manage_contacts      .  x  .  x  x  .  x  .  .  .  .  .  .  .
manage_consent       .  .  .  x  x  .  x  .  .  .  .  .  .  .
handle_requests      x  x  .  x  x  .  x  .  .  .  .  .  .  .
decide_requests      .  .  .  .  .  .  x  .  .  .  .  .  .  .
view_plans           x  x  x  x  x  x  x  .  .  .  .  .  .  x
view_reports         .  x  .  x  x  x  .  .  .  .  .  .  .  .
view_benchmark       .  .  .  x  x  x  .  .  .  .  .  .  .  .
run_benchmark        .  .  .  x  x  .  .  .  .  .  .  .  .  .
grant_statistics     .  .  .  .  .  x  .  .  .  .  .  .  .  .
view_invoices        .  .  .  x  x  x  .  .  .  x  .  .  .  .
agree_prices         .  .  .  x  x  .  .  .  .  .  .  .  .  .
issue_invoices       .  .  .  x  x  .  .  .  .  .  .  .  .  .
manage_hospitals     .  .  .  x  x  .  .  .  .  .  .  .  .  .
manage_people        .  .  .  x  x  .  x  .  .  .  .  .  .  .
manage_signin        .  .  .  .  x  .  x  .  .  .  .  .  .  .
manage_tokens        .  .  .  x  x  .  x  .  .  .  .  .  .  .
withdraw_access      .  .  .  x  x  .  x  .  .  .  .  .  .  .
manage_brand         .  .  .  x  x  .  x  .  .  .  .  .  .  .
view_onboarding      .  .  .  x  x  x  x  .  .  .  .  .  .  .
manage_onboarding    .  .  .  x  x  .  .  .  .  .  .  .  .  .
sign_agreement       .  .  .  .  .  x  .  .  .  .  .  .  .  .
suspend_hospital     .  .  .  x  x  .  .  .  .  .  .  .  .  .
move_hospital        .  .  .  .  x  .  .  .  .  .  .  .  .  .
offboard_hospital    .  .  .  .  x  .  .  .  .  .  .  .  .  .
sign_departure       .  .  .  .  .  x  .  .  .  .  .  .  .  .
ask_support          .  .  .  .  .  .  .  .  .  .  .  .  x  .
grant_support        .  .  .  .  x  x  x  .  .  .  .  .  .  .
suspend_firm         .  .  .  .  .  .  .  .  .  .  .  .  x  .
view_operations      .  .  .  .  .  .  .  .  .  .  .  .  x  .
view_audit           .  .  .  x  x  x  x  .  .  .  x  x  .  .
"""


def differences(matrix: Mapping[Role, frozenset[Action]]) -> list[str]:
    """Where a matrix says something else than what was signed."""
    lines = [line.split() for line in SIGNED.strip().splitlines()[1:]]
    signed = {
        (role, name) for name, *marks in lines for role, mark in zip(Role, marks, strict=True) if mark == "x"
    }
    given = {(role, action.value) for role, actions in matrix.items() for action in actions}
    faults = [f"{role.value} may {action} and it was not signed" for role, action in sorted(given - signed)]
    faults += [f"{role.value} may not {action} and it was signed" for role, action in sorted(signed - given)]
    return faults


def test_the_matrix_is_the_one_that_was_signed() -> None:
    assert differences(MATRIX) == []
    assert {line.split()[0] for line in SIGNED.strip().splitlines()[1:]} == {a.value for a in Action}


def test_one_line_of_the_matrix_more_or_less_is_noticed() -> None:
    pairs = [(role, action) for role in Role for action in Action]
    for role, action in pairs:
        changed = MATRIX | {role: MATRIX[role] ^ {action}}
        assert len(differences(changed)) == 1, (role, action)
