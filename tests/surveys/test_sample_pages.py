"""Samples, waves and organisations on screen, as files and over the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import pytest
from python_calamine import CalamineWorkbook
from sampling_rows import DRAWN_AT, MONTH, visits
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, TODAY, World

from careloop import wiring
from foundation import audit
from foundation.database import Database, HospitalSession
from outreach.queue import draw
from patients import organisations
from patients.models import Patient
from surveys import samples, waves
from surveys.models import SurveySample
from tenants.models import Hospital
from workforce.service import assign

FORM = {
    "contact_type": "company",
    "name": "河清机械厂",
    "person": "郑卫东",
    "position": "工会主席",
    "number": "13933334444",
}


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    wiring.wire()
    with browsing(db) as made:
        yield made.enter(world.people["heqing_admin"])


@pytest.fixture
def sample_id(world: World) -> UUID:
    with world.hospital(world.heqing) as session:
        visits(world, session, [f"M{n:05d}" for n in range(60)])
        return samples.draw_sample(session, MONTH, now=DRAWN_AT, seed="heqing-202608-abcd").id


def events(world: World, action: str) -> list[audit.AuditEvent]:
    with world.hospital(world.heqing) as session:
        return list(
            session.scalars(
                select(audit.AuditEvent).where(
                    audit.AuditEvent.tenant_id == session.tenant_id, audit.AuditEvent.action == action
                )
            )
        )


def test_the_list_of_a_month_is_read_searched_and_drawn_again(browser: Browser, sample_id: UUID) -> None:
    months = browser.get("/h/heqing/samples").text
    assert f"/h/heqing/samples/{sample_id}" in months
    assert browser.get("/h/heqing/samples?audience=inpatient").text.count(str(sample_id)) == 0
    address = f"/h/heqing/samples/{sample_id}"
    first = browser.get(address).text
    assert "heqing-202608-abcd" in first
    assert "王**" in first
    assert "王小明" not in first
    assert f"{address}?after=" in first
    drawn = browser.get(f"{address}?result=drawn").text
    assert drawn.count("/h/heqing/patients/") == 6
    found = browser.post(f"{address}/search", {"number": "M00041"})
    assert found.status_code == 200
    assert (found.text.count("/h/heqing/patients/"), "M00041" in found.text) == (1, True)
    again = browser.post(f"{address}/again").text
    assert "结果一致" in again


def test_the_whole_list_leaves_as_a_file_on_record(browser: Browser, world: World, sample_id: UUID) -> None:
    address = f"/h/heqing/samples/{sample_id}/file"
    book = CalamineWorkbook.from_filelike(BytesIO(browser.get(f"{address}?format=xlsx").content))
    rows = book.get_sheet_by_index(0).to_python()
    assert rows[0][:2] == ["名单位次", "病案号"]
    assert sorted(str(row[1]) for row in rows[1:61]) == [f"M{n:05d}" for n in range(60)]
    assert any("heqing-202608-abcd" in str(row[0]) for row in rows[61:])
    drawn = browser.get(f"{address}?format=csv&result=drawn").content.decode("utf-8-sig")
    assert sum(",抽中," in line for line in drawn.splitlines()) == 6
    assert "王小明" not in drawn
    assert browser.get(f"{address}?format=exe").status_code == 404
    assert [event.detail["format"] for event in events(world, "surveys.sample_exported")] == ["xlsx", "csv"]


def test_programs_read_the_same_lines(browser: Browser, sample_id: UUID) -> None:
    (sample,) = browser.get("/api/v1/h/heqing/samples").json()["samples"]
    assert (sample["id"], sample["frame"], sample["drawn"], sample["audience"]) == (
        str(sample_id), 60, 6, "outpatient",
    )  # fmt: skip
    address = f"/api/v1/h/heqing/samples/{sample_id}/members"
    page = browser.get(address).json()
    rest = browser.get(f"{address}?after={page['after']}").json()
    both = page["members"] + rest["members"]
    assert [one["position"] for one in both] == list(range(1, 61))
    assert {one["name"] for one in both} == {"王**"}
    assert len(browser.get(f"{address}?result=drawn").json()["members"]) == 6
    assert browser.get(f"/api/v1/h/heqing/samples?after={sample_id}").json()["samples"] == []
    with_other = browser.get(f"/api/v1/h/yunling/samples/{sample_id}/members")
    assert with_other.status_code == 404


def test_the_share_is_changed_by_the_firm_alone(browser: Browser, world: World) -> None:
    assert 'name="percent"' not in browser.get("/h/heqing/samples").text
    assert browser.post("/h/heqing/samples/rate", {"percent": "25"}).status_code == 403
    browser.enter(world.people["operations"])
    assert 'name="percent"' in browser.get("/h/heqing/samples").text
    for bad in ("0", "101", "x", ""):
        assert browser.post("/h/heqing/samples/rate", {"percent": bad}).status_code == 422
    assert browser.post("/h/heqing/samples/rate", {"percent": "25"}).status_code == 303
    with world.hospital(world.heqing) as session:
        rate = session.scalars(
            select(Hospital.outpatient_rate).where(Hospital.tenant_id == session.tenant_id)
        ).one()
    assert str(rate) == "0.25"
    (event,) = events(world, "surveys.rate_changed")
    assert (event.detail["from"], event.detail["to"]) == ("0.10", "0.25")


def test_the_place_of_a_visit_stands_on_the_page_of_its_patient(
    browser: Browser, world: World, sample_id: UUID
) -> None:
    with world.hospital(world.heqing) as session:
        patient = session.scalars(
            select(Patient).where(Patient.tenant_id == session.tenant_id, Patient.record_number == "M00041")
        ).one()
    text = browser.get(f"/h/heqing/patients/{patient.id}").text
    assert "未抽中（名单第" in text
    assert f"/h/heqing/samples/{sample_id}" in text


def stored(session: HospitalSession) -> Patient:
    return session.scalars(
        select(Patient).where(Patient.tenant_id == session.tenant_id, Patient.contact_type != "patient")
    ).one()


def test_an_organisation_is_stored_changed_and_laid_to_rest_on_screen(browser: Browser, world: World) -> None:
    assert browser.post("/h/heqing/contacts", FORM | {"number": "12"}).status_code == 422
    made = browser.post("/h/heqing/contacts", FORM)
    assert made.status_code == 303
    with world.hospital(world.heqing) as session:
        row = stored(session)
    assert made.headers["location"] == f"/h/heqing/patients/{row.id}"
    listed = browser.get("/h/heqing/contacts").text
    assert "河清机械厂" in listed
    assert "郑**" in listed
    assert "郑卫东" not in listed
    assert "13933334444" not in listed
    assert "河清机械厂" not in browser.get("/h/heqing/contacts?kind=ngo").text
    form = browser.get(f"/h/heqing/contacts/{row.id}").text
    assert "139****4444" in form
    assert "13933334444" not in form
    changed = FORM | {"number": "", "name": "河清机床厂"}
    assert browser.post(f"/h/heqing/contacts/{row.id}", changed).status_code == 303
    assert browser.post(f"/h/heqing/contacts/{row.id}/end", {"reason": "cured"}).status_code == 422
    assert browser.post(f"/h/heqing/contacts/{row.id}/end", {"reason": "hospital"}).status_code == 303
    assert "已暂停" in browser.get("/h/heqing/contacts").text
    assert browser.post(f"/h/heqing/contacts/{row.id}/resume", {"note": "续签"}).status_code == 303
    assert "合作中" in browser.get("/h/heqing/contacts").text
    page = browser.get(f"/h/heqing/patients/{row.id}")
    assert page.status_code == 200
    assert "河清机床厂" not in browser.get("/h/heqing/patients").text


def test_a_patient_has_no_form_of_an_organisation_and_agents_read_only(
    browser: Browser, world: World
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
    assert browser.get(f"/h/heqing/contacts/{patient.id}").status_code == 404
    assert browser.post(f"/h/heqing/contacts/{patient.id}", FORM).status_code == 404
    assert browser.post(f"/h/heqing/contacts/{patient.id}/end", {"reason": "hospital"}).status_code == 404
    with world.firm() as firm:
        assign(firm, world.people["agent"], world.heqing.tenant_id, NOW)
    browser.enter(world.people["agent"])
    assert browser.get("/h/heqing/contacts").status_code == 200
    assert browser.get("/h/heqing/contacts/new").status_code == 403
    assert browser.post("/h/heqing/waves", {"company": "yes", "days": "21"}).status_code == 403


def test_a_wave_is_started_and_followed_on_screen(browser: Browser, world: World) -> None:
    assert "还没有登记单位" in browser.get("/h/heqing/waves").text
    with world.hospital(world.heqing) as session:
        for n, name in enumerate(("甲厂", "乙厂")):
            new = organisations.Organisation("company", name, "李雷", "", f"1393333000{n}")
            organisations.add(session, new, today=TODAY - timedelta(days=1), now=NOW)
    assert browser.post("/h/heqing/waves", {"days": "21"}).status_code == 422
    assert browser.post("/h/heqing/waves", {"company": "yes", "days": "400"}).status_code == 422
    made = browser.post("/h/heqing/waves", {"company": "yes", "days": "21"})
    assert made.status_code == 303
    wave = browser.get(made.headers["location"]).text
    assert wave.index("乙厂") < wave.index("甲厂")
    assert "本月已启动一批" in browser.get("/h/heqing/waves").text
    with world.hospital(world.heqing) as session:
        sample = session.scalars(select(SurveySample).where(SurveySample.audience == "organisation")).one()
    assert browser.get(f"/h/heqing/samples/{sample.id}").status_code == 200
    assert browser.get(f"/h/yunling/waves/{sample.id}").status_code == 404


def test_the_call_card_asks_for_the_contact_person_of_the_organisation(
    browser: Browser, world: World
) -> None:
    with world.hospital(world.heqing) as session:
        new = organisations.Organisation("company", "河清机械厂", "郑卫东", "工会主席", "13933334444")
        row = organisations.add(session, new, today=TODAY, now=NOW)
        waves.start(session, ["company"], now=NOW - timedelta(minutes=1))
    with world.firm() as firm:
        assign(firm, world.people["agent"], world.heqing.tenant_id, NOW)
        assert draw(firm, world.agent, NOW) is not None
    card = browser.enter(world.people["agent"]).get("/workbench/card").text
    assert "请问是河清机械厂的郑**（工会主席）吗" in card
    assert "郑卫东" not in card
    assert "还没有人联系过该单位" in card
    assert "合作单位满意度问卷" in card
    assert "诊断" not in card
    assert 'value="completed"' in card
    assert 'value="deceased"' not in card
    (task_id,) = set(re.findall(r"/contacts/([0-9a-f-]{36})/dial", card))
    (point_id,) = re.findall(r'name="contact_point_id" value="([^"]+)"', card)
    dialled = browser.post(f"/h/heqing/contacts/{task_id}/dial", {"contact_point_id": point_id})
    assert dialled.status_code == 200
    greeting = re.search(r'<p id="greeting" hx-swap-oob="true">(.*?)</p>', dialled.text)
    assert greeting is not None
    assert "河清市第一人民医院随访中心" in greeting[1]
    assert "请问是河清机械厂的郑卫东（工会主席）吗" in greeting[1]
    (call_id,) = re.findall(r'name="call_id" value="([^"]+)"', dialled.text)
    answered = browser.post(f"/h/heqing/contacts/{task_id}/connected", {"call_id": call_id}).text
    assert "郑卫东（工会主席）" in answered
    assert '<p id="greeting">' in card
    page = browser.get(f"/h/heqing/patients/{row.id}").text
    assert "河清机械厂" in page
    assert "年龄" not in page
    assert "13933334444" not in page
