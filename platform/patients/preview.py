"""The first rows of a file as sent, as stored now, and as they would be stored (SC-53)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import Row, text

from foundation.database import HospitalSession
from foundation.encryption import DataKey
from patients.feeds.records import Record, Rejected
from patients.feeds.table import Table

SAMPLE_ROWS = 20
Shown = dict[str, str | int | None]
_STORED = text("""
    SELECT f.record_number AS asked_number, f.admission_count AS asked_count,
           p.record_number AS patient_number, p.name, p.sex, p.birth_date, p.age_years AS age,
           p.id_number_cipher, own.number_cipher AS own_cipher,
           near.name AS contact_name, near.relation AS contact_relation, near.number_cipher AS near_cipher,
           e.admission_count, e.admitted_on, e.discharged_on, d.name AS department, e.ward, e.doctor,
           e.diagnosis, e.diagnosis_code, e.disposition
    FROM unnest(CAST(:numbers AS text[]), CAST(:counts AS bigint[])) AS f (record_number, admission_count)
    LEFT JOIN encounter e ON e.tenant_id = :tenant_id AND e.kind = :kind
        AND e.record_number = f.record_number AND e.admission_count = f.admission_count
    LEFT JOIN record_alias a ON a.tenant_id = :tenant_id AND a.record_number = f.record_number
    LEFT JOIN patient n ON n.tenant_id = :tenant_id AND n.record_number = f.record_number
    JOIN patient p ON p.tenant_id = :tenant_id AND p.id = coalesce(e.patient_id, a.patient_id, n.id)
    LEFT JOIN contact_point own ON own.tenant_id = :tenant_id AND own.patient_id = p.id
        AND own.holder = 'patient'
    LEFT JOIN contact_point near ON near.tenant_id = :tenant_id AND near.patient_id = p.id
        AND near.holder = 'contact'
    LEFT JOIN department d ON d.tenant_id = :tenant_id AND d.id = e.department_id
""")


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A row of the file as sent (`cells`), as understood (`record`; None when it was rejected for `reason`),
    and what is stored for its encounter and patient: `before`, None when there is nothing, and `after`.

    `before` and `after` map the names of `Record`'s fields to texts, days as ISO; numbers stand in full, to
    be masked by whoever shows them.
    """

    row_number: int
    cells: tuple[str, ...]
    record: Record | None
    reason: str | None
    verdict: str = ""
    before: Shown | None = None
    after: Shown | None = None
    warnings: tuple[str, ...] = ()


class Preview:
    """Collects the first rows on their way in."""

    def __init__(self, session: HospitalSession, key: DataKey, kind: str) -> None:
        self._session = session
        self._key = key
        self._kind = kind
        self._first: list[Record | Rejected] = []
        self._before: dict[tuple[str, int], Shown] = {}

    @property
    def row_numbers(self) -> list[int]:
        """The rows shown."""
        return [verdict.row_number for verdict in self._first]

    def see(self, verdicts: Sequence[Record | Rejected]) -> None:
        """Take from a chunk what is still wanted, with what is stored for it now."""
        wanted = verdicts[: SAMPLE_ROWS - len(self._first)]
        if wanted:
            self._first += wanted
            self._before |= self._stored(wanted)

    def rows(self, table: Table, verdicts: dict[int, str], reasons: dict[int, str]) -> tuple[SampleRow, ...]:
        """The rows with their verdicts, after the file was merged; the cells are read once more."""
        after = self._stored(self._first)
        cells = _cells(table, len(self._first))
        return tuple(
            self._row(verdict, cells[verdict.row_number], verdicts, reasons, after) for verdict in self._first
        )

    def _row(
        self,
        verdict: Record | Rejected,
        cells: tuple[str, ...],
        verdicts: dict[int, str],
        reasons: dict[int, str],
        after: dict[tuple[str, int], Shown],
    ) -> SampleRow:
        number = verdict.row_number
        said = verdicts.get(number, "")
        if not isinstance(verdict, Record) or number in reasons:
            return SampleRow(number, cells, None, reasons.get(number), said)
        row = SampleRow(number, cells, verdict, None, said, warnings=verdict.warnings)
        place = verdict.record_number, verdict.admission_count
        return replace(row, before=self._before.get(place), after=after.get(place))

    def _stored(self, verdicts: Sequence[Record | Rejected]) -> dict[tuple[str, int], Shown]:
        records = [verdict for verdict in verdicts if isinstance(verdict, Record)]
        parameters = {
            "tenant_id": self._session.tenant_id,
            "kind": self._kind,
            "numbers": [record.record_number for record in records],
            "counts": [record.admission_count for record in records],
        }
        found = self._session.execute(_STORED, parameters)
        return {(row.asked_number, row.asked_count): self._shown(row) for row in found}

    def _shown(self, row: Row[Any]) -> Shown:
        opened = {
            "id_number": row.id_number_cipher,
            "phone": row.own_cipher,
            "contact_phone": row.near_cipher,
        }
        plain = (
            "name sex birth_date age contact_name contact_relation admission_count admitted_on "
            "discharged_on department ward doctor diagnosis diagnosis_code disposition"
        ).split()
        shown: Shown = {"record_number": row.patient_number}
        for field in plain:
            value = getattr(row, field)
            shown[field] = value.isoformat() if isinstance(value, date) else value
        for field, cipher in opened.items():
            shown[field] = None if cipher is None else self._key.decrypt(bytes(cipher))
        return shown


def _cells(table: Table, wanted: int) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for number, cells in table.rows:
        if len(found) == wanted:
            break
        found[number] = cells
    return found
