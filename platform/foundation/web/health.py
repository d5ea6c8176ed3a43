"""Whether this process runs and can work, for orchestrators and for people at a terminal."""

from __future__ import annotations

from typing import Any

import psycopg
from litestar import Request, Response, get
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.web.access import PUBLIC


@get("/health/live", needs=PUBLIC, sync_to_thread=False, include_in_schema=False)
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@get("/health/ready", needs=PUBLIC, sync_to_thread=True, include_in_schema=False)
def ready(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    """The process can work: its database answers and is brought up to date. Says what is wrong, else 200."""
    runtime: Runtime = request.app.state.runtime
    try:
        with runtime.database.platform(PlatformScope(Actor.system("health"), "health")) as session:
            session.execute(text("SELECT 1 FROM directory_entry LIMIT 1"))
    except (SQLAlchemyError, psycopg.Error) as error:
        cause = getattr(error, "orig", None) or error
        told = {"status": "unavailable", "database": str(cause).strip().splitlines()[0]}
        return Response(told, status_code=HTTP_503_SERVICE_UNAVAILABLE)
    return Response({"status": "ok", "database": "ok"}, status_code=HTTP_200_OK)


handlers = [live, ready]
