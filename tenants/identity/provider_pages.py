"""Company sign-in: its settings for a firm or a hospital, and the way through it."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from foundation import audit
from foundation.database import FirmSession, HospitalSession
from foundation.languages import gettext as _
from foundation.runtime import Runtime
from foundation.web.access import PUBLIC
from foundation.web.context import address_of
from foundation.web.errors import UserMistake
from foundation.web.pages import fragment, page, redirect
from tenants.identity import entry, oidc, providers, signin
from tenants.identity.people_pages import site
from tenants.identity.providers import Side
from tenants.life import branding
from tenants.models import IdentityProvider
from tenants.oversight.firm_audit import note
from tenants.rights import Action
from tenants.visit import Visit

RETURN = "/signin/callback"
COOKIE_PATH = "/signin"


class ProviderForm(msgspec.Struct):
    """The settings of a provider, as typed. The secret is only ever written."""

    label: str
    issuer: str
    client_id: str
    secret: str = ""
    required: str = ""
    vouches: str = ""


class SwitchForm(msgspec.Struct):
    """`on` or `off`."""

    act: str


@get("/firm/signin-provider", needs=Action.MANAGE_SIGNIN, sync_to_thread=True)
def firm_provider(request: Request[Any, Any, Any], visit: NamedDependency[Visit]) -> Response[str]:
    """The firm's company sign-in."""
    with visit.firm(Action.MANAGE_SIGNIN) as session:
        found = providers.of_side(session, _side(session))
        code = providers.code_of(session, _side(session))
    return _settings(request, visit, found, "/firm/signin-provider", code)


@post("/firm/signin-provider", needs=Action.MANAGE_SIGNIN, sync_to_thread=True)
def save_firm_provider(
    visit: NamedDependency[Visit], runtime: NamedDependency[Runtime], data: URLEncodedBody[ProviderForm]
) -> Redirect:
    """Set it up or change it."""
    with visit.firm(Action.MANAGE_SIGNIN) as session:
        _save(session, visit, data, local=runtime.settings.local_providers)
    return redirect("/firm/signin-provider", notice=_("Saved."))


@post("/firm/signin-provider/switch", needs=Action.MANAGE_SIGNIN, sync_to_thread=True)
def switch_firm_provider(visit: NamedDependency[Visit], data: URLEncodedBody[SwitchForm]) -> Redirect:
    """Switch it on or off."""
    with visit.firm(Action.MANAGE_SIGNIN) as session:
        _switch(session, visit, on=data.act == "on")
    return redirect("/firm/signin-provider", notice=_("Saved."))


@post("/firm/signin-provider/test", needs=Action.MANAGE_SIGNIN, reads=True, sync_to_thread=True)
def test_firm_provider(visit: NamedDependency[Visit], runtime: NamedDependency[Runtime]) -> Response[str]:
    """Ask the provider whether it answers."""
    with visit.firm(Action.MANAGE_SIGNIN) as session:
        found = providers.of_side(session, _side(session))
    return _tested(found, runtime)


@get("/h/{code:str}/signin-provider", needs=Action.MANAGE_SIGNIN, sync_to_thread=True)
def hospital_provider(
    code: FromPath[str], request: Request[Any, Any, Any], visit: NamedDependency[Visit]
) -> Response[str]:
    """The hospital's company sign-in."""
    with visit.hospital(code, Action.MANAGE_SIGNIN) as session:
        found = providers.of_side(session, _side(session))
    return _settings(request, visit, found, f"/h/{code}/signin-provider", code)


@post("/h/{code:str}/signin-provider", needs=Action.MANAGE_SIGNIN, sync_to_thread=True)
def save_hospital_provider(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    runtime: NamedDependency[Runtime],
    data: URLEncodedBody[ProviderForm],
) -> Redirect:
    """Set it up or change it."""
    with visit.hospital(code, Action.MANAGE_SIGNIN) as session:
        _save(session, visit, data, local=runtime.settings.local_providers)
    return redirect(f"/h/{code}/signin-provider", notice=_("Saved."))


