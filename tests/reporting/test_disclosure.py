"""Nobody learns a single hospital's value from what is published."""

import random
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.disclosure import (
    Contribution,
    PeerGroup,
    PeerResult,
    ReleasedSet,
    Thresholds,
    differencing_conflicts,
    first_publishable,
    largest_share,
    own_cell,
    peer_statistics,
    release_in_order,
)


def group(size: int, *, n: int = 100, first: int = 0, mean: float = 80) -> tuple[Contribution, ...]:
    return tuple(Contribution(f"h{i}", n, mean + i % 7, 12.0) for i in range(first, first + size))


def released(name: str, members: str, level: str = "region") -> ReleasedSet:
    return ReleasedSet(level, name, frozenset(members))


# ------------------------------------------------------------------------------------------------- own cell


@pytest.mark.parametrize(
    ("n", "shown", "flagged", "ranked", "reason"),
    [
        (0, False, False, False, "too_few_answers"),
        (9, False, False, False, "too_few_answers"),
        (10, True, True, False, "few_answers"),
        (29, True, True, False, "few_answers"),
        (30, True, False, True, None),
    ],
)
def test_the_ladder_of_small_numbers(
    n: int, shown: bool, flagged: bool, ranked: bool, reason: str | None
) -> None:
    cell = own_cell(n)
    assert (cell.shown, cell.flagged, cell.ranked, cell.reason) == (shown, flagged, ranked, reason)


# ------------------------------------------------------------------------------------------------- peers


def test_five_with_the_reader_are_withheld_six_are_shown_and_five_again_are_not() -> None:
    five, six = group(5), group(6)
    assert peer_statistics("h0", five).withheld == "too_few_hospitals"
    shown = peer_statistics("h0", six)
    assert (shown.withheld, shown.hospitals) == (None, 6)
    assert shown.mean == pytest.approx(82.5)
    assert shown.median == 82.5
    after = peer_statistics("h0", six[:-1])
    assert (after.withheld, after.mean, after.median) == ("too_few_hospitals", None, None)
    pair = [ReleasedSet("region", str(len(m)), frozenset(c.hospital for c in m)) for m in (six, five)]
    assert [c.difference for c in differencing_conflicts(pair)] == [1]


def test_a_member_on_paper_does_not_count() -> None:
    members = (*group(5), Contribution("h5", 9, 10.0, 12.0))
    result = peer_statistics("h0", members)
    assert (result.withheld, result.hospitals) == ("too_few_hospitals", 5)
    more = (*group(6), Contribution("h6", 9, 10.0, 12.0))
    assert peer_statistics("h0", more).mean == peer_statistics("h0", group(6)).mean


def test_the_reader_with_few_answers_sees_the_group_and_not_itself() -> None:
    members = (*group(6, first=1), Contribution("h0", 7, 99.0, 3.0))
    result = peer_statistics("h0", members)
    assert (result.withheld, result.hospitals) == (None, 6)
    assert (result.own_index, result.own_interval, result.third) == (None, None, None)
    assert result.own.reason == "too_few_answers"


def test_a_dominant_hospital_is_withheld_by_weight_and_by_answers() -> None:
    assert largest_share([500, 250, 200, 150, 150]) == 0.40
    heavy = (replace(group(6)[0], weight=5.0), *group(6)[1:])
    assert peer_statistics("h1", heavy).withheld == "dominant_weight"
    big = (replace(group(6)[0], n=501), *group(6)[1:])
    assert peer_statistics("h1", big).withheld == "dominant_answers"
    half = (replace(group(6)[0], n=500), *group(6)[1:])
    assert peer_statistics("h1", half).withheld is None


def test_quartiles_need_ten_members() -> None:
    nine, ten = peer_statistics("h0", group(9)), peer_statistics("h0", group(10))
    assert (nine.lower_quartile, nine.upper_quartile) == (None, None)
    assert (ten.lower_quartile, ten.upper_quartile) == (81.0, 83.75)


@pytest.mark.parametrize(
    ("own", "n", "third"),
    [
        (95.0, 400, "upper"),
        (70.0, 400, "lower"),
        (83.0, 3000, "middle"),
        (85.0, 60, None),
        (95.0, 29, None),
    ],
)
def test_a_place_is_given_only_when_the_interval_lies_inside_it(
    own: float, n: int, third: str | None
) -> None:
    others = [Contribution(f"h{i}", 800, 78.0 + i, 10.0) for i in range(1, 10)]
    members = [Contribution("h0", n, own, 10.0), *others]
    assert peer_statistics("h0", members).third == third


def test_a_result_has_no_field_for_an_extreme_or_a_name() -> None:
    names = {field.name for field in fields(PeerResult)}
    assert not names & {"min", "max", "minimum", "maximum", "members", "rank", "names"}


