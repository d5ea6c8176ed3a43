"""A sample's list as a file: the columns and the order of the page, and below them how to draw it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from foundation.documents.spreadsheet import Column, Kind, Sheet
from foundation.languages import format_datetime, format_month, format_percent
from foundation.languages import gettext as _
from patients import labels as patient_labels
from surveys import labels
from surveys.sample_queries import MemberLine, MemberQuery, SampleLine


def columns() -> list[Column]:
    """The columns, in the current language."""
    return [
        Column("position", _("Place in the list"), Kind.INT, width=10),
        Column("record_number", _("Record number"), width=18),
        Column("name", _("Name"), width=16),
        Column("department", _("Department"), width=18),
        Column("on", _("Discharged or seen"), Kind.DATE),
        Column("result", _("Result of the draw"), width=16),
        Column("reason", _("Reason of that day"), width=28),
        Column("state", _("What became of it"), width=18),
        Column("rank", _("Digest that orders the draw"), width=36),
    ]


def cells(line: MemberLine) -> dict[str, Any]:
    """One line as it is read."""
    return {
        "position": line.position,
        "record_number": line.record_number,
        "name": labels.of(labels.GONE, line.gone) if line.gone else line.masked_name,
        "department": line.department,
        "on": line.on,
        "result": result_of(line),
        "reason": labels.of(labels.EXCLUDED, line.excluded) if line.excluded else "",
        "state": state_of(line) if line.drawn else "",
        "rank": line.rank,
    }


def result_of(line: MemberLine) -> str:
    """Drawn, not drawn, or could not be drawn."""
    code = "excluded" if line.excluded else "drawn" if line.drawn else "not_drawn"
    return labels.of(labels.RESULTS, code)


def state_of(line: MemberLine) -> str:
    """What became of somebody drawn, in words."""
    words = labels.of(labels.MEMBER_STATES, line.state)
    if line.state == "stopped" and line.stopped_reason:
        return f"{words} · {patient_labels.of(patient_labels.SUPPRESSION_REASONS, line.stopped_reason)}"
    return words


def recipe(sample: SampleLine) -> list[str]:
    """How anybody repeats the draw with the list in hand, in sentences."""
    return [
        _("The list holds everybody of the month, also those who could not be drawn, with the reason of the "
          "day on which they came into it."),
        _("Put the seed in front of each record number without a space and take the MD5 digest of both, as "
          "UTF-8: MD5({seed}…).", seed=sample.seed),
        _("Order those who could be drawn by their digest. The first ones are drawn, until {rate} of the "
          "whole list is reached, rounded up: {drawn} of {frame}.",
          rate=format_percent(sample.rate), drawn=sample.drawn, frame=sample.frame),
        _("A list that came late is added below; who was drawn stays drawn, and the missing ones are the "
          "next in the same order. Nobody is exchanged."),
    ]  # fmt: skip


def sheet(
    lines: Iterable[MemberLine], sample: SampleLine, query: MemberQuery, *, by: str, now: datetime
) -> Sheet:
    """The list for a spreadsheet or CSV; below it stand who took it, when, the filter and the recipe."""
    return Sheet(
        name=_("Sample {month}", month=format_month(sample.month)),
        columns=columns(),
        rows=_rows(lines),
        notes=(
            _("Exported by {name}, {time}", name=by, time=format_datetime(now)),
            _("Filter: {text}", text=_filter_text(query)),
            *recipe(sample),
        ),
    )


def _filter_text(query: MemberQuery) -> str:
    parts = [labels.of(labels.RESULTS, query.result)] if query.result else []
    if query.department_id:
        parts.append(_("one department"))
    return " · ".join(parts) or _("All")


def _rows(lines: Iterable[MemberLine]) -> Iterator[dict[str, Any]]:
    return (cells(line) for line in lines)
