"""Writing and signing the processing agreement, and its papers (PIPL 21, 55)."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from web_client import browsing
from world import NOW, TODAY, World

from foundation.database import Database
from foundation.scope import Actor
from foundation.web.errors import UserMistake
from tenants.life import agreement, agreement_drafts

DAY = timedelta(days=1)
PDF = b"%PDF-1.7 a signed paper\n%%EOF\n"


# ------------------------------------------------------------------------------------------- writing it


def test_a_change_is_a_new_version_and_holds_once_both_have_signed(world: World) -> None:
    with world.hospital(world.heqing, Actor("person", world.people["operations"], "何琳")) as session:
        row = agreement_drafts.write(session, usual(), now=NOW)
        again = agreement_drafts.write(session, usual(purposes=frozenset({"care_followup"})), now=NOW)
        assert (row.id, again.version) == (again.id, 2)
        agreement_drafts.sign(session, row.id, side="firm", now=NOW)
        terms = agreement.in_force(session, TODAY)
        assert terms is not None
        assert terms.version == 1
    with world.hospital(world.heqing, Actor("person", world.people["heqing_gm"], "赵院长")) as session:
        signed = agreement_drafts.sign(session, row.id, side="hospital", now=NOW + DAY)
        assert (signed.signed_for_firm, signed.firm_signed_at) == ("何琳", NOW)
        assert (signed.signed_for_hospital, signed.signed_at) == ("赵院长", NOW + DAY)
        terms = agreement.in_force(session, TODAY)
        assert terms is not None
        assert (terms.version, terms.purposes) == (2, frozenset({"care_followup"}))
        third = agreement_drafts.write(session, usual(), now=NOW)
        assert third.version == 3
        assert [one.version for one in agreement_drafts.versions(session)] == [3, 2, 1]


def test_an_older_and_wider_version_never_comes_back_by_itself(world: World) -> None:
    with world.hospital(world.heqing) as session:
        draft = usual(valid_from=TODAY, valid_to=TODAY + DAY, purposes=frozenset({"care_followup"}))
        row = agreement_drafts.write(session, draft, now=NOW)
        for side in ("firm", "hospital"):
            agreement_drafts.sign(session, row.id, side=side, now=NOW)
        before = agreement.in_force(session, TODAY - DAY)
        assert before is not None
        assert before.version == 1
        today = agreement.in_force(session, TODAY)
        assert today is not None
        assert today.purposes == {"care_followup"}
        assert agreement.in_force(session, TODAY + 2 * DAY) is None


def test_a_changed_draft_is_signed_anew(world: World) -> None:
    with world.hospital(world.heqing) as session:
        row = agreement_drafts.write(session, usual(), now=NOW)
        agreement_drafts.sign(session, row.id, side="firm", now=NOW)
        agreement_drafts.write(session, usual(on_end="return"), now=NOW)
        assert agreement_drafts.versions(session)[0].firm_signed_at is None


@pytest.mark.parametrize(
    "changes",
    [
        {"purposes": frozenset()},
        {"channels": frozenset()},
        {"channels": frozenset({"pigeon"})},
        {"fields": frozenset({"phone"})},
        {"valid_to": TODAY - DAY},
        {"purposes": frozenset({"care_followup"}), "benchmark": True},
        {"on_end": "keep"},
    ],
)
def test_what_cannot_be_agreed_is_refused(world: World, changes: dict[str, Any]) -> None:
    with pytest.raises(UserMistake), world.hospital(world.heqing) as session:
        agreement_drafts.write(session, usual(**changes), now=NOW)


def test_papers_are_pdf_and_a_signed_one_stays(world: World) -> None:
    with world.hospital(world.heqing) as session:
        row = agreement_drafts.versions(session)[0]
        with pytest.raises(UserMistake):
            agreement_drafts.attach(session, row.id, "协议.docx", b"PK\x03\x04", now=NOW)
        agreement_drafts.attach(session, row.id, "协议.pdf", PDF, now=NOW)
        assert row.document_file_id is not None
        assert agreement_drafts.document(session, row.document_file_id, now=NOW) == ("协议.pdf", PDF)
        with pytest.raises(UserMistake):
            agreement_drafts.attach(session, row.id, "另一份.pdf", PDF, now=NOW)


def archive(comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as into:
        into.writestr("a.txt", "x")
        into.comment = comment
    return made.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7 breaks off",
        b" " + PDF,
        PDF + b"x" * 1024,
        PDF + archive(),
        PDF + archive(b"%%EOF"),
        PDF + b"7z\xbc\xaf\x27\x1c",
        b"%PDF-<script>alert(1)</script>",
    ],
)
def test_what_is_no_whole_pdf_or_something_else_as_well_is_not_kept(world: World, content: bytes) -> None:
    with world.hospital(world.heqing) as session:
        row = agreement_drafts.versions(session)[0]
        with pytest.raises(UserMistake):
            agreement_drafts.attach(session, row.id, "协议.pdf", content, now=NOW)
        assert row.document_file_id is None


def test_an_assessment_is_not_made_on_a_day_to_come(world: World) -> None:
    with world.hospital(world.heqing) as session:
        agreement_drafts.assess(
            session, "care_followup", assessed_on=TODAY, now=NOW, assessed_by="何琳", summary="可控"
        )
        with pytest.raises(UserMistake):
            agreement_drafts.assess(
                session, "care_followup", assessed_on=TODAY + DAY, now=NOW, assessed_by="何琳", summary="可控"
            )
        with pytest.raises(UserMistake):
            agreement_drafts.assess(
                session, "everything", assessed_on=TODAY, now=NOW, assessed_by="何琳", summary="可控"
            )
        assert [row.purpose for row in agreement_drafts.assessments(session)] == ["care_followup"]


# ------------------------------------------------------------------------------------------- the pages


def test_the_firm_writes_and_the_director_signs_on_the_page(db: Database, world: World) -> None:
    form = {
        "purposes": ["care_followup", "complaint"], "fields": ["phone"], "channels": "telephone",
        "on_end": "return", "valid_from": "2026-09-15", "valid_to": "",
    }  # fmt: skip
    with browsing(db) as browser:
        browser.enter(world.people["operations"])
        assert browser.post("/h/heqing/agreement", form).status_code == 303
        with world.hospital(world.heqing) as session:
            draft = agreement_drafts.versions(session)[0]
        page = browser.get("/h/heqing/agreement").text
        assert "第2版草案" in page
        assert f"/agreement/{draft.id}/sign-firm" in page
        assert browser.post(f"/h/heqing/agreement/{draft.id}/sign-firm").status_code == 303
        assert browser.post(f"/h/heqing/agreement/{draft.id}/sign").status_code == 403
        browser.enter(world.people["heqing_gm"])
        assert "sign-firm" not in browser.get("/h/heqing/agreement").text
        assert browser.post("/h/heqing/agreement", form).status_code == 403
        assert browser.post(f"/h/heqing/agreement/{draft.id}/sign").status_code == 303
        browser.enter(world.people["yunling_admin"])
        assert browser.get("/h/heqing/agreement").status_code == 404
        assert browser.post(f"/h/yunling/agreement/{draft.id}/sign").status_code == 403
    with world.hospital(world.heqing) as session:
        terms = agreement.in_force(session, TODAY)
        assert terms is not None
        assert terms.version == 2
        assert terms.fields == agreement.ALWAYS_FIELDS | {"phone"}


def test_another_hospitals_paper_is_not_found(db: Database, world: World) -> None:
    with world.hospital(world.heqing) as session:
        row = agreement_drafts.versions(session)[0]
        agreement_drafts.attach(session, row.id, "协议.pdf", PDF, now=NOW)
        file_id = row.document_file_id
    with browsing(db) as browser:
        browser.enter(world.people["operations"])
        answer = browser.get(f"/h/heqing/agreement/documents/{file_id}")
        assert (answer.status_code, answer.content) == (200, PDF)
        assert browser.get(f"/h/yunling/agreement/documents/{file_id}").status_code == 404


def usual(**changes: Any) -> agreement_drafts.Draft:
    values: dict[str, Any] = {
        "purposes": frozenset(agreement.USUAL_PURPOSES),
        "fields": frozenset(agreement.FIELDS),
        "channels": frozenset(agreement.CHANNELS),
        "benchmark": False,
        "on_end": "delete",
        "valid_from": TODAY,
        "valid_to": None,
    }
    return agreement_drafts.Draft(**(values | changes))
