"""Audit records from the command line: `careloop audit verify`, `head` and `prune`."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import psycopg
from cyclopts import App, Parameter
from psycopg import sql

from careloop.assemble import OwnerUrlMissing, assembled, clock_of, database_server
from careloop.commands.errors import CommandMistake
from careloop.commands.output import report
from foundation.chain import Fault, Verified
from foundation.database import Database
from foundation.settings import Settings
from tenants.models import AccessRefusal, SigninEvent
from tenants.oversight import audit_chains
from tenants.oversight.audit_chains import Chain

Json = Annotated[bool, Parameter(name="--json", negative=())]
Noted = Mapping[str, Mapping[int, bytes]]
# What the product may forget: who signed in and what was refused. Chains are kept whole.
LOGS = (SigninEvent.__tablename__, AccessRefusal.__tablename__)
BATCH = 10_000
WORDS = {
    "changed": "it is not what was written",
    "missing": "records before it are gone",
    "out_of_order": "it does not belong there: put in or moved",
    "cut": "records behind it are gone",
    "not_as_noted": "it is not the record that was noted",
}


def verify(
    *, hospital: str | None = None, firm: str | None = None, heads: Path | None = None, json: Json = False
) -> None:
    """Walk every chain, or one; name the first record that does not hold. Exit code 1 when one does not.

    Parameters
    ----------
    hospital
        Only this hospital's chain: its code.
    firm
        Only this firm's chain: its code.
    heads
        What `careloop audit head --json` wrote earlier: shows records cut off the end, or written anew.
    json
        Print one JSON object.
    """
    noted = read_heads(heads) if heads is not None else {}
    settings = Settings()
    results: dict[str, Any] = {}
    broken = False
    with (
        database_server(settings, purpose="careloop audit verify") as server,
        assembled(settings, server, name="audit", with_broker=False) as parts,
    ):
        for of in chosen(parts.database, hospital, firm):
            found = audit_chains.verify(parts.database, of, noted=noted.get(of.name))
            broken = broken or found.fault is not None
            results[of.name] = as_object(found) if json else sentence(found)
    report({"holds": not broken, "chains": results} if json else results, as_json=json)
    if broken:
        raise SystemExit(1)


def head(*, json: Json = False) -> None:
    """Print the number and hash of each chain's last record, to be kept where nobody here can change it.

    Parameters
    ----------
    json
        Print one JSON object, which `careloop audit verify --heads` reads.
    """
    settings = Settings()
    with (
        database_server(settings, purpose="careloop audit head") as server,
        assembled(settings, server, name="audit", with_broker=False) as parts,
    ):
        found = {
            of.name: audit_chains.head(parts.database, of) for of in audit_chains.all_chains(parts.database)
        }
    if json:
        ends = {
            name: {"seq": end.seq, "hash": end.hash.hex(), "at": end.at.isoformat()}
            for name, end in found.items()
            if end is not None
        }
        report(ends, as_json=True)
        return
    report(
        {name: f"{end.seq} {end.hash.hex()}" if end else None for name, end in found.items()}, as_json=False
    )


def prune(*, json: Json = False) -> None:
    """Drop sign-ins and refusals older than CARELOOP_LOG_DAYS, as the owner. Chains are never cut.

    Parameters
    ----------
    json
        Print one JSON object.
    """
    settings = Settings()
    before = clock_of(settings).now() - timedelta(days=settings.log_days)
    with database_server(settings, purpose="careloop audit prune") as server:
        if not server.endpoints.owner_url:
            raise OwnerUrlMissing
        dropped = drop_logs(server.endpoints.owner_url, before)
    report({"kept_days": settings.log_days, "before": before.isoformat(), **dropped}, as_json=json)


def drop_logs(owner_url: str, before: datetime) -> dict[str, int]:
    """Drop what is older from each log, some thousand rows a transaction; how many went from each."""
    dropped = {}
    with psycopg.connect(owner_url, autocommit=True) as owner:
        for table in LOGS:
            statement = sql.SQL(
                "DELETE FROM {0} WHERE id IN (SELECT id FROM {0} WHERE at < %s ORDER BY at LIMIT %s)"
            ).format(sql.Identifier(table))
            dropped[table] = 0
            while gone := owner.execute(statement, (before, BATCH)).rowcount:
                dropped[table] += gone
    return dropped


def chosen(database: Database, hospital: str | None, firm: str | None) -> list[Chain]:
    """The chains asked for, all by default; raises `CommandMistake` for a code that nobody has."""
    wanted = {f"hospital:{hospital}"} if hospital else set()
    wanted |= {f"firm:{firm}"} if firm else set()
    found = [of for of in audit_chains.all_chains(database) if not wanted or of.name in wanted]
    for name in sorted(wanted - {of.name for of in found}):
        kind, _, code = name.partition(":")
        raise CommandMistake(f"There is no {kind} with the code {code}.")
    return found


def read_heads(path: Path) -> dict[str, dict[int, bytes]]:
    """Heads as `careloop audit head --json` prints them; raises `CommandMistake` for anything else."""
    try:
        given = json_format.loads(path.read_text())
        return {name: {int(end["seq"]): bytes.fromhex(end["hash"])} for name, end in given.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise CommandMistake(f"{path} cannot be read.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandMistake(f"{path} is not what careloop audit head --json prints.") from error


def as_object(found: Verified) -> dict[str, Any]:
    """What came of one chain, for programs."""
    end = found.head
    shown: dict[str, Any] = {
        "holds": found.fault is None,
        "rows": found.rows,
        "head": None if end is None else {"seq": end.seq, "hash": end.hash.hex()},
    }
    if found.fault is not None:
        fault = found.fault
        shown["fault"] = {
            "expected": fault.expected, "what": fault.what, "seq": fault.seq, "id": fault.id, "at": fault.at,
        }  # fmt: skip
    return shown


def sentence(found: Verified) -> str:
    """What came of one chain, for people."""
    if found.fault is not None:
        return f"BROKEN at record {_place(found.fault)}"
    if found.head is None:
        return "no record yet"
    return f"holds: {found.rows} records, the last is {found.head.seq} {found.head.hash.hex()}"


def _place(fault: Fault) -> str:
    if fault.id is None or fault.at is None:
        return f"{fault.expected}: {WORDS[fault.what]}"
    there = "" if fault.seq == fault.expected else f" (found: {fault.seq})"
    return f"{fault.expected}{there}, {fault.id}, {fault.at.isoformat()}: {WORDS[fault.what]}"


audit_group = App(name="audit", help="Walk the chains of audit records, note their heads, drop old logs.")
audit_group.command(verify, name="verify")
audit_group.command(head, name="head")
audit_group.command(prune, name="prune")
