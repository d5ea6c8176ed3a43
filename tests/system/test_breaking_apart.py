"""Two at once, a process killed, a connection lost, a year without a calendar: nothing is half done."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from breaking_rows import AUGUST, LIST, due_task
from conftest import Urls
from feedback_cases import clocks, new_case
from sqlalchemy import Engine, func, select, text
from web_client import MASTER, browsing
from world import NOW, World

from billing.errors import Refused
from billing.models import Contract, Invoice, LedgerEntry
from billing.service import Terms, agree, close_month, ensure_contract
from careloop import wiring
from careloop.assemble import send_queued
from feedback.service import open_case
from foundation import outbox
from foundation.broker import BrokerSender, make_broker
from foundation.clock import SetClock
from foundation.database import Database
from foundation.outbox import OutboxMessage
from foundation.runtime import Runtime
from foundation.scope import PlatformScope
from foundation.settings import Settings
from outreach.calls import dial
from outreach.errors import ContactRefused
from outreach.models import ContactTask, PatientHold
from patients import suppression
from patients.models import Patient
from reporting.models import BenchmarkReport
from workforce.service import assign

PATIENCE_SECONDS = 30


# ----------------------------------------------------------------------------------------------- at once


def at_once(*steps: Callable[[], Any]) -> list[Any]:
    """Do all of these at the same moment."""
    start = Barrier(len(steps))

    def run(step: Callable[[], Any]) -> Any:
        start.wait(PATIENCE_SECONDS)
        return step()

    with ThreadPoolExecutor(len(steps)) as threads:
        return list(threads.map(run, steps))


@pytest.fixture
def twice(engine_db: Database, engine_world: World) -> Iterator[Callable[..., list[int]]]:
    """Send a form three times at once, from three windows of one person; gives the three states."""
    wiring.wire()
    with ExitStack() as open_windows:
        windows = [open_windows.enter_context(browsing(engine_db, clock=SetClock(NOW))) for _ in range(3)]

        def send(who: str, path: str, form_: dict[str, Any] | None = None) -> list[int]:
            for window in windows:
                window.client.cookies.delete("careloop_session")
                window.enter(engine_world.people[who]).token()
            answers = at_once(*[lambda window=window: window.post(path, form_) for window in windows])
            return sorted(answer.status_code for answer in answers)

        yield send


def test_every_step_of_a_call_sent_three_times_at_once_counts_once(
    engine_world: World, twice: Callable[..., list[int]]
) -> None:
    world = engine_world
    with world.hospital(world.heqing) as session:
        ids = due_task(world, session)
    with world.firm() as firm:
        assign(firm, world.people["agent"], world.heqing.tenant_id, NOW)
    card = f"/h/heqing/contacts/{ids['task_id']}"
    assert twice("agent", "/workbench/next") == [303] * 3
    assert twice("agent", f"{card}/dial", {"contact_point_id": str(ids["point_id"])}) == [200] * 3
    words = {"task_id": str(ids["task_id"]), "tag": "meals", "text": "饭凉", "told": "yes"}
    assert twice("agent", "/h/heqing/cases/from-call", words) == [200] * 3
    assert twice("agent", f"{card}/answers", {"question": "overall", "level": "2"})[0] in (200, 404)
    assert twice("agent", f"{card}/finish", {"outcome": "completed"}) == [303] * 3
    assert twice("agent", f"{card}/skip", {"reason": "other"}) == [303] * 3
    with world.hospital(world.heqing) as session:
        task = session.get_one(ContactTask, (session.tenant_id, ids["task_id"]))
        assert (task.state, task.attempts) == ("completed", 1)
        for table in ("call", "feedback_case"):
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 1
        assert session.scalar(select(func.count()).select_from(PatientHold)) == 0


def test_what_an_office_does_twice_at_once_is_done_once(
    engine_world: World, twice: Callable[..., list[int]]
) -> None:
    world = engine_world
    with world.hospital(world.heqing) as session:
        ensure_contract(session, starts_on=date(2026, 1, 1), now=NOW)
        world.patient(session, discharged_on=date(2026, 8, 3))
    billing = "/h/heqing/billing/2026-08"
    for step, form_ in (("close", {}), ("issue", {}), ("paid", {"reference": "BOC-1"})):
        assert twice("operations", f"{billing}/{step}", form_) == [303] * 3
    assert twice("operations", "/firm/benchmark/2026-08/run") == [303] * 3
    assert twice("firm_gm", "/firm/benchmark/2026-08/approve") == [303] * 3
    person = {"name": "新人", "email": "new@example.com", "role": "qa"}
    assert set(twice("firm_gm", "/firm/people", person)) <= {200, 422}
    with world.firm() as firm:
        assert firm.scalars(select(Invoice.state)).all() == ["paid"]
        assert firm.scalar(select(func.count()).select_from(BenchmarkReport)) == 2
        assert firm.scalar(text("SELECT count(*) FROM person WHERE email = 'new@example.com'")) == 1


def test_two_first_contracts_at_once_are_one(engine_world: World) -> None:
    """Neither sees the other's row, and there is none to lock: they follow each other all the same."""
    world = engine_world

    def first() -> str:
        try:
            with world.hospital(world.heqing) as session:
                agree(session, Terms(), starts_on=date(2026, 1, 1), now=NOW)
                time.sleep(0.3)
        except Exception as refused:  # noqa: BLE001 - whichever way it is refused
            return type(refused).__name__
        return "agreed"

    assert sorted(at_once(first, first)) == ["Refused", "agreed"]
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Contract)) == 1


