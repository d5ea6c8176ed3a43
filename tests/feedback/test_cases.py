"""Cases: numbers, clocks, first receiver, who may act, and what an export of them says."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from feedback_cases import LATER, case_of, clocks, handled_case, log_of, member, new_case
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from world import NOW, World

from feedback import hooks
from feedback.clock import DEFAULT_POLICY
from feedback.errors import CaseRefused, UnknownCase
from feedback.figures import case_figures, timely_24h
from feedback.models import FeedbackCase
from feedback.service import (
    acknowledge,
    add_progress,
    hand_to_medical_affairs,
    mark_handled,
    meet,
    open_case,
    record_callback,
    record_plan,
)
from foundation import audit
from foundation.calendar import SHANGHAI
from outreach.models import ContactTask
from patients.suppression import lift, suppress
from tenants.keys import data_key


@pytest.fixture(autouse=True)
def _wired() -> None:
    hooks.register()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def refusal(error: pytest.ExceptionInfo[CaseRefused]) -> str:
    return error.value.reason


# Seven days would end on the 22nd; five working days end on Monday 21st, because Sunday 20th is worked.
LAW = "2026-09-21 23:59:59.999999"


def test_numbers_run_by_hospital_and_month(world: World) -> None:
    with world.hospital(world.heqing) as session:
        numbers = [open_case(session, new_case(text=t), actor=world.agent, now=NOW).number for t in "abc"]
        october = at("2026-10-01 00:05").astimezone(UTC)
        numbers.append(open_case(session, new_case(), actor=world.agent, now=october).number)
    assert numbers == ["FK-2609-0001", "FK-2609-0002", "FK-2609-0003", "FK-2610-0001"]
    with world.hospital(world.yunling) as session:
        other = open_case(session, new_case(), actor=world.agent, now=NOW)
        assert other.number == "FK-2609-0001"
        assert session.scalars(select(FeedbackCase.id)).all() == [other.id]


def test_cases_written_at_the_same_time_get_numbers_without_a_gap(engine_world: World) -> None:
    world = engine_world

    def write(n: int) -> str:
        with world.hospital(world.heqing if n % 2 else world.yunling) as session:
            return open_case(session, new_case(text=f"第 {n} 条"), actor=world.agent, now=NOW).number

    with ThreadPoolExecutor(8) as pool:
        numbers = sorted(pool.map(write, range(24)))
    assert numbers == sorted([f"FK-2609-{n:04d}" for n in range(1, 13)] * 2)


def test_a_double_submit_is_one_case(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        first = case_of(session, patient, world.agent)
        again = case_of(session, patient, world.agent, NOW + timedelta(seconds=20))
        other_words = case_of(session, patient, world.agent, NOW, text="护士不耐心")
        next_day = case_of(session, patient, world.agent, NOW + timedelta(days=1))
        assert again.id == first.id
        assert len({first.id, other_words.id, next_day.id}) == 3
        assert log_of(session, first) == ["received"]
    with world.hospital(world.yunling) as session:
        assert open_case(session, new_case(), actor=world.agent, now=NOW).id != first.id


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        (1, {"ack": "2026-09-16 10:00", "direction": LAW}),
        (2, {"ack": "2026-09-15 22:00", "plan": "2026-09-18 10:00", "confirm": "2026-09-20 10:00"}),
        (
            3,
            {
                "emergency": "2026-09-15 11:00",
                "investigate": "2026-09-16 10:00",
                "plan": "2026-09-18 10:00",
                "resolve": LAW,
            },
        ),
    ],
)
def test_the_tier_sets_the_clocks_and_each_says_why(
    world: World, tier: int, expected: dict[str, str]
) -> None:
    with world.hospital(world.heqing) as session:
        case = open_case(session, new_case(tier=tier), actor=world.agent, now=NOW)
        found = clocks(session, case)
        assert {kind: clock.due_at for kind, clock in found.items()} == {
            kind: at(text) for kind, text in expected.items()
        }
        rules = {rule.kind: rule for rule in DEFAULT_POLICY.rules if rule.tier == tier}
        for kind, clock in found.items():
            assert clock.source == rules[kind].source  # type: ignore[index]
            assert datetime.fromisoformat(clock.explanation["starts_at"]) == NOW
            assert clock.explanation["policy_version"] == "default-1"
            assert tuple(clock.explanation["owners"]) == rules[kind].owners  # type: ignore[index]


def test_the_words_are_encrypted_and_stand_in_no_audit_event(world: World) -> None:
    words = "护士说话很难听"
    with world.hospital(world.heqing) as session:
        case = open_case(session, new_case(text=words), actor=world.agent, now=NOW)
        add_progress(session, case.id, "已向张女士说明", actor=world.agent, now=LATER)
        assert words.encode() not in case.text_cipher
        assert data_key(session).decrypt(case.text_cipher) == words
        for event in session.scalars(select(audit.AuditEvent)):
            assert not re.search("难听|张女士", f"{event.subject}{event.reason}{event.detail}")
        assert case.first_receiver == "李敏"
        assert case.first_receiver_id == world.agent.id


def test_an_agent_who_tells_the_patient_on_the_call_has_acknowledged_general_feedback(world: World) -> None:
    with world.hospital(world.heqing) as session:
        told = open_case(session, new_case(tier=1, told=True), actor=world.agent, now=NOW)
        important = open_case(session, new_case(text="护士不耐心", told=True), actor=world.agent, now=NOW)
        assert clocks(session, told)["ack"].met_at == NOW
        assert told.responded_at == NOW
        assert clocks(session, important)["ack"].met_at is None
        assert important.responded_at is None


def test_the_first_acknowledgement_meets_the_limit_and_is_the_response(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = open_case(session, new_case(), actor=world.agent, now=NOW)
        acknowledge(session, case.id, actor=world.admin, now=LATER)
        acknowledge(session, case.id, actor=world.admin, now=LATER + timedelta(hours=1))
        assert clocks(session, case)["ack"].met_at == LATER
        assert case.responded_at == LATER
        assert case.stage == "in_hand"
        assert log_of(session, case) == ["received", "acknowledged"]


def test_a_complaint_needs_both_owners_and_they_are_two_people(world: World) -> None:
    with world.hospital(world.heqing) as session:
        head = member(session, "department_head", "孙主任", tenant_id=world.heqing.tenant_id)
        case = open_case(session, new_case(tier=3), actor=world.agent, now=NOW)
        with pytest.raises(CaseRefused) as unsaid:
            acknowledge(session, case.id, actor=world.admin, now=LATER)
        acknowledge(session, case.id, actor=world.admin, now=LATER, owner="complaint_officer")
        assert clocks(session, case)["emergency"].met_at is None
        with pytest.raises(CaseRefused) as alone:
            acknowledge(session, case.id, actor=world.admin, now=LATER, owner="department_head")
        second = LATER + timedelta(minutes=3)
        acknowledge(session, case.id, actor=head, now=second, owner="department_head")
        assert clocks(session, case)["emergency"].met_at == second
        assert case.responded_at == LATER
    assert (refusal(unsaid), refusal(alone)) == ("not_an_owner", "two_people")


def test_a_plan_is_met_once_and_only_where_the_tier_has_one(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = open_case(session, new_case(), actor=world.agent, now=NOW)
        record_plan(session, case.id, actor=world.admin, note="两项措施", now=LATER)
        record_plan(session, case.id, actor=world.admin, note="补充", now=LATER + timedelta(days=9))
        assert clocks(session, case)["plan"].met_at == LATER
        for kind in ("investigate", "confirm"):
            with pytest.raises(CaseRefused) as error:
                meet(session, case.id, kind, actor=world.admin, note="", now=LATER)
            assert refusal(error) == "no_such_clock"


def test_general_feedback_is_closed_by_its_answer_without_a_callback(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world, tier=1)
        assert (case.stage, case.close_reason) == ("closed", "answered")
        assert clocks(session, case)["direction"].met_at == LATER
        assert "callback" not in clocks(session, case)
        assert session.scalars(select(ContactTask)).all() == []
        with pytest.raises(CaseRefused) as error:
            add_progress(session, case.id, "再说一句", actor=world.admin, now=LATER)
    assert refusal(error) == "closed"


def test_handling_does_not_make_up_for_a_missing_owner(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = handled_case(session, world, tier=3)
        found = clocks(session, case)
        assert found["emergency"].met_at is None
        assert {found[kind].met_at for kind in ("investigate", "plan", "resolve")} == {LATER}


def test_a_medical_dispute_is_the_hospitals_own(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        case = case_of(session, patient, world.agent, medical_dispute=True)
        assert case.tier == 3
        for act in (
            lambda: add_progress(session, case.id, "已联系", actor=world.agent, now=LATER),
            lambda: mark_handled(session, case.id, actor=world.agent2, note="", now=LATER),
            lambda: hand_to_medical_affairs(session, case.id, actor=world.agent, note="", now=LATER),
        ):
            with pytest.raises(CaseRefused) as error:
                act()
            assert refusal(error) == "medical_affairs"
        office = member(session, "medical_affairs", "周医务", tenant_id=world.heqing.tenant_id)
        mark_handled(session, case.id, actor=office, note="调解完成", now=LATER)
        # The firm's agents do not call about a dispute.
        assert session.scalars(select(ContactTask)).all() == []
        assert "no_callback_task" in log_of(session, case)


def test_a_dispute_that_shows_later_leaves_the_agents_hands(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = open_case(session, new_case(), actor=world.agent, now=NOW)
        before = {kind: clock.due_at for kind, clock in clocks(session, case).items()}
        hand_to_medical_affairs(session, case.id, actor=world.agent, note="要求赔偿", now=LATER)
        assert {kind: clock.due_at for kind, clock in clocks(session, case).items()} == before
        # Somebody of another hospital is nobody here.
        stranger = member(session, "medical_affairs", "外院", tenant_id=world.yunling.tenant_id)
        for actor in (world.agent, stranger):
            with pytest.raises(CaseRefused):
                add_progress(session, case.id, "已联系", actor=actor, now=LATER)
        add_progress(session, case.id, "已联系", actor=world.admin, now=LATER)


def test_a_case_of_another_hospital_is_unknown(world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = open_case(session, new_case(), actor=world.agent, now=NOW)
    with world.hospital(world.yunling) as session, pytest.raises(UnknownCase):
        acknowledge(session, case.id, actor=world.agent, now=LATER)


def test_a_suppressed_patients_case_stays_open_and_its_log_says_so(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient, other = world.patient(session), world.patient(session)
        case = case_of(session, patient, world.agent)
        closed = case_of(session, patient, world.agent, tier=1, text="停车难")
        mark_handled(session, closed.id, actor=world.admin, note="", now=LATER)
        untouched = case_of(session, other, world.agent)
        row = suppress(session, patient.id, "hospital", source="card", now=LATER)
        lift(session, row.id, now=LATER + timedelta(hours=1))
        session.refresh(case)
        assert case.stage == "received"
        assert log_of(session, case) == ["received", "suppressed", "lifted"]
        assert log_of(session, untouched) == ["received"]
        assert "suppressed" not in log_of(session, closed)


def test_the_months_figures_count_each_case_once_and_no_other_hospital(world: World) -> None:
    end = NOW + timedelta(days=3)
    with world.hospital(world.yunling) as session:
        open_case(session, new_case(), actor=world.agent, now=NOW)
    with world.hospital(world.heqing) as session:
        content = handled_case(session, world)
        record_callback(session, content.id, 2, actor=world.agent2, note="没人道歉", now=LATER)
        mark_handled(session, content.id, actor=world.admin, note="已道歉", now=LATER)
        record_callback(session, content.id, 5, actor=world.agent2, note="", now=LATER)
        unanswered = handled_case(session, world, tier=3)
        record_callback(session, unanswered.id, None, actor=world.agent2, note="", now=end)
        case_of(session, world.patient(session), world.agent, tag="parking", category="process", tier=1)
        before = NOW - timedelta(hours=1)
        handled_case(session, world, before, tier=1)
        found = case_figures(session, NOW, end, end)
        early = case_figures(session, NOW, end, LATER)
    assert (found.received, found.closed, found.pending, found.timely) == (3, 2, 0, 2)
    assert (early.pending, early.timely) == (1, 2)
    assert (found.callbacks, found.satisfied) == (2, 1)
    assert (found.tiers, found.categories) == ({1: 1, 2: 1, 3: 1}, {"service": 2, "process": 1})
    # Missed: the complaint's emergency process without its second owner, and the parking case's first answer.
    # The callback that could not be made is no limit missed.
    assert (found.limits_due, found.limits_kept) == (13, 11)


@given(
    after=st.timedeltas(timedelta(0), timedelta(days=3)), asked=st.timedeltas(timedelta(0), timedelta(days=3))
)
def test_a_response_is_timely_up_to_the_last_instant_of_the_day(after: timedelta, asked: timedelta) -> None:
    day = timedelta(hours=24)
    assert timely_24h(NOW, NOW + after, NOW + asked) is (after <= day)
    assert timely_24h(NOW, None, NOW + asked) is (None if asked <= day else False)
    assert timely_24h(NOW, NOW + day, NOW) is True
