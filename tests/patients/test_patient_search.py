"""Finding a patient: by every way in which somebody is asked for, page after page, within one hospital."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from world import NOW, World

from foundation.database import HospitalSession
from foundation.ids import new_id
from patients import queries, searching
from patients.initials import initials_of
from patients.models import RecordAlias
from tenants.keys import data_key

IDENTITY = "110101197005010013"
MANY_PATIENTS = """
    INSERT INTO patient (tenant_id, id, record_number, name, initials, contact_state, created_at, updated_at)
    SELECT :tenant, uuidv7(), 'Q' || n, chr(20000 + n), chr(97 + n % 26), 'reachable', :now, :now
    FROM generate_series(1, 5000) AS n
"""


def found(session: HospitalSession, typed: str) -> list[str]:
    """Record numbers of all that a search finds, in its order, a small page at a time."""
    lines: list[str] = []
    after: UUID | None = None
    while True:
        page = queries.patients(session, typed, after=after, limit=3)
        lines += [line.record_number for line in page.lines]
        if page.after is None:
            return lines
        after = page.after


def named(world: World, session: HospitalSession, record: str, name: str, **changes: Any) -> UUID:
    return world.patient(session, record_number=record, name=name, initials=initials_of(name), **changes).id


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("张三", ["B2", "B1"]),
        ("张三丰", ["B1"]),
        ("张**", ["B2", "B1"]),
        ("张＊＊", ["B2", "B1"]),
        ("张*丰", ["B1"]),
        ("zs", ["B2", "B1"]),
        ("ZSF", ["B1"]),
        ("ｚｓｆ", ["B1"]),
        ("sly", ["C1"]),
        ("b", ["B1", "B2"]),
        ("B1", ["B1"]),
        ("139 7777 8888", ["C1"]),
        (IDENTITY, ["C1"]),
        ("old-7", ["B2"]),
        ("%", []),
        ("_", []),
        ("*", []),
        ("三", []),
        ("wang", ["D1"]),
        ("Wang", ["D1"]),
    ],
)
def test_a_patient_is_found_by_whatever_is_at_hand(world: World, typed: str, expected: list[str]) -> None:
    with world.hospital(world.heqing) as session:
        key = data_key(session)
        named(world, session, "B1", "张三丰")
        second = named(world, session, "B2", "张三")
        named(
            world,
            session,
            "C1",
            "单丽颖",
            phone="13977778888",
            id_number_cipher=key.encrypt(IDENTITY),
            id_number_index=key.blind_index(IDENTITY),
        )
        named(world, session, "D1", "Wang Anna")
        for record, name, gone in (("X1", "张三", "restricted_at"), ("X2", "张三", "merged_at")):
            named(world, session, record, name, phone="13977778888", **{gone: NOW})
        session.add(
            RecordAlias(
                tenant_id=session.tenant_id,
                id=new_id(),
                patient_id=second,
                record_number="OLD-7",
                why="merge",
                created_at=NOW,
            )
        )
        session.flush()
        assert found(session, typed) == expected


def test_pages_of_a_search_show_everybody_once(world: World) -> None:
    """Some are meant by their record number and their initials, many have one name: nobody twice or lost."""
    with world.hospital(world.yunling) as session:
        named(world, session, "WX0", "王小明", phone="13977778888")
    with world.hospital(world.heqing) as session:
        for number in range(7):
            named(world, session, f"WX{number}", "王晓", phone="13977778888")
            named(world, session, f"A{number}", "王晓")
            named(world, session, f"Z{number}", "文西雅")
        records = [f"WX{n}" for n in range(7)]
        others = [*(f"Z{n}" for n in range(6, -1, -1)), *(f"A{n}" for n in range(6, -1, -1))]
        names = [f"A{n}" for n in range(6, -1, -1)]
        assert found(session, "wx") == records + names + [record for record in others if record[0] == "Z"]
        assert found(session, "13977778888") == records[::-1]
        assert found(session, "王晓") == [record for n in range(6, -1, -1) for record in (f"A{n}", f"WX{n}")]


def test_a_search_walks_an_index_and_never_the_table(engine_world: World, owner_engine: Engine) -> None:
    """As the runtime role: what leaks nothing may use the index even under row-level security."""
    # As many as make one index worth more than another: of an empty table each is as good.
    for hospital in (engine_world.heqing, engine_world.yunling):
        with engine_world.hospital(hospital) as session:
            session.execute(text(MANY_PATIENTS), {"tenant": session.tenant_id, "now": NOW})
    with owner_engine.begin() as owner:
        owner.execute(text("ANALYZE patient"))
    with engine_world.hospital(engine_world.heqing) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        for index, typed in (
            ("ix_patient_name", "王"),
            ("ix_patient_initials", "w"),
            ("ix_patient_record_number", "R0"),
            ("ix_contact_point_number", "13977778888"),
        ):
            walks = searching.searched(session, typed, after=None, limit=51)
            assert walks is not None
            connection = session.connection()
            said = walks.compile(connection, compile_kwargs={"render_postcompile": True})
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {said}", said.params).scalars())
            assert index in plan, plan
            assert "Seq Scan" not in plan


@given(st.text(min_size=1, max_size=4), st.text(max_size=3))
def test_a_range_holds_exactly_what_begins_so(prefix: str, rest: str) -> None:
    bound = searching.upper_bound(prefix)
    longer = (prefix + rest).encode("utf-8", "surrogatepass")
    assert bound is None or longer < bound.encode("utf-8", "surrogatepass")
    if bound is not None:
        assert bound > prefix
        assert not bound.startswith(prefix)


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("王小明", "wxm"),
        ("单晓曾", "sxc"),
        ("解仇查", "xcc"),
        ("欧阳建国", "oyjg"),
        ("尉迟恭", "ycg"),
        ("万俟卨", "mqx"),
        ("长孙无忌", "zswj"),
        ("翟乐", "zl"),
        ("乐嘉", "yj"),
        ("区志航", "ozh"),
        ("朴槿惠", "pjh"),
        ("Wang Li", "wangli"),
        ("", ""),
    ],
)
def test_initials_follow_the_reading_of_family_names(name: str, initials: str) -> None:
    assert initials_of(name) == initials


def test_the_indexes_that_a_search_walks_are_there(world: World) -> None:
    """`careloop migrate --check` does not compare them: a server of collation "C" forgets to name it."""
    with world.hospital(world.heqing) as session:
        known = set(session.scalars(text("SELECT indexname FROM pg_indexes WHERE tablename = 'patient'")))
    assert {"ix_patient_name", "ix_patient_initials", "ix_patient_record_number"} <= known
