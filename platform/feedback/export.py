"""The ledger as a file: the same columns, rows and order as on screen (SC-21)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from feedback import labels
from feedback.queries import LedgerQuery, LedgerRow
from foundation.documents.spreadsheet import Column, Kind, Sheet
from foundation.languages import format_datetime, format_time_left
from foundation.languages import gettext as _


def columns() -> list[Column]:
    """The columns of the ledger, in the current language."""
    return [
        Column("number", _("Case number"), width=15),
        Column("received", _("Received at"), Kind.DATE),
        Column("channel", _("Channel"), width=14),
        Column("subject", _("Category and tag"), width=30),
        Column("department", _("Department"), width=14),
        Column("tier", _("Tier"), width=14),
        Column("owner", _("Owner"), width=24),
        Column("stage", _("Stage"), width=16),
        Column("step", _("Next step"), width=18),
        Column("due", _("Deadline"), Kind.DATE),
        Column("left", _("Time left"), width=18),
        Column("round", _("Round"), Kind.INT, width=8),
        Column("result", _("Result"), width=16),
    ]


def hidden(row: LedgerRow, query: LedgerQuery) -> bool:
    """Whether the reader of this list sees of the row no more than its status line (S4-9)."""
    return row.medical_dispute and not query.disputes


def cells(row: LedgerRow, now: datetime, query: LedgerQuery) -> dict[str, Any]:
    """One row as it is read: texts in the current language, times as times."""
    if hidden(row, query):
        return dict.fromkeys((column.key for column in columns()), "") | {
            "number": row.number,
            "received": row.received_at,
            "subject": _("Medical dispute"),
            "owner": _("Medical affairs"),
            "stage": labels.stage_name(row.stage),
            "due": None,
            "round": None,
        }
    return {
        "number": row.number,
        "received": row.received_at,
        "channel": labels.channel_name(row.channel),
        "subject": f"{labels.category_name(row.category)} / {labels.tag_name(row.tag)}",
        "department": row.department or "",
        "tier": labels.tier_name(row.tier),
        "owner": _("Medical affairs") if row.medical_dispute else labels.owner_names(row.owners),
        "stage": labels.stage_name(row.stage),
        "step": labels.clock_name(row.next_kind) if row.next_kind else "",
        "due": row.due_at,
        "left": format_time_left(row.due_at, now) if row.due_at else "",
        "round": row.round,
        "result": labels.close_reason(row.close_reason, row.callback_level),
    }


def sheet(rows: Sequence[LedgerRow], query: LedgerQuery, *, by: str, now: datetime) -> Sheet:
    """The ledger for a spreadsheet or CSV; below the rows stand who took it, when, and the filter."""
    return Sheet(
        name=_("Feedback ledger"),
        columns=columns(),
        rows=[cells(row, now, query) for row in rows],
        notes=(
            _("Exported by {name}, {time}", name=by, time=format_datetime(now)),
            _("Filter: {text}", text=filter_text(query)),
        ),
    )


def filter_text(query: LedgerQuery) -> str:
    """The filter in words; what was searched for is not repeated, it may be a person's name."""
    parts = [labels.view_name(query.view)]
    if query.category:
        parts.append(labels.category_name(query.category))
    if query.tier:
        parts.append(labels.tier_name(query.tier))
    if query.department_id:
        parts.append(_("one department"))
    if query.search.strip():
        parts.append(_("a search"))
    return " · ".join(parts)
