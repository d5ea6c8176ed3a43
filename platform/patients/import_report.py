"""What an import says of itself when it is over (导入报告), and how its own row keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from patients.feeds.headers import masked
from patients.feeds.table import Table
from patients.models import DataImport
from patients.preview import SampleRow

OTHER_HOSPITAL = "other_hospital"
DEATH_TAKEN_BACK = "death_taken_back"
OF_THE_ROWS = frozenset({OTHER_HOSPITAL, DEATH_TAKEN_BACK})


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file: rows = created + updated + unchanged + rejected.

    `warnings` and `reject_reasons` count rows by code (`labels`). `import_id` and the ids of files are None
    after a dry run, `rejected_file_id` also when no row was rejected. `verdicts` (CSV, one line for each row)
    and `sample` (the first 20 rows) are a dry run's. `refused` has the reasons by row number. `alarms` ask
    for a second look: `other_hospital` with the name that the file gives, `death_taken_back` with the count
    of patients.
    """

    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    warnings: dict[str, int]
    reject_reasons: dict[str, int]
    layout: str
    visit: str
    dropped_columns: tuple[str, ...]
    suppressed: int
    enrolled: int
    import_id: UUID | None = None
    rejected_file_id: UUID | None = None
    header: tuple[str, ...] = ()
    verdicts_file_id: UUID | None = None
    alarms: tuple[dict[str, Any], ...] = ()
    refused: Mapping[int, str] = field(default_factory=dict, repr=False)
    verdicts: bytes = field(default=b"", repr=False)
    sample: tuple[SampleRow, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The counts by name, for the command line and the API; no person's data."""
        return {
            "rows": self.rows,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "warnings": self.warnings,
            "reject_reasons": self.reject_reasons,
            "layout": self.layout,
            "visit": self.visit,
            "dropped_columns": list(self.dropped_columns),
            "suppressed": self.suppressed,
            "enrolled": self.enrolled,
            "import_id": str(self.import_id) if self.import_id else None,
            "rejected_file_id": str(self.rejected_file_id) if self.rejected_file_id else None,
            "verdicts_file_id": str(self.verdicts_file_id) if self.verdicts_file_id else None,
            "alarms": list(self.alarms),
        }


def fill(row: DataImport, table: Table, report: ImportReport) -> None:
    """Write on the import's own row what became of it."""
    row.layout, row.visit, row.header = report.layout, report.visit, [masked(cell) for cell in table.header]
    row.rows, row.rejected = report.rows, report.rejected
    row.created, row.updated, row.unchanged = report.created, report.updated, report.unchanged
    row.warnings, row.reject_reasons = report.warnings, report.reject_reasons
    row.dropped_columns = [masked(cell) for cell in report.dropped_columns]
    row.suppressed, row.enrolled = report.suppressed, report.enrolled
    row.rejected_file_id, row.verdicts_file_id = report.rejected_file_id, report.verdicts_file_id
    others = [alarm for alarm in row.alarms or [] if alarm.get("code") not in OF_THE_ROWS]
    row.alarms = [*others, *report.alarms]
