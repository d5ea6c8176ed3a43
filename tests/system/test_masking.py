"""Every page, file and answer, opened by everybody: no patient's number and no full name stands in any.

Three answers may show one, and they are named here: a reveal with its reason, a dial with its card, and the
rows that a hospital's own list lost on the way in, to whoever may send such lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO, StringIO
from uuid import UUID
from zipfile import ZipFile, is_zipfile

import httpx
import pytest
import structlog
from addresses import Route, expected, routes
from canaries import HEQING, YUNLING, Canaries, Marks, filled
from pypdf import PdfReader
from sqlalchemy import Connection, Engine, select, text
from web_client import Browser, browsing

from foundation import logs
from foundation.audit import AuditEvent
from patients.models import ContactPoint
from tenants.identity.signin import COOKIE
from tenants.rights import SIDES, Role

# The sender's own rows back to the sender; the draft that the agent is typing on the card that they hold.
SHOWS = {
    "/h/{code}/imports/{import_id}/rejected",
    "/api/v1/h/{code}/imports/{import_id}/rejected",
    "/workbench/card",
}


@pytest.fixture(scope="module")
def canaries(engine: Engine) -> Iterator[Canaries]:
    with filled(engine) as made:
        yield made


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """The log lines as an installation writes them."""
    logs.configure("json")
    stream = StringIO()
    structlog.configure(**structlog.get_config() | {"logger_factory": structlog.PrintLoggerFactory(stream)})
    yield stream
    structlog.reset_defaults()


@pytest.fixture
def browser(canaries: Canaries, lines: StringIO) -> Iterator[Browser]:
    with browsing(canaries.world.db) as made:
        assert lines.getvalue() == ""
        yield made


def words_of(answer: httpx.Response) -> str:
    """Everything that can be read in an answer: headers, text, and that of spreadsheets, archives, PDFs."""
    head = " ".join(f"{name}: {value}" for name, value in answer.headers.items())
    content = answer.content
    if content[:4] == b"%PDF":
        body = "\n".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages)
    elif is_zipfile(BytesIO(content)):
        with ZipFile(BytesIO(content)) as archive:
            body = "\n".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
    else:
        body = content.decode("utf-8", "replace")
    return f"{head}\n{body}"


def seen(words: str, marks: Marks) -> list[str]:
    """The numbers and full names of this hospital's patients in a text."""
    names = re.compile(f"{marks.name}[甲乙丙丁戊己庚辛壬癸子丑寅卯]")
    return sorted({*marks.numbers().findall(words), *names.findall(words)})


def opened(browser: Browser, route: Route, address: str) -> httpx.Response:
    """A page; what opening it wrote is undone."""
    connection = browser.runtime.database.bind
    assert isinstance(connection, Connection)
    with connection.begin_nested() as savepoint:
        answer = browser.get(address)
        savepoint.rollback()
    return answer


def pages(browser: Browser) -> list[Route]:
    """Whatever can be opened by an address alone."""
    left = ("/signout", "/api/schema")
    return [r for r in routes(browser.client.app) if r.method == "GET" and not r.path.startswith(left)]


def test_no_page_file_or_answer_shows_a_number_or_a_full_name(
    browser: Browser, canaries: Canaries, lines: StringIO
) -> None:
    faults, read, found = [], set(), pages(browser)
    people: list[tuple[str, UUID | None]] = [("nobody", None), ("stranger", canaries.stranger)]
    people += [(role.value, person) for role, person in canaries.people.items()]
    for name, person in people:
        browser.client.cookies.delete(COOKIE)
        if person is not None:
            browser.enter(person)
        role = Role(name) if name in set(Role) else None
        inside = role is not None and SIDES[role] == "hospital"
        for route in found:
            # The page of a refusal is the same everywhere: the walk of the rights sees that it comes.
            if role is not None and expected(route, role, "heqing") != "open" and route.path != "/workbench":
                continue
            answer = opened(browser, route, route.address(canaries.ids))
            words = words_of(answer)
            if answer.status_code == 200:
                read.add(route.path)
            raw = seen(words, YUNLING) + ([] if route.path in SHOWS else seen(words, HEQING))
            if raw or (inside and "云岭" in words):
                faults.append(
                    f"{name}: {route.path} {answer.status_code} shows {raw or 'the other hospital'}"
                )
    assert not faults, "\n".join(faults)
    assert read >= SHOWS
    assert len(read) > len(found) * 0.8, sorted({route.path for route in found} - read)
    written = lines.getvalue()
    assert seen(written, HEQING) + seen(written, YUNLING) == []


