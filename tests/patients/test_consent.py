"""Consent as it is kept: who may say yes, when nobody asks, what is on record, and the figures."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from world import NOW, World

from foundation.audit import AuditEvent
from foundation.database import HospitalSession
from patients import consent, consent_figures, consent_texts
from patients.consent_rules import CHANNELS, PURPOSES, REACHING
from patients.models import Consent, ConsentText, Patient
from patients.suppression import UnknownPatient

MONTH = timedelta(days=30)


def test_after_a_no_only_a_yes_that_is_offered_unasked_is_taken_for_a_year(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
        consent.record(session, patient, "satisfaction", given=False, source="call", now=NOW)
        later = NOW + 11 * MONTH
        for channel in ("all", "sms"):
            with pytest.raises(consent.StillQuiet):
                consent.record(
                    session, patient, "satisfaction", channel=channel, given=True, source="call", now=later
                )
        consent.record(session, patient, "marketing", given=True, source="call", now=later)
        assert not consent.may_contact(session, patient, "satisfaction", "telephone", later)
        consent.record(session, patient, "satisfaction", given=True, source="patient", now=later)
        assert consent.may_contact(session, patient, "satisfaction", "telephone", later)
        consent.withdraw(session, patient, purpose="marketing", source="call", now=later)
        next_year = later + 13 * MONTH
        consent.record(session, patient, "marketing", given=True, source="call", now=next_year)


@pytest.mark.parametrize(("born", "guardian_needed"), [(date(2012, 9, 16), True), (date(2012, 9, 15), False)])
def test_under_fourteen_the_guardian_says_yes_and_anybody_no(
    world: World, born: date, guardian_needed: bool
) -> None:
    with world.hospital(world.heqing) as session:
        child = world.patient(session, birth_date=born, age_years=None).id
        if guardian_needed:
            with pytest.raises(consent.GuardianNeeded):
                consent.record(session, child, "marketing", given=True, source="call", now=NOW)
        given_by = "guardian" if guardian_needed else "patient"
        row = consent.record(
            session, child, "marketing", given=True, source="call", given_by=given_by, now=NOW
        )
        assert row.given_by == given_by
        consent.record(session, child, "marketing", given=False, source="call", now=NOW + MONTH)


def test_what_is_no_word_is_not_kept(world: World) -> None:
    with world.hospital(world.yunling) as session:
        elsewhere = world.patient(session).id
        foreign = consent_texts.in_use(session, "marketing", "sms", NOW).id
    with world.hospital(world.heqing) as session:
        patient, hidden = world.patient(session).id, world.patient(session).id
        session.execute(update(Patient).where(Patient.id == hidden).values(restricted_at=NOW))
        other = consent_texts.in_use(session, "complaint", "sms", NOW).id
        for unknown in (elsewhere, hidden):
            with pytest.raises(UnknownPatient):
                consent.record(session, unknown, "marketing", given=True, source="call", now=NOW)
        for text_id in (foreign, other):
            with pytest.raises(consent.WrongText):
                consent.record(
                    session, patient, "marketing", given=True, source="call", text_id=text_id, now=NOW
                )
        usual: dict[str, Any] = {"purpose": "marketing", "given": True, "source": "call", "now": NOW}
        for words in ({"purpose": "benchmark"}, {"channel": "fax"}, {"source": "x"}, {"given_by": "x"}):
            with pytest.raises(ValueError, match=r"x|benchmark|fax"):
                consent.record(session, patient, **usual | words)
        with pytest.raises(ValueError, match="after it was said"):
            consent.record(session, patient, "marketing", given=True, source="call", at=NOW + MONTH, now=NOW)
        assert session.scalars(select(Consent)).all() == []


def test_a_withdrawal_from_everything_is_one_step_and_on_record(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
        rows = consent.withdraw(session, patient, source="sms", evidence="回复R", now=NOW)
        assert sorted(row.purpose for row in rows) == sorted(PURPOSES)
        for purpose in PURPOSES:
            for channel in REACHING:
                assert not consent.may_contact(session, patient, purpose, channel, NOW)
        events = session.scalars(select(AuditEvent).where(AuditEvent.action == "patients.consent_refused"))
        assert [event.detail["channel"] for event in events] == ["all"] * 4


def test_the_standard_words_are_kept_once_at_first_use(world: World) -> None:
    with world.hospital(world.heqing) as session:
        shown = consent_texts.shown(session, "care_followup", "telephone", NOW)
        assert session.scalars(select(ConsentText)).all() == [], "reading them keeps nothing"
        first = consent_texts.in_use(session, "care_followup", "telephone", NOW)
        assert consent_texts.in_use(session, "care_followup", "sms", NOW).id == first.id
        assert (first.text_zh, first.text_en) == (shown.zh, shown.en)
        for word in ("河清市第一人民医院", "目的", "录音", "保存", "拒绝", "敏感", "监护人"):
            assert word in first.text_zh
        own = consent_texts.NewText("care_followup", "sms", "短信", "Text", False, date(2026, 9, 20))
        consent_texts.add_version(session, own, NOW)
        assert consent_texts.in_use(session, "care_followup", "sms", NOW).id == first.id, "not in force yet"
        assert consent_texts.in_use(session, "care_followup", "sms", NOW + MONTH).text_zh == "短信"


def test_once_a_version_asks_again_a_yes_is_to_the_words_in_force_or_says_which(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
        assert (
            consent.record(session, patient, "marketing", given=True, source="api", now=NOW).text_id is None
        )
        new = consent_texts.NewText("marketing", "all", "新文本", "New words", True, NOW.date())
        text = consent_texts.add_version(session, new, NOW + timedelta(hours=1))
        later = NOW + timedelta(hours=2)
        assert not consent.may_contact(session, patient, "marketing", "sms", later)
        for source in ("api", "import"):
            with pytest.raises(consent.TextNeeded):
                consent.record(session, patient, "marketing", given=True, source=source, now=later)
        assert not consent.may_contact(session, patient, "marketing", "sms", later)
        said = consent.record(session, patient, "marketing", given=True, source="call", now=later)
        assert said.text_id == text.id
        consent.record(
            session, patient, "marketing", given=True, source="api", text_id=text.id, now=later + MONTH
        )
        assert consent.may_contact(session, patient, "marketing", "sms", later + MONTH)
        consent.record(session, patient, "marketing", given=False, source="api", now=later + 2 * MONTH)


def _mixture(session: HospitalSession, patients: list[UUID], chance: random.Random) -> None:
    """Words and versions of words in any order."""
    texts = []
    for number in range(6):
        new = consent_texts.NewText(
            chance.choice(PURPOSES),
            chance.choice(CHANNELS),
            "文",
            "Text",
            chance.random() < 0.6,
            NOW.date(),
        )
        texts.append(consent_texts.add_version(session, new, NOW + timedelta(hours=number)))
    for _ in range(160):
        text = chance.choice([None, None, *texts])
        session.add(
            Consent(
                tenant_id=session.tenant_id,
                patient_id=chance.choice(patients),
                purpose=text.purpose if text else chance.choice(PURPOSES),
                channel=chance.choice(CHANNELS),
                given=chance.random() < 0.7,
                at=NOW + timedelta(hours=chance.randint(0, 8)),
                source="call",
                text_id=text.id if text else None,
                evidence="",
            )
        )
    session.flush()


def test_the_figures_and_the_lists_follow_the_one_rule(world: World) -> None:
    chance = random.Random(4)
    with world.hospital(world.heqing) as session:
        patients = [world.patient(session).id for _ in range(12)]
        _mixture(session, patients, chance)
        session.execute(update(Patient).where(Patient.id == patients[0]).values(merged_at=NOW))
        now = NOW + timedelta(hours=7)
        expected = Counter(
            (purpose, channel, held.standing)
            for cells in consent.matrix(session, patients[1:], now).values()
            for (purpose, channel), held in cells.items()
        )
        assert {standing for *_, standing in expected} == {
            "given",
            "outdated",
            "none",
            "refused",
            "withdrawn",
        }
        for line in consent_figures.counts(session, now):
            key = (line.purpose, line.channel)
            assert line.given == expected[(*key, "given")]
            assert line.refused == expected[(*key, "refused")] + expected[(*key, "withdrawn")]
            assert line.outdated == expected[(*key, "outdated")]
            assert line.none == expected[(*key, "none")]
        for purpose in PURPOSES:
            one_by_one = consent.of(session, patients[3], now).cells[purpose, "sms"]
            among_all = consent.standing(session, patients, purpose, "sms", now)
            assert among_all[patients[3]] == one_by_one.refusal
