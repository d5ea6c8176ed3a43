"""A worker killed in the middle of an import: another takes over, and the result is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from conftest import MASTER_KEY, Urls
from imports import run_imports
from sqlalchemy import func, select, text
from world import NOW, TestHospital, World

from foundation import runtime
from foundation.clock import SetClock
from foundation.runtime import Runtime
from foundation.settings import Settings
from patients import intake, intake_jobs, intake_run
from patients.models import DataImport

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "platform" / "careloop" / "samples" / "heqing_discharges_202609.csv"
# What the import of a list writes, without ids, keys and the moment it was read.
WRITTEN = {
    "patient": "record_number, name, sex, birth_date, age_years, contact_state",
    "encounter": "record_number, admission_count, discharged_on, disposition, diagnosis",
    "contact_point": "holder, number_masked, position",
    "enrolment": "started_on, ended_on",
    "suppression": "reason, source",
    "data_problem": "kind",
    "department": "name",
}


def test_killing_the_worker_in_the_middle_changes_nothing_of_the_result(
    engine_world: World, fresh_urls: Urls
) -> None:
    world = engine_world
    killed, plain = arrive(world, world.heqing), arrive(world, world.yunling)
    with world.db.hospital(scope_of(world, world.heqing)) as session:
        session.execute(text("UPDATE outbox_message SET sent_at = queued_at"))
    die_in_the_middle(world.heqing.tenant_id, killed, fresh_urls)
    with world.hospital(world.heqing) as session:
        row = session.get_one(DataImport, (session.tenant_id, killed))
        assert (row.state, row.phase) == ("running", "writing")
        assert session.scalar(text("SELECT count(*) FROM patient")) == 0, "nothing is half written"
    clock = SetClock(NOW + intake_run.LEASE)
    parts = Runtime(Settings(), world.db, clock, MASTER_KEY)
    runtime.install(parts)
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            intake_jobs.imports_due(session, clock.now())
    run_imports(parts)
    assert (state(world, world.heqing, killed), state(world, world.yunling, plain)) == ("done", "done")
    assert stored(world, world.heqing) == stored(world, world.yunling)
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(DataImport)) == 1


def scope_of(world: World, hospital: TestHospital) -> Any:
    with world.hospital(hospital) as session:
        return session.scope


def arrive(world: World, hospital: TestHospital) -> UUID:
    with world.hospital(hospital) as session:
        arrival = intake.Arrival("api", "陈静", NOW, go=True)
        return intake.receive(session, SAMPLE.read_bytes(), SAMPLE.name, arrival).id


def die_in_the_middle(tenant_id: UUID, import_id: UUID, urls: Urls) -> None:
    """Begin the import in another process, and kill that one while it writes."""
    roots = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    worker = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("import_worker.py")),
            str(tenant_id),
            str(import_id),
            NOW.isoformat(),
            b"0123456789abcdef0123456789abcdef".hex(),
        ],
        env={**os.environ, "CARELOOP_TEST_URL": urls.runtime, "PYTHONPATH": roots},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    with worker.stdout:
        assert worker.stdout.readline() == "writing\n"
        worker.send_signal(signal.SIGKILL)
        assert worker.wait(timeout=30) == -signal.SIGKILL


def state(world: World, hospital: TestHospital, import_id: UUID) -> str:
    with world.hospital(hospital) as session:
        return session.get_one(DataImport, (session.tenant_id, import_id)).state


def stored(world: World, hospital: TestHospital) -> dict[str, list[Any]]:
    with world.hospital(hospital) as session:
        return {
            table: sorted(map(str, session.execute(text(f"SELECT {columns} FROM {table}"))))
            for table, columns in WRITTEN.items()
        }
