"""One list through its page in Chromium: sent, followed, checked, confirmed, its rejected rows, its undo."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from imports import run_imports
from live import DESK, PHONE, Live, Watch, chromium_browser, live, new_context
from playwright.sync_api import Page, expect
from sqlalchemy import func, select
from world import NOW, World

from foundation import runtime
from foundation.database import Database
from foundation.scope import Actor, PlatformScope
from patients.models import Encounter
from tenants.identity import signin
from tenants.models import Person

pytestmark = pytest.mark.browser
SAMPLE = Path(__file__).parents[2] / "platform" / "careloop" / "samples" / "beishan_discharges_202609.csv"
STRANGE = "编码,称呼,离开,电话一\nA1,王芳,2026-09-05,13812345678\n"
SECONDS = 30_000


@contextmanager
def working(parts: Live) -> Iterator[None]:
    """A worker: does what is queued, as long as this lasts."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.2):
            run_imports(parts.runtime)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def keep(page: Page, name: str) -> None:
    """A picture at both sizes, and nothing that hangs out of the page."""
    folder = os.environ.get("CARELOOP_SCREENS")
    for size in (PHONE, DESK):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        if folder:
            page.screenshot(path=Path(folder) / f"B-{name}-{size[0]}.png", full_page=True)


def test_a_list_is_sent_followed_checked_imported_and_undone(
    engine_db: Database, engine_world: World, chromium: str
) -> None:
    with live(engine_db, NOW, demo=False) as served, chromium_browser(chromium) as browser:
        runtime.install(served.runtime)
        with served.runtime.database.platform(PlatformScope(Actor.system("test"), "test")) as session:
            person = session.get_one(Person, engine_world.people["heqing_admin"])
            token = signin.open_session(session, person, now=NOW, address="127.0.0.1")
        context = new_context(browser, served.address)
        context.set_default_timeout(SECONDS)
        context.add_cookies([{"name": signin.COOKIE, "value": token, "url": served.address}])
        page = context.new_page()
        watch = Watch.of(page)
        page.on("dialog", lambda dialog: dialog.accept())
        imported_and_undone(page, served, engine_world)
        columns_are_chosen(page, served)
        assert watch.found() == []
        context.close()


def imported_and_undone(page: Page, served: Live, world: World) -> None:
    """The list of a month."""
    send(page, SAMPLE.name, SAMPLE.read_bytes())
    expect(page.locator("progress")).to_be_visible()
    keep(page, "1-progress")
    with working(served):
        expect(page.locator("main")).to_contain_text("尚未导入任何数据", timeout=SECONDS)
    expect(page.locator("#sample tbody tr")).to_have_count(20)
    keep(page, "2-check")
    page.get_by_role("button", name="立即导入").click()
    expect(page.locator("progress")).to_be_visible()
    with working(served):
        expect(page.locator("main")).to_contain_text("已纳入随访", timeout=SECONDS)
    keep(page, "3-result")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="被拒绝的行").or_(page.locator("a[href$='/rejected']")).first.click()
    assert "没有病案号" in Path(downloading.value.path()).read_text("gb18030")
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Encounter)) == 181
    page.get_by_role("button", name="撤销这次导入").click()
    expect(page.locator("main")).to_contain_text("已撤销", timeout=SECONDS)
    keep(page, "4-undone")
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Encounter)) == 0


def columns_are_chosen(page: Page, served: Live) -> None:
    """A header nobody knows: chosen by hand, and remembered."""
    send(page, "list.csv", STRANGE.encode())
    for number, words in enumerate(("病案号", "姓名", "出院日期", "患者电话")):
        page.locator(f"#column-{number}").select_option(label=words if number == 3 else f"{words} *")
    keep(page, "5-columns")
    page.get_by_role("button", name="保存并检查文件").click()
    with working(served):
        expect(page.locator("main")).to_contain_text("尚未导入任何数据", timeout=SECONDS)
    page.goto("/h/heqing/imports/headers")
    expect(page.locator("main")).to_contain_text("手工选择")
    keep(page, "6-headers")
    page.goto("/h/heqing/imports")
    keep(page, "7-list")


def send(page: Page, name: str, content: bytes) -> None:
    """Choose a file and send it."""
    page.goto("/h/heqing/imports")
    page.get_by_label("出院名单或门诊名单").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content}
    )
    page.get_by_role("button", name="检查文件").click()
    page.wait_for_url("**/imports/*-*")
