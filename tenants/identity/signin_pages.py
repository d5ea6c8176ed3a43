"""Signing in, the steps that it may wait for, invitations, and signing out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from foundation import languages
from foundation.database import PlatformSession
from foundation.languages import gettext as _
from foundation.runtime import Runtime
from foundation.web.access import PUBLIC
from foundation.web.context import address_of
from foundation.web.errors import NotFound, NotSignedIn, UserMistake
from foundation.web.pages import page, redirect
from tenants import demo, service
from tenants.identity import confined, entry, invitations, passwords, second_factor, signin
from tenants.labels import REFUSED_CODES
from tenants.models import Person

USED_LINK = languages.mark("This invitation was used or is too old. Ask for a new one.")


class SignInForm(msgspec.Struct):
    """The sign-in form: `email` holds an e-mail address or a mobile number."""

    email: str
    password: str
    next: str = "/"


class CodeForm(msgspec.Struct):
    """A code of the second factor, or a recovery code."""

    code: str
    next: str = "/"


class EnrolForm(msgspec.Struct):
    """A first code, and the secret it was made from, sealed."""

    code: str
    sealed: str
    next: str = "/"


class PasswordForm(msgspec.Struct):
    """A new password, typed twice."""

    password: str
    again: str
    next: str = "/"


class DemoForm(msgspec.Struct):
    """Whom to be in the demo."""

    person_id: UUID


@get("/signin", needs=PUBLIC, sync_to_thread=True)
def sign_in_page(
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    next: FromQuery[str] = "/",  # noqa: A002
) -> Response[Any]:
    """The sign-in page; in a demo with its people beside it."""
    visit = entry.signed_in(request)
    if visit is not None:
        return redirect(visit.home)
    people = demo.groups(runtime.database) if runtime.settings.demo else []
    return page("tenants/signin.html", visit=None, next=entry.own_path(next), groups=people)


@post("/signin", needs=PUBLIC, sync_to_thread=True)
def sign_in(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: URLEncodedBody[SignInForm]
) -> Response[Any]:
    """Sign in; one sentence for everything that may be wrong."""
    now, address = runtime.clock.now(), address_of(request)
    with runtime.database.platform(entry.SCOPE) as session:
        opened = signin.sign_in(
            session, data.email, data.password, now=now, address=address, browser=entry.browser_of(request)
        )
        path = entry.way_on(session, opened.person, opened.waiting_for, data.next) if opened else "/"
    if opened is None:
        raise UserMistake(
            _(
                "The account or the password is not right. "
                "After five wrong attempts an account stays locked for 30 minutes."
            )
        )
    if opened.refused:
        raise UserMistake(opened.refused)
    return entry.entered(runtime, opened.token, entry.language_of(opened.person), path)


@get("/signin/code", needs=PUBLIC, sync_to_thread=True)
def code_page(
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    next: FromQuery[str] = "/",  # noqa: A002
) -> Response[Any]:
    """Ask for a code of the second factor."""
    with runtime.database.platform(entry.SCOPE) as session:
        found = entry.waiting(session, request, runtime.clock.now())
        path = entry.way_on(session, found.person, found.step, next)
    if found.step != "second_factor":
        return redirect(path)
    return page("tenants/second_code.html", visit=None, person=found.person, next=entry.own_path(next))


@post("/signin/code", needs=PUBLIC, sync_to_thread=True)
def give_code(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: URLEncodedBody[CodeForm]
) -> Response[Any]:
    """Take a code of the second factor; the sign-in goes on with a new token."""
    now, address = runtime.clock.now(), address_of(request)
    at = entry.phone_time(runtime.clock)
    token, path = None, "/"
    with runtime.database.platform(entry.SCOPE) as session:
        found = entry.waiting(session, request, now)
        if found.step != "second_factor":
            return redirect(entry.way_on(session, found.person, found.step, data.next))
        refused = second_factor.check(session, found.person, data.code, now=now, address=address, at=at)
        if refused is None:
            token, path = _go_on(session, found, now=now, address=address, wanted=data.next)
    if refused is not None:
        raise UserMistake(_(REFUSED_CODES[refused]))
    if token is None:
        raise NotSignedIn
    return entry.entered(runtime, token, entry.language_of(found.person), path)


@get("/signin/enrol", needs=PUBLIC, sync_to_thread=True)
def enrol_page(
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    next: FromQuery[str] = "/",  # noqa: A002
) -> Response[Any]:
    """Set up the second factor that this person's role asks for."""
    with runtime.database.platform(entry.SCOPE) as session:
        found = entry.waiting(session, request, runtime.clock.now())
        if found.step != "enrolment":
            return redirect(entry.way_on(session, found.person, found.step, next))
        confined.require_may_enrol(session, found.row, found.person)
        offer = second_factor.offer(session, found.row.id)
    return page(
        "tenants/second_enrol.html",
        visit=None,
        offer=offer,
        picture=second_factor.picture(second_factor.address_for_app(found.person, offer.secret)),
        next=entry.own_path(next),
    )


@post("/signin/enrol", needs=PUBLIC, sync_to_thread=True)
def enrol(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: URLEncodedBody[EnrolForm]
) -> Response[Any]:
    """Take the first code; shows the recovery codes, this once."""
    now, address = runtime.clock.now(), address_of(request)
    at = entry.phone_time(runtime.clock)
    token, path = None, "/"
    with runtime.database.platform(entry.SCOPE) as session:
        found = entry.waiting(session, request, now)
        if found.step != "enrolment":
            return redirect(entry.way_on(session, found.person, found.step, data.next))
        confined.require_may_enrol(session, found.row, found.person)
        made = second_factor.confirm(
            session, found.person, data.sealed, data.code,
            signin_id=found.row.id, now=now, address=address, at=at,
        )  # fmt: skip
        if not isinstance(made, str):
            token, path = _go_on(session, found, now=now, address=address, wanted=data.next)
    if isinstance(made, str):
        raise UserMistake(_(REFUSED_CODES[made]))
    if token is None:
        raise NotSignedIn
    response = page("tenants/second_recovery.html", visit=None, codes=made, path=path)
    response.set_cookie(entry.session_cookie(runtime, token))
    return response


