"""Single cells: dates, ages, codes and texts as hospitals write them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.feeds import fields


@pytest.mark.parametrize(
    "text",
    ["20260924", "2026-09-24", "2026/9/24", "2026.9.24", "2026年9月24日", "20260924 1105",
     "20260924110500", "2026-09-24 11:05:00", "2026-09-24T11:05", "２０２６-０９-２４", "46289", "46289.46",
     " 2026/9/24 8:00 "],
)  # fmt: skip
def test_a_day_is_read_however_it_is_written(text: str) -> None:
    assert fields.read_date(text) == date(2026, 9, 24)


@pytest.mark.parametrize(
    "text", ["", "2026-13-05", "待定", "24/09/2026", "26-09-24", "20260931", "1", "202609", "٢٠٢٦٠٩٢٤"]
)
def test_what_names_no_certain_day_is_none(text: str) -> None:
    assert fields.read_date(text) is None


@given(st.dates(min_value=date(1927, 6, 1), max_value=date(2100, 1, 1)))
def test_a_spreadsheet_day_number_is_the_same_day(day: date) -> None:
    serial = (day - date(1899, 12, 30)) // timedelta(days=1)
    assert fields.read_date(str(serial)) == fields.read_date(day.isoformat()) == day


def test_ages_are_completed_years() -> None:
    ages = {
        "70": 70,
        "70岁": 70,
        "1岁6月": 1,
        "8月": 0,
        "3个月": 0,
        "25天": 0,
        "７０": 70,
        "70Y": 70,
        "70.0": 70,
    }
    assert {text: fields.read_age(text) for text in ages} == ages
    assert [fields.read_age(text) for text in ("", "不详", "700", "-1")] == [None] * 4


def test_ways_of_leaving_from_code_and_word() -> None:
    expected = {
        "1": "home", "2": "transferred", "3": "community", "4": "against_advice", "5": "died", "9": "other",
        "医嘱离院": "home", "医嘱转院": "transferred", "医嘱转社区": "community",
        "医嘱转社区卫生服务机构/乡镇卫生院": "community",
        "非医嘱离院": "against_advice", "自动出院": "against_advice", "死亡": "died",
        "5.死亡": "died", "住院期间死亡": "died",
        "其他": "other", "治愈": "home", "未愈": "other", "醫囑離院": "home", "5.0": "died", "05": "died",
    }  # fmt: skip
    assert {text: fields.read_disposition(text) for text in expected} == expected
    assert fields.read_disposition("7") is None
    assert (
        fields.read_disposition("4", codes=False) is None
    )  # 转归 4 is death in one system and other in the next


def test_relations_from_code_and_word() -> None:
    assert fields.read_relation("2") == ("child", "子")
    assert fields.read_relation("3.0") == ("child", "女")
    assert fields.read_relation("52") == ("parent", "父母")
    assert fields.read_relation("女儿") == ("child", "女儿")
    assert fields.read_relation("老伴儿") == ("other", "老伴儿")
    assert fields.read_relation("") == (None, "")


def test_sexes_and_counts() -> None:
    assert [fields.read_sex(text) for text in ("1", "2", "男", "女性", "1.男", "0", "9", "")] == [
        "M", "F", "M", "F", "M", None, None, None,
    ]  # fmt: skip
    assert [fields.read_count(text) for text in ("2", "2.0", "第2次", "０３", "0", "x")] == [
        2,
        2,
        2,
        3,
        None,
        None,
    ]


def test_rare_characters_of_a_name_stay_and_invisible_ones_go() -> None:
    assert fields.clean_text("　𠮷 ") == "𠮷"
    assert fields.clean_text("䶮\u200b\x00") == "䶮"
    assert fields.clean_text('="00000095"') == "00000095"
    assert fields.clean_text("'=1+1") == "=1+1"


def test_a_record_number_that_a_spreadsheet_damaged_is_none() -> None:
    assert fields.read_record_number("1.2E+11") is None
    assert fields.read_record_number("９５") == "95"
    assert fields.read_record_number("95.0") == "95"
    assert fields.read_record_number(" ZY 00 95 ") == "ZY0095"
    assert fields.read_record_number("x" * 65) is None
