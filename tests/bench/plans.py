"""Planned contacts: `revisits.planning.materialise`, against its statements by the driver alone."""

from __future__ import annotations

from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from bench.firm import BenchFirm
from bench.measuring import Figure, Pair, ratio_figure
from bench.statements import Said, listening
from bench.throwaway import Place
from sqlalchemy import text
from world import NOW, TODAY

from revisits.planning import ensure_plan, materialise

RATIO = 1.5
# Open enrolments of others are ended, so that as many remain as were asked for.
_KEEP = text("""
    UPDATE enrolment SET ended_on = :today, end_reason = 'bench'
    WHERE tenant_id = :tenant_id AND id NOT IN (
        SELECT id FROM enrolment WHERE tenant_id = :tenant_id AND ended_on IS NULL AND cancelled_on IS NULL
        ORDER BY id LIMIT :wanted)
""")


def measure(place: Place, firm: BenchFirm, tenant_id: UUID, enrolments: int, rounds: int) -> list[Figure]:
    """Make all steps in turn, from an empty table each time, with the commit."""
    scope = firm.hospital_scope(tenant_id)
    with place.db.hospital(scope) as session:
        session.execute(_KEEP, {"tenant_id": tenant_id, "wanted": enrolments, "today": TODAY})
        ensure_plan(session, now=NOW)
    place.tidy("enrolment", "encounter")
    with listening(place.db) as said:
        made = _ours(place, firm, tenant_id)[1]
    pair = Pair()
    with place.bare() as connection:
        for _ in range(rounds):
            _empty(place)
            pair.ours.append(_ours(place, firm, tenant_id)[0])
            _empty(place)
            seconds, bare_made = _bare(connection, said)
            pair.bare.append(seconds)
            if bare_made != made:
                msg = f"the product made {made} steps, the bare statements {bare_made}"
                raise RuntimeError(msg)
    return [ratio_figure(f"{made:,} steps of {enrolments:,} enrolments", pair, 0.5, RATIO)]


def _ours(place: Place, firm: BenchFirm, tenant_id: UUID) -> tuple[float, int]:
    started = perf_counter()
    with place.db.hospital(firm.hospital_scope(tenant_id)) as session:
        made = materialise(session, TODAY, now=NOW)
    return perf_counter() - started, made


def _bare(connection: psycopg.Connection[Any], said: list[Said]) -> tuple[float, int]:
    made = 0
    started = perf_counter()
    for one in said:
        answer = one.again(connection)
        if "INSERT INTO revisit_step" in one.sql:
            made += len(answer.fetchall())
    connection.commit()
    return perf_counter() - started, made


def _empty(place: Place) -> None:
    with place.owner() as connection:
        connection.execute("TRUNCATE revisit_step")