# ----------------------------------------------------------------------------------------- what is killed

JOB = """
import sys
from sqlalchemy import create_engine
from careloop import jobs, wiring
from foundation import runtime, work
from foundation.clock import SetClock
from foundation.database import Database
from foundation.encryption import MasterKey
from foundation.settings import Settings
from datetime import datetime
jobs.load(); wiring.wire()
key = MasterKey(b"0123456789abcdef0123456789abcdef")
database = Database.connect(sys.argv[1], master_key=key)
now = datetime.fromisoformat("2026-09-15T10:00:00+08:00")
runtime.install(runtime.Runtime(Settings(), database, SetClock(now), key))
work.run_job("billing.close_month", {"tenant_id": sys.argv[2]})
"""
AUDIT_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"
WAITING = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def kill_in_the_middle(owner: Engine, tenant_id: UUID, *command: str, **environment: str) -> None:
    """Start a process, hold it where it writes the audit trail, and end it there with SIGKILL."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARELOOP_")}
    with owner.connect() as holder:
        holder.execute(text(AUDIT_LOCK), {"key": f"audit:{tenant_id}"})
        started = subprocess.Popen([sys.executable, *command], env={**kept, **environment})
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holder.scalar(text(WAITING)):
            assert started.poll() is None, "it ended before it came to the trail"
            assert time.monotonic() < deadline, "it never came to the trail"
            time.sleep(0.05)
        started.kill()
        started.wait(PATIENCE_SECONDS)


def test_a_month_whose_close_was_killed_closes_as_if_nothing_had_been(
    engine_world: World, fresh_urls: Urls, owner_engine: Engine
) -> None:
    world = engine_world
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            ensure_contract(session, starts_on=date(2026, 1, 1), now=NOW)
            for day in (3, 20, 31):
                world.patient(session, discharged_on=date(2026, 8, day))
    tenant_id = world.heqing.tenant_id
    kill_in_the_middle(owner_engine, tenant_id, "-c", JOB, fresh_urls.runtime, str(tenant_id))
    drafts = []
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            assert session.scalar(select(func.count()).select_from(Invoice)) == 0
            invoice = close_month(session, AUGUST, now=NOW)
            entries = session.scalar(select(func.count()).select_from(LedgerEntry))
            drafts.append((invoice.total_fen, invoice.patients, entries))
    assert drafts[0] == drafts[1]


def test_an_import_that_was_killed_left_nothing_and_runs_again(
    engine_world: World, fresh_urls: Urls, owner_engine: Engine, tmp_path: Any
) -> None:
    world = engine_world
    path = tmp_path / "list.csv"
    path.write_text(LIST, encoding="utf-8")
    given = {
        "CARELOOP_DATABASE_URL": fresh_urls.runtime,
        "CARELOOP_MASTER_KEY": MASTER,
        "CARELOOP_DATA_DIR": str(tmp_path),
    }
    command = ("-m", "careloop", "import", str(path), "--hospital", "heqing", "--json")
    kill_in_the_middle(owner_engine, world.heqing.tenant_id, *command, **given)
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Patient)) == 0
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARELOOP_")}
    again = subprocess.run(
        [sys.executable, *command], env={**kept, **given}, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert '"created": 1' in again.stdout


def test_a_connection_lost_under_a_request_is_said_and_the_next_one_works(
    engine_db: Database, engine_world: World, owner_engine: Engine
) -> None:
    world = engine_world
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
    path = f"/h/heqing/patients/{patient.id}/suppress"
    runtime = engine_db.bind
    assert isinstance(runtime, Engine)
    with browsing(engine_db, clock=SetClock(NOW)) as browser, owner_engine.connect() as owner:
        browser.enter(world.people["heqing_admin"]).token()
        owner.execute(text(AUDIT_LOCK), {"key": f"audit:{world.heqing.tenant_id}"})

        def cut() -> None:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while (waiting := owner.scalar(text(WAITING))) is None and time.monotonic() < deadline:
                time.sleep(0.05)
            with runtime.connect() as another:
                another.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": waiting})

        answer, _ = at_once(lambda: browser.post(path, {"reason": "refused"}), cut)
        assert answer.status_code == 503
        assert "数据库" in answer.text
        owner.rollback()
        with world.hospital(world.heqing) as session:
            assert suppression.active_reasons(session, patient.id) == []
        assert browser.post(path, {"reason": "refused"}).status_code == 303


@pytest.mark.parametrize("url", ["amqp://guest:guest@127.0.0.1:1/", "redis://127.0.0.1:1/0"])
def test_a_broker_that_is_away_stops_no_request_and_its_messages_stay(engine_world: World, url: str) -> None:
    """Also when it is away already as the process starts."""
    database = engine_world.db
    assert database.master_key is not None
    parts = Runtime(Settings(), database, SetClock(NOW), database.master_key)
    parts.sender = BrokerSender(make_broker(url))
    database.after_commit = lambda ids: send_queued(parts, ids)
    with engine_world.hospital(engine_world.heqing) as session:
        outbox.enqueue(session, "test.any", now=NOW)
    with database.platform(PlatformScope(engine_world.agent, "test")) as platform:
        assert platform.scalars(select(OutboxMessage.sent_at)).all() == [None]


def test_a_contract_of_a_far_year_is_a_slip_of_the_pen(world: World) -> None:
    with world.hospital(world.heqing) as session:
        with pytest.raises(Refused):
            agree(session, Terms(), starts_on=date(2062, 9, 1), now=NOW)
        agree(session, Terms(), starts_on=date(2026, 9, 1), now=NOW)


# ------------------------------------------------------------------------------------------------ clocks


@pytest.mark.parametrize(
    "at",
    ["2026-12-31T23:59:59+08:00", "2027-01-04T10:00:00+08:00", "2028-02-29T10:00:00+08:00"],
)
def test_a_year_without_a_calendar_stops_calls_and_nothing_else(db: Database, world: World, at: str) -> None:
    """Cases open with a limit in every tier and their pages print them; only dialling waits."""
    wiring.wire()
    now = datetime.fromisoformat(at)
    with world.firm() as firm:
        assign(firm, world.people["agent"], world.heqing.tenant_id, NOW)
    with world.hospital(world.heqing) as session:
        ids = due_task(world, session, closes_at=now + timedelta(days=4))
        cases = [open_case(session, new_case(tier=tier), actor=world.admin, now=now) for tier in (1, 2, 3)]
        assert all(clocks(session, case) for case in cases)
        hold = PatientHold(
            tenant_id=session.tenant_id, id=ids["patient_id"], task_id=ids["task_id"], why="rest",
            agent_id=world.people["agent"], drawn_at=now, until=now + timedelta(minutes=5),
        )  # fmt: skip
        session.add(hold)
        session.flush()
        with pytest.raises(ContactRefused) as refused:
            dial(session, ids["task_id"], ids["point_id"], world.agent, now)
        assert refused.value.reason == ("out_of_hours" if now.year == 2026 else "calendar_missing")
    with browsing(db, clock=SetClock(now)) as browser:
        browser.enter(world.people["agent"])
        for path in ("/workbench", "/workbench/card", "/h/heqing/plans", f"/h/heqing/cases/{cases[2].id}"):
            assert browser.get(path).status_code == 200, path
