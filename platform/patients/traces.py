"""What came in and still says who an erased patient was: files of imports, messages of feeds (PIPL 47).

A message that waits or was rejected is nobody's row yet, and a file is a whole list: neither belongs to a
patient by a foreign key, so the labels of the tables do not reach them. They are found here by what a sender
says of a person: a record number in any spelling, the ID number, or the name beside a telephone number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select, text, update

from foundation import catalogue
from foundation.database import HospitalSession
from foundation.files import StoredFile
from foundation.masking import masked_name
from patients import intake
from patients.feeds.files import read_table
from patients.feeds.messages import UnreadableFile
from patients.models import ContactPoint, DataImport, Encounter, Patient, RecordAlias
from patients.stopped import index_of, plain_number
from tenants.keys import data_key

ERASED = "erased_on_request"
_SHORTEST_NUMBER = 5  # places of a record number that is looked for inside a file's name
# The spelling of `stopped.plain_number`, for the messages that are nobody's yet.
_MESSAGES = text(r"""
    UPDATE feed_message SET
        content_cipher = NULL, record_number = CAST(id AS text), visit_number = CAST(id AS text),
        reason = CASE WHEN state = 'applied' THEN '' ELSE :erased END,
        state = CASE WHEN state = 'applied' THEN state ELSE 'rejected' END
    WHERE tenant_id = :tenant_id AND (patient_id IS NULL OR patient_id = :patient_id)
      AND (record_number = ANY (:numbers)
           OR event = 'merge' AND visit_number = ANY (:numbers)
           OR patient_id IS NULL AND regexp_replace(
                upper(regexp_replace(normalize(record_number, NFKC), '\s+', '', 'g')),
                '^((?:[^0-9]*[0-9]){6,}[^0-9]*?)-[1-9][0-9]?$', '\1') = ANY (:plain))
""")
_ERASED = text("""
    SELECT record_index FROM patient
    WHERE tenant_id = :tenant_id AND erased_at IS NOT NULL AND record_index IS NOT NULL
    UNION
    SELECT a.record_index FROM record_alias a
    JOIN patient p ON p.tenant_id = a.tenant_id AND p.id = a.patient_id
    WHERE a.tenant_id = :tenant_id AND p.erased_at IS NOT NULL AND a.record_index IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a sender says of one person: record numbers, ID number, name and telephone numbers."""

    numbers: frozenset[str]
    name: str
    id_number: str
    phones: frozenset[str]

    @property
    def plain_numbers(self) -> frozenset[str]:
        """The record numbers in one spelling."""
        return frozenset(map(plain_number, self.numbers))

    def in_rows(self, rows: Iterable[Iterable[str]]) -> bool:
        """Whether any of these rows is about the person."""
        numbers = self.plain_numbers
        hints = [hint for hint in (*numbers, self.id_number, _plain(self.name)) if hint]
        quick = re.compile("|".join(map(re.escape, hints)))
        for row in rows:
            cells = [_plain(cell) for cell in row]
            if quick.search("\n".join(cells)) and self._in_cells(cells, numbers):
                return True
        return False

    def _in_cells(self, cells: list[str], numbers: frozenset[str]) -> bool:
        if any(plain_number(cell.lstrip("'")) in numbers for cell in cells):
            return True
        if self.id_number and any(self.id_number in cell for cell in cells):
            return True
        named = self.name and any(_plain(self.name) == cell for cell in cells)
        return bool(named) and any(
            phone in cell.replace("-", "")
            for phone in self.phones
            for cell in cells
            if len(cell) >= len(phone)
        )


def erased_indexes(session: HospitalSession) -> frozenset[bytes]:
    """The keyed indexes of the record numbers of erased patients."""
    return frozenset(bytes(one) for one in session.scalars(_ERASED, {"tenant_id": session.tenant_id}))


def is_erased(session: HospitalSession, erased: frozenset[bytes], *numbers: str) -> bool:
    """Whether one of these record numbers, in any spelling, is an erased patient's."""
    return bool(erased) and any(
        number and index_of(data_key(session), number) in erased for number in numbers
    )


