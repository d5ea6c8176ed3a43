"""The numbers of the method page, recomputed."""

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.statistics import (
    mean_difference,
    mean_interval,
    share_difference,
    type7_quantile,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(86, 100, 0.778628, 0.914737), (10, 10, 0.722467, 1), (0, 12, 0, 0.242494), (3, 4, 0.300642, 0.954413)],
)
def test_wilson_intervals(successes: int, n: int, low: float, high: float) -> None:
    interval = wilson(successes, n)
    assert interval.low == pytest.approx(low, abs=5e-7)
    assert interval.high == pytest.approx(high, abs=5e-7)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_mirrors(cell: tuple[int, int]) -> None:
    successes, n = cell
    interval = wilson(successes, n)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1
    mirrored = wilson(n - successes, n)
    assert mirrored.low == pytest.approx(1 - interval.high, abs=1e-12)
    # More of the same answers narrow it.
    assert wilson(2 * successes, 2 * n).high - wilson(2 * successes, 2 * n).low < interval.high - interval.low


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_no_share_no_interval(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(successes, n)


def test_a_difference_of_two_shares_and_no_clear_change() -> None:
    difference = share_difference(172, 200, 181, 200)
    assert difference.value == pytest.approx(-0.045)
    assert difference.interval.low == pytest.approx(-0.109228, abs=5e-7)
    assert difference.interval.high == pytest.approx(0.018799, abs=5e-7)
    assert not difference.clear
    assert share_difference(150, 200, 181, 200).clear


def test_the_index_of_march_with_its_interval() -> None:
    # n 412, index 88.4: a standard deviation of 15.5 gives the printed 86.9 to 89.9.
    interval = mean_interval(412, 88.4, 15.5)
    assert interval is not None
    assert (round(interval.low, 1), round(interval.high, 1)) == (86.9, 89.9)
    assert mean_interval(1, 88.4, 0) is None
    edge = mean_interval(10, 99, 20)
    assert edge is not None
    assert edge.high == 100


def test_thirty_times_the_best_level_is_not_certainty() -> None:
    interval = mean_interval(30, 100, 0)
    assert interval is not None
    assert 88 < interval.low < 89
    assert interval.high == 100


def test_a_difference_of_means() -> None:
    difference = mean_difference((400, 88.0, 15.0), (400, 84.0, 15.0))
    assert difference is not None
    assert difference.interval.low == pytest.approx(4 - 1.959964 * 15 * (2 / 400) ** 0.5, abs=1e-5)
    assert difference.clear
    assert mean_difference((1, 88.0, 0.0), (400, 84.0, 15.0)) is None


def test_quantiles_are_of_type_seven() -> None:
    assert type7_quantile([1, 2, 3, 4], 0.25) == 1.75
    assert type7_quantile([10, 20], 1 / 3) == pytest.approx(40 / 3)
    with pytest.raises(ValueError, match="quantile"):
        type7_quantile([], 0.5)
    with pytest.raises(ValueError, match="quantile"):
        type7_quantile([1.0], 1.5)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.floats(0, 1))
def test_quantiles_lie_between_the_values_and_do_not_mind_order(values: list[float], q: float) -> None:
    assert min(values) <= type7_quantile(values, q) <= max(values)
    assert type7_quantile(values[::-1], q) == type7_quantile(values, q)
    assert type7_quantile(values, 0.5) == pytest.approx(median(values), abs=1e-9)
