"""Amounts as a finance office writes them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.money import format_fen, parse_yuan, round_half_up, share_of


@pytest.mark.parametrize(
    ("fen", "text"),
    [(1661250, "¥16,612.50"), (0, "¥0.00"), (5, "¥0.05"), (-3750, "-¥37.50"), (123456789, "¥1,234,567.89")],
)
def test_amounts_are_printed_with_groups_and_two_decimals(fen: int, text: str) -> None:
    assert format_fen(fen) == text


@given(st.integers(-(10**12), 10**12))
def test_what_is_printed_can_be_typed(fen: int) -> None:
    assert parse_yuan(format_fen(abs(fen))) == abs(fen)
    assert parse_yuan(format_fen(fen).replace("¥", "")) == fen


@pytest.mark.parametrize("text", ["", "abc", "1.234", "1.-5", "--1", "1e3", "１２", "."])
def test_a_typing_error_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        parse_yuan(text)


def test_halves_go_up_and_a_credit_mirrors_its_charge() -> None:
    assert [round_half_up(Decimal(x)) for x in ("0.5", "1.5", "2.4999", "-0.5")] == [1, 2, 2, -1]
    assert share_of(1250, Decimal("0.0333")) == 42
    assert share_of(-1250, Decimal("0.0333")) == -42
    assert share_of(1661250, Decimal("0.06")) == 99675
