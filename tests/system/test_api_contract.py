"""The programming interface against its own description: whatever is sent, by whomever, the answer is one
that the schema knows, is of its shape, is never our fault, and holds nothing of another hospital.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from canaries import YUNLING, Canaries, filled
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Connection, Engine
from structlog.testing import capture_logs
from web_client import Browser, browsing

from tenants.identity.signin import COOKIE
from tenants.rights import Role

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
# Of each address, as somebody with wide rights and as everybody else.
MANY, FEW = 40, 10
# What is answered with a file, as the description says.
FILES, FILE = ("/rejected", "/verdicts"), "application/octet-stream"
# What breaks parsers, and cursors of all kinds.
GARBAGE = [
    "%00",
    "%ff%fe",
    "9" * 60,
    "-1",
    "1e400",
    "null",
    "' OR 1=1 --",
    "00000000-0000-0000-0000-000000000000",
    "%F0%9F%98%80" * 40,
    "../../etc/passwd",
    "true&after=true",
]


@pytest.fixture(scope="module")
def canaries(engine: Engine) -> Iterator[Canaries]:
    with filled(engine) as made:
        yield made


@pytest.fixture(scope="module")
def browser(canaries: Canaries) -> Iterator[Browser]:
    with capture_logs(), browsing(canaries.world.db) as made:
        yield made


@pytest.fixture(scope="module")
def schema(browser: Browser) -> schemathesis.BaseSchema:
    """The description as the server gives it to anybody."""
    return schemathesis.openapi.from_dict(browser.get("/api/schema/openapi.json").json())


def send(browser: Browser, method: str, url: str, **parts: Any) -> httpx.Response:
    """One request, undone afterwards."""
    connection = browser.runtime.database.bind
    assert isinstance(connection, Connection)
    with connection.begin_nested() as savepoint:
        request = browser.client.build_request(method, url, **parts)
        request.read()  # the checks look at it afterwards
        answer = browser.client.send(request, follow_redirects=False)
        savepoint.rollback()
    return answer


def ask(browser: Browser, case: schemathesis.Case[Any]) -> httpx.Response:
    """What schemathesis made up, sent with the form token that a browser would have."""
    parts = case.as_transport_kwargs()
    headers = dict(parts.get("headers") or {}) | {"X-CSRFToken": browser.token()}
    kept = {key: parts[key] for key in ("params", "json", "data", "files", "content") if parts.get(key)}
    if isinstance(kept.get("data"), str | bytes):
        kept["content"] = kept.pop("data")
    if "files" in kept:  # the client takes texts and bytes only
        kept["files"] = [(name, _sendable(value)) for name, value in kept["files"]]
    return send(browser, parts["method"], parts["url"], headers=headers, **kept)


def _sendable(value: Any) -> Any:
    if isinstance(value, tuple):
        return (value[0], _sendable(value[1]), *value[2:])
    return value if isinstance(value, str | bytes) else str(value)


def people(canaries: Canaries) -> list[tuple[str, Any]]:
    """Everybody, by the name of their role; None is nobody."""
    return [("nobody", None), ("stranger", canaries.stranger)] + [
        (role.value, person) for role, person in canaries.people.items()
    ]


def test_the_description_names_every_refusal_and_types_every_id(schema: schemathesis.BaseSchema) -> None:
    raw: dict[str, Any] = schema.raw_schema
    operations = {
        f"{method} {path}": told for path, item in raw["paths"].items() for method, told in item.items()
    }
    assert len(operations) >= 8
    for name, told in operations.items():
        assert {"400", "401", "403"} <= set(told["responses"]), name
        if "/h/{code}" in name:
            assert {"404", "422"} <= set(told["responses"]), name
        for parameter in told.get("parameters", []):
            if parameter["name"].endswith("_id") or parameter["name"] == "after":
                assert "uuid" in str(parameter["schema"]), (name, parameter["name"])


@pytest.mark.parametrize("who", ["nobody", "stranger", *(role.value for role in Role)])
def test_whatever_is_sent_the_answer_is_as_described(
    browser: Browser, canaries: Canaries, schema: schemathesis.BaseSchema, who: str
) -> None:
    person = dict(people(canaries))[who]
    browser.client.cookies.delete(COOKIE)
    if person is not None:
        browser.enter(person)
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()

        @settings(
            max_examples=MANY if who in {"firm_gm", "hospital_admin"} else FEW,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @seed(20260915)
        @given(case=operation.as_strategy(), code=st.sampled_from(["", "heqing", "heqing", "yunling"]))
        def one(case: schemathesis.Case[Any], code: str) -> None:
            if code:  # mostly a hospital and rows that are there
                sample = canaries.ids | {"code": code}
                case.path_parameters = {name: sample.get(name, "x") for name in case.path_parameters or {}}
            answer = ask(browser, case)
            case.validate_response(Response.from_any(answer), checks=list(CHECKS))
            assert YUNLING.numbers().search(answer.text) is None
            assert who not in {"stranger", "nobody"} or "heqing" not in answer.text

        one()


def test_garbage_anywhere_in_an_address_is_answered_in_json_and_never_our_fault(
    browser: Browser, canaries: Canaries, schema: schemathesis.BaseSchema
) -> None:
    browser.enter(canaries.people[Role.HOSPITAL_ADMIN])
    faults = []
    for path, item in schema.raw_schema["paths"].items():
        plain = re.sub(r"\{(\w+)\}", lambda part: canaries.ids.get(part[1], "x"), path)
        addresses = [f"{plain}?after={word}" for word in GARBAGE] + [
            f"{plain}?contact={w}&view={w}" for w in GARBAGE
        ]
        addresses += [re.sub(r"\{\w+\}", word, path) for word in GARBAGE if "{" in path]
        for address in addresses:
            answer = send(browser, "GET" if "get" in item else "POST", address)
            kind = answer.headers.get("content-type", "")
            wanted = FILE if path.endswith(FILES) and answer.status_code == 200 else "application/json"
            if answer.status_code >= 500 or not kind.startswith(wanted):
                faults.append(f"{address}: {answer.status_code} {kind}")
    assert not faults, "\n".join(faults)


def test_a_cursor_and_an_id_of_another_hospital_are_unknown(browser: Browser, canaries: Canaries) -> None:
    world = canaries.world
    browser.enter(canaries.stranger)
    patient, case = canaries.ids["patient_id"], canaries.ids["case_id"]
    for address in (
        f"/api/v1/h/yunling/patients/{patient}",
        f"/api/v1/h/yunling/patients?after={patient}",
        f"/api/v1/h/yunling/cases/{case}",
        f"/api/v1/h/yunling/cases?after={case}",
        f"/api/v1/h/yunling/imports?after={canaries.ids['import_id']}",
        "/api/v1/h/heqing/patients",
    ):
        assert send(browser, "GET", address).status_code == 404, address
    assert send(browser, "GET", "/api/v1/h/yunling/patients").status_code == 200
    mine = send(browser, "GET", "/api/v1/me").json()
    assert [hospital["code"] for hospital in mine["hospitals"]] == ["yunling"]
    assert str(world.heqing.tenant_id) not in str(mine)


def test_the_firm_is_told_number_day_and_stage_of_a_dispute(browser: Browser, canaries: Canaries) -> None:
    seen = {}
    for role in (Role.TEAM_LEAD, Role.HOSPITAL_ADMIN):
        browser.enter(canaries.people[role])
        listed = send(browser, "GET", "/api/v1/h/heqing/cases?view=all").json()["cases"]
        dispute = next(case for case in listed if case["medical_dispute"])
        whole = send(browser, "GET", f"/api/v1/h/heqing/cases/{dispute['id']}").json()
        seen[role] = (dispute, whole)
    told, whole = seen[Role.TEAM_LEAD]
    assert told["hidden"]
    assert whole["hidden"]
    known = {"id", "number", "received_at", "stage", "medical_dispute", "hidden"}
    assert not any(value for name, value in (told | whole).items() if name not in known)
    told, whole = seen[Role.HOSPITAL_ADMIN]
    assert (whole["hidden"], told["tag"], whole["tier"]) == (False, "meals", 3)
    assert "****" in whole["text"]
