"""The month as PDF, Excel and CSV: the same view as the page, so the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from foundation.documents.spreadsheet import write_csv, write_xlsx
from foundation.documents.typeset import render_pdf
from foundation.languages import Language, format_datetime, speaking
from foundation.languages import gettext as _
from reporting import labels
from reporting.figures import MonthFigures
from reporting.monthly_view import MonthView, month_view, trend
from reporting.words import TableView
from tenants.life.branding import NO_LETTERHEAD, Letterhead

TEMPLATES = Path(__file__).parent / "templates" / "reporting"
CHART_HEIGHT = 350  # fills the first page
ROWS_IN_PDF = {"departments": 8, "problems": 5, "heat": 5}


def month_pdf(
    figures: MonthFigures,
    *,
    hospital: str,
    version: int,
    made_at: datetime,
    language: Language = "zh_Hans",
    changes: Sequence[str] = (),
    head: Letterhead = NO_LETTERHEAD,
) -> bytes:
    """Two pages for the director (J3): five sentences, tiles and one chart; then the tables.

    ``changes`` of a second version stand in red on the first page (更正, J5).
    """
    with speaking(language):
        view, drawing = month_view(figures), trend(figures, height=CHART_HEIGHT)
        who = _(labels.AUDIENCES[figures.audience])
        data = {
            "lang": "zh" if language == "zh_Hans" else "en",
            "title": view.title,
            "brand": head.label or _("CareLoop"),
            "logo": head.logo_name,
            "owner": hospital,
            "subtitle": f"{hospital} · {view.month}",
            "generated": _("Made {at}, version {version}", at=format_datetime(made_at), version=version),
            "state": _("Corrected, version {version}", version=version) if version > 1 else None,
            "corrected": version > 1,
            "correction": "\n".join(changes) or _("Details below the key figures have changed."),
            "sentences": view.sentences,
            "tiles": [tile.typeset() for tile in view.tiles],
            "trend_alt": view.trend.alt,
            "tables": {key: _shortened(table).typeset() for key, table in view.tables.items()},
            "method": view.method,
            "words": {
                "trend": _("Satisfaction index by month"),
                "trend_caption": _("{who}; band: 95% interval; ×: not shown", who=who),
                "method": _("How these numbers are made"),
                "nothing": _("Nothing to show for this month."),
                "correction": _("Correction of an earlier version"),
            },
        }
        images = {"trend.svg": drawing.image} | head.images
        return render_pdf(TEMPLATES / "monthly.typ", data, images=images)


def month_xlsx(
    figures: MonthFigures, *, hospital: str, made_at: datetime, language: Language = "zh_Hans"
) -> bytes:
    """The month as a workbook: the sentences, then every table as a sheet."""
    with speaking(language):
        view = month_view(figures)
        sheets = [table.sheet() for table in view.tables.values()]
        first = replace(sheets[0], notes=[*view.sentences, view.method])
        return write_xlsx(
            [first, *sheets[1:]], title=f"{hospital} {view.month} {view.title}", generated=made_at
        )


def month_csv(figures: MonthFigures, *, language: Language = "zh_Hans") -> bytes:
    """The key figures as CSV."""
    with speaking(language):
        return write_csv(month_view(figures).tables["measures"].sheet())


def key_changes(before: MonthFigures, after: MonthFigures) -> list[str]:
    """What a new version changed, one line a figure, in the current language."""
    earlier, later = _values(month_view(before)), _values(month_view(after))
    return [
        _("{name}: {before} → {after}", name=name, before=earlier.get(name, "—"), after=shown)
        for name, shown in later.items()
        if earlier.get(name) != shown
    ]


def _values(view: MonthView) -> dict[str, str]:
    return {row[0]: " ".join(filter(None, row[1:3])) for row in view.tables["measures"].texts()}


def _shortened(table: TableView) -> TableView:
    """The first rows of a long table; the workbook has all of them."""
    most = ROWS_IN_PDF.get(table.key, 20)
    if len(table.rows) <= most:
        return table
    note = _("{left} more in the Excel file.", left=len(table.rows) - most)
    return replace(table, rows=table.rows[:most], note=f"{table.note} {note}".strip())
