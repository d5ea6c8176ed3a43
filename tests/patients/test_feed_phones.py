"""Phone numbers: everything that can be dialled is found, nothing is guessed, lists show masks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.phones import PhoneFault, mask_name, mask_phone, parse_phone, read_phone

mobiles = st.from_regex(r"1[3-9][0-9]{8}[1-9]", fullmatch=True)
FULL_WIDTH = str.maketrans("0123456789+-", "０１２３４５６７８９＋－")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800138000", "13800138000"),
        ('="13800138000"', "13800138000"),
        ("'13800138000", "13800138000"),
        ("１３８００１３８０００", "13800138000"),
        ("+86 138-0013-8000", "13800138000"),
        ("0086 13800138000", "13800138000"),
        ("(86)13800138000", "13800138000"),
        ("013800138000", "13800138000"),
        ("13800138000.0", "13800138000"),
        ("138 0013 8000", "13800138000"),
        ("\u202d13800138000\u202c", "13800138000"),
        ("13800138000(女儿)", "13800138000"),
        ("女儿:13800138000", "13800138000"),
        ("不详/13800138000", "13800138000"),
        ("13800138000、13900139001", "13800138000"),
        ("010-88886666", "01088886666"),
        ("0571 8888 6666", "057188886666"),
        ("(0571)88886666", "057188886666"),
        ("057188886666", "057188886666"),
        ("010-88886666-801", "01088886666"),
        ("010-88886666转801", "01088886666"),
        ("+86 10 8888 6666", "01088886666"),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, number: str) -> None:
    assert read_phone(text) == (number, None)


@pytest.mark.parametrize(
    "text", ["1.38E+10", "1.59e+10", "1.38E10", "１.３８Ｅ＋１０", "1.3800138E+10", "13800000000"]
)
def test_what_a_spreadsheet_rounded_is_damaged_and_never_guessed(text: str) -> None:
    assert read_phone(text) == (None, PhoneFault.DAMAGED)


@pytest.mark.parametrize(
    "text",
    [
        "1380013800",
        "138001380001",
        "12345678901",
        "88886666",
        "95588",
        "4001234567",
        "+1 415 555 2671",
        "abc",
    ],
)
def test_what_cannot_be_dialled_as_a_person_is_refused(text: str) -> None:
    assert read_phone(text) == (None, PhoneFault.UNREADABLE)


@pytest.mark.parametrize("text", ["", " ", "-", "无", "不详", "0", "null", "　"])
def test_words_for_nothing_are_no_fault(text: str) -> None:
    assert read_phone(text) == (None, None)


@given(
    mobiles,
    st.sampled_from(["", "+86", "0086", "86", "+86 ", "0086-"]),
    st.sampled_from(["", "-", " "]),
    st.booleans(),
)
def test_prefix_blanks_and_width_never_change_a_mobile(
    number: str, prefix: str, gap: str, wide: bool
) -> None:
    text = prefix + gap.join((number[:3], number[3:7], number[7:]))
    assert parse_phone(text.translate(FULL_WIDTH) if wide else text) == number


@given(st.text(max_size=40))
def test_any_text_gives_a_diallable_number_or_none(text: str) -> None:
    number, fault = read_phone(text)
    assert number is None or (
        number.isascii() and number.isdigit() and 10 <= len(number) <= 12 and fault is None
    )


@given(mobiles)
def test_reading_a_read_number_changes_nothing(number: str) -> None:
    assert parse_phone(parse_phone(number) or "") == number


def test_masks_are_those_of_the_lists() -> None:
    assert mask_phone("13812345678") == "138****5678"
    assert mask_phone("01088886666") == "010****6666"
    assert mask_phone("110") == "****"
    assert [mask_name(name) for name in ("张三丰", "张三", "欧阳小红", "𠮷", "")] == [
        "张*丰",
        "张*",
        "欧**红",
        "*",
        "",
    ]


@given(st.text(min_size=2, max_size=20))
def test_a_mask_never_shows_more_than_the_first_and_last_character(name: str) -> None:
    masked = mask_name(name)
    assert len(masked) == len(name)
    assert set(masked[1:-1]) <= {"*"}
