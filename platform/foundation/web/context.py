"""What a template may know of the request without being handed it: form token, path, a word to pass on."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from litestar.connection import ASGIConnection
from litestar.types import HTTPScope, Scope
from litestar.utils.scope.state import ScopeState

CSRF_COOKIE = "careloop_csrf"
NOTICE_COOKIE = "careloop_notice"
NOTICE_LENGTH = 300

Connection = ASGIConnection[Any, Any, Any, Any]

_scope: ContextVar[Scope | HTTPScope | None] = ContextVar("careloop_request", default=None)


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The request as a template sees it."""

    path: str
    csrf_token: str
    notice: str
    piecewise: bool


OUTSIDE = RequestFacts("/", "", "", piecewise=False)


def enter(scope: Scope | HTTPScope) -> None:
    """Remember the request for the rest of this context."""
    _scope.set(scope)


def facts() -> RequestFacts:
    """The facts of the present request; empty ones outside a request."""
    scope = _scope.get()
    if scope is None:
        return OUTSIDE
    connection: Connection = ASGIConnection(scope)
    token = ScopeState.from_scope(scope).csrf_token
    if not isinstance(token, str):  # an address without a page: what the browser holds still serves
        token = connection.cookies.get(CSRF_COOKIE, "")
    return RequestFacts(
        path=scope["path"],
        csrf_token=token,
        notice=unquote(connection.cookies.get(NOTICE_COOKIE, ""))[:NOTICE_LENGTH],
        piecewise=is_piecewise(connection),
    )


def is_piecewise(connection: Connection) -> bool:
    """Whether a script on the page asked (htmx, or a form sent by careloop.js) and not the browser itself."""
    return "hx-request" in connection.headers or "x-careloop-form" in connection.headers


def cookie_text(text: str) -> str:
    """A text as a cookie can carry it."""
    return quote(text[:NOTICE_LENGTH])
