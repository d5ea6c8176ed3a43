"""A watched folder: complete files are imported once and moved, also when the process dies in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from world import NOW, World

from careloop import wiring
from careloop.watching import UnsafeFolder, Watched
from foundation.clock import SetClock
from foundation.database import Database
from foundation.scope import Actor, HospitalScope
from patients import feed_queries, intake_run
from patients.models import DataImport, Encounter, Patient
from tenants.models import Hospital

HEADER = "病案号,姓名,性别,手机号,出院日期,出院科室,离院方式\n"
ROW = "H0001,张𠮷,男,13800138000,2026-09-08,骨科,1\n"
BAD = ",无名,男,13800138001,2026-09-08,骨科,1\n"


class Killed(BaseException):
    """The process died here."""


@pytest.fixture
def watched(engine_db: Database, engine_world: World, tmp_path: Path) -> Callable[..., Watched]:
    wiring.wire()
    scope = HospitalScope(engine_world.heqing.tenant_id, Actor.system("careloop feed watch"), "feed")
    clock = SetClock(NOW)

    def make(*, dies: bool = False) -> Watched:
        def follow(import_id: UUID) -> DataImport:
            intake_run.run(engine_db, scope, import_id, clock=clock)
            if dies:
                raise Killed
            with engine_db.hospital(scope) as session:
                return session.get_one(DataImport, (scope.tenant_id, import_id))

        return Watched(tmp_path, engine_db, scope, clock, follow)

    return make


def twice(one: Watched) -> int:
    """Two looks: a file is complete when nothing changed between them."""
    return one.round() + one.round()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def patients(world: World) -> int:
    with world.hospital(world.heqing) as session:
        return session.scalar(select(func.count()).select_from(Patient)) or 0


def test_a_complete_file_is_imported_and_moved(
    watched: Callable[..., Watched], engine_world: World, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text(HEADER + ROW + BAD)
    (tmp_path / "next.csv.part").write_text(HEADER)
    one = watched()
    assert one.round() == 0
    (tmp_path / "list.csv").write_text(HEADER + ROW + BAD + "\n")
    assert one.round() == 0  # it was still written to
    assert one.round() == 1
    assert names(tmp_path) == {"next.csv.part", "done"}
    assert names(tmp_path / "done") == {"list.csv"}
    assert patients(engine_world) == 1
    with engine_world.hospital(engine_world.heqing) as session:
        row = session.scalars(select(DataImport)).one()
        assert (row.source, row.state, row.rows, row.created, row.rejected) == ("folder", "done", 2, 1, 1)
        assert [feed.kind for feed in feed_queries.ages(session, NOW)] == ["folder"]


def test_what_cannot_be_read_lies_in_failed_with_the_reason(
    watched: Callable[..., Watched], engine_world: World, tmp_path: Path
) -> None:
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    (tmp_path / "empty.csv").write_bytes(b" ")
    (tmp_path / "list.csv").write_text(HEADER + ROW)
    assert twice(watched()) == 3
    assert names(tmp_path / "failed") == {"picture.csv", "picture.csv.txt", "empty.csv", "empty.csv.txt"}
    assert (tmp_path / "failed" / "picture.csv.txt").read_text().strip()
    assert names(tmp_path / "done") == {"list.csv"}


def test_a_header_that_changed_is_asked_about_and_not_guessed(
    watched: Callable[..., Watched], engine_world: World, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(HEADER + ROW)
    assert twice(watched()) == 1
    (tmp_path / "b.csv").write_text(HEADER.replace("手机号,", "") + "H0002,李四,女,2026-09-08,骨科,1\n")
    assert twice(watched()) == 1
    assert names(tmp_path / "failed") == {"b.csv", "b.csv.txt"}
    assert patients(engine_world) == 1


def test_dying_between_the_import_and_the_move_imports_nothing_twice(
    watched: Callable[..., Watched], engine_world: World, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text(HEADER + ROW)
    with pytest.raises(Killed):
        twice(watched(dies=True))
    assert names(tmp_path) == {"list.csv"}
    assert twice(watched()) == 1
    assert names(tmp_path / "done") == {"list.csv"}
    with engine_world.hospital(engine_world.heqing) as session:
        assert len(session.scalars(select(DataImport)).all()) == 1
    assert patients(engine_world) == 1


def test_a_list_that_says_again_what_an_older_one_said_is_imported_again(
    watched: Callable[..., Watched], engine_world: World, tmp_path: Path
) -> None:
    one = watched()
    home, died = HEADER + ROW, HEADER + ROW.replace("骨科,1", "骨科,5")
    for name, content in (("a.csv", home), ("b.csv", died), ("c.csv", home), ("d.csv", home)):
        (tmp_path / name).write_text(content)
        assert twice(one) == 1
    with engine_world.hospital(engine_world.heqing) as session:
        assert session.scalars(select(Encounter.disposition)).one() == "home"
        # The last one says what the one before it said.
        assert len(session.scalars(select(DataImport)).all()) == 3


def test_links_are_not_followed(watched: Callable[..., Watched], engine_world: World, tmp_path: Path) -> None:
    folder, beyond = tmp_path, tmp_path.parent / f"{tmp_path.name}-beyond"
    beyond.mkdir()
    (beyond / "secret.csv").write_text(HEADER + ROW)
    (folder / "list.csv").symlink_to(beyond / "secret.csv")
    (folder / "failed").mkdir()
    (folder / "failed" / "wrong.csv.txt").symlink_to(beyond / "secret.csv")
    (folder / "wrong.csv").write_text("nonsense")
    assert twice(watched()) == 2
    assert patients(engine_world) == 0
    assert (beyond / "secret.csv").read_text() == HEADER + ROW
    assert "不跟随链接" in (folder / "failed" / "list.csv.txt").read_text()
    assert (folder / "failed" / "wrong (2).csv.txt").is_file()
    (folder / "done").symlink_to(beyond)
    (folder / "good.csv").write_text(HEADER + ROW)
    with pytest.raises(UnsafeFolder, match="done/ is a link"):
        watched().round()
    assert names(beyond) == {"secret.csv"}


def test_files_stay_while_the_hospital_is_paused(
    watched: Callable[..., Watched], engine_world: World, tmp_path: Path
) -> None:
    def stage(state: str) -> None:
        with engine_world.hospital(engine_world.heqing) as session:
            values = update(Hospital).where(Hospital.tenant_id == session.tenant_id).values(state=state)
            session.execute(values)

    (tmp_path / "list.csv").write_text(HEADER + ROW)
    stage("suspended")
    one = watched()
    assert (twice(one), one.unsettled) == (0, False)
    assert names(tmp_path) == {"list.csv"}
    stage("active")
    assert twice(one) == 1
    assert patients(engine_world) == 1
