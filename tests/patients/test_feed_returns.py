"""Rejected rows go back in the sender's own format, harmless to a spreadsheet, and can be sent again."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from python_calamine import CalamineWorkbook

from patients.feeds import returns
from patients.feeds.files import read_table
from patients.feeds.records import Parsed, parse
from patients.feeds.returns import harmless, returned_filename, write_rejected
from patients.feeds.table import Table

TEXTS = {
    "Reason": "退回原因",
    "No record number": "没有病案号",
    "The discharge or visit date cannot be read": "出院日期无法识别",
}
TEXT = (
    "病案号,姓名,手机号,出院日期,住址\r\n"
    ',=1+1,="13800138001",20260910,某街\r\n'
    '2,乙,+8613900139001,待定,"甲,乙"\r\n'
    "3,丙,13800138003,20260911,\r\n"
)


def load(content: bytes, name: str) -> Parsed:
    return parse(read_table(content, name))


def returned(table: Table, translate: Callable[[str], str] = str) -> bytes:
    reasons = {row.row_number: row.reason for row in parse(table).rejected}
    return write_rejected(table, reasons, translate)


@pytest.mark.parametrize(("encoding", "delimiter"), [("gb18030", ","), ("utf-8-sig", ","), ("utf-16", "\t")])
def test_the_senders_encoding_delimiter_and_columns_come_back(encoding: str, delimiter: str) -> None:
    text = TEXT if delimiter == "," else TEXT.replace('"甲,乙"', "甲").replace(",", delimiter)
    sent = returned(read_table(text.encode(encoding), "九月.csv"), TEXTS.__getitem__)
    lines = sent.decode(encoding).splitlines()
    assert lines[0].split(delimiter) == ["病案号", "姓名", "手机号", "出院日期", "住址", "退回原因"]
    assert len(lines) == 3
    assert lines[1].endswith(f"某街{delimiter}没有病案号")
    assert lines[2].endswith("出院日期无法识别")


def test_a_corrected_file_is_taken_with_nothing_lost() -> None:
    before = read_table(TEXT.encode("gb18030"), "九月.csv")
    sent = returned(before, TEXTS.__getitem__).decode("gb18030")
    corrected = sent.replace("待定", "20260912").replace("\r\n,", "\r\n1,")
    after = load(corrected.encode("gb18030"), returned_filename("九月.csv", before.kind))
    assert [(r.record_number, r.name, r.phone) for r in after.records] == [
        ("1", "=1+1", "13800138001"),
        ("2", "乙", "13900139001"),
    ]
    assert after.dropped_columns == ("住址", "退回原因")


@pytest.mark.parametrize("text", ["=1+1", "+86", "-1", "@x", "\t=1", " =1", "＝1"])
def test_a_formula_is_made_harmless(text: str) -> None:
    assert harmless(text) == "'" + text


def test_ordinary_text_comes_back_untouched() -> None:
    assert [harmless(text) for text in ("13800138000", "甲-乙", "")] == ["13800138000", "甲-乙", ""]


def test_rows_of_a_workbook_come_back_as_a_workbook() -> None:
    first = read_table(TEXT.encode(), "九月.csv")
    as_book = replace(first, kind="ods", encoding=None, delimiter=None)
    rows = CalamineWorkbook.from_filelike(io.BytesIO(returned(as_book))).get_sheet_by_index(0).to_python()
    assert returned_filename("九月.ods", as_book.kind) == "九月-rejected.xlsx"
    assert rows[0] == ["病案号", "姓名", "手机号", "出院日期", "住址", "Reason"]
    assert rows[1] == ["", "'=1+1", '\'="13800138001"', "20260910", "某街", "No record number"]


def test_characters_that_the_senders_encoding_lacks_are_not_lost() -> None:
    table = read_table("病歷號,姓名,出院日期\r\n,陳靜,20260910\r\n".encode("big5hkscs"), "九月.csv")
    sent = returned(table, lambda text: "没有病案号" if text.startswith("No") else "退回原因")
    assert "陳靜" in sent.decode("utf-8-sig")
    assert "没有病案号" in sent.decode("utf-8-sig")


def test_rows_beyond_what_is_kept_come_back_just_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    table = read_table(TEXT.encode("gb18030"), "九月.csv")
    few = returned(table)
    monkeypatch.setattr(returns, "_KEPT", 0)
    assert returned(table) == few