@post("/h/{code:str}/signin-provider/switch", needs=Action.MANAGE_SIGNIN, sync_to_thread=True)
def switch_hospital_provider(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[SwitchForm]
) -> Redirect:
    """Switch it on or off."""
    with visit.hospital(code, Action.MANAGE_SIGNIN) as session:
        _switch(session, visit, on=data.act == "on")
    return redirect(f"/h/{code}/signin-provider", notice=_("Saved."))


@post("/h/{code:str}/signin-provider/test", needs=Action.MANAGE_SIGNIN, reads=True, sync_to_thread=True)
def test_hospital_provider(
    code: FromPath[str], visit: NamedDependency[Visit], runtime: NamedDependency[Runtime]
) -> Response[str]:
    """Ask the provider whether it answers."""
    with visit.hospital(code, Action.MANAGE_SIGNIN) as session:
        found = providers.of_side(session, _side(session))
    return _tested(found, runtime)


# ------------------------------------------------------------------------------------------ the way through


@get("/signin/company", needs=PUBLIC, sync_to_thread=True)
def company(code: FromQuery[str] = "") -> Redirect:
    """From the small form of the sign-in page to the side's own address."""
    plain = code.strip().lower()
    return redirect(f"/signin/{quote(plain, safe='')}" if plain else "/signin")


@get("/signin/{side:str}", needs=PUBLIC, sync_to_thread=True)
def side_page(
    side: FromPath[str],
    runtime: NamedDependency[Runtime],
    next: FromQuery[str] = "/",  # noqa: A002
) -> Response[str]:
    """The side's own sign-in page: its provider's button, under the face it gave itself (SC-59).

    An unknown side looks like one without any.
    """
    with runtime.database.platform(entry.SCOPE) as session:
        found = providers.by_code(session, side)
        face = branding.faces(session, [side]).get(side)
    return page(
        "tenants/provider_signin.html",
        visit=None,
        provider=found,
        side=side,
        brand=face,
        next=entry.own_path(next),
    )


@get("/signin/{side:str}/provider", needs=PUBLIC, sync_to_thread=True)
def leave_for_provider(
    side: FromPath[str],
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    next: FromQuery[str] = "/",  # noqa: A002
) -> Redirect:
    """To the provider, with a state that works once, in this browser."""
    with runtime.database.platform(entry.SCOPE) as session:
        found = providers.by_code(session, side)
    if found is None:
        raise UserMistake(_("There is no company sign-in under this code."))
    try:
        endpoints = oidc.discover(found.issuer, local=runtime.settings.local_providers)
    except oidc.ProviderTrouble as trouble:
        raise UserMistake(str(trouble)) from trouble
    browser = request.cookies.get(providers.BROWSER_COOKIE) or secrets.token_urlsafe(signin.TOKEN_BYTES)
    proof = oidc.new_proof()
    with runtime.database.platform(entry.SCOPE) as session:
        state = providers.begin(
            session, found, proof, browser=browser, next_path=entry.own_path(next), now=runtime.clock.now()
        )
    client = oidc.Client(found.client_id, "", site(request) + RETURN)
    answer = redirect(oidc.authorization_address(endpoints, client, proof, state))
    answer.set_cookie(
        Cookie(
            providers.BROWSER_COOKIE,
            value=browser,
            path=COOKIE_PATH,
            httponly=True,
            samesite="lax",
            secure=runtime.settings.cookie_secure,
            max_age=int(providers.GOOD_FOR.total_seconds()),
        )
    )
    return answer


