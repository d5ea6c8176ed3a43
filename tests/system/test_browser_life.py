"""A hospital's whole life through its pages, in Chromium: made, agreed with, brought live, called for,
suspended, resumed, handed back and erased (SC-50, SC-51, SC-56, SC-58).

Nothing here calls a service: what somebody does, they do by typing and clicking, and what the worker would
do in between is run as the worker runs it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

import pytest
from hospital_life import (
    CODE,
    DIRECTOR,
    HOME,
    NAME,
    PASSWORD,
    SCOPE,
    Walk,
    agree,
    assign_agent,
    call_a_patient,
    contract,
    follow,
    go_live,
    import_list,
    invite,
    keep,
    make_hospital,
    press,
    refused_at_the_gate,
    run_queued,
    tick,
    told,
)
from live import chromium_browser, live
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, select, text
from world import NOW, TODAY, World

from careloop import jobs
from foundation import catalogue, runtime
from foundation.database import Base, Database
from foundation.scope import Actor, HospitalScope
from foundation.work import run_job
from tenants.life import departure
from tenants.models import DirectoryEntry

pytestmark = pytest.mark.browser

# The patients of the list left yesterday: the three first calls are spread over
# their week, and by Thursday two of them wait.
FIRST_CALLS = NOW + timedelta(days=2)
REASON = "机房搬迁"
# What would name one of its patients, in any column of any table.
TOLD = "X00000[123]|张建华|刘秀英|陈桂兰"


@pytest.fixture
def walk(engine_db: Database, engine_world: World, chromium: str) -> Iterator[Walk]:
    """The served product with two other hospitals, one of which has patients."""
    with engine_world.hospital(engine_world.heqing) as session:
        for name in ("吴桂英", "徐志明"):
            engine_world.patient(session, name=name, discharged_on=TODAY - timedelta(days=200))
    with live(engine_db, NOW, demo=False) as served, chromium_browser(chromium) as browser:
        runtime.install(served.runtime)
        assert jobs.MODULES, "what the worker can do is known once this is imported"
        yield Walk(served, browser, engine_world)


def test_a_hospital_lives_and_leaves_by_its_pages(walk: Walk, owner_engine: Engine) -> None:
    make_hospital(walk)
    invite(walk)
    agree(walk)
    contract(walk)
    import_list(walk)
    plan(walk, "revisits.catch_up")  # ten minutes have passed
    refused_at_the_gate(walk)
    assign_agent(walk)
    tick(walk)
    go_live(walk)
    walk.live.clock.at = FIRST_CALLS
    plan(walk, "revisits.plan")  # midnight has passed
    call_a_patient(walk)
    suspend(walk)
    nobody_is_drawn(walk)
    resume(walk)
    others = rows_of_the_other(walk)
    hand_back(walk)
    package = take_and_sign(walk)
    erase(walk)
    assert_package(package)
    assert_gone_for_everybody(walk)
    assert_nothing_left(walk, owner_engine)
    assert rows_of_the_other(walk) == others
    assert walk.complaints() == []


# ------------------------------------------------------------------------------------------- called


def tenant_id_of(walk: Walk) -> UUID:
    """The new hospital's id."""
    with walk.live.runtime.database.platform(SCOPE) as session:
        found = session.scalars(select(DirectoryEntry.tenant_id).where(DirectoryEntry.code == CODE)).one()
    assert found is not None
    return found


def plan(walk: Walk, job: str) -> None:
    """What the worker does with the new hospital by the clock."""
    run_job(job, {"tenant_id": str(tenant_id_of(walk))})


# ------------------------------------------------------------------------------------------- suspended


def suspend(walk: Walk) -> None:
    """Operations finds the hospital in the list and suspends it; the reason stands in its history."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto("/firm/hospitals")
        follow(page, NAME)
        keep(page, "18-settings")
        page.locator("#suspend").get_by_label("原因").fill(REASON)
        press(page, "暂停")
        told(page, f"{NAME}已暂停")
        expect(page.locator("#stage")).to_contain_text(REASON)
        expect(page.locator("#stage")).to_contain_text("通过上线检查")
        expect(page.locator(".cl-stage")).to_contain_text(f"{NAME}已暂停")
        keep(page, "19-suspended", phone=True)
    with walk.as_person(walk.invited(DIRECTOR.email)) as page:
        page.goto(f"{HOME}/patients")
        expect(page.locator(".cl-stage")).to_contain_text(f"{NAME}已暂停")
        keep(page, "20-banner")


def nobody_is_drawn(walk: Walk) -> None:
    """The workbench counts nothing of it and hands out nobody."""
    with walk.as_person(walk.of("agent")) as page:
        page.goto("/workbench")
        expect(page.locator("main")).to_contain_text("目前没有待联系的患者")
        with page.expect_navigation():
            page.keyboard.press("F8")
        assert page.url.endswith("/workbench")
        keep(page, "21-nobody")


def resume(walk: Walk) -> None:
    """Operations takes the work up again; the agent finds it."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto(f"/firm/hospitals/{CODE}")
        press(page, "恢复")
        told(page, f"{NAME}已恢复")
        expect(page.locator(".cl-stage")).to_have_count(0)
        keep(page, "22-resumed")
    with walk.as_person(walk.of("agent")) as page:
        page.goto("/workbench")
        expect(page.get_by_role("row").filter(has_text=NAME)).to_contain_text("首次回访 1")


