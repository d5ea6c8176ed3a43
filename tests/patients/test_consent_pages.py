"""Consent on screen and over the API: recorded, taken back, proved, counted, exported; and the wall."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, TODAY, World

from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.files import StoredFile
from patients import consent, number_blocks
from patients.consent_figures import counts
from patients.models import Consent, ConsentText, ContactPoint, NumberBlock, PurposeBasis

ADMIN = "heqing_admin"


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db, clock=SetClock(NOW + timedelta(minutes=1))) as made:
        yield made


@pytest.fixture
def admin(browser: Browser, world: World) -> Browser:
    return browser.enter(world.people[ADMIN], "en")


def test_a_yes_with_its_proof_and_one_press_to_take_all_back(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
    page = f"/h/heqing/patients/{patient}"
    form = {"purpose": "marketing", "channel": "sms", "given": "yes", "source": "paper", "shown": "yes"}
    proof = {"file": ("同意书.pdf", b"%PDF-1.7 signed", "application/pdf")}
    assert admin.post(f"{page}/consents", form, files=proof).status_code == 303
    with world.hospital(world.heqing) as session:
        row = session.scalars(select(Consent)).one()
        words = session.scalars(select(ConsentText)).one()
        assert (row.text_id, words.version, words.channel) == (words.id, 1, "all")
        assert "河清市第一人民医院" in words.text_zh
        stored = session.scalars(select(StoredFile)).one()
        assert b"signed" not in stored.content
        consent_id = row.id
    assert admin.get(f"/h/heqing/consents/{consent_id}/file").content == b"%PDF-1.7 signed"
    shown = admin.get(page).text
    assert shown.count(">Agrees</span>") == 2, "in the matrix and in the history"
    assert admin.post(f"{page}/consents/withdraw", {}).status_code == 303
    shown = admin.get(page).text
    assert shown.count(">Agrees</span>") == 1, "in the history alone"
    assert shown.count("Took it back") == 1, "offers by text message"
    with world.hospital(world.heqing) as session:
        actions = session.scalars(select(AuditEvent.action)).all()
        assert actions.count("patients.consent_refused") == 4
        assert "patients.consent_evidence_read" in actions


@pytest.mark.parametrize(
    "form",
    [
        {"purpose": "marketing", "given": "", "source": "call"},
        {"purpose": "benchmark", "given": "yes", "source": "call"},
        {"purpose": "marketing", "given": "yes", "source": "hearsay"},
        {"purpose": "marketing", "given": "yes", "source": "call", "channel": "fax"},
        {"purpose": "marketing", "given": "yes", "source": "call", "given_by": "neighbour"},
    ],
)
def test_what_the_form_does_not_offer_is_refused(admin: Browser, world: World, form: dict[str, str]) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
    answer = admin.post(f"/h/heqing/patients/{patient}/consents", form, files={"file": ("", b"")})
    assert answer.status_code == 422
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(Consent)).all() == []


def test_a_file_of_another_kind_is_refused(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
    form = {"purpose": "marketing", "given": "yes", "source": "paper"}
    for name, content in (("a.exe", b"MZ"), ("a.pdf", b"")):
        answer = admin.post(f"/h/heqing/patients/{patient}/consents", form, files={"file": (name, content)})
        assert answer.status_code == 422


def test_the_page_counts_changes_the_basis_and_keeps_versions(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        yes, no, _silent = (world.patient(session).id for _ in range(3))
        consent.record(session, yes, "marketing", channel="telephone", given=True, source="call", now=NOW)
        consent.record(session, no, "marketing", given=False, source="call", now=NOW)
    with world.hospital(world.yunling) as session:
        other = world.patient(session).id
        consent.record(session, other, "marketing", given=True, source="call", now=NOW)
    page = admin.get("/h/heqing/consent?purpose=marketing").text
    assert "Standard words" in page
    with world.hospital(world.heqing) as session:
        from_figures = {
            (c.purpose, c.channel): (c.given, c.refused, c.outdated, c.none)
            for c in counts(session, NOW + timedelta(minutes=1))
        }
    assert from_figures["marketing", "telephone"] == (1, 1, 0, 1)
    assert from_figures["marketing", "sms"] == (0, 1, 0, 2)
    text = {"purpose": "marketing", "channel": "all", "text_zh": "新文本", "text_en": "New words"}
    text |= {"valid_from": TODAY.isoformat()}
    compared = admin.post("/h/heqing/consent/texts", text | {"asks_again": "yes"})
    assert "New words" in compared.text
    assert "New words" not in admin.get("/h/heqing/consent?purpose=marketing").text
    text |= {"compared": "yes"}
    assert admin.post("/h/heqing/consent/texts", text | {"asks_again": "yes"}).status_code == 303
    assert "New words" in admin.get("/h/heqing/consent?purpose=marketing").text
    with world.hospital(world.heqing) as session:
        again = counts(session, NOW + timedelta(minutes=2))
        line = next(c for c in again if (c.purpose, c.channel) == ("marketing", "telephone"))
        assert (line.given, line.refused, line.outdated, line.none) == (0, 1, 1, 1)
    yesterday = text | {"valid_from": "2026-09-14"}
    one_language = text | {"text_zh": "再新的文本"}
    for wrong in (yesterday, text | {"valid_from": ""}, one_language):
        assert admin.post("/h/heqing/consent/texts", wrong).status_code == 422
    assert admin.post("/h/heqing/consent/texts", one_language | {"en_stays": "yes"}).status_code == 303
    basis = {"purpose": "satisfaction", "basis": "consent", "reason": "院务会决定"}
    assert admin.post("/h/heqing/consent/bases", basis).status_code == 303
    assert "院务会决定" in admin.get("/h/heqing/consent").text
    for wrong in ({"purpose": "marketing", "basis": "contract"}, {"purpose": "satisfaction", "reason": ""}):
        assert admin.post("/h/heqing/consent/bases", basis | wrong).status_code == 422
    with world.hospital(world.yunling) as session:
        assert session.scalars(select(PurposeBasis)).all() == []


def test_the_export_holds_every_word_of_the_period_by_mask_and_is_on_record(
    admin: Browser, world: World
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        consent.record(
            session,
            patient.id,
            "satisfaction",
            given=False,
            source="call",
            evidence="=HYPERLINK() 13977778888",
            now=NOW,
        )
    answer = admin.get("/h/heqing/consent/export?since=2026-09-15&until=2026-09-15")
    assert answer.status_code == 200
    table = answer.content.decode("utf-8-sig")
    assert patient.record_number in table
    assert "13977778888" not in table
    assert ",=HYPERLINK" not in table
    assert (
        patient.record_number
        not in admin.get("/h/heqing/consent/export?since=2026-09-16&until=2026-09-17").text
    )
    assert admin.get("/h/heqing/consent/export?since=2026-09-16&until=2026-09-15").status_code == 422
    with world.hospital(world.heqing) as session:
        made = session.scalars(select(AuditEvent).where(AuditEvent.action == "patients.consents_exported"))
        assert [event.detail["rows"] for event in made] == [1, 0]


def test_a_number_is_blocked_and_freed_with_a_reason(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, phone="13977770000").id
        point = session.scalars(select(ContactPoint.id)).one()
        stranger = world.patient(session).id
    page = f"/h/heqing/patients/{patient}"
    form = {"contact_point_id": str(point), "scope": "all", "source": "patient", "evidence": "女儿来电要求"}
    assert admin.post(f"{page}/blocks", form | {"evidence": " "}).status_code == 422
    assert admin.post(f"/h/heqing/patients/{stranger}/blocks", form).status_code == 404
    assert admin.post(f"{page}/blocks", form).status_code == 303
    assert admin.post(f"{page}/blocks", form).status_code == 303, "twice is once"
    assert "女儿来电要求" in admin.get(page).text
    with world.hospital(world.heqing) as session:
        row = session.scalars(select(NumberBlock)).one()
    address = f"/h/heqing/blocks/{row.id}/remove"
    assert admin.post(address, {"reason": ""}).status_code == 422
    assert admin.post(address, {"reason": "本人来电恢复"}).status_code == 303
    with world.hospital(world.heqing) as session:
        assert number_blocks.of_patient(session, patient) == []
        assert session.scalars(select(NumberBlock.removed_reason)).one() == "本人来电恢复"


def test_the_api_says_what_holds_and_takes_a_word(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session).id
    with world.hospital(world.yunling) as session:
        elsewhere = world.patient(session).id
    address = f"/api/v1/h/heqing/patients/{patient}/consents"
    tokened = {"headers": {"X-CSRFToken": admin.token()}}

    def send(body: dict[str, object], to: str = address) -> int:
        return admin.client.post(to, json=body, **tokened).status_code  # type: ignore[arg-type]

    assert send({"purpose": "satisfaction", "given": False, "evidence": "13977778888"}) == 201
    assert send({"purpose": "satisfaction", "given": True}) == 422, "asked within a year of a no"
    assert send({"purpose": "marketing", "given": True, "at": "2026-09-15T10:00:00"}) == 422
    assert send({"purpose": "marketing", "given": True, "at": "2030-01-01T10:00:00+08:00"}) == 422
    assert send({"purpose": "benchmark", "given": True}) in {400, 422}
    assert send({"purpose": "marketing", "given": True}, address.replace(str(patient), str(elsewhere))) == 404
    answer = admin.get(address)
    assert "13977778888" not in answer.text
    held = {(h["purpose"], h["channel"]): h for h in answer.json()["holds"]}
    assert held["satisfaction", "sms"]["standing"] == "refused"
    assert not held["satisfaction", "sms"]["may_contact"]
    assert held["satisfaction", "sms"]["quiet_until"].startswith("2027-09-14T16:00")
    assert held["care_followup", "telephone"]["may_contact"]
    assert not held["marketing", "telephone"]["may_contact"]
    assert admin.get(address.replace(str(patient), str(elsewhere))).status_code == 404
