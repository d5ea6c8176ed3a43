"""Files: every encoding and format that hospitals send is read; every bad one is named in one sentence."""

import io
import time
import tracemalloc
import zipfile
import zlib

import pytest
import xlsxwriter

from patients.feeds.files import MAX_BYTES, read_table
from patients.feeds.headers import Layout, recognise
from patients.feeds.messages import TEMPLATES, UnreadableFile
from patients.feeds.records import Parsed, parse

HEADER = "病案号,住院次数,姓名,性别,出生日期,联系电话,入院日期,出院日期,出院科室,离院方式"
ROW = "00000001,1,䶮小𠮷,女,1980-01-02,13800138000,20260901,20260910,内科,医嘱离院"
TEXT = f"{HEADER}\r\n{ROW}\r\n"


def load(content: bytes | str, name: str = "list.csv") -> Parsed:
    return parse(read_table(content.encode() if isinstance(content, str) else content, name))


def code_of(content: bytes | str, name: str = "list.csv") -> str:
    with pytest.raises(UnreadableFile) as caught:
        load(content, name)
    assert str(caught.value) == TEMPLATES[caught.value.code] % caught.value.params
    return caught.value.code


def workbook(rows: list[list[object]], **others: list[list[object]]) -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        for name, lines in {"名单": rows, **others}.items():
            sheet = book.add_worksheet(name)
            for number, line in enumerate(lines):
                sheet.write_row(number, 0, line)
    return target.getvalue()


def grid(text: str) -> list[list[object]]:
    return [list(line.split(",")) for line in text.splitlines()]


def repacked(content: bytes, changes: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as before,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as after,
    ):
        for name in before.namelist():
            after.writestr(name, changes.get(name) or before.read(name))
        for name in changes.keys() - set(before.namelist()):
            after.writestr(name, changes[name])
    return target.getvalue()


def ods(table: str) -> bytes:
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    sheet = f"<office:spreadsheet><table:table table:name='a'>{table}</table:table></office:spreadsheet>"
    body = f"<office:body>{sheet}</office:body>"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", f"<office:document-content {names}>{body}</office:document-content>")
    return target.getvalue()


def ods_row(cells: list[object], repeated: int = 1) -> str:
    inside = "".join(
        f"<table:table-cell office:value-type='string'><text:p>{cell}</text:p></table:table-cell>"
        for cell in cells
    )
    return f"<table:table-row table:number-rows-repeated='{repeated}'>{inside}</table:table-row>"


# ------------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_text_is_read_in_every_encoding_and_with_every_delimiter(encoding: str, delimiter: str) -> None:
    parsed = load(TEXT.replace(",", delimiter).encode(encoding), "list.xls")
    assert (parsed.rows, parsed.records[0].name, parsed.delimiter) == (1, "䶮小𠮷", delimiter)


def test_big5_with_traditional_headings_is_read() -> None:
    text = "病案號,姓名,性別,聯絡電話,出院日期,離院方式\r\n7,陳美麗,女,13800138000,20260910,死亡\r\n"
    parsed = load(text.encode("big5hkscs"))
    assert parsed.encoding == "big5hkscs"
    assert (parsed.records[0].name, parsed.records[0].deceased) == ("陳美麗", True)
    assert parsed.records[0].phone == "13800138000"


def test_the_three_workbook_formats_give_the_same_record() -> None:
    from_xlsx, from_ods = load(workbook(grid(TEXT))), load(ods("".join(map(ods_row, grid(TEXT)))))
    assert (from_xlsx.kind, from_ods.kind) == ("xlsx", "ods")
    assert from_xlsx.records[0].digest == from_ods.records[0].digest == load(TEXT).records[0].digest


def test_titles_notes_totals_and_repeated_headers_are_no_patients() -> None:
    above, below = ["2026年9月出院患者", "制表:病案室", ""], [",,,,,,,,,", "合 计,1,,,,,,,,", "备注:无"]
    parsed = load("\r\n".join([*above, HEADER, ROW, HEADER, *below]))
    assert parsed.rows == len(parsed.records) == 1
    assert parsed.records[0].row_number == 5
    assert [line.reason for line in parsed.skipped] == [
        "above_header",
        "above_header",
        "header_again",
        "total",
        "note",
    ]


def test_merged_header_cells_tell_the_two_phones_apart() -> None:
    rows: list[list[object]] = [
        ["病案号", "患者", "", "联系人", "", "出院日期"],
        ["", "姓名", "电话", "姓名", "电话", ""],
        ["7", "陈静", 13800138001, "陈明", 13900139001, "2026-09-10"],
    ]
    record = load(workbook(rows)).records[0]
    assert (record.name, record.phone, record.contact_name, record.contact_phone) == (
        "陈静", "13800138001", "陈明", "13900139001",
    )  # fmt: skip


