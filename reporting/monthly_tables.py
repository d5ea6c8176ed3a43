"""The tables of a month, as data for page, PDF, Excel and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foundation.documents.spreadsheet import Column, Kind
from foundation.languages import bilingual, format_month
from foundation.languages import gettext as _
from reporting import labels
from reporting.figures import Figure, Labelled, MonthFigures
from reporting.words import Cells, TableView, interval, name_of, number, rounded, value


def tables(figures: MonthFigures) -> dict[str, TableView]:
    """All tables by key, in the order of the workbook."""
    found = [
        measures(figures),
        parts("dimensions", _("Dimensions"), _("Dimension"), figures.leading.dimensions),
        parts("departments", _("Departments"), _("Department"), figures.leading.departments),
        problems(figures),
        heat(figures),
        contacts(figures),
        cases(figures),
        trend(figures),
    ]
    other = next(one for one in figures.satisfaction if one.audience != figures.audience)
    if other.index.denominator:
        who = _(labels.AUDIENCES[other.audience])
        found.append(parts("other", _("{who}: dimensions", who=who), _("Dimension"), other.dimensions))
    return {table.key: table for table in found}


def measures(figures: MonthFigures) -> TableView:
    """Every key figure with what it rests on."""
    inpatient, outpatient = figures.satisfaction
    listed: list[tuple[str, Figure]] = [
        (_("Feedback collected"), figures.collection),
        (_("Feedback collected, inpatients"), figures.collection_inpatient),
        (_("Feedback collected, outpatients drawn"), figures.collection_outpatient),
        (_("Feedback collected, last month's patients by now"), figures.collection_before),
        (_("First response in 24 h"), figures.response24),
        (_("First limit of the tier kept"), figures.tier),
        (_("Cases closed without missing a deadline"), figures.cases.in_time),
        (_("Satisfied with the handling"), figures.handling),
        (_("Complaints per 1,000 encounters"), figures.complaints),
        (_("Discharges followed up"), figures.follow_up.all),
        (_("Discharges followed up, without the deceased"), figures.follow_up.living),
        (_("Discharges followed up, last month's by now"), figures.follow_up.before),
        (_("Calls answered"), figures.contacts.reach),
        (_("Calls for each completed contact"), figures.contacts.dials),
        (_("Satisfaction index, inpatients"), inpatient.index),
        (_("Satisfied, inpatients"), inpatient.satisfied),
        (_("Satisfaction index, outpatients"), outpatient.index),
        (_("Satisfied, outpatients"), outpatient.satisfied),
    ]
    columns = [
        Column("name", _("Measure"), width=44),
        Column("value", _("Value"), Kind.DECIMAL),
        Column("unit", _("Unit"), width=8),
        Column("numerator", _("Numerator"), Kind.INT),
        Column("n", _("Denominator"), Kind.INT),
        Column("interval", _("95% interval")),
        Column("target", _("Target"), width=12),
    ]
    return TableView("measures", _("Key figures"), columns, [_measure(*one) for one in listed])


def _measure(name: str, figure: Figure) -> dict[str, Any]:
    return {
        "name": name,
        "value": value(figure) if figure.withheld else rounded(figure.value, percent=figure.kind == "share"),
        "unit": "%" if figure.kind == "share" else "",
        "numerator": figure.numerator,
        "n": figure.denominator,
        "interval": interval(figure),
        "target": number(figure, figure.target) if figure.target is not None else "",
    }


def parts(key: str, title: str, head: str, rows: Sequence[Labelled]) -> TableView:
    """Dimensions or departments: index, answers, interval."""
    columns = [
        Column("name", head, width=28),
        Column("value", _("Index"), Kind.DECIMAL),
        Column("n", _("Answers"), Kind.INT),
        Column("low", _("from"), Kind.DECIMAL),
        Column("high", _("to"), Kind.DECIMAL),
    ]
    return TableView(key, title, columns, [Cells(row.figure, {"name": name_of(row)}).row() for row in rows])


def problems(figures: MonthFigures) -> TableView:
    """Problems by frequency with last month's number (S0-35)."""
    columns = [
        Column("name", _("Problem"), width=28),
        Column("count", _("This month"), Kind.INT),
        Column("before", _("Last month"), Kind.INT),
        Column("change", _("Change"), Kind.INT),
    ]
    rows = [
        {
            "name": bilingual({"zh": one.zh, "en": one.en}),
            "count": one.count,
            "before": one.before,
            "change": one.count - one.before,
        }
        for one in figures.problems
    ]
    return TableView("problems", _("Problems"), columns, rows)


