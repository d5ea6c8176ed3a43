"""What of the patients' own floor is in the way of undoing an import: whatever somebody did since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from foundation.database import HospitalSession
from foundation.languages import ngettext
from patients.undo_scope import Scope

Sentence = Callable[[int], str]
# Imports that ended after this one; of two at the same moment the younger id is the later.
_LATER = """
    SELECT o.id FROM data_import o JOIN data_import i ON i.tenant_id = o.tenant_id AND i.id = :import_id
    WHERE o.tenant_id = :tenant_id AND o.state = 'done' AND o.id <> i.id
      AND (coalesce(o.finished_at, o.imported_at), o.id) > (coalesce(i.finished_at, i.imported_at), i.id)
"""
_BY_LISTS = f"""
    SELECT DISTINCT e.patient_id FROM undo_patient u
    JOIN encounter e ON e.tenant_id = :tenant_id AND e.patient_id = u.id
    WHERE e.import_id IN ({_LATER})
"""  # noqa: S608 - made of constants
_MERGED = """
    SELECT DISTINCT u.id FROM undo_patient u
    JOIN patient_merge m ON m.tenant_id = :tenant_id AND u.id IN (m.kept_id, m.gone_id)
    WHERE u.is_new OR (m.undone_at IS NULL AND m.merged_at >= :since)
"""


def _count(statement: str) -> Any:
    return text(f"SELECT count(*) FROM ({statement}) AS found")  # noqa: S608 - made of constants


def _changed(table: str, moment: str) -> Any:
    """Patients with a row of this table from after the import; of new patients any row is."""
    return _count(f"""
        SELECT DISTINCT u.id FROM undo_patient u
        JOIN {table} x ON x.tenant_id = :tenant_id AND x.patient_id = u.id
        WHERE (u.is_new OR {moment} >= :since)
    """)  # noqa: S608 - made of constants


_BLOCKS: tuple[tuple[Any, Sentence], ...] = (
    (
        _count(_BY_LISTS),
        lambda n: ngettext(
            "A later list changed {count} of these patients.",
            "Later lists changed {count} of these patients.",
            n,
        ),
    ),
    (
        _count(_MERGED),
        lambda n: ngettext(
            "{count} of these patients was merged with another record.",
            "{count} of these patients were merged with other records.",
            n,
        ),
    ),
    (
        _count(f"""
            SELECT u.id FROM undo_patient u JOIN patient p ON p.tenant_id = :tenant_id AND p.id = u.id
            WHERE p.updated_at > :since AND u.id NOT IN ({_BY_LISTS}) AND u.id NOT IN ({_MERGED})
        """),  # noqa: S608 - made of constants
        lambda n: ngettext(
            "{count} of these patients was changed by hand since.",
            "{count} of these patients were changed by hand since.",
            n,
        ),
    ),
    (
        _count("""
            SELECT DISTINCT u.id FROM undo_patient u
            JOIN suppression s ON s.tenant_id = :tenant_id AND s.patient_id = u.id
            LEFT JOIN undo_row r ON r.table_name = 'suppression' AND r.id = s.id
            WHERE s.lifted_at > :since OR s.confirmed_at > :since
               OR (r.id IS NULL AND (u.is_new OR s.started_at > :since))
        """),
        lambda n: ngettext(
            "The contacts of {count} of these patients were stopped or allowed again since.",
            "The contacts of {count} of these patients were stopped or allowed again since.",
            n,
        ),
    ),
    (
        _count("""
            SELECT b.patient_id FROM import_before b
            JOIN suppression s ON s.tenant_id = b.tenant_id AND s.id = b.row_id AND s.lifted_at IS NOT NULL
            WHERE b.tenant_id = :tenant_id AND b.import_id = :import_id AND b.table_name = 'suppression'
        """),
        lambda n: ngettext(
            "This list took back {count} death; stop the contacts by hand if that was wrong.",
            "This list took back {count} deaths; stop the contacts by hand if that was wrong.",
            n,
        ),
    ),
    (
        _changed("consent", "x.at"),
        lambda n: ngettext(
            "The consent of {count} of these patients was noted.",
            "The consent of {count} of these patients was noted.",
            n,
        ),
    ),
    (
        _changed("subject_request", "x.created_at"),
        lambda n: ngettext(
            "{count} of these patients asked about their data.",
            "{count} of these patients asked about their data.",
            n,
        ),
    ),
    (
        _changed("number_block", "x.since"),
        lambda n: ngettext(
            "A number of {count} of these patients was noted as not to be called.",
            "Numbers of {count} of these patients were noted as not to be called.",
            n,
        ),
    ),
    (
        _changed("feed_message", "x.received_at"),
        lambda n: ngettext(
            "The hospital's systems reported on {count} of these patients.",
            "The hospital's systems reported on {count} of these patients.",
            n,
        ),
    ),
    (
        _count("""
            SELECT e.id FROM undo_encounter u JOIN encounter e ON e.tenant_id = :tenant_id AND e.id = u.id
            WHERE e.withdrawn_at >= :since
        """),
        lambda n: ngettext(
            "{count} of these discharges was taken back since.",
            "{count} of these discharges were taken back since.",
            n,
        ),
    ),
)


def sentences(session: HospitalSession, scope: Scope) -> list[str]:
    """What somebody did since with the patients of this import, with counts, in the reader's language."""
    found = []
    for statement, sentence in _BLOCKS:
        number = counted(session, statement, scope)
        if number:
            found.append(sentence(number))
    return found


def counted(session: HospitalSession, statement: Any, scope: Scope) -> int:
    """The number that a statement over the scope's tables finds; it names of the scope what it needs."""
    given = {"tenant_id": session.tenant_id, "import_id": scope.import_id, "since": scope.since}
    given["now"] = scope.now
    named = statement.compile().params
    return int(session.scalar(statement, {name: given[name] for name in named}) or 0)
