"""Signing in and out, one's own settings, and the first page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from foundation import languages
from foundation.languages import gettext as _
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.web.access import PUBLIC, SIGNED_IN
from foundation.web.errors import LANGUAGE_COOKIE, NotFound, UserMistake
from foundation.web.pages import page, redirect
from tenants import admin, demo, hospital_pages, queries, service, signin
from tenants.labels import SIGNIN_RESULTS
from tenants.models import Person
from tenants.visit import Visit

YEAR_SECONDS = 366 * 86_400
SCOPE = PlatformScope(Actor.system("sign-in"), "sign-in")


class SignInForm(msgspec.Struct):
    """The sign-in form."""

    email: str
    password: str
    next: str = "/"


class PasswordForm(msgspec.Struct):
    """A new password, typed twice."""

    password: str
    again: str


class LanguageForm(msgspec.Struct):
    """The language switch, and the page to come back to."""

    language: str
    next: str = "/"


class DemoForm(msgspec.Struct):
    """Whom to be in the demo."""

    person_id: UUID


@get("/", needs=PUBLIC, sync_to_thread=True)
def home(request: Request[Any, Any, Any]) -> Redirect:
    """To the page where this person's work begins, or to the sign-in page."""
    visit = signed_in(request)
    return redirect(visit.home if visit else "/signin")


@get("/signin", needs=PUBLIC, sync_to_thread=True)
def sign_in_page(
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    next: FromQuery[str] = "/",  # noqa: A002
) -> Response[Any]:
    """The sign-in page; in a demo with its people beside it."""
    visit = signed_in(request)
    if visit is not None:
        return redirect(visit.home)
    people = demo.groups(runtime.database) if runtime.settings.demo else []
    return page("tenants/signin.html", visit=None, next=own_path(next), groups=people)


@post("/signin", needs=PUBLIC, sync_to_thread=True)
def sign_in(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: URLEncodedBody[SignInForm]
) -> Response[Any]:
    """Sign in; one sentence for everything that may be wrong."""
    now = runtime.clock.now()
    with runtime.database.platform(SCOPE) as session:
        token = signin.sign_in(session, data.email, data.password, now=now, address=address_of(request))
        person = signin.person_of(session, token, now=now) if token else None
    if token is None or person is None:
        raise UserMistake(
            _(
                "The e-mail or the password is not right. "
                "After five wrong attempts an account stays locked for 30 minutes."
            )
        )
    return _entered(runtime, token, languages.choose(person.language), own_path(data.next))


@post("/signout", needs=PUBLIC, sync_to_thread=True)
def sign_out(request: Request[Any, Any, Any], runtime: NamedDependency[Runtime]) -> Redirect:
    """End this session."""
    token = request.cookies.get(signin.COOKIE)
    if token:
        with runtime.database.platform(SCOPE) as session:
            signin.sign_out(session, token, now=runtime.clock.now(), address=address_of(request))
    response = redirect("/signin", notice=_("You are signed out."))
    response.delete_cookie(signin.COOKIE)
    return response


@get("/invitation/{token:str}", needs=PUBLIC, sync_to_thread=True)
def invitation_page(token: FromPath[str], runtime: NamedDependency[Runtime]) -> Response[str]:
    """Set the first password."""
    with runtime.database.platform(SCOPE) as session:
        person = service.invited_person(session, token, now=runtime.clock.now())
    return page("tenants/invitation.html", visit=None, person=person, token=token)


@post("/invitation/{token:str}", needs=PUBLIC, sync_to_thread=True)
def accept_invitation(
    token: FromPath[str],
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    data: URLEncodedBody[PasswordForm],
) -> Response[Any]:
    """Set the first password and sign in."""
    if data.password != data.again:
        raise UserMistake(_("The two passwords differ."))
    now, address = runtime.clock.now(), address_of(request)
    with runtime.database.platform(SCOPE) as session:
        person = service.accept_invitation(session, token, data.password, now=now, address=address)
        signin_token = signin.open_session(session, person, now=now, address=address)
        language = languages.choose(person.language)
    return _entered(runtime, signin_token, language, "/")


@post("/language", needs=PUBLIC, sync_to_thread=True)
def change_language(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: URLEncodedBody[LanguageForm]
) -> Redirect:
    """Read in another language from now on: kept with the person, and in the browser before sign-in."""
    language = languages.choose(data.language)
    visit = signed_in(request)
    if visit is not None:
        with visit.platform() as session:
            service.change_language(session, visit.person.id, language)
    response = redirect(own_path(data.next))
    response.set_cookie(_language_cookie(runtime, language))
    return response


@get("/me/signins", needs=SIGNED_IN, sync_to_thread=True)
def my_signins(visit: NamedDependency[Visit]) -> Response[str]:
    """One's own sign-ins, so that a foreign one is noticed."""
    with visit.platform() as session:
        events = queries.signins_of(session, visit.person.id)
    results = {key: _(text) for key, text in SIGNIN_RESULTS.items()}
    return page("tenants/signins.html", visit=visit, events=events, results=results)


@post("/demo/enter", needs=PUBLIC, sync_to_thread=True)
def enter_demo(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: URLEncodedBody[DemoForm]
) -> Response[Any]:
    """Be one of the demo's people. Outside a demo this page does not exist."""
    if not runtime.settings.demo:
        raise NotFound
    with runtime.database.platform(SCOPE) as session:
        person = session.get(Person, data.person_id)
        if person is None or person.disabled_at is not None:
            raise NotFound
        token = signin.open_session(session, person, now=runtime.clock.now(), address=address_of(request))
        service.change_language(session, person.id, languages.current())
    return _entered(runtime, token, languages.current(), "/")


def signed_in(request: Request[Any, Any, Any]) -> Visit | None:
    """The visit of this request, when somebody is signed in."""
    visit = request.scope.get("state", {}).get("viewer")
    return visit if isinstance(visit, Visit) else None


def own_path(wanted: str) -> str:
    """An address within this site: a link from outside cannot send people elsewhere after they sign in."""
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if plain else "/"


def address_of(request: Request[Any, Any, Any]) -> str:
    """The network address that asks."""
    return request.client.host if request.client else ""


def _entered(runtime: Runtime, token: str, language: languages.Language, path: str) -> Redirect:
    response = redirect(path)
    response.set_cookie(
        Cookie(
            signin.COOKIE, value=token, httponly=True, samesite="lax", secure=runtime.settings.cookie_secure
        )
    )
    response.set_cookie(_language_cookie(runtime, language))
    return response


def _language_cookie(runtime: Runtime, language: languages.Language) -> Cookie:
    return Cookie(
        LANGUAGE_COOKIE,
        value=language,
        httponly=True,
        samesite="lax",
        secure=runtime.settings.cookie_secure,
        max_age=YEAR_SECONDS,
    )


handlers = [
    home,
    sign_in_page,
    sign_in,
    sign_out,
    invitation_page,
    accept_invitation,
    change_language,
    my_signins,
    enter_demo,
    *admin.handlers,
    *hospital_pages.handlers,
]
