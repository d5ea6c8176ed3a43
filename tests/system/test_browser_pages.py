"""Every page of the rail, for every role of the demo, at a desk and on a phone, in Chinese and in English.

A small story is told once by the product's own services; each role then walks through its rail and through
the first thing that each page leads to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from conftest import MASTER_KEY, TestServer, sqlalchemy_url
from live import DESK, MASTER, PHONE, Live, Watch, chromium_browser, live, new_context
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import create_engine, select

from careloop import wiring
from careloop.demo.chapters import Chapter, close_chapter, tell_chapter
from careloop.demo.stage import set_stage
from foundation import messages, runtime
from foundation.calendar import local_day_start
from foundation.clock import SetClock
from foundation.database import Database
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from reporting import benchmark
from tenants.identity import signin
from tenants.models import Person

pytestmark = pytest.mark.browser

TOLD, OPENED = date(2026, 11, 1), date(2026, 12, 1)
TOLD_HOSPITAL = "heqing"
DAYS = 8
EMPTY = "qa"  # walks through a hospital of which nothing is told: every page has something to say then, too
PEOPLE = {
    "agent": "limin@hengkang.example",
    "team_lead": "wanglei@hengkang.example",
    "qa": "zhouqian@hengkang.example",
    "operations": "helin@hengkang.example",
    "firm_gm": "zhengguodong@hengkang.example",
    "hospital_gm": "zhao@heqing.example",
    "hospital_admin": "chenjing@heqing.example",
    "department_head": "sun@heqing.example",
    "medical_affairs": "malv@heqing.example",
    "hospital_finance": "qian@heqing.example",
    "operator": "wufan@careloop.example",
}
LANGUAGES = {"zh_Hans": "zh-CN", "en": "en-GB"}
# A word of a program on a page for people: `waiting_consultation`, `{name}`, `None`.
RAW = re.compile(r"(?<![\w./@-])(?:[a-z]+(?:_[a-z]+)+|None|True|False|NaN|undefined)(?![\w.@-])|\{\w*\}")
# What is wider than the screen, and what hangs out of it: the page itself must not scroll sideways.
WIDER = """() => {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth) return [];
  return [...document.querySelectorAll("main *, header *, nav *")]
    .filter((e) => e.getBoundingClientRect().right > page.clientWidth + 1 && e.getClientRects().length)
    .slice(0, 5).map((e) => `${e.tagName}.${e.className}`);
}"""


@dataclass(frozen=True)
class Story:
    """The served story, a browser, and who is in it."""

    live: Live
    browser: Browser
    people: dict[str, UUID]


@pytest.fixture(scope="module")
def story(server: TestServer, chromium: str) -> Iterator[Story]:
    """Some days of November of one hospital, the month closed, and the first of December begun."""
    urls = server.new_database(f"browser_pages_{uuid4().hex[:8]}")
    engine = create_engine(
        sqlalchemy_url(urls.runtime),
        pool_size=20,
        connect_args={"options": "-c timezone=UTC -c synchronous_commit=off"},
    )
    db = Database(engine, master_key=MASTER_KEY)
    _tell(db)
    with db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        people = {person.email or "": person.id for person in session.scalars(select(Person))}
    opened = local_day_start(OPENED) + timedelta(hours=9, minutes=5)
    with live(db, opened) as served, chromium_browser(chromium) as browser:
        yield Story(served, browser, people)
    engine.dispose()


def _tell(db: Database) -> None:
    wiring.wire()
    settings = Settings(master_key=MASTER, demo=True)
    runtime.install(Runtime(settings, db, SetClock(local_day_start(TOLD)), MASTER_KEY))
    stage = set_stage(db, local_day_start(TOLD) + timedelta(hours=6))
    for hospital in stage.hospitals:
        if hospital.cast.code != TOLD_HOSPITAL:
            continue
        agents = tuple(actor for actor, serves in stage.agents if hospital.tenant_id in serves)
        values: dict[str, Any] = {
            "hospital": hospital,
            "firm_id": stage.firm_id,
            "agents": agents,
            "operations": stage.operations,
            "seed": "pages",
        }
        tell_chapter(Chapter(**values, month=TOLD, days=DAYS))
        close_chapter(Chapter(**values, month=TOLD))
        tell_chapter(Chapter(**values, month=OPENED, days=0))
    with stage.firm(stage.operations) as session:
        benchmark.run(
            session, TOLD, by=stage.operations.name, now=local_day_start(OPENED) + timedelta(hours=9)
        )


def entered(story: Story, role: str, language: str) -> BrowserContext:
    """The browser of this role's person, in this language."""
    with story.live.runtime.database.platform(PlatformScope(Actor.system("test"), "test")) as session:
        person = session.get_one(Person, story.people[PEOPLE[role]])
        person.language = language
        token = signin.open_session(session, person, now=story.live.clock.now(), address="127.0.0.1")
    context = new_context(story.browser, story.live.address, language=LANGUAGES[language])
    context.add_cookies([{"name": signin.COOKIE, "value": token, "url": story.live.address}])
    return context


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", PEOPLE)
def test_each_page_of_a_role_is_whole(story: Story, role: str, language: str) -> None:
    context = entered(story, role, language)
    page = context.new_page()
    watch = Watch.of(page)
    page.goto("/")
    found: list[str] = []
    rail = links(page, ".cl-rail li a")
    if role != EMPTY:
        rail = [re.sub(r"^/h/[a-z]+/", f"/h/{TOLD_HOSPITAL}/", path) for path in rail]
    assert rail or role == "operator", "there is nowhere to go"
    for path in rail or [urlsplit(page.url).path]:
        found += look(page, path, language)
        inside = [link for link in links(page, "main a") if is_deeper(link, path)]
        found += look(page, inside[0], language) if inside else []
    found += watch.found()
    context.close()
    assert found == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_page_is_whole(story: Story, language: str) -> None:
    context = new_context(story.browser, story.live.address, language=LANGUAGES[language])
    page = context.new_page()
    watch = Watch.of(page)
    page.goto("/signin")
    if language == "en":
        page.locator(".cl-language button[value=en]").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")
    found = look(page, "/signin", language) + watch.found()
    context.close()
    assert found == []


