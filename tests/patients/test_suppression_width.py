"""The list of stopped contacts on a telephone: wide tables scroll within their card, the page does not."""

from __future__ import annotations

import pytest
from live import PHONE, chromium_browser, live, new_context
from world import NOW, World

from foundation.scope import Actor, PlatformScope
from patients.suppression import suppress
from tenants.identity import signin
from tenants.models import Person

pytestmark = pytest.mark.browser
WIDTHS = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"


def test_the_page_of_stopped_contacts_is_as_wide_as_the_telephone(engine_world: World, chromium: str) -> None:
    world = engine_world
    with world.hospital(world.heqing, world.agent) as session:
        suppress(session, world.patient(session).id, "refused", source="call", now=NOW)
        suppress(session, world.patient(session).id, "deceased", note="儿子告知", source="call", now=NOW)
    with live(world.db, NOW, demo=False) as served, chromium_browser(chromium) as browser:
        with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
            person = session.get_one(Person, world.people["heqing_admin"])
            token = signin.open_session(session, person, now=served.clock.now(), address="127.0.0.1")
        context = new_context(browser, served.address, size=PHONE)
        context.add_cookies([{"name": signin.COOKIE, "value": token, "url": served.address}])
        page = context.new_page()
        for path in ("suppressions", "suppressions?show=confirm"):
            page.goto(f"/h/heqing/{path}")
            assert page.evaluate(WIDTHS) == [PHONE[0], PHONE[0]], path
