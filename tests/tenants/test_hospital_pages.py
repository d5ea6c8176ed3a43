"""Making a hospital on the page: what is typed, what its type brings, and where it then stands (SC-50)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from careloop import wiring
from foundation.database import Database
from foundation.scope import FirmScope, HospitalScope
from tenants.life import onboarding, stages
from tenants.models import DirectoryEntry, Hospital, HospitalPhase

FORM = {
    "code": "xinjian", "name": "新建医院", "name_en": "New Build", "hospital_type": "tcm", "region": "440100",
    "grade": "none", "beds": "120", "outpatient_percent": "5", "colour": "lime",
}  # fmt: skip


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    wiring.wire()
    with browsing(db) as made:
        yield made.enter(world.people["operations"])


def test_a_hospital_made_on_the_page_is_in_onboarding_with_its_checklist(
    browser: Browser, world: World
) -> None:
    answer = browser.post("/firm/hospitals", FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/h/xinjian/onboarding")
    page = browser.get("/h/xinjian/onboarding")
    assert page.status_code == 200
    assert "实地调研并记录" in page.text
    with world.db.firm(FirmScope(world.firm_id, (), world.agent, "test")) as session:
        hospital = session.scalars(select(Hospital).where(Hospital.code == "xinjian")).one()
        entry = session.scalars(select(DirectoryEntry).where(DirectoryEntry.code == "xinjian")).one()
    assert (hospital.state, entry.state, hospital.colour) == ("onboarding", "onboarding", "lime")
    with world.db.hospital(HospitalScope(hospital.tenant_id, world.agent, "test")) as session:
        phase = session.scalars(select(HospitalPhase)).one()
        assert (phase.state, phase.started_at, phase.by_name) == ("onboarding", NOW, "何琳")
        assert stages.stage_of(session) == "onboarding"
        assert len(onboarding.lines(session, NOW.date())) == len(onboarding.STEPS)


def test_nobody_is_called_and_data_may_come_in_before_the_gate(browser: Browser) -> None:
    browser.post("/firm/hospitals", FORM)
    assert browser.get("/h/xinjian/imports").status_code == 200
    listed = browser.get("/firm/hospitals").text
    assert "新建医院" in listed
    assert "广东省" in listed
    assert "/h/xinjian/onboarding" in listed


def test_the_type_shows_what_it_brings_and_the_code_its_province(browser: Browser) -> None:
    general = browser.get("/firm/hospitals/new").text
    assert "第1、3、6、10周" in general
    checkup = browser.get("/firm/hospitals/brings", params={"hospital_type": "checkup"}).text
    assert "离院一周内回访一次" in checkup
    assert "监护人" in browser.get("/firm/hospitals/brings", params={"hospital_type": "maternal"}).text
    assert browser.get("/firm/hospitals/brings", params={"hospital_type": "zoo"}).status_code == 422
    assert "河北省" in browser.get("/firm/hospitals/province", params={"region": "130100"}).text
    assert "不是 GB/T 2260" in browser.get("/firm/hospitals/province", params={"region": "990000"}).text


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "heqing"},
        {"code": "X"},
        {"region": "990000"},
        {"hospital_type": "zoo"},
        {"grade": "9Z"},
        {"beds": "many"},
        {"outpatient_percent": "0"},
        {"outpatient_percent": "NaN"},
        {"outpatient_percent": "1e999999999999999999"},
        {"beds": "9" * 5000},
        {"colour": "black"},
        {"name": " "},
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(
    browser: Browser, world: World, wrong: dict[str, str]
) -> None:
    assert browser.post("/firm/hospitals", FORM | wrong).status_code == 422
    with world.db.firm(FirmScope(world.firm_id, (), world.agent, "test")) as session:
        assert set(session.scalars(select(Hospital.code))) == {"heqing", "yunling"}


def test_a_hospitals_own_people_make_none(browser: Browser, world: World) -> None:
    browser.enter(world.people["heqing_admin"])
    assert browser.get("/firm/hospitals/new").status_code == 403
    assert browser.post("/firm/hospitals", FORM).status_code == 403
