"""From levels to an index: the worked numbers, and what a missing answer does."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surveys.instrument import WeightsError, load
from surveys.scoring import Node, box_shares, level_index, publishable, rate, response_index

INPATIENT = load("inpatient")
QUESTIONS = [question.code for question in INPATIENT.questions()]
levels = st.integers(1, 6)


def test_six_levels_are_twenty_points_apart() -> None:
    assert [level_index(level) for level in range(1, 7)] == [0, 20, 40, 60, 80, 100]
    assert [level_index(level, 5) for level in range(1, 6)] == [0, 25, 50, 75, 100]
    for off in (0, 7):
        with pytest.raises(ValueError, match="not on a scale"):
            level_index(off)


def leaf(code: str, weight: str, value: int | None, *, applicable: bool = True) -> Node:
    return Node(code, Decimal(weight), None if value is None else Fraction(value), applicable=applicable)


def tree(*, c_applicable: bool = True) -> Node:
    a = (leaf("a1", ".5", 80), leaf("a2", ".3", None), leaf("a3", ".2", 90))
    b = (leaf("b1", ".6", 70), leaf("b2", ".4", 75))
    c = (leaf("c1", "1", None, applicable=c_applicable),)
    return Node(
        "total",
        Decimal(1),
        children=(
            Node("A", Decimal(".40"), children=a),
            Node("B", Decimal(".35"), children=b),
            Node("C", Decimal(".25"), children=c),
        ),
    )


def test_a_missing_leaf_is_shared_out_within_its_own_parent() -> None:
    rated = rate(tree())
    a, b, c = rated.children
    assert rated.score is not None
    assert a.score is not None
    assert round(float(rated.score), 6) == 77.790476
    assert round(float(a.score), 6) == 82.857143
    assert b.score == 72
    assert c.score is None
    assert rated.coverage == Fraction("0.63")
    assert not publishable(rated)


def test_what_does_not_exist_here_is_not_missing() -> None:
    rated = rate(tree(c_applicable=False))
    assert rated.score == rate(tree()).score
    assert rated.coverage == Fraction("0.63") / Fraction("0.75")
    assert rated.children[2].coverage is None
    assert publishable(rated)


def test_a_tree_with_wrong_weights_is_refused() -> None:
    with pytest.raises(WeightsError):
        rate(Node("t", Decimal(1), children=(leaf("x", ".5", 10), leaf("y", ".4", 10))))


@given(st.fixed_dictionaries(dict.fromkeys(QUESTIONS, levels)))
def test_a_full_response_is_the_weighted_mean_of_its_levels(answers: dict[str, int | None]) -> None:
    score = response_index(answers, INPATIENT)
    expected = sum(
        (
            dimension.weight * question.weight * 20 * ((answers[question.code] or 0) - 1)
            for dimension in INPATIENT.dimensions
            for question in dimension.questions
        ),
        Decimal(0),
    )
    assert score.index == expected
    assert score.completed
    assert score.coverage == 1
    assert score.answered == len(QUESTIONS)


@given(st.dictionaries(st.sampled_from(QUESTIONS), st.one_of(st.none(), levels)))
def test_any_response_stays_on_the_scale_and_says_what_it_rests_on(answers: dict[str, int | None]) -> None:
    score = response_index(answers, INPATIENT)
    given_levels = [level for level in answers.values() if level is not None]
    assert score.answered == len(given_levels)
    assert score.applicable == len(QUESTIONS) - list(answers.values()).count(None)
    assert 0 <= score.coverage <= 1
    assert (score.index is None) == (score.coverage == 0)
    if score.index is not None:
        assert 20 * (min(given_levels) - 1) <= score.index <= 20 * (max(given_levels) - 1)
    assert score.completed == (score.applicable > 0 and 2 * score.answered >= score.applicable)
    assert score.index is not None or not score.completed


@given(levels, st.sets(st.sampled_from(QUESTIONS)))
def test_not_applicable_leaves_the_denominator(level: int, without: set[str]) -> None:
    answers = {code: None if code in without else level for code in QUESTIONS}
    score = response_index(answers, INPATIENT)
    everything = len(without) == len(QUESTIONS)
    assert score.index == (None if everything else 20 * (level - 1))
    assert score.coverage == (0 if everything else 1)
    assert score.completed is not everything


def test_half_of_the_applicable_questions_make_a_response() -> None:
    asked = dict.fromkeys(QUESTIONS[:6], 6)
    assert response_index(asked, INPATIENT).completed
    fewer = dict.fromkeys(QUESTIONS[:5], 6)
    assert not response_index(fewer, INPATIENT).completed
    assert response_index({**fewer, "meals": None, "pain": None}, INPATIENT).completed


def test_a_dimension_answered_below_half_has_no_score() -> None:
    # One of three questions on admission and discharge.
    score = response_index({"admission": 6, "doctor_listening": 3, "doctor_explaining": 4}, INPATIENT)
    assert score.dimensions["procedures"] is None
    assert score.dimensions["doctors"] == 50
    assert score.index == 50
    assert score.coverage == Decimal("0.2")


def test_an_answer_to_no_question_or_off_the_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="not in inpatient: colour"):
        response_index({"colour": 3}, INPATIENT)
    for off in (0, 7):
        with pytest.raises(ValueError, match="not on a scale"):
            response_index({"overall_stay": off}, INPATIENT)


def test_satisfied_and_top_box_are_shares_of_those_who_answered() -> None:
    shares = box_shares([6, 6, 5, 4, 1, None, None])
    assert (shares.n, shares.satisfied, shares.top) == (5, Decimal("0.6"), Decimal("0.4"))
    # 200 answers on five levels: top two 85 %, top one 40 %.
    five = [1] * 3 + [2] * 5 + [3] * 22 + [4] * 90 + [5] * 80
    assert box_shares(five, 5).satisfied == Decimal("0.85")
    assert box_shares(five, 5).top == Decimal("0.4")
    assert float(sum(level_index(level, 5) for level in five) / 200) == 79.875
    assert box_shares([None]).satisfied is None
    with pytest.raises(ValueError, match="not on a scale"):
        box_shares([7])
