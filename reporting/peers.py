"""Comparing hospitals: declared groups, what of them may be released, and what each member may see (A9,
A10, J5).

Values in, values out. A member's part of the result names no other hospital; the whole result is the
firm's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt

import msgspec

from reporting.disclosure import (
    DEFAULT_THRESHOLDS,
    Contribution,
    PeerGroup,
    PeerResult,
    ReleasedSet,
    Thresholds,
    first_publishable,
    own_cell,
    peer_statistics,
    release_in_order,
)
from reporting.figures import Figure, Reason, mean, share

MEASURES = ("index", "satisfied", "collection", "response24")
MUNICIPALITIES = frozenset({"11", "12", "31", "50"})  # GB/T 2260: 直辖市, one city each
# What is released first blocks what comes later: the widest groups, which every member can use.
ORDER = ("national", "province", "class", "prefecture", "brand")
LADDER = ("prefecture", "province", "national")


class Member(msgspec.Struct, frozen=True):
    """A hospital's attributes and its aggregates of the month, inpatients; the frozen input of a run."""

    id: str
    code: str
    name: str
    name_en: str
    region: str
    hospital_type: str
    grade: str
    brand: str
    n: int
    mean: float | None
    sd: float | None
    satisfied: int
    rated: int
    collected: int
    served: int
    answered: int
    received: int

    def figure(self, measure: str, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> Figure:
        """The member's own value with its interval; hidden below ten (A9)."""
        hide = thresholds.hide_below
        if measure == "index":
            return mean(self.n, self.mean, self.sd, hide_below=hide)
        hits, of = self._counts(measure)
        return share(hits, of, hide_below=hide)

    def contribution(self, measure: str) -> Contribution:
        """The member's part in a group: an index, or a share on 0 to 100 with the deviation of its
        answers.
        """
        if measure == "index":
            return Contribution(
                self.id, self.n if self.mean is not None else 0, self.mean or 0.0, self.sd or 0.0
            )
        hits, of = self._counts(measure)
        p = hits / of if of else 0.0
        spread = 100 * sqrt(p * (1 - p) * of / (of - 1)) if of > 1 else 0.0
        return Contribution(self.id, of, 100 * p, spread)

    def _counts(self, measure: str) -> tuple[int, int]:
        return {
            "satisfied": (self.satisfied, self.rated),
            "collection": (self.collected, self.served),
            "response24": (self.answered, self.received),
        }[measure]


class GroupValue(msgspec.Struct, frozen=True):
    """A group as one member sees it: mean and median over ``hospitals`` contributors (含本院), or why not.

    Values are 0 to 100; ``key`` is of the reader's own place (a region, a grade), never a member's name.
    """

    level: str
    key: str
    hospitals: int
    mean: float | None
    median: float | None
    lower_quartile: float | None
    upper_quartile: float | None
    withheld: Reason | None


class Compared(msgspec.Struct, frozen=True):
    """One measure of one member: own value, its groups, and which of the ladder is used (None: none)."""

    measure: str
    own: Figure
    flagged: bool
    groups: list[GroupValue]
    used: str | None
    third: str | None


class Refusal(msgspec.Struct, frozen=True):
    """A group that nobody sees for a measure, and why: the run's log (A10.10)."""

    measure: str
    level: str
    key: str
    contributors: int
    reason: Reason


class Released(msgspec.Struct, frozen=True):
    """A group published for a measure, and its contributors (ids): what later releases are checked
    against.
    """

    measure: str
    level: str
    key: str
    contributors: list[str]


class Comparison(msgspec.Struct, frozen=True):
    """A run: members, what each may see (by id), what was released and what was not."""

    members: list[Member]
    compared: dict[str, list[Compared]]
    released: list[Released]
    refused: list[Refusal]

    @property
    def withheld(self) -> int:
        """How many values are not shown: members' own ones (too few answers), and groups of a measure."""
        every = [one for results in self.compared.values() for one in results]
        return sum(one.own.withheld is not None for one in every) + len(self.refused)


def compare(
    members: Sequence[Member],
    earlier: Sequence[Released] = (),
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Comparison:
    """Compare ``members``; ``earlier`` is all that was released for this month before (A10.4).

    The order of the members changes nothing but the order of the answer.
    """
    groups = declared_groups(members)
    compared: dict[str, list[Compared]] = {member.id: [] for member in members}
    released: list[Released] = []
    refused: list[Refusal] = []
    for measure in MEASURES:
        known = [_set(one) for one in earlier if one.measure == measure]
        out, blocked = _release(measure, groups, known, thresholds)
        released += out
        refused += _refusals(measure, groups, blocked, thresholds)
        for member in members:
            compared[member.id].append(_compared(member, measure, groups, blocked, thresholds))
    return Comparison(list(members), compared, released, refused)


# ------------------------------------------------------------------------------------------------ groups


class Group(msgspec.Struct, frozen=True):
    """A declared group: level, key within it, and its members on paper."""

    level: str
    key: str
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """Unique in a run: ``province:13``."""
        return f"{self.level}:{self.key}"

    def peers(self, measure: str) -> PeerGroup:
        """The group with its members' parts in a measure."""
        return PeerGroup(self.level, self.name, tuple(one.contribution(measure) for one in self.members))


def declared_groups(members: Sequence[Member]) -> list[Group]:
    """The fixed set of groups, in the order of release (A10.4): no other is ever formed.

    Same prefecture is the first four digits of GB/T 2260, of a municipality the first two; same type and
    grade;
    same brand where the hospital has one (S3-7, S3-8).
    """
    found: dict[tuple[str, str], list[Member]] = {}
    for member in members:
        for level, key in _places(member):
            found.setdefault((level, key), []).append(member)
    groups = [Group(level, key, tuple(inside)) for (level, key), inside in found.items()]
    return sorted(groups, key=lambda one: (ORDER.index(one.level), one.key))


def _places(member: Member) -> Iterable[tuple[str, str]]:
    yield "national", "CN"
    yield "province", member.region[:2]
    if member.region[:2] not in MUNICIPALITIES:
        yield "prefecture", member.region[:4]
    yield "class", f"{member.hospital_type}:{member.grade}"
    if member.brand:
        yield "brand", member.brand


def _set(one: Released) -> ReleasedSet:
    return ReleasedSet(one.level, f"{one.level}:{one.key}", frozenset(one.contributors))


def _contributors(group: Group, measure: str, thresholds: Thresholds) -> list[str]:
    parts = group.peers(measure).members
    return sorted(part.hospital for part in parts if part.n >= thresholds.hide_below)


def _release(
    measure: str, groups: Sequence[Group], known: Sequence[ReleasedSet], thresholds: Thresholds
) -> tuple[list[Released], frozenset[str]]:
    """What is published of a measure, and the names that the differencing check blocks."""
    sizes = {
        group.name: (group, _contributors(group, measure, thresholds))
        for group in groups
        if _any_reader(group, measure, thresholds)
    }
    candidates = [ReleasedSet(group.level, group.name, frozenset(inside)) for group, inside in sizes.values()]
    accepted, conflicts = release_in_order(candidates, known, thresholds)
    out = [
        Released(measure, sizes[one.name][0].level, sizes[one.name][0].key, sizes[one.name][1])
        for one in accepted
    ]
    return out, frozenset(conflict.second for conflict in conflicts)


def _any_reader(group: Group, measure: str, thresholds: Thresholds) -> bool:
    parts = group.peers(measure).members
    return any(peer_statistics(one.id, parts, thresholds).withheld is None for one in group.members)


def _refusals(
    measure: str, groups: Sequence[Group], blocked: frozenset[str], thresholds: Thresholds
) -> list[Refusal]:
    found = []
    for group in groups:
        parts = group.peers(measure).members
        results = [peer_statistics(one.id, parts, thresholds) for one in group.members]
        seen = any(result.withheld is None for result in results)
        reason = "would_reveal" if seen and group.name in blocked else results[0].withheld
        if not seen or group.name in blocked:
            contributors = len(_contributors(group, measure, thresholds))
            found.append(Refusal(measure, group.level, group.key, contributors, reason or "would_reveal"))
    return found


# ----------------------------------------------------------------------------------------------- a member


def _compared(
    member: Member, measure: str, groups: Sequence[Group], blocked: frozenset[str], thresholds: Thresholds
) -> Compared:
    mine = {group.level: group for group in groups if member in group.members}
    ladder = [mine[level].peers(measure) for level in LADDER if level in mine]
    found = first_publishable(member.id, ladder, thresholds, blocked)
    shown = [
        _value(group, peer_statistics(member.id, group.peers(measure).members, thresholds), blocked)
        for level, group in sorted(mine.items(), key=lambda item: SHOWN.index(item[0]))
    ]
    return Compared(
        measure=measure,
        own=member.figure(measure, thresholds),
        flagged=own_cell(member.contribution(measure).n, thresholds).flagged,
        groups=shown,
        used=found.used.name if found.used else None,
        third=found.result.third if found.used and measure == "index" else None,
    )


SHOWN = ("prefecture", "province", "national", "class", "brand")


def _value(group: Group, result: PeerResult, blocked: frozenset[str]) -> GroupValue:
    withheld = result.withheld or ("would_reveal" if group.name in blocked else None)
    if withheld:
        return GroupValue(group.level, group.key, result.hospitals, None, None, None, None, withheld)
    return GroupValue(
        group.level,
        group.key,
        result.hospitals,
        result.mean,
        result.median,
        result.lower_quartile,
        result.upper_quartile,
        None,
    )


def group_used(compared: Compared) -> GroupValue | None:
    """The group of the ladder that a member's value stands beside, None where none may be shown."""
    return next((one for one in compared.groups if f"{one.level}:{one.key}" == compared.used), None)


def by_measure(results: Sequence[Compared]) -> Mapping[str, Compared]:
    """A member's results by measure."""
    return {one.measure: one for one in results}
