"""How consent stands over the whole hospital, counted and listed (PIPL 54)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from foundation.calendar import local_day_start
from foundation.database import HospitalSession
from foundation.documents.spreadsheet import Column, Kind, Sheet
from foundation.languages import gettext as _
from foundation.masking import mask_numbers
from foundation.web.errors import UserMistake
from patients import consent_labels
from patients.consent_rules import PURPOSES, REACHING
from patients.labels import of

MOST_ROWS = 200_000

# The rule of `patients.consent_rules.holds`, over everybody at once.
_COUNTS = text("""
WITH said AS (
    SELECT c.patient_id, c.purpose, k.channel, c.given, c.at, t.channel AS text_channel, t.version,
        bool_or(c.given) OVER (PARTITION BY c.patient_id, c.purpose, k.channel) AS said_yes,
        row_number() OVER (PARTITION BY c.patient_id, c.purpose, k.channel
                           ORDER BY c.at DESC, c.given, c.id DESC) AS place
    FROM consent c
    JOIN patient p ON p.tenant_id = c.tenant_id AND p.id = c.patient_id
        AND p.restricted_at IS NULL AND p.merged_at IS NULL
    CROSS JOIN unnest(CAST(:channels AS text[])) AS k (channel)
    LEFT JOIN consent_text t ON t.tenant_id = c.tenant_id AND t.id = c.text_id
    WHERE c.tenant_id = :tenant_id AND c.at <= :now AND c.channel IN ('all', k.channel)
), held AS (
    SELECT s.purpose, s.channel, CASE
        WHEN NOT s.given THEN CASE WHEN s.said_yes THEN 'withdrawn' ELSE 'refused' END
        WHEN EXISTS (
            SELECT FROM (
                SELECT v.purpose, v.channel, v.version, greatest(v.created_at,
                    CAST(v.valid_from AS timestamp) AT TIME ZONE 'Asia/Shanghai') AS at
                FROM consent_text v WHERE v.tenant_id = :tenant_id AND v.asks_again) AS a
            WHERE a.purpose = s.purpose AND a.channel IN ('all', s.channel) AND a.at <= :now
              AND CASE WHEN s.text_channel = a.channel THEN s.version < a.version ELSE s.at < a.at END
        ) THEN 'outdated' ELSE 'given' END AS standing
    FROM said s WHERE s.place = 1
)
SELECT purpose, channel, standing, count(*) AS patients FROM held GROUP BY purpose, channel, standing
UNION ALL
SELECT '', '', 'everybody', count(*) FROM patient
WHERE tenant_id = :tenant_id AND restricted_at IS NULL AND merged_at IS NULL
""")
_WORDS = text("""
    SELECT p.record_number, c.purpose, c.channel, c.given, c.at, c.source, c.given_by, c.recorded_by,
        c.evidence, c.evidence_file_id IS NOT NULL AS has_file, t.channel AS text_channel, t.version
    FROM consent c
    JOIN patient p ON p.tenant_id = c.tenant_id AND p.id = c.patient_id AND p.erased_at IS NULL
    LEFT JOIN consent_text t ON t.tenant_id = c.tenant_id AND t.id = c.text_id
    WHERE c.tenant_id = :tenant_id AND c.at >= :since AND c.at < :until
    ORDER BY c.at, c.id LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Count:
    """Patients of the hospital by how they stand to one purpose on one channel; they add up to all."""

    purpose: str
    channel: str
    given: int
    refused: int
    outdated: int
    none: int


def counts(session: HospitalSession, now: datetime) -> list[Count]:
    """For each purpose and channel; one statement."""
    values = {"tenant_id": session.tenant_id, "now": now, "channels": list(REACHING)}
    found: dict[tuple[str, str, str], int] = {}
    for row in session.execute(_COUNTS, values):
        found[row.purpose, row.channel, row.standing] = row.patients
    everybody = found["", "", "everybody"]
    lines = []
    for purpose in PURPOSES:
        for channel in REACHING:
            given, refused, withdrawn, outdated = (
                found.get((purpose, channel, standing), 0)
                for standing in ("given", "refused", "withdrawn", "outdated")
            )
            none = everybody - given - refused - withdrawn - outdated
            lines.append(Count(purpose, channel, given, refused + withdrawn, outdated, none))
    return lines


def sheet(session: HospitalSession, since: date, until: date, by: str) -> tuple[Sheet, int]:
    """Every word said from `since` to `until` (days in China, both included), and how many there are.

    Raises `UserMistake` for a period that ends before it begins or holds more than a file should.
    """
    if until < since:
        raise UserMistake(_("The period ends before it begins."))
    found = session.execute(
        _WORDS,
        {
            "tenant_id": session.tenant_id,
            "since": local_day_start(since),
            "until": local_day_start(until + timedelta(days=1)),
            "most": MOST_ROWS + 1,
        },
    ).all()
    if len(found) > MOST_ROWS:
        raise UserMistake(_("More than {count} words; choose a shorter period.", count=MOST_ROWS))
    rows = [_cells(row) for row in found]
    columns = [
        Column("record_number", _("Record number")),
        Column("at", _("When"), Kind.DATE),
        Column("purpose", _("Purpose")),
        Column("channel", _("Channel")),
        Column("word", _("Answer")),
        Column("source", _("Source")),
        Column("given_by", _("Given by")),
        Column("version", _("Version of the words")),
        Column("evidence", _("Evidence")),
        Column("file", _("File")),
        Column("recorded_by", _("Recorded by")),
    ]
    return Sheet(_("Consents"), columns, rows, [f"{since.isoformat()} – {until.isoformat()} · {by}"]), len(
        rows
    )


def _cells(row: Any) -> dict[str, Any]:
    words = consent_labels
    shown = "" if row.version is None else f"{words.of(words.CHANNELS, row.text_channel)} v{row.version}"
    return {
        "record_number": mask_numbers(row.record_number),
        "at": row.at,
        "purpose": of(words.PURPOSES, row.purpose),
        "channel": words.of(words.CHANNELS, row.channel),
        "word": _("Agrees") if row.given else _("Refuses"),
        "source": words.of(words.SOURCES, row.source),
        "given_by": words.of(words.GIVERS, row.given_by),
        "version": shown,
        "evidence": mask_numbers(row.evidence),
        "file": _("Yes") if row.has_file else "",
        "recorded_by": row.recorded_by,
    }
