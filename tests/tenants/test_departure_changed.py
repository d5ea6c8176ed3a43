"""Nothing is erased that was not exported, and who stays leaves no copy behind."""

from __future__ import annotations

import pytest
from departing import as_firm, as_gm, clock, leaving, row_of, run_queued, until_exported, until_signed
from sqlalchemy import func, select, text
from web_client import Browser
from world import NOW, World

from foundation import extracts
from foundation.clock import SetClock
from foundation.files import StoredFile
from foundation.ids import new_id
from foundation.scope import Actor, FirmScope
from tenants import reach
from tenants.life import departure, departure_export, departure_jobs
from tenants.models import DirectoryEntry, Firm, Hospital
from tenants.service import add_departments

__all__ = ["clock", "leaving"]


def write_something(world: World) -> None:
    with world.hospital(world.heqing) as session:
        add_departments(session, session.tenant_id, ["签收之后的科室"])


def archives(world: World) -> int:
    with world.hospital(world.heqing) as session:
        return (
            session.scalar(
                select(func.count())
                .select_from(StoredFile)
                .where(
                    StoredFile.tenant_id == session.tenant_id, StoredFile.media_type == extracts.MEDIA_TYPE
                )
            )
            or 0
        )


def has_key(world: World) -> bool:
    with world.hospital(world.heqing) as session:
        return session.get_one(Hospital, session.tenant_id).wrapped_key is not None


def test_a_count_sheet_that_is_not_true_any_more_is_not_signed(leaving: Browser, engine_world: World) -> None:
    until_exported(leaving, engine_world)
    assert as_gm(leaving, engine_world).get("/h/heqing/departure/data").status_code == 200
    write_something(engine_world)
    assert leaving.post("/h/heqing/departure/sign", {"confirmed": "yes"}).status_code == 422
    assert row_of(engine_world).state == "exported"


def test_rows_written_after_the_signature_void_it_and_are_in_the_next_export(
    leaving: Browser, engine_world: World
) -> None:
    until_signed(leaving, engine_world)
    write_something(engine_world)
    refused = as_firm(leaving, engine_world).post("/h/heqing/departure/erase", {"typed": "heqing"})
    assert refused.status_code == 422
    row = row_of(engine_world)
    assert (row.state, row.signed_at, row.exported_at) == ("begun", None, None)
    assert leaving.post("/h/heqing/departure/export").status_code == 303
    run_queued(engine_world)
    as_gm(leaving, engine_world).get("/h/heqing/departure/data")
    assert leaving.post("/h/heqing/departure/sign", {"confirmed": "yes"}).status_code == 303
    as_firm(leaving, engine_world).post("/h/heqing/departure/erase", {"typed": "heqing"})
    run_queued(engine_world)
    assert row_of(engine_world).state == "erased"


def test_rows_written_while_the_erasure_waits_stop_it_before_the_key_is_gone(
    leaving: Browser, engine_world: World
) -> None:
    until_signed(leaving, engine_world)
    as_firm(leaving, engine_world).post("/h/heqing/departure/erase", {"typed": "heqing"})
    write_something(engine_world)
    assert run_queued(engine_world) == [departure.ERASE_JOB]
    assert row_of(engine_world).state == "begun"
    assert has_key(engine_world)


def test_a_hospital_of_another_firm_is_neither_exported_nor_erased(
    leaving: Browser, engine_world: World, clock: SetClock
) -> None:
    """However the departure was left behind."""
    world = engine_world
    until_signed(leaving, world)
    as_firm(leaving, world).post("/h/heqing/departure/erase", {"typed": "heqing"})
    other = new_id()
    with world.db.firm(FirmScope(other, (), Actor.system("test"), "test")) as session:
        session.add(Firm(firm_id=other, code="cn", name="长宁客服", name_en="", created_at=NOW))
    elsewhere = {"to": other, "t": world.heqing.tenant_id}
    with world.firm() as firm:
        reach.hospital_leaves(firm, world.heqing.tenant_id)
    with world.hospital(world.heqing) as session:
        for table in (Hospital, DirectoryEntry):
            session.execute(
                text(f"UPDATE {table.__tablename__} SET firm_id = :to WHERE tenant_id = :t"), elsewhere
            )
    run_queued(world)
    assert has_key(world)
    with world.firm() as session:
        row = departure.current(session, world.heqing.tenant_id)
        assert row is not None
        row.progress = row.progress | {"seen_at": "2020-01-01T00:00:00+00:00"}
        session.flush()
        departure_jobs.watch(session, NOW)
    assert run_queued(world) == []


def test_who_stays_after_all_leaves_no_full_copy_behind(
    leaving: Browser, engine_world: World, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = engine_world
    until_exported(leaving, world)
    assert archives(world) > 0
    assert leaving.post("/h/heqing/departure/withdraw", {"reason": "留下"}).status_code == 303
    assert archives(world) == 0
    # A run that is stopped once its pieces are kept takes them away itself.
    leaving.post("/h/heqing/departure/begin", {"reason": "合同到期"})
    leaving.post("/h/heqing/departure/export")
    keep = departure_export._Export._keep

    def stopped_late(self: departure_export._Export, *given: object) -> list[str]:
        parts = keep(self, *given)  # type: ignore[arg-type]
        with world.firm() as session:
            departure.stop_export(session, world.heqing.tenant_id)
        return parts

    monkeypatch.setattr(departure_export._Export, "_keep", stopped_late)
    assert not departure_export.run(world.db, world.firm_id, row_of(world).id, clock=clock)
    assert archives(world) == 0


def test_no_number_of_a_person_is_kept_in_a_reason(leaving: Browser, engine_world: World) -> None:
    as_firm(leaving, engine_world).post("/h/heqing/departure/begin", {"reason": "王先生 13812345678 投诉"})
    assert row_of(engine_world).reason == "王先生 138****5678 投诉"