def wipe(session: HospitalSession, patient: Patient) -> dict[str, int]:
    """Empty what came in about this patient, before the row itself is wiped.

    Files that speak of the person are dropped whole; an import that has not run yet is stopped, because a
    list without its file cannot be taken in. Returns how many messages and files.
    """
    wanted = _wanted(session, patient)
    values = {
        "tenant_id": session.tenant_id,
        "patient_id": patient.id,
        "numbers": sorted(wanted.numbers),
        "plain": sorted(wanted.plain_numbers),
        "erased": ERASED,
    }
    messages = session.connection().execute(_MESSAGES, values).rowcount
    gone = [file_id for file_id, rows in _kept_files(session) if wanted.in_rows(rows)]
    _let_go(session, gone)
    _rename(session, wanted)
    return {"import_files": len(gone), "feed_messages": messages}


def _wanted(session: HospitalSession, patient: Patient) -> Wanted:
    key, mine = data_key(session), patient.id
    aliases = select(RecordAlias.record_number).where(
        RecordAlias.tenant_id == session.tenant_id, RecordAlias.patient_id == mine
    )
    stays = select(Encounter.record_number).where(
        Encounter.tenant_id == session.tenant_id, Encounter.patient_id == mine
    )
    numbers = {patient.record_number, *session.scalars(aliases.union(stays))}
    points = session.scalars(
        select(ContactPoint.number_cipher).where(
            ContactPoint.tenant_id == session.tenant_id, ContactPoint.patient_id == mine
        )
    )
    phones = frozenset(key.decrypt(cipher) for cipher in points)
    cipher = patient.id_number_cipher
    return Wanted(
        numbers=frozenset(number for number in numbers if number),
        name=patient.name,
        id_number=key.decrypt(cipher) if cipher is not None else "",
        phones=frozenset(phone for phone in phones if phone),
    )


def _kept_files(session: HospitalSession) -> Iterator[tuple[UUID, Iterable[Iterable[str]]]]:
    """The files of imports that are still kept, one after the other, with their rows."""
    key = data_key(session)
    pointed = [
        select(column).where(DataImport.tenant_id == session.tenant_id, column.is_not(None))
        for column in (DataImport.file_id, DataImport.verdicts_file_id, DataImport.rejected_file_id)
    ]
    found = session.execute(
        select(StoredFile.id, StoredFile.name, StoredFile.content)
        .where(StoredFile.tenant_id == session.tenant_id, or_(*(StoredFile.id.in_(ids) for ids in pointed)))
        .execution_options(yield_per=1)  # a year's first list is large, and one is looked into at a time
    )
    for file_id, name, content in found:
        yield file_id, _Lines(key.decrypt_bytes(content), name)


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a file, also those above its header and below its rows."""

    content: bytes
    name: str

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        try:
            table = read_table(self.content, self.name)
            yield table.header
            for _number, cells in table.rows:
                yield cells
            for skipped in table.rows.skipped:
                yield (skipped.text,)
        except UnreadableFile:
            return  # nobody reads a person out of it: it waits for its end, a day at most


def _let_go(session: HospitalSession, file_ids: list[UUID]) -> None:
    if not file_ids:
        return
    mine = DataImport.tenant_id == session.tenant_id
    session.flush()
    session.execute(
        update(DataImport)
        .where(
            mine,
            catalogue.among(DataImport.file_id, file_ids),
            DataImport.state.in_(("mapping", "checked", *intake.AT_WORK)),
        )
        .values(state="stopped", lease_until=None, phase="")
        .execution_options(synchronize_session=False)
    )
    for column in (DataImport.file_id, DataImport.verdicts_file_id, DataImport.rejected_file_id):
        session.execute(
            update(DataImport)
            .where(mine, catalogue.among(column, file_ids))
            .values({column.key: None, "preview_cipher": None})
            .execution_options(synchronize_session=False)
        )
    intake.drop_files(session, file_ids)


def _rename(session: HospitalSession, wanted: Wanted) -> None:
    """Take the person out of the names of files: `张三.csv` becomes `张**.csv`."""
    words = {wanted.name: masked_name(wanted.name)} if len(wanted.name) > 1 else {}
    words |= {number: "*" * len(number) for number in wanted.numbers if len(number) >= _SHORTEST_NUMBER}
    for word, instead in words.items():
        for table, column in (("data_import", "file_name"), ("stored_file", "name")):
            session.execute(
                text(
                    f"UPDATE {table} SET {column} = replace({column}, :word, :instead)"  # noqa: S608 - ours
                    f" WHERE tenant_id = :tenant_id AND position(:word IN {column}) > 0"
                ),
                {"word": word, "instead": instead, "tenant_id": session.tenant_id},
            )


def _plain(text_: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text_)).upper()
