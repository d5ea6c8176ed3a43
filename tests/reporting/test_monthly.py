"""The released month: two pages and a workbook that say what the page says, and versions that hide
nothing.
"""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from feedback_cases import case_of
from pypdf import PdfReader
from python_calamine import CalamineWorkbook
from reporting_rows import SEPTEMBER, answered, contact
from sqlalchemy import func, select
from world import NOW, World

from foundation import files
from foundation.audit import AuditEvent
from foundation.database import HospitalSession
from foundation.documents.spreadsheet import Kind
from foundation.languages import Language, speaking
from foundation.work import JOBS
from reporting import jobs
from reporting.core import freeze_of
from reporting.figures import freeze
from reporting.measures import month_figures
from reporting.models import MonthlyReport
from reporting.monthly import figures_of, latest_report, make_report, reports
from reporting.monthly_files import month_csv, month_pdf, month_xlsx
from reporting.monthly_view import MonthView, month_view
from tenants.keys import data_key

DAY_THREE = datetime.fromisoformat("2026-10-03T18:30+08:00")


@pytest.fixture(autouse=True)
def _neighbour(world: World) -> None:
    """The other hospital has had a bad month; nobody here may see it."""
    with world.hospital(world.yunling) as session:
        for _ in range(12):
            answered(session, world.patient(session), 3.5)


def fill(world: World, session: HospitalSession) -> None:
    """A month with something in every table."""
    people = [world.patient(session, department="骨科" if n % 3 else "儿科") for n in range(24)]
    for place, patient in enumerate(people):
        answered(session, patient, 60 + place, overall=60 if place < 3 else 80)
        contact(session, patient, "completed" if place else "unreachable", dials=[False, place > 0])
    for day in range(5):
        case_of(session, people[0], world.agent, NOW + timedelta(days=day), tag="parking", tier=1)


def stored(session: HospitalSession, report: MonthlyReport) -> tuple[bytes, bytes]:
    assert report.pdf_file_id is not None
    assert report.xlsx_file_id is not None
    key = data_key(session)
    return files.get(session, key, report.pdf_file_id)[1], files.get(session, key, report.xlsx_file_id)[1]


def text_of(pdf: bytes) -> str:
    """The text without blanks: a line may break anywhere."""
    return "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def view_of(report: MonthlyReport, language: Language) -> MonthView:
    with speaking(language):
        return month_view(figures_of(report))


@pytest.mark.parametrize("language", ["zh_Hans", "en"])
def test_page_pdf_and_workbook_say_the_same_numbers(world: World, language: Language) -> None:
    with world.hospital(world.heqing) as session:
        fill(world, session)
        report = make_report(session, SEPTEMBER, by="何琳", now=DAY_THREE, language=language)
        pdf, xlsx = stored(session, report)
    view = view_of(report, language)
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 2
    text = text_of(pdf)
    for sentence in view.sentences:
        assert "".join(sentence.split()) in text
    for tile in view.tiles:
        assert "".join((tile.withheld or tile.value).split()) in text
        assert "".join(tile.note.split()) in text
    book = CalamineWorkbook.from_filelike(io.BytesIO(xlsx))
    assert book.sheet_names == [table.title for table in view.tables.values()]
    for table in view.tables.values():
        rows = book.get_sheet_by_name(table.title).to_python()
        assert rows[0] == [column.title for column in table.columns]
        for cells, texts in zip(rows[1:], table.texts(), strict=False):
            for column, cell, shown in zip(table.columns, cells, texts, strict=True):
                assert same(cell, shown, column.kind), (table.key, column.key, cell, shown)
        assert len(rows) > len(table.rows)


def same(cell: object, shown: str, kind: Kind) -> bool:
    """A cell of the workbook against the text of the page."""
    if cell == "":
        return shown in {"—", ""}
    if isinstance(cell, str):
        return cell == shown
    number = Decimal(str(cell)) * (100 if kind is Kind.PERCENT else 1)
    return number == Decimal(shown.replace(",", "").rstrip("%"))


