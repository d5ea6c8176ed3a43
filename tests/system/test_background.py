"""Background work for real: the outbox, a broker, a worker, and the scope a job runs in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import pytest
from conftest import Urls, require
from dramatiq import Broker, Worker
from sqlalchemy import func, select
from world import NOW, World

from foundation import outbox, runtime, work
from foundation.audit import AuditEvent, record
from foundation.broker import BrokerAway, BrokerSender, UnknownBroker, declare_actors, make_broker, probe
from foundation.clock import SetClock
from foundation.database import HospitalSession
from foundation.runtime import Hospital, Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from patients.models import Patient

PATIENCE_SECONDS = 20


@pytest.fixture
def parts(engine_world: World, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """The parts of a process over the world's database, with a registry of jobs of its own."""
    monkeypatch.setattr(work, "JOBS", {})
    monkeypatch.setattr("foundation.broker.JOBS", work.JOBS)
    database = engine_world.db
    assert database.master_key is not None
    made = Runtime(Settings(), database, SetClock(NOW), database.master_key)
    made.hospitals = lambda: [
        Hospital(hospital.tenant_id, engine_world.firm_id)
        for hospital in (engine_world.heqing, engine_world.yunling)
    ]
    runtime.install(made)
    return made


@contextmanager
def working(parts: Runtime, url: str) -> Iterator[Broker]:
    """A broker with a worker at it, and the outbox sending to it."""
    broker = make_broker(url)
    declare_actors(broker)
    sender = BrokerSender(broker)
    parts.sender = sender
    parts.database.after_commit = lambda ids: _send(parts, sender, ids)
    worker = Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    try:
        yield broker
    finally:
        worker.stop()
        broker.close()


def _send(parts: Runtime, sender: BrokerSender, ids: list[UUID]) -> None:
    outbox.send_now(parts.database, sender, ids, NOW)


def register_count_job() -> None:
    @work.job("test.count", every="0 0 1 1 *")
    def count(session: HospitalSession, now: datetime) -> None:
        patients = session.scalar(select(func.count()).select_from(Patient))
        record(session, "test.counted", now=now, detail={"patients": patients})


def counted(world: World, expected: int) -> list[int]:
    """What the jobs wrote in each hospital, waited for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = []
        for hospital in (world.heqing, world.yunling):
            with world.hospital(hospital) as session:
                details = session.scalars(
                    select(AuditEvent.detail).where(AuditEvent.action == "test.counted")
                )
                found += [detail["patients"] for detail in details]
        if len(found) >= expected or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def check_a_tick_reaches_every_hospital(parts: Runtime, world: World, url: str) -> None:
    with world.hospital(world.heqing) as session:
        world.patient(session)
        world.patient(session)
    register_count_job()
    with working(parts, url):
        work.fan_out("test.count")
        assert sorted(counted(world, 2)) == [0, 2], "each job sees the patients of its own hospital"


def test_a_tick_runs_once_in_the_scope_of_every_hospital(
    parts: Runtime, engine_world: World, fresh_urls: Urls
) -> None:
    check_a_tick_reaches_every_hospital(parts, engine_world, fresh_urls.runtime)


@pytest.mark.rabbitmq
def test_the_same_over_rabbitmq(parts: Runtime, engine_world: World) -> None:
    url = os.environ.get("CARELOOP_TEST_RABBITMQ_URL")
    if not url:
        require("rabbitmq")
    check_a_tick_reaches_every_hospital(parts, engine_world, str(url))


def test_work_queued_by_a_transaction_is_done_after_it(
    parts: Runtime, engine_world: World, fresh_urls: Urls
) -> None:
    register_count_job()
    with working(parts, fresh_urls.runtime):
        with parts.database.platform(PlatformScope(Actor.system("test"), "test")) as session:
            outbox.enqueue(session, "test.count", now=NOW, tenant_id=str(engine_world.yunling.tenant_id))
        assert counted(engine_world, 1) == [0]


def test_a_job_that_fails_leaves_nothing_behind(parts: Runtime, engine_world: World) -> None:
    @work.job("test.fail")
    def fail(session: HospitalSession, now: datetime) -> None:
        record(session, "test.counted", now=now, detail={"patients": 1})
        raise LookupError

    with pytest.raises(LookupError):
        work.run_job("test.fail", {"tenant_id": str(engine_world.heqing.tenant_id)})
    with engine_world.hospital(engine_world.heqing) as session:
        assert session.scalars(select(AuditEvent.action)).all() == []


def test_a_message_of_an_unknown_job_is_named(parts: Runtime) -> None:
    with pytest.raises(work.UnknownJob, match=r"test\.gone"):
        work.run_job("test.gone", {})


@pytest.mark.parametrize("url", ["amqp://127.0.0.1:1", "redis://127.0.0.1:1", "postgresql://x@127.0.0.1:1/x"])
def test_a_broker_that_does_not_answer_is_said_to_be_away(url: str) -> None:
    with pytest.raises(BrokerAway, match=r"\w"):
        probe(url)


def test_the_brokers_own_server_answers(fresh_urls: Urls) -> None:
    probe(fresh_urls.runtime)


def test_a_broker_url_of_no_known_kind_is_refused() -> None:
    with pytest.raises(UnknownBroker, match="kafka"):
        make_broker("kafka://127.0.0.1")