def test_what_may_be_shown_is_shown_to_whom_it_may_and_on_the_record(
    browser: Browser, canaries: Canaries
) -> None:
    ids, world = canaries.ids, canaries.world
    patient, point = ids["patient_id"], ids["point_id"]
    rejected = f"/h/heqing/imports/{ids['import_id']}/rejected"
    reveal = f"/h/heqing/patients/{patient}/numbers/{point}/reveal"
    browser.enter(canaries.people[Role.QA])
    assert browser.get(rejected).status_code == 403
    assert browser.post(reveal, {"reason": "核对"}).status_code == 403
    assert browser.get("/workbench/card").status_code == 403
    browser.enter(canaries.people[Role.AGENT])
    assert HEQING.number(0) in browser.post(reveal, {"reason": "核对"}).text
    assert HEQING.number(21) in browser.get("/workbench/card").text
    browser.enter(canaries.people[Role.TEAM_LEAD])
    assert HEQING.number(61) in browser.get(rejected).content.decode("utf-8", "replace")
    with world.hospital(world.heqing) as session:
        actions = set(session.scalars(select(AuditEvent.action)))
        digits = session.scalars(select(ContactPoint.number_masked)).all()
    assert {"patients.number_revealed", "patients.rejected_exported"} <= actions
    assert all("****" in masked for masked in digits)


TYPED = f"{HEQING.number(0)} {HEQING.identity(0)}"


def test_no_error_page_and_no_log_line_repeats_a_number(
    browser: Browser, canaries: Canaries, lines: StringIO
) -> None:
    browser.enter(canaries.people[Role.TEAM_LEAD])
    patient = canaries.ids["patient_id"]
    answers = [
        browser.get(f"/h/heqing/patients/{HEQING.number(0)}"),
        browser.get(f"/{HEQING.number(0)}"),
        browser.get(f"/api/v1/h/heqing/patients?after={HEQING.number(0)}"),
        browser.get(f"/api/v1/h/heqing/cases?view={HEQING.identity(0)}"),
        browser.get(f"/api/v1/h/heqing/patients/{HEQING.number(0)}"),
        browser.post(f"/h/heqing/patients/{patient}/suppress", {"reason": TYPED}),
        browser.post(f"/h/heqing/patients/{patient}/words", {"words": f"{TYPED}\x00"}),
        browser.post(
            "/h/heqing/patients/search", {"search": f"{HEQING.name}\x00", "after": HEQING.number(1)}
        ),
        browser.get("/h/heqing/patients", headers={"HX-Request": "true", "X-Number": HEQING.number(1)}),
    ]
    connection = browser.runtime.database.bind
    assert isinstance(connection, Connection)
    with connection.begin_nested() as savepoint:
        connection.execute(text("SET LOCAL statement_timeout = 1"))
        connection.execute(text("SET LOCAL enable_indexscan = off"))
        answers.append(browser.get(f"/api/v1/h/{HEQING.number(0)}/patients"))
        savepoint.rollback()
    assert {400, 404, 422} <= {answer.status_code for answer in answers}
    for answer in answers:
        assert seen(answer.text, HEQING) == [], answer.url
    log = structlog.get_logger()
    log.error("could not read", line=TYPED, rows=[{"told": TYPED, "phone": "x"}], error=ValueError(TYPED))
    try:
        raise ValueError(TYPED)
    except ValueError:
        log.exception("request failed", path=f"/h/heqing/patients/{HEQING.number(0)}")
    written = lines.getvalue()
    assert logs.WITHHELD in written
    assert seen(written, HEQING) == []
