"""Damaged files: whatever its bytes, a file is refused in one sentence or every row has one verdict."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from world import NOW, World

from foundation.database import HospitalSession
from patients.feeds.files import read_table
from patients.feeds.messages import UnreadableFile
from patients.feeds.records import parse
from patients.feeds.returns import write_rejected
from patients.importing import import_file
from patients.models import Encounter

SAMPLES = Path(__file__).parents[2] / "platform" / "careloop" / "samples"
NAMES = ("heqing_discharges_202609.csv", "beishan_discharges_202609.csv", "heqing_outpatients_202609.csv")
CSVS = [(SAMPLES / name).read_bytes()[:6000] for name in NAMES]
WORKBOOK = (SAMPLES / "yunling_discharges_202609.xlsx").read_bytes()
SHARDS, EACH, TAKEN_IN = 20, 250, 15  # 5,000 files, of which 300 go through the import as well
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


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


def _small_workbook() -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        for number, line in enumerate(TEXTS[1].splitlines()):
            sheet.write_row(number, 0, line.split(","))
    return target.getvalue()


# Thirty rows of each list, in the encodings that hospitals send.
TEXTS = [
    "\n".join(content.decode(encoding, errors="ignore").splitlines()[:31])
    for content, encoding in zip(CSVS, ("gb18030", "gb18030", "utf-8-sig"), strict=True)
]
BOOK = _small_workbook()
ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "big5hkscs")
ODD_CELLS = (
    "=1+1",
    "46289",
    "1.38E+10",
    "２０２６－０９－０１",
    "𠮷䶮",
    "合计",
    "-1",
    "\u202e",
    "x" * 700,
    '"',
    "'",
)


def _bytes_flipped(content: bytes, draw: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(draw.randint(1, 12)):
        damaged[draw.randrange(len(damaged))] = draw.randrange(256)
    return bytes(damaged)


def _cut_short(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def _doubled(content: bytes, draw: random.Random) -> bytes:
    start, end = sorted(draw.randrange(len(content)) for _ in range(2))
    return content[:end] + content[start:]


def _lines_moved(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(draw.randint(1, 5)):
        at, to = draw.randrange(len(lines)), draw.randrange(len(lines))
        kind = draw.randrange(3)
        if kind == 0 and len(lines) > 2:
            del lines[at]
        elif kind == 1:
            lines.insert(to, lines[at])
        else:
            lines[at % len(lines)], lines[to % len(lines)] = lines[to % len(lines)], lines[at % len(lines)]
    return "\n".join(lines)


def _cells_moved(text: str, draw: random.Random) -> str:
    lines = [line.split(",") for line in text.split("\n")]
    for _ in range(draw.randint(1, 30)):
        one, other = draw.choice(lines), draw.choice(lines)
        at, to = draw.randrange(len(one)), draw.randrange(len(other))
        if draw.random() < 0.5:
            one[at], other[to] = other[to], one[at]
        else:
            one[at] = draw.choice(ODD_CELLS)
    return "\n".join(map(",".join, lines))


def _marks_changed(text: str, draw: random.Random) -> str:
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice(',;|\t"\n\r\x0b\x00，\ufeff') + text[at + draw.randint(0, 2) :]
    return text.replace(",", draw.choice(",,,;|\t"))


def _encodings_mixed(text: str, draw: random.Random) -> bytes:
    lines = text.split("\n")
    at = draw.randrange(len(lines))
    first, second = draw.choice(ENCODINGS), draw.choice(ENCODINGS)
    head = "\n".join(lines[:at]) + "\n"
    return head.encode(first, errors="ignore") + "\n".join(lines[at:]).encode(second, errors="ignore")


OF_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_bytes_flipped, _cut_short, _doubled)
OF_TEXT: tuple[Callable[[str, random.Random], str], ...] = (_lines_moved, _cells_moved, _marks_changed)


def mutated(draw: random.Random) -> bytes:
    """One damaged file: one in six a workbook, else text damaged once or more."""
    if draw.random() < 1 / 6:
        return draw.choice(OF_BYTES)(BOOK, draw)
    text = draw.choice(TEXTS)
    for _ in range(draw.randint(0, 3)):
        text = draw.choice(OF_TEXT)(text, draw)
    if draw.random() < 1 / 4:
        return _encodings_mixed(text, draw)
    content = text.encode(draw.choice(ENCODINGS), errors="ignore")
    return draw.choice(OF_BYTES)(content, draw) if content and draw.random() < 1 / 3 else content


@pytest.mark.parametrize("shard", range(SHARDS))
def test_five_thousand_mutated_files_are_refused_or_balanced(shard: int) -> None:
    draw = random.Random(shard)
    for _ in range(EACH):
        check(mutated(draw))


def _take_in(session: HospitalSession, content: bytes) -> int:
    try:
        report = import_file(session, content, "list.csv", by="fuzz", now=NOW, dry_run=True)
    except UnreadableFile:
        return 0
    assert report.rows == report.created + report.updated + report.unchanged + report.rejected
    assert report.rejected == sum(report.reject_reasons.values())
    assert report.verdicts.count(b"\n") == report.rows + 1
    return report.rows


@pytest.mark.parametrize("shard", range(0, SHARDS, 5))
def test_mutated_files_go_through_the_import_balanced_and_leave_nothing(world: World, shard: int) -> None:
    draw = random.Random(1000 + shard)
    with world.hospital(world.heqing) as session:
        rows = sum(_take_in(session, mutated(draw)) for _ in range(TAKEN_IN * 5))
        assert rows > 0
        assert session.scalar(select(func.count()).select_from(Encounter)) == 0
