"""What every answer carries, and what people see when something goes wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
from web_client import Browser, browsing
from world import World

from foundation import logs, messages
from foundation.database import Database
from foundation.encryption import MasterKey
from foundation.web import context

PATHS = ["/", "/signin", "/firm/hospitals", "/firm/people", "/me/signins", "/nowhere", "/h/nowhere/cases"]
INLINE = re.compile(
    r"""\sstyle\s*=|\son[a-z]+\s*=\s*["'{]|javascript:|<style|<script(?![^>]*\ssrc=)[^>]*>|hx-on""",
    re.IGNORECASE,
)


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


@pytest.fixture
def unreachable() -> Iterator[Browser]:
    """An application whose database does not answer."""
    dead = Database.connect("postgresql://nobody@127.0.0.1:1/none", master_key=MasterKey(b"0" * 32))
    with browsing(dead) as made:
        yield made
    dead.close()


@pytest.mark.parametrize("path", [*PATHS, "/static/careloop.css", "/health/live", "/api/schema/openapi.json"])
def test_every_answer_allows_only_our_own_scripts_and_styles(
    browser: Browser, world: World, path: str
) -> None:
    browser.enter(world.people["operations"])
    policy = browser.get(path).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert browser.get(path).headers["x-content-type-options"] == "nosniff"


def test_no_template_holds_an_inline_style_or_script() -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for folder in messages.folders().values()
        for path in sorted(folder.rglob("*.html"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if INLINE.search(line)
    ]
    assert found == []


def test_no_template_names_another_host() -> None:
    outside = re.compile(r"""(?:src|href|action)\s*=\s*["'](?:https?:)?//""")
    found = [
        str(path)
        for folder in messages.folders().values()
        for path in folder.rglob("*.html")
        if outside.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_pages_are_not_kept_by_browsers_and_assets_are(browser: Browser) -> None:
    assert browser.get("/signin").headers["cache-control"] == "no-store"
    sheet = re.search(r'href="(/static/careloop.css\?v=[^"]+)"', browser.get("/signin").text)
    assert sheet is not None
    assert "immutable" in browser.get(sheet.group(1)).headers["cache-control"]
    assert browser.get("/static/careloop.css").headers["cache-control"] == "no-cache"


def test_a_form_without_its_token_is_refused(browser: Browser, world: World) -> None:
    browser.enter(world.people["operations"])
    browser.get("/firm/hospitals")
    answer = browser.client.post("/signout", data={}, follow_redirects=False)
    assert answer.status_code == 403
    assert "您的角色无此权限" in answer.text
    assert browser.get("/firm/hospitals").status_code == 200  # still signed in
    assert browser.post("/signout").status_code == 303


@pytest.mark.parametrize(("cookie", "sentence"), [("zh_Hans", "页面不存在"), ("en", "Page not found")])
def test_an_address_without_a_page_says_so_in_the_readers_language(
    browser: Browser, cookie: str, sentence: str
) -> None:
    browser.client.cookies.set("careloop_language", cookie)
    answer = browser.get("/no/such/page")
    assert answer.status_code == 404
    assert sentence in answer.text


def test_a_lost_database_is_said_in_so_many_words(unreachable: Browser) -> None:
    unreachable.client.cookies.set("careloop_session", "x")
    answer = unreachable.get("/me/signins")
    assert answer.status_code == 503
    assert "无法连接数据库" in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["retry-after"]


def test_readiness_says_what_is_wrong(unreachable: Browser, browser: Browser) -> None:
    assert browser.get("/health/ready").json() == {"status": "ok", "database": "ok"}
    assert unreachable.get("/health/live").status_code == 200
    answer = unreachable.get("/health/ready")
    assert answer.status_code == 503
    assert "refused" in answer.json()["database"]


def test_a_script_is_told_where_to_go_next(browser: Browser, world: World) -> None:
    browser.enter(world.people["operations"])
    answer = browser.post(
        "/language", {"language": "en", "next": "/firm/people"}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 200
    assert answer.headers["hx-redirect"] == "/firm/people"


def test_a_mistake_is_shown_in_place_or_on_a_page_of_its_own(browser: Browser) -> None:
    wrong = {"email": "nobody@example.com", "password": "Wrong-1234"}
    piece = browser.post("/signin", wrong, headers={"X-CareLoop-Form": "1"})
    assert piece.status_code == 422
    assert "<html" not in piece.text
    assert "账号或密码不正确" in piece.text
    whole = browser.post("/signin", wrong)
    assert whole.status_code == 422
    assert "账号或密码不正确" in whole.text
    assert "<html" in whole.text


def test_a_notice_is_shown_once(browser: Browser) -> None:
    assert browser.post("/signout").status_code == 303
    assert "您已退出登录" in browser.get("/signin").text
    assert "您已退出登录" not in browser.get("/signin").text


def test_a_notice_is_text_and_never_markup(browser: Browser) -> None:
    browser.client.cookies.set(context.NOTICE_COOKIE, context.cookie_text("<b>x</b>"))
    assert "<b>x</b>" not in browser.get("/signin").text


def test_log_lines_hold_ids_and_no_people() -> None:
    event = {
        "event": "call failed for 13812345678, mail li@example.com",
        "name": "张三",
        "patient": "0199f2c8-7f42-7cc0-8d4e-13812345678a",
        "exception": "IntegrityError\nDETAIL: Key (phone)=(x) already exists.",
    }
    told = logs.withhold_people(logging.getLogger(), "info", event)
    assert told["event"] == "call failed for [withheld], mail [withheld]"
    assert told["name"] == "[withheld]"
    assert told["patient"] == "0199f2c8-7f42-7cc0-8d4e-13812345678a"
    assert "phone" not in told["exception"]