def links(page: Page, selector: str) -> list[str]:
    """Where these links lead within the product, in order, each once."""
    hrefs = page.locator(selector).evaluate_all("all => all.map(a => a.getAttribute('href') ?? '')")
    return list(dict.fromkeys(href for href in hrefs if href.startswith("/")))


def is_deeper(link: str, path: str) -> bool:
    """Whether a link leads from a list to a thing of it, and not to a file."""
    below = urlsplit(link).path
    return (
        below.startswith(path.rstrip("/") + "/")
        and not below.endswith((".pdf", ".xlsx", ".csv", "/export"))
        and "/files/" not in below
        and "format=" not in link
    )


def look(page: Page, path: str, language: str) -> list[str]:
    """Open a page and say what is wrong with it at both sizes."""
    answer = page.goto(path)
    found = [] if answer is not None and answer.ok else [f"answered {answer and answer.status}"]
    for size in (DESK, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        wider: list[str] = page.evaluate(WIDER)
        found += [f"wider than {size[0]}: {', '.join(wider)}"] if wider else []
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    text = page.locator("body").inner_text()
    found += [f"a program's word: {match.group()}" for match in RAW.finditer(text)]
    found += [f"not in this language: {words}" for words in foreign(text, language)]
    refused: list[str] = page.evaluate("window.careloopViolations")
    return [f"{path}: {line}" for line in found + refused]


def foreign(text: str, language: str) -> list[str]:
    """The messages of the other language that stand on a page.

    In Chinese: every English message of two words or more. In English: every Chinese message of at least six
    characters, for shorter ones are also names of departments.
    """
    if language == "zh_Hans":
        lines = {line.strip() for line in re.split(r"[\n·/]", text)}
        return sorted(line for line in lines if " " in line and line in messages.catalogue())
    chinese = {texts[0] for texts in messages.catalogue().values() if len(texts[0]) >= 6}
    return sorted(words for words in chinese if words.isalpha() and words in text)
