"""One firm with its hospitals and their open tasks, made by a few statements from nothing but numbers.

The numbers are mixed by multiplication and not drawn, so every run works on the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from world import NOW, agreement_of

from foundation.database import Database, FirmSession
from foundation.encryption import MasterKey
from foundation.ids import new_id
from foundation.scope import Actor, FirmScope, HospitalScope
from outreach.ranks import Rank
from tenants.models import Department, DirectoryEntry, Firm, Hospital, Membership, Person

TASKS_A_PATIENT = 2
LOADERS = 2
LOADED = ("patient", "contact_point", "contact_task", "call", "suppression", "hospital")


@dataclass(frozen=True, slots=True)
class BenchFirm:
    """A firm, its hospitals with a queue, its agents, and one hospital for each file to be imported."""

    firm_id: UUID
    queue: tuple[UUID, ...]
    imports: tuple[UUID, ...]
    agents: tuple[Actor, ...]

    def firm_scope(self, agent: Actor) -> FirmScope:
        """The hospitals with a queue."""
        return FirmScope(self.firm_id, self.queue, agent, "bench")

    def hospital_scope(self, tenant_id: UUID) -> HospitalScope:
        """One hospital."""
        return HospitalScope(tenant_id, Actor.system("bench"), "bench")


def make_firm(db: Database, master: MasterKey, *, hospitals: int, imports: int, agents: int) -> BenchFirm:
    """The firm, its hospitals and its people, without patients."""
    tenants = [new_id() for _ in range(hospitals + imports)]
    firm_id = new_id()
    with db.firm(FirmScope(firm_id, tuple(tenants), Actor.system("bench"), "bench")) as session:
        session.add(
            Firm(firm_id=firm_id, code="hk", name="恒康客服", name_en="Hengkang Care", created_at=NOW)
        )
        session.add(DirectoryEntry(code="hk", kind="firm", firm_id=firm_id, tenant_id=None))
        session.flush()
        for number, tenant_id in enumerate(tenants, start=1):
            session.add(_hospital(firm_id, tenant_id, number, master))
            session.add(
                DirectoryEntry(code=f"h{number}", kind="hospital", firm_id=firm_id, tenant_id=tenant_id)
            )
        session.flush()
        session.add_all(Department(tenant_id=tenant_id, id=new_id(), name="骨科") for tenant_id in tenants)
        session.add_all(agreement_of(tenant_id) for tenant_id in tenants)
        people = [_person(session, firm_id, number) for number in range(agents)]
    return BenchFirm(firm_id, tuple(tenants[:hospitals]), tuple(tenants[hospitals:]), tuple(people))


def _hospital(firm_id: UUID, tenant_id: UUID, number: int, master: MasterKey) -> Hospital:
    return Hospital(
        tenant_id=tenant_id,
        firm_id=firm_id,
        code=f"h{number}",
        name=f"第{number}人民医院",
        name_en=f"Hospital {number}",
        hospital_type="general",
        region="130100",
        grade="3A",
        brand="",
        beds=800,
        colour="teal",
        state="active",
        outpatient_rate=Decimal("0.10"),
        wrapped_key=master.new_wrapped_key(),
        created_at=NOW,
    )


def _person(session: FirmSession, firm_id: UUID, number: int) -> Actor:
    person = Person(
        id=new_id(), email=f"agent{number}@example.com", name="李敏", language="zh_Hans", created_at=NOW
    )
    session.add(person)
    session.flush()
    session.add(
        Membership(person_id=person.id, role="team_lead", firm_id=firm_id, created_at=NOW, accepted_at=NOW)
    )
    return Actor("person", person.id, person.name)


_PATIENTS = """
INSERT INTO patient (tenant_id, id, record_number, name, sex, birth_date, age_years, contact_state,
                     created_at, updated_at)
SELECT :tenant_id, uuidv7(), lpad(n::text, 8, '0'), '王小明', 'M', date '1970-05-01', 56, 'reachable',
       :now, :now
FROM generate_series(1, :patients) AS n
"""
_NUMBERS = """
INSERT INTO contact_point (tenant_id, id, patient_id, holder, relation, name, number_cipher, number_index,
                           number_masked, position)
SELECT tenant_id, uuidv7(), id, 'patient', 'self', name, decode(md5('c' || id), 'hex'),
       decode(md5('i' || id), 'hex'), '138****' || right(record_number, 4), 1
FROM patient WHERE tenant_id = :tenant_id
"""
# Windows that open between two weeks ago and next week; some press, some wait, some are booked.
_TASKS = """
INSERT INTO contact_task (tenant_id, id, patient_id, kind, purpose, source, source_id, label, rank, opens_at,
                          due_at, closes_at, next_try_at, attempts, appointment_at, appointment_agent, state,
                          created_at)
