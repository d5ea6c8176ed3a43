"""What goes wrong, as the person sees it: one sentence and a way on, in their language, no stack trace.

Handlers raise `UserMistake`, `NotFound`, `Forbidden` or `NotSignedIn`; everything else becomes one of the
designed pages here, an answer in JSON under `/api/`, or a piece shown in place when a script asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import structlog
from litestar import Request, Response
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import ClientException, HTTPException, NotFoundException, PermissionDeniedException
from litestar.response import Redirect
from litestar.status_codes import (
    HTTP_303_SEE_OTHER,
    HTTP_400_BAD_REQUEST,
    HTTP_401_UNAUTHORIZED,
    HTTP_404_NOT_FOUND,
    HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    HTTP_422_UNPROCESSABLE_ENTITY,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_503_SERVICE_UNAVAILABLE,
)
from litestar.types import ExceptionHandlersMap
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from foundation import languages
from foundation.ids import new_id
from foundation.masking import mask_numbers
from foundation.web import context
from foundation.web.pages import Viewer, fragment, page

LANGUAGE_COOKIE = "careloop_language"
SIGN_IN = "/signin"
API = "/api/"
FORBIDDEN = "errors/forbidden.html"
# PostgreSQL's words for two who did the same, or waited for each other: 23505, 40001, 40P01.
AT_ONCE = frozenset({"23505", "40001", "40P01"})
# What Litestar says of a body that broke off; it calls it a fault of ours.
SENDER_LEFT = "client disconnected prematurely"
log = structlog.get_logger()


class UserMistake(Exception):
    """Something the person can put right: one clear sentence, shown in place (422)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(NotFoundException):
    """There is no such thing, or it is not this person's to know of (404 for both)."""


class Forbidden(PermissionDeniedException):
    """The person's role does not include this (403). `reason` goes on record; `template`, with its values,
    is shown instead of the usual page.
    """

    def __init__(self, *, reason: str = "role", template: str = FORBIDDEN, **values: Any) -> None:
        super().__init__()
        self.reason = reason
        self.template = template
        self.values = values


class NotSignedIn(Exception):
    """Nobody is signed in, or the sign-in has ended."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request of somebody signed in that was answered with 403 or 404 (越界访问). `route` is the pattern:
    the address itself may hold what somebody typed. `code` is the hospital's code as the address names it.
    """

    viewer: Viewer
    method: str
    route: str
    code: str | None
    status: int
    reason: str


_tell: list[Callable[[Refusal], None]] = []


def on_refusal(tell: Callable[[Refusal], None]) -> None:
    """Call this with each refusal, in a thread, after the answer has left: what is done then can make no
    answer slower, and so tells nobody whether a code exists.
    """
    _tell[:] = [tell]


TEMPLATES = {403: FORBIDDEN, 404: "errors/not_found.html"}


def handlers() -> ExceptionHandlersMap:
    """The map for the application."""
    return {
        UserMistake: _mistake,
        NotSignedIn: _sign_in,
        HTTPException: _http,
        DataError: _unfit,
        UnicodeDecodeError: _no_text,
        IntegrityError: _at_once,
        OperationalError: _database,
        InterfaceError: _database,
        PoolTimeout: _database,
        psycopg.OperationalError: _database,
        Exception: _broken,
    }


def viewer_of(request: Request[Any, Any, Any]) -> Viewer | None:
    """Who is signed in, as the web application left it on the request; None when nobody is known."""
    found: Viewer | None = request.scope.get("state", {}).get("viewer")
    return found


def _prepare(request: Request[Any, Any, Any]) -> None:
    """A request that failed before it reached a handler has no language yet: the cookie knows."""
    if "viewer" not in request.scope.get("state", {}):
        languages.use(languages.choose(request.cookies.get(LANGUAGE_COOKIE)))
    context.enter(request.scope)


def _mistake(request: Request[Any, Any, Any], error: UserMistake) -> Response[Any]:
    _prepare(request)
    message = languages.gettext(error.message)
    if request.url.path.startswith(API):
        return _json(HTTP_422_UNPROCESSABLE_ENTITY, message)
    if context.is_piecewise(request):
        return fragment(
            "partials/mistake.html",
            status_code=HTTP_422_UNPROCESSABLE_ENTITY,
            headers={"HX-Retarget": "#mistake", "HX-Reswap": "innerHTML"},
            message=message,
        )
    return _error_page(request, "errors/mistake.html", HTTP_422_UNPROCESSABLE_ENTITY, message=message)


def _sign_in(request: Request[Any, Any, Any], _error: NotSignedIn) -> Response[Any]:
    _prepare(request)
    if request.url.path.startswith(API):
        return _json(HTTP_401_UNAUTHORIZED, languages.gettext("Please sign in."))
    return Redirect(f"{SIGN_IN}?next={quote(_way_back(request))}", status_code=HTTP_303_SEE_OTHER)


