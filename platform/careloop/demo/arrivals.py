"""What has just come in when the demo's world begins, and what waits for somebody to look at.

Organisations as contacts and their wave, a hospital system that speaks HL7, a death reported in a call and
not yet confirmed, two records that may be one person, a yes to marketing and how somebody likes to be called.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from careloop.demo.stage import Stage, StageHospital
from foundation.calendar import SHANGHAI
from foundation.database import HospitalSession
from patients import consent, feed_inbox, organisations, preferences, suppression
from patients.models import ContactPoint, Patient, Suppression
from surveys import waves
from tenants.keys import data_key

SYSTEM = "HIS"
ORGANISATIONS = (
    ("community_centre", "桥东社区卫生服务中心", "田晓燕", "中心主任", "13803110001"),
    ("community_centre", "裕华社区卫生服务中心", "冯建国", "公卫科科长", "13803110002"),
    ("partner_hospital", "平阳县人民医院", "邢志远", "医务科科长", "13803110003"),
    ("company", "河清纺织集团有限公司", "白雪梅", "人力资源部经理", "13803110004"),
    ("government", "桥东区医疗保障局", "康立新", "待遇科科长", "13803110005"),
    ("ngo", "河清市慢病防治协会", "温静", "秘书长", "13803110006"),
)
# Who came by message: admitted yesterday and still in; admitted and discharged; named like somebody known.
ADMITTED, DISCHARGED = ("HQ26120001", "郝志强", "13733110001"), ("HQ26120002", "尹桂兰", "13733110002")
NEW_NUMBER = "HQ26120003"
KNOWN = 5  # patients that something is told of


def arrive(stage: Stage, now: datetime) -> None:
    """Put it on the table of the first hospital; `now` is a little before the world begins."""
    heqing = stage.hospitals[0]
    with stage.hospital(heqing, heqing.officer) as session:
        for kind, name, person, position, number in ORGANISATIONS:
            new = organisations.Organisation(kind, name, person, position, number, since=date(2024, 3, 1))
            organisations.add(session, new, today=now.astimezone(SHANGHAI).date(), now=now)
        waves.start(session, organisations.TYPES, now=now, seed="heqing-202612-organisations")
        known = _reachable(session)
    if len(known) == KNOWN:  # a story of one small hospital may not have so many
        _listen(stage, heqing, known[0], now)
        _report_a_death(stage, heqing, known[1:], now)


def _listen(stage: Stage, heqing: StageHospital, known: Patient, now: datetime) -> None:
    """Messages of the hospital's system, the last two hours of an afternoon."""
    with stage.hospital(heqing) as session:
        number = session.scalars(
            select(ContactPoint).where(
                ContactPoint.tenant_id == session.tenant_id,
                ContactPoint.patient_id == known.id,
                ContactPoint.holder == "patient",
            )
        ).first()
        again = (NEW_NUMBER, known.name, data_key(session).decrypt(number.number_cipher) if number else "")
        minute = timedelta(minutes=1)
        for event, person, at in (
            ("A01", ADMITTED, now - 110 * minute),
            ("A01", DISCHARGED, now - 90 * minute),
            ("A03", DISCHARGED, now - 40 * minute),
            ("A03", again, now - 15 * minute),
        ):
            message = _message(event, person, at, left=event == "A03")
            feed_inbox.receive(session, "hl7", message.encode(), name=SYSTEM, now=at)
        without_number = _message("A03", ("", "甄海涛", "13733110009"), now - 5 * minute, left=True)
        feed_inbox.receive(session, "hl7", without_number.encode(), name=SYSTEM, now=now - 5 * minute)


def _message(event: str, person: tuple[str, str, str], at: datetime, *, left: bool) -> str:
    number, name, phone = person
    clock = f"{at.astimezone(SHANGHAI):%Y%m%d%H%M%S}"
    admitted = f"{(at - timedelta(days=5)).astimezone(SHANGHAI):%Y%m%d%H%M%S}"
    stay = [""] * 46
    stay[:4] = ["PV1", "1", "I", "心内科二病区^^21"]
    stay[7], stay[10], stay[19] = "D021^贾卫平", "心内科", f"V{number}"
    stay[36], stay[44], stay[45] = "1" if left else "", admitted, clock if left else ""
    header = ["MSH", "^~\\&", SYSTEM, "河清", "CARELOOP", "HQ", clock, "", f"ADT^{event}"]
    header += [f"{event}{number}{clock}", "P", "2.5", *[""] * 5, "UNICODE UTF-8"]
    segments = [
        "|".join(header),
        f"EVN|{event}|{clock}",
        f"PID|1||{number}^^^HQ^MR||{name}||19570312|M|||||{phone}",
        "|".join(stay),
        "DG1|1||I25.1^冠状动脉粥样硬化性心脏病||||F",
    ]
    return "\r".join(segments) + "\r"


def _report_a_death(stage: Stage, heqing: StageHospital, people: Sequence[Patient], now: datetime) -> None:
    """An agent hears of a death; somebody else has to confirm it (S4-15). Others said how they like it."""
    agent = stage.agents[0][0]
    with stage.hospital(heqing, agent) as session:
        suppression.suppress(
            session, people[0].id, "deceased", note="女儿接听，称上周在家中去世。", source="call", now=now
        )
        _said(session, [person.id for person in people[1:4]], now)


def _said(session: HospitalSession, patients: Sequence[UUID], now: datetime) -> None:
    first, second, third = patients
    consent.record(
        session, first, "marketing", channel="sms", given=True, source="call",
        evidence="通话中主动要求接收体检套餐短信", now=now,
    )  # fmt: skip
    consent.withdraw(session, second, purpose="satisfaction", source="call", evidence="不想再做问卷", now=now)
    preferences.set_preferences(
        session, third, answered_by="child", dialect="jin", preferred_part="evening", now=now
    )


def _reachable(session: HospitalSession) -> Sequence[Patient]:
    """Some patients who can be called and are grown up, always the same."""
    return session.scalars(
        select(Patient)
        .where(
            Patient.tenant_id == session.tenant_id,
            Patient.contact_type == "patient",
            Patient.contact_state == "reachable",
            Patient.restricted_at.is_(None),
            Patient.birth_date < date(2000, 1, 1),
            ~select(Suppression.id)
            .where(
                Suppression.tenant_id == Patient.tenant_id,
                Suppression.patient_id == Patient.id,
            )
            .exists(),
        )
        .order_by(Patient.record_number)
        .limit(KNOWN)
    ).all()
