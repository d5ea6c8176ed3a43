"""An import that is undone has never been: every table is as before, byte for byte, or it says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest
from imported import (
    DIED,
    LATER,
    again,
    answered,
    asked,
    billed,
    booked,
    called,
    changed,
    complained,
    consented,
    corrected,
    everything,
    finished,
    known,
    merged,
    on_a_card,
    row,
    stopped,
    take,
    tick,
    visited,
    withdrawn,
)
from sqlalchemy import func, select, update
from world import NOW, World

from billing.models import Invoice, LedgerEntry
from careloop.wiring import wire
from foundation.database import HospitalSession
from foundation.web.errors import UserMistake
from patients import undoing
from patients.models import (
    DataImport,
    ImportBefore,
    ImportTrail,
    Patient,
    PossibleDuplicate,
)
from surveys.samples import draw_sample

CLINIC = "门诊号,姓名,性别,出生日期,联系电话,就诊日期,就诊科室"


@pytest.fixture
def session(world: World) -> Iterator[HospitalSession]:
    wire()
    with world.hospital(world.heqing) as session:
        yield session


LISTS: dict[str, list[str]] = {
    "new people": [row("B2001"), row("B2002", "韩梅", ward="新开科室"), row("B2003", "林涛", phone="x")],
    "a new stay of somebody known": [row("A1001", "王芳", stay=2, since="2026-09-13", left="2026-09-14")],
    "other data of somebody known": [row("A1001", "王芳芳", phone="13911112222", left="2026-09-13")],
    "the death of somebody known": [row("A1001", "王芳", stay=2, left="2026-09-14", way=DIED)],
    "the death of somebody new": [row("B2001", way=DIED)],
    "a likely duplicate": [row("B2001", "王芳", phone="13700001001")],
    "all at once": [
        row("A1001", "王芳", stay=2, left="2026-09-14", way=DIED),
        row("A1002", "陈刚", left="2026-09-11", phone="13911112222"),
        row("B2001", "陈刚", born="1980-02-03"),
        row("B2002", way=DIED),
    ],
}


@pytest.mark.parametrize("lines", LISTS.values(), ids=LISTS.keys())
@pytest.mark.parametrize("ticked", [False, True])
def test_an_undone_import_has_never_been(session: HospitalSession, lines: list[str], ticked: bool) -> None:
    known(session)
    before = everything(session)
    import_id = take(session, *lines)
    assert changed(before, everything(session))
    if ticked:
        tick(session)
    assert undoing.blocks(session, import_id, now=LATER) == []
    undoing.undo(session, import_id, now=LATER)
    if ticked:
        tick(session)
    found = changed(before, everything(session))
    if ticked:  # the ledger of an open month is written anew, to the same
        entries = found.pop("ledger_entry", {})
        kept = {"id", "created_at"}
        sides = [
            sorted(str({k: v for k, v in image.items() if k not in kept}) for image in side if image)
            for side in zip(*entries.values(), strict=True)
        ] or [[], []]
        assert sides[0] == sides[1]
    assert found == {}
    done = session.get_one(DataImport, (session.tenant_id, import_id))
    assert (done.state, done.undone_at, done.undone_by) == ("undone", LATER, "陈静")
    assert undoing.undo(session, import_id, now=LATER) == undoing.Undone(0, 0, 0)


def test_the_same_list_can_come_again_after_its_undo(session: HospitalSession) -> None:
    first = take(session, row("B2001"))
    undoing.undo(session, first, now=LATER)
    second = take(session, row("B2001"), at=LATER)
    assert session.get_one(DataImport, (session.tenant_id, second)).created == 1
    undoing.undo(session, second, now=LATER)


def test_two_lists_are_undone_the_last_one_first(session: HospitalSession) -> None:
    empty = everything(session)
    first = take(session, row("B2001"))
    second = take(session, row("B2001", "李雷雷", left="2026-09-13"), at=LATER)
    [told] = undoing.blocks(session, first, now=LATER)
    assert "1" in told
    undoing.undo(session, second, now=LATER)
    assert undoing.blocks(session, first, now=LATER) == []
    undoing.undo(session, first, now=LATER)
    assert {k: v for k, v in changed(empty, everything(session)).items() if k != "department"} == {}


BUILT: dict[str, tuple[Callable[[HospitalSession], None], str]] = {
    "called": (called, "通话"),
    "booked": (booked, "预约"),
    "finished": (finished, "联系"),
    "on a card": (on_a_card, "坐席"),
    "visited": (visited, "回访"),
    "answered": (answered, "问卷"),
    "complained": (complained, "反馈"),
    "billed": (billed, "账单"),
    "asked": (asked, "个人信息"),
    "merged": (merged, "合并"),
    "corrected": (corrected, "手工"),
    "stopped": (stopped, "停止"),
    "consented": (consented, "同意"),
    "withdrawn": (withdrawn, "撤回"),
    "again": (again, "名单"),
}


@pytest.mark.parametrize("built", BUILT.values(), ids=BUILT.keys())
def test_what_was_built_on_an_import_is_in_the_way_and_is_said(
    session: HospitalSession, built: tuple[Callable[[HospitalSession], None], str]
) -> None:
    build, word = built
    import_id = take(session, row("B2001"), row("B2002"))
    assert undoing.blocks(session, import_id, now=LATER) == []
    build(session)
    session.flush()
    sentences = undoing.blocks(session, import_id, now=LATER)
    assert any(word in sentence for sentence in sentences), sentences
    before = everything(session)
    with pytest.raises(UserMistake):
        undoing.undo(session, import_id, now=LATER)
    assert changed(before, everything(session)) == {}


def test_a_sample_drawn_from_its_visits_is_in_the_way(session: HospitalSession) -> None:
    import_id = take(session, "M1,李雷,男,1980-02-03,13700001111,2026-09-03,骨科", header=CLINIC)
    draw_sample(session, date(2026, 9, 1), now=LATER)
    sentences = undoing.blocks(session, import_id, now=LATER)
    assert any("抽样" in sentence for sentence in sentences), sentences


def test_a_death_that_a_list_took_back_is_not_noted_again_by_an_undo(session: HospitalSession) -> None:
    take(session, row("B2001", way=DIED), at=NOW - timedelta(days=2))
    import_id = take(session, row("B2001"))
    assert any("死亡" in sentence for sentence in undoing.blocks(session, import_id, now=LATER))


@pytest.mark.parametrize(
    ("values", "later"),
    [({"state": "running"}, 0), ({"source": "hl7"}, 0), ({}, 31)],
    ids=["running", "a feed", "too old"],
)
def test_an_import_at_another_point_of_its_life_is_not_undone(
    session: HospitalSession, values: dict[str, str], later: int
) -> None:
    import_id = take(session, row("B2001"))
    if values:
        session.execute(update(DataImport).values(**values))
    with pytest.raises(UserMistake):
        undoing.undo(session, import_id, now=LATER + timedelta(days=later))


def test_what_was_there_before_is_forgotten_after_thirty_days(session: HospitalSession) -> None:
    take(session, row("B2001"))
    again_id = take(session, row("B2001", left="2026-09-13"))
    undoing.drop_old(session, now=NOW + timedelta(days=29))
    assert session.scalar(select(func.count()).select_from(ImportBefore))
    undoing.drop_old(session, now=NOW + timedelta(days=31))
    for table in (ImportBefore, ImportTrail):
        assert session.scalar(select(func.count()).select_from(table)) == 0
    with pytest.raises(UserMistake):
        undoing.undo(session, again_id, now=NOW + timedelta(days=1))


def test_nobody_undoes_another_hospitals_import(world: World, session: HospitalSession) -> None:
    import_id = take(session, row("B2001"))
    with world.hospital(world.yunling) as other, pytest.raises(undoing.UnknownImport):
        undoing.undo(other, import_id, now=LATER)
    assert session.scalar(select(func.count()).select_from(PossibleDuplicate)) == 0
    assert session.scalar(select(func.count()).select_from(LedgerEntry)) == 0
    assert session.scalar(select(func.count()).select_from(Invoice)) == 0


def test_a_list_that_says_the_same_of_somebody_is_no_change_by_hand(session: HospitalSession) -> None:
    first = take(session, row("B2001"))
    before = session.scalars(select(Patient.updated_at).where(Patient.record_number == "B2001")).one()
    second = take(session, row("B2001", stay=2, since="2026-09-13", left="2026-09-14"), at=LATER)
    after = session.scalars(select(Patient.updated_at).where(Patient.record_number == "B2001")).one()
    assert after == before
    undoing.undo(session, second, now=LATER)
    assert undoing.blocks(session, first, now=LATER) == []
    undoing.undo(session, first, now=LATER)
