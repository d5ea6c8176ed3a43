"""A hospital on its way out, for the tests of its departure: both hospitals filled, step by step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from every_table import fill_hospital, fill_patient
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from careloop.wiring import wire
from foundation import runtime
from foundation.clock import SetClock
from foundation.outbox import OutboxMessage
from foundation.scope import Actor, PlatformScope
from foundation.work import run_job
from reporting.models import BenchmarkRun
from tenants.life import departure
from tenants.models import Brand, Departure
from workforce import service as workforce


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def leaving(engine_world: World, clock: SetClock) -> Iterator[Browser]:
    """Two hospitals full of rows, and the firm's general manager in a browser."""
    world = engine_world
    wire()
    for letter, hospital in (("A", world.heqing), ("B", world.yunling)):
        with world.hospital(hospital) as session:
            own = fill_hospital(session, f"{letter}0")
            fill_patient(session, f"{letter}1", own)
    with world.firm() as session:
        workforce.assign(session, world.people["agent"], world.heqing.tenant_id, NOW)
        workforce.assign(session, world.people["agent"], world.yunling.tenant_id, NOW)
        session.add(released_run(world))
        session.add(own_face())
    with browsing(world.db, clock=clock) as browser:
        runtime.install(browser.runtime)
        yield browser


def released_run(world: World) -> BenchmarkRun:
    return BenchmarkRun(
        firm_id=world.firm_id,
        month=NOW.date().replace(day=1),
        version=1,
        state="approved",
        contributors=["heqing", "yunling"],
        results={"index": 88.1},
        thresholds={},
        hospitals=2,
        withheld=0,
        made_at=NOW,
        made_by="test",
    )


def own_face() -> Brand:
    return Brand(
        code="heqing",
        shown_name="河清随访",
        shown_name_en="",
        colour="",
        version="1",
        changed_at=NOW,
        changed_by="test",
    )


def run_queued(world: World) -> list[str]:
    """What the worker would do now."""
    done = []
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        queued = session.scalars(
            select(OutboxMessage).where(
                OutboxMessage.sent_at.is_(None), OutboxMessage.job.startswith("tenants.departure")
            )
        ).all()
        for message in queued:
            message.sent_at = NOW
    for message in queued:
        run_job(message.job, message.arguments)
        done.append(message.job)
    return done


def row_of(world: World) -> Departure:
    with world.firm() as session:
        found = departure.current(session, world.heqing.tenant_id)
        assert found is not None
        return found


def as_gm(browser: Browser, world: World) -> Browser:
    return browser.enter(world.people["heqing_gm"])


def as_firm(browser: Browser, world: World) -> Browser:
    return browser.enter(world.people["firm_gm"])


def until_exported(browser: Browser, world: World) -> None:
    as_firm(browser, world)
    assert browser.post("/h/heqing/departure/begin", {"reason": "合同到期"}).status_code == 303
    assert browser.post("/h/heqing/departure/export").status_code == 303
    assert run_queued(world) == [departure.EXPORT_JOB]


def until_signed(browser: Browser, world: World) -> bytes:
    until_exported(browser, world)
    as_gm(browser, world)
    taken = browser.get("/h/heqing/departure/data")
    assert taken.status_code == 200
    assert browser.post("/h/heqing/departure/sign", {"confirmed": "yes"}).status_code == 303
    return taken.content
