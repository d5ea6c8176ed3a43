"""The life of an import: claimed once, taken over when its worker is gone, stopped, confirmed, dropped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from imports import run_imports
from sqlalchemy import func, select, text
from web_client import MASTER
from world import NOW, World

from foundation.clock import SetClock
from foundation.database import Database, HospitalSession
from foundation.files import StoredFile
from foundation.outbox import OutboxMessage
from foundation.runtime import Runtime
from foundation.scope import Actor, HospitalScope
from foundation.settings import Settings
from patients import intake, intake_jobs, intake_run, uploads
from patients.models import DataImport, Encounter, Patient

SAMPLES = Path(__file__).parents[2] / "platform" / "careloop" / "samples"
NAME = "beishan_discharges_202609.csv"
CONTENT = (SAMPLES / NAME).read_bytes()
LATER = NOW + intake_run.LEASE


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def parts(db: Database, clock: SetClock) -> Runtime:
    assert db.master_key is not None
    return Runtime(Settings(master_key=MASTER), db, clock, db.master_key)


def scope(world: World) -> HospitalScope:
    return HospitalScope(world.heqing.tenant_id, Actor.system("test"), "test")


def arrive(world: World, *, go: bool = False, content: bytes = CONTENT) -> UUID:
    with world.hospital(world.heqing) as session:
        arrival = intake.Arrival("upload", "陈静", NOW, go=go, ask=True)
        return intake.receive(session, content, NAME, arrival).id


def row_of(world: World, import_id: UUID) -> DataImport:
    with world.hospital(world.heqing) as session:
        return session.get_one(DataImport, (session.tenant_id, import_id))


def acts(world: World, act: Callable[..., Any], import_id: UUID, **options: Any) -> None:
    with world.hospital(world.heqing) as session:
        act(session, import_id, **options)


def counted(session: HospitalSession, table: type[Any]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_checked_then_confirmed_twice_is_imported_once(world: World, parts: Runtime) -> None:
    import_id = arrive(world)
    assert row_of(world, import_id).state == "checking"
    run_imports(parts)
    checked = row_of(world, import_id)
    assert (checked.state, checked.rows, checked.created) == ("checked", 190, 181)
    with world.hospital(world.heqing) as session:
        assert counted(session, Patient) == 0
    for _ in range(2):
        acts(world, intake.confirm, import_id, despite_alarms=True, now=NOW)
    run_imports(parts)
    done = row_of(world, import_id)
    assert (done.state, done.created, done.file_id, done.preview_cipher) == ("done", 181, None, None)
    assert done.rows == done.created + done.updated + done.unchanged + done.rejected
    with world.hospital(world.heqing) as session:
        assert counted(session, Encounter) == 181
        assert counted(session, DataImport) == 1


def test_the_same_file_twice_is_one_import_while_it_is_at_work(world: World, parts: Runtime) -> None:
    first = arrive(world, go=True)
    assert arrive(world, go=True) == first
    run_imports(parts)
    assert arrive(world, go=True) != first, "sent again later it is judged anew"
    run_imports(parts)
    with world.hospital(world.heqing) as session:
        assert counted(session, Encounter) == 181


def test_a_run_is_claimed_once_and_the_next_one_waits_for_it(world: World, parts: Runtime) -> None:
    first, second = arrive(world, go=True), arrive(world, go=True, content=CONTENT + b"\r\n")
    with world.hospital(world.heqing) as session:
        assert intake_run.claimed(session, first, now=NOW) is not None
        assert intake_run.claimed(session, first, now=NOW) is None, "somebody works on it"
        assert intake_run.claimed(session, second, now=NOW) is None, "one after the other"
    assert row_of(world, second).state == "waiting"


def test_a_run_given_up_for_dead_is_taken_over_and_cannot_finish(
    engine_world: World, clock: SetClock
) -> None:
    world = engine_world
    import_id = arrive(world, go=True)

    def dies(_phase: str, _done: int, _of: int) -> None:
        if clock.at < LATER:
            clock.at = LATER
            with world.hospital(world.heqing) as session:
                assert intake_run.claimed(session, import_id, now=LATER) is not None

    assert intake_run.run(world.db, scope(world), import_id, clock=clock, listen=dies)
    row = row_of(world, import_id)
    assert (row.state, row.attempt) == ("running", 2)
    with world.hospital(world.heqing) as session:
        assert counted(session, Patient) == 0
    clock.at = LATER + intake_run.LEASE
    assert intake_run.run(world.db, scope(world), import_id, clock=clock)
    assert row_of(world, import_id).state == "done"


def test_a_file_that_kills_three_workers_is_given_up(world: World, parts: Runtime, clock: SetClock) -> None:
    import_id = arrive(world, go=True)
    for _ in range(intake_run.MOST_TAKEOVERS):
        with world.hospital(world.heqing) as session:
            assert intake_run.claimed(session, import_id, now=clock.now()) is not None
        clock.at += intake_run.LEASE
    with world.hospital(world.heqing) as session:
        assert intake_run.claimed(session, import_id, now=clock.now()) is None
    row = row_of(world, import_id)
    assert (row.state, row.failure) == ("failed", {"code": "gave_up"})
    acts(world, intake.try_again, import_id, now=clock.now())
    run_imports(parts)
    assert row_of(world, import_id).state == "checked"


def test_a_stop_is_heard_in_the_middle_and_nothing_is_written(engine_world: World, clock: SetClock) -> None:
    world = engine_world
    import_id = arrive(world, go=True)
    seen: list[tuple[str, int, str]] = []

    def stops(phase: str, _done: int, _of: int) -> None:
        row = row_of(world, import_id)
        seen.append((row.phase, row.progress_of, row.state))
        if phase == "writing" and row.stop_asked_at is None:
            acts(world, intake.stop, import_id, now=NOW)

    assert intake_run.run(world.db, scope(world), import_id, clock=clock, listen=stops)
    assert ("reading", 190, "running") in seen, "others see how far it is"
    assert row_of(world, import_id).state == "stopped"
    with world.hospital(world.heqing) as session:
        assert counted(session, Patient) == 0
        assert session.scalar(text("SELECT count(*) FROM import_trail")) == 0


def test_what_waits_is_stopped_at_once_and_can_be_tried_again(world: World, parts: Runtime) -> None:
    import_id = arrive(world)
    acts(world, intake.stop, import_id, now=NOW)
    assert row_of(world, import_id).state == "stopped"
    run_imports(parts)
    assert row_of(world, import_id).state == "stopped"
    acts(world, intake.try_again, import_id, now=NOW)
    run_imports(parts)
    assert row_of(world, import_id).state == "checked"
    with pytest.raises(intake.NotNow):
        acts(world, intake.stop, import_id, now=NOW)


def test_the_tick_finds_what_nobody_works_on(world: World, clock: SetClock, parts: Runtime) -> None:
    import_id = arrive(world, go=True)
    with world.hospital(world.heqing) as session:
        session.execute(text("UPDATE outbox_message SET sent_at = queued_at"))  # the hints were lost
        assert intake_run.claimed(session, import_id, now=NOW) is not None
        intake_jobs.imports_due(session, NOW)
    assert run_imports(parts) == 0, "its worker still has a lease"
    clock.at = LATER
    with world.hospital(world.heqing) as session:
        intake_jobs.imports_due(session, LATER)
        assert session.scalar(select(func.count()).where(OutboxMessage.sent_at.is_(None))) == 1
    run_imports(parts)
    assert row_of(world, import_id).state == "done"


def test_a_file_found_unreadable_later_ends_with_its_reason(world: World, parts: Runtime) -> None:
    import_id = arrive(world, content="病案号,姓名,出院日期\n".encode())
    run_imports(parts)
    row = row_of(world, import_id)
    assert (row.state, row.failure) == ("failed", {"code": "no_rows"})
    acts(world, intake.discard, import_id)
    with world.hospital(world.heqing) as session:
        assert (counted(session, DataImport), counted(session, StoredFile)) == (0, 0)


def test_after_a_day_a_failed_one_stays_without_its_file(world: World, parts: Runtime) -> None:
    failed, checked = arrive(world, content="病案号,姓名,出院日期\n".encode()), arrive(world)
    run_imports(parts)
    assert row_of(world, checked).state == "checked"
    with world.hospital(world.heqing) as session:
        intake_jobs.drop_uploads(session, NOW + uploads.KEPT_FOR + timedelta(minutes=1))
        assert counted(session, StoredFile) == 0
        assert session.scalars(select(DataImport.id)).all() == [failed]
    with pytest.raises(intake.NotNow):
        acts(world, intake.try_again, failed, now=NOW)


def test_what_waits_or_runs_is_never_dropped(world: World, parts: Runtime) -> None:
    import_id = arrive(world, go=True)
    with world.hospital(world.heqing) as session:
        intake_jobs.drop_uploads(session, NOW + uploads.KEPT_FOR * 3)
    run_imports(parts)
    assert row_of(world, import_id).state == "done"
