"""An import of a discharge list, against COPY of the very rows that it stored into tables of the same shape.

The rows are written as a program without the product would write them: values ready-made and encrypted, by
the driver's own `write_row` in the server's binary form. COPY looks for nothing that is there already and
checks no key against another table. Beside it stands what is left when even the values are bytes beforehand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from bench.discharges import discharge_list
from bench.firm import BenchFirm
from bench.measuring import Figure, Pair, percentile, ratio_figure, shown, step
from bench.throwaway import MASTER_KEY, Place
from psycopg import sql
from world import NOW

# What an import writes; the twins of these tables have their columns, checks and indexes.
STORED = (
    "patient",
    "contact_point",
    "encounter",
    "enrolment",
    "suppression",
    "data_problem",
    "department",
    "record_alias",
    "possible_duplicate",
    "import_trail",
    "stored_file",
)
RATIO = 6.0
MEMORY = 400 * 1024 * 1024
BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Imported:
    """How one import went: seconds, peak of memory in bytes, rows of the file that became encounters."""

    seconds: float
    peak: int
    created: int


def measure(place: Place, firm: BenchFirm, rows: int) -> list[Figure]:
    """Import and COPY in turn, once for each hospital that has nothing yet."""
    pair = Pair()
    peaks, ready_made = [], []
    for number, tenant_id in enumerate(firm.imports, start=1):
        with step(f"Import {rows:,} rows, and COPY them ({number} of {len(firm.imports)})"):
            file = place.folder / f"discharges_{number}.csv"
            file.write_bytes(discharge_list(rows, seed=number))
            done = _import(place, tenant_id, file)
            if done.created != rows:
                msg = f"{done.created} of {rows} rows were created"
                raise RuntimeError(msg)
            place.tidy(*STORED)
            pair.ours.append(done.seconds)
            peaks.append(done.peak)
            bare, least = _copy_both(place, tenant_id)
            pair.bare.append(bare)
            ready_made.append(least)
    speed = rows / percentile(pair.ours, 0.5)
    ready = percentile(ready_made, 0.5)
    against_ready = percentile(pair.ours, 0.5) / ready
    figure = ratio_figure(f"import of {rows:,} rows against COPY", pair, 0.5, RATIO)
    return [
        replace(figure, absolute=f"{figure.absolute} (bytes alone {shown(ready)}: {against_ready:.1f} ×)"),
        Figure(
            "import, peak of memory",
            f"{max(peaks) / 1024 / 1024:.0f} MB",
            f"< {MEMORY / 1024 / 1024:.0f} MB",
            max(peaks) < MEMORY,
            f"{speed:,.0f} rows/s",
        ),
    ]


def _import(place: Place, tenant_id: UUID, file: Path) -> Imported:
    command = [
        sys.executable,
        str(Path(__file__).with_name("import_once.py")),
        str(tenant_id),
        str(file),
        NOW.isoformat(),
        MASTER_KEY.key.hex(),
    ]
    done = subprocess.run(
        command,
        env=os.environ | {"CARELOOP_BENCH_URL": place.runtime_url},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return Imported(said["seconds"], said["peak"], said["created"])


def _copy_both(place: Place, tenant_id: UUID) -> tuple[float, float]:
    """Seconds that COPY takes for the rows of this hospital: from values, and from ready-made bytes."""
    values, ready_made = 0.0, 0.0
    with place.owner() as connection:
        connection.execute(
            "SELECT set_config('careloop.tenant_ids', %s, false)", ["{" + str(tenant_id) + "}"]
        )
        for table in STORED:
            values += _copy_values(connection, tenant_id, table)
            ready_made += _copy_bytes(connection, tenant_id, table)
    return values, ready_made


def _copy_values(connection: psycopg.Connection[Any], tenant_id: UUID, table: str) -> float:
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_rows_of(table, tenant_id))
        types = [column.type_code for column in cursor.description or ()]
        rows = cursor.fetchall()

        def write(copy: psycopg.Copy) -> None:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

        return _timed_copy(connection, table, write)


def _copy_bytes(connection: psycopg.Connection[Any], tenant_id: UUID, table: str) -> float:
    waiting = bytearray()
    with connection.cursor() as cursor:
        out = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(_rows_of(table, tenant_id))
        with cursor.copy(out) as copy:
            for data in copy:
                waiting += data

    def write(copy: psycopg.Copy) -> None:
        for start in range(0, len(waiting), BLOCK):
            copy.write(waiting[start : start + BLOCK])

    return _timed_copy(connection, table, write)


def _timed_copy(
    connection: psycopg.Connection[Any], table: str, write: Callable[[psycopg.Copy], None]
) -> float:
    """Seconds of one COPY with its commit into an empty table with the same columns, checks and indexes."""
    twin = sql.Identifier(f"bench_{table}")
    connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(twin, sql.Identifier(table)))
    started = perf_counter()
    into = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(twin)
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(into) as copy:
        write(copy)
    taken = perf_counter() - started
    connection.execute(sql.SQL("DROP TABLE {}").format(twin))
    return taken


def _rows_of(table: str, tenant_id: UUID) -> sql.Composed:
    return sql.SQL("SELECT * FROM {} WHERE tenant_id = {}").format(
        sql.Identifier(table), sql.Literal(tenant_id)
    )
