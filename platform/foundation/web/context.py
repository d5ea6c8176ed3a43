"""What a template may know of the request without being handed it: form token, path, a word to pass on."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import quote, unquote

from litestar.connection import ASGIConnection
from litestar.types import HTTPScope, Scope
from litestar.utils.scope.state import ScopeState

from foundation.settings import Network

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


def address_of(connection: Connection) -> str:
    """The network address that asks, as the first step of the request found it (`source_address`)."""
    found: str | None = connection.scope.get("state", {}).get("address")
    return found if found is not None else _peer(connection)


def source_address(connection: Connection, proxies: Sequence[Network]) -> str:
    """The network address that asks: the peer, or what our own proxies say of it.

    `X-Forwarded-For` is read from its end, where our proxies write; the first address that is not one of
    theirs is the source. From any other peer the header is somebody's claim and counts for nothing.
    """
    peer = _peer(connection)
    found = _parsed(peer)
    if found is None or not _within(found, proxies):
        return peer
    claims = ",".join(connection.headers.getall("x-forwarded-for", [])).split(",")
    for claim in reversed(claims):
        named = _parsed(claim)
        if named is None:
            break
        found = named
        if not _within(named, proxies):
            break
    return str(found)


def _peer(connection: Connection) -> str:
    return connection.client.host if connection.client else ""


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    plain = text.strip().strip('"')
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        address = ip_address(plain)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
