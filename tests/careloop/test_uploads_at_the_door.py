"""A body of files is read for whoever is signed in; one that breaks off is no fault of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs
from web_client import Browser, browsing
from world import World

from careloop.wiring import wire
from foundation.web.context import CSRF_COOKIE

CHUNK = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc\r\n'


@pytest.fixture
def browser(world: World) -> Iterator[Browser]:
    wire()
    with browsing(world.db) as opened:
        yield opened


def send(browser: Browser, cookies: str) -> tuple[list[Any], int]:
    """Post a file without an announced size that breaks off; what is answered, and how much was read."""
    answers: list[Any] = []
    asked = 0
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/h/heqing/imports",
        "raw_path": b"/h/heqing/imports",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"testserver.local"),
            (b"transfer-encoding", b"chunked"),
            (b"content-type", b"multipart/form-data; boundary=x"),
            (b"cookie", cookies.encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("testserver.local", 80),
        "extensions": {},
    }

    async def receive() -> Any:
        nonlocal asked
        asked += 1
        if asked > 3:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": CHUNK, "more_body": True}

    async def answer(message: Any) -> None:
        answers.append(message)

    async def call() -> None:
        await browser.client.app(scope, receive, answer)

    anyio.run(call)
    return answers, asked


def cookies(browser: Browser) -> str:
    browser.token()
    return "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())


def test_nothing_is_read_of_a_file_that_nobody_signed_in_sends(browser: Browser) -> None:
    for sent in ("", f"{CSRF_COOKIE}={browser.token()}"):
        answers, asked = send(browser, sent)
        assert (answers[0]["status"], asked) == (303, 0)


def test_a_sender_who_leaves_in_the_middle_is_no_error(browser: Browser, world: World) -> None:
    browser.enter(world.people["heqing_admin"])
    with capture_logs() as logged:
        answers, asked = send(browser, cookies(browser))
    assert asked == 4
    assert answers[0]["status"] == 400
    assert [line["event"] for line in logged if line["log_level"] == "error"] == []
    assert "sender left before the end" in [line["event"] for line in logged]
