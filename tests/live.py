"""The real application on 127.0.0.1 in a thread of this process, and a screen worked by keyboard alone."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, sync_playwright

from careloop import wiring
from careloop.app import create_app
from foundation.database import Database
from foundation.encryption import MasterKey
from foundation.runtime import Runtime
from foundation.settings import Settings

MASTER = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
HOST = "127.0.0.1"
READY_SECONDS = 20
BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESK = (1440, 900)
PHONE = (390, 844)
# The page's own reports of what its policy refused; an event, because a console line may be lost.
VIOLATIONS = """
window.careloopViolations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.careloopViolations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ""}`);
});
"""


class MovingClock:
    """A clock that goes on at the usual speed from where it was set; `at` sets it anew."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._since = time.monotonic()

    def now(self) -> datetime:
        """The moment set, and the time since."""
        return self._at + timedelta(seconds=time.monotonic() - self._since)

    @property
    def at(self) -> datetime:
        """The moment that was set last."""
        return self._at

    @at.setter
    def at(self, moment: datetime) -> None:
        self._at, self._since = moment, time.monotonic()


@dataclass(frozen=True)
class Live:
    """A server that answers: its address, its clock, and the parts it runs on."""

    address: str
    clock: MovingClock
    runtime: Runtime


@contextmanager
def live(db: Database, now: datetime, *, demo: bool = True) -> Iterator[Live]:
    """Serve the whole product over a committed database, in a world whose clock begins at `now`."""
    clock = MovingClock(now)
    runtime = Runtime(
        Settings(master_key=MASTER, demo=demo), db, clock, db.master_key or MasterKey(b"0" * 32)
    )
    wiring.wire()
    with served(create_app(runtime)) as address:
        yield Live(address, clock, runtime)


@contextmanager
def served(app: Litestar) -> Iterator[str]:
    """Serve an application on a free port of this machine; gives its address."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    loop = asyncio.new_event_loop()
    started: list[Server] = []

    async def serve() -> None:
        server = Server(
            app,
            address=HOST,
            port=port,
            interface=Interfaces.ASGI,
            websockets=False,
            log_enabled=False,
        )
        started.append(server)
        await server.serve()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run, name="live-server", daemon=True)
    thread.start()
    address = f"http://{HOST}:{port}"
    try:
        _wait_until_ready(address)
        yield address
    finally:
        if started and thread.is_alive():
            loop.call_soon_threadsafe(started[0].stop)
        thread.join(READY_SECONDS)


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{address}/health/live", timeout=2) as answer:  # noqa: S310 - our own address
                if answer.status == HTTPStatus.OK:
                    return
        except (URLError, ConnectionError):
            time.sleep(0.05)
    msg = f"the server at {address} did not answer within {READY_SECONDS} seconds"
    raise TimeoutError(msg)


@contextmanager
def chromium_browser(path: str) -> Iterator[Browser]:
    """A Chromium without a window, ended again."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=BROWSER_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


def new_context(
    browser: Browser, address: str, *, size: tuple[int, int] = DESK, language: str = "zh-CN"
) -> BrowserContext:
    """A browser profile of somebody in China: their clock, their language, this size of screen."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": size[0], "height": size[1]},
        locale=language,
        timezone_id="Asia/Shanghai",
        reduced_motion="reduce",
    )
    context.set_default_timeout(10_000)
    context.add_init_script(VIOLATIONS)
    return context


@dataclass
class Watch:
    """What a page complains of while it is used: console errors, refused scripts, failed answers."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page) -> Self:
        """Listen to a page from now on."""
        watch = cls(page)
        page.on("console", lambda line: watch.note("console", line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: watch.note("script", str(error)))
        page.on("response", watch.answered)
        page.on("requestfailed", lambda request: watch.failed(request.url, request.failure))
        return watch

    def note(self, kind: str, text: str) -> None:
        """Keep a complaint."""
        self.complaints.append(f"{kind}: {text}")

    def answered(self, response: Response) -> None:
        """Keep an answer that says that the server broke."""
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.note("server", f"{response.status} {response.url}")

    def failed(self, url: str, failure: str | None) -> None:
        """Keep a request without answer; one that was broken off because the page was left is none."""
        if failure != "net::ERR_ABORTED":
            self.note("request", f"{failure} {url}")

    def found(self) -> list[str]:
        """All complaints up to now, with those of the page's policy."""
        refused: list[str] = self.page.evaluate("window.careloopViolations ?? []")
        return self.complaints + [f"policy: {line}" for line in refused]


@dataclass
class Screen:
    """A page worked by keys. It has no way to use a mouse."""

    page: Page
    watch: Watch

    def open(self, path: str) -> None:
        """Type an address."""
        self.page.goto(path)

    def at(self, selector: str) -> Locator:
        """A part of the page, to look at."""
        return self.page.locator(selector)

    def press(self, *keys: str) -> None:
        """Press keys one after the other without waiting between them."""
        for key in keys:
            self.page.keyboard.press(key)

    def keys(self, letters: str) -> None:
        """Press the keys of these letters."""
        self.page.keyboard.type(letters)

    def type(self, text: str) -> None:
        """Put text in as an input method does: as a whole."""
        self.page.keyboard.insert_text(text)

    def tab_to(self, name: str, *, most: int = 60) -> None:
        """Press Tab until what has the focus carries this name."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if name in str(self.page.evaluate("document.activeElement?.textContent ?? ''")):
                return
        msg = f"Tab does not lead to {name}"
        raise AssertionError(msg)

    def key_event(self, key: str, code: int, *, composing: bool, ctrl: bool = False) -> None:
        """A key as browsers report it, with what an input method adds."""
        self.page.evaluate(
            """(values) => document.activeElement.dispatchEvent(
                new KeyboardEvent("keydown", {...values, bubbles: true, cancelable: true}))""",
            {"key": key, "keyCode": code, "isComposing": composing, "ctrlKey": ctrl},
        )

    def compose(self, letters: str) -> None:
        """Begin to compose with an input method: the letters stand in the field, underlined."""
        self._devtools(
            "Input.imeSetComposition", text=letters, selectionStart=len(letters), selectionEnd=len(letters)
        )

    def commit(self, text: str) -> None:
        """Choose what the input method offers."""
        self._devtools("Input.insertText", text=text)

    def accept_questions(self) -> None:
        """Answer the page's questions with Enter."""
        self.page.on("dialog", lambda dialog: dialog.accept())

    def settle(self) -> None:
        """Wait until nothing is asked of the server any more."""
        self.page.wait_for_load_state("networkidle")

    def font_size(self, selector: str) -> float:
        """The height of letters in pixels."""
        return float(
            self.at(selector).evaluate("(element) => parseFloat(getComputedStyle(element).fontSize)")
        )

    def keep(self, name: str) -> None:
        """Keep a picture when CARELOOP_SCREENS names a folder."""
        folder = os.environ.get("CARELOOP_SCREENS")
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def assert_quiet(self) -> None:
        """Nothing went wrong on the page, and nothing was refused by its policy."""
        assert self.watch.found() == []

    def _devtools(self, method: str, **values: Any) -> None:
        session = self.page.context.new_cdp_session(self.page)
        session.send(method, values)
        session.detach()


@contextmanager
def keyboard_screen(chromium: str, address: str, *, size: tuple[int, int] = DESK) -> Iterator[Screen]:
    """A browser with one page that is watched."""
    with chromium_browser(chromium) as browser:
        page = new_context(browser, address, size=size).new_page()
        yield Screen(page, Watch.of(page))
