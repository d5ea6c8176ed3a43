"""Consent before the dial: withdrawn at t, not placed at t + 1 s, by the real draw and dial."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from world import NOW, World

from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach import calls, consent_hooks, facts, policy, queue
from outreach.errors import ContactRefused
from outreach.models import ContactTask
from outreach.outcomes import Outcome
from outreach.ranks import Rank
from outreach.tasks import TaskRequest, make_tasks
from patients import consent, consent_texts, number_blocks
from patients.models import Consent, ContactPoint

SECOND = timedelta(seconds=1)
LATER = NOW + timedelta(minutes=5)


@pytest.fixture(autouse=True)
def _wired() -> None:
    consent_hooks.register()


def make(session: HospitalSession, patient_id: UUID, **changes: Any) -> dict[str, int]:
    values: dict[str, Any] = {
        "patient_id": patient_id,
        "encounter_id": None,
        "kind": "revisit",
        "purpose": "care_followup",
        "source": "revisit",
        "source_id": new_id(),
        "label": {"zh": "回访", "en": "Revisit"},
        "rank": Rank.FIRST_CALL,
        "opens_at": NOW - timedelta(days=1),
        "due_at": NOW,
        "closes_at": NOW + timedelta(days=4),
    }
    return make_tasks(session, [TaskRequest(**values | changes)], NOW).refused


def task_of(session: HospitalSession, patient_id: UUID) -> ContactTask:
    return session.scalars(select(ContactTask).where(ContactTask.patient_id == patient_id)).one()


def point_of(session: HospitalSession, patient_id: UUID) -> UUID:
    return session.scalars(select(ContactPoint.id).where(ContactPoint.patient_id == patient_id)).one()


def test_a_queued_call_is_not_placed_a_second_after_the_withdrawal(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
        assert make(session, patient) == {}
        consent.withdraw(session, patient, purpose="care_followup", source="sms", now=NOW)
        task = task_of(session, patient)
        assert (task.state, task.outcome) == ("refused", "withdrawn"), "the queue is empty for them at once"
    with world.firm(world.agent) as firm:
        assert queue.next_card(firm, world.agent, NOW + SECOND) is None


def test_a_withdrawal_while_the_card_is_open_stops_the_dial_and_keeps_the_card(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
        make(session, patient)
    with world.firm(world.agent) as firm:
        card = queue.next_card(firm, world.agent, NOW)
        assert card is not None
    with world.hospital(world.heqing, world.agent) as session:
        point = point_of(session, patient)
        consent.withdraw(session, patient, purpose="care_followup", channel="sms", source="sms", now=NOW)
        first = calls.dial(session, card.task_id, point, world.agent, NOW + SECOND)
        consent.withdraw(session, patient, purpose="care_followup", source="call", now=NOW + 2 * SECOND)
        assert task_of(session, patient).state == "open", "the call that is going on ends it"
        other = ContactPoint(
            tenant_id=session.tenant_id,
            patient_id=patient,
            holder="contact",
            relation="child",
            name="王芳",
            number_cipher=b"x",
            number_index=b"other",
            number_masked="139****0000",
            position=2,
        )
        session.add(other)
        session.flush()
        with pytest.raises(ContactRefused) as refused:
            calls.dial(session, card.task_id, other.id, world.agent, NOW + 3 * SECOND)
        assert refused.value.reason == "refused"
        ended = calls.finish(
            session, first.call_id, card.task_id, Outcome.COMPLETED, agent=world.agent, now=LATER
        )
        assert ended.state == "completed", "what was answered before is not lost"


def test_another_purpose_and_another_channel_go_on(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
        make(session, patient)
        consent.withdraw(session, patient, purpose="satisfaction", source="call", now=NOW)
        consent.withdraw(session, patient, purpose="care_followup", channel="wechat", source="call", now=NOW)
        assert task_of(session, patient).state == "open"
    with world.firm(world.agent) as firm:
        assert queue.next_card(firm, world.agent, NOW + SECOND) is not None


def test_a_word_brought_in_late_closes_nothing_that_a_newer_yes_allows(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
        make(session, patient)
        consent.record(session, patient, "care_followup", given=True, source="call", now=NOW)
        old = NOW - timedelta(days=3)
        consent.record(session, patient, "care_followup", given=False, source="paper", at=old, now=LATER)
        assert task_of(session, patient).state == "open"


def test_offers_are_impossible_on_a_care_basis_at_make_draw_and_dial(world: World) -> None:
    offer = {"purpose": "marketing", "kind": "promise", "source": "offer"}
    with world.hospital(world.heqing) as session:
        care, texted, willing = (world.patient(session).id for _ in range(3))
        consent.record(session, care, "care_followup", given=True, source="call", now=NOW)
        consent.record(session, texted, "marketing", channel="sms", given=True, source="call", now=NOW)
        consent.record(session, willing, "marketing", channel="telephone", given=True, source="call", now=NOW)
        for patient, expected in ((care, {"no_consent": 1}), (texted, {"no_consent": 1}), (willing, {})):
            assert make(session, patient, **offer) == expected
        # Made behind the policy's back, it is still neither drawn nor dialled.
        smuggled = ContactTask(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=care,
            label={},
            rank=1,
            opens_at=NOW,
            due_at=NOW,
            closes_at=NOW + timedelta(days=1),
            next_try_at=NOW,
            state="open",
            created_at=NOW,
            source_id=new_id(),
            **offer,
        )
        session.add(smuggled)
        session.flush()
        smuggled_id = smuggled.id
    with world.firm(world.agent) as firm:
        card = queue.next_card(firm, world.agent, NOW + SECOND)
        assert card is not None
        assert card.patient_id == willing
    with world.hospital(world.heqing) as session:
        assert session.get_one(ContactTask, (session.tenant_id, smuggled_id)).next_try_at > LATER
        known = facts.load(session, [care], LATER)[care]
        assert policy.verdict(known, "marketing", "dialled", LATER).reason == "no_consent"


def test_words_that_ask_again_and_a_changed_basis_reach_the_next_contact(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
        text = consent_texts.in_use(session, "satisfaction", "telephone", NOW)
        survey = {"purpose": "satisfaction", "kind": "survey", "source": "sample"}
        consent_texts.set_basis(session, "satisfaction", "consent", reason="院务会决定", now=NOW)
        assert make(session, patient, **survey) == {"no_consent": 1}
        consent.record(session, patient, "satisfaction", given=True, source="call", text_id=text.id, now=NOW)
        reasons = []
        for asks in (False, True):
            new = consent_texts.NewText("satisfaction", "all", "新", "New", asks, NOW.date())
            consent_texts.add_version(session, new, LATER)
            known = facts.load(session, [patient], LATER)[patient]
            reasons.append(policy.verdict(known, "satisfaction", "made", LATER).reason)
        assert reasons == [None, "no_consent"]
        assert consent.standing(session, [patient], "satisfaction", "sms", LATER) == {patient: "no_consent"}


def test_many_and_few_are_told_the_same_facts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.hospital(world.heqing) as session:
        patients = [world.patient(session, phone=f"1390000{n:04d}").id for n in range(6)]
        consent.record(session, patients[0], "marketing", given=True, source="call", now=NOW)
        consent.withdraw(session, patients[1], source="call", now=NOW)
        consent_texts.set_basis(session, "complaint", "consent", reason="x", now=NOW)
        new = consent_texts.NewText("marketing", "sms", "新", "New", True, NOW.date())
        consent_texts.add_version(session, new, NOW)
        number_blocks.block(
            session, point_of(session, patients[2]), "survey", source="carrier", evidence="名单", now=NOW
        )
        make(session, patients[3], purpose="satisfaction", kind="survey")
        few = facts.load(session, patients, LATER)
        monkeypatch.setattr(facts, "FEW", 0)
        assert facts.load(session, patients, LATER) == few
        assert few[patients[2]].numbers[0].blocked == {"survey"}
        assert few[patients[3]].pending_surveys


def test_a_blocked_number_stops_the_family_and_only_in_its_hospital(world: World) -> None:
    family = "13977771111"
    with world.hospital(world.yunling) as session:
        elsewhere = world.patient(session, phone=family).id
        make(session, elsewhere)
    with world.hospital(world.heqing) as session:
        mother, son = (world.patient(session, phone=family).id for _ in range(2))
        for patient in (mother, son):
            make(session, patient)
        point = point_of(session, mother)
        consent.record(session, son, "care_followup", given=True, source="patient", now=NOW)
        entry = number_blocks.block(session, point, "all", source="patient", evidence="来电要求", now=NOW)
        assert {task_of(session, each).state for each in (mother, son)} == {"refused"}
        assert make(session, son, source_id=new_id()) == {"number_blocked": 1}
        number_blocks.remove(session, entry.id, reason="本人来电", now=LATER)
        assert make(session, son, source_id=new_id()) == {}
    with world.hospital(world.yunling) as session:
        assert task_of(session, elsewhere).state == "open"
        assert number_blocks.of_patient(session, elsewhere) == []


def test_a_yes_in_one_hospital_is_none_in_another(world: World) -> None:
    with world.hospital(world.heqing) as session:
        mine = world.patient(session, phone="13977772222").id
        consent.record(session, mine, "marketing", given=True, source="call", now=NOW)
    with world.hospital(world.yunling) as session:
        theirs = world.patient(session, phone="13977772222").id
        assert consent.standing(session, [theirs, mine], "marketing", "telephone", NOW) == {
            theirs: "no_consent",
            mine: "no_consent",
        }
        assert session.scalars(select(Consent)).all() == []
