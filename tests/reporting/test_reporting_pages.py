"""Reports on the screen: who reads them, that screen and files agree, and the firm's two steps."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from pypdf import PdfReader
from reporting_rows import SEPTEMBER, another_hospital, answered, crowd
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from careloop import app
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.languages import speaking
from reporting import pages
from reporting.benchmark import member_report, store_files
from reporting.monthly import figures_of, make_report
from reporting.monthly_view import month_view

OCTOBER_4 = datetime.fromisoformat("2026-10-04T09:00:00+08:00")
REPORTS, FIRM = "/h/heqing/reports", "/firm/benchmark"


@pytest.fixture
def browser(db: Database, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """Nobody in particular, on 4 October."""
    known = {id(handler) for handler in app.PAGES}
    own = [handler for handler in pages.handlers if id(handler) not in known]
    monkeypatch.setattr(app, "PAGES", [*app.PAGES, *own])
    with browsing(db, clock=SetClock(OCTOBER_4)) as made:
        yield made


def words(text: str) -> str:
    """What a page says, without its tags and blanks."""
    return "".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def september(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for place in range(12):
            answered(session, world.patient(session), 70 + place)
    with world.hospital(world.yunling) as session:
        for _ in range(12):
            answered(session, world.patient(session), 3.5)


def test_the_director_reads_the_month_and_its_files_say_the_same(world: World, browser: Browser) -> None:
    september(world)
    with world.hospital(world.heqing) as session:
        report = make_report(session, SEPTEMBER, by="何琳", now=OCTOBER_4)
    browser.enter(world.people["heqing_gm"])
    listed = browser.get(REPORTS)
    assert listed.status_code == 200
    assert "2026年9月" in words(listed.text)
    shown = browser.get(f"{REPORTS}/2026-09")
    assert shown.status_code == 200
    said = words(shown.text)
    with speaking("zh_Hans"):
        view = month_view(figures_of(report))
    pdf = browser.get(f"{REPORTS}/2026-09/report.pdf")
    printed = "".join(
        "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf.content)).pages).split()
    )
    for text in [*view.sentences, *(tile.note for tile in view.tiles)]:
        assert "".join(text.split()) in said
        assert "".join(text.split()) in printed
    assert "75.5" in said
    assert "3.5份" not in said
    assert "<svg" in shown.text
    assert browser.get(f"{REPORTS}/2026-09/report.xlsx").content.startswith(b"PK")
    assert "75.5" in browser.get(f"{REPORTS}/2026-09/figures.csv").text
    english = browser.get(f"{REPORTS}/2026-09/report.pdf?language=en")
    assert "Monthly report" in PdfReader(io.BytesIO(english.content)).pages[0].extract_text()
    with world.hospital(world.heqing) as session:
        forms = session.scalars(
            select(AuditEvent.detail["form"].astext)
            .where(AuditEvent.action.in_(["reporting.month_read", "reporting.month_downloaded"]))
            .order_by(AuditEvent.seq)
        ).all()
    assert forms == ["page", "pdf", "xlsx", "csv", "pdf"], "each view is logged (S4-16)"


def test_statistics_pass_the_directors_gate(world: World, browser: Browser) -> None:
    """S4-16."""
    september(world)
    browser.enter(world.people["heqing_admin"])
    for path in (REPORTS, f"{REPORTS}/2026-09", "/h/heqing/benchmark/2026-09"):
        refused = browser.get(path)
        assert refused.status_code == 403
        assert "统计报表由院长开放" in refused.text
        assert "75.5" not in refused.text
    assert browser.get(f"{REPORTS}/2026-09/report.pdf").status_code == 403
    assert browser.get("/h/yunling/reports").status_code == 404
    assert browser.get(FIRM).status_code == 403
    browser.enter(world.people["heqing_gm"])
    assert browser.get("/h/yunling/reports/2026-09").status_code == 404
    assert browser.get(FIRM).status_code == 403
    browser.enter(world.people["agent"])
    assert browser.get(FIRM).status_code == 403


def test_a_month_before_its_report_is_marked_as_provisional(world: World, browser: Browser) -> None:
    september(world)
    browser.enter(world.people["operations"])
    early = browser.get(f"{REPORTS}/2026-09")
    assert "暂定数据" in early.text
    assert "75.5" in early.text
    assert browser.get(f"{REPORTS}/2026-09/report.pdf").status_code == 404
    assert browser.get(f"{REPORTS}/2026-11").status_code == 404
    assert browser.get(f"{REPORTS}/2026-13").status_code == 404
    made = browser.post(f"{REPORTS}/2026-09/make")
    assert (made.status_code, made.headers["location"]) == (303, f"{REPORTS}/2026-09")
    assert "暂定数据" not in browser.get(f"{REPORTS}/2026-09").text
    assert browser.post(f"{REPORTS}/2026-10/make").status_code == 422
    browser.enter(world.people["heqing_gm"])
    assert browser.post(f"{REPORTS}/2026-09/make").status_code == 403


def test_the_firm_runs_and_another_person_approves_and_each_member_reads_its_own(
    world: World, browser: Browser
) -> None:
    september(world)
    for place in range(5):
        crowd(
            world, another_hospital(world, f"zz{place}x", f"第{place}中心医院"), [66 + place, 76 + place] * 6
        )
    browser.enter(world.people["operations"])
    assert "2026年9月尚未对标" in words(browser.get(FIRM).text)
    assert browser.post(f"{FIRM}/2026-10/run").status_code == 422
    assert browser.post(f"{FIRM}/2026-09/run").status_code == 303
    page = browser.get(f"{FIRM}/2026-09")
    said = words(page.text)
    for part in ("第0中心医院", "河清市第一人民医院", "75.5", "何琳的草稿"):
        assert part in said
    assert "approve" not in page.text
    assert browser.post(f"{FIRM}/2026-09/approve").status_code == 422
    overview = browser.get(f"{FIRM}/2026-09/overview.pdf")
    assert "第4中心医院" in "".join(p.extract_text() for p in PdfReader(io.BytesIO(overview.content)).pages)
    assert browser.get(f"{FIRM}/2026-09/overview.xlsx").content.startswith(b"PK")
    browser.enter(world.people["firm_gm"])
    assert browser.post(f"{FIRM}/2026-09/approve").status_code == 303
    assert "郑总" in browser.get(f"{FIRM}/2026-09").text
    browser.enter(world.people["heqing_gm"])
    mine = browser.get("/h/heqing/benchmark/2026-09")
    assert mine.status_code == 200
    own = words(mine.text)
    assert "75.5" in own
    assert "本院" in own
    for other in ("第0中心医院", "云岭妇幼保健院", "zz0x"):
        assert other not in mine.text
    file = browser.get("/h/heqing/benchmark/2026-09/benchmark.pdf")
    printed = "".join("".join(p.extract_text() for p in PdfReader(io.BytesIO(file.content)).pages).split())
    assert "75.5" in printed
    with world.hospital(world.heqing) as session:
        found = member_report(session, SEPTEMBER)
        assert found is not None
        store_files(session, found[0].id, now=NOW)
    stored = browser.get("/h/heqing/benchmark/2026-09/benchmark.pdf")
    assert stored.content == file.content, "the stored file is what was shown before it was stored"
    assert browser.get("/h/heqing/benchmark/2026-09/benchmark.xlsx").content.startswith(b"PK")
    assert "尚无对标" in browser.get("/h/heqing/benchmark/2026-08").text


@pytest.mark.parametrize("language", ["zh_Hans", "en"])
def test_every_page_in_both_languages_without_inline_style(
    world: World, browser: Browser, language: str
) -> None:
    september(world)
    browser.enter(world.people["firm_gm"], language)
    browser.post(f"{REPORTS}/2026-09/make")
    browser.post(f"{FIRM}/2026-09/run")
    for path in (REPORTS, f"{REPORTS}/2026-09", f"{REPORTS}/2026-10", FIRM,  f"{FIRM}/2026-09",
                 f"{FIRM}/2026-08", "/h/heqing/benchmark/2026-09"):  # fmt: skip
        found = browser.get(path)
        assert found.status_code == 200, path
        assert " style=" not in found.text
        assert "<style" not in found.text
        main = found.text.partition("<main")[2].partition("</main>")[0]
        if language == "en":
            assert not re.search("[一-鿿]{2}", re.sub("骨科|儿科|何琳|郑总", "", main)), path