def test_the_sentences_state_the_month(world: World) -> None:
    with world.hospital(world.heqing) as session:
        fill(world, session)
        contact(session, world.patient(session, enrolled=False), "refused", dials=[True])
        figures = month_figures(session, SEPTEMBER)
    with speaking("zh_Hans"):
        said = month_view(figures).sentences
    assert len(said) == 5
    # The parts add up to what was due.
    assert "本月应访 25 人次：完成 23 人次，联系不上 1 人次，待访 0 人次，拒访及其他 1 人次；" in said[0]
    assert "96.0%（24/25）" in said[1]
    assert "71.5" in said[2]
    assert "87.5%" in said[2]
    assert "停车困难 5 件（+5）" in said[3]
    with speaking("en"):
        english = month_view(figures).sentences
    assert "Parking 5 (+5)" in english[3]
    assert "without a month before to compare with" in english[2]


def test_a_month_of_nothing_says_so(world: World) -> None:
    with world.hospital(world.heqing) as session:
        report = make_report(session, SEPTEMBER, by="何琳", now=DAY_THREE)
        pdf, _ = stored(session, report)
    assert "本月没有应访联系" in text_of(pdf)
    assert "无数据" in text_of(pdf)


def test_a_new_version_is_made_only_for_a_new_number_and_says_what_changed(world: World) -> None:
    with world.hospital(world.heqing) as session:
        fill(world, session)
        first = make_report(session, SEPTEMBER, by="何琳", now=DAY_THREE)
        session.expire_all()
        again = make_report(session, SEPTEMBER, by="system", now=DAY_THREE + timedelta(days=1))
        assert (again.id, again.version) == (first.id, 1)
        frozen = dict(first.figures)
        answered(session, world.patient(session), 10, at=freeze_of(SEPTEMBER) - timedelta(days=5))
        second = make_report(session, SEPTEMBER, by="何琳", now=DAY_THREE + timedelta(days=2))
        session.expire_all()
        assert second.version == 2
        latest = latest_report(session, SEPTEMBER)
        assert latest is not None
        assert latest.id == second.id
        assert [r.version for r in reports(session)] == [2]
        assert session.get_one(MonthlyReport, (session.tenant_id, first.id)).figures == frozen
        text = text_of(stored(session, second)[0])
        assert "更正" in text
        assert "满意度（住院）：71.5→69.0" in text
        events = session.scalar(
            select(func.count()).where(
                AuditEvent.tenant_id == session.tenant_id, AuditEvent.action == "reporting.month_made"
            )
        )
        assert events == 2
    with world.hospital(world.yunling) as session:
        assert latest_report(session, SEPTEMBER) is None


def test_what_is_stored_is_what_is_measured_and_files_are_the_same_again(world: World) -> None:
    with world.hospital(world.heqing) as session:
        fill(world, session)
        report = make_report(session, SEPTEMBER, by="何琳", now=DAY_THREE)
        pdf, xlsx = stored(session, report)
        session.expire_all()
        assert report.figures == freeze(month_figures(session, SEPTEMBER))
    figures, hospital = figures_of(report), "河清市第一人民医院"
    assert month_pdf(figures, hospital=hospital, version=1, made_at=DAY_THREE) == pdf
    assert month_xlsx(figures, hospital=hospital, made_at=DAY_THREE) == xlsx
    lines = month_csv(figures).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("指标,数值")
    assert any(line.startswith("满意度") and ",71.5," in line for line in lines)


def test_day_three_makes_the_report_of_the_month_that_ended(world: World) -> None:
    assert jobs.ended_month(DAY_THREE) == SEPTEMBER
    assert jobs.ended_month(datetime.fromisoformat("2026-10-31T16:30Z")) == date(2026, 10, 1)
    assert JOBS["reporting.month"].every == "15 10 3 * *", "18:15 in China, after the freeze"
    with world.hospital(world.heqing) as session:
        fill(world, session)
        jobs.month(session, DAY_THREE)
        found = latest_report(session, SEPTEMBER)
        assert found is not None
        assert (found.version, found.made_by) == (1, "CareLoop")
