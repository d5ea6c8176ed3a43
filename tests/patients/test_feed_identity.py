"""Identity numbers and ages: one wrong digit is always found, and fourteen begins on the birthday."""

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from patients.identity import age_on, birth_date_of, check_digit, clean_id, is_minor, sex_of

days = st.dates(min_value=date(1900, 1, 1), max_value=date(2026, 9, 30))


@st.composite
def identity_numbers(draw: st.DrawFn) -> str:
    region = draw(st.sampled_from(["110101", "440305", "530102", "810000", "650100"]))
    first = f"{region}{draw(days):%Y%m%d}{draw(st.integers(0, 999)):03d}"
    return first + check_digit(first)


def test_the_standards_own_example_is_right() -> None:
    assert check_digit("11010519491231002") == "X"
    assert clean_id("11010519491231002x") == "11010519491231002X"
    assert birth_date_of("11010519491231002X") == date(1949, 12, 31)
    assert sex_of("11010519491231002X") == "F"


@given(identity_numbers(), st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_wrong_character_is_always_found(number: str, place: int, other: str) -> None:
    assume(number[place] != other)
    assert clean_id(number) == number
    assert clean_id(number[:place] + other + number[place + 1 :]) is None


@given(identity_numbers(), st.integers(0, 15))
def test_two_neighbours_changed_over_are_always_found(number: str, place: int) -> None:
    assume(number[place] != number[place + 1])
    changed = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert clean_id(changed) is None


@pytest.mark.parametrize(
    "text", ["", "1.30102E+17", "130102196203245000", "E12345678", "990101194912310025X", "١" * 18]
)
def test_what_is_no_identity_number_is_none(text: str) -> None:
    assert clean_id(text) is None


def test_a_number_of_the_first_generation_is_brought_to_eighteen() -> None:
    assert clean_id("110105491231002") == "11010519491231002X"
    assert clean_id("110105499931002") is None


@given(days)
def test_the_guardian_answers_until_the_fourteenth_birthday(born: date) -> None:
    birthday = (
        date(born.year + 14, 3, 1) if (born.month, born.day) == (2, 29) else born.replace(year=born.year + 14)
    )
    assert is_minor(born, date.fromordinal(birthday.toordinal() - 1))  # 13 years and 364 days
    assert not is_minor(born, birthday)  # 14 years and 0 days
    assert age_on(born, birthday) == 14
