"""What a finance department relies on: right values, no formula from text, the same file every time."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from foundation.documents.spreadsheet import Column, Kind, Sheet, SpreadsheetError, write_csv, write_xlsx

AT = datetime(2026, 10, 5, 2, 0, tzinfo=UTC)
COLUMNS = (
    Column("name", "医院"),
    Column("n", "答卷", Kind.INT),
    Column("index", "指数", Kind.DECIMAL),
    Column("fen", "金额（元）", Kind.MONEY_FEN),
    Column("rate", "比例", Kind.PERCENT),
    Column("day", "日期", Kind.DATE),
)
ROW = {
    "name": "河清",
    "n": 412,
    "index": Decimal("88.4"),
    "fen": 1760925,
    "rate": 0.925,
    "day": date(2026, 9, 1),
}


def _sheet(*rows: dict[str, Any], **more: Any) -> Sheet:
    return Sheet("九月", COLUMNS, rows, **more)


def _back(content: bytes, sheet: int = 0) -> list[list[Any]]:
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(sheet).to_python()


def _part(content: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name).decode()


def test_values_come_back_in_their_kind() -> None:
    content = write_xlsx([_sheet(ROW)], title="对标", generated=AT)
    head, row = _back(content)
    assert head == ["医院", "答卷", "指数", "金额（元）", "比例", "日期"]
    assert row == ["河清", 412, 88.4, 17609.25, 0.925, date(2026, 9, 1)]


def test_reasons_stand_in_number_columns_and_totals_and_notes_below() -> None:
    hidden = {**ROW, "index": "样本不足", "rate": None}
    content = write_xlsx(
        [_sheet(ROW, hidden, totals={"name": "合计", "fen": 3521850}, notes=["隐藏 1 个值"])],
        title="对标",
        generated=AT,
    )
    rows = _back(content)
    assert rows[2][2] == "样本不足"
    assert rows[2][4] == ""
    assert rows[3][0] == "合计"
    assert rows[3][3] == 35218.5
    assert rows[5][0] == "隐藏 1 个值"
    sheet = _part(content, "xl/worksheets/sheet1.xml")
    assert '<autoFilter ref="A1:F3"/>' in sheet  # the total is no row to be filtered away
    assert 'state="frozen"' in sheet
    assert 'fitToHeight="0"' in sheet


def test_a_moment_is_shown_in_shanghai() -> None:
    moment = datetime(2026, 9, 30, 16, 30, tzinfo=UTC)
    content = write_xlsx([_sheet({**ROW, "day": moment})], title="t", generated=AT)
    assert _back(content)[1][5] == datetime(2026, 10, 1, 0, 30)  # noqa: DTZ001  a sheet knows no zone
    assert b"2026-10-01 00:30" in write_csv(_sheet({**ROW, "day": moment}))


@pytest.mark.parametrize(
    "text", ["=1+1", "+86", "-1", "@SUM(A1)", "\t=1", "＝1", "=HYPERLINK(0)", "  =1", "\n=1"]
)
def test_no_text_becomes_a_formula(text: str) -> None:
    content = write_xlsx([_sheet({**ROW, "name": text})], title=text, generated=AT)
    assert _back(content)[1][0] == text
    assert "<f>" not in _part(content, "xl/worksheets/sheet1.xml")
    row = list(
        csv.reader(io.StringIO(write_csv(_sheet({**ROW, "name": text})).decode("utf-8-sig"), newline=""))
    )[1]
    assert row[0] == f"'{text}"


def test_links_and_escapes_stay_as_typed() -> None:
    for text in ("https://example.com/", "_x0041_", "=  _x000D_", "12", "𠮷䶮", " 空 "):
        content = write_xlsx([_sheet({**ROW, "name": text})], title="t", generated=AT)
        assert _back(content)[1][0] == text
        assert "hyperlink" not in _part(content, "xl/worksheets/sheet1.xml")


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30))
def test_any_text_gives_a_file_that_opens(text: str) -> None:
    sheet = Sheet(text, (Column("a", text),), [{"a": text}], notes=[text])
    assert len(_back(write_xlsx([sheet], title=text, generated=AT))) >= 1
    assert write_csv(sheet).startswith(b"\xef\xbb\xbf")


def test_the_same_input_gives_the_same_bytes_in_any_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_xlsx([_sheet(ROW)], title="t", generated=AT, properties={"company": "恒康客服"})
    monkeypatch.setenv("TZ", "America/Lima")
    time.tzset()
    try:
        second = write_xlsx([_sheet(ROW)], title="t", generated=AT, properties={"company": "恒康客服"})
    finally:
        monkeypatch.undo()
        time.tzset()
    assert first == second
    assert "2026-10-05T02:00:00Z" in _part(first, "docProps/core.xml")


def test_sheet_names_are_made_acceptable_and_unique() -> None:
    names = ["骨科/外科", "骨科:外科", "", "History", "长" * 40, "长" * 40, "𠮷" * 20]
    content = write_xlsx([Sheet(name, COLUMNS, ()) for name in names], title="t", generated=AT)
    found = CalamineWorkbook.from_filelike(io.BytesIO(content)).sheet_names
    assert found == ["骨科 外科", "骨科 外科 2", "Sheet", "History 1", "长" * 31, "长" * 29 + " 2", "𠮷" * 15]


def test_rows_may_be_a_generator_and_are_not_kept() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for number in range(2000):
            yield {**ROW, "n": number}

    content = write_xlsx([Sheet("s", COLUMNS, rows())], title="t", generated=AT)
    assert [row[1] for row in _back(content)[1:]] == list(range(2000))


def test_csv_holds_the_same_values_for_a_spreadsheet_program() -> None:
    content = write_csv(
        _sheet(ROW, {**ROW, "fen": -5000, "rate": None, "index": "样本不足", "name": 'a,"b"\n'})
    )
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert rows == [
        ["医院", "答卷", "指数", "金额（元）", "比例", "日期"],
        ["河清", "412", "88.4", "17609.25", "92.5%", "2026-09-01"],
        ['a,"b"\n', "412", "样本不足", "-50.00", "", "2026-09-01"],
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"fen": 1.5},
        {"n": True},
        {"index": float("nan")},
        {"name": 3},
        {"day": 20260901},
        {"name": "长" * 32_768},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpreadsheetError):
        write_xlsx([_sheet({**ROW, **wrong})], title="t", generated=AT)


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 9, 1)  # noqa: DTZ001  the mistake under test
    with pytest.raises(SpreadsheetError, match="zone"):
        write_xlsx([_sheet(ROW)], title="t", generated=naive)
    with pytest.raises(SpreadsheetError, match="zone"):
        write_csv(_sheet({**ROW, "day": naive}))