def test_the_second_phone_column_after_the_contact_person_is_theirs() -> None:
    record = load(
        "住院号,姓名,电话,联系人,关系,电话,出院时间\n7,陈静,,陈明,父亲,13900139001,2026/9/10\n"
    ).records[0]
    assert (record.phone, record.contact_phone, record.contact_relation) == (None, "13900139001", "parent")


def test_rows_of_different_lengths_are_judged_one_by_one() -> None:
    short, long = "2,1,甲,男,,13800138001,20260901,20260910", ROW + ",多余"
    parsed = load(f"{HEADER}\n{short}\n{long}\n3\n")
    assert [record.warnings for record in parsed.records] == [(), ("row_length",)]
    assert parsed.rejected_by_reason == {"bad_discharge_date": 1}


def test_a_row_has_one_reason_and_the_missing_number_comes_first() -> None:
    rows = [",1,甲,,,,20260920,待定", "1,1,乙,,,,20260920,待定", "2,1,丙,,,,20260920,20260910"]
    parsed = load("\n".join([HEADER, *rows]))
    assert [row.reason for row in parsed.rejected] == [
        "no_record_number", "bad_discharge_date", "discharge_before_admission",
    ]  # fmt: skip
    assert parsed.rejected[0].cells[2] == "甲"


def test_a_child_without_a_guardians_number_is_named() -> None:
    text = HEADER + ",联系人电话\n"
    child = "5,1,小明,男,20130911,13800138001,20260901,20260910,儿科,1"
    assert load(f"{text}{child},").records[0].warnings == ("no_guardian_phone",)
    assert load(f"{text}{child},13900139001").records[0].warnings == ()
    grown = load(f"{text}{child.replace('20130911', '20120910')},").records[0]
    assert (grown.minor, grown.warnings) == (False, ())


def test_death_is_believed_wherever_it_is_written() -> None:
    record = load(f"{HEADER},转归\n{ROW},死亡\n").records[0]
    assert record.deceased


def test_an_unknown_header_can_be_mapped_by_hand() -> None:
    table = read_table("编码甲,谁,何时走,手机\nA1,陈静,20260910,13800138001\n".encode(), "x.csv")
    with pytest.raises(UnreadableFile) as caught:
        recognise(table.header)
    assert (caught.value.code, caught.value.params) == (
        "unknown_header",
        {"missing": "病案号、姓名、出院日期"},
    )
    chosen = {"record_number": "编码甲", "name": "谁", "discharged_on": "何时走", "phone": "手机"}
    parsed = parse(table, Layout.by_hand(table.header, chosen))
    assert (parsed.records[0].key, parsed.records[0].phone) == (("inpatient", "A1", 1), "13800138001")


def test_the_digest_follows_the_content_and_not_the_place() -> None:
    other = ROW.replace("内科", "外科")
    first, second, third = load(f"{HEADER}\n{ROW}\n{ROW}\n{other}\n").records
    assert first.digest == second.digest != third.digest
    assert first.key == third.key


# ------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \r\n\r\n", b"\xff\xfe", b",,,\r\n"])
def test_an_empty_file(content: bytes) -> None:
    assert code_of(content) == "empty_file"


def test_an_empty_workbook() -> None:
    assert code_of(workbook([])) == "empty_file"


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7 ...",
        b"\x89PNG\r\n\x1a\n...",
        b"just one line of prose",
        b"a\nb\nc\n",
        b"\x00\x01\x02\x03abc,def\n" * 9,
    ],
)
def test_what_is_no_table(content: bytes) -> None:
    assert code_of(content) == "not_a_table"


def test_a_packed_folder_is_no_table() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("list.csv", TEXT)
    assert code_of(target.getvalue()) == "not_a_table"


def test_a_web_page_under_the_name_of_a_workbook() -> None:
    assert code_of("<html><table><tr><td>病案号</td></tr></table></html>", "list.xls") == "web_page"


def test_text_in_no_known_encoding_names_the_line() -> None:
    with pytest.raises(UnreadableFile) as caught:
        load(TEXT.encode() + b"8,1,\xff\xff\xfe,\n")
    assert (caught.value.code, caught.value.params) == ("wrong_encoding", {"line": 3})


def test_a_fault_far_down_is_found_before_the_first_row_is_given() -> None:
    with pytest.raises(UnreadableFile) as caught:
        read_table(TEXT.encode() + (ROW + "\r\n").encode() * 30_000 + b"\xff\xff\n", "list.csv")
    assert caught.value.params == {"line": 30_003}


def test_a_header_nobody_knows() -> None:
    assert code_of("foo,bar,baz\n1,2,3\n") == "unknown_header"
    assert code_of("病案号,姓名,手机号\n1,陈静,13800138001\n") == "unknown_header"


