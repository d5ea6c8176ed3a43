"""Two firms, three hospitals each, somebody of every role: whatever they try, nobody crosses a wall.

A state machine tries reads, forms, uploads, jobs and raw SQL at random, mostly where they must not
succeed, while who may reach what changes. An answer must hold nothing of a place out of reach, and that
place must stay as it is to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from inspect import signature
from typing import Any, ClassVar
from uuid import UUID

import pytest
from breaking_rows import LIST
from crossing import Place, Reality, Route, build, firm_session, prints, raw_scope, routes, tenant_tables
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import Connection, text, update
from sqlalchemy.exc import DBAPIError
from web_client import Browser, browsing
from world import NOW

from careloop import wiring
from careloop.jobs import MODULES as JOB_MODULES
from foundation import runtime, work
from foundation.clock import SetClock
from foundation.database import Database
from foundation.scope import Actor, PlatformScope
from foundation.web.errors import UserMistake
from tenants.identity import signin
from tenants.models import DirectoryEntry, Person
from tenants.rights import Role
from workforce.service import assign, unassign

SHARDS = 8
EXAMPLES, STEPS = 32, 50
TARGET = 10_000
PLAUSIBLE = {
    "outcome": "completed",
    "reason": "other",
    "level": "5",
    "text": "饭凉",
    "month": "2026-08",
    "role": "hospital_gm",
    "email": "q@example.com",
    "code": "newone",
    "minutes": "30",
    "confirmed": "yes",
}
IN_ADDRESSES = {
    "month": "2026-08",
    "act": "progress",
    "key": "new-202608",
    "question": "overall",
    "name": "x",
}
numbers = st.integers(min_value=0, max_value=2**16)


class Attempts:
    """What the machine works on, and how many steps it took."""

    def __init__(self, reality: Reality, browser: Browser, connection: Connection) -> None:
        self.reality = reality
        self.browser = browser
        self.connection = connection
        self.routes = list(routes(browser.client.app))
        self.hospital_routes = [route for route in self.routes if "code" in route.names]
        self.people = list(reality.people)
        self.sessions = {person: _token(browser, person) for person in self.people}
        self.jobs = _jobs_with_ids()
        self.steps = 0
        self.untouched = prints(reality)
        browser.token()

    def ask(self, person: UUID, route: Route, code: str, ids: list[UUID], pick: int) -> tuple[int, str, str]:
        """Status, text and address of one request by this person."""
        values = {name: ids[(pick + n) % len(ids)] for n, name in enumerate(route.names)}
        url = route.address(values | IN_ADDRESSES | {"code": code})
        self.browser.client.cookies.set(signin.COOKIE, self.sessions[person])
        if route.method == "GET":
            cursor = {"after": str(ids[pick % len(ids)])} if pick % 3 == 0 else {}
            answer = self.browser.get(url, params=cursor)
        elif "file" in route.fields:
            headers = {"x-csrftoken": self.browser.token()}
            answer = self.browser.post(url, files={"file": ("a.csv", LIST.encode())}, headers=headers)
        else:
            form = {name: str(ids[(pick + n) % len(ids)]) for n, name in enumerate(route.fields)}
            form |= {name: value for name, value in PLAUSIBLE.items() if name in form}
            answer = self.browser.client.request(
                route.method, url, data={"_csrf_token": self.browser.token()} | form, follow_redirects=False
            )
        return answer.status_code, answer.content.decode("utf-8", "replace").replace(url, ""), url


def _token(browser: Browser, person: UUID) -> str:
    """A sign-in of this person that lasts for the test."""
    with browser.runtime.database.platform(PlatformScope(Actor.system("test"), "test")) as session:
        return signin.open_session(session, session.get_one(Person, person), now=NOW, address="127.0.0.1")


def _jobs_with_ids() -> list[tuple[str, list[str]]]:
    """The jobs of one hospital that are told which row to work on."""
    assert JOB_MODULES
    found = []
    for job_name, job in sorted(work.JOBS.items()):
        named = [name for name in signature(job.run).parameters if name.endswith("_id")]
        if job.reach == "hospital" and named:
            found.append((job_name, named))
    return found


class Crossing(RuleBasedStateMachine):
    """The machine over these attempts; each example is undone at its end."""

    given: ClassVar[Attempts]

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = self.given.connection.begin_nested()
        self.before = self.given.untouched
        self.assigned = {person: set(places) for person, places in self.given.reality.assigned.items()}

    def teardown(self) -> None:
        if self.savepoint.is_active:
            self.savepoint.rollback()
        self.given.reality.assigned.clear()
        self.given.reality.assigned.update(self.assigned)

    def unchanged(self, places: list[int], told: object) -> None:
        now = prints(self.given.reality)
        changed = [self.given.reality.places[i].code for i in places if now[i] != self.before[i]]
        assert changed == [], (told, changed)
        self.before = now

    @rule(who=numbers, where=numbers, what=numbers, pick=numbers)
    def somebody_elses_address(self, who: int, where: int, what: int, pick: int) -> None:
        """Another hospital's code, with that hospital's own ids: there is no such thing."""
        person = self.given.people[who % len(self.given.people)]
        foreign = self.given.reality.foreign(person)
        place = foreign[where % len(foreign)]
        route = self.given.hospital_routes[what % len(self.given.hospital_routes)]
        self.step(person, route, self.given.reality.places[place].code, place, pick, hidden=True)

    @rule(who=numbers, where=numbers, what=numbers, pick=numbers)
    def own_address_with_foreign_ids(self, who: int, where: int, what: int, pick: int) -> None:
        """The own hospital's code, with another hospital's ids in the path, the form and the cursor."""
        person = self.given.people[who % len(self.given.people)]
        foreign, own = self.given.reality.foreign(person), sorted(self.given.reality.reach(person))
        route = self.given.routes[what % len(self.given.routes)]
        code = self.given.reality.places[own[where % len(own)]].code if own else "nowhere"
        self.step(person, route, code, foreign[where % len(foreign)], pick, hidden=False)

    def step(self, person: UUID, route: Route, code: str, ids_of: int, pick: int, *, hidden: bool) -> None:
        self.given.steps += 1
        status, body, url = self.given.ask(person, route, code, self.given.reality.ids[ids_of], pick)
        told = (self.given.reality.people[person][0], route.method, url, status)
        assert status < 500, told
        if hidden:
            assert status == 404, told
        elif code != "nowhere" and "code" in route.names and ":uuid}" in route.raw:
            assert status in (400, 403, 404, 422), told
        foreign = self.given.reality.foreign(person)
        seen = [s for i in foreign for s in self.given.reality.places[i].secrets if s in body]
        assert seen == [], (told, seen)
        if route.method != "GET":
            self.unchanged(foreign, told)

    @rule(which=numbers, mine=numbers, other=numbers, pick=numbers)
    def job_with_a_foreign_id(self, which: int, mine: int, other: int, pick: int) -> None:
        """A message that names one hospital and another one's row."""
        self.given.steps += 1
        name, parameters = self.given.jobs[which % len(self.given.jobs)]
        count = len(self.given.reality.places)
        place, foreign = mine % count, (mine + 1 + other % (count - 1)) % count
        ids = self.given.reality.ids[foreign]
        arguments = {parameter: str(ids[(pick + n) % len(ids)]) for n, parameter in enumerate(parameters)}
        tenant_id = str(self.given.reality.places[place].tenant_id)
        with suppress(LookupError, UserMistake, ValueError), self.given.connection.begin_nested():
            work.run_job(name, arguments | {"tenant_id": tenant_id})
        self.unchanged([i for i in range(count) if i != place], (name, arguments))

    def raw(self, here: Place, words: str, there: Place) -> tuple[list[Any], str | None]:
        """Rows and refusal of one statement with the scope of `here`; undone in any case."""
        attempt = self.given.connection.begin_nested()
        raw_scope(self.given.connection, here)
        try:
            return list(self.given.connection.execute(text(words), {"t": str(there.tenant_id)})), None
        except DBAPIError as error:
            return [], str(error.orig)
        finally:
            attempt.rollback()

    @rule(table=numbers, mine=numbers, other=numbers, verb=st.sampled_from(["read", "change", "delete"]))
    def raw_words(self, table: int, mine: int, other: int, verb: str) -> None:
        """The same as the runtime role in bare SQL, with the scope of one hospital and another in mind."""
        self.given.steps += 1
        places, tables = self.given.reality.places, tenant_tables()
        here, there = places[mine % len(places)], places[(mine + 1 + other % 5) % len(places)]
        name = tables[table % len(tables)]
        words = {
            "read": f"SELECT 1 FROM {name} WHERE tenant_id = CAST(:t AS uuid)",
            "change": f"UPDATE {name} SET tenant_id = tenant_id WHERE tenant_id = CAST(:t AS uuid)"
            " RETURNING 1",
            "delete": f"DELETE FROM {name} WHERE tenant_id = CAST(:t AS uuid) RETURNING 1",
        }
        found, refused = self.raw(here, words[verb], there)
        assert found == [], (here.code, there.code, name, verb)
        assert refused is None or "permission denied" in refused, (name, verb, refused)

    @rule(table=numbers, mine=numbers, other=numbers)
    def raw_row_for_another(self, table: int, mine: int, other: int) -> None:
        """A copy of an own row, written as another hospital's."""
        self.given.steps += 1
        places, tables = self.given.reality.places, tenant_tables()
        here, there = places[mine % len(places)], places[(mine + 1 + other % 5) % len(places)]
        name = tables[table % len(tables)]
        copy = (
            f"INSERT INTO {name} SELECT (jsonb_populate_record(t, jsonb_build_object("
            f"'tenant_id', CAST(:t AS text), 'id', gen_random_uuid()))).* FROM {name} t LIMIT 1 RETURNING 1"
        )
        found, refused = self.raw(here, copy, there)
        assert found == [], (here.code, there.code, name)
        assert refused is None or "row-level security" in refused, (name, refused)

    @rule(who=numbers, where=numbers)
    def an_agent_changes_hospitals(self, who: int, where: int) -> None:
        """Who works where changes; the next request knows."""
        self.given.steps += 1
        agents = [p for p, (role, _, _) in self.given.reality.people.items() if role is Role.AGENT]
        person = agents[who % len(agents)]
        firm = self.given.reality.people[person][1]
        assert firm is not None
        own = [i for i, place in enumerate(self.given.reality.places) if place.firm == firm]
        place = own[where % len(own)]
        tenant_id = self.given.reality.places[place].tenant_id
        with firm_session(self.given.reality, firm) as session:
            if place in self.given.reality.assigned[person]:
                unassign(session, person, tenant_id)
                self.given.reality.assigned[person].discard(place)
            else:
                assign(session, person, tenant_id, NOW)
                self.given.reality.assigned[person].add(place)

    @rule(where=numbers, state=st.sampled_from(["active", "suspended", "leaving"]))
    def a_hospital_changes_its_stage(self, where: int, state: str) -> None:
        """A stage opens no wall."""
        self.given.steps += 1
        place = self.given.reality.places[where % len(self.given.reality.places)]
        with self.given.reality.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
            entry = update(DirectoryEntry).where(DirectoryEntry.tenant_id == place.tenant_id)
            session.execute(entry.values(state=state))


@pytest.fixture
def attempts(db: Database) -> Iterator[Attempts]:
    """The two firms, and a browser over them."""
    wiring.wire()
    reality = build(db)
    with browsing(db, clock=SetClock(NOW)) as browser:
        runtime.install(browser.runtime)
        assert isinstance(db.bind, Connection)
        yield Attempts(reality, browser, db.bind)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_nobody_crosses_a_wall(attempts: Attempts, shard: int) -> None:
    """Together the shards take at least 10,000 steps."""
    crossing: Any = type("Crossing", (Crossing,), {"given": attempts})
    crossing._hypothesis_internal_use_seed = shard
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(crossing, settings=chosen)
    assert attempts.steps >= TARGET // SHARDS, attempts.steps
