"""Whom no list may change or bring back: patients who had themselves restricted or erased (PIPL 47), and
organisations (S1-1), which are written down by hand: no list of patients may overwrite one.

A restricted patient is still known, so a list does not bring the person back under another record number
either: not by the same ID number, nor by the same name with one of the same telephone numbers.

Of an erased patient nothing is left but the keyed index of the record number. The same number in another
spelling is recognised: small letters, spaces, full-width characters, a count of the stay behind it (`-2`).
What cannot be recognised any more after an erasure is the person: who comes back under a new record number is
a new patient, because to know better the hospital would have to keep what it was asked to erase.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sqlalchemy import select, text

from foundation.database import HospitalSession
from foundation.encryption import DataKey
from patients.feeds.records import Reason, Record
from patients.models import ContactPoint, Patient, RecordAlias

# A count of the stay is one or two digits behind what is a number without it: `2026-1` and `ZY-000123` are
# whole numbers, and their neighbours are other people's.
_COUNTED = re.compile(r"((?:[^0-9]*[0-9]){6,}[^0-9]*?)-[1-9][0-9]?")

_STANDING = text("""
    SELECT count(*), coalesce(sum(hashtextextended(
               concat_ws('|', id, restricted_at, erased_at, merged_at, contact_type), 0)), 0)
    FROM patient
    WHERE tenant_id = :tenant_id
      AND (restricted_at IS NOT NULL OR erased_at IS NOT NULL OR merged_at IS NOT NULL
           OR contact_type <> 'patient')
""")


def standing(session: HospitalSession) -> tuple[int, int]:
    """A mark that is another one as soon as anybody was restricted, erased, merged or written down as an
    organisation, or that was taken back.
    """
    count, marks = session.execute(_STANDING, {"tenant_id": session.tenant_id}).one()
    return int(count), int(marks)


def plain_number(record_number: str) -> str:
    """A record number (病案号) in one spelling: half width, upper case, no spaces, no count of the stay."""
    plain = re.sub(r"\s+", "", unicodedata.normalize("NFKC", record_number)).upper()
    counted = _COUNTED.fullmatch(plain)
    return counted[1] if counted else plain


def index_of(key: DataKey, record_number: str) -> bytes:
    """The keyed index that an erased patient leaves behind."""
    return key.blind_index(plain_number(record_number))


@dataclass(frozen=True, slots=True)
class Stopped:
    """What an import leaves alone: of restricted patients the record numbers (`plain_number`), the keyed
    indexes of ID numbers and, with the name, of telephone numbers; of erased ones the index of the number;
    of organisations the numbers as they are stored.
    """

    numbers: frozenset[str]
    id_numbers: frozenset[bytes]
    names: frozenset[str]
    phones: frozenset[tuple[str, bytes]]
    erased: frozenset[bytes]
    organisations: frozenset[str]

    def __bool__(self) -> bool:
        """Whether there is anybody to leave alone."""
        return bool(self.numbers or self.erased or self.organisations)

    def reason(self, key: DataKey, record: Record) -> Reason | None:
        """Why this row is rejected, or None."""
        if plain_number(record.record_number) in self.numbers or self._is_restricted(key, record):
            return "restricted_on_request"
        if self.erased and index_of(key, record.record_number) in self.erased:
            return "erased_on_request"
        if record.record_number in self.organisations:
            return "number_of_organisation"
        return None

    def _is_restricted(self, key: DataKey, record: Record) -> bool:
        if self.id_numbers and record.id_number and key.blind_index(record.id_number) in self.id_numbers:
            return True
        name = _plain_name(record.name)
        if name not in self.names:
            return False
        return any(
            (name, key.blind_index(number)) in self.phones
            for number in (record.phone, record.contact_phone)
            if number is not None
        )


def stopped(session: HospitalSession) -> Stopped:
    """Whom no list of the hospital may change or bring back; four statements, however many."""
    rows = session.execute(
        select(
            Patient.id,
            Patient.record_number,
            Patient.name,
            Patient.id_number_index,
            Patient.record_index,
            Patient.erased_at,
        ).where(Patient.tenant_id == session.tenant_id, Patient.restricted_at.is_not(None))
    ).all()
    kept = [row for row in rows if row.erased_at is None]
    points = session.execute(
        select(Patient.name, ContactPoint.number_index)
        .join(
            ContactPoint,
            (ContactPoint.tenant_id == Patient.tenant_id) & (ContactPoint.patient_id == Patient.id),
        )
        .where(
            Patient.tenant_id == session.tenant_id,
            Patient.restricted_at.is_not(None),
            Patient.erased_at.is_(None),
        )
    )
    aliases = session.execute(
        select(RecordAlias.record_number, RecordAlias.record_index, Patient.erased_at)
        .join(Patient, (Patient.tenant_id == RecordAlias.tenant_id) & (Patient.id == RecordAlias.patient_id))
        .where(RecordAlias.tenant_id == session.tenant_id, Patient.restricted_at.is_not(None))
    ).all()
    alias = select(RecordAlias.record_number).join(
        Patient, (Patient.tenant_id == RecordAlias.tenant_id) & (Patient.id == RecordAlias.patient_id)
    )
    organisations = session.scalars(
        select(Patient.record_number)
        .where(Patient.tenant_id == session.tenant_id, Patient.contact_type != "patient")
        .union(alias.where(RecordAlias.tenant_id == session.tenant_id, Patient.contact_type != "patient"))
    )
    known = [row.record_number for row in (*kept, *(alias for alias in aliases if alias.erased_at is None))]
    return Stopped(
        numbers=frozenset(map(plain_number, known)),
        id_numbers=frozenset(row.id_number_index for row in kept if row.id_number_index),
        names=frozenset(_plain_name(row.name) for row in kept),
        phones=frozenset((_plain_name(name), index) for name, index in points),
        erased=frozenset(
            row.record_index for row in (*rows, *aliases) if row.erased_at is not None and row.record_index
        ),
        organisations=frozenset(organisations),
    )


def _plain_name(name: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", name))
