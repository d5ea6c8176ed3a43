"""Damaged files: whatever its bytes, a file is refused in one sentence or every row has one verdict."""

import io
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patients.feeds.files import read_table
from patients.feeds.messages import UnreadableFile
from patients.feeds.records import parse
from patients.feeds.returns import write_rejected

SAMPLES = Path(__file__).parents[2] / "platform" / "careloop" / "samples"
CSVS = [
    (SAMPLES / name).read_bytes()[:6000]
    for name in (
        "heqing_discharges_202609.csv",
        "beishan_discharges_202609.csv",
        "heqing_outpatients_202609.csv",
    )
]
WORKBOOK = (SAMPLES / "yunling_discharges_202609.xlsx").read_bytes()
many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def damaged(draw: st.DrawFn, contents: list[bytes]) -> bytes:
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(["replace", "insert", "delete", "cut", "repeat"]))
        length = draw(st.integers(1, 40))
        if kind == "replace":
            content[place : place + length] = draw(st.binary(min_size=1, max_size=length))
        elif kind == "insert":
            content[place:place] = draw(
                st.sampled_from([b'"', b",", b"\n", b"\r", b"\x00", b"\xff", b"=", b"\t", b"1E9"])
            )
        elif kind == "delete":
            del content[place : place + length]
        elif kind == "cut" and place > 200:
            del content[place:]
        else:
            content[place:place] = content[place : place + 400]
    return bytes(content)


def check(content: bytes) -> None:
    try:
        table = read_table(content, "list.csv")
        parsed = parse(table)
    except UnreadableFile:
        return
    assert parsed.rows == len(parsed.records) + len(parsed.rejected) == sum(1 for _ in table.rows)
    numbers = [record.row_number for record in parsed.records] + [row.row_number for row in parsed.rejected]
    assert len(set(numbers)) == parsed.rows
    for record in parsed.records:
        assert record.record_number
        assert "\x00" not in repr(record)
        assert record.admitted_on is None or record.admitted_on <= record.discharged_on
        assert (record.phone or record.contact_phone) is None or "no_phone_at_all" not in record.warnings
    assert write_rejected(table, {row.row_number: row.reason for row in parsed.rejected})


@many
@given(damaged(CSVS))
def test_damaged_text_is_refused_or_balanced(content: bytes) -> None:
    check(content)


@few
@given(damaged([WORKBOOK]))
def test_damaged_workbooks_are_refused_or_balanced(content: bytes) -> None:
    check(content)


@few
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_balanced(content: bytes) -> None:
    check(content)


@few
@given(
    st.lists(st.lists(st.text(max_size=12), max_size=8), max_size=8),
    st.sampled_from(["utf-8", "gb18030", "utf-16"]),
)
def test_any_cells_under_a_known_header_are_balanced(rows: list[list[str]], encoding: str) -> None:
    text = io.StringIO()
    text.write("病案号,姓名,手机号,入院日期,出院日期,离院方式\n")
    text.writelines(",".join(cells) + "\n" for cells in rows)
    check(text.getvalue().encode(encoding, errors="ignore"))
