"""Every address of the application, how it is asked, and what the matrix says comes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Litestar
from litestar.routes import HTTPRoute

from foundation.ids import new_id
from foundation.web.access import PUBLIC, SIGNED_IN
from tenants.rights import ASSIGNED_ONLY, MATRIX, SIDES, Action, Role

WITHOUT_CHANGE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Route:
    """One address of the application."""

    method: str
    path: str
    handler: Any

    @property
    def needs(self) -> Any:
        """What the handler says it asks for."""
        return self.handler.opt.get("needs")

    def address(self, ids: Mapping[str, str]) -> str:
        """The address with sample ids, and an unknown one where there is no sample."""
        return re.sub(r"\{(\w+)[^}]*\}", lambda part: ids.get(part[1]) or str(new_id()), self.path)

    @property
    def pattern(self) -> re.Pattern[str]:
        """What an address of this route looks like."""
        parts = re.split(r"\{(\w+)[^}]*\}", self.path)
        wild = [f"(?P<{part}>[^/]+)" if n % 2 else re.escape(part) for n, part in enumerate(parts)]
        return re.compile("".join(wild))


def routes(app: Litestar) -> Iterator[Route]:
    """Every address but the static files, each method by itself."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and not route.path.startswith("/static"):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                    yield Route(method, route.path_format, handler)


def reaches(role: Role, code: str) -> bool:
    """Whether somebody of this role may know of that hospital: said without asking the product."""
    if SIDES[role] == "firm":
        return code == "heqing" or (code == "yunling" and role not in ASSIGNED_ONLY)
    return code == "heqing" and role is not Role.OPERATOR


# Handlers that ask themselves open to one right more than they name.
ALSO = {
    "/h/{code}/departure": Action.OFFBOARD_HOSPITAL,
    "/h/{code}/departure/progress": Action.OFFBOARD_HOSPITAL,
}


def expected(route: Route, role: Role, code: str) -> str:
    """`open`, `refused` or `unknown` (there is no such hospital) for this role, as the matrix says.

    Who was let in for support is an operator everywhere else.
    """
    needs = {route.needs, ALSO.get(route.path, route.needs)}
    if needs & {PUBLIC, SIGNED_IN}:
        return "open"
    if "{code" not in route.path:
        known = Role.OPERATOR if role is Role.SUPPORT else role
        return "open" if SIDES[role] != "hospital" and needs & MATRIX[known] else "refused"
    if not reaches(role, code):
        return "unknown"
    lent = role is Role.SUPPORT and route.method not in WITHOUT_CHANGE and not route.handler.opt.get("reads")
    return "open" if needs & MATRIX[role] and not lent else "refused"
