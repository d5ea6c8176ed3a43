"""Pages show a patient by mask; what stands behind it to whoever may and says why, each look on record."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from feedback_cases import case_of
from sqlalchemy import select, text
from web_client import Browser, browsing
from world import NOW, World

from foundation.audit import AuditEvent
from foundation.database import Database
from foundation.masking import Shown, mask_numbers
from patients import suppression
from patients.models import ContactPoint, Patient
from tenants.keys import data_key, unseal
from tenants.models import Membership

PHONE, IDENTITY = "13977778888", "110101197005010019"


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


@pytest.fixture
def patient(world: World) -> Patient:
    with world.hospital(world.heqing) as session:
        key = data_key(session)
        return world.patient(
            session,
            name="欧阳建国",
            phone=PHONE,
            must_not_say=f"别提{PHONE}",
            id_number_cipher=key.encrypt(IDENTITY),
            id_number_index=key.blind_index(IDENTITY),
        )


def events(world: World) -> list[tuple[str, str]]:
    """What is on record of this hospital's patients, with the reasons."""
    with world.hospital(world.heqing) as session:
        rows = session.scalars(select(AuditEvent).order_by(AuditEvent.seq))
        return [(e.action, e.reason) for e in rows if e.action.endswith("revealed")]


@pytest.mark.parametrize(
    ("plain", "masked"),
    [
        ("打13977778888。", "打139****8888。"),
        ("+86 139-7777-8888", "139****8888"),
        ("139 7777 8888", "139****8888"),
        ("110101197005010019", "1****************9"),
        ("11010119700501001x转", "1****************x转"),
        ("病案号0013977778888", "病案号0013977778888"),
        ("019f7777-1397-7777-8888-139777788881", "019f7777-1397-7777-8888-139777788881"),
        ("￥13,977,778,888", "￥13,977,778,888"),
        ("sha a13977778888b", "sha a13977778888b"),
    ],
)
def test_a_text_is_shown_without_the_numbers_of_people(plain: str, masked: str) -> None:
    assert mask_numbers(plain) == masked
    assert mask_numbers(Shown(plain)) == plain


def test_the_page_of_a_patient_shows_masks_and_reveals_with_a_reason(
    browser: Browser, world: World, patient: Patient
) -> None:
    browser.enter(world.people["heqing_admin"])
    address = f"/h/heqing/patients/{patient.id}"
    page = browser.get(address).text
    assert "欧**" in page
    assert not [shown for shown in ("欧阳建国", PHONE, IDENTITY) if shown in page]
    assert "别提139****8888" in page
    assert browser.post(f"{address}/reveal", {"what": "name"}).status_code == 422
    assert browser.post(f"{address}/reveal", {"what": "all", "reason": "x"}).status_code == 422
    assert "欧阳建国" in browser.post(f"{address}/reveal", {"what": "name", "reason": "核对身份"}).text
    assert IDENTITY in browser.post(f"{address}/reveal", {"what": "id_number", "reason": f"打{PHONE}"}).text
    assert events(world) == [
        ("patients.name_revealed", "核对身份"),
        ("patients.id_number_revealed", "打139****8888"),
    ]


def test_who_may_not_reveal_is_not_offered_to(browser: Browser, world: World, patient: Patient) -> None:
    browser.enter(world.people["heqing_gm"])
    page = browser.get(f"/h/heqing/patients/{patient.id}").text
    assert "欧**" in page
    assert "/reveal" not in page
    refused = browser.post(f"/h/heqing/patients/{patient.id}/reveal", {"what": "name", "reason": "想看"})
    assert refused.status_code == 403
    browser.enter(world.people["yunling_admin"])
    unknown = browser.post(f"/h/yunling/patients/{patient.id}/reveal", {"what": "name", "reason": "想看"})
    assert unknown.status_code == 404
    assert events(world) == []


def test_words_of_a_case_hide_their_numbers_until_somebody_says_why(
    browser: Browser, world: World, patient: Patient
) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(session, patient, world.agent, text=f"请打{PHONE}找我")
    browser.enter(world.people["heqing_admin"])
    address = f"/h/heqing/cases/{case.id}"
    page = browser.get(address).text
    assert "请打139****8888找我" in page
    assert f"{address}/reveal" in page
    assert browser.post(f"{address}/reveal", {"what": "words"}).status_code == 422
    assert f"请打{PHONE}找我" in browser.post(f"{address}/reveal", {"what": "words", "reason": "回电"}).text
    shown = browser.post(f"{address}/reveal", {"what": "patient", "reason": "回电"}).text
    assert "欧阳建国" in shown
    assert PHONE in shown
    actions = [action for action, _reason in events(world)]
    assert actions == ["feedback.words_revealed", "patients.name_revealed", "patients.number_revealed"]


def test_a_dispute_reveals_nothing_to_the_firm(browser: Browser, world: World, patient: Patient) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(session, patient, world.agent, tier=3, medical_dispute=True, text=f"打{PHONE}")
    browser.enter(world.people["firm_gm"])
    for what in ("words", "patient"):
        answer = browser.post(f"/h/heqing/cases/{case.id}/reveal", {"what": what, "reason": "想看"})
        assert answer.status_code == 403
    assert events(world) == []
    with world.firm() as session:
        session.add(
            Membership(
                person_id=world.people["agent2"],
                role="medical_affairs",
                tenant_id=world.heqing.tenant_id,
                created_at=NOW,
                accepted_at=NOW,
            )
        )
    browser.enter(world.people["agent2"])
    answer = browser.post(f"/h/heqing/cases/{case.id}/reveal", {"what": "words", "reason": "调查"})
    assert PHONE in answer.text


def test_what_people_write_about_a_patient_stands_encrypted(world: World, patient: Patient) -> None:
    with world.hospital(world.heqing) as session:
        suppression.suppress(session, patient.id, "refused", note=f"女儿{PHONE}", source="card", now=NOW)
        stored = session.execute(
            text("SELECT note_cipher, must_not_say_cipher FROM suppression JOIN patient USING (tenant_id)")
        ).one()
        assert all("别提".encode() not in cipher and PHONE.encode() not in cipher for cipher in stored)
        assert [unseal(session, cipher) for cipher in stored] == [f"女儿{PHONE}", f"别提{PHONE}"]
        point = session.scalars(select(ContactPoint)).one()
        assert PHONE.encode() not in point.number_cipher
    with world.hospital(world.yunling) as session:
        own = data_key(session)
    assert own.cipher_key not in stored
