"""The steps of a hospital's life as people take them: pages opened, fields typed into, buttons clicked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pyotp
from imports import run_imports
from live import DESK, PHONE, Live, Watch, new_context
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import select
from world import World

from foundation.outbox import OutboxMessage
from foundation.scope import Actor, PlatformScope
from foundation.work import run_job
from tenants.identity import signin
from tenants.models import Person

CODE, NAME = "xinyi", "新一医院"
HOME = f"/h/{CODE}"
PASSWORD = "Riverside-42"
SCOPE = PlatformScope(Actor.system("test"), "test")
LIST = """病案号,姓名,性别,年龄,联系电话,入院日期,出院日期,出院科室,离院方式
X000001,张建华,男,61,13931264807,2026-09-08,2026-09-14,骨科,1
X000002,刘秀英,女,58,13703195526,2026-09-07,2026-09-14,骨科,1
X000003,陈桂兰,女,66,15830067143,2026-09-06,2026-09-14,骨科,1
"""


@dataclass
class Walk:
    """Everybody's browsers on one served product, and what their pages complained of."""

    live: Live
    browser: Browser
    world: World
    watches: list[Watch] = field(default_factory=list)

    @contextmanager
    def as_person(self, person_id: UUID) -> Iterator[Page]:
        """A browser of its own in which this person has just signed in."""
        with self.live.runtime.database.platform(SCOPE) as session:
            person = session.get_one(Person, person_id)
            token = signin.open_session(session, person, now=self.live.clock.now(), address="127.0.0.1")
        with self.stranger() as page:
            page.context.add_cookies([{"name": signin.COOKIE, "value": token, "url": self.live.address}])
            yield page

    def of(self, role: str) -> UUID:
        """One of the firm's people, as the small world names them."""
        return self.world.people[role]

    def invited(self, email: str) -> UUID:
        """Somebody who came by an invitation."""
        with self.live.runtime.database.platform(SCOPE) as session:
            return session.scalars(select(Person.id).where(Person.email == email)).one()

    @contextmanager
    def stranger(self) -> Iterator[Page]:
        """A browser in which nobody has signed in."""
        context = new_context(self.browser, self.live.address)
        page = context.new_page()
        watch = Watch.of(page)
        self.watches.append(watch)
        yield page
        watch.complaints.extend(line for line in watch.found() if line not in watch.complaints)
        context.close()

    def complaints(self) -> list[str]:
        """What any page complained of; a form refused and an address that is not there are meant to be."""
        lines = [line for watch in self.watches for line in watch.complaints]
        return [line for line in lines if "status of 422" not in line and "status of 404" not in line]


def keep(page: Page, name: str, *, phone: bool = False) -> None:
    """Keep pictures of the whole page when CARELOOP_SCREENS names a folder."""
    folder = os.environ.get("CARELOOP_SCREENS")
    if not folder:
        return
    page.screenshot(path=Path(folder) / f"I-{name}.png", full_page=True)
    if phone:
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        page.screenshot(path=Path(folder) / f"I-{name}-phone.png", full_page=True)
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})


def press(page: Page, button: str, within: Locator | None = None) -> None:
    """Click a button that leads on, and wait until the next page is there."""
    with page.expect_navigation():
        (within or page.locator("main")).get_by_role("button", name=button, exact=True).click()


def follow(page: Page, link: str) -> None:
    """Click a link of the page."""
    with page.expect_navigation():
        page.locator("main").get_by_role("link", name=link).first.click()


def told(page: Page, words: str) -> None:
    """The page says at its head that something was done."""
    expect(page.locator(".cl-notice")).to_contain_text(words)


# ------------------------------------------------------------------------------------------- 1. made


