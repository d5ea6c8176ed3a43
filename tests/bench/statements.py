"""What the product says to the database, written down so that it can be said again without the product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from sqlalchemy import Connection, Engine, event

from foundation.database import Database


@dataclass(frozen=True, slots=True)
class Said:
    """One statement as the driver got it."""

    sql: LiteralString  # a statement of ours, as the driver's types want it
    values: Any

    def again(self, connection: psycopg.Connection[Any], **changed: Any) -> psycopg.Cursor[Any]:
        """Say it once more, with other values where named."""
        values: Mapping[str, Any] = {**self.values, **changed} if self.values else {}
        return connection.execute(self.sql, values or None)


@contextmanager
def listening(db: Database) -> Iterator[list[Said]]:
    """Write down every statement of this database's engine, in the order they are sent."""
    said: list[Said] = []

    def note(
        _connection: Connection,
        _cursor: Any,
        statement: LiteralString,
        values: Any,
        _context: Any,
        _many: bool,
    ) -> None:
        said.append(Said(statement, values))

    engine = db.bind
    if not isinstance(engine, Engine):
        msg = "only a database with real connections is measured"
        raise TypeError(msg)
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", note)
