"""A comparison of real rows: who sees which group, that nobody learns of another, and four eyes."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from python_calamine import CalamineWorkbook
from reporting_rows import SEPTEMBER, another_hospital, crowd
from sqlalchemy import select
from world import NOW, World

from foundation import files
from foundation.database import FirmSession
from foundation.languages import speaking
from foundation.outbox import OutboxMessage
from foundation.scope import Actor, FirmScope, HospitalScope
from reporting import benchmark
from reporting.benchmark import FourEyes, OutOfReach, UnknownRun, approve, results_of, store_files
from reporting.disclosure import Thresholds, differencing_conflicts
from reporting.figures import freeze
from reporting.member_report import MemberReport, member_pdf, member_view, member_xlsx
from reporting.models import BenchmarkReport, BenchmarkRun
from reporting.overview import overview_pdf, overview_view, overview_xlsx
from reporting.peers import Comparison, Member, Released, _set, compare, declared_groups
from tenants.keys import data_key
from tenants.models import FirmEvent

LIN = Actor("person", UUID(int=1), "何琳")
ZHENG = Actor("person", UUID(int=2), "郑总")


def firm(world: World, ids: Sequence[UUID], actor: Actor = LIN) -> AbstractContextManager[FirmSession]:
    return world.db.firm(FirmScope(world.firm_id, tuple(ids), actor, "test"))


@pytest.fixture
def six(world: World) -> list[UUID]:
    """Six hospitals of one city with twelve answers each; the means are 71, 72 … 76."""
    names = ("安平", "博望", "长宁", "东胜", "丰源")
    ids = [world.heqing.tenant_id]
    ids += [another_hospital(world, f"zz{place}x", f"{name}县人民医院") for place, name in enumerate(names)]
    for place, tenant_id in enumerate(ids):
        crowd(world, tenant_id, [66 + place, 76 + place] * 6)
    return ids


def index_groups(comparison: Comparison, tenant_id: UUID) -> dict[str, tuple[int, float | None, str | None]]:
    index = next(one for one in comparison.compared[str(tenant_id)] if one.measure == "index")
    return {group.level: (group.hospitals, group.mean, group.withheld) for group in index.groups}


# ------------------------------------------------------------------------------------- C11, item 12


def test_five_with_the_reader_are_withheld_six_are_shown_and_one_that_leaves_blocks_the_pair(
    world: World, six: list[UUID]
) -> None:
    with firm(world, six[:5]) as session:
        five = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
        groups = index_groups(results_of(five).comparison, six[0])
        assert set(groups.values()) == {(5, None, "too_few_hospitals")}
        session.delete(five)
    with firm(world, six) as session:
        whole = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
        groups = index_groups(results_of(whole).comparison, six[0])
        assert groups["prefecture"] == (6, 73.5, None)
        assert groups["national"] == (6, 73.5, None)
        assert (whole.hospitals, whole.version, whole.state) == (6, 1, "draft")
    with firm(world, six, ZHENG) as session:
        approve(session, whole.id, by="郑总", now=NOW)
    seventh = another_hospital(world, "zz9x", "高原市人民医院")
    crowd(world, seventh, [60, 90] * 6)
    with firm(world, [*six, seventh]) as session:
        joined = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
        assert joined.version == 2
        assert set(index_groups(results_of(joined).comparison, six[0]).values()) == {
            (7, None, "would_reveal")
        }, "seven minus six is the newcomer"
    with firm(world, [*six[:5], seventh]) as session:
        swapped = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
        assert {g[2] for g in index_groups(results_of(swapped).comparison, six[0]).values()} == {
            "would_reveal"
        }
    with firm(world, six[:5]) as session:
        left = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
        comparison = results_of(left).comparison
        assert comparison.released == []
        assert {g[2] for g in index_groups(comparison, six[0]).values()} == {"too_few_hospitals"}


def test_a_member_taken_out_of_a_released_month_blocks_what_is_left(world: World, six: list[UUID]) -> None:
    seventh = another_hospital(world, "zz9x", "高原市人民医院")
    crowd(world, seventh, [60, 90] * 6)
    with firm(world, [*six, seventh]) as session:
        whole = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
    with firm(world, [*six, seventh], ZHENG) as session:
        approve(session, whole.id, by="郑总", now=NOW)
    with firm(world, six) as session:
        left = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
        comparison = results_of(left).comparison
        assert set(index_groups(comparison, six[0]).values()) == {(6, None, "would_reveal")}
        assert comparison.released == []
        assert {one.reason for one in comparison.refused if one.measure == "index"} == {"would_reveal"}


def test_a_member_with_nine_answers_contributes_nothing_and_still_reads(
    world: World, six: list[UUID]
) -> None:
    small = another_hospital(world, "zz7x", "小川县医院")
    crowd(world, small, [99] * 9)
    with firm(world, [*six, small]) as session:
        comparison = results_of(benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)).comparison
    assert index_groups(comparison, small)["national"] == (6, 73.5, None)
    assert index_groups(comparison, six[0])["national"] == (6, 73.5, None)
    own = comparison.compared[str(small)][0].own
    assert (own.value, own.withheld, own.denominator) == (None, "too_few_answers", 9)


# ------------------------------------------------------------------------------------------- a member


def text_of(pdf: bytes) -> str:
    return "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def floats_of(values: object) -> set[float]:
    """Every fractional number anywhere in a frozen report."""
    if isinstance(values, float):
        return {values}
    inner = values.values() if isinstance(values, dict) else values if isinstance(values, list) else []
    return set().union(*(floats_of(one) for one in inner))


def cells_of(xlsx: bytes) -> str:
    book = CalamineWorkbook.from_filelike(io.BytesIO(xlsx))
    rows = [row for name in book.sheet_names for row in book.get_sheet_by_name(name).to_python()]
    return " ".join(str(cell) for row in rows for cell in row)


def test_nothing_of_another_hospital_stands_in_a_members_report(world: World, six: list[UUID]) -> None:
    """A11, item 13."""
    with firm(world, six) as session:
        made = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
        members = results_of(made).comparison.members
    with firm(world, six, ZHENG) as session:
        reports = approve(session, made.id, by="郑总", now=NOW)
    assert len(reports) == 6
    for report in reports:
        with world.db.hospital(HospitalScope(report.tenant_id, Actor.system("test"), "test")) as session:
            stored = store_files(session, report.id, now=NOW)
            assert stored.pdf_file_id is not None
            assert stored.xlsx_file_id is not None
            key = data_key(session)
            pdf = files.get(session, key, stored.pdf_file_id)[1]
            xlsx = files.get(session, key, stored.xlsx_file_id)[1]
            assert [row.id for row in session.scalars(select(BenchmarkReport))] == [report.id]
            again = store_files(session, report.id, now=NOW)
            assert again.pdf_file_id == stored.pdf_file_id
            known = benchmark.member_report(session, SEPTEMBER)
            assert known is not None
        told = known[1]
        parts = [text_of(pdf), cells_of(xlsx), str(stored.figures)]
        if report is reports[0]:
            parts.append(text_of(member_pdf(told, made_at=NOW, language="en")))
            parts.append(cells_of(member_xlsx(told, made_at=NOW, language="en")))
        everything = " ".join(parts)
        mine = str(report.tenant_id)
        for member in members:
            words = {member.name, member.code, "".join(member.name_en.split()), member.id}
            found = {word for word in words if word in everything}
            assert bool(found) == (member.id == mine), found
        for member in members:
            if member.id != mine:
                assert member.mean not in floats_of(stored.figures), "no other member's own value"


def test_a_members_pdf_and_workbook_say_the_numbers_of_its_page(world: World, six: list[UUID]) -> None:
    with firm(world, six) as session:
        made = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
    with firm(world, six, ZHENG) as session:
        approve(session, made.id, by="郑总", now=NOW)
    with world.hospital(world.heqing) as session:
        known = benchmark.member_report(session, SEPTEMBER)
        assert known is not None
        told = known[1]
    with speaking("zh_Hans"):
        view = member_view(told)
    text, cells = text_of(member_pdf(told, made_at=NOW)), cells_of(member_xlsx(told, made_at=NOW))
    assert "71.0" in view.sentence
    assert "均值 73.5" in view.sentence
    for part in (view.sentence, *(tile.value or tile.withheld for tile in view.tiles), *view.rules):
        assert "".join(part.split()) in text
    for row in [*view.measures.rows, *view.groups.rows]:
        for cell in row.values():
            if cell is not None:
                assert str(float(cell) if not isinstance(cell, str) else cell) in cells


# -------------------------------------------------------------------------------------------- the run


def test_the_same_month_run_again_is_the_same_run_whoever_was_asked_first(
    world: World, six: list[UUID]
) -> None:
    with firm(world, six) as session:
        first = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
    with firm(world, list(reversed(six))) as session:
        again = benchmark.run(session, SEPTEMBER, by="system", now=NOW)
        assert (again.id, again.version) == (first.id, 1)
        assert session.scalars(select(FirmEvent.action)).all() == ["benchmark.run"]
    crowd(world, six[0], [10], at=NOW.replace(day=17))
    with firm(world, six) as session:
        second = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
        assert (second.version, session.get_one(BenchmarkRun, (world.firm_id, first.id)).version) == (2, 1)
        assert [one.version for one in benchmark.runs(session)] == [2]
    with firm(world, six, ZHENG) as session, pytest.raises(ValueError, match="later version"):
        approve(session, first.id, by="郑总", now=NOW)


def test_who_ran_it_does_not_approve_it_and_approving_twice_is_once(world: World, six: list[UUID]) -> None:
    with firm(world, six) as session:
        made = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
    with firm(world, six) as session, pytest.raises(FourEyes):
        approve(session, made.id, by="何琳", now=NOW)
    with firm(world, six[:3], ZHENG) as session, pytest.raises(OutOfReach):
        approve(session, made.id, by="郑总", now=NOW)
    with firm(world, six, ZHENG) as session:
        once = approve(session, made.id, by="郑总", now=NOW)
        queued = session.scalars(select(OutboxMessage.job)).all()
        assert queued == ["reporting.benchmark_files"] * 6
        twice = approve(session, made.id, by="郑总", now=NOW)
        assert {row.id for row in twice} == {row.id for row in once}
        assert session.scalars(select(FirmEvent.action).order_by(FirmEvent.id)).all() == [
            "benchmark.run",
            "benchmark.approved",
        ]
        with pytest.raises(UnknownRun):
            approve(session, UUID(int=7), by="郑总", now=NOW)


def test_the_firm_sees_its_hospitals_by_name_with_their_intervals(world: World, six: list[UUID]) -> None:
    with firm(world, six) as session:
        made = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
    text, cells = text_of(overview_pdf(made)), cells_of(overview_xlsx(made))
    english = text_of(overview_pdf(made, language="en"))
    with speaking("zh_Hans"):
        view = overview_view(made)
    for member in results_of(made).comparison.members:
        assert member.name in text
        assert member.name in cells
        assert "".join(member.name_en.split()) in english
        row = next(row for row in view.hospitals.rows if row["name"] == member.name)
        assert f"{row['index']}" in text
        assert str(float(row["satisfied_low"])) in cells
    assert f"{made.withheld}" in text


# ------------------------------------------------------------------------------------------ the rules


def member(place: int, region: str, grade: str, brand: str, n: int) -> Member:
    """A hospital made of numbers, to try the rules on many shapes."""
    return Member(
        id=f"h{place}",
        code=f"c{place}",
        name=f"n{place}",
        name_en="",
        region=region,
        hospital_type="general",
        grade=grade,
        brand=brand,
        n=n,
        mean=70.0 + place % 9,
        sd=10.0,
        satisfied=n // 2,
        rated=n,
        collected=n // 3,
        served=n,
        answered=n,
        received=n,
    )


MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(["130100", "130123", "130500", "110101", "110105", "530100"]),
        st.sampled_from(["3A", "2A"]),
        st.sampled_from(["", "仁和"]),
        st.integers(0, 60),
    ),
    min_size=1,
    max_size=26,
)


@settings(max_examples=30, deadline=None)
@given(MEMBERS, st.integers(0, 2**20), st.data())
def test_every_release_passes_the_rules_against_all_releases_before_it(
    rows: list[tuple[str, str, str, int]], seed: int, data: st.DataObject
) -> None:
    members = [member(place, *row) for place, row in enumerate(rows)]
    earlier: list[Released] = []
    for _ in range(2):
        result = compare(members, earlier)
        for measure in ("index", "response24"):
            sets = [_set(one) for one in [*earlier, *result.released] if one.measure == measure]
            unique = list({(one.name, one.contributors): one for one in sets}.values())
            assert differencing_conflicts(unique) == []
        published = {(one.measure, one.level, one.key) for one in result.released}
        for results in result.compared.values():
            for one in results:
                for group in one.groups:
                    shown = group.mean is not None
                    assert shown == (group.withheld is None)
                    if shown:
                        assert (one.measure, group.level, group.key) in published
                        assert group.hospitals >= Thresholds().other_contributors
        earlier += result.released
        members = [one for one in members if data.draw(st.integers(0, 5)) != 0] or members
        random.Random(seed).shuffle(members)


@given(MEMBERS, st.integers(0, 2**20))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_members_changes_nothing(rows: list[tuple[str, str, str, int]], seed: int) -> None:
    members = [member(place, *row) for place, row in enumerate(rows)]
    shuffled = list(members)
    random.Random(seed).shuffle(shuffled)
    one, other = compare(members), compare(shuffled)
    assert one.compared == other.compared
    assert (one.withheld, one.released) == (other.withheld, other.released)


def test_a_municipality_is_one_city_and_a_hospital_without_brand_is_in_no_brand() -> None:
    members = [member(0, "110101", "3A", "", 20), member(1, "110105", "3A", "仁和", 20)]
    assert [(g.level, g.key, len(g.members)) for g in declared_groups(members)] == [
        ("national", "CN", 2),
        ("province", "11", 2),
        ("class", "general:3A", 2),
        ("brand", "仁和", 1),
    ]


def test_a_report_freezes_and_thaws_to_itself(world: World, six: list[UUID]) -> None:
    with firm(world, six) as session:
        made = benchmark.run(session, SEPTEMBER, by="何琳", now=NOW)
        session.expire_all()
        assert freeze(results_of(made)) == made.results
    assert MemberReport.__struct_fields__[:2] == ("month", "version")
