"""A browser of the tests: the real application over the test's database, with people signed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar
from litestar.testing import TestClient
from world import NOW

from careloop.app import create_app
from foundation.clock import SetClock
from foundation.database import Database
from foundation.encryption import MasterKey
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from foundation.web.context import CSRF_COOKIE
from tenants.identity import signin
from tenants.models import Person

MASTER = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Browser:
    """One person's browser: keeps cookies, sends form tokens."""

    def __init__(self, client: TestClient[Litestar], runtime: Runtime) -> None:
        self.client = client
        self.runtime = runtime

    def get(self, path: str, **options: Any) -> httpx.Response:
        """A page, without following redirects."""
        return self.client.get(path, follow_redirects=False, **options)

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        """A form with its token, without following redirects."""
        form = {"_csrf_token": self.token()} | (data or {})
        return self.client.post(path, data=form, follow_redirects=False, **options)

    def token(self) -> str:
        """The form token of this browser."""
        if CSRF_COOKIE not in self.client.cookies:
            self.client.get("/signin")
        return self.client.cookies[CSRF_COOKIE]

    def enter(self, person_id: UUID, language: str | None = None) -> Browser:
        """Be this person from now on."""
        with self.runtime.database.platform(PlatformScope(Actor.system("test"), "test")) as session:
            person = session.get_one(Person, person_id)
            if language is not None:
                person.language = language
            token = signin.open_session(session, person, now=self.runtime.clock.now(), address="127.0.0.1")
        self.client.cookies.set(signin.COOKIE, token)
        return self


@contextmanager
def browsing(
    db: Database, *, demo: bool = False, clock: SetClock | None = None, local_providers: bool = True
) -> Iterator[Browser]:
    """A browser without anybody signed in, on an application over this database."""
    settings = Settings(master_key=MASTER, demo=demo, allow_local_providers=local_providers)
    master = db.master_key or MasterKey(b"0" * 32)
    runtime = Runtime(settings, db, clock or SetClock(NOW), master)
    with TestClient(create_app(runtime), raise_server_exceptions=False) as client:
        yield Browser(client, runtime)
