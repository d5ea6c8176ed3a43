"""Pages and fragments: the one way from a handler to HTML.

return page("outreach/workbench.html", visit=visit, active="workbench", cards=cards)
return fragment("outreach/_card.html", card=card)
return redirect(f"/h/{code}/cases", notice=_("Saved."))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from litestar import Response
from litestar.datastructures import Cookie
from litestar.enums import MediaType
from litestar.response import Redirect
from litestar.status_codes import HTTP_200_OK, HTTP_303_SEE_OTHER

from foundation import languages
from foundation.web import context, templates
from foundation.web.navigation import RailLink


class HospitalChip(Protocol):
    """What the chip in the top bar shows of a hospital (医院)."""

    @property
    def code(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def colour(self) -> str: ...


class HospitalSwitch(Protocol):
    """The entry on screen, for another hospital."""

    @property
    def chip(self) -> HospitalChip: ...
    @property
    def href(self) -> str: ...


class Brand(Protocol):
    """Under which name, colour and logo the pages appear."""

    @property
    def label(self) -> str: ...
    @property
    def colour(self) -> str: ...
    @property
    def logo(self) -> str: ...


class Viewer(Protocol):
    """Who looks at the page, as far as the layout must know."""

    @property
    def brand(self) -> Brand | None: ...
    @property
    def banner(self) -> str: ...

    @property
    def display_name(self) -> str: ...
    @property
    def role_label(self) -> str: ...
    @property
    def rail(self) -> Sequence[RailLink]: ...
    @property
    def chip(self) -> HospitalChip | None: ...
    @property
    def hospital_count(self) -> int: ...
    @property
    def home(self) -> str: ...
    def switches(self, active: str | None) -> Sequence[HospitalSwitch]: ...


def page(
    name: str,
    *,
    visit: Viewer | None,
    active: str | None = None,
    status_code: int = HTTP_200_OK,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response[str]:
    """A whole page. `active` is the key of the rail's entry; `visit` is None before somebody has signed in.

    `values` are the template's; `hospital=` (a chip) overrides whose patient is said to be on screen.
    """
    facts = context.facts()
    body = templates.render(name, {"visit": visit, "active": active, **values})
    response = Response(body, media_type=MediaType.HTML, status_code=status_code, headers=headers)
    if facts.notice:
        response.delete_cookie(context.NOTICE_COOKIE)
    return response


def fragment(
    name: str, *, status_code: int = HTTP_200_OK, headers: Mapping[str, str] | None = None, **values: Any
) -> Response[str]:
    """A piece of a page, for htmx."""
    body = templates.render(name, values)
    return Response(body, media_type=MediaType.HTML, status_code=status_code, headers=headers)


def redirect(path: str, *, notice: str | None = None) -> Redirect:
    """After a form: go there (303), show `notice` once on the next page. Scripts get `HX-Redirect`."""
    response = Redirect(path, status_code=HTTP_303_SEE_OTHER)
    if notice:
        response.set_cookie(
            Cookie(
                context.NOTICE_COOKIE,
                value=context.cookie_text(notice),
                max_age=60,
                httponly=True,
                samesite="lax",
            )
        )
    return response


def language() -> str:
    """The language tag of the page, as HTML wants it."""
    return "zh-Hans" if languages.current() == "zh_Hans" else "en"
