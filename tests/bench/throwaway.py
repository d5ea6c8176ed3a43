"""A server and a database for one run of the benchmarks, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from careloop import wiring
from careloop.migrate import Target, upgrade
from foundation.database import Database
from foundation.embedded import EmbeddedServer, private_folder
from foundation.encryption import MasterKey

MASTER_KEY = MasterKey(b"0123456789abcdef0123456789abcdef")
# Without waiting for the disk, which would be the same for both sides and hide what differs. Housekeeping
# runs when we say so, not in the middle of a measurement.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
}
UTC = "-c timezone=UTC"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the run takes place: the product's database, and how to reach it without the product."""

    db: Database
    owner_url: str
    runtime_url: str
    folder: Path

    @contextmanager
    def bare(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection as the runtime role with nothing of ours in between; rolled back what is not
        committed.
        """
        connection = psycopg.connect(self.runtime_url, options=UTC)
        try:
            yield connection
            connection.rollback()
        finally:
            connection.close()

    @contextmanager
    def owner(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection as the owner, each statement on its own."""
        connection = psycopg.connect(self.owner_url, options=UTC, autocommit=True)
        try:
            yield connection
        finally:
            connection.close()

    def tidy(self, *tables: str) -> None:
        """What the server's housekeeping does by itself after a while: statistics and visibility."""
        with self.owner() as connection:
            for table in tables:
                connection.execute(
                    psycopg.sql.SQL("VACUUM (ANALYZE) {}").format(psycopg.sql.Identifier(table))
                )


@contextmanager
def place() -> Iterator[Place]:
    """A migrated database on a server of its own."""
    wiring.wire()
    with private_folder() as folder, EmbeddedServer(folder / "data", settings=SETTINGS) as server:
        made = server.create_database("bench")
        upgrade(Target.of(made.owner_url, made.runtime_url))
        db = Database.connect(made.runtime_url, master_key=MASTER_KEY)
        try:
            yield Place(db, made.owner_url, made.runtime_url, folder)
        finally:
            db.close()
