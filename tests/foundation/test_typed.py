"""Numbers typed into forms: what is none is a sentence, however long or strange."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.web.errors import UserMistake
from foundation.web.typed import decimal_of, whole_number

ODD = ["", " ", "9" * 5000, "1e9", "-1", "+1", "1.5", "１２", "²", "0x10", "1_0", "NaN", "41"]


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_whole_number_within_bounds_is_the_callers_sentence(text: str) -> None:
    with pytest.raises(UserMistake, match="between"):
        whole_number(text, 5, 40, "between")


NO_DECIMALS = [
    "",
    "1e999999999999999999",
    "1e5",
    "NaN",
    "Infinity",
    ".",
    "5.",
    ".5",
    "--5",
    "1_0",
    "１",
    "9" * 21,
]


@pytest.mark.parametrize("text", NO_DECIMALS)
def test_what_is_no_plain_decimal_is_the_callers_sentence(text: str) -> None:
    with pytest.raises(UserMistake, match="share"):
        decimal_of(text, "share")


@given(st.integers(5, 40), st.sampled_from(["", " ", "\t"]))
def test_a_whole_number_is_read(number: int, space: str) -> None:
    assert whole_number(f"{space}{number}{space}", 5, 40, "") == number


@given(st.decimals(-1000, 1000, places=3))
def test_a_decimal_is_read(number: Decimal) -> None:
    assert decimal_of(f" {number:f} ", "") == number


@given(st.text(max_size=40))
def test_nothing_typed_breaks_either(text: str) -> None:
    for read in (lambda: whole_number(text, 0, 10**9, "no"), lambda: decimal_of(text, "no")):
        with contextlib.suppress(UserMistake):
            assert read() >= -(10**20)
