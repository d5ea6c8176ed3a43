"""What may be shown of few answers and of other hospitals (benchmarking A9, A10; J5).

A hospital's own cell is hidden, flagged or ranked by its number of answers. A value of a peer group is shown
only where nobody can work out a single hospital from it: enough other contributors, none of them dominant,
and no second published group that differs from it by a few. Minimum and maximum ARE other hospitals' values
and are never computed; names never leave this module.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from reporting.statistics import Interval, mean_interval, type7_quantile


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers of the rules. They are stored with every published report (A10.10)."""

    hide_below: int = 10  # A9, requirements (f) "Minimum cell", J5
    rank_from: int = 30  # requirements (f), J5
    other_contributors: int = 5  # A10.2: besides the reader
    dominant_share: float = 0.25  # A10.3: of a weighted statistic
    dominant_answers: float = 0.5  # requirements (f) "Peer group", J5: of the answers
    quartiles_from: int = 10  # A8: members
    difference_contributors: int = 5  # A10.4


DEFAULT_THRESHOLDS = Thresholds()

OwnReason = Literal["too_few_answers", "few_answers"]
Withheld = Literal["too_few_hospitals", "dominant_weight", "dominant_answers", "would_reveal"]
Third = Literal["upper", "middle", "lower"]


# ------------------------------------------------------------------------------------------------- own cell


@dataclass(frozen=True, slots=True)
class OwnCell:
    """How a hospital's own number may be used.

    ``reason`` is ``too_few_answers`` (样本不足, hidden), ``few_answers`` (flagged, not ranked) or None.
    """

    shown: bool
    flagged: bool
    ranked: bool
    reason: OwnReason | None