def _way_back(request: Request[Any, Any, Any]) -> str:
    """The page to come back to: the one asked for, or the one that the form or the piece stands on."""
    if request.method == "GET" and not context.is_piecewise(request):
        return request.url.path
    page = urlsplit(request.headers.get("hx-current-url") or request.headers.get("referer", ""))
    return page.path if page.netloc and page.netloc == request.headers.get("host") else "/"


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    _prepare(request)
    status = error.status_code
    if error.detail == SENDER_LEFT:
        log.info("sender left before the end", path=request.url.path)
        return Response(b"", status_code=HTTP_400_BAD_REQUEST)  # nobody reads it
    if status >= HTTP_500_INTERNAL_SERVER_ERROR:
        return _broken(request, error)
    if status == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        return _too_large(request)
    if request.url.path.startswith(API):
        return _recorded(request, error, _json(status, error.detail))
    template, values = TEMPLATES.get(status, "errors/bad_request.html"), {}
    if isinstance(error, Forbidden):
        template, values = error.template, error.values
    return _recorded(request, error, _error_page(request, template, status, **values))


def _too_large(request: Request[Any, Any, Any]) -> Response[Any]:
    """Refused by its announced size, or where the limit was passed: the rest of it is never read."""
    limit = (request.route_handler.resolve_request_max_body_size() or 0) // 1_000_000
    message = languages.gettext(
        "What was sent is larger than {limit} MB; please send it in parts.", limit=limit
    )
    status = HTTP_413_REQUEST_ENTITY_TOO_LARGE
    if request.url.path.startswith(API):
        return _json(status, message)
    if context.is_piecewise(request):
        return fragment("partials/mistake.html", status_code=status, message=message)
    return _error_page(request, "errors/mistake.html", status, message=message)


def _recorded(request: Request[Any, Any, Any], error: HTTPException, answer: Response[Any]) -> Response[Any]:
    viewer = viewer_of(request)
    if viewer is None or error.status_code not in TEMPLATES:
        return answer
    code = request.path_params.get("code")
    if error.status_code == HTTP_404_NOT_FOUND:
        reason = "unknown"
    else:
        reason = error.reason if isinstance(error, Forbidden) else "form"
    refusal = Refusal(
        viewer=viewer,
        method=request.method,
        route=request.scope.get("path_template", ""),
        code=code if isinstance(code, str) else None,
        status=error.status_code,
        reason=reason,
    )
    for tell in _tell:
        answer.background = BackgroundTask(tell, refusal)
    return answer


def _database(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A lost connection is said in so many words; any other operational error is ours."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        if state in AT_ONCE:
            return _at_once(request, error)
        if state is not None and not state.startswith(("08", "57P", "53")):
            return _broken(request, error)
    _prepare(request)
    log.error("database unreachable", path=request.url.path, error=type(error).__name__)
    headers = {"Retry-After": "10"}
    if request.url.path.startswith(API):
        return _json(
            HTTP_503_SERVICE_UNAVAILABLE, languages.gettext("The database cannot be reached."), headers
        )
    return _error_page(request, "errors/unavailable.html", HTTP_503_SERVICE_UNAVAILABLE, headers=headers)


def _unfit(request: Request[Any, Any, Any], error: DataError) -> Response[Any]:
    """A value that no column can hold (a NUL character, a number beyond all bounds) was typed by somebody."""
    log.warning("value refused by the database", path=request.url.path, error=type(error.orig).__name__)
    return _mistake(
        request,
        UserMistake("A number or a date is too large, or a text holds a character that cannot be kept."),
    )


def _no_text(request: Request[Any, Any, Any], error: UnicodeDecodeError) -> Response[Any]:
    """Bytes sent as a text that is none: the sender's fault while the form is read, ours anywhere else."""
    frames = [frame.filename for frame in extract_tb(error.__traceback__)]
    if any("multipart" in name for name in frames):
        return _http(request, ClientException("A text of the form is not UTF-8."))
    return _broken(request, error)


def _at_once(request: Request[Any, Any, Any], error: DBAPIError) -> Response[Any]:
    """Two people made the same thing at the same moment: one did, the other is told; nothing is half done."""
    state = getattr(error.orig, "sqlstate", None)
    if state not in AT_ONCE:
        return _broken(request, error)
    log.warning("two at once", path=request.url.path, state=state)
    return _mistake(
        request, UserMistake("Somebody did this at the same moment. Load the page again and look.")
    )


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    _prepare(request)
    reference = str(new_id())[-12:]
    log.error("request failed", path=request.url.path, reference=reference, exc_info=error)
    if request.url.path.startswith(API):
        return _json(HTTP_500_INTERNAL_SERVER_ERROR, reference)
    return _error_page(request, "errors/broken.html", HTTP_500_INTERNAL_SERVER_ERROR, reference=reference)


def _error_page(
    request: Request[Any, Any, Any],
    template: str,
    status: int,
    *,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response[str]:
    if context.is_piecewise(request):
        told = {"HX-Retarget": "#mistake", "HX-Reswap": "innerHTML", **(headers or {})}
        return fragment("partials/trouble.html", status_code=status, headers=told, status=status)
    return page(
        template, visit=viewer_of(request), status_code=status, headers=headers, status=status, **values
    )


def _json(status: int, detail: str, headers: dict[str, str] | None = None) -> Response[dict[str, Any]]:
    return Response(
        {"status_code": status, "detail": mask_numbers(detail)},
        status_code=HTTP_404_NOT_FOUND if status == HTTP_404_NOT_FOUND else status,
        headers=headers,
    )
