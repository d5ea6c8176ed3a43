"""Everything of a hospital, or of one patient, in open formats (PIPL 21 and 45): one ZIP file.

Each table as JSON Lines and as CSV (UTF-8 with its mark, so that a spreadsheet reads it), what was encrypted
in the clear, files as files, an index with counts and SHA-256 of each part, and a page of explanation in both
languages. Rows stream from the database through a spool file into the archive: memory does not grow with the
hospital. What there is to write follows from the catalogue.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any
from uuid import UUID

from sqlalchemy import Column, LargeBinary, RowMapping, Select, Table, select, text

from foundation import catalogue
from foundation.database import HospitalSession
from foundation.encryption import DataKey, Undecipherable
from foundation.extract_readme import README
from foundation.files import StoredFile
from foundation.glossary import describe

FORMAT = "careloop-extract-1"
# A file of this kind is itself an extract: its row is exported, its content is not packed again.
MEDIA_TYPE = "application/vnd.careloop.extract+zip"
CIPHER = "_cipher"
CHUNK = 1_000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A readable sheet that joins several tables, such as answers beside the texts of their questions.

    `rows` gives the cells of each line for the whole hospital, or for one patient.
    """

    name: str
    heads: tuple[str, ...]
    rows: Callable[[HospitalSession, UUID | None], Iterable[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Whom:
    """What an extract is of: the hospital's names, and the patient when it is of one alone."""

    code: str
    name: str
    name_en: str
    patient_id: UUID | None = None


@dataclass(slots=True)
class Extract:
    """What was written: rows by table, files, values that could not be decrypted, and the index itself."""

    counts: dict[str, int] = field(default_factory=dict)
    files: int = 0
    unreadable: int = 0
    index: dict[str, Any] = field(default_factory=dict)


_sheets: dict[str, Sheet] = {}


def register(sheet: Sheet) -> None:
    """Add a readable sheet, or replace the one of that name."""
    _sheets[sheet.name] = sheet


@contextmanager
def spool() -> Iterator[IO[bytes]]:
    """A file without a name: gone with the process that made it, however that ends (C5, residual data)."""
    with tempfile.TemporaryFile() as target:
        yield target


def total_rows(session: HospitalSession) -> int:
    """How many rows a full extract of the session's hospital has."""
    return sum(catalogue.counts(session, session.tenant_id).values())


def write(
    session: HospitalSession,
    key: DataKey,
    whom: Whom,
    target: IO[bytes],
    *,
    now: datetime,
    progress: Progress = lambda _done: None,
) -> Extract:
    """Write the extract into `target`; `progress` hears how many rows are done, and may raise to stop it."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        return _Writer(session, key, whom, archive, now, progress).run()


def left_out(column: Column[Any]) -> bool:
    """Keys and keyed indexes: of no use outside, and what they stand for is in the extract in the clear."""
    keyed = column.name.endswith("_index") and isinstance(column.type, LargeBinary)
    return (
        keyed
        or column.name == "wrapped_key"
        or (column.table.name == "stored_file" and column.name == "content")
    )


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell.startswith(_FORMULA_STARTS) else cell


class _Writer:
    def __init__(
        self,
        session: HospitalSession,
        key: DataKey,
        whom: Whom,
        archive: zipfile.ZipFile,
        now: datetime,
        progress: Progress,
    ) -> None:
        self.session, self.key, self.whom, self.archive = session, key, whom, archive
        self.now, self.progress = now, progress
        self.made = Extract()
        self.parts: list[dict[str, Any]] = []
        self.done = 0
        self.rows: catalogue.Rows | None = None
        if whom.patient_id is not None:
            self.rows = catalogue.rows_of_patient(session, session.tenant_id, whom.patient_id)

    def run(self) -> Extract:
        tables = [entry for table in catalogue.tenant_tables() if (entry := self._table(table)) is not None]
        self._files()
        for sheet in _sheets.values():
            self._sheet(sheet)
        for language, words in README.items():
            self._put(f"README.{language}.txt", [words.format(**self._about()).encode()])
        self.made.index = {"format": FORMAT, **self._about(), "tables": tables, "parts": self.parts}
        content = json.dumps(self.made.index, ensure_ascii=False, indent=1).encode()
        self.archive.writestr("index.json", content)
        return self.made

    def _about(self) -> dict[str, Any]:
        return {
            "hospital": self.whom.name,
            "hospital_en": self.whom.name_en,
            "code": self.whom.code,
            "patient": str(self.whom.patient_id) if self.whom.patient_id else "",
            "made_at": self.now.isoformat(),
            "rows": sum(self.made.counts.values()),
        }

    # -- tables

    def _table(self, table: Table) -> dict[str, Any] | None:
        wanted = self._wanted(table)
        if wanted is None:
            return None
        columns = [column for column in table.columns if not left_out(column)]
        with spool() as sheet:
            # UTF-8 with its mark: without it a Chinese spreadsheet takes the text for GB18030.
            lines = io.TextIOWrapper(sheet, encoding="utf-8-sig", newline="", write_through=True)
            writer = csv.writer(lines)
            writer.writerow([column.name.removesuffix(CIPHER) for column in columns])
            self._put(f"tables/{table.name}.jsonl", self._lines(wanted, columns, writer, table.name))
            lines.flush()
            sheet.seek(0)
            self._put(f"tables/{table.name}.csv", iter(lambda: sheet.read(1 << 16), b""))
            lines.detach()
        chinese, english = catalogue.described(catalogue.classes()[table.name].__doc__ or "")
        return {
            "name": table.name,
            "description": {"zh": chinese, "en": english},
            "rows": self.made.counts[table.name],
            "columns": [_described(column) for column in table.columns],
        }

    def _wanted(self, table: Table) -> Select[Any] | None:
        columns = [column for column in table.columns if not left_out(column)]
        query = select(*columns).where(table.c.tenant_id == self.session.tenant_id)
        if self.rows is not None:
            whose = catalogue.personal_of(table.name).whose
            if whose in {"patients", "pointed_at"}:
                query = query.where(catalogue.among(table.c.id, self.rows.get(table.name, [])))
            elif whose == "named":
                query = query.where(catalogue.named_condition(table, self.rows))
            elif whose != "reference":
                return None
        return query.order_by(*table.primary_key.columns)

    def _lines(
        self, query: Select[Any], columns: list[Column[Any]], sheet: Any, name: str
    ) -> Iterator[bytes]:
        self.made.counts[name] = 0
        result = self.session.execute(query, execution_options={"yield_per": CHUNK}).mappings()
        for chunk in result.partitions():
            records = [self._record(row, columns) for row in chunk]
            sheet.writerows([_cell(value) for value in record.values()] for record in records)
            yield "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
            self.made.counts[name] += len(records)
            self.done += len(records)
            self.progress(self.done)

    def _record(self, row: RowMapping, columns: list[Column[Any]]) -> dict[str, Any]:
        return {column.name.removesuffix(CIPHER): self._plain(column, row[column.name]) for column in columns}

    def _plain(self, column: Column[Any], value: Any) -> Any:
        if isinstance(value, bytes):
            if not column.name.endswith(CIPHER):
                return value.hex()
            try:
                return self.key.decrypt(value)
            except Undecipherable:
                # One damaged value must not keep the others from whoever they belong to.
                self.made.unreadable += 1
                return None
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, UUID | Decimal):
            return str(value)
        if isinstance(value, list):
            return [str(one) if isinstance(one, UUID) else one for one in value]
        return value

    # -- files and sheets

    def _files(self) -> None:
        query = select(StoredFile.id, StoredFile.name).where(
            StoredFile.tenant_id == self.session.tenant_id, StoredFile.media_type != MEDIA_TYPE
        )
        if self.rows is not None:
            query = query.where(StoredFile.id.in_(self.rows[catalogue.FILE_TABLE]))
        for file_id, name in self.session.execute(query.order_by(StoredFile.id)).all():
            # Files are few and their contents large: each is read alone.
            stored = self.session.scalar(
                select(StoredFile.content).where(
                    StoredFile.tenant_id == self.session.tenant_id, StoredFile.id == file_id
                )
            )
            if stored is not None:
                try:
                    plain = self.key.decrypt_bytes(stored)
                except Undecipherable:
                    self.made.unreadable += 1
                    continue
                self._put(f"files/{file_id}-{_file_name(name)}", [plain])
                self.made.files += 1
                self.progress(self.done)

    def _sheet(self, sheet: Sheet) -> None:
        def lines() -> Iterator[bytes]:
            yield "\ufeff".encode() + _csv([sheet.heads])
            chunk: list[tuple[str, ...]] = []
            for row in sheet.rows(self.session, self.whom.patient_id):
                chunk.append(row)
                if len(chunk) == CHUNK:
                    yield _csv(chunk)
                    chunk = []
            yield _csv(chunk)

        self._put(f"{sheet.name}.csv", lines())

    def _put(self, path: str, chunks: Iterable[bytes]) -> None:
        """One part of the archive, hashed on its way in."""
        digest, size = hashlib.sha256(), 0
        with self.archive.open(path, "w", force_zip64=True) as part:
            for chunk in chunks:
                part.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self.parts.append({"path": path, "bytes": size, "sha256": digest.hexdigest()})


def consistent(session: HospitalSession) -> None:
    """Let this transaction see one moment only. To be called before anything is read in it."""
    if session.in_transaction():
        return
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def alone(session: HospitalSession, name: str) -> bool:
    """Whether nobody else is at this piece of work now; it is ours until the transaction ends."""
    statement = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
    return bool(session.scalar(statement, {"key": name}))


def _described(column: Column[Any]) -> dict[str, Any]:
    chinese, english = describe(column.name)
    told = {
        "name": column.name.removesuffix(CIPHER),
        "type": str(column.type),
        "zh": chinese,
        "en": english,
    }
    if column.name.endswith(CIPHER):
        told |= {"type": "TEXT", "stored": "encrypted"}
    return told | ({"left_out": True} if left_out(column) else {})


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _csv(rows: Iterable[tuple[str, ...]]) -> bytes:
    target = io.StringIO(newline="")
    csv.writer(target).writerows([harmless(cell) for cell in row] for row in rows)
    return target.getvalue().encode()


def _file_name(name: str) -> str:
    """A name that stays inside its folder wherever the archive is unpacked."""
    plain = "".join(c if c.isalnum() or c in " ._-（）()" else "_" for c in name).strip(" .")
    return plain[-80:] or "file"
