"""Patients and imports on screen: masks, reasons, rights, the check before the import, and the wall."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from imports import run_imports
from sqlalchemy import func, select
from web_client import Browser, browsing
from world import NOW, World

from foundation import audit, languages, messages
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.files import StoredFile
from patients import intake_jobs, labels, timeline, uploads
from patients.importing import import_file
from patients.models import ContactPoint, DataImport, DataProblem, Encounter, Enrolment, Patient, Suppression

SAMPLES = Path(__file__).parents[2] / "platform" / "careloop" / "samples"
HEQING = "heqing_discharges_202609.csv"
ADMIN = "heqing_admin"


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


@pytest.fixture
def admin(browser: Browser, world: World) -> Browser:
    return browser.enter(world.people[ADMIN])


def upload(browser: Browser, name: str, content: bytes, path: str = "/h/heqing/imports") -> str:
    """Send a file and let it be checked; the address of its page."""
    answer = browser.post(path, files={"file": (name, content)})
    assert answer.status_code == 303, answer.text
    run_imports(browser.runtime)
    return str(answer.headers["location"])


def test_the_list_masks_names_and_shows_the_own_hospital_only(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        mine = world.patient(session, name="欧阳建国")
    with world.hospital(world.yunling) as session:
        other = world.patient(session, name="司马文静")
    text = admin.get("/h/heqing/patients").text
    assert "欧**" in text
    assert mine.record_number in text
    for secret in ("欧阳建国", "司马", other.record_number):
        assert secret not in text
    assert admin.get("/h/yunling/patients").status_code == 404
    assert admin.get(f"/h/heqing/patients/{other.id}").status_code == 404


@pytest.mark.parametrize("search", ["王小", "王**", "R00", "13977778888", "139 7777 8888", "{record}"])
def test_a_patient_is_found_by_name_mask_record_number_and_phone(
    admin: Browser, world: World, search: str
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, phone="13977778888")
        world.patient(session, name="李雷", record_number="Z1")
    with world.hospital(world.yunling) as session:
        stranger = world.patient(session, phone="13977778888")
    found = admin.post("/h/heqing/patients/search", {"search": search.format(record=patient.record_number)})
    assert found.status_code == 200
    assert patient.record_number in found.text
    assert "Z1" not in found.text
    assert stranger.record_number not in found.text


def test_a_search_is_no_pattern(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
    for search in ("%", "_小", "13977778889"):
        assert patient.record_number not in admin.post("/h/heqing/patients/search", {"search": search}).text


def test_the_list_goes_on_where_the_page_ended(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        numbers = {world.patient(session).record_number for _ in range(60)}
    first = admin.get("/h/heqing/patients").text
    following = re.search(r'href="([^"]+after=[^"]+)"', first)
    assert following is not None
    second = admin.get(following[1].replace("&amp;", "&")).text
    shown = [set(re.findall(r"R\d{7}", text)) for text in (first, second)]
    assert (len(shown[0]), len(shown[1])) == (50, 10)
    assert shown[0] | shown[1] == numbers


def test_a_number_is_shown_with_a_reason_and_on_the_record(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, phone="13977778888")
        point = session.scalars(select(ContactPoint)).one()
    with world.hospital(world.yunling) as session:
        stranger = world.patient(session)
        theirs = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == stranger.id)).one()
    page = admin.get(f"/h/heqing/patients/{patient.id}").text
    assert "139****8888" in page
    assert "13977778888" not in page
    address = f"/h/heqing/patients/{patient.id}/numbers/{{}}/reveal"
    assert admin.post(address.format(point.id), {"reason": " "}).status_code == 422
    assert admin.post(address.format(theirs.id), {"reason": "x"}).status_code == 404
    assert "13977778888" in admin.post(address.format(point.id), {"reason": "家属来电核对"}).text
    with world.hospital(world.heqing) as session:
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()
        assert [(e.action, e.reason) for e in events if e.action.startswith("patients.")] == [
            ("patients.viewed", ""),
            ("patients.number_revealed", "家属来电核对"),
        ]
        assert "13977778888" not in str([e.detail for e in events])
        assert audit.first_broken(session) is None


def test_stopping_and_undoing_from_the_page(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
    address = f"/h/heqing/patients/{patient.id}"
    assert admin.post(f"{address}/suppress", {"reason": "deceased"}).status_code == 422  # not confirmed
    assert admin.post(f"{address}/suppress", {"reason": "bored"}).status_code == 422
    sent = admin.post(f"{address}/suppress", {"reason": "deceased", "confirmed": "yes", "note": "家属告知"})
    assert sent.status_code == 303
    with world.hospital(world.heqing) as session:
        row = session.scalars(select(Suppression)).one()
        assert (row.reason, row.source, row.started_by) == ("deceased", "card", "陈静")
        assert session.scalars(select(Enrolment.ended_on)).one() is not None
    assert "家属告知" in admin.get(address).text
    assert admin.post(f"/h/heqing/suppressions/{row.id}/lift", {"reason": "登记有误"}).status_code == 303
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(Enrolment.ended_on)).one() is None


def test_an_enrolment_is_cancelled_with_a_reason_and_words_are_kept(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
    address = f"/h/heqing/patients/{patient.id}"
    assert admin.post(f"{address}/enrolment/cancel", {"reason": ""}).status_code == 422
    assert admin.post(f"{address}/enrolment/cancel", {"reason": "转院"}).status_code == 303
    assert admin.post(f"{address}/enrolment/cancel", {"reason": "转院"}).status_code == 422
    assert admin.post(f"{address}/words", {"words": "勿提诊断"}).status_code == 303
    assert "勿提诊断" in admin.get(address).text


def test_a_file_is_checked_first_and_imported_on_the_second_word(admin: Browser, world: World) -> None:
    check = upload(admin, HEQING, (SAMPLES / HEQING).read_bytes())
    page = admin.get(check).text
    for number in ("430", "421"):
        assert number in page
    assert page.count('<td class="cl-num">') >= 20
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Patient)) == 0
        row = session.scalars(select(DataImport)).one()
        kept = session.get_one(StoredFile, (session.tenant_id, row.file_id))
        assert "胡强".encode("gb18030") not in kept.content
    for _twice in range(2):
        assert admin.post(f"{check}/confirm").status_code == 303
    assert run_imports(admin.runtime) >= 1
    assert admin.post(f"{check}/confirm").status_code == 303
    assert run_imports(admin.runtime) == 0
    result = admin.get(check).text
    assert "421" in result
    assert "没有病案号" in result
    rejected = admin.get(f"{check}/rejected")
    assert "attachment" in rejected.headers["content-disposition"]
    assert "没有病案号" in rejected.content.decode("gb18030")
    assert admin.get(f"{check}/verdicts").text.count("\n") == 431
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(Encounter)) == 421
        assert session.scalars(select(DataImport.imported_by)).all() == ["陈静"]
        # What is left are the rejected rows and the verdicts, not the list itself.
        assert set(session.scalars(select(StoredFile.media_type))) == {"text/csv"}
        assert session.scalar(select(func.count()).select_from(StoredFile)) == 2
    assert HEQING in admin.get("/h/heqing/imports").text


def test_an_upload_belongs_to_its_hospital(admin: Browser, world: World) -> None:
    check = upload(admin, HEQING, (SAMPLES / HEQING).read_bytes())
    import_id = check.rsplit("/", 1)[-1]
    admin.enter(world.people["yunling_admin"])
    for path in (check, f"/h/yunling/imports/{import_id}", f"/h/yunling/imports/{import_id}/progress"):
        assert admin.get(path).status_code == 404
    for act in ("confirm", "discard", "stop", "again", "columns", "header"):
        assert admin.post(f"/h/yunling/imports/{import_id}/{act}").status_code == 404
        assert admin.post(f"{check}/{act}").status_code == 404
    admin.enter(world.people[ADMIN])
    assert admin.get(check).status_code == 200
    assert admin.post(f"{check}/discard").status_code == 303
    assert admin.get(check).status_code == 404
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(StoredFile)).all() == []


@pytest.mark.parametrize(
    ("content", "chinese", "english"),
    [
        (b"", "文件是空的", "The file is empty"),
        (b"%PDF-1.7", "不是表格", "not a table"),
        (b",".join(b"x" for _ in range(1_000_000)), "列", "columns"),
        ("病案号,姓名,出院日期\n".encode() + b"\x81\x00\xff\xff\n", "编码", "cannot be read"),
    ],
)
def test_a_bad_file_gets_one_sentence_in_the_users_language_and_writes_nothing(
    browser: Browser, world: World, content: bytes, chinese: str, english: str
) -> None:
    for language, words in (("zh_Hans", chinese), ("en", english)):
        browser.enter(world.people[ADMIN], language)
        for path in ("/h/heqing/imports", "/api/v1/h/heqing/imports"):
            answer = browser.post(path, files={"file": ("list.csv", content)})
            assert answer.status_code == 422, answer.text
            assert words in answer.text
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(StoredFile)).all() == []
        assert session.scalars(select(DataImport)).all() == []


def test_a_file_of_more_than_ten_megabytes_is_taken(admin: Browser) -> None:
    lines = [f"A{number},王芳,20260905,{'注' * 30_000}" for number in range(130)]
    content = "\n".join(["病案号,姓名,出院日期,备注内容", *lines]).encode()
    assert len(content) > 11_000_000
    assert ">130<" in admin.get(upload(admin, "big.csv", content)).text


def test_no_file_chosen_is_said(admin: Browser) -> None:
    assert admin.post("/h/heqing/imports", files={"file": ("", b"")}).status_code == 422


def test_the_api_imports_dry_and_wet_and_lists(admin: Browser) -> None:
    content = (SAMPLES / HEQING).read_bytes()
    path = "/api/v1/h/heqing/imports"
    sent = admin.post(f"{path}?dry_run=true", files={"file": (HEQING, content)})
    assert sent.status_code == 202, sent.text
    run_imports(admin.runtime)
    dry = admin.get(sent.json()["address"]).json()
    assert (dry["state"], dry["import_id"]) == ("checked", None)
    assert admin.post(f"/h/heqing/imports/{dry['id']}/discard").status_code == 303
    assert admin.get(path).json() == {"imports": [], "after": None}
    sent = admin.post(path, files={"file": (HEQING, content)})
    again = admin.post(path, files={"file": (HEQING, content)})
    assert again.json()["id"] == sent.json()["id"], "the same file while the first is at work is the first"
    run_imports(admin.runtime)
    wet = admin.get(sent.json()["address"]).json()
    assert wet["state"] == "done"
    for count in ("rows", "created", "updated", "unchanged", "rejected", "warnings", "reject_reasons"):
        assert wet[count] == dry[count]
    listed = admin.get(path).json()["imports"]
    assert [(line["id"], line["created"]) for line in listed] == [(wet["import_id"], 421)]
    assert admin.get("/api/v1/h/yunling/imports").status_code == 404


def test_who_may_not_import_or_suppress_is_refused(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
    browser.enter(world.people["heqing_gm"])
    assert browser.get("/h/heqing/patients").status_code == 200
    assert browser.get("/h/heqing/imports").status_code == 403
    page = browser.get(f"/h/heqing/patients/{patient.id}").text
    assert "/suppress" not in page
    refused = browser.post(f"/h/heqing/patients/{patient.id}/suppress", {"reason": "cured"})
    assert refused.status_code == 403
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(Suppression)).all() == []


def test_data_to_correct_is_listed_and_taken_off(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        import_file(session, (SAMPLES / HEQING).read_bytes(), HEQING, by="陈静", now=NOW)
        problem = session.scalars(select(DataProblem).where(DataProblem.kind == "no_phone_at_all")).first()
        assert problem is not None
    page = admin.get("/h/heqing/quality/problems?kind=no_phone_at_all").text
    assert page.count("/resolve") == 3
    assert admin.post(f"/h/heqing/problems/{problem.id}/resolve").status_code == 303
    assert admin.get("/h/heqing/quality/problems?kind=no_phone_at_all").text.count("/resolve") == 2
    admin.enter(world.people["yunling_admin"])
    assert "/resolve" not in admin.get("/h/yunling/quality/problems").text


def test_the_page_shows_what_higher_floors_know(
    admin: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "_sources", {})
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)

    def calls(_session: object, patient_id: UUID) -> list[timeline.Entry]:
        assert patient_id == patient.id
        return [timeline.Entry(NOW, "call", "电话已接通", "满意", "good", path="cases/1")]

    timeline.register("outreach", calls)
    page = admin.get(f"/h/heqing/patients/{patient.id}").text
    assert "电话已接通" in page
    assert 'href="/h/heqing/cases/1"' in page


def test_a_checked_file_that_nobody_confirms_goes_after_a_day(db: Database, world: World) -> None:
    clock = SetClock(NOW)
    with browsing(db, clock=clock) as browser:
        browser.enter(world.people[ADMIN])
        upload(browser, HEQING, (SAMPLES / HEQING).read_bytes())
    with world.hospital(world.heqing) as session:
        intake_jobs.drop_uploads(session, NOW + uploads.KEPT_FOR)
        assert len(session.scalars(select(StoredFile)).all()) == 2  # the list, and what its check said
        intake_jobs.drop_uploads(session, NOW + uploads.KEPT_FOR * 1.01)
        assert session.scalars(select(StoredFile)).all() == []
        assert session.scalars(select(DataImport)).all() == []


def test_every_page_speaks_english_as_well(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, name="Wang", department="骨科")
    browser.enter(world.people[ADMIN], "en")
    for path in ("patients", f"patients/{patient.id}", "imports", "quality"):
        text = re.sub(r"<[^>]+>", " ", browser.get(f"/h/heqing/{path}").text.split("<main", 1)[1])
        assert "Patient" in text or "Import" in text
        left = set(re.findall(r"[\u4e00-\u9fff]+", text)) - {"骨科", "病区", "李医生", "张", "中文"}
        assert not left


def test_every_sentence_about_a_file_has_its_chinese() -> None:
    known_messages = messages.catalogue()
    texts = [*labels.WARNINGS.values(), *labels.REJECTIONS.values(), *labels.UNREADABLE.values()]
    assert [text for text in texts if text not in known_messages] == []
    with languages.speaking("zh_Hans"):
        for text in texts:
            assert set(re.findall(r"%\((\w+)\)s", text)) == set(
                re.findall(r"%\((\w+)\)s", languages.gettext(text))
            )
