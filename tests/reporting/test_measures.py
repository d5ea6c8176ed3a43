"""The measures of a month on data small enough to count by hand, with another hospital's rows beside them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from feedback_cases import case_of
from hypothesis import given
from hypothesis import strategies as st
from reporting_rows import SEPTEMBER, answered, contact, sampled, stay_of
from world import NOW, World

from feedback.service import acknowledge, mark_handled, record_callback
from foundation.database import HospitalSession
from foundation.ids import new_id
from patients.models import Encounter, Patient
from patients.suppression import lift, suppress
from reporting.core import freeze_of, period
from reporting.figures import Figure, MonthFigures, Problem, freeze, mean, rate, share, thaw
from reporting.heat import heat_table
from reporting.measures import month_figures


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def of(figure: Figure) -> tuple[int | None, int]:
    return figure.numerator, figure.denominator


@pytest.fixture(autouse=True)
def _neighbour(world: World) -> None:
    """The other hospital is busy as well: none of it may be seen."""
    with world.hospital(world.yunling) as session:
        for _ in range(12):
            patient = world.patient(session)
            answered(session, patient, 20)
            contact(session, patient, "completed", dials=[True])
            case_of(session, patient, world.agent)


def september(session: HospitalSession, cut: datetime | None = None) -> MonthFigures:
    session.expire_all()
    return month_figures(session, SEPTEMBER, cut=cut)


# -------------------------------------------------------------------------------------------- collection


def test_collection_counts_a_stay_once_and_leaves_the_suppressed_out_of_both_sides(world: World) -> None:
    with world.hospital(world.heqing) as session:
        people = [world.patient(session, discharged_on=date(2026, 9, day)) for day in (1, 10, 20, 30)]
        world.patient(session, discharged_on=date(2026, 8, 31))
        world.patient(session, discharged_on=date(2026, 10, 1))
        assert of(september(session).collection) == (0, 4)
        answered(session, people[0], 80)
        case_of(session, people[0], world.agent)
        case_of(session, people[1], world.agent)
        answered(session, people[2], 80, state="partial")
        figures = september(session)
        assert of(figures.collection) == (2, 4)
        assert (figures.collection.target, figures.collection.met) == (0.95, False)
        stopped = suppress(session, people[1].id, "refused", note="", source="test", now=NOW)
        assert of(september(session).collection) == (1, 3)
        lift(session, stopped.id, now=at("2026-12-01 10:00"))
        assert of(september(session).collection) == (1, 3), "what was true at the cut stays true"


def test_feedback_counts_until_the_freeze_and_the_next_report_shows_what_came_later(world: World) -> None:
    with world.hospital(world.heqing) as session:
        people = [world.patient(session, discharged_on=date(2026, 9, 29)) for _ in range(3)]
        answered(session, people[0], 80, at=at("2026-10-03 17:59"))
        answered(session, people[1], 80, at=at("2026-10-03 18:00"))
        figures = september(session)
        assert of(figures.collection) == (1, 3)
        assert figures.leading.index.denominator == 0, "answers belong to the month in which they were given"
        october = month_figures(session, date(2026, 10, 1))
        assert of(october.collection_before) == (2, 3)
        assert october.leading.index.denominator == 2


def test_outpatients_count_as_drawn(world: World) -> None:
    with world.hospital(world.heqing) as session:
        visitors = [world.patient(session, kind="outpatient", enrolled=False) for _ in range(5)]
        sampled(session, visitors[:2], drawn_at=at("2026-09-30 23:59"))
        answered(session, visitors[0], 60)
        answered(session, visitors[4], 60)
        world.patient(session)
        figures = september(session)
        assert of(figures.collection_outpatient) == (1, 2)
        assert of(figures.collection_inpatient) == (0, 1)
        assert of(figures.collection) == (1, 3)


# ------------------------------------------------------------------------------------------ satisfaction


def test_index_and_satisfied_share_are_two_numbers_and_audiences_stay_apart(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for index, overall in zip(
            [70] * 5 + [90] * 5, [60, 60, 80, 80, 80, 100, 100, 100, 100, 100], strict=True
        ):
            answered(session, world.patient(session), index, overall=overall)
        for _ in range(3):
            answered(session, world.patient(session, kind="outpatient"), 10)
        figures = september(session)
    inpatient, outpatient = figures.satisfaction
    assert (inpatient.index.denominator, inpatient.index.value) == (10, 80)
    assert inpatient.index.sd == pytest.approx(10.540926)
    assert (inpatient.index.low, inpatient.index.high) == pytest.approx((73.466787, 86.533213))
    assert of(inpatient.satisfied) == (8, 10)
    assert (inpatient.satisfied.low, inpatient.satisfied.high) == pytest.approx((0.4901625, 0.9433178))
    assert (outpatient.index.withheld, outpatient.index.denominator) == ("too_few_answers", 3)
    assert outpatient.satisfied.numerator is None, "a hidden share would be known from its numerator"


def test_a_department_with_nine_answers_is_hidden_and_one_with_ten_shown(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for department, n in (("骨科", 10), ("儿科", 9)):
            for _ in range(n):
                answered(session, world.patient(session, department=department), 80)
        figures = september(session)
    by_name = {row.zh: row.figure for row in figures.leading.departments}
    assert (by_name["骨科"].value, by_name["骨科"].withheld) == (80, None)
    hidden = by_name["儿科"]
    assert (hidden.value, hidden.low, hidden.withheld, hidden.denominator) == (
        None,
        None,
        "too_few_answers",
        9,
    )
    assert sum(figure.denominator for figure in by_name.values()) == figures.leading.index.denominator
    dimensions = {row.code: row.figure.denominator for row in figures.leading.dimensions}
    assert dimensions == {"doctors": 19, "overall": 19}


def test_the_month_begins_and_ends_at_midnight_in_china(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for moment in ("2026-08-31 23:59:59", "2026-09-01 00:00", "2026-09-30 23:59:59", "2026-10-01 00:00"):
            answered(session, world.patient(session), 80, at=at(moment))
        assert september(session).leading.index.denominator == 2


# ------------------------------------------------------------------------------------------------- cases


def test_first_response_in_24_hours_and_the_tiers_own_limit_are_two_numbers(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for tier, hours in ((1, 24), (2, 12), (2, 13), (2, 25)):
            case = case_of(session, world.patient(session), world.agent, NOW, tier=tier)
            owner = "agent" if tier == 1 else "department_head"
            acknowledge(session, case.id, actor=world.admin, now=NOW + timedelta(hours=hours), owner=owner)
        case_of(session, world.patient(session), world.agent, NOW)
        figures = september(session)
    assert of(figures.response24) == (3, 5)
    assert of(figures.tier) == (2, 5)


def test_a_case_whose_24_hours_still_run_is_no_failure_yet(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case_of(session, world.patient(session), world.agent, NOW)
        running = september(session, cut=NOW + timedelta(hours=5))
        assert running.response24.withheld == "nothing_counted"
        over = september(session, cut=NOW + timedelta(hours=24))
        assert of(over.response24) == (0, 1)


def test_cases_opened_closed_in_time_and_the_satisfaction_with_the_handling(world: World) -> None:
    hour = timedelta(hours=1)
    with world.hospital(world.heqing) as session:
        in_time, late, again, overdue = (
            case_of(session, world.patient(session), world.agent, NOW, tier=2) for _ in range(4)
        )
        for case, begun in ((in_time, hour), (late, 13 * hour), (again, hour)):
            acknowledge(session, case.id, actor=world.admin, now=NOW + begun, owner="department_head")
            mark_handled(session, case.id, actor=world.admin, note="已整改", now=NOW + begun + hour)
        for case, level in ((in_time, 4), (late, 6), (again, 3)):
            record_callback(session, case.id, level, actor=world.agent, note="", now=NOW + 20 * hour)
        figures = september(session)
        assert overdue.stage == "received"
    cases = figures.cases
    assert (cases.opened, cases.closed, cases.open, cases.overdue, cases.rounds) == (4, 2, 2, 2, 1)
    assert of(cases.in_time) == (1, 2)
    assert of(figures.handling) == (2, 3)
    assert cases.opened == cases.closed + cases.open


def test_complaints_are_counted_on_a_thousand_encounters(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patients = [world.patient(session) for _ in range(3)] + [world.patient(session, kind="outpatient")]
        case_of(session, patients[0], world.agent, tier=3)
        case_of(session, patients[1], world.agent, tier=1)
        figures = september(session)
    assert (figures.complaints.value, *of(figures.complaints)) == (250, 1, 4)
    assert (figures.encounters.inpatient, figures.encounters.outpatient) == (3, 1)


def test_top_problems_with_their_change(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        for tag, august, this in (("meals", 1, 4), ("parking", 3, 2), ("waiting", 2, 0)):
            for n in range(august):
                case_of(session, patient, world.agent, at(f"2026-08-{n + 10} 10:00"), tag=tag, tier=1)
            for n in range(this):
                case_of(session, patient, world.agent, at(f"2026-09-{n + 10} 10:00"), tag=tag, tier=1)
        figures = september(session)
    assert [(p.tag, p.count, p.before) for p in figures.problems] == [
        ("meals", 4, 1),
        ("parking", 2, 3),
        ("waiting", 0, 2),
    ]
    assert figures.problems[0].zh == "饭菜问题"
    assert [(c.department, c.tag, c.count) for c in figures.heat.cells] == [("骨科", "meals", 4)]


# ---------------------------------------------------------------------------------------------- contacts


def test_the_parts_of_the_contacts_sum_and_calls_give_the_reach(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for state, dials in (
            ("completed", [False, True]),
            ("completed", [True]),
            ("partial", [True]),
            ("unreachable", [False] * 5),
            ("refused", [True]),
            ("expired", []),
            ("open", []),
            ("cancelled", []),
        ):
            contact(session, world.patient(session), state, dials=dials)
        edge = at("2026-10-01 00:00")
        contact(session, world.patient(session), "completed", due_at=edge, closed_at=edge + timedelta(days=1))
        contact(session, world.patient(session), "completed", due_at=edge + timedelta(seconds=1))
        told = september(session).contacts
    assert (told.planned, told.cancelled, told.attempted) == (8, 1, 5)
    parts = told.completed, told.partial, told.unreachable, told.refused, told.missed, told.open
    assert parts == (2, 1, 1, 1, 1, 2), "due at the last midnight is the month's; closed after it, still open"
    assert sum(parts) == told.planned
    assert of(told.reach) == (4, 10)
    assert (told.dials.value, *of(told.dials)) == (5, 10, 2)


def test_follow_up_counts_an_admission_once_in_its_own_month(world: World) -> None:
    """The test of regulation C7."""
    with world.hospital(world.heqing) as session:
        four_times, later, died, none = (
            world.patient(session, discharged_on=date(2026, 9, 25)) for _ in range(4)
        )
        for _ in range(4):
            contact(session, four_times, "completed")
        again = _readmitted(session, four_times, date(2026, 9, 28))
        contact(session, later, "completed", due_at=at("2026-11-20 10:00"))
        suppress(session, died.id, "deceased", note="", source="test", now=NOW)
        figures = september(session, cut=at("2026-12-31 18:00"))
        assert of(figures.follow_up.all) == (2, 5)
        assert of(figures.follow_up.living) == (2, 4)
        assert of(september(session).follow_up.all) == (1, 5), "as the report of September knew it"
        october = month_figures(session, date(2026, 10, 1), cut=at("2026-12-31 18:00"))
        assert of(october.follow_up.before) == (2, 5)
        assert {none.id, again.patient_id} <= {p.id for p in (four_times, later, died, none)}


def _readmitted(session: HospitalSession, patient: Patient, discharged_on: date) -> Encounter:
    first = stay_of(session, patient)
    second = Encounter(
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient.id,
        department_id=first.department_id,
        kind="inpatient",
        record_number=first.record_number,
        admission_count=2,
        ward="",
        doctor="",
        diagnosis="",
        diagnosis_code="",
        discharged_on=discharged_on,
        content_digest=b"",
        created_at=NOW,
        updated_at=NOW,
    )
    session.add(second)
    session.flush()
    return second


# ------------------------------------------------------------------------------------------------- trend


def test_the_trend_begins_with_the_first_month_and_shows_a_gap_as_a_gap(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for month in (6, 6, 8, 9):
            patient = world.patient(session, discharged_on=date(2026, month, 5))
            for _ in range(10):
                answered(session, patient, 70 + month, at=at(f"2026-{month:02d}-15 10:00"))
        figures = september(session)
    assert [(m.month.month, m.index.value) for m in figures.trend] == [(6, 76), (7, None), (8, 78), (9, 79)]
    assert figures.trend[1].index.withheld == "nothing_counted"
    assert figures.trend[-1].index == figures.leading.index


def test_a_closed_month_asked_again_gives_the_same_numbers(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, discharged_on=date(2026, 9, 20))
        answered(session, patient, 80)
        case = case_of(session, patient, world.agent, at("2026-09-29 12:00"))
        contact(session, patient, "open", due_at=at("2026-09-30 12:00"))
        before = september(session)
        late = freeze_of(SEPTEMBER)
        acknowledge(session, case.id, actor=world.admin, now=late, owner="department_head")
        answered(session, world.patient(session, discharged_on=date(2026, 9, 21)), 20, at=late)
        suppress(session, patient.id, "cured", note="", source="test", now=late)
        after = september(session)
    assert freeze(after.cases) == freeze(before.cases)
    assert (after.response24, after.tier, after.satisfaction) == (
        before.response24,
        before.tier,
        before.satisfaction,
    )
    assert of(after.collection) == (1, 2)
    assert thaw(freeze(after), MonthFigures) == after


def test_the_freeze_is_day_three_at_six_in_the_evening() -> None:
    assert freeze_of(date(2026, 12, 15)).isoformat() == "2027-01-03T18:00:00+08:00"
    one = period(date(2026, 9, 15))
    assert (one.starts, one.ends) == (at("2026-09-01 00:00"), at("2026-10-01 00:00"))


# ------------------------------------------------------------------------------------------ plain values


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 40))
def test_a_share_lies_in_its_interval_or_is_hidden_with_its_numerator(a: int, b: int, hide: int) -> None:
    hits, n = min(a, b), max(a, b)
    figure = share(hits, n, hide_below=hide)
    if n == 0 or n < hide:
        assert figure.withheld in {"nothing_counted", "too_few_answers"}
        assert (figure.value, figure.numerator, figure.low, figure.high) == (None, None, None, None)
    else:
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        assert 0 <= figure.low <= figure.value <= figure.high <= 1
    with pytest.raises(ValueError, match="is no share"):
        share(n + 1, n)


@given(st.integers(0, 60), st.floats(0, 100), st.floats(0, 50))
def test_a_mean_of_few_answers_is_hidden(n: int, value: float, sd: float) -> None:
    figure = mean(n, value, sd)
    assert (figure.value is None) == (n < 10)
    if figure.value is not None and figure.low is not None and figure.high is not None:
        assert 0 <= figure.low <= figure.high <= 100


def test_a_rate_of_nothing_is_no_zero() -> None:
    assert rate(0, 0, per=1000).withheld == "nothing_counted"
    assert rate(3, 1500, per=1000).value == 2


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("ABCDE"), st.sampled_from(["x", "y", "z"])), st.integers(0, 9), max_size=15
    )
)
def test_no_hidden_cell_of_the_heat_table_follows_from_the_totals(counts: dict[tuple[str, str], int]) -> None:
    totals = {tag: sum(n for (_, t), n in counts.items() if t == tag) for tag in "xyz"}
    problems = [
        Problem(tag, tag, tag, n, 0) for tag, n in sorted(totals.items(), key=lambda x: (-x[1], x[0])) if n
    ]
    heat = heat_table(counts, problems)
    for problem in heat.tags:
        column = [cell for cell in heat.cells if cell.tag == problem.tag]
        shown = [cell.count for cell in column if cell.count is not None]
        assert all(n >= heat.minimum for n in shown)
        hidden = len(column) - len(shown)
        left = problem.count - sum(shown)
        if hidden:
            assert hidden > 1
            assert left > hidden, "all ones would be known"
    assert len(heat.tags) + heat.tags_left_out == len(problems)