@get("/signin/password", needs=PUBLIC, sync_to_thread=True)
def new_password_page(
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    next: FromQuery[str] = "/",  # noqa: A002
) -> Response[Any]:
    """A password that is 90 days old has to be replaced."""
    with runtime.database.platform(entry.SCOPE) as session:
        found = entry.waiting(session, request, runtime.clock.now())
        path = entry.way_on(session, found.person, found.step, next)
    if found.step != "new_password":
        return redirect(path)
    return page("tenants/signin_password.html", visit=None, person=found.person, next=entry.own_path(next))


@post("/signin/password", needs=PUBLIC, sync_to_thread=True)
def set_new_password(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: URLEncodedBody[PasswordForm]
) -> Response[Any]:
    """Replace an old password; the sign-in goes on with a new token."""
    _same(data)
    now, address = runtime.clock.now(), address_of(request)
    with runtime.database.platform(entry.SCOPE) as session:
        found = entry.waiting(session, request, now)
        if found.step != "new_password":
            return redirect(entry.way_on(session, found.person, found.step, data.next))
        passwords.set_password(
            session, found.person, data.password, now=now, address=address, keep_session=found.row.id
        )
        token = signin.advance(session, found.row, found.person, None, now=now, address=address)
        path = entry.way_on(session, found.person, None, data.next)
    if token is None:
        raise NotSignedIn
    return entry.entered(runtime, token, entry.language_of(found.person), path)


@post("/signout", needs=PUBLIC, sync_to_thread=True)
def sign_out(request: Request[Any, Any, Any], runtime: NamedDependency[Runtime]) -> Redirect:
    """End this session."""
    token = request.cookies.get(signin.COOKIE)
    if token:
        with runtime.database.platform(entry.SCOPE) as session:
            signin.sign_out(session, token, now=runtime.clock.now(), address=address_of(request))
    response = redirect("/signin", notice=_("You are signed out."))
    response.delete_cookie(signin.COOKIE)
    return response


@get("/invitation/{token:str}", needs=PUBLIC, sync_to_thread=True)
def invitation_page(
    token: FromPath[str], request: Request[Any, Any, Any], runtime: NamedDependency[Runtime]
) -> Response[str]:
    """Set the first password."""
    now = runtime.clock.now()
    with runtime.database.platform(entry.SCOPE) as session:
        person = invitations.invited_person(session, token, now=now)
        if person is None:
            invitations.note_refused(session, token, now=now, address=address_of(request))
    shown = "" if person is None else signin.shown_name(person)
    return page("tenants/invitation.html", visit=None, person=person, shown=shown, token=token)


@post("/invitation/{token:str}", needs=PUBLIC, sync_to_thread=True)
def accept_invitation(
    token: FromPath[str],
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    data: URLEncodedBody[PasswordForm],
) -> Response[Any]:
    """Set the first password and sign in."""
    _same(data)
    now, address = runtime.clock.now(), address_of(request)
    opened, path = "", "/"
    with runtime.database.platform(entry.SCOPE) as session:
        person = invitations.accept(session, token, data.password, now=now, address=address)
        if person is None:
            invitations.note_refused(session, token, now=now, address=address)
        else:
            step = signin.step_after(session, person, now=now)
            opened = signin.open_session(
                session, person, now=now, address=address,
                browser=entry.browser_of(request), waiting_for=step,
            )  # fmt: skip
            path = entry.way_on(session, person, step, "/")
    if person is None:
        raise UserMistake(_(USED_LINK))
    return entry.entered(runtime, opened, entry.language_of(person), path)


@post("/demo/enter", needs=PUBLIC, sync_to_thread=True)
def enter_demo(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: URLEncodedBody[DemoForm]
) -> Response[Any]:
    """Be one of the demo's people. Outside a demo this page does not exist."""
    if not runtime.settings.demo:
        raise NotFound
    with runtime.database.platform(entry.SCOPE) as session:
        person = session.get(Person, data.person_id)
        if person is None or person.disabled_at is not None:
            raise NotFound
        token = signin.open_session(
            session, person, now=runtime.clock.now(), address=address_of(request),
            browser=entry.browser_of(request), strength="demo",
        )  # fmt: skip
        service.change_language(session, person.id, languages.current())
    return entry.entered(runtime, token, languages.current(), "/")


def _go_on(
    session: PlatformSession, found: entry.Waiting, *, now: datetime, address: str, wanted: str
) -> tuple[str | None, str]:
    """The second factor was given: the new token, and where to go."""
    by_password = found.row.strength == "password"
    step = signin.step_after(session, found.person, now=now, password=by_password, factor_done=True)
    token = signin.advance(
        session, found.row, found.person, step, now=now, address=address,
        strength="second_factor" if by_password else None,
    )  # fmt: skip
    return token, entry.way_on(session, found.person, step, wanted)


def _same(data: PasswordForm) -> None:
    if data.password != data.again:
        raise UserMistake(_("The two passwords differ."))


handlers = [
    sign_in_page,
    sign_in,
    code_page,
    give_code,
    enrol_page,
    enrol,
    new_password_page,
    set_new_password,
    sign_out,
    invitation_page,
    accept_invitation,
    enter_demo,
]
