"""Interfaces over HTTP: what is sent, how it is answered, who may; and the page that shows them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import hl7
import httpx
import pytest
from adt_messages import adt, bundle
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from careloop import wiring
from foundation.database import Database
from patients import feed_retention
from patients.models import DataImport, Encounter, Feed, FeedMessage

WAYS = "/api/v1/h/heqing/feeds"
DISCHARGED = adt("A03", "20260908103000", discharged="20260908100000", control="C3")


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    wiring.wire()
    with browsing(db) as made:
        yield made.enter(world.people["heqing_admin"])


def send(browser: Browser, way: str, content: str | bytes, kind: str) -> httpx.Response:
    headers = {"X-CSRFToken": browser.token(), "Content-Type": kind}
    body = content.encode() if isinstance(content, str) else content
    return browser.client.post(f"{WAYS}/{way}", content=body, headers=headers)


def codes(answer: httpx.Response) -> list[str]:
    return [
        str(hl7.parse("MSH" + part).segment("MSA")[1]) for part in answer.content.decode().split("MSH")[1:]
    ]


@pytest.mark.parametrize("kind", ["application/hl7-v2", "text/plain"])
def test_messages_are_answered_one_by_one(browser: Browser, world: World, kind: str) -> None:
    body = adt("A01", "20260901080000") + DISCHARGED + adt("A02", "20260908103000")
    answer = send(browser, "hl7", body, kind)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/hl7-v2")
    assert codes(answer) == ["AA", "AA", "AR"]
    with world.hospital(world.heqing) as session:
        assert len(session.scalars(select(Encounter)).all()) == 1


def test_garbage_is_refused_and_nothing_at_all_is_a_mistake(browser: Browser) -> None:
    assert codes(send(browser, "hl7", b"\x00\xff\xfe", "application/hl7-v2")) == ["AR"]
    empty = send(browser, "hl7", b"", "application/hl7-v2")
    assert (empty.status_code, bool(empty.json()["detail"])) == (422, True)
    for way, body in (("fhir", b"{"), ("fhir", b"[]"), ("fhir", b'{"resourceType": "Bundle", "type": "x"}')):
        answer = send(browser, way, body, "application/fhir+json")
        assert (answer.status_code, bool(answer.json()["detail"])) == (422, True)


def test_a_bundle_is_answered_with_an_outcome(browser: Browser, world: World) -> None:
    answer = send(browser, "fhir", bundle("finished", "2026-09-08T10:30:00+08:00"), "application/fhir+json")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/fhir+json")
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert [issue["severity"] for issue in outcome["issue"]] == ["information"]


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "asleep"},
        {"period": {"start": "soon"}},
        {"subject": {"reference": "Patient/none"}},
        {"made_up": 1},
    ],
)
def test_a_bundle_with_one_wrong_resource_says_which_and_keeps_nothing(
    browser: Browser, world: World, broken: dict[str, Any]
) -> None:
    body = bundle("finished", "2026-09-08T10:30:00+08:00", encounter=broken)
    answer = send(browser, "fhir", body, "application/fhir+json")
    assert answer.status_code == 422
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(FeedMessage)).all() == []


VISIT = {
    "record_number": "H0001", "admission_count": 1, "name": "张𠮷", "sex": "男", "phone": "13800138000",
    "admitted_on": "2026-09-01", "discharged_on": "2026-09-08", "department": "骨科",
}  # fmt: skip


def test_visits_as_json_add_up_and_are_unchanged_the_second_time(browser: Browser, world: World) -> None:
    visits = [
        VISIT,
        VISIT | {"record_number": "H0002", "status": "admitted", "discharged_on": ""},
        VISIT | {"record_number": "H0003", "discharged_on": "2026-08-01"},
        VISIT | {"record_number": "M1", "visit": "outpatient", "visited_on": "2026-09-08"},
    ]
    answer = browser.client.post(
        f"{WAYS}/visits", json={"visits": visits}, headers={"X-CSRFToken": browser.token()}
    )
    assert answer.status_code == 200
    told = answer.json()
    assert [one["state"] for one in told["visits"]] == ["applied", "waiting", "rejected", "applied"]
    assert told["visits"][2]["reason"] == "discharge_before_admission"
    assert (told["rows"], told["created"], told["rejected"], told["waiting"]) == (3, 2, 1, 1)
    with world.hospital(world.heqing) as session:
        row = session.scalars(select(DataImport)).one()
        assert (row.source, row.rows) == ("json", row.created + row.updated + row.unchanged + row.rejected)


def test_who_may_not_import_may_not_send(browser: Browser, world: World) -> None:
    browser.enter(world.people["yunling_admin"])
    assert send(browser, "hl7", DISCHARGED, "text/plain").status_code == 404


def test_the_page_shows_what_came_without_names_and_tries_again(browser: Browser, world: World) -> None:
    assert browser.get("/h/heqing/feeds").status_code == 200
    send(browser, "hl7", adt("A03", "20260908090000", discharged="20260801100000"), "text/plain")
    page = browser.get("/h/heqing/feeds?show=rejected").text.split('id="connect"')[0]
    assert "H0001" in page
    assert "张" not in page
    with world.hospital(world.heqing) as session:
        message, feed = session.scalars(select(FeedMessage)).one(), session.scalars(select(Feed)).one()
        address = f"/h/heqing/feeds/messages/{message.id}/again"
    assert browser.post(address).status_code == 303
    assert browser.post(f"/h/heqing/feeds/{feed.id}/expect", {"hours": "26"}).status_code == 303
    assert browser.post(f"/h/heqing/feeds/{feed.id}/expect", {"hours": "soon"}).status_code == 422
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(Feed.expected_hours)).one() == 26


def test_messages_are_emptied_a_month_after_the_visit_and_open_ones_are_not(
    world: World, browser: Browser
) -> None:
    waiting = adt("A01", "20260901080000", number="H0009", visit="V9")
    send(browser, "hl7", DISCHARGED + waiting, "text/plain")
    with world.hospital(world.heqing) as session:
        feed_retention.empty_messages(session, NOW + timedelta(days=29))
        assert all(session.scalars(select(FeedMessage.content_cipher.is_not(None))))
        feed_retention.empty_messages(session, NOW + timedelta(days=31))
        kept = session.execute(select(FeedMessage.state, FeedMessage.content_cipher.is_not(None))).all()
    assert sorted(map(tuple, kept)) == [("applied", False), ("waiting", True)]
    # What is emptied can still be taken back.
    assert codes(send(browser, "hl7", adt("A13", "20260915090000"), "text/plain")) == ["AA"]
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(Encounter.withdrawn_at)).one() is not None
