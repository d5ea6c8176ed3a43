"""A hospital leaves: handed back, signed, erased for good, and nobody else's data touched."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from departing import as_firm, as_gm, clock, leaving, row_of, run_queued, until_exported, until_signed
from every_table import mark
from sqlalchemy import Engine, func, select, text
from web_client import Browser
from world import NOW, TestHospital, World

from foundation import catalogue, erasure
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Base
from foundation.encryption import Undecipherable
from foundation.files import StoredFile
from foundation.scope import Actor, PlatformScope
from patients.models import ContactPoint
from reporting.models import BenchmarkRun
from tenants.keys import KeyDestroyed, data_key
from tenants.life import departure, departure_export, departure_jobs
from tenants.models import DirectoryEntry, Hospital, Membership, Person
from workforce import service as workforce

__all__ = ["clock", "leaving"]


def digest_of(world: World, hospital: TestHospital) -> str:
    """Everything of one hospital, as text."""
    seen = hashlib.sha256()
    with world.hospital(hospital) as session:
        for table in catalogue.tenant_tables():
            rows = session.execute(select(table).order_by(*table.primary_key.columns)).all()
            seen.update(repr(rows).encode())
    return seen.hexdigest()


def until_erased(browser: Browser, world: World) -> bytes:
    content = until_signed(browser, world)
    as_firm(browser, world)
    assert browser.post("/h/heqing/departure/erase", {"typed": "heqing"}).status_code == 303
    assert run_queued(world) == [departure.ERASE_JOB]
    return content


def test_the_whole_way_from_a_reason_to_a_certificate(leaving: Browser, engine_world: World) -> None:
    world = engine_world
    others = digest_of(world, world.yunling)
    content = until_erased(leaving, world)
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    assert mark("A1", "feedback_case", "text_cipher") in archive.read("tables/feedback_case.csv").decode()
    row = row_of(world)
    assert row.state == "erased"
    assert hashlib.sha256(content).digest() == row.export_sha256
    assert digest_of(world, world.yunling) == others, "another hospital's rows were touched"
    with world.hospital(world.heqing) as session:
        counts = catalogue.counts(session, world.heqing.tenant_id)
    assert {
        table.name: counts[table.name] for table in catalogue.deletion_order() if counts[table.name]
    } == {}
    assert row.erased["found"]["patient"] == 1
    page = leaving.get("/firm/departures").text
    assert "heqing" in page
    pdf = leaving.get(f"/firm/departures/{row.id}/certificate")
    assert pdf.content.startswith(b"%PDF")
    with world.firm() as session:
        assert session.scalar(select(BenchmarkRun.results)) == {"index": 88.1}


def test_after_the_erasure_no_table_anywhere_holds_a_word_of_the_hospitals_patients(
    leaving: Browser, engine_world: World, owner_engine: Engine
) -> None:
    """Also not in the firm's and the platform's tables: every table is read, as text, by its owner."""
    until_erased(leaving, engine_world)
    with owner_engine.begin() as owner:
        hospitals = (
            "{" + ",".join(str(h.tenant_id) for h in (engine_world.heqing, engine_world.yunling)) + "}"
        )
        owner.execute(
            text(
                "SELECT set_config('careloop.tenant_ids', :t, true), set_config('careloop.firm_id', :f, true)"
            ),
            {"t": hospitals, "f": str(engine_world.firm_id)},
        )
        found = {
            table.name: owner.scalar(text(f"SELECT count(*) FROM {table.name} t WHERE t::text LIKE '%A1·%'"))
            for table in Base.metadata.sorted_tables
        }
    stays = {"audit_event"}  # who saw what, by ids: the trail the law keeps
    assert {name for name, number in found.items() if number} <= stays


def test_the_address_answers_nobody_and_roles_are_gone(leaving: Browser, engine_world: World) -> None:
    world = engine_world
    until_erased(leaving, world)
    for person in ("firm_gm", "operations", "agent"):
        leaving.enter(world.people[person])
        for path in ("cases", "patients", "departure", "audit"):
            assert leaving.get(f"/h/heqing/{path}").status_code == 404
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        gone = session.get_one(Person, world.people["heqing_gm"])
        assert gone.disabled_at is not None
        assert session.get_one(Person, world.people["yunling_admin"]).disabled_at is None
        left = select(func.count()).select_from(Membership)
        assert session.scalar(left.where(Membership.tenant_id == world.heqing.tenant_id)) == 0
        entry = select(DirectoryEntry.state).where(DirectoryEntry.code == "heqing")
        assert session.scalar(entry) == "left"
    with world.firm() as session:
        assert workforce.hospitals_of_agent(session, world.people["agent"]) == [world.yunling.tenant_id]


def test_no_other_table_names_the_hospital_but_those_of_a_short_list(
    leaving: Browser, engine_world: World, owner_engine: Engine
) -> None:
    """A new table that names hospitals fails here until it is decided what a departure does to it."""
    ended = {"support_access", "hospital_move", "signin_session"}  # over, and nothing of patients in them
    kept = {"directory_entry", "departure", "stripe_event", "brand", "access_refusal"}
    hospital = str(engine_world.heqing.tenant_id)
    naming = {
        table.name
        for name, mapped in catalogue.classes().items()
        if mapped.table_class != "tenant"
        for table in [Base.metadata.tables[name]]
        if {"tenant_id", "code"} & set(table.columns.keys())
    }
    until_erased(leaving, engine_world)
    with owner_engine.begin() as owner:
        owner.execute(
            text("SELECT set_config('careloop.firm_id', :f, true)"), {"f": str(engine_world.firm_id)}
        )
        found = {
            name
            for name in naming - ended - kept - {"firm"}
            if owner.scalar(
                text(f"SELECT count(*) FROM {name} t WHERE t.tenant_id = :hospital"),
                {"hospital": hospital},
            )
        }
        assert owner.scalar(text("SELECT count(*) FROM brand WHERE code = 'heqing'")) == 0
    assert found == set()


def test_a_copy_of_the_rows_cannot_be_opened(leaving: Browser, engine_world: World) -> None:
    world = engine_world
    with world.hospital(world.heqing) as session:
        copy = session.scalars(select(ContactPoint.number_cipher)).first()
    until_erased(leaving, world)
    assert copy is not None
    with pytest.raises(KeyDestroyed), world.hospital(world.heqing) as session:
        data_key(session)
    with world.hospital(world.yunling) as session, pytest.raises(Undecipherable):
        data_key(session).decrypt(copy)


def test_nothing_is_erased_without_the_data_taken_the_signature_and_the_typed_code(
    leaving: Browser, engine_world: World
) -> None:
    world = engine_world
    until_exported(leaving, world)
    assert leaving.post("/h/heqing/departure/erase", {"typed": "heqing"}).status_code == 422
    assert leaving.get("/h/heqing/departure/data").status_code == 403, "the firm does not take the data"
    assert leaving.post("/h/heqing/departure/sign", {"confirmed": "yes"}).status_code == 403
    as_gm(leaving, world)
    assert leaving.post("/h/heqing/departure/sign", {"confirmed": "yes"}).status_code == 422
    leaving.get("/h/heqing/departure/data")
    assert leaving.post("/h/heqing/departure/sign", {}).status_code == 422
    assert leaving.post("/h/heqing/departure/sign", {"confirmed": "yes"}).status_code == 303
    assert leaving.post("/h/heqing/departure/erase", {"typed": "heqing"}).status_code == 403
    as_firm(leaving, world)
    assert leaving.post("/h/heqing/departure/erase", {"typed": "yunling"}).status_code == 422
    assert leaving.post("/h/heqing/departure/withdraw", {"reason": "x"}).status_code == 422, (
        "signed is signed"
    )
    assert row_of(world).state == "signed"


@pytest.mark.parametrize("person", ["agent", "operations", "heqing_admin", "yunling_admin"])
def test_nobody_else_sees_or_begins_a_departure(leaving: Browser, engine_world: World, person: str) -> None:
    leaving.enter(engine_world.people[person])
    expected = 404 if person in {"agent", "yunling_admin"} else 403
    if person == "agent":
        expected = 403
    assert leaving.get("/h/heqing/departure").status_code == expected
    assert leaving.post("/h/heqing/departure/begin", {"reason": "x"}).status_code == expected
    assert leaving.get("/firm/departures").status_code == 403


def test_withdrawn_before_the_signature_everything_is_as_before(
    leaving: Browser, engine_world: World
) -> None:
    world = engine_world
    until_exported(leaving, world)
    answer = leaving.post("/h/heqing/departure/withdraw", {"reason": "续约"})
    assert answer.status_code == 303
    with world.hospital(world.heqing) as session:
        assert session.get_one(Hospital, session.tenant_id).state == "active"
        assert session.scalar(text("SELECT count(*) FROM contact_task WHERE state = 'open'")) == 1
        assert data_key(session).decrypt(data_key(session).encrypt("x")) == "x"
    with world.firm() as session:
        assert departure.current(session, world.heqing.tenant_id) is None
    assert leaving.post("/h/heqing/departure/begin", {"reason": "again"}).status_code == 303


def test_a_stopped_export_leaves_nothing_and_begins_again(leaving: Browser, engine_world: World) -> None:
    world = engine_world
    as_firm(leaving, world)
    leaving.post("/h/heqing/departure/begin", {"reason": "合同到期"})
    leaving.post("/h/heqing/departure/export")
    assert leaving.post("/h/heqing/departure/export/stop").status_code == 303
    run_queued(world)
    assert row_of(world).state == "begun"
    with world.hospital(world.heqing) as session:
        packed = select(func.count()).where(StoredFile.media_type.contains("extract"))
        assert session.scalar(packed) == 0
    leaving.post("/h/heqing/departure/export")
    run_queued(world)
    assert row_of(world).state == "exported"


def test_a_run_that_was_replaced_ends_by_itself(leaving: Browser, engine_world: World) -> None:
    """Two messages of one export: the first belongs to a run that was stopped and must write nothing."""
    world = engine_world
    as_firm(leaving, world)
    leaving.post("/h/heqing/departure/begin", {"reason": "合同到期"})
    leaving.post("/h/heqing/departure/export")
    late = departure_export._Export(world.db, world.firm_id, row_of(world).id, SetClock(NOW))
    late.run_id = "another"
    with pytest.raises(departure_export.Stopped):
        late._beat(1)


def test_a_killed_worker_is_noticed_and_its_work_done_anew(
    leaving: Browser, engine_world: World, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = engine_world
    until_signed(leaving, world)
    as_firm(leaving, world)
    leaving.post("/h/heqing/departure/erase", {"typed": "heqing"})
    deleted: list[str] = []
    whole = erasure.erase_batch

    def dies(session: Any, table: Any) -> int:
        deleted.append(table.name)
        if table.name == "call":
            raise ConnectionError
        return whole(session, table)

    monkeypatch.setattr(erasure, "erase_batch", dies)
    with pytest.raises(ConnectionError):
        run_queued(world)
    monkeypatch.undo()
    assert row_of(world).state == "erasing"
    assert "feedback_case" in deleted
    with world.firm() as session:
        departure_jobs.watch(session, NOW + timedelta(minutes=5))
    assert run_queued(world) == [], "not given up after five minutes"
    clock.at = NOW + timedelta(minutes=11)
    with world.firm() as session:
        departure_jobs.watch(session, clock.now())
    assert run_queued(world) == [departure.ERASE_JOB]
    row = row_of(world)
    assert row.state == "erased"
    assert row.erased["found"]["feedback_case"] == 1, "counted once, before anything went"


def test_every_step_stands_in_the_hospitals_trail(leaving: Browser, engine_world: World) -> None:
    world = engine_world
    until_erased(leaving, world)
    with world.hospital(world.heqing) as session:
        steps = session.scalars(
            select(AuditEvent.action)
            .where(AuditEvent.action.startswith("tenants.departure"))
            .order_by(AuditEvent.seq)
        ).all()
    assert [step.removeprefix("tenants.departure_") for step in steps] == [
        "exported",
        "downloaded",
        "signed",
        "key_destroyed",
        "erased",
    ]
