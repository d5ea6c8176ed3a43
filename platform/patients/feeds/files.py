"""From the bytes of an uploaded file to a table: the one door for every format."""

import re

from patients.feeds.headers import is_patient
from patients.feeds.messages import UnreadableFile
from patients.feeds.table import Table
from patients.feeds.text import read_text
from patients.feeds.workbooks import OLE_MAGIC, ZIP_MAGIC, read_workbook

MAX_BYTES = 256 * 1024 * 1024
# Pictures, PDF and packed files that people send by mistake; the bytes decide, whatever the name says.
_NO_TABLES = (
    b"%PDF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\x1f\x8b",
    b"BM",
    b"PK\x05\x06",
)
_SOMETHING = re.compile(rb"[^\x00\xef\xbb\xbf\xff\xfe\t\r\n ,;]")
_TEXT_EXTENSIONS = ("csv", "tsv", "txt")


def read_table(content: bytes, filename: str) -> Table:
    """Read CSV, TSV or TXT (UTF-8, UTF-16, GB18030, Big5), XLSX, XLS or ODS into a table.

    The content decides the format: many systems write text under the name ``.xls``. The name only settles
    bytes that could be both. Header and layout may still be unknown (``headers.recognise`` says so). Raises
    ``UnreadableFile``; its codes are the keys of ``messages.TEMPLATES``.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableFile("too_large", limit_mb=MAX_BYTES // 1024 // 1024)
    if not _SOMETHING.search(content):
        raise UnreadableFile("empty_file")
    if content.startswith((ZIP_MAGIC, OLE_MAGIC)):
        return _with_header(read_workbook(content))
    is_text = filename.lower().endswith(_TEXT_EXTENSIONS)
    if content.startswith(_NO_TABLES) and not (is_text and content.startswith(b"BM")):
        raise UnreadableFile("not_a_table")
    return _with_header(read_text(content))


def _with_header(table: Table) -> Table:
    """The table, unless a patient stands for the header: kept as headings, nothing would guard it."""
    if is_patient(table.header):
        raise UnreadableFile("no_header")
    return table