SELECT tenant_id, uuidv7(), patient_id, kind,
       CASE kind WHEN 'survey' THEN 'satisfaction' WHEN 'callback' THEN 'complaint'
                 WHEN 'acknowledge' THEN 'complaint' ELSE 'care_followup' END,
       kind, uuidv7(), '{"zh": "第1次回访", "en": "Follow-up 1"}',
       CASE kind WHEN 'callback' THEN :callback WHEN 'acknowledge' THEN :acknowledge
                 WHEN 'promise' THEN :promise WHEN 'survey' THEN :survey
                 ELSE CASE WHEN mix1 % 3 = 0 THEN :first_call ELSE :rest END END,
       opens_at, opens_at + interval '3 days', opens_at + interval '14 days 1 hour',
       CASE WHEN mix2 < 50 THEN CAST(:now AS timestamptz) + interval '3 hours' ELSE opens_at END, 0,
       CASE WHEN mix2 >= 998 THEN CAST(:now AS timestamptz) + (mix1 / 4 - 200) * interval '1 minute' END,
       CASE WHEN mix2 >= 998 THEN CAST(:agent AS uuid) END, 'open', :now
FROM (
    SELECT p.tenant_id, p.id AS patient_id, m.*, CAST(:now AS timestamptz) - interval '14 days'
               + m.mix3 * interval '30 minutes' AS opens_at,
           CASE WHEN k.task > 1 OR m.mix1 >= 2060 THEN 'revisit' WHEN m.mix1 < 25 THEN 'callback'
                WHEN m.mix1 < 35 THEN 'acknowledge' WHEN m.mix1 < 60 THEN 'promise' ELSE 'survey' END AS kind
    FROM patient p CROSS JOIN generate_series(1, :each) AS k (task)
    CROSS JOIN LATERAL (SELECT p.record_number::int * CAST(:each AS int) + k.task AS n) AS i
    CROSS JOIN LATERAL (SELECT n::bigint * 7919 % 10000 AS mix1, n::bigint * 104729 % 1000 AS mix2,
                               n::bigint * 15485863 % 1000 AS mix3) AS m
    WHERE p.tenant_id = :tenant_id
) AS made
"""
# A past: finished tasks with their calls, so that the open ones are a part of the table and not all of it.
_FINISHED = """
INSERT INTO contact_task (tenant_id, id, patient_id, kind, purpose, source, source_id, label, rank, opens_at,
                          due_at, closes_at, next_try_at, attempts, state, outcome, closed_at, created_at)
SELECT tenant_id, uuidv7(), patient_id, kind, purpose, 'past', uuidv7(), label, rank,
       opens_at - interval '40 days', due_at - interval '40 days', closes_at - interval '40 days',
       next_try_at - interval '40 days', 1, 'completed', 'completed', due_at - interval '40 days',
       created_at - interval '40 days'
FROM contact_task
WHERE tenant_id = :tenant_id AND kind = 'revisit'
  AND date_part('minute', opens_at) = 0 AND date_part('hour', opens_at)::int % 5 < 2
"""
_CALLS = """
INSERT INTO call (tenant_id, id, task_id, patient_id, contact_point_id, number_index, agent_id, agent_name,
                  dialled_at, connected_at, ended_at, outcome)
SELECT t.tenant_id, uuidv7(), t.id, t.patient_id, c.id, c.number_index, :agent, '李敏', t.closed_at,
       t.closed_at, t.closed_at, 'completed'
FROM contact_task t JOIN contact_point c ON c.tenant_id = t.tenant_id AND c.patient_id = t.patient_id
WHERE t.tenant_id = :tenant_id AND t.state = 'completed'
"""
_SUPPRESSED = """
INSERT INTO suppression (tenant_id, id, patient_id, reason, source, started_at, started_by)
SELECT tenant_id, uuidv7(), id, 'cured', 'bench', :now, ''
FROM patient WHERE tenant_id = :tenant_id AND record_number::int % 50 = 0
"""
LOADS: Sequence[str] = (_PATIENTS, _NUMBERS, _SUPPRESSED, _TASKS, _FINISHED, _CALLS)


def load_queue(db: Database, firm: BenchFirm, tasks: int) -> None:
    """Fill the hospitals with this many open tasks in all, two a patient, and a fifth as many finished."""
    values = {
        "patients": tasks // TASKS_A_PATIENT // len(firm.queue),
        "each": TASKS_A_PATIENT,
        "now": NOW,
        "agent": firm.agents[-1].id,
        "callback": int(Rank.CALLBACK_DUE),
        "acknowledge": int(Rank.ACKNOWLEDGE_DUE),
        "promise": int(Rank.PROMISE),
        "survey": int(Rank.SURVEY),
        "first_call": int(Rank.FIRST_CALL),
        "rest": int(Rank.REST),
    }
    statements = [(text(load), text(load).compile().params) for load in LOADS]

    def fill(tenant_id: UUID) -> None:
        known = values | {"tenant_id": tenant_id}
        with db.hospital(firm.hospital_scope(tenant_id)) as session:
            for statement, wanted in statements:
                session.execute(statement, {name: known[name] for name in wanted})

    with ThreadPoolExecutor(LOADERS) as loaders:
        list(loaders.map(fill, firm.queue))
