"""The next card: `outreach.queue.draw` in its transaction, against the same statements by the driver alone.

Both sides draw from one queue in turn, each for its own agent, and commit: every draw finds another patient,
and the work is the same for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from bench.firm import BenchFirm
from bench.measuring import Figure, Pair, console, percentile, ratio_figure, shown
from bench.statements import Said, listening
from bench.throwaway import Place
from rich.markup import escape
from world import NOW

from outreach import queue

WARM_UP = 20
RATIO = 2.0
SCAN_TABLES = ("contact_task", "patient", "contact_point", "suppression", "patient_hold", "call")
SMALL_TABLE = 5_000  # rows; below that, reading all of it may well be the quickest
P95 = 0.3  # seconds: J1, with 500,000 open tasks


@dataclass(frozen=True, slots=True)
class Sentences:
    """What one draw says: the scope, the question for candidates, the hold, the policy's facts."""

    scope: Said
    candidate: Said
    hold: Said
    facts: Said


def measure(place: Place, firm: BenchFirm, draws: int) -> list[Figure]:
    """Draw in turn; says as well when PostgreSQL reads a whole table for it."""
    pair = Pair()
    with place.bare() as bare:
        said = _sentences(place, firm)
        for number in range(WARM_UP + draws):
            if number == WARM_UP:
                pair = Pair()
                scans = _whole_reads(place)
            pair.ours.append(_ours(place, firm))
            pair.bare.append(_bare(bare, said, firm))
        plan = _plan(bare, said, firm)
    read_whole = {name: n - scans[name] for name, n in _whole_reads(place).items() if n > scans[name]}
    p95 = percentile(pair.ours, 0.95)
    return [
        ratio_figure("next card, p50", pair, 0.5, RATIO),
        ratio_figure("next card, p95", pair, 0.95, RATIO),
        Figure("next card, p95 alone (J1)", shown(p95), f"≤ {shown(P95)}", p95 <= P95, ""),
        _plan_figure(plan, read_whole),
    ]


def _sentences(place: Place, firm: BenchFirm) -> Sentences:
    with listening(place.db) as said:
        _ours(place, firm)
    if len(said) != 4:
        listed = "\n".join(one.sql.strip().splitlines()[0] for one in said)
        msg = f"a draw that finds its patient at once was 4 statements and is now {len(said)}:\n{listed}"
        raise RuntimeError(msg)
    return Sentences(*said)


def _ours(place: Place, firm: BenchFirm) -> float:
    agent = firm.agents[0]
    started = perf_counter()
    with place.db.firm(firm.firm_scope(agent)) as session:
        card = queue.draw(session, agent, NOW)
    taken = perf_counter() - started
    if card is None:
        msg = "the queue is empty"
        raise RuntimeError(msg)
    return taken


def _bare(connection: psycopg.Connection[Any], said: Sentences, firm: BenchFirm) -> float:
    agent_id = firm.agents[1].id
    started = perf_counter()
    said.scope.again(connection).fetchone()
    found = said.candidate.again(connection, agent_id=agent_id).fetchone()
    if found is None:
        msg = "the queue is empty"
        raise RuntimeError(msg)
    tenant_id, task_id, patient_id = found[:3]
    ids = {"tenant_id": tenant_id, "task_id": task_id, "patient_id": patient_id}
    held = said.hold.again(connection, agent_id=agent_id, until=NOW + timedelta(minutes=20), **ids).fetchone()
    facts = said.facts.again(connection, tenant_id=tenant_id, patient_ids=[patient_id]).fetchone()
    connection.commit()
    taken = perf_counter() - started
    if held is None or facts is None or facts[0] != patient_id:
        msg = "the bare statements did not hold the patient they found"
        raise RuntimeError(msg)
    return taken


def _whole_reads(place: Place) -> dict[str, int]:
    """How often each table was read from end to end so far; the server counts a transaction after its end."""
    with place.owner() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        rows = connection.execute(
            "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY (%s) AND n_live_tup > %s",
            [list(SCAN_TABLES), SMALL_TABLE],
        )
        return {str(name): int(count) for name, count in rows}


def _plan(connection: psycopg.Connection[Any], said: Sentences, firm: BenchFirm) -> dict[str, Any]:
    said.scope.again(connection)
    asked = Said("EXPLAIN (ANALYZE, FORMAT JSON) " + said.candidate.sql, said.candidate.values)
    row = asked.again(connection, agent_id=_id(firm)).fetchone()
    connection.rollback()
    if row is None:
        msg = "no plan was given"
        raise RuntimeError(msg)
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def _id(firm: BenchFirm) -> UUID | None:
    return firm.agents[1].id


def nodes(plan: dict[str, Any], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every node of a plan with its depth."""
    yield depth, plan
    for child in plan.get("Plans", ()):
        yield from nodes(child, depth + 1)


def _plan_figure(plan: dict[str, Any], read_whole: dict[str, int]) -> Figure:
    used = [node for _, node in nodes(plan) if node.get("Relation Name") == "contact_task"]
    whole = [node for node in used if node["Node Type"] == "Seq Scan"]
    if whole:
        for depth, node in nodes(plan):
            where = node.get("Index Name") or node.get("Relation Name") or node.get("Alias") or ""
            rows = f"{node.get('Actual Rows', 0)} rows × {node.get('Actual Loops', 0)}"
            console.print(escape(f"{'  ' * depth}{node['Node Type']} {where} ({rows})"), style="bright_black")
    indexes = sorted({str(node["Index Name"]) for node in used if "Index Name" in node})
    seen = [f"{name} read whole {count} times" for name, count in read_whole.items()]
    clean = not whole and not read_whole.get("contact_task") and "ix_contact_task_due" in indexes
    return Figure(
        "next card, plan",
        "by index" if clean else "; ".join(seen) or "reads the whole table",
        "no whole read of contact_task",
        clean,
        ", ".join(name.removeprefix("ix_contact_task_") for name in indexes)
        + (f" ({'; '.join(seen)})" if clean and seen else ""),
    )
