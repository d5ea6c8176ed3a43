"""Text tables (CSV, TSV, TXT): which encoding, which delimiter, where the header is, and then row by row.

Hospitals' systems write GB18030 more often than UTF-8 and put titles above the header, so nothing is taken
from the file's name: the bytes decide.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from patients.feeds.headers import HeaderPlace, find_header
from patients.feeds.messages import UnreadableFile
from patients.feeds.table import MAX_COLUMNS, Cells, Rows, Table

DELIMITERS = (",", "\t", ";", "|")
_HEAD_BYTES = 256 * 1024
_HEAD_ROWS = 50
_CHUNK = 1024 * 1024
_LONGEST_LINE = 4 * 1024 * 1024  # characters
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x19\x1c-\x1f]")
_WEB_PAGE = re.compile(r"\s*<(?:!doctype html|html|head|body|table|meta|style|\?xml)\b", re.IGNORECASE)


def read_text(content: bytes) -> Table:
    """Return the table in these bytes. Raises ``UnreadableFile`` when they are no text table."""
    worst: UnreadableFile | None = None
    for encoding in _candidates(content):
        try:
            head = _decode_head(content, encoding)
            if _WEB_PAGE.match(head):
                raise UnreadableFile("web_page")
            shape = _best_shape(head)
            _check_whole(content, encoding, shape.delimiter)
        except UnreadableFile as error:
            if error.code != "wrong_encoding":
                raise
            worst = worst or error
            continue
        return _table(content, encoding, shape)
    raise worst or UnreadableFile("wrong_encoding", line=1)


class _Shape(NamedTuple):
    delimiter: str
    place: HeaderPlace


def _table(content: bytes, encoding: str, shape: _Shape) -> Table:
    def source() -> Iterator[Cells]:
        return _read_rows(content, encoding, shape)

    rows = Rows(source, shape.place.header, shape.place.row_number, about=content.count(b"\n"))
    shown = encoding.removesuffix("-sig") if encoding != "utf-8-sig" else encoding
    return Table(shape.place.header, rows, shown, "csv", shape.delimiter)


def _candidates(content: bytes) -> list[str]:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return [encoding]
    sample = content[:4096]
    if len(content) % 2 == 0 and len(sample) > 3:
        # In UTF-16 every comma, digit and line end has a zero byte, always on the same side.
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        if max(even, odd) > len(sample) // 20 and min(even, odd) <= max(even, odd) // 20:
            return ["utf-16-le" if odd > even else "utf-16-be"]
    scores = {encoding: _head_score(content, encoding) for encoding in ("gb18030", "big5hkscs")}
    return ["utf-8", *sorted(scores, key=lambda encoding: -scores[encoding])]


def _head_score(content: bytes, encoding: str) -> int:
    try:
        return _best_shape(_decode_head(content, encoding)).place.fields
    except UnreadableFile:
        return -1


def _decode_head(content: bytes, encoding: str) -> str:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        head = decoder.decode(content[:_HEAD_BYTES], final=len(content) <= _HEAD_BYTES)
    except UnicodeDecodeError as error:
        raise UnreadableFile("wrong_encoding", line=content.count(b"\n", 0, error.start) + 1) from error
    if _CONTROLS.search(head):
        raise UnreadableFile("not_a_table")
    if len(content) > _HEAD_BYTES and "\n" in head:
        head = head[: head.rindex("\n") + 1]  # the last line may be cut in the middle
    return head.removeprefix("\ufeff")


def _best_shape(head: str) -> _Shape:
    """Try each delimiter on the first rows: most fields named in the header wins, then most regular."""
    best: tuple[tuple[int, int, int], _Shape] | None = None
    for delimiter in DELIMITERS:
        top: list[Cells] = []
        try:
            for cells in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
                if len(cells) > MAX_COLUMNS:
                    raise UnreadableFile("too_many_columns", limit=MAX_COLUMNS)
                top.append(tuple(cells))
                if len(top) == _HEAD_ROWS:
                    break
        except csv.Error:
            pass  # a field without end: judged by the rows before it
        place = find_header(top)
        if place is None:
            continue
        width, often = Counter(len(cells) for cells in top if any(cells)).most_common(1)[0]
        rank = (place.fields, often if width > 1 else 0, width)
        if best is None or rank > best[0]:
            best = (rank, _Shape(delimiter, place))
    if best is None:
        raise UnreadableFile("not_a_table")
    return best[1]


def _check_whole(content: bytes, encoding: str, delimiter: str) -> None:
    """Decode everything once, keeping nothing, so that no fault is met in the middle of an import."""
    decoder = codecs.getincrementaldecoder(encoding)()
    rest = ""
    for start in range(0, len(content), _CHUNK):
        chunk = content[start : start + _CHUNK]
        try:
            text = decoder.decode(chunk, final=start + _CHUNK >= len(content))
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, start + max(error.start, 0)) + 1
            raise UnreadableFile("wrong_encoding", line=line) from error
        if "\x00" in text:
            raise UnreadableFile("not_a_table")
        parts = (rest + text.replace("\r", "\n")).split("\n")
        for part in parts:
            if part.count(delimiter) >= MAX_COLUMNS:
                _check_width(part, delimiter)
        rest = parts[-1]
        if len(rest) > _LONGEST_LINE:
            raise UnreadableFile("not_a_table")


def _check_width(line: str, delimiter: str) -> None:
    try:
        width = max((len(cells) for cells in csv.reader([line], delimiter=delimiter)), default=0)
    except csv.Error:
        width = 0  # a field without end is found when the row is read
    if width > MAX_COLUMNS:
        raise UnreadableFile("too_many_columns", limit=MAX_COLUMNS)


def _read_rows(content: bytes, encoding: str, shape: _Shape) -> Iterator[Cells]:
    header_row, header, _ = shape.place
    stream = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="")
    if not encoding.startswith("utf-8") and stream.read(1) != "\ufeff":
        stream.seek(0)
    reader = csv.reader(stream, delimiter=shape.delimiter)
    number, line = 0, 0
    try:
        for number, cells in enumerate(reader, start=1):
            # A stray quotation mark would swallow the following rows, and the patients in them, without a
            # word.
            if reader.line_num - line > 1 and len(cells) != len(header) and number > header_row:
                raise UnreadableFile("broken_quotes", row=number)
            line = reader.line_num
            yield tuple(cells)
    except csv.Error as error:
        raise UnreadableFile("broken_quotes", row=number + 1) from error
