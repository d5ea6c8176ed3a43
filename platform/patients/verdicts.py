"""What becomes of every row of a file: created, updated, unchanged or rejected, counted and as a list.

Of several rows for one encounter the last counts and the others are *unchanged*; those that differ from it
are *superseded*, which the report says as a warning. So the same file sent again finds nothing to change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import text

from foundation.database import HospitalSession
from patients.feeds.messages import N_, REJECTION_TEXTS, WARNING_TEXTS
from patients.staging import analyse, driver_cursor

SUPERSEDED = "superseded"
MEDIA_TYPE = "text/csv"
WORDS = {
    "created": N_("Created"),
    "updated": N_("Updated"),
    "unchanged": N_("Unchanged"),
    "rejected": N_("Rejected"),
}
HEADINGS = (N_("Row"), N_("Record number"), N_("Verdict"), N_("Reason"), N_("Warnings"))
_WARNINGS = {**WARNING_TEXTS, SUPERSEDED: N_("Replaced by a later row for the same encounter")}

_JUDGE = text("""
    CREATE TEMP TABLE import_verdict ON COMMIT DROP AS
    SELECT row_number, record_number, reason, warnings, superseded,
           CASE WHEN reason IS NOT NULL THEN 'rejected'
                WHEN later > 0 OR same THEN 'unchanged'
                WHEN encounter_id IS NULL THEN 'created' ELSE 'updated' END AS verdict
    FROM (
        SELECT row_number, record_number, reason, warnings, same, encounter_id,
               row_number() OVER of_visit - 1 AS later,
               digest IS DISTINCT FROM first_value(digest) OVER of_visit AS superseded
        FROM import_row
        WINDOW of_visit AS (PARTITION BY reason IS NULL, record_number COLLATE "C", admission_count
                            ORDER BY row_number DESC)
    ) AS judged
""")
_COUNT = text("""
    SELECT count(*) FILTER (WHERE verdict = 'created'), count(*) FILTER (WHERE verdict = 'updated'),
           count(*) FILTER (WHERE verdict = 'unchanged'), count(*) FILTER (WHERE verdict = 'rejected'),
           count(*) FILTER (WHERE superseded AND reason IS NULL)
    FROM import_verdict
""")
# What is left are the rows that change something: one for each encounter that is new or different.
_KEEP_CHANGES = text("""
    DELETE FROM import_row r USING import_verdict v
    WHERE v.row_number = r.row_number AND v.verdict IN ('unchanged', 'rejected')
""")
_SAID = text("SELECT DISTINCT warnings, superseded AND reason IS NULL FROM import_verdict")
_REASONS = text("SELECT row_number, reason FROM import_verdict WHERE reason IS NOT NULL")
_OF_ROWS = text("SELECT row_number, verdict FROM import_verdict WHERE row_number = ANY (:numbers)")
# A cell that a spreadsheet would run as a formula gets an apostrophe in front, as in `feeds.returns`.
_LINES = sql.SQL("""
    COPY (
        SELECT v.row_number,
               CASE WHEN v.record_number ~ '^[ \u3000]*[-=+@\t\r\n＝＋－＠]' THEN '''' ELSE '' END
                   || v.record_number,
               w.word, coalesce(r.word, ''), s.words
        FROM import_verdict v
        JOIN (VALUES {verdicts}) AS w (code, word) ON w.code = v.verdict
        LEFT JOIN (VALUES {reasons}) AS r (code, word) ON r.code = v.reason
        JOIN (VALUES {warnings}) AS s (codes, superseded, words)
            ON s.codes = v.warnings AND s.superseded = (v.superseded AND v.reason IS NULL)
        ORDER BY v.row_number
    ) TO STDOUT (FORMAT csv)
""")


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by verdict; the four add up to the rows of the file."""

    created: int
    updated: int
    unchanged: int
    rejected: int
    superseded: int

    @property
    def changes(self) -> int:
        """Encounters that are new or different."""
        return self.created + self.updated


def judge(session: HospitalSession) -> Counts:
    """Give every staged row its verdict, and leave in `import_row` just those that change something."""
    session.execute(_JUDGE)
    counts = Counts(*session.execute(_COUNT).one())
    if counts.unchanged or counts.rejected:
        session.execute(_KEEP_CHANGES)
    analyse(session, "import_row", "row_number", "record_number", "encounter_id", "department", "disposition")
    return counts


def reasons(session: HospitalSession) -> dict[int, str]:
    """Why rows were rejected, by row number."""
    return {number: reason for number, reason in session.execute(_REASONS)}  # noqa: C416 - no pairs to dict()


def of_rows(session: HospitalSession, numbers: list[int]) -> dict[int, str]:
    """The verdicts of these rows."""
    found = session.execute(_OF_ROWS, {"numbers": numbers})
    return {number: verdict for number, verdict in found}  # noqa: C416 - no pairs to dict()


def write(session: HospitalSession, translate: Callable[[str], str]) -> bytes:
    """Every row's verdict as CSV (UTF-8 with its mark): row, record number, verdict, reason, warnings.

    The words are put in by the server, in the reader's language, so that no line passes through here twice.
    """
    combinations = [
        (codes, superseded, _spelt(codes, superseded, translate))
        for codes, superseded in session.execute(_SAID)
    ]
    if not combinations:
        combinations = [("", False, "")]
    statement = _LINES.format(
        verdicts=_values([(code, translate(word)) for code, word in WORDS.items()]),
        reasons=_values([(code, translate(word)) for code, word in REJECTION_TEXTS.items()]),
        warnings=_values(combinations),
    )
    out = bytearray(b"\xef\xbb\xbf" + ",".join(map(translate, HEADINGS)).encode() + b"\n")
    with driver_cursor(session).copy(statement) as copy:
        for block in copy:
            out += block
    return bytes(out)


def _spelt(codes: str, superseded: bool, translate: Callable[[str], str]) -> str:
    every = [code for code in codes.split(",") if code] + [SUPERSEDED] * superseded
    return "；".join(translate(_WARNINGS.get(code, code)) for code in every)


def _values(rows: list[tuple[str, str]] | list[tuple[str, bool, str]]) -> sql.Composed:
    lines = [sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, row))) for row in rows]
    return sql.SQL(", ").join(lines)
