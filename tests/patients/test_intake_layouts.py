"""Headers remembered and compared: what changed, what a person chooses, and what is unusual about a size."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import NOW, World

from foundation.web.errors import UserMistake
from patients import layouts, mapping
from patients.feeds.headers import recognise
from patients.feeds.messages import UnreadableFile

HEADER = ("病案号", "姓名", "性别", "联系电话", "出院日期", "出院科室")
STRANGE = ("编码", "称呼", "离开", "电话一")
CHOSEN = {0: "record_number", 1: "name", 2: "discharged_on", 3: "phone"}
WORDS = st.sampled_from([*HEADER, "电话", "电话 (2)", "备注", "", " ", "姓 名", "XM"])


@given(st.lists(WORDS, min_size=1, max_size=12))
def test_each_column_has_a_name_of_its_own_that_stays(cells: list[str]) -> None:
    names = layouts.headings(tuple(cells))
    assert len(set(names)) == len(names)
    assert layouts.headings(names) == names


@given(st.permutations(HEADER))
def test_the_order_of_headings_is_no_change_and_their_writing_neither(cells: list[str]) -> None:
    before = {"name": ["姓名"]}
    assert layouts.change(HEADER, before, tuple(cells)) is None
    assert layouts.change(HEADER, before, tuple(f" {cell}（必填）" for cell in cells)) is None


def test_a_change_names_what_is_gone_with_its_field_and_what_is_new() -> None:
    found = layouts.change(
        HEADER, {"phone": ["联系电话"]}, ("病案号", "姓名", "性别", "本人手机", "出院日期", "出院科室")
    )
    assert found is not None
    assert found.gone == (("联系电话", "phone"),)
    assert found.new == ("本人手机",)


def test_our_own_column_of_reasons_is_no_change() -> None:
    assert layouts.change(HEADER, {}, (*HEADER, "原因")) is None
    assert layouts.digest((*HEADER, "Reason")) == layouts.digest(HEADER)


@pytest.mark.parametrize(
    ("rows", "earlier", "alarm"),
    [
        (140, [100, 100, 100], False),
        (141, [100, 100, 100], True),
        (60, [100, 100, 100], False),
        (59, [100, 100, 100], True),
        (59, [100, 100], False),
        (200, [100, 200, 300, 9_000], False),
    ],
)
def test_a_size_is_unusual_beyond_two_fifths_of_the_last_three(
    rows: int, earlier: list[int], alarm: bool
) -> None:
    assert (layouts.size_alarm(rows, earlier) is not None) is alarm


def test_a_choice_by_hand_holds_for_the_next_file_however_its_headings_are_written(world: World) -> None:
    with world.hospital(world.heqing) as session:
        assert layouts.read_header(session, STRANGE).layout is None
        layout = layouts.by_hand(STRANGE, mapping.chosen(STRANGE, CHOSEN))
        layouts.remember(session, STRANGE, layout, hand=True, by="陈静", now=NOW)
        for header in (STRANGE, tuple(f"{cell}＊" for cell in STRANGE)):
            reading = layouts.read_header(session, header)
            assert reading.sure
            assert reading.layout is not None
            assert dict(reading.layout.columns) == dict(layout.columns)
        turned = layouts.read_header(session, STRANGE[::-1])
        assert turned.sure
        assert turned.layout is not None
        assert turned.layout.columns["record_number"] == (3,)
    with world.hospital(world.yunling) as session:
        assert layouts.read_header(session, STRANGE).layout is None, "another hospital knows nothing of it"


def test_a_header_is_asked_about_when_it_differs_from_the_last_and_not_twice(world: World) -> None:
    changed = ("病案号", "姓名", "性别", "本人手机", "出院日期", "出院科室")
    visits = ("病案号", "姓名", "联系电话", "就诊日期")
    with world.hospital(world.heqing) as session:
        assert layouts.read_header(session, HEADER).sure, "the first list of a hospital is read as it is"
        layouts.remember(session, HEADER, recognise(HEADER), hand=False, by="陈静", now=NOW)
        assert layouts.read_header(session, visits).sure, "another kind of visit is compared with its own"
        reading = layouts.read_header(session, changed)
        assert (reading.sure, reading.change is not None) == (False, True)
        assert reading.layout is not None
        later = NOW + timedelta(days=1)
        layouts.remember(session, changed, reading.layout, hand=False, by="陈静", now=later)
        assert layouts.read_header(session, changed).sure
        assert layouts.read_header(session, HEADER).sure
        known = layouts.remembered(session, changed)
        assert known is not None
        layouts.forget(session, known.id)
        layouts.remember(session, HEADER, recognise(HEADER), hand=False, by="陈静", now=later)
        assert not layouts.read_header(session, changed).sure


def test_a_choice_must_be_whole_and_without_doubt() -> None:
    with pytest.raises(UserMistake, match="“称呼”和“电话一”"):
        mapping.chosen(STRANGE, CHOSEN | {3: "name"})
    with pytest.raises(UserMistake, match="姓名"):
        mapping.chosen(STRANGE, {0: "record_number", 2: "discharged_on"})
    with pytest.raises(UserMistake, match="字段"):
        mapping.chosen(STRANGE, CHOSEN | {3: "salary"})
    with pytest.raises(UserMistake, match="没有“姓名”这一列"):
        mapping.given(STRANGE, {"name": "姓名"})
    with pytest.raises(UserMistake, match="两个字段"):
        mapping.given(STRANGE, {"name": "称呼", "record_number": "称呼"})
    with pytest.raises(UserMistake, match="JSON"):
        mapping.from_json("[1]")


def test_repeated_headings_are_columns_of_their_own() -> None:
    header = ("病案号", "姓名", "出院日期", "姓名", "电话")
    with pytest.raises(UnreadableFile):
        recognise(header)
    names = layouts.headings(header)
    assert names[3] == "姓名 (2)"
    layout = layouts.by_hand(
        header,
        mapping.given(header, {"record_number": "病案号", "name": "姓名 (2)", "discharged_on": "出院日期"}),
    )
    assert layout.columns["name"] == (3,)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("张建国", "张**"),
        ("13812345678", "138****78"),
        ("2026-09-05", "2026-09-05"),
        ("1", "1"),
        ("110101199003071234", "110****34"),
        ("河北省某市某路某号", "河**号"),
    ],
)
def test_examples_show_no_person(value: str, shown: str) -> None:
    assert mapping.masked_example(value) == shown
