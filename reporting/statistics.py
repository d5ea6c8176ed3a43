"""Intervals, differences and quantiles that stand beside a number in a report (benchmarking A4, A8).

Shares are 0 to 1, indices 0 to 100. Nothing here knows a hospital; what may be shown to whom is decided in
:mod:`reporting.disclosure`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval (置信区间), both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two shares or means with its interval."""

    value: float
    interval: Interval

    @property
    def clear(self) -> bool:
        """False when 0 lies inside: the report then says "no clear change" (无明显变化)."""
        return self.interval.low > 0 or self.interval.high < 0


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The Wilson interval of ``successes`` out of ``n`` (A4). ValueError without a trial or beyond ``n``."""
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    return _wilson(successes / n, n, confidence)


def share_difference(
    first: int, first_n: int, second: int, second_n: int, confidence: float = CONFIDENCE
) -> Difference:
    """First share minus second with the Newcombe interval (A4), for two periods or departments."""
    one, two = wilson(first, first_n, confidence), wilson(second, second_n, confidence)
    p, q = first / first_n, second / second_n
    low = p - q - sqrt((p - one.low) ** 2 + (two.high - q) ** 2)
    high = p - q + sqrt((one.high - p) ** 2 + (q - two.low) ** 2)
    return Difference(p - q, Interval(low, high))


def mean_interval(n: int, mean: float, sd: float, confidence: float = CONFIDENCE) -> Interval | None:
    """The normal interval of a mean index (0 to 100) from its sample standard deviation, cut to the scale.

    None below two answers. Where all answers agree (``sd`` 0) the normal interval would claim certainty;
    the Wilson interval of the same mean, which holds for any answers on the scale, is given instead.
    """
    if n < 2:
        return None
    if sd == 0:
        share = _wilson(mean / 100, n, confidence)
        return Interval(100 * share.low, 100 * share.high)
    half = _z(confidence) * sd / sqrt(n)
    return Interval(max(0.0, mean - half), min(100.0, mean + half))


def mean_difference(
    first: tuple[int, float, float], second: tuple[int, float, float], confidence: float = CONFIDENCE
) -> Difference | None:
    """First mean index minus second, each given as (n, mean, sd), of disjoint answers (A8).

    None where either has fewer than two answers.
    """
    (n, mean, sd), (other_n, other_mean, other_sd) = first, second
    if n < 2 or other_n < 2:
        return None
    half = _z(confidence) * sqrt(sd**2 / n + other_sd**2 / other_n)
    value = mean - other_mean
    return Difference(value, Interval(value - half, value + half))


def type7_quantile(values: Sequence[float], q: float) -> float:
    """The quantile with ``h = (n - 1) q``, linear between neighbours (type 7, A8): the one definition used.

    ValueError for no values or ``q`` outside 0 to 1.
    """
    if not values or not 0 <= q <= 1:
        raise ValueError("a quantile needs values and a q between 0 and 1")
    return float(np.quantile(np.asarray(values, dtype=float), q, method="linear"))


def _wilson(p: float, n: int, confidence: float) -> Interval:
    z = _z(confidence)
    middle = p + z * z / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At the ends the formula is exact and floating point is not.
    low = 0.0 if p == 0 else (middle - half) / scale
    high = 1.0 if p == 1 else (middle + half) / scale
    return Interval(low, high)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