members_strategy = st.lists(
    st.tuples(st.integers(0, 500), st.floats(0, 100), st.floats(0, 40)), min_size=1, max_size=14
)


@given(members_strategy, st.randoms(use_true_random=False))
def test_order_changes_nothing_and_every_shown_group_is_large(
    cells: list[tuple[int, float, float]], shuffle: random.Random
) -> None:
    members = [Contribution(f"h{i}", n, mean, sd) for i, (n, mean, sd) in enumerate(cells)]
    result = peer_statistics("h0", members)
    shuffled = members[:]
    shuffle.shuffle(shuffled)
    assert peer_statistics("h0", shuffled) == result
    others = [m for m in members[1:] if m.n >= 10]
    if result.withheld is None:
        assert len(others) >= 5
        assert result.mean is not None
    else:
        assert (result.mean, result.median, result.lower_quartile, result.third) == (None, None, None, None)
    if len(others) < 5:
        assert result.withheld == "too_few_hospitals"


# ------------------------------------------------------------------------------------------------- ladder


def test_a_small_region_gives_way_to_its_province_by_name() -> None:
    ladder = [
        PeerGroup("region", "河清市", group(4)),
        PeerGroup("province", "河北省", group(8)),
        PeerGroup("national", "全国", group(30)),
    ]
    found = first_publishable("h0", ladder)
    assert found.used is not None
    assert (found.asked.name, found.used.name, found.result.hospitals) == ("河清市", "河北省", 8)
    assert found.refused == (("河清市", "too_few_hospitals"),)
    wider = first_publishable("h0", ladder, blocked={"河北省"})
    assert wider.used is not None
    assert wider.used.name == "全国"
    assert wider.refused[1] == ("河北省", "would_reveal")


def test_where_no_group_is_large_enough_none_is_shown() -> None:
    ladder = [PeerGroup("region", "河清市", group(2)), PeerGroup("national", "全国", group(5))]
    found = first_publishable("h0", ladder)
    assert found.used is None
    assert found.result.withheld == "too_few_hospitals"
    assert found.result.own_index == 80
    with pytest.raises(ValueError, match="declared group"):
        first_publishable("h0", [])


# ------------------------------------------------------------------------------------------ differencing


def test_two_sets_differ_by_nothing_or_by_five() -> None:
    six, seven, eleven = released("a", "abcdef"), released("b", "abcdefg"), released("c", "abcdefghijk")
    assert differencing_conflicts([six, released("again", "abcdef")]) == []
    assert differencing_conflicts([six, eleven]) == []
    assert [(c.first, c.second, c.difference) for c in differencing_conflicts([six, seven])] == [
        ("a", "b", 1)
    ]
    swapped = released("swapped", "abcdeg")
    assert [c.difference for c in differencing_conflicts([six, swapped])] == [2]
    assert differencing_conflicts([six, released("elsewhere", "uvwxyz")]) == []


def test_what_the_provinces_leave_of_the_nation_is_not_one_hospital() -> None:
    north, south = released("north", "abcdef", "province"), released("south", "ghijkl", "province")
    nation = released("nation", "abcdefghijklm", "national")
    conflicts = differencing_conflicts([north, south, nation])
    assert [(c.first, c.second, c.difference) for c in conflicts] == [("north + south", "nation", 1)]
    # The same leak when the nation is out first and the second province follows.
    assert [c.second for c in differencing_conflicts([nation, north, south])] == ["south"]


def test_a_release_takes_what_comes_first_and_keeps_the_rest_back() -> None:
    nation, region = released("nation", "abcdefg", "national"), released("region", "abcdef")
    out, blocked = release_in_order([nation, region])
    assert [one.name for one in out] == ["nation"]
    assert [(c.first, c.second) for c in blocked] == [("nation", "region")]
    last_month = released("last month", "abcdefgh", "national")
    out, blocked = release_in_order([nation], earlier=[last_month])
    assert (out, [c.first for c in blocked]) == ([], ["last month"])


@given(st.lists(st.frozensets(st.sampled_from("abcdefghijklmnop"), min_size=5), max_size=8))
def test_whatever_is_released_passes_the_check(sets: list[frozenset[str]]) -> None:
    candidates = [ReleasedSet("x", str(i), members) for i, members in enumerate(sets)]
    out, blocked = release_in_order(candidates)
    assert differencing_conflicts(out) == []
    assert len(out) + len({c.second for c in blocked}) == len(candidates)


def test_thresholds_can_be_stricter() -> None:
    strict = Thresholds(hide_below=30, other_contributors=9)
    assert own_cell(29, strict).reason == "too_few_answers"
    assert peer_statistics("h0", group(9), strict).withheld == "too_few_hospitals"
    assert peer_statistics("h0", group(10), strict).withheld is None
