"""One PostgreSQL server a run, one database a worker, one transaction a test that is rolled back at its end.

The tests connect as the runtime role, as the product does. Sockets to anywhere but this machine are refused.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool
from world import World, build_world

from careloop.migrate import Target, upgrade
from careloop.models import METADATA
from foundation.database import Database
from foundation.embedded import EmbeddedServer, private_folder
from foundation.encryption import MasterKey

# A slow machine is no fault of a rule: what takes long is measured in tests/bench.
settings.register_profile("careloop", deadline=None)
settings.load_profile("careloop")

MASTER_KEY = MasterKey(b"0123456789abcdef0123456789abcdef")
TEMPLATE = "template_careloop"
TABLES = METADATA.tables  # all of them are known, whichever test runs alone
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}


@dataclass(frozen=True)
class Urls:
    """How to reach one database."""

    owner: str
    runtime: str


@dataclass(frozen=True)
class TestServer:
    """The run's server, as a worker sees it: it makes databases from the migrated template."""

    __test__ = False
    server: EmbeddedServer

    def new_database(self, name: str) -> Urls:
        """A fresh migrated database."""
        self.server.create_database(name, template=TEMPLATE)
        return Urls(self.server.url("owner", name), self.server.url("runtime", name))


def pytest_configure(config: pytest.Config) -> None:
    """Start the server once: in the controlling process, before the workers."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    folder_context = private_folder()
    folder = folder_context.__enter__()
    server = EmbeddedServer(folder / "data", settings=FAST)
    server.start(purpose="tests")
    server.create_database(TEMPLATE)
    upgrade(Target(server.url("owner", TEMPLATE), "careloop_runtime"))
    config.stash[SERVER] = (folder_context, server)


SERVER = pytest.StashKey[tuple[Any, EmbeddedServer]]()


def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the server keeps its socket and secrets."""
    node.workerinput["data_dir"] = str(node.config.stash[SERVER][1].data_dir)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server and remove its folder."""
    if SERVER in config.stash:
        folder_context, server = config.stash[SERVER]
        server.stop()
        folder_context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> TestServer:
    """The run's server."""
    worker = getattr(request.config, "workerinput", None)
    if worker is None:
        return TestServer(request.config.stash[SERVER][1])
    from pathlib import Path

    return TestServer(EmbeddedServer(Path(worker["data_dir"])))


@pytest.fixture(scope="session")
def database_urls(server: TestServer) -> Urls:
    """This worker's own database."""
    return server.new_database(f"worker_{uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def engine(database_urls: Urls) -> Iterator[Engine]:
    """An engine as the runtime role."""
    engine = create_engine(sqlalchemy_url(database_urls.runtime), connect_args={"options": "-c timezone=UTC"})
    yield engine
    engine.dispose()


@pytest.fixture
def db(engine: Engine) -> Iterator[Database]:
    """A database whose every change is undone after the test."""
    with engine.connect() as connection:
        transaction = connection.begin()
        yield Database(connection, master_key=MASTER_KEY)
        transaction.rollback()


@pytest.fixture
def fresh_urls(server: TestServer) -> Urls:
    """A migrated database of this test alone, for tests that commit."""
    return server.new_database(f"fresh_{uuid4().hex[:12]}")


@pytest.fixture
def engine_db(fresh_urls: Urls) -> Iterator[Database]:
    """A database of this test alone with real commits and real connections, for concurrency."""
    engine = create_engine(
        sqlalchemy_url(fresh_urls.runtime),
        pool_size=60,
        max_overflow=20,
        connect_args={"options": "-c timezone=UTC"},
    )
    yield Database(engine, master_key=MASTER_KEY)
    engine.dispose()


@pytest.fixture
def owner_engine(fresh_urls: Urls) -> Iterator[Engine]:
    """The owner's connection to the database of `engine_db`: for reading the catalogue and breaking walls."""
    engine = create_engine(sqlalchemy_url(fresh_urls.owner), poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def world(db: Database) -> World:
    """One firm with two hospitals and its people, in the transaction of `db`."""
    return build_world(db)


@pytest.fixture
def engine_world(engine_db: Database) -> World:
    """The same, committed, in the database of `engine_db`."""
    return build_world(engine_db)


def sqlalchemy_url(url: str) -> str:
    """The libpq address as SQLAlchemy wants it."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(autouse=True)
def _only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to another machine fails the test that tries it."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not (
            str(address[0]).startswith("127.") or address[0] in {"localhost", "::1"}
        ):
            msg = f"tests reach this machine only, not {address[0]}"
            raise ConnectionRefusedError(msg)
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


def require(tool: str) -> None:
    """Skip saying what is missing, unless CI said that nothing may be missing."""
    required = os.environ.get("CARELOOP_TEST_REQUIRE", "").split(",")
    if tool in required:
        pytest.fail(f"{tool} is required in this run and was not found")
    pytest.skip(f"needs {tool}, which is not on this machine")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser, or a skip that says that it is missing."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        require("chromium")
    return str(path)