def make_hospital(walk: Walk) -> None:
    """Operations makes a hospital, sees what its type brings, and stands before its checklist."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto("/firm/hospitals")
        follow(page, "新增医院")
        expect(page.locator("#brings")).to_contain_text("第1、3、6、10周")
        page.get_by_label("类型").select_option(label="体检中心")
        expect(page.locator("#brings")).to_contain_text("离院一周内回访一次")
        page.get_by_label("类型").select_option(label="综合医院")
        expect(page.locator("#brings")).to_contain_text("第1、3、6、10周")
        page.get_by_label("中文名称").fill(NAME)
        page.get_by_label("英文名称").fill("New One Hospital")
        page.get_by_label("网址代码").fill(CODE)
        page.get_by_label("地区").fill("130100")
        page.get_by_label("床位").fill("300")
        expect(page.locator("#province")).to_contain_text("河北省")
        keep(page, "01-new")
        press(page, "新建医院")
        page.wait_for_url(f"**{HOME}/onboarding")
        told(page, NAME)
        expect(page.get_by_role("table")).to_have_count(2)
        keep(page, "02-checklist-begun", phone=True)


# ------------------------------------------------------------------------------------------- 2. people


@dataclass(frozen=True)
class Invitee:
    """Somebody of the hospital who is invited."""

    name: str
    email: str
    role: str
    department: str = ""
    second_factor: bool = True


DIRECTOR = Invitee("孙院长", "director@xinyi.example", "院长")
OFFICE = Invitee("钱主任", "office@xinyi.example", "客服中心主任")
HEAD = Invitee("周主任", "head@xinyi.example", "科室负责人", "骨科", second_factor=False)


def invite(walk: Walk) -> None:
    """Operations invites the hospital's three people; each opens the link that was handed over."""
    links = {}
    with walk.as_person(walk.of("operations")) as page:
        for who in (DIRECTOR, OFFICE, HEAD):
            page.goto("/firm/people")
            form = page.locator("#new form")
            form.get_by_label("姓名").fill(who.name)
            form.get_by_label("电子邮箱").fill(who.email)
            form.get_by_label("角色").select_option(label=who.role)
            form.get_by_label("医院", exact=True).select_option(label=NAME)
            form.get_by_label("科室").fill(who.department)
            form.get_by_role("button", name="发出邀请").click()
            links[who] = page.locator("#invitation-link").inner_text()
        keep(page, "03-invited")
    for who, link in links.items():
        accept_invitation(walk, who, link)


def accept_invitation(walk: Walk, who: Invitee, link: str) -> None:
    """The invited person sets a password, and a second factor where the role asks for one."""
    with walk.stranger() as page:
        page.goto(link)
        expect(page.get_by_role("heading")).to_contain_text(who.name)
        page.get_by_label("密码", exact=False).first.fill(PASSWORD)
        page.get_by_label("再输一次").fill(PASSWORD)
        press(page, "设置密码并登录")
        if who.second_factor:
            page.wait_for_url("**/signin/enrol?**")
            page.locator("summary").first.click()
            secret = "".join(page.locator(".cl-secret").inner_text().split())
            page.get_by_label("6 位数字").fill(pyotp.TOTP(secret).at(walk.live.clock.now()))
            page.get_by_role("button", name="确认").click()
            expect(page.locator(".cl-codes li")).to_have_count(10)
            follow(page, "我已保存")
        expect(page.locator("body")).to_contain_text(NAME)
        keep(page, f"04-first-page-{who.email.split('@')[0]}")


# ------------------------------------------------------------------------------------------- 2. papers


def agree(walk: Walk) -> None:
    """The firm writes the agreement and signs, the director signs, each purpose is assessed."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto(f"{HOME}/onboarding")
        follow(page, "协议")
        press(page, "保存草案")
        keep(page, "05-agreement-draft", phone=True)
        press(page, "代表公司签署")
        told(page, "已签署")
        assess(page)
    with walk.as_person(walk.invited(DIRECTOR.email)) as page:
        page.goto(f"{HOME}/agreement")
        press(page, "代表医院签署")
        told(page, "双方已签署")
        keep(page, "06-agreement-signed", phone=True)


def assess(page: Page) -> None:
    """An impact assessment for each purpose of the draft; the form offers the next one by itself."""
    for _ in range(4):
        page.get_by_label("评估人").fill("何琳")
        page.get_by_label("结论").fill("风险可控：号码加密，通话提示录音。")
        press(page, "保存评估")
    keep(page, "07-assessed")


def contract(walk: Walk) -> None:
    """The billing page takes the terms; what it offers is what is usual."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto(f"{HOME}/billing")
        page.get_by_label("服务方").first.fill("恒康客服")
        keep(page, "08-contract")
        press(page, "确认条款")
        told(page, "合同已生效")