@get(RETURN, needs=PUBLIC, sync_to_thread=True)
def come_back(request: Request[Any, Any, Any], runtime: NamedDependency[Runtime]) -> Redirect:
    """Back from the provider: check, exchange, verify, and open a session confined to its side."""
    told = request.query_params
    state, code, error = (told.get(name) or "" for name in ("state", "code", "error"))
    now, address = runtime.clock.now(), address_of(request)
    browser = request.cookies.get(providers.BROWSER_COOKIE, "")
    with runtime.database.platform(entry.SCOPE) as session:
        attempt = providers.claim(session, state, browser, now=now, address=address)
    if isinstance(attempt, str):
        raise UserMistake(providers.refusal(attempt))
    try:
        who = _identity(attempt, request, runtime, code, error)
    except oidc.ProviderTrouble as trouble:
        with runtime.database.platform(entry.SCOPE) as session:
            signin.record(session, "provider_answer", now=now, email="", person_id=None, address=address)
        raise UserMistake(str(trouble)) from trouble
    with runtime.database.platform(entry.SCOPE) as session:
        entered = providers.enter(
            session, attempt, who, now=now, address=address, browser=entry.browser_of(request)
        )
        path = (
            "/" if isinstance(entered, str)
            else entry.way_on(session, entered.person, entered.step, attempt.next_path)
        )  # fmt: skip
    if isinstance(entered, str):
        raise UserMistake(providers.refusal(entered))
    return entry.entered(runtime, entered.token, entry.language_of(entered.person), path)


def _identity(
    attempt: providers.Attempt, request: Request[Any, Any, Any], runtime: Runtime, code: str, error: str
) -> oidc.Identity:
    if error or not code:
        raise oidc.ProviderTrouble(_("The company sign-in was broken off there."))
    endpoints = oidc.discover(attempt.issuer, local=runtime.settings.local_providers)
    client = oidc.Client(attempt.client_id, attempt.secret, site(request) + RETURN)
    return oidc.identity(endpoints, client, code, attempt.proof, at=entry.phone_time(runtime.clock))


def _side(session: FirmSession | HospitalSession) -> Side:
    if isinstance(session, HospitalSession):
        return Side(None, session.tenant_id)
    return Side(session.firm_id, None)


def _settings(
    request: Request[Any, Any, Any], visit: Visit, found: IdentityProvider | None, base: str, code: str
) -> Response[str]:
    return page(
        "tenants/provider.html",
        visit=visit,
        active="settings",
        provider=found,
        base=base,
        return_address=site(request) + RETURN,
        own_address=f"{site(request)}/signin/{code}",
    )


def _save(session: FirmSession | HospitalSession, visit: Visit, data: ProviderForm, *, local: bool) -> None:
    wanted = providers.Settings(
        label=data.label,
        issuer=data.issuer,
        client_id=data.client_id,
        secret=data.secret.strip(),
        required=data.required == "yes",
        vouches=data.vouches == "yes",
    )
    saved = providers.save(
        session, _side(session), wanted, person_id=visit.person.id, now=visit.now, local=local
    )
    _note(
        session, "tenants.provider_saved", saved, visit,
        issuer=saved.issuer, required=saved.required, vouches=saved.vouches_second_factor,
    )  # fmt: skip


def _switch(session: FirmSession | HospitalSession, visit: Visit, *, on: bool) -> None:
    found = providers.of_side(session, _side(session))
    if found is None:
        raise UserMistake(_("There is no company sign-in yet."))
    providers.switch(session, found, on=on, now=visit.now)
    _note(session, "tenants.provider_switched", found, visit, on=on)


def _tested(found: IdentityProvider | None, runtime: Runtime) -> Response[str]:
    """What the provider answers, in one sentence; the transaction is over."""
    if found is None:
        raise UserMistake(_("There is no company sign-in yet."))
    try:
        count = oidc.key_count(oidc.discover(found.issuer, local=runtime.settings.local_providers))
    except oidc.ProviderTrouble as trouble:
        return fragment("tenants/_provider_tested.html", trouble=str(trouble), count=0)
    return fragment("tenants/_provider_tested.html", trouble=None, count=count)


def _note(
    session: FirmSession | HospitalSession, action: str, saved: IdentityProvider, visit: Visit, **detail: Any
) -> None:
    subject = f"provider:{saved.id}"
    if isinstance(session, HospitalSession):
        audit.record(session, action, now=visit.now, subject=subject, detail=detail)
    else:
        note(session, action, now=visit.now, subject=subject, **detail)


handlers = [
    firm_provider,
    save_firm_provider,
    switch_firm_provider,
    test_firm_provider,
    hospital_provider,
    save_hospital_provider,
    switch_hospital_provider,
    test_hospital_provider,
    company,
    side_page,
    leave_for_provider,
    come_back,
]
