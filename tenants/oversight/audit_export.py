"""Audit records as a file: the rows of the page in its order, and the sums of the months (PIPL 54)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from foundation.documents.spreadsheet import Column, Kind, Sheet
from foundation.languages import format_date, format_datetime, format_month
from foundation.languages import gettext as _
from tenants.oversight.audit_labels import GROUPS, group_of, label_of, reason_text
from tenants.oversight.audit_queries import SUMMED, AuditLine, AuditQuery, MonthLine

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"
FORMATS = ("xlsx", "csv")


def columns() -> list[Column]:
    """The columns of the records, in the current language."""
    return [
        Column("seq", _("Number in the chain"), Kind.INT, width=12),
        Column("at", _("Time"), Kind.DATE),
        Column("actor", _("Who"), width=18),
        Column("granted_by", _("Let in by"), width=14),
        Column("group", _("Kind"), width=18),
        Column("action", _("Event recorded"), width=28),
        Column("subject", _("Subject"), width=46),
        Column("reason", _("Reason"), width=28),
        Column("address", _("Network address"), width=18),
        Column("detail", _("Details"), width=50),
        Column("id", _("Record"), width=38),
        Column("hash", _("Hash"), width=68),
    ]


def cells(line: AuditLine) -> dict[str, Any]:
    """One record as it is read."""
    return {
        "seq": line.seq,
        "at": line.at,
        "actor": line.actor_name,
        "granted_by": str(line.detail.get("granted_by", "")),
        "group": _(GROUPS[group_of(line.action)]),
        "action": label_of(line.action),
        "subject": line.subject,
        "reason": reason_text(line.reason),
        "address": str(line.detail.get("address", "")),
        "detail": detail_text(line.detail),
        "id": str(line.id),
        "hash": line.hash.hex(),
    }


def detail_text(detail: dict[str, Any]) -> str:
    """What else is known of a record, without what has a column of its own."""
    rest = {key: value for key, value in detail.items() if key not in {"address", "granted_by"}}
    return json.dumps(rest, ensure_ascii=False, sort_keys=True) if rest else ""


def month_columns() -> list[Column]:
    """The columns of the sums."""
    groups = [Column(group, _(GROUPS[group]), Kind.INT, width=16) for group in SUMMED]
    return [
        Column("month", _("Month"), width=14),
        *groups,
        Column("other", _("All others"), Kind.INT, width=12),
    ]


def month_cells(line: MonthLine) -> dict[str, Any]:
    """One month's sums."""
    return {"month": format_month(line.month), **line.counts, "other": line.other}


def sheet(lines: Iterable[AuditLine], query: AuditQuery, *, by: str, now: datetime) -> Sheet:
    """The records; below them stand who took them, when, and the filter."""
    return Sheet(
        name=_("Audit records"),
        columns=columns(),
        rows=_rows(lines),
        notes=(
            _("Exported by {name}, {time}", name=by, time=format_datetime(now)),
            _("Filter: {text}", text=filter_text(query)),
        ),
    )


def months_sheet(months: Iterable[MonthLine]) -> Sheet:
    """The sums of the months."""
    return Sheet(
        name=_("By month"),
        columns=month_columns(),
        rows=[month_cells(line) for line in months],
        notes=(_("Counts of records by kind, for the audit of compliance (PIPL, article 54)."),),
    )


def filter_text(query: AuditQuery) -> str:
    """The filter in words."""
    parts = []
    if query.since or query.until:
        parts.append(f"{format_date(query.since)} – {format_date(query.until)}")
    if query.group:
        parts.append(_(GROUPS[query.group]))
    if query.action:
        parts.append(label_of(query.action))
    parts += [text for text in (query.person, query.subject) if text]
    return " · ".join(parts) or _("All")


def _rows(lines: Iterable[AuditLine]) -> Iterator[dict[str, Any]]:
    return (cells(line) for line in lines)