def assign_agent(walk: Walk) -> None:
    """The agent works for the new hospital, and for one of the others as before."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto("/firm/people")
        row = page.get_by_role("row").filter(has_text="李敏")
        row.get_by_text("尚未分配医院").click()
        row.get_by_label(NAME).check()
        row.get_by_label("河清市第一人民医院").check()
        keep(page, "09-assign")
        press(page, "保存", row)
        expect(page.get_by_role("row").filter(has_text="李敏")).to_contain_text("已分配 2 家医院")


def import_list(walk: Walk) -> None:
    """The first list: checked, looked at, imported."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto(f"{HOME}/imports")
        page.get_by_label("出院名单或门诊名单").set_input_files(
            {"name": "出院名单.csv", "mimeType": "text/csv", "buffer": LIST.encode()}
        )
        press(page, "检查文件")
        run_imports(walk.live.runtime)
        expect(page.locator("main")).to_contain_text("尚未导入任何数据")
        keep(page, "10-check")
        press(page, "立即导入")
        run_imports(walk.live.runtime)
        expect(page.locator("main")).to_contain_text("3 名患者已纳入随访")
        keep(page, "11-imported")


# ------------------------------------------------------------------------------------------- 2. the gate


def refused_at_the_gate(walk: Walk) -> None:
    """Going live too early is refused with a sentence that names what is missing."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto(f"{HOME}/onboarding")
        follow(page, "上线检查")
        page.get_by_role("button", name="上线", exact=True).click()
        expect(page.locator("#mistake")).to_contain_text("坐席：尚未为该医院分配坐席。")
        expect(page.locator("#mistake")).not_to_contain_text("院长")
        keep(page, "12-gate-refused", phone=True)


def tick(walk: Walk, steps: int = 3) -> None:
    """The first steps of the checklist are done, each with its owner."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto(f"{HOME}/onboarding")
        for number in range(steps):
            row = page.get_by_role("row").filter(has=page.get_by_role("cell")).nth(number)
            row.get_by_text("修改").click()
            row.get_by_label("状态").select_option(label="已完成")
            row.get_by_label("责任人").select_option(label="何琳")
            row.get_by_label("备注").fill("已到院核对")
            row.get_by_role("button", name="保存").click()
            told(page, "已保存")
            expect(page.locator(".cl-tiles")).to_contain_text(f"{number + 1}/15")
        keep(page, "13-checklist", phone=True)


def go_live(walk: Walk) -> None:
    """What is amber is accepted with a reason; then the gate opens."""
    with walk.as_person(walk.of("operations")) as page:
        page.goto(f"{HOME}/go-live")
        keep(page, "14-gate", phone=True)
        row = page.get_by_role("row").filter(has=page.get_by_role("textbox", name="原因"))
        expect(row).to_have_count(1)
        row.get_by_label("原因").fill("本季度医院不足五家，下季度再比较")
        press(page, "接受", row)
        press(page, "上线")
        told(page, "医院已上线")
        keep(page, "15-live", phone=True)


# ------------------------------------------------------------------------------------------- 3. called


def run_queued(walk: Walk) -> list[str]:
    """What the worker would do with what the pages have queued; returns the names of the jobs."""
    with walk.live.runtime.database.platform(SCOPE) as session:
        waiting = session.scalars(
            select(OutboxMessage).where(
                OutboxMessage.sent_at.is_(None), OutboxMessage.job.startswith("tenants.departure")
            )
        ).all()
        for message in waiting:
            message.sent_at = walk.live.clock.now()
    for message in waiting:
        run_job(message.job, message.arguments)
    return [message.job for message in waiting]


def call_a_patient(walk: Walk) -> None:
    """The agent finds a patient of the new hospital at the workbench and speaks with them."""
    with walk.as_person(walk.of("agent")) as page:
        page.goto("/")
        expect(page.get_by_role("row").filter(has_text=NAME)).to_contain_text("首次回访 2")
        keep(page, "16-workbench")
        with page.expect_navigation():
            page.keyboard.press("F8")
        expect(page.locator("main")).to_contain_text(NAME)
        expect(page.locator(".ow-script").first).to_contain_text(f"{NAME}")
        page.keyboard.press("F2")
        expect(page.locator("#number")).to_contain_text("1")
        page.keyboard.press("F2")
        expect(page.locator("[data-phase=talking]")).to_be_visible()
        page.keyboard.press("F4")
        expect(page.locator("input[value=completed]")).to_be_checked()
        keep(page, "17-card")
        press(page, "保存后停止")
        expect(page.get_by_role("row").filter(has_text=NAME)).to_contain_text("首次回访 1")
