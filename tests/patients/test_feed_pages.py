"""The page of the feeds: each thing counted once, why a message waits, and examples that are taken."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from adt_messages import adt
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from foundation.database import Database
from patients import feed_examples, feed_inbox, feed_labels, feed_queries
from patients.adt import json_visits
from patients.importing import import_file
from patients.models import Feed

ADMITTED = adt("A01", "20260901080000")
LEFT = adt("A03", "20260908090000", number="H0002", visit="V2", discharged="20260908100000")


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made.enter(world.people["heqing_admin"])


def test_messages_of_two_feeds_of_a_kind_count_once(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        feed_inbox.receive(session, "hl7", ADMITTED.encode(), name="http", now=NOW)
        feed_inbox.receive(session, "hl7", LEFT.encode(), name="mllp", now=NOW)
        listed = "病案号,姓名,出院日期,联系电话\nA1,张建国,2026-09-01,13812345678\n".encode()
        import_file(session, listed, "list.csv", by="陈静", now=NOW)
        assert feed_queries.counts(session, NOW) == {
            ("hl7", "applied"): 1,
            ("hl7", "waiting"): 1,
            ("file", "applied"): 1,
        }
        kinds = feed_queries.by_kind(feed_queries.ages(session, NOW))
        assert [(kind, [one.name for one in feeds]) for kind, feeds in kinds] == [
            ("hl7", ["http", "mllp"]),
            ("file", [""]),
        ]
        waiting = feed_queries.messages(session, state="waiting")[0]
        assert feed_labels.waits_for(waiting.event) == "等待出院消息。"
    page = browser.get("/h/heqing/feeds").text
    assert any(text in page for text in ("等待出院消息。", "Waits for the discharge."))
    assert page.count('<td class="cl-num">1</td>') == 3
    assert "13800138000" in page  # the example, which is nobody's
    assert ">H0002</a>" in page


def test_lists_sent_by_hand_have_an_expectation_too(browser: Browser, world: World) -> None:
    for typed in ("48", "72"):
        assert browser.post("/h/heqing/feeds/lists/expect", {"hours": typed}).status_code == 303
    with world.hospital(world.heqing) as session:
        row = session.scalars(select(Feed)).one()
        assert (row.kind, row.expected_hours) == ("file", 72)


def test_the_examples_are_taken_as_they_stand(world: World) -> None:
    with world.hospital(world.heqing) as session:
        message = feed_examples.HL7.replace("\n", "\r").encode()
        answer = feed_inbox.receive(session, "hl7", message, name="http", now=NOW)
        assert answer.counts["created"] == 1
        said = msgspec.json.decode(feed_examples.JSON.encode(), type=json_visits.VisitList)
        heard = json_visits.heard(said.visits, now=NOW)
        again = feed_inbox.take(session, "json", heard, name="http", now=NOW)
        assert again.counts["rejected"] == 0
        assert [fate.state for fate in again.fates] == ["applied"]
