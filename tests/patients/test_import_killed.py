"""A worker killed in the middle of an import and started again leaves what it would have left at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import MASTER_KEY, Urls
from sqlalchemy import LargeBinary, func, select
from world import NOW, TestHospital, World

from foundation import audit, files
from foundation.audit import AuditEvent
from foundation.database import Database, HospitalSession
from foundation.scope import Actor, HospitalScope
from patients.importing import import_file
from patients.models import (
    ContactPoint,
    DataImport,
    DataProblem,
    Encounter,
    Enrolment,
    ImportBefore,
    ImportTrail,
    Patient,
    PossibleDuplicate,
    RecordAlias,
    Suppression,
)
from tenants.models import Department

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "platform" / "careloop" / "samples" / "heqing_discharges_202609.csv"
TABLES: tuple[Any, ...] = (
    Department, Patient, ContactPoint, Encounter, Enrolment, Suppression, DataProblem, RecordAlias,
    PossibleDuplicate, DataImport, ImportTrail, ImportBefore, files.StoredFile, AuditEvent,
)  # fmt: skip
# What speaks of ids, and that the file names the one hospital and not the other.
LEFT_OUT = frozenset({"detail", "subject", "row_ids", "alarms"})
# A chunk is read, rows are compared, and near the end of writing them.
DEATHS = (2, 4, 15)


def contents(session: HospitalSession) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table an import writes, its ids and times aside; ids of patients by their number."""
    people = {row.id: row.record_number for row in session.scalars(select(Patient))}
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table in TABLES:
        columns = [
            column
            for column in table.__table__.columns
            if not isinstance(column.type, LargeBinary) and column.name not in LEFT_OUT
        ]
        rows = session.execute(select(*columns).where(table.tenant_id == session.tenant_id))
        shown = (
            tuple(
                str(people.get(value, "")) if column.name.endswith("id") else str(value)
                for column, value in zip(columns, row, strict=True)
                if not column.name.endswith("_at") and column.name not in ("at", "hash", "previous_hash")
            )
            for row in rows
        )
        found[table.__tablename__] = sorted(shown)
    trails = session.scalars(select(ImportTrail))
    found["trail"] = sorted((row.table_name, str(len(row.row_ids))) for row in trails)
    return found


def opened(db: Database, hospital: TestHospital) -> Any:
    return db.hospital(HospitalScope(hospital.tenant_id, Actor.system("test"), "test"))


def test_an_import_killed_and_started_again_is_as_if_it_had_not_been(
    engine_db: Database, engine_world: World, fresh_urls: Urls
) -> None:
    killed, spared = engine_world.heqing, engine_world.yunling
    places = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    environment = os.environ | {"CARELOOP_TEST_URL": fresh_urls.runtime, "PYTHONPATH": places}
    script = str(Path(__file__).with_name("dying_import.py"))
    arguments = [str(killed.tenant_id), str(SAMPLE), NOW.isoformat(), MASTER_KEY.key.hex()]
    for death in DEATHS:
        command = [sys.executable, script, *arguments, str(death)]
        assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
        with opened(engine_db, killed) as session:
            assert session.scalar(select(func.count()).select_from(Patient)) == 0
            assert session.scalar(select(func.count()).select_from(DataImport)) == 0
    for hospital in (killed, spared):
        with opened(engine_db, hospital) as session:
            report = import_file(session, SAMPLE.read_bytes(), SAMPLE.name, by="陈静", now=NOW)
            assert (report.created, report.rejected) == (421, 6)
    with opened(engine_db, killed) as session:
        again = contents(session)
        assert audit.first_broken(session) is None
    with opened(engine_db, spared) as session:
        at_once = contents(session)
    assert again["patient"]
    for table, rows in at_once.items():
        assert again[table] == rows, table