def own_cell(n: int, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> OwnCell:
    """The rule for a cell of ``n`` answers: below 10 hidden, 10 to 29 flagged, from 30 on ranked."""
    if n < thresholds.hide_below:
        return OwnCell(shown=False, flagged=False, ranked=False, reason="too_few_answers")
    if n < thresholds.rank_from:
        return OwnCell(shown=True, flagged=True, ranked=False, reason="few_answers")
    return OwnCell(shown=True, flagged=False, ranked=True, reason=None)


# ------------------------------------------------------------------------------------------------- peers


@dataclass(frozen=True, slots=True)
class Contribution:
    """One hospital's part in a measure: ``n`` answers, their mean index and sample standard deviation.

    ``weight`` is its weight in the group's mean; 1 for all is the hospital-weighted mean (A8).
    """

    hospital: str
    n: int
    mean: float
    sd: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class PeerResult:
    """A peer group as one reader may see it.

    ``hospitals`` counts the contributors, the reader among them (含本院). ``withheld`` says why there are no
    group values; then ``mean`` and all that follow it are None. ``own_index`` and ``own_interval`` are the
    reader's own, None where the cell is hidden. ``third`` is given only where the own interval lies wholly
    inside one third of the group.
    """

    hospitals: int
    own: OwnCell
    own_index: float | None
    own_interval: Interval | None
    withheld: Withheld | None
    mean: float | None = None
    median: float | None = None
    lower_quartile: float | None = None
    upper_quartile: float | None = None
    third: Third | None = None


def largest_share(weights: Sequence[float]) -> float:
    """The share of the largest of ``weights`` (0 to 1); 1 where there is nothing to share."""
    total = sum(weights)
    return max(weights) / total if total > 0 else 1.0


def peer_statistics(
    reader: str, members: Sequence[Contribution], thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> PeerResult:
    """What ``reader`` (a hospital's key) may see of the group ``members``, of which it may be one.

    Only members with enough answers contribute, and the group is judged by these, not by those on paper
    (A10.2). The order of the members changes nothing.
    """
    mine = next((member for member in members if member.hospital == reader), None)
    own = own_cell(mine.n if mine else 0, thresholds)
    group = [member for member in members if member.n >= thresholds.hide_below]
    index = mine.mean if mine and own.shown else None
    interval = mean_interval(mine.n, mine.mean, mine.sd) if mine and own.shown else None
    withheld = _withheld(reader, group, thresholds)
    if withheld:
        return PeerResult(len(group), own, index, interval, withheld)
    means = sorted(member.mean for member in group)
    quartiles = len(group) >= thresholds.quartiles_from
    return PeerResult(
        hospitals=len(group),
        own=own,
        own_index=index,
        own_interval=interval,
        withheld=None,
        mean=_weighted_mean(group),
        median=type7_quantile(means, 0.5),
        lower_quartile=type7_quantile(means, 0.25) if quartiles else None,
        upper_quartile=type7_quantile(means, 0.75) if quartiles else None,
        third=_third(interval, means) if own.ranked and interval else None,
    )


def _withheld(reader: str, group: Sequence[Contribution], thresholds: Thresholds) -> Withheld | None:
    others = sum(member.hospital != reader for member in group)
    if others < thresholds.other_contributors:
        return "too_few_hospitals"
    if largest_share([member.weight for member in group]) > thresholds.dominant_share:
        return "dominant_weight"
    if largest_share([float(member.n) for member in group]) > thresholds.dominant_answers:
        return "dominant_answers"
    return None


def _weighted_mean(group: Sequence[Contribution]) -> float:
    # Sorted, so that the last bit does not depend on the order in which rows arrived (A11-3, A10.10).
    ordered = sorted(group, key=lambda member: (member.mean, member.weight))
    return fmean([member.mean for member in ordered], [member.weight for member in ordered])


def _third(interval: Interval, means: Sequence[float]) -> Third | None:
    lower, upper = type7_quantile(means, 1 / 3), type7_quantile(means, 2 / 3)
    if interval.low > upper:
        return "upper"
    if interval.high < lower:
        return "lower"
    if lower <= interval.low and interval.high <= upper:
        return "middle"
    return None


# ------------------------------------------------------------------------------------------------- ladder


@dataclass(frozen=True, slots=True)
class PeerGroup:
    """A declared group: its level (``region``, ``province``, ``national`` …), its name and its members."""

    level: str
    name: str
    members: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class LadderResult:
    """The group that was asked for, the one used (None: none may be shown), and what it shows.

    ``refused`` names each narrower group and why it was passed over. ``result`` is that of the used group,
    or of the asked one when none may be shown.
    """

    asked: PeerGroup
    used: PeerGroup | None
    result: PeerResult
    refused: tuple[tuple[str, Withheld], ...]


def first_publishable(
    reader: str,
    ladder: Sequence[PeerGroup],
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    blocked: Collection[str] = (),
) -> LadderResult:
    """The narrowest group of ``ladder`` (narrow to wide, as declared) that ``reader`` may see (J5).

    ``blocked`` are names of groups that the differencing check refused. ValueError for an empty ladder.
    """
    if not ladder:
        raise ValueError("a comparison needs at least one declared group")
    refused: list[tuple[str, Withheld]] = []
    results = []
    for group in ladder:
        result = peer_statistics(reader, group.members, thresholds)
        if result.withheld is None and group.name in blocked:
            result = PeerResult(
                result.hospitals, result.own, result.own_index, result.own_interval, "would_reveal"
            )
        if result.withheld is None:
            return LadderResult(ladder[0], group, result, tuple(refused))
        refused.append((group.name, result.withheld))
        results.append(result)
    return LadderResult(ladder[0], None, results[0], tuple(refused))


# ------------------------------------------------------------------------------------------ differencing


@dataclass(frozen=True, slots=True)
class ReleasedSet:
    """The contributors behind a published value, of this release or an earlier one of the same measure.

    Sets of one ``level`` are the parts of a partition: what is left of a wider set after all of them is
    checked as well.
    """

    level: str
    name: str
    contributors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two released sets (by name; several parts joined by `` + ``) that differ by too few contributors."""

    first: str
    second: str
    difference: int


def differencing_conflicts(
    released: Sequence[ReleasedSet], thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> list[Conflict]:
    """The pairs whose difference would reveal a few hospitals (A10.4): it must be 0 or at least 5."""
    found: list[Conflict] = []
    for position, one in enumerate(released):
        found += _conflicts_with(one, released[:position], thresholds)
    return found


def release_in_order(
    candidates: Iterable[ReleasedSet],
    earlier: Sequence[ReleasedSet] = (),
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> tuple[list[ReleasedSet], list[Conflict]]:
    """The candidates that may be published, taken in the declared order, and the conflicts that block others.

    Put first what matters most: a set is blocked by what was released before it, never the other way round.
    The name of a blocked set is ``Conflict.second``.
    """
    accepted = list(earlier)
    released: list[ReleasedSet] = []
    blocked: list[Conflict] = []
    for candidate in candidates:
        conflicts = list(_conflicts_with(candidate, accepted, thresholds))
        if conflicts:
            blocked += conflicts
        else:
            accepted.append(candidate)
            released.append(candidate)
    return released, blocked


def _conflicts_with(
    new: ReleasedSet, others: Sequence[ReleasedSet], thresholds: Thresholds
) -> Iterator[Conflict]:
    """Conflicts of ``new`` with what is out already; ``new`` is always the second name."""
    few = range(1, thresholds.difference_contributors)
    for other in others:
        difference = len(other.contributors ^ new.contributors)
        if difference in few:
            yield Conflict(other.name, new.name, difference)
    for level in sorted({other.level for other in others}):
        parts = [o for o in others if o.level == level and o.contributors < new.contributors]
        left = _left_over(new, parts)
        if left in few and len(parts) > 1:
            yield Conflict(" + ".join(part.name for part in parts), new.name, left)
    for wider in others:
        if wider.contributors > new.contributors:
            parts = [o for o in others if o.level == new.level and o.contributors < wider.contributors]
            left = _left_over(wider, [*parts, new])
            if left in few and parts:
                yield Conflict(" + ".join([wider.name, *(part.name for part in parts)]), new.name, left)


def _left_over(wider: ReleasedSet, parts: Sequence[ReleasedSet]) -> int:
    """How many contributors remain of ``wider`` without ``parts``; 0 where the parts overlap."""
    union: frozenset[str] = frozenset().union(*(part.contributors for part in parts))
    if len(union) < sum(len(part.contributors) for part in parts):
        return 0
    return len(wider.contributors - union)
