"""The rest of a hospital's rows in the world of canaries: what came by message, who is whom, who said what.

Names and numbers of the canaries stand in each of them, as they do in `canaries`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Protocol

from sqlalchemy import select
from world import NOW, TODAY, World

from foundation.database import HospitalSession
from patients import (
    consent,
    consent_texts,
    duplicate_view,
    duplicates,
    feed_inbox,
    joining,
    number_blocks,
    organisations,
    suppression,
)
from patients.models import ContactPoint, Patient
from surveys import samples, waves


class Marks(Protocol):
    """What is unmistakable about one hospital's patients."""

    @property
    def name(self) -> str:
        """The family name of all of them."""

    def number(self, n: int) -> str:
        """The nth mobile number."""

    def identity(self, n: int) -> str:
        """The nth identity number."""

    def words(self, n: int) -> str:
        """What somebody wrote down, numbers and all."""


def arrive(world: World, session: HospitalSession, marks: Marks, month: date) -> None:
    """Messages, organisations with their wave, a sample, a merge and a pair, consent, a death to confirm."""
    _messages(session, marks)
    _organisation(session, marks)
    first = world.patient(session, name=f"{marks.name}壬", phone=marks.number(70), discharged_on=month)
    second = world.patient(session, name=f"{marks.name}壬", phone=marks.number(70), discharged_on=month)
    third = world.patient(session, name=f"{marks.name}壬", phone=marks.number(70), discharged_on=month)
    joining.merge(session, first.id, third.id, reason=marks.words(30), now=NOW)
    duplicates.find(session, [second.id], now=NOW)
    assert duplicate_view.counts(session)["open"] == 1
    _said(session, marks, first)
    suppression.suppress(session, second.id, "deceased", note=marks.words(31), source="call", now=NOW)
    samples.draw_sample(session, month, now=NOW, audience="inpatient")


def _messages(session: HospitalSession, marks: Marks) -> None:
    """One of a stay that goes on, one of a discharge, one that is rejected."""
    for event, number, left, phone in (
        ("A01", "M1", "", marks.number(80)),
        ("A03", "M2", "20260909100000", marks.number(81)),
        ("A03", "", "20260909100000", marks.number(82)),
    ):
        visit = [""] * 46
        visit[:4], visit[10], visit[19] = ["PV1", "1", "I", "骨科一病区"], "骨科", f"V{number}"
        visit[44], visit[45] = "20260901080000", left
        message = "\r".join(
            (
                f"MSH|^~\\&|HIS|H|CARELOOP|H|20260910||ADT^{event}|{event}{number}|P|2.5||||||UNICODE UTF-8",
                f"EVN|{event}|20260910120000",
                f"PID|1||{number}^^^H^MR~{marks.identity(70)}^^^GA^NI||{marks.name}癸||19700501|M|||||{phone}",
                "|".join(visit),
            )
        )
        feed_inbox.receive(session, "hl7", message.encode(), name="HIS", now=NOW)


def _organisation(session: HospitalSession, marks: Marks) -> None:
    new = organisations.Organisation("company", "河清纺织集团", f"{marks.name}甲", "经理", marks.number(83))
    organisations.add(session, new, today=TODAY, now=NOW)
    waves.start(session, ["company"], now=NOW)


def _said(session: HospitalSession, marks: Marks, patient: Patient) -> None:
    earlier = NOW - timedelta(hours=1)
    consent.record(
        session, patient.id, "marketing", given=True, source="call", evidence=marks.words(32), now=earlier
    )
    consent.withdraw(
        session, patient.id, purpose="marketing", source="call", evidence=marks.words(33), now=NOW
    )
    words = consent_texts.NewText("marketing", "sms", "请问可以发短信吗？", "May we write?", True, TODAY)
    consent_texts.add_version(session, words, NOW)
    point = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == patient.id)).first()
    assert point is not None
    number_blocks.block(session, point.id, "marketing", source="patient", evidence=marks.words(34), now=NOW)
