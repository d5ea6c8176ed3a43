"""What every answer carries to protect the person's browser, and the tokens that forms carry.

The policy allows nothing inline, nothing evaluated and no other host; a script or style that is not a file
of ours does not run (GB/T 22239-2019 8.1.4.4, 8.1.4.5).
"""

from __future__ import annotations

from litestar.config.csrf import CSRFConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware.csrf import CSRFMiddleware
from litestar.types import Message, Receive, Scope, Send

from foundation.settings import Settings, csrf_secret
from foundation.web.access import PUBLIC
from foundation.web.context import CSRF_COOKIE
from foundation.web.errors import NotSignedIn
from foundation.web.static import PREFIX

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; media-src 'self' blob:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), payment=()",
}
# Set on a request that a program signed with a key of its own: nothing of the browser's counts for it.
BEARER = "bearer"
FOREVER = "public, max-age=31536000, immutable"


async def protect(message: Message, scope: Scope) -> None:
    """Before an answer leaves: security headers, storage by kind, redirects that a script can follow."""
    if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if scope["path"].startswith(f"{PREFIX}/"):
        versioned = scope["query_string"].startswith(b"v=")
        headers["Cache-Control"] = FOREVER if versioned else "no-cache"
    else:
        # Patients' data must not stay in a browser's or a proxy's store.
        headers.setdefault("Cache-Control", "no-store")
    asked_by_script = any(name in (b"hx-request", b"x-careloop-form") for name, _ in scope["headers"])
    if asked_by_script and 300 <= message["status"] < 400 and "location" in headers:
        headers["HX-Redirect"] = headers["location"]
        del headers["location"]
        message["status"] = 200


def csrf_config(settings: Settings) -> CSRFConfig:
    """Form tokens: a hidden field `_csrf_token`, or the header `x-csrftoken` from scripts.

    A webhook that verifies its sender itself is let through with `exclude_from_csrf=True` on its handler.
    """
    return CSRFConfig(
        secret=csrf_secret(settings),
        cookie_name=CSRF_COOKIE,
        cookie_secure=settings.cookie_secure,
        cookie_httponly=True,
        cookie_samesite="lax",
    )


class FormTokens(CSRFMiddleware):
    """Asks every change for the form's token, but for a program that brought its own key: the browser adds
    no such header by itself, and the cookie it adds does not count beside one.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] == ScopeType.HTTP and scope["state"].get(BEARER) is True:
            await self.app(scope, receive, send)
            return
        if scope["type"] == ScopeType.HTTP and _sends_files(scope) and not _known(scope):
            raise NotSignedIn
        await super().__call__(scope, receive, send)


def _sends_files(scope: Scope) -> bool:
    """Whether a body of files follows, which would be read whole in search of the form's token."""
    types = (value for name, value in scope["headers"] if name == b"content-type")
    return any(value.strip().lower().startswith(b"multipart/") for value in types)


def _known(scope: Scope) -> bool:
    """Whether somebody is signed in, or the address asks for nobody."""
    return scope["state"].get("viewer") is not None or scope["route_handler"].opt.get("needs") == PUBLIC
