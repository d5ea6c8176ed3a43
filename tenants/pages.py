"""The first page, the language switch, and every handler of this package in one list."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from foundation import languages
from foundation.runtime import Runtime
from foundation.web.access import PUBLIC
from foundation.web.pages import redirect
from tenants import admin, service
from tenants.identity import entry, me_pages, people_pages, provider_pages, signin_pages, token_pages
from tenants.life import (
    agreement_pages,
    brand_pages,
    departure_pages,
    hospital_pages,
    move_pages,
    onboarding_pages,
    stage_pages,
)


class LanguageForm(msgspec.Struct):
    """The language switch, and the page to come back to."""

    language: str
    next: str = "/"


@get("/", needs=PUBLIC, sync_to_thread=True)
def home(request: Request[Any, Any, Any]) -> Redirect:
    """To the page where this person's work begins, or to the sign-in page."""
    visit = entry.signed_in(request)
    return redirect(visit.home if visit else "/signin")


@post("/language", needs=PUBLIC, sync_to_thread=True)
def change_language(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: URLEncodedBody[LanguageForm]
) -> Redirect:
    """Read in another language from now on: kept with the person, and in the browser before sign-in."""
    language = languages.choose(data.language)
    visit = entry.signed_in(request)
    if visit is not None:
        with visit.platform() as session:
            service.change_language(session, visit.person.id, language)
    response = redirect(entry.own_place(data.next))
    response.set_cookie(entry.language_cookie(runtime, language))
    return response


handlers = [
    home,
    change_language,
    *signin_pages.handlers,
    *me_pages.handlers,
    *admin.handlers,
    *people_pages.handlers,
    *token_pages.handlers,
    *provider_pages.handlers,
    *departure_pages.handlers,
    *hospital_pages.handlers,
    *stage_pages.handlers,
    *move_pages.handlers,
    *brand_pages.handlers,
    *agreement_pages.handlers,
    *onboarding_pages.handlers,
]
