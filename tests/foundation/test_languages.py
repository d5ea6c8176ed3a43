"""Both languages, as people read them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from foundation import languages, messages
from foundation.languages import speaking

MOMENT = datetime(2026, 3, 12, 6, 30, tzinfo=UTC)  # 14:30 in China


def test_every_message_of_the_product_has_its_chinese() -> None:
    told = [f"{use.path}:{use.line}: {use.message!r}" for use in messages.missing()]
    assert told == []


def test_a_translation_keeps_the_fields_of_its_message() -> None:
    for message, texts in messages.catalogue().items():
        for text in texts:
            assert _fields(text) <= _fields(message), message


def test_a_message_without_translation_is_named(tmp_path: Path) -> None:
    source = tmp_path / "labels.py"
    source.write_text('A = {"x": "Never translated", "y": "tone"}\nB = {"zh": "中", "en": "Content"}\n')
    assert [use.message for use in messages._labels(source)] == ["Never translated"]


@pytest.mark.parametrize(
    ("language", "expected"),
    [("zh_Hans", "2026-03-12 周四 14:30"), ("en", "Thu 12 Mar 2026 14:30")],
)
def test_a_moment_is_written_as_the_clocks_in_china_show_it(
    language: languages.Language, expected: str
) -> None:
    with speaking(language):
        assert languages.format_datetime(MOMENT) == expected


def test_a_moment_late_in_utc_is_the_next_day_in_china() -> None:
    with speaking("zh_Hans"):
        assert languages.format_date(datetime(2026, 3, 12, 17, 0, tzinfo=UTC)) == "2026-03-13"
    with speaking("en"):
        assert languages.format_date(date(2026, 3, 2)) == "2 Mar 2026"


@pytest.mark.parametrize(
    ("span", "zh", "en"),
    [
        (timedelta(hours=3, minutes=12), "剩 3 小时 12 分", "3 h 12 min left"),
        (timedelta(days=2, hours=1, minutes=5), "剩 2 天 1 小时", "2 d 1 h left"),
        (timedelta(minutes=12), "剩 12 分", "12 min left"),
        (timedelta(days=2), "剩 2 天", "2 d left"),
        (timedelta(seconds=40), "剩 40 秒", "40 s left"),
        (-timedelta(minutes=40), "超期 40 分", "overdue 40 min"),
    ],
)
def test_what_is_left_of_a_deadline(span: timedelta, zh: str, en: str) -> None:
    with speaking("zh_Hans"):
        assert languages.format_time_left(MOMENT + span, MOMENT) == zh
    with speaking("en"):
        assert languages.format_time_left(MOMENT + span, MOMENT) == en


def test_money_shares_and_numbers() -> None:
    assert languages.format_money(1661250) == "¥16,612.50"
    assert languages.format_percent(Decimal("0.9734")) == "97.3%"
    assert languages.format_percent(0.5, 0) == "50%"
    assert languages.format_number(12345) == "12,345"
    assert languages.format_percent(None) == languages.format_money(None) == "—"


def test_a_counted_thing_has_two_forms_in_english_and_one_in_chinese() -> None:
    one, many = "{count} hospital assigned", "{count} hospitals assigned"
    with speaking("en"):
        assert languages.ngettext(one, many, 1) == "1 hospital assigned"
        assert languages.ngettext(one, many, 3) == "3 hospitals assigned"
    with speaking("zh_Hans"):
        assert languages.ngettext(one, many, 1) == "已分配 1 家医院"


def test_content_falls_back_to_its_other_language() -> None:
    with speaking("en"):
        assert languages.bilingual({"zh": "饭菜凉", "en": "Cold food"}) == "Cold food"
        assert languages.bilingual({"zh": "饭菜凉", "en": ""}) == "饭菜凉"


def test_an_unknown_wish_gives_chinese() -> None:
    assert languages.choose(None, "fr") == "zh_Hans"
    assert languages.choose(None, "en", "zh_Hans") == "en"


def _fields(text: str) -> set[str]:
    from string import Formatter

    return {name for _, name, _, _ in Formatter().parse(text) if name}