def test_a_heading_over_two_columns() -> None:
    with pytest.raises(UnreadableFile) as caught:
        load("病案号,姓名,出院日期,病案号\n1,陈静,20260910,2\n")
    assert caught.value.params == {"heading": "病案号", "first": 1, "second": 4}


@pytest.mark.parametrize("where", ["header", "below", "one_line"])
def test_a_million_columns_are_refused_at_once_and_in_little_memory(where: str) -> None:
    wide = ",".join(f"c{number}" for number in range(1_000_000))
    content = {"header": f"{wide}\n{wide}\n", "below": f"{TEXT}{wide}\n", "one_line": wide}[where].encode()
    tracemalloc.start()
    started = time.perf_counter()
    assert code_of(content) == "too_many_columns"
    seconds, peak = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 1.5  # with memory tracing on, which is several times slower
    assert peak < 80_000_000


def test_a_quotation_mark_that_would_swallow_patients() -> None:
    assert code_of(f'{HEADER}\n"{ROW}\n{ROW}\n{ROW}\n') == "broken_quotes"
    assert code_of(f'{HEADER}\n1,1,"甲,男\n{ROW}\n2,1,乙",男\n') == "broken_quotes"
    assert load(f'{HEADER}\n{ROW[:-4]}"医嘱\n离院"\n').records[0].disposition == "home"


def test_a_file_beyond_the_limit() -> None:
    assert code_of(bytes(MAX_BYTES + 1)) == "too_large"


def test_two_worksheets_of_patients_are_not_read_as_one() -> None:
    assert code_of(workbook(grid(TEXT), 外科=grid(TEXT))) == "several_tables"
    assert load(workbook(grid(TEXT), 说明=[["怎样填写", "见附件"]])).rows == 1


def test_a_workbook_with_macros() -> None:
    assert code_of(repacked(workbook(grid(TEXT)), {"xl/vbaProject.bin": b"macro"})) == "macro_workbook"


def test_a_workbook_under_a_password() -> None:
    packed = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    assert code_of(packed, "list.xlsx") == "password_protected"


def test_a_damaged_workbook() -> None:
    whole = workbook(grid(TEXT))
    assert code_of(whole[: len(whole) // 2], "list.xlsx") == "damaged_workbook"
    assert code_of(repacked(whole, {"xl/worksheets/sheet1.xml": b"<worksheet><sheetD"})) in {
        "damaged_workbook",
        "empty_file",
    }


def test_a_zip_bomb_is_refused_by_what_it_declares_and_by_what_it_holds() -> None:
    whole = workbook(grid(TEXT))
    bomb = repacked(whole, {"xl/media/a.bin": bytes(600 * 1024 * 1024)})
    assert len(bomb) < 3_000_000
    assert code_of(bomb) == "zip_bomb"
    # The same bomb whose directory claims that it is small.
    size = (600 * 1024 * 1024).to_bytes(4, "little")
    assert code_of(bomb.replace(size, (1000).to_bytes(4, "little"))) == "zip_bomb"


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("XFD1", "too_many_columns"),
        ("A200000", None),
        ("RA1048576", "too_many_cells"),
        ("SG2", "too_many_columns"),
    ],
)
def test_one_cell_in_a_far_corner_does_not_fill_the_memory(cell: str, code: str | None) -> None:
    whole = workbook(grid(TEXT))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    row = f'<row r="{cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}"><c r="{cell}"><v>1</v></c></row></sheetData>'
    content = repacked(whole, {"xl/worksheets/sheet1.xml": sheet.replace(b"</sheetData>", row.encode())})
    if code:
        assert code_of(content) == code
    else:
        assert load(content).rows == 2


def test_repeated_cells_of_an_ods_do_not_fill_the_memory() -> None:
    rows = "".join(map(ods_row, grid(TEXT)))
    empty = "<table:table-cell table:number-columns-repeated='{}'/>"
    tail = f"<table:table-row table:number-rows-repeated='1048000'>{empty.format(16384)}</table:table-row>"
    assert load(ods(rows + tail)).rows == 1
    assert code_of(ods(rows + ods_row(["1"] * 400, repeated=1_000_000))) == "too_many_cells"
    far = ods_row(["x"]).replace("<table:table-cell", empty.format(16383) + "<table:table-cell")
    assert code_of(ods(rows + far)) == "too_many_columns"


def test_a_part_that_does_not_inflate_is_damage() -> None:
    whole = bytearray(workbook(grid(TEXT)))
    with zipfile.ZipFile(io.BytesIO(bytes(whole))) as archive:
        info = archive.getinfo("xl/worksheets/sheet1.xml")
    start = info.header_offset + 30 + len(info.filename)
    whole[start : start + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(zlib.error):
        zlib.decompress(bytes(whole[start : start + info.compress_size]), -15)
    assert code_of(bytes(whole)) == "damaged_workbook"