# ------------------------------------------------------------------------------------------- handed back


def hand_back(walk: Walk) -> None:
    """The firm's general manager lets it leave and has everything exported."""
    with walk.as_person(walk.of("firm_gm")) as page:
        page.goto("/firm/departures")
        follow(page, NAME)
        page.get_by_label("原因").fill("合同到期，不再续签")
        keep(page, "23-departure-begin")
        press(page, "开始退出")
        told(page, "不再联系任何患者")
        press(page, "开始导出")
        told(page, "导出已开始")
        keep(page, "24-exporting")
        with page.expect_navigation():  # the page looks by itself how far the export is
            assert run_queued(walk) == [departure.EXPORT_JOB]
        expect(page.locator("#counts")).to_contain_text("patient")
        keep(page, "25-exported", phone=True)


def take_and_sign(walk: Walk) -> bytes:
    """The director takes the package, then signs; not the other way round."""
    with walk.as_person(walk.invited(DIRECTOR.email)) as page:
        page.goto("/")
        page.locator(".cl-rail").get_by_role("link", name="终止服务").click()
        page.get_by_label("本人已取得数据").check()
        page.get_by_role("button", name="签署数据清单").click()
        expect(page.locator("[data-mistake]")).to_contain_text("请先下载数据")
        with page.expect_download() as taken:
            page.get_by_role("link", name="下载数据").click()
        content = Path(taken.value.path()).read_bytes()
        keep(page, "26-sign", phone=True)
        press(page, "签署数据清单")
        told(page, "已签署")
        keep(page, "27-signed")
    return content


def erase(walk: Walk) -> None:
    """The general manager types the code, the worker erases, the certificate stays with the firm."""
    with walk.as_person(walk.of("firm_gm")) as page:
        page.goto(f"{HOME}/departure")
        page.get_by_label(f"输入 {CODE} 确认").fill(CODE)
        keep(page, "28-erase", phone=True)
        press(page, "全部删除")
        page.wait_for_url("**/firm/departures")
        told(page, "删除已开始")
        assert run_queued(walk) == [departure.ERASE_JOB]
        page.reload()
        row = page.get_by_role("row").filter(has_text=CODE)
        expect(row).to_contain_text("已删除")
        keep(page, "29-erased", phone=True)
        with page.expect_download() as taken:
            row.get_by_role("link", name="证明").click()
        assert Path(taken.value.path()).read_bytes().startswith(b"%PDF")


# ------------------------------------------------------------------------------------------- left


def assert_package(package: bytes) -> None:
    """What the director holds is the three patients, readable without the product."""
    archive = zipfile.ZipFile(io.BytesIO(package))
    assert archive.testzip() is None
    patients = [json.loads(line) for line in archive.read("tables/patient.jsonl").splitlines()]
    assert {patient["name"] for patient in patients} == {"张建华", "刘秀英", "陈桂兰"}
    assert "13931264807" in archive.read("tables/contact_point.csv").decode()


def assert_gone_for_everybody(walk: Walk) -> None:
    """The address is nobody's: for the firm and for other hospitals; its own people are let in no more."""
    for role in ("firm_gm", "operations", "agent", "heqing_admin"):
        with walk.as_person(walk.of(role)) as page:
            for path in (
                f"{HOME}/patients",
                f"{HOME}/onboarding",
                f"{HOME}/departure",
                f"/firm/hospitals/{CODE}",
            ):
                assert status(page, path) == HTTPStatus.NOT_FOUND, (role, path)
    with walk.stranger() as page:
        page.goto("/signin")
        page.get_by_label("邮箱").fill(DIRECTOR.email)
        page.get_by_label("密码").fill(PASSWORD)
        page.get_by_role("button", name="登录").first.click()
        expect(page.locator("form [data-mistake]")).to_be_visible()


def status(page: Page, path: str) -> int:
    """What an address answers."""
    answer = page.goto(path)
    assert answer is not None
    return answer.status


def assert_nothing_left(walk: Walk, owner_engine: Engine) -> None:
    """No table of hospitals holds a row that named a patient, read by the owner of the tables as text."""
    hospital = tenant_id_of(walk)
    with walk.live.runtime.database.hospital(
        HospitalScope(hospital, Actor.system("test"), "test")
    ) as session:
        counts = catalogue.counts(session, hospital)
    assert [table.name for table in catalogue.deletion_order() if counts[table.name]] == []
    reach = f"{{{hospital},{walk.world.heqing.tenant_id}}}"
    with owner_engine.begin() as owner:
        owner.execute(
            text(
                "SELECT set_config('careloop.tenant_ids', :t, true), set_config('careloop.firm_id', :f, true)"
            ),
            {"t": reach, "f": str(walk.world.firm_id)},
        )
        naming = [
            table.name
            for table in Base.metadata.sorted_tables
            if owner.scalar(
                text(f"SELECT count(*) FROM {table.name} t WHERE t::text ~ :told"), {"told": TOLD}
            )
        ]
    assert naming == []


def rows_of_the_other(walk: Walk) -> dict[str, int]:
    """How many rows the other hospital has in each table."""
    with walk.world.hospital(walk.world.heqing) as session:
        found = catalogue.counts(session, session.tenant_id)
    assert found["patient"] == 2
    return found
