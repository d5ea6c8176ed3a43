"""Whole pages through the application, against the statements they ask by the driver alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any, Final, Literal
from uuid import UUID

import psycopg
from bench.firm import BenchFirm
from bench.measuring import Figure, Pair, ratio_figure
from bench.statements import Said, listening
from bench.throwaway import MASTER_KEY, Place
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select
from world import NOW

from careloop.app import create_app
from feedback.service import NewCase, open_case
from foundation import logs
from foundation.clock import SetClock
from foundation.database import Database
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from patients.models import Patient
from tenants.identity import signin
from tenants.models import Department, Person

RATIO = 5.0
WARM_UP = 12  # openings, after which the driver and the server have settled on their plans
PATIENCE = 20.0  # seconds a page
SETTINGS_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
TIERS: Final[tuple[Literal[1, 2, 3], ...]] = (1, 2, 3)
PAGES = {"the workbench": "/workbench", "the ledger": "/h/h1/cases"}


def measure(place: Place, firm: BenchFirm, requests: int, cases: int) -> list[Figure]:
    """Open each page in turn with its statements, for the same signed-in person."""
    logs.configure("console")
    _fill_ledger(place, firm, firm.queue[0], cases)
    runtime = Runtime(Settings(master_key=SETTINGS_KEY), place.db, SetClock(NOW), MASTER_KEY)
    figures = []
    with TestClient(create_app(runtime)) as client, place.bare() as bare:
        client.cookies.set(signin.COOKIE, _sign_in(place.db, firm.agents[-1]))
        for name, path in PAGES.items():
            for _ in range(WARM_UP):
                _open(client, path)
            with listening(place.db) as said:
                _open(client, path)
            for _ in range(WARM_UP):
                _ask(bare, said)
            pair = Pair()
            while len(pair.ours) < requests and sum(pair.ours) + sum(pair.bare) < PATIENCE:
                pair.ours.append(_open(client, path))
                pair.bare.append(_ask(bare, said))
            figures.append(ratio_figure(f"{name}, {len(said)} statements", pair, 0.5, RATIO))
    return figures


def _fill_ledger(place: Place, firm: BenchFirm, tenant_id: UUID, cases: int) -> None:
    """Open cases of all tiers, one every seven minutes back from now."""
    with place.db.hospital(firm.hospital_scope(tenant_id)) as session:
        department_id = session.scalar(select(Department.id).where(Department.tenant_id == tenant_id))
        patients = session.scalars(
            select(Patient.id).where(Patient.tenant_id == tenant_id).order_by(Patient.id).limit(cases)
        )
        for number, patient_id in enumerate(patients.all()):
            new = NewCase(
                patient_id=patient_id,
                encounter_id=None,
                call_id=None,
                department_id=department_id,
                channel="revisit_call",
                category="service",
                tag=f"bench {number}",
                tier=TIERS[number % 3],
                medical_dispute=False,
                text="护士站无人应答。",
            )
            open_case(session, new, actor=firm.agents[0], now=NOW - number * timedelta(minutes=7))
    place.tidy("feedback_case", "case_clock")


def _sign_in(db: Database, actor: Actor) -> str:
    with db.platform(PlatformScope(Actor.system("bench"), "bench")) as session:
        person = session.get_one(Person, actor.id)
        return signin.open_session(session, person, now=NOW, address="127.0.0.1")


def _open(client: TestClient[Litestar], path: str) -> float:
    started = perf_counter()
    answer = client.get(path, follow_redirects=False)
    taken = perf_counter() - started
    if answer.status_code != 200:
        msg = f"{path} answered {answer.status_code}"
        raise RuntimeError(msg)
    return taken


def _ask(connection: psycopg.Connection[Any], said: Sequence[Said]) -> float:
    started = perf_counter()
    for one in said:
        answer = one.again(connection)
        if answer.description is not None:
            answer.fetchall()
    connection.commit()  # a rollback would make the driver forget the plans that both sides have by now
    return perf_counter() - started
