"""The operator's page: the installation in counts, for the operator alone, and nothing of a patient."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text, update
from web_client import MASTER, Browser, browsing
from world import NOW, World

from billing.models import StripeEvent
from careloop.operations import broker_is_here
from foundation.database import Database
from foundation.ids import new_id
from foundation.outbox import OutboxMessage
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from tenants import service
from tenants.identity import signin
from tenants.models import DirectoryEntry
from tenants.rights import SIDES, Role

PAGE = "/operations"
SCOPE = PlatformScope(Actor.system("test"), "test")


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


def somebody(world: World, role: Role) -> UUID:
    with world.db.platform(SCOPE) as session:
        person = service.make_person(
            session, email=f"{role}@example.com", name="某人", language="zh_Hans", now=NOW
        )
        side = SIDES[role]
        firm_id = world.firm_id if side == "firm" else None
        tenant_id = world.heqing.tenant_id if side == "hospital" else None
        service.add_member(session, person.id, role, firm_id=firm_id, tenant_id=tenant_id, now=NOW)
    return person.id


def backlog(world: World) -> None:
    """Two messages of which one is sent, an event, three queue rows, three attempts of which one is old."""
    with world.db.platform(SCOPE) as session:
        for sent in (None, NOW):
            session.add(
                OutboxMessage(
                    job="a.b",
                    arguments={"note": "never shown"},
                    queued_at=NOW - timedelta(hours=3, minutes=7),
                    sent_at=sent,
                )
            )
        for handled in (None, NOW):
            session.add(
                StripeEvent(
                    event_id=f"evt_{new_id()}",
                    kind="invoice.paid",
                    object_id="in_1",
                    tenant_id=None,
                    payload={},
                    received_at=NOW - timedelta(minutes=2),
                    handled_at=handled,
                    failure=None,
                )
            )
        for state, hours in (("queued", 1), ("queued", 5), ("rejected", 30)):
            session.execute(
                text(
                    "INSERT INTO dramatiq.queue (message_id, queue_name, state, mtime, message)"
                    " VALUES (:id, 'careloop', CAST(:state AS dramatiq.state),"
                    " clock_timestamp() - make_interval(hours => :hours, mins => 10), '{}')"
                ),
                {"id": new_id(), "state": state, "hours": hours},
            )
        for result, hours in (("wrong_password", 1), ("wrong_password", 23), ("locked", 25)):
            signin.record(
                session,
                result,
                now=NOW - timedelta(hours=hours),
                email="x@example.com",
                person_id=None,
                address="",
            )
        session.execute(
            update(DirectoryEntry).where(DirectoryEntry.code == "yunling").values(state="suspended")
        )


def words(html: str) -> str:
    """What is read on the page, as one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html[html.index("<main") :]).split())


def test_the_operator_sees_hospitals_backlogs_and_sign_ins(browser: Browser, world: World) -> None:
    backlog(world)
    answer = browser.enter(somebody(world, Role.OPERATOR), "en").get(PAGE)
    assert answer.status_code == 200
    seen = words(answer.text)
    assert "Hospitals 2 1 suspended" in seen
    assert "Messages not sent yet 1 oldest: 3 h 7 min" in seen
    assert "Stripe events not handled 1 oldest: 2 min" in seen
    assert "Waiting for a worker 2 5 h 10 min" in seen
    assert "Being worked on 0 —" in seen
    assert "Given up 1 1 d 6 h" in seen
    assert "Wrong password 2" in seen
    assert "Refused: locked" not in seen
    assert "heqing hk Active yunling hk Suspended" in seen
    with world.db.platform(SCOPE) as session:
        assert session.execute(text("SELECT version_num FROM alembic_version")).scalar_one() in seen


def test_the_page_is_chinese_for_who_reads_chinese(browser: Browser, world: World) -> None:
    backlog(world)
    seen = words(browser.enter(somebody(world, Role.OPERATOR)).get(PAGE).text)
    assert "待发送消息 1 最早一条已等 3 小时 7 分" in seen
    assert "等待处理 2 5 小时 10 分" in seen
    assert "密码错误 2" in seen
    assert "yunling hk 已暂停" in seen


def test_only_what_waits_too_long_is_marked(browser: Browser, world: World) -> None:
    backlog(world)
    page = browser.enter(somebody(world, Role.OPERATOR), "en").get(PAGE).text
    assert re.findall(r'cl-text-bad">([^<]+)', page) == ["oldest: 3 h 7 min"]


def test_a_quiet_installation_says_that_nothing_waits(browser: Browser, world: World) -> None:
    seen = words(browser.enter(somebody(world, Role.OPERATOR), "en").get(PAGE).text)
    assert "Messages not sent yet 0 Nothing waits" in seen
    assert "Stripe events not handled 0 Nothing waits" in seen


def test_nothing_of_a_patient_or_of_a_message_is_on_the_page(browser: Browser, world: World) -> None:
    backlog(world)
    with world.hospital(world.heqing) as session:
        record = world.patient(session, name="欧阳试一", phone="13912345678").record_number
    page = browser.enter(somebody(world, Role.OPERATOR)).get(PAGE).text
    for secret in ("欧阳", "13912345678", "139****5678", record, "河清市", "never shown", "x@example.com"):
        assert secret not in page


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_nobody_else_may_open_it(browser: Browser, world: World, role: Role) -> None:
    answer = browser.enter(somebody(world, role)).get(PAGE)
    assert answer.status_code == 403
    assert "heqing" not in answer.text.split("<main")[-1]


def test_who_is_not_signed_in_is_led_to_the_sign_in(browser: Browser) -> None:
    answer = browser.get(PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/signin")


def test_the_operator_starts_there(browser: Browser, world: World) -> None:
    assert browser.enter(somebody(world, Role.OPERATOR)).get("/").headers["location"] == PAGE


def test_a_broker_elsewhere_is_said_and_not_counted(browser: Browser, world: World) -> None:
    backlog(world)
    browser.runtime.settings = settings(None, "amqp://broker.example/")
    seen = words(browser.enter(somebody(world, Role.OPERATOR), "en").get(PAGE).text)
    assert "outside the database" in seen
    assert "Waiting for a worker" not in seen


@pytest.mark.parametrize(
    ("database", "broker", "here"),
    [
        (None, None, True),
        ("postgresql://a:p@db.example/care", None, True),
        ("postgresql://a:p@db.example/care", "postgres://b:q@db.example:5432/care", True),
        ("postgresql://a@/care?host=%2Frun%2Fpg", "postgresql://a@/care?host=%2Frun%2Fpg", True),
        ("postgresql://a:p@db.example/care", "postgresql://a:p@db.example/queue", False),
        ("postgresql://a:p@db.example/care", "postgresql://a:p@other.example/care", False),
        ("postgresql://a:p@db.example/care", "redis://db.example/0", False),
        (None, "amqp://broker.example/", False),
    ],
)
def test_the_queue_is_read_only_where_the_messages_are(
    database: str | None, broker: str | None, here: bool
) -> None:
    assert broker_is_here(settings(database, broker)) is here


def settings(database: str | None, broker: str | None) -> Settings:
    return Settings(
        master_key=SecretStr(MASTER),
        database_url=SecretStr(database) if database else None,
        broker_url=SecretStr(broker) if broker else None,
    )
