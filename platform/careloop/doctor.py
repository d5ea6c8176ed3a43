"""What is wrong with an installation, and the fix: one finding per thing that can be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files as package_files
from pathlib import Path

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory
from pydantic import ValidationError
from sqlalchemy.exc import ProgrammingError

import migrations
from careloop.assemble import Server, broker_url, database_server, list_hospitals
from careloop.commands.errors import settings_sentence
from careloop.walls import faults_of_role, faults_of_tables
from careloop.wiring import wire
from foundation.broker import BrokerAway, UnknownBroker, probe
from foundation.calendar import CalendarMissing, is_workday, local_date
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.embedded import EmbeddedServerError
from foundation.encryption import MasterKey, Undecipherable
from foundation.scope import Actor, HospitalScope
from foundation.settings import Settings, master_key_bytes
from patients import suppression_check
from tenants.oversight import audit_chains

CHECKED_RECORDS = 1_000
CALENDAR_AHEAD = timedelta(days=60)
SOON = "soon: "


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    good: bool
    told: str
    fix: str = ""

    def text(self) -> str:
        """The finding and, where something is wrong or will be, its fix."""
        return f"{self.told}. Fix: {self.fix}" if self.fix and (not self.good or self.warns) else self.told

    @property
    def warns(self) -> bool:
        """Whether it is good today and will not be soon."""
        return self.good and self.told.startswith(SOON)


def examine() -> list[Finding]:
    """Look at everything; the settings first, because nothing else can be looked at with wrong ones."""
    try:
        settings = Settings()
    except ValidationError as error:
        return [Finding("settings", False, settings_sentence(error), "correct the variable and try again.")]
    findings = [Finding("settings", True, f"read; data folder {settings.data_dir}")]
    findings.append(_calendar())
    findings.append(_assets())
    try:
        with database_server(settings, purpose="careloop doctor") as server:
            findings += _database(settings, server)
            findings.append(_broker(settings, server))
    except (EmbeddedServerError, psycopg.OperationalError) as error:
        findings.append(
            Finding(
                "database",
                False,
                f"cannot be reached: {str(error).strip().splitlines()[0]}",
                "start the server, or correct CARELOOP_DATABASE_URL.",
            )
        )
    return findings


def _calendar() -> Finding:
    """The calendar of the next year is published in November: its lack is a fault only once it is needed."""
    today = local_date(SystemClock().now())
    fix = "update the package chinesecalendar; without the calendar no ordinary call is made."
    for day, good in ((today, False), (today + CALENDAR_AHEAD, True)):
        try:
            is_workday(day)
        except CalendarMissing as missing:
            told = f"{SOON if good else ''}the holidays of {missing.year} are not known"
            return Finding("holiday calendar", good, told, fix)
    return Finding("holiday calendar", True, f"known to {(today + CALENDAR_AHEAD).isoformat()} and beyond")


def _assets() -> Finding:
    vendor = package_files("foundation") / "static" / "vendor"
    if all((vendor / name).is_file() for name in ("tabler.min.css", "htmx.min.js")):
        return Finding("browser assets", True, "built")
    return Finding("browser assets", False, "missing", "run make assets.")


def _database(settings: Settings, server: Server) -> Iterator[Finding]:
    with psycopg.connect(server.endpoints.runtime_url) as connection:
        version = connection.info.server_version // 10_000
        yield Finding(
            "database", version >= 18, f"PostgreSQL {version} answers", "use PostgreSQL 18 or newer."
        )
        yield _revision(connection)
        roles = faults_of_role(connection)
        yield Finding(
            "runtime role",
            not roles,
            "; ".join(roles) or "owns nothing, cannot pass the walls",
            "give the program a role without SUPERUSER and BYPASSRLS that owns no table.",
        )
        walls = faults_of_tables(connection)
        yield Finding(
            "walls", not walls, "; ".join(walls) or "stand around every table", "run careloop migrate."
        )
        yield _keys(settings, connection)
    yield _chains(settings, server)
    yield _stops(settings, server)


def _revision(connection: psycopg.Connection) -> Finding:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    head = ScriptDirectory.from_config(config).get_current_head()
    exists = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if exists is None or not exists[0]:
        return Finding("schema", False, "the database is empty", "run careloop migrate.")
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    current = row[0] if row else None
    return Finding(
        "schema", current == head, f"at revision {current}, newest {head}", "run careloop migrate."
    )


def _keys(settings: Settings, connection: psycopg.Connection) -> Finding:
    exists = connection.execute("SELECT to_regclass('directory_entry') IS NOT NULL").fetchone()
    if exists is None or not exists[0]:
        return Finding("master key", True, "no hospital yet")
    key = MasterKey(master_key_bytes(settings))
    opened = 0
    tenants = connection.execute("SELECT tenant_id FROM directory_entry WHERE kind = 'hospital'").fetchall()
    for (tenant_id,) in tenants:
        connection.execute("SELECT set_config('careloop.tenant_ids', %s, false)", (f"{{{tenant_id}}}",))
        row = connection.execute(
            "SELECT wrapped_key FROM hospital WHERE tenant_id = %s", (tenant_id,)
        ).fetchone()
        if row is None or row[0] is None:
            continue
        try:
            key.unwrap(bytes(row[0]))
        except Undecipherable:
            return Finding(
                "master key",
                False,
                "does not open the hospitals' keys",
                "restore CARELOOP_MASTER_KEY, or keys.json of the data folder, from the backup.",
            )
        opened += 1
    return Finding("master key", True, f"opens the keys of {opened} hospitals")


def _chains(settings: Settings, server: Server) -> Finding:
    """The newest records of each chain; a walk over all of them is `careloop audit verify`."""
    key = MasterKey(master_key_bytes(settings))
    database = Database.connect(server.endpoints.runtime_url, master_key=key, pool_size=1)
    try:
        found = {
            of.name: audit_chains.verify(database, of, newest=CHECKED_RECORDS)
            for of in audit_chains.all_chains(database)
        }
    except ProgrammingError:
        return Finding("audit chains", False, "cannot be read", "run careloop migrate.")
    finally:
        database.close()
    broken = [name for name, result in found.items() if result.fault is not None]
    return Finding(
        "audit chains",
        not broken,
        f"broken: {', '.join(broken)}" if broken else f"the newest records of {len(found)} chains hold",
        "run careloop audit verify, which names the record, and compare with a backup.",
    )


def _stops(settings: Settings, server: Server) -> Finding:
    """Nothing open, queued or billable belongs to a suppressed patient (S4-15), as it is now."""
    wire()
    key = MasterKey(master_key_bytes(settings))
    database = Database.connect(server.endpoints.runtime_url, master_key=key, pool_size=1)
    found: Counter[str] = Counter()
    try:
        hospitals = list_hospitals(database)
        for hospital in hospitals:
            scope = HospitalScope(hospital.tenant_id, Actor.system("careloop doctor"), "suppression_check")
            with database.hospital(scope) as session:
                found.update(suppression_check.look(session))
    except ProgrammingError:
        return Finding("stopped contacts", False, "cannot be read", "run careloop migrate.")
    finally:
        database.close()
    broken = ", ".join(f"{count} {name}" for name, count in sorted(found.items()) if count)
    return Finding(
        "stopped contacts",
        not broken,
        f"belong to suppressed patients: {broken}"
        if broken
        else f"nothing of suppressed patients is open in {len(hospitals)} hospitals",
        "a fault of the program: report it with these numbers; the page of stopped contacts has them, too.",
    )


def _broker(settings: Settings, server: Server) -> Finding:
    try:
        probe(broker_url(settings, server))
    except UnknownBroker as error:
        return Finding(
            "broker",
            False,
            f"CARELOOP_BROKER_URL begins with {error}",
            "use postgresql://, amqp:// or redis://.",
        )
    except BrokerAway as error:
        return Finding(
            "broker",
            False,
            f"cannot be reached: {error}",
            "start the broker, or correct CARELOOP_BROKER_URL.",
        )
    return Finding("broker", True, f"{broker_url(settings, server).split(':', 1)[0]} is ready")