def heat(figures: MonthFigures) -> TableView:
    """Hot spots: department × tag (S0-36)."""
    table = figures.heat
    columns = [Column("name", _("Department"), width=24)] + [
        Column(one.tag, bilingual({"zh": one.zh, "en": one.en}), Kind.INT) for one in table.tags
    ]
    hidden = _("hidden")
    cells = {
        (cell.department, cell.tag): hidden if cell.count is None else cell.count for cell in table.cells
    }
    rows: list[dict[str, Any]] = [
        {"name": _("No department") if place == "—" else place}
        | {one.tag: cells.get((place, one.tag)) for one in table.tags}
        for place in table.departments
    ]
    note = _(
        "Cells below {minimum} cases are hidden, and one more where the total would tell; tags without a "
        "hot spot are "
        "left out ({left}).",
        minimum=table.minimum,
        left=table.tags_left_out,
    )
    return TableView("heat", _("Hot spots"), columns, rows, note)


def contacts(figures: MonthFigures) -> TableView:
    """Contacts due in the month and how they stood at its end."""
    told = figures.contacts
    columns = [
        Column("name", _("Contacts"), width=28),
        Column("count", _("Number"), Kind.INT),
        Column("share", _("Share"), Kind.PERCENT),
    ]
    rows = []
    for part, label in labels.CONTACT_PARTS.items():
        count: int = getattr(told, part)
        of_due = rounded(count / told.planned, percent=True) if told.planned else None
        rows.append({"name": _(label), "count": count, "share": of_due and of_due.scaleb(-2)})
    note = _(
        "Cancelled since (readmitted, suppressed, hospital paused): {cancelled}. Calls: {dialled}, "
        "{each} for each completed contact.",
        cancelled=told.cancelled,
        dialled=f"{told.reach.denominator:,}",
        each=value(told.dials),
    )
    return TableView("contacts", _("Contacts"), columns, rows, note)


def cases(figures: MonthFigures) -> TableView:
    """Feedback cases of the month."""
    told = figures.cases
    columns = [Column("name", _("Feedback cases"), width=34), Column("count", _("Number"), Kind.INT)]
    rows: list[dict[str, Any]] = [
        {"name": _(label), "count": getattr(told, part)} for part, label in labels.CASE_PARTS.items()
    ]
    note = _(
        "Without missing a deadline: {in_time} of the closed. First limit of the tier kept: {tier}.",
        in_time=value(told.in_time),
        tier=value(figures.tier),
    )
    return TableView("cases", _("Feedback cases"), columns, rows, note)


def trend(figures: MonthFigures) -> TableView:
    """The months of the trend."""
    columns = [
        Column("month", _("Month"), width=14),
        Column("value", _("Index"), Kind.DECIMAL),
        Column("n", _("Answers"), Kind.INT),
        Column("low", _("from"), Kind.DECIMAL),
        Column("high", _("to"), Kind.DECIMAL),
        Column("satisfied", _("Satisfied share"), Kind.PERCENT),
        Column("collection", _("Collected"), Kind.PERCENT),
        Column("response24", _("In 24 h"), Kind.PERCENT),
    ]
    rows = [
        Cells(
            one.index,
            {
                "month": format_month(one.month),
                "satisfied": Cells(one.satisfied).row()["value"],
                "collection": Cells(one.collection).row()["value"],
                "response24": Cells(one.response24).row()["value"],
            },
        ).row()
        for one in figures.trend
    ]
    return TableView("trend", _("Trend"), columns, rows)
