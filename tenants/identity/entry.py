"""What the pages of signing in share: where to go on, the cookies, and the session that still waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.datastructures import Cookie
from litestar.response import Redirect

from foundation import languages
from foundation.clock import Clock, SystemClock
from foundation.database import ScopedSession
from foundation.languages import Language
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.web.errors import LANGUAGE_COOKIE, NotSignedIn
from foundation.web.pages import redirect
from tenants.identity import invitations, signin
from tenants.models import Person, SigninSession
from tenants.visit import Visit

YEAR_SECONDS = 366 * 86_400
SCOPE = PlatformScope(Actor.system("sign-in"), "sign-in")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sign-in that waits for its next step: the session, whose it is, and the step."""

    row: SigninSession
    person: Person
    step: signin.Step


def waiting(session: ScopedSession, request: Request[Any, Any, Any], now: datetime) -> Waiting:
    """The sign-in of this browser that waits for a step; raises `NotSignedIn` when there is none."""
    token = request.cookies.get(signin.COOKIE)
    found = signin.session_of(session, token, now=now, waiting=True) if token else None
    if found is None:
        raise NotSignedIn
    row, person = found
    step: signin.Step
    if row.waiting_for == "enrolment" and signin.has_factor(person):
        step = "second_factor"  # enrolled meanwhile, in another browser
    elif row.waiting_for == "second_factor" and not signin.has_factor(person):
        step = "enrolment"  # taken away meanwhile, by whoever manages the accounts
    elif row.waiting_for == "second_factor":
        step = "second_factor"
    else:
        step = "enrolment" if row.waiting_for == "enrolment" else "new_password"
    return Waiting(row, person, step)


def signed_in(request: Request[Any, Any, Any]) -> Visit | None:
    """The visit of this request, when somebody is signed in."""
    visit = request.scope.get("state", {}).get("viewer")
    return visit if isinstance(visit, Visit) else None


def own_place(wanted: str) -> str:
    """An address within this site: a link from outside cannot send people elsewhere."""
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if plain else "/"


def own_path(wanted: str) -> str:
    """An address within this site and beyond its doors, to go to after signing in."""
    place = own_place(wanted)
    return "/" if place.startswith("/signin") else place


def way_on(session: ScopedSession, person: Person, step: signin.Step | None, wanted: str) -> str:
    """Where to go after a step: to the next one, or to what was wanted; somebody who was offered a role and
    wanted nothing in particular is shown the offer.
    """
    if step is not None:
        return f"{signin.STEP_PAGES[step]}?next={quote(own_path(wanted))}"
    path = own_path(wanted)
    return "/me" if path == "/" and invitations.offers_of(session, person.id) else path


def entered(runtime: Runtime, token: str, language: Language, path: str) -> Redirect:
    """Go there with this session's cookie, and read in the person's language."""
    response = redirect(path)
    response.set_cookie(session_cookie(runtime, token))
    response.set_cookie(language_cookie(runtime, language))
    return response


def session_cookie(runtime: Runtime, token: str) -> Cookie:
    """The cookie of a session: out of reach of scripts, gone with the browser."""
    secure = runtime.settings.cookie_secure
    return Cookie(signin.COOKIE, value=token, httponly=True, samesite="lax", secure=secure)


def language_cookie(runtime: Runtime, language: Language) -> Cookie:
    """The language to read in before it is known who asks."""
    return Cookie(
        LANGUAGE_COOKIE,
        value=language,
        httponly=True,
        samesite="lax",
        secure=runtime.settings.cookie_secure,
        max_age=YEAR_SECONDS,
    )


def language_of(person: Person) -> Language:
    """The language of an account."""
    return languages.choose(person.language)


def browser_of(request: Request[Any, Any, Any]) -> str:
    """What the browser says it is."""
    return request.headers.get("user-agent", "")


def phone_time(clock: Clock) -> datetime:
    """The moment that people's phones show: a demo has a day of its own, codes go by the real one."""
    return clock.now() - clock.offset if isinstance(clock, SystemClock) else clock.now()
