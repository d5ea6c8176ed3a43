"""Finding a patient among a million: time in the database alone, of what is searched most and least often."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from uuid import UUID

from bench.firm import BenchFirm
from bench.measuring import Figure, percentile, shown, step
from bench.throwaway import Place
from sqlalchemy import event, text
from world import NOW

from foundation.database import Database
from patients import queries
from patients.initials import initials_of
from tenants.keys import data_key

GOAL = 0.1  # seconds in the database
ROUNDS = 25
PAGES = 3
LOADED = ("patient", "contact_point", "encounter")
PHONE, SHARED = "13912345678", "13800138000"
# Family names as often as they are in China (王, 李, 张 about 7 % each), then a long thin tail.
SURNAMES = (
    "王王王王王王王李李李李李李李张张张张张张张刘刘刘刘刘陈陈陈陈杨杨杨黄黄黄赵赵吴吴周周徐孙马朱胡郭"
    "何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏"
    "韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万"
)
GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂文辉玲力建国志红梅斌波宁华亮成健世广义兴良海山仁"
    "贵福生龙元全胜学祥才发武新利清飞彬富顺信子岩中茂进林有坚和彪博诚先敬震振壮会思群豪心邦承乐绍功松"
    "善厚庆若"
)

_PATIENTS = """
INSERT INTO patient (tenant_id, id, record_number, name, initials, sex, birth_date, age_years,
                     contact_state, created_at, updated_at)
SELECT :tenant_id, uuidv7(), 'BA' || lpad(n::text, 8, '0'), s.c || a.c || b.c, s.i || a.i || b.i,
       CASE WHEN n % 2 = 0 THEN 'M' ELSE 'F' END, date '1940-01-01' + (n::bigint * 7919 % 29000)::int, NULL,
       'reachable', :now, :now
FROM generate_series(1, :rows) AS n
CROSS JOIN LATERAL (SELECT (hashint8(n)::bigint & 2147483647) AS h,
                           (hashint8(n + 77777777)::bigint & 2147483647) AS g) AS mixed
CROSS JOIN LATERAL (SELECT 1 + h % :surnames AS s, 1 + g % :given AS a, 1 + g / :given % :given AS b) AS at
CROSS JOIN LATERAL (SELECT (CAST(:surname AS text[]))[at.s] AS c,
                           (CAST(:surname_initial AS text[]))[at.s] AS i) AS s
CROSS JOIN LATERAL (SELECT (CAST(:name AS text[]))[at.a] AS c, (CAST(:initial AS text[]))[at.a] AS i) AS a
CROSS JOIN LATERAL (SELECT CASE WHEN n % 6 = 0 THEN '' ELSE (CAST(:name AS text[]))[at.b] END AS c,
                           CASE WHEN n % 6 = 0 THEN '' ELSE (CAST(:initial AS text[]))[at.b] END AS i) AS b
"""
# One number is that of a whole institution, one of a single patient; the others are noise of the same width.
_NUMBERS = """
INSERT INTO contact_point (tenant_id, id, patient_id, holder, relation, name, number_cipher, number_index,
                           number_masked, position)
SELECT p.tenant_id, uuidv7(), p.id, 'patient', 'self', p.name, decode(md5('c' || p.id), 'hex'),
       CASE WHEN p.record_number = :one THEN CAST(:phone AS bytea)
            WHEN p.record_number LIKE '%00' AND p.record_number < :many THEN CAST(:shared AS bytea)
            ELSE sha256(convert_to('i' || p.id, 'UTF8')) END,
       '138****' || right(p.record_number, 4), 1
FROM patient p WHERE p.tenant_id = :tenant_id
"""
_STAYS = """
INSERT INTO encounter (tenant_id, id, patient_id, department_id, kind, record_number, admission_count, ward,
                       doctor, diagnosis, diagnosis_code, admitted_on, discharged_on, content_digest,
                       created_at, updated_at)
SELECT p.tenant_id, uuidv7(), p.id, d.id, 'inpatient', p.record_number, 1, '3病区', '', '', '',
       date '2026-09-01', date '2026-09-08', '', :now, :now
FROM patient p JOIN department d ON d.tenant_id = p.tenant_id
WHERE p.tenant_id = :tenant_id
"""


@dataclass(frozen=True, slots=True)
class Search:
    """What is typed, and how often it is there."""

    by: str
    common: str
    rare: str


SEARCHES = (
    Search("a name", "王", "段博诚"),
    Search("pinyin initials", "w", "dbc"),
    Search("a record number", "BA0", "BA00000420"),
    Search("a telephone number", SHARED, PHONE),
)


def measure(place: Place, firm: BenchFirm, rows: int) -> list[Figure]:
    """Fill one hospital with this many patients, and search it by everything that can be typed."""
    tenant_id = firm.queue[-1]
    with step(f"Load {rows:,} patients of one hospital"):
        load(place.db, firm, tenant_id, rows)
        place.tidy(*LOADED)
    with step(f"Search {rows:,} patients, {ROUNDS} times each, {PAGES} pages"):
        return [_figure(place.db, firm, tenant_id, search, rows) for search in SEARCHES]


def load(db: Database, firm: BenchFirm, tenant_id: UUID, rows: int) -> None:
    """The patients, each with a number and a stay, by three statements."""
    with db.hospital(firm.hospital_scope(tenant_id)) as session:
        key = data_key(session)
        common: dict[str, Any] = {"tenant_id": tenant_id, "now": NOW}
        people = {
            "rows": rows,
            "surnames": len(SURNAMES),
            "given": len(GIVEN),
            "surname": list(SURNAMES),
            "surname_initial": [initials_of(character) for character in SURNAMES],
            "name": list(GIVEN),
            "initial": [initials_of(character) for character in GIVEN],
        }
        numbers = {
            "one": "BA00000420",
            "many": "BA00500000",
            "phone": key.blind_index(PHONE),
            "shared": key.blind_index(SHARED),
        }
        session.execute(text(_PATIENTS), common | people)
        session.execute(text(_NUMBERS), {"tenant_id": tenant_id} | numbers)
        session.execute(text(_STAYS), common)


def _figure(db: Database, firm: BenchFirm, tenant_id: UUID, search: Search, rows: int) -> Figure:
    times = {
        typed: [_page(db, firm, tenant_id, typed, page) for _ in range(ROUNDS) for page in range(PAGES)]
        for typed in (search.common, search.rare)
    }
    late = {typed: percentile(taken, 0.95) for typed, taken in times.items()}
    worst = max(late.values())
    return Figure(
        f"search by {search.by} among {rows:,}",
        shown(worst),
        f"< {shown(GOAL)}",
        worst < GOAL,
        f"often {shown(late[search.common])}, seldom {shown(late[search.rare])} (p95)",
    )


def _page(db: Database, firm: BenchFirm, tenant_id: UUID, typed: str, page: int) -> float:
    """Seconds in the database for the first, second or third page of a search."""
    after = None
    with db.hospital(firm.hospital_scope(tenant_id)) as session:
        for _ in range(page):
            after = queries.patients(session, typed, after=after).after or after
        with in_database(db) as spent:
            queries.patients(session, typed, after=after)
    return sum(spent)


@contextmanager
def in_database(db: Database) -> Iterator[list[float]]:
    """How long each statement takes until its rows are there."""
    spent: list[float] = []
    started: list[float] = []

    def before(*_: Any) -> None:
        started.append(perf_counter())

    def after(*_: Any) -> None:
        spent.append(perf_counter() - started.pop())

    engine = db.bind
    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    try:
        yield spent
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)
