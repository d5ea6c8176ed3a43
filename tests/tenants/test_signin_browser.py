"""Signing in as people do it, in a real browser: the second factor, one's own account, and the quiet end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pyotp
import pytest
from live import DESK, PHONE, Live, Screen, Watch, chromium_browser, keyboard_screen, live, new_context
from playwright.sync_api import expect
from world import NOW, World

from foundation.database import Database
from foundation.scope import Actor, PlatformScope
from tenants import service
from tenants.identity import signin
from tenants.models import Person
from tenants.rights import Role

pytestmark = pytest.mark.browser

PASSWORD = "Riverside-42"
EMAIL = "helin@example.com"
SCOPE = PlatformScope(Actor.system("test"), "test")


@pytest.fixture
def served(engine_db: Database, engine_world: World) -> Iterator[Live]:
    """Somebody with a role that asks for a second factor, and another role offered."""
    with engine_world.firm(engine_world.admin) as session:
        made = service.make_person(
            session, email=EMAIL, name="何琳", language="zh_Hans", now=NOW, password=PASSWORD
        )
        service.add_member(session, made.id, Role.OPERATIONS, firm_id=engine_world.firm_id, now=NOW)
        service.add_member(
            session, made.id, Role.HOSPITAL_ADMIN, tenant_id=engine_world.yunling.tenant_id, now=NOW,
            accepted=False,
        )  # fmt: skip
    with live(engine_db, NOW, demo=False) as running:
        yield running


def code(secret: str, served: Live) -> str:
    return pyotp.TOTP(secret).at(served.clock.now())


def sign_in(screen: Screen) -> None:
    screen.open("/signin")
    screen.at("#f-email").focus()
    screen.type(EMAIL)
    screen.press("Tab")
    screen.type(PASSWORD)
    screen.press("Enter")


def test_a_second_factor_is_set_up_and_then_asked_for(served: Live, chromium: str) -> None:
    with keyboard_screen(chromium, served.address) as screen:
        sign_in(screen)
        screen.page.wait_for_url("**/signin/enrol?**")
        picture = screen.at("img.cl-qr")
        expect(picture).to_be_visible()
        assert picture.evaluate("(image) => image.complete && image.naturalWidth > 100")
        screen.keep("A-enrol")
        screen.at("summary").first.focus()
        screen.press("Enter")
        secret = re.sub(r"\s", "", screen.at(".cl-secret").inner_text())
        screen.at("#f-code").focus()
        screen.type("000000")
        screen.press("Enter")
        expect(screen.at(".cl-mistake")).to_contain_text("验证码不正确")
        screen.at("#f-code").fill("")
        screen.type(code(secret, served))
        screen.press("Enter")
        expect(screen.at(".cl-codes li")).to_have_count(10)
        screen.keep("A-recovery")
        screen.tab_to("我已保存")
        screen.press("Enter")
        screen.page.wait_for_url("**/me")
        expect(screen.at(".cl-offer")).to_contain_text("云岭妇幼保健院")
        screen.keep("A-me")
        for name in ("sessions", "factor", "signins"):
            screen.open(f"/me/{name}")
            screen.keep(f"A-me-{name}")
        served.clock.at = served.clock.now() + timedelta(seconds=40)
        screen.at(".cl-person").focus()
        screen.page.request.post("/signout")
        screen.page.context.clear_cookies()
        sign_in(screen)
        screen.page.wait_for_url("**/signin/code?**")
        screen.keep("A-code")
        screen.type(code(secret, served))
        screen.press("Enter")
        screen.page.wait_for_url("**/me")
        complaints = [line for line in screen.watch.found() if "422" not in line and "403" not in line]
        assert complaints == []


def enter(screen: Screen, served: Live, world: World) -> None:
    with served.runtime.database.platform(SCOPE) as session:
        person = session.get_one(Person, world.people["heqing_admin"])
        token = signin.open_session(session, person, now=served.clock.now(), address="127.0.0.1")
    cookie = {"name": signin.COOKIE, "value": token, "url": served.address}
    screen.page.context.add_cookies([cookie])  # type: ignore[list-item]


def go_on(screen: Screen, served: Live, minutes: int) -> None:
    """Let time go by, for the page and for the server, minute by minute."""
    for _ in range(minutes):
        served.clock.at = served.clock.now() + timedelta(minutes=1)
        screen.page.clock.run_for(60_000)
        # By the time this is answered, what the page asked before has been answered too.
        screen.page.evaluate("fetch('/health/live').then((answer) => answer.text())")


def test_a_page_that_nobody_touches_ends_and_says_so_and_leads_back(
    served: Live, engine_world: World, chromium: str
) -> None:
    with keyboard_screen(chromium, served.address) as screen:
        enter(screen, served, engine_world)
        screen.page.clock.install()
        screen.open("/me/signins")
        go_on(screen, served, 10)
        screen.press("Shift")  # somebody is there
        go_on(screen, served, 10)
        expect(screen.at(".cl-ended")).to_have_count(0)
        go_on(screen, served, 8)
        expect(screen.at(".cl-ended")).to_contain_text("15 分钟无操作")
        screen.keep("A-ended")
        screen.tab_to("账号")
        screen.press("Enter")
        screen.page.wait_for_url("**/signin?next=%2Fme%2Fsignins")
        screen.assert_quiet()


def test_a_call_that_goes_on_keeps_the_agent_signed_in(
    served: Live, engine_world: World, chromium: str
) -> None:
    with keyboard_screen(chromium, served.address) as screen:
        enter(screen, served, engine_world)
        screen.page.clock.install()
        screen.open("/me/signins")
        screen.page.evaluate("document.querySelector('main').setAttribute('data-in-use', '')")
        go_on(screen, served, 40)
        expect(screen.at(".cl-ended")).to_have_count(0)
        screen.open("/me/sessions")
        expect(screen.at("h1")).to_contain_text("我的账号")


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_pages_fit_their_screen(
    served: Live, engine_world: World, chromium: str, size: tuple[int, int]
) -> None:
    with chromium_browser(chromium) as browser:
        page = new_context(browser, served.address, size=size).new_page()
        screen = Screen(page, Watch.of(page))
        enter(screen, served, engine_world)
        for path in ("/me", "/me/sessions", "/me/factor", "/me/signins"):
            page.goto(path)
            screen.keep(f"A{path.replace('/', '-')}-{size[0]}")
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, path
