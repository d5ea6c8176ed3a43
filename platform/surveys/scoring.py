"""From answers to an index: six levels, a weighted tree, and what was not answered.

Level v of k becomes ``100 * (v - 1) / (k - 1)`` (benchmarking D3), so the six levels are 0, 20, 40, 60, 80
and 100. Sums are exact (Fraction); what leaves this module is Decimal with six places, half up.

满意率 (the share of satisfied answers) and 满意度 (the mean index) are two indicators and stay apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor

from surveys.instrument import LEVELS, Dimension, Instrument, check_weights

COMPLETED_SHARE = Fraction(1, 2)  # benchmarking D3: at least half of the applicable items
PUBLISH_COVERAGE = Decimal("0.8")  # benchmarking D4, of the total
PUBLISH_CHILD_COVERAGE = Decimal("0.5")  # benchmarking D4, of each domain below it


def level_index(level: int, levels: int = LEVELS) -> Fraction:
    """Level 1 (worst) to ``levels`` (best) on 0 to 100. ValueError outside the scale."""
    if not 1 <= level <= levels:
        raise ValueError(f"level {level} is not on a scale of {levels}")
    return Fraction(100 * (level - 1), levels - 1)


# ------------------------------------------------------------------------------------------------- tree


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the indicator tree (指标树): a leaf holds ``value``, any other node its ``children``.

    ``applicable`` False means that the thing does not exist here (不适用): the node leaves the denominator
    and does not count against coverage. A leaf without value that is applicable is missing and does.
    """

    code: str
    weight: Decimal
    value: Fraction | None = None
    children: tuple["Node", ...] = ()
    applicable: bool = True


@dataclass(frozen=True, slots=True)
class Rated:
    """A node's score (None: nothing below it is scored), the share of its weight that was answered, and the
    same for its children. ``coverage`` is None where nothing is applicable.
    """

    code: str
    score: Fraction | None
    coverage: Fraction | None
    children: tuple["Rated", ...] = ()


def rate(node: Node) -> Rated:
    """Score ``node``: the weighted mean of the children that have a score (benchmarking D4).

    Missing children are renormalised within their own parent, never over the whole tree. Raises
    WeightsError where sibling weights do not sum to 1.
    """
    if not node.applicable:
        return Rated(node.code, None, None)
    if not node.children:
        return Rated(node.code, node.value, Fraction(node.value is not None))
    check_weights(node.code, [child.weight for child in node.children])
    rated = tuple(rate(child) for child in node.children)
    weights = [Fraction(child.weight) for child in node.children]
    return Rated(
        node.code,
        _mean([(w, r.score) for w, r in zip(weights, rated, strict=True)]),
        _mean([(w, r.coverage) for w, r in zip(weights, rated, strict=True)]),
        rated,
    )


def publishable(rated: Rated) -> bool:
    """Whether the total may be shown: coverage of 0.8, and of 0.5 in each applicable child (D4)."""
    children = [child.coverage for child in rated.children if child.coverage is not None]
    return (
        rated.score is not None
        and rated.coverage is not None
        and rated.coverage >= Fraction(PUBLISH_COVERAGE)
        and all(coverage >= Fraction(PUBLISH_CHILD_COVERAGE) for coverage in children)
    )


def _mean(parts: Sequence[tuple[Fraction, Fraction | None]]) -> Fraction | None:
    scored = [(weight, value) for weight, value in parts if value is not None]
    total = sum((weight for weight, _ in scored), Fraction(0))
    return sum((weight * value for weight, value in scored), Fraction(0)) / total if total else None


# ------------------------------------------------------------------------------------------------- response


@dataclass(frozen=True, slots=True)
class Score:
    """One person's answers as numbers.

    ``index`` and ``dimensions`` are 0 to 100, None where too little was answered. ``coverage`` (0 to 1) is
    the share of the applicable weight that the index rests on. ``completed`` is 问卷完成: at least half of
    the applicable questions answered; a response that is not completed enters no report.
    """

    index: Decimal | None
    dimensions: dict[str, Decimal | None]
    coverage: Decimal
    answered: int
    applicable: int
    completed: bool


def response_index(answers: Mapping[str, int | None], instrument: Instrument) -> Score:
    """The index of one response (满意度).

    ``answers`` maps question codes to levels 1 to 6; None is 不适用 and leaves the denominator, a question
    that is not in it was not answered. A dimension counts when at least half of its applicable questions
    are answered (benchmarking D3). Raises ValueError for an unknown question or a level off the scale.
    """
    known = {question.code for question in instrument.questions()}
    if unknown := answers.keys() - known:
        raise ValueError(f"not in {instrument.code}: {', '.join(sorted(unknown))}")
    root = Node(
        instrument.code, Decimal(1), children=tuple(_dimension(d, answers) for d in instrument.dimensions)
    )
    rated = rate(root)
    applicable = sum(answers.get(code, 0) is not None for code in known)
    answered = sum(level is not None for level in answers.values())
    return Score(
        index=_decimal(rated.score),
        dimensions={child.code: _decimal(child.score) for child in rated.children},
        coverage=_decimal(rated.coverage) or Decimal(0),
        answered=answered,
        applicable=applicable,
        completed=_enough(answered, applicable),
    )


def _dimension(dimension: Dimension, answers: Mapping[str, int | None]) -> Node:
    applicable = [q.code for q in dimension.questions if answers.get(q.code, 0) is not None]
    counts = _enough(sum(code in answers for code in applicable), len(applicable))
    leaves = []
    for question in dimension.questions:
        level = answers.get(question.code)
        value = level_index(level) if level is not None else None
        leaves.append(
            Node(
                question.code,
                question.weight,
                value if counts else None,
                applicable=question.code in applicable,
            )
        )
    return Node(dimension.code, dimension.weight, children=tuple(leaves), applicable=bool(applicable))


def _enough(answered: int, applicable: int) -> bool:
    return applicable > 0 and Fraction(answered, applicable) >= COMPLETED_SHARE


# ------------------------------------------------------------------------------------------------- shares


@dataclass(frozen=True, slots=True)
class BoxShares:
    """Shares (0 to 1) of ``n`` answers: ``satisfied`` the two best levels (满意率), ``top`` the best one.

    None where nobody answered.
    """

    n: int
    satisfied: Decimal | None
    top: Decimal | None


def box_shares(answers: Iterable[int | None], levels: int = LEVELS) -> BoxShares:
    """满意率 and top box of the answers to one question; 不适用 (None) leaves the denominator."""
    given = [level for level in answers if level is not None]
    n = len(given)
    if n == 0:
        return BoxShares(0, None, None)
    if min(given) < 1 or max(given) > levels:
        raise ValueError(f"a level is not on a scale of {levels}")
    satisfied = sum(level >= levels - 1 for level in given)
    return BoxShares(n, _decimal(Fraction(satisfied, n)), _decimal(Fraction(given.count(levels), n)))


def _decimal(value: Fraction | None) -> Decimal | None:
    if value is None:
        return None
    # Rounded once, from the exact value: a quotient of Decimals would already be rounded.
    return Decimal(floor(value * 10**6 + Fraction(1, 2))).scaleb(-6)
