"""Bringing a database up to date, as the owner: the revisions, the broker's tables, and the runtime role's
grants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from dramatiq_postgres import schema as broker_schema
from psycopg import sql
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

import migrations


class SchemaDrift(Exception):
    """The models and the revisions differ; the message says where."""


@dataclass(frozen=True, slots=True)
class Target:
    """A database to migrate: the owner's URL, the name of the runtime role, and how to get the master key
    (32 bytes), for a revision that encrypts what stood in the clear.
    """

    owner_url: str
    runtime_role: str
    master_key: Callable[[], bytes] | None = None

    @classmethod
    def of(cls, owner_url: str, runtime_url: str, master_key: Callable[[], bytes] | None = None) -> Target:
        """From the two URLs of the settings."""
        return cls(owner_url, urlsplit(runtime_url).username or "careloop_runtime", master_key)


def upgrade(target: Target) -> None:
    """Run all missing revisions, make the broker's tables, grant the runtime role what it needs.
    Idempotent.
    """
    _grant_schema(target)
    with _owner_connection(target) as connection:
        command.upgrade(_config(connection, target), "head")
    _grant_revision(target)
    _prepare_broker(target)


def check(target: Target) -> None:
    """Raise `SchemaDrift` when a model has something that no revision makes."""
    with _owner_connection(target) as connection:
        try:
            command.check(_config(connection, target))
        except CommandError as error:
            raise SchemaDrift(str(error)) from error


def _owner_connection(target: Target) -> Connection:
    url = target.owner_url.replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(url, poolclass=NullPool).connect()


def _config(connection: Connection, target: Target) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    config.attributes["runtime_role"] = target.runtime_role
    config.attributes["master_key"] = target.master_key
    return config


def _grant_schema(target: Target) -> None:
    with psycopg.connect(target.owner_url) as connection:
        role = sql.Identifier(target.runtime_role)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))


def _grant_revision(target: Target) -> None:
    """The product may read at which revision the schema is (`careloop doctor`)."""
    with psycopg.connect(target.owner_url) as connection:
        role = sql.Identifier(target.runtime_role)
        connection.execute(sql.SQL("GRANT SELECT ON alembic_version TO {}").format(role))


def _prepare_broker(target: Target) -> None:
    """The PostgreSQL broker's own schema: messages of ids, no patient data, so no tenant walls."""
    with psycopg.connect(target.owner_url) as connection:
        broker_schema.init(connection.cursor())
        role = sql.Identifier(target.runtime_role)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA dramatiq TO {}").format(role))
        connection.execute(
            sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dramatiq TO {}").format(
                role
            )
        )
        connection.execute(sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA dramatiq TO {}").format(role))
