"""The ledger, the case and the card's forms, as people see them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from feedback_cases import LATER, case_of, handled_case, member, new_case, table_of, text_of
from python_calamine import CalamineWorkbook
from sqlalchemy import func, select
from web_client import Browser, browsing
from world import NOW, TestHospital, World

from careloop.wiring import wire
from feedback.models import FeedbackCase
from feedback.service import acknowledge, mark_handled, open_case
from foundation import audit
from foundation.clock import SetClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.web.templates import render
from outreach import card, queue
from outreach.models import ContactTask
from outreach.tasks import TaskRequest, make_tasks
from patients.models import Encounter, Patient
from tenants.models import Membership
from workforce.service import assign


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, world: World, clock: SetClock) -> Iterator[Browser]:
    wire()
    with world.firm() as session:
        for name in ("agent", "agent2"):
            assign(session, world.people[name], world.heqing.tenant_id, NOW)
    with browsing(db, clock=clock) as made:
        yield made


def some_cases(world: World, hospital: TestHospital) -> list[FeedbackCase]:
    """Of each kind: overdue, in hand, handled, closed."""
    with world.hospital(hospital) as session:
        old = NOW - timedelta(days=1)
        late = case_of(session, world.patient(session), world.agent, old, text="没人来")
        complaint = case_of(
            session, world.patient(session), world.agent, tier=3, tag="treatment_error", category="quality"
        )
        acknowledge(session, complaint.id, actor=world.admin, now=NOW, owner="complaint_officer")
        waiting = handled_case(session, world, old)
        closed = handled_case(session, world, old, tier=1, tag="parking", category="process")
    return [late, complaint, waiting, closed]


def answer(world: World, hospital: TestHospital, model: type[FeedbackCase] = FeedbackCase) -> int:
    with world.hospital(hospital) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_the_ledger_shows_one_hospitals_cases_by_deadline(browser: Browser, world: World) -> None:
    cases = some_cases(world, world.heqing)
    with world.hospital(world.yunling) as session:
        foreign = open_case(session, new_case(text="别院", department_id=None), actor=world.agent, now=NOW)
        open_case(session, new_case(text="又一条"), actor=world.agent, now=NOW)
    browser.enter(world.people["heqing_admin"])
    everything = browser.get("/h/heqing/cases?view=all")
    assert everything.status_code == 200
    shown = re.findall(r'href="/h/heqing/cases/([0-9a-f-]{36})"', everything.text)
    # What is overdue stands first, what is closed last.
    late, complaint, waiting, closed = (str(case.id) for case in cases)
    assert shown == [late, complaint, waiting, closed]
    assert str(foreign.id) not in everything.text
    assert "没人来" not in everything.text, "the patient's words are read in the case, not in a list"
    assert "超期" in text_of(everything.text)
    for view, expected in {
        "open": [late, complaint, waiting],
        "overdue": [late],
        "today": [complaint],
        "complaints": [complaint],
    }.items():
        page = browser.get(f"/h/heqing/cases?view={view}").text
        assert re.findall(r'href="/h/heqing/cases/([0-9a-f-]{36})"', page) == expected, view
    assert browser.get("/h/yunling/cases").status_code == 404


def test_the_export_is_the_page(browser: Browser, world: World) -> None:
    some_cases(world, world.heqing)
    browser.enter(world.people["heqing_admin"])
    page = table_of(browser.get("/h/heqing/cases?view=all").text)
    book = CalamineWorkbook.from_filelike(io.BytesIO(browser.get("/h/heqing/cases/export?view=all").content))
    sheet = book.get_sheet_by_index(0).to_python()
    plain = browser.get("/h/heqing/cases/export?view=all&format=csv").content.decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(plain)))
    times = {page[0].index("受理时间"), page[0].index("时限")}
    assert lines[0] == page[0] == [str(cell) for cell in sheet[0]]
    assert len(lines) == len(page) == 5
    for on_page, in_csv, in_sheet in zip(page[1:], lines[1:], sheet[1:], strict=False):
        for column, cell in enumerate(on_page):
            if column in times:
                # The page writes the weekday as well.
                assert re.sub(r" 周.", "", cell) == in_csv[column]
                assert str(in_sheet[column])[:16] == in_csv[column]
            else:
                assert cell == in_csv[column]
                assert cell == re.sub(r"\.0$", "", str(in_sheet[column]))
    assert any("陈静" in str(cell) for row in sheet[5:] for cell in row), "who took the list away"
    filtered = browser.get("/h/heqing/cases/export?view=complaints&format=csv").content.decode("utf-8-sig")
    assert len(filtered.splitlines()) == 2
    with world.hospital(world.heqing) as session:
        exported = session.scalars(
            select(audit.AuditEvent.detail).where(audit.AuditEvent.action == "feedback.exported")
        ).all()
    assert [detail["rows"] for detail in exported] == [4, 4, 1]


def test_an_agent_sees_the_ledger_and_takes_nothing_away(browser: Browser, world: World) -> None:
    some_cases(world, world.heqing)
    browser.enter(world.people["agent"])
    page = browser.get("/h/heqing/cases?view=all")
    assert page.status_code == 200
    assert "/cases/export" not in page.text
    assert browser.get("/h/heqing/cases/export").status_code == 403
    assert browser.get("/h/yunling/cases").status_code == 404, "not assigned"


def test_search_finds_a_number_and_a_name_and_nothing_by_a_percent_sign(
    browser: Browser, world: World
) -> None:
    with world.hospital(world.heqing) as session:
        case_of(session, world.patient(session, name="欧阳兰"), world.agent)
        case_of(session, world.patient(session), world.agent, text="停车")
    browser.enter(world.people["heqing_admin"])
    for word, found in (("欧阳", 1), ("fk-2609-0002", 1), ("FK-2609", 2), ("%", 0), ("王小", 1)):
        page = browser.get("/h/heqing/cases", params={"search": word}).text
        assert len(re.findall(r'href="/h/heqing/cases/[0-9a-f-]{36}"', page)) == found, word


def test_a_case_of_another_hospital_does_not_exist(browser: Browser, world: World) -> None:
    with world.hospital(world.yunling) as session:
        foreign = open_case(session, new_case(), actor=world.agent, now=NOW)
    browser.enter(world.people["heqing_admin"])
    for path in (
        f"/h/heqing/cases/{foreign.id}",
        f"/h/yunling/cases/{foreign.id}",
        f"/h/heqing/cases/{new_id()}",
    ):
        assert browser.get(path).status_code == 404
        assert browser.post(f"{path}/acknowledge", {"owner": "department_head"}).status_code == 404
    with world.hospital(world.yunling) as session:
        assert session.get_one(FeedbackCase, (session.tenant_id, foreign.id)).stage == "received"


def test_a_deadline_explains_itself_and_reading_is_recorded(
    browser: Browser, world: World, clock: SetClock
) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(session, world.patient(session), world.agent, text="<b>护士</b>不耐心")
    clock.at = NOW + timedelta(hours=13)
    page = browser.enter(world.people["heqing_admin"]).get(f"/h/heqing/cases/{case.id}")
    words = text_of(page.text)
    assert "&lt;b&gt;护士&lt;/b&gt;不耐心" in page.text
    assert "12 小时 · S0-22 · 规则版本 default-1" in words
    assert "超期 1 小时" in words
    assert "王**" in words
    assert "王小明" not in words
    with world.hospital(world.heqing) as session:
        read = session.scalars(
            select(audit.AuditEvent).where(audit.AuditEvent.action == "feedback.read")
        ).all()
        assert [(e.subject, e.actor_name) for e in read] == [(f"case:{case.id}", "陈静")]


def test_the_admin_works_a_case_to_its_callback(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(session, world.patient(session), world.agent)
    here = f"/h/heqing/cases/{case.id}"
    browser.enter(world.people["heqing_admin"])
    done = browser.post(f"{here}/acknowledge", {"owner": "department_head"})
    assert (done.status_code, done.headers["location"]) == (303, here)
    assert browser.post(f"{here}/progress", {"note": "", "told": "yes"}).status_code == 422
    assert browser.post(f"{here}/progress", {"note": "已告知患者", "told": "yes"}).status_code == 303
    assert browser.post(f"{here}/plan", {"note": "换保温车"}).status_code == 303
    assert browser.post(f"{here}/handled", {"note": "已更换"}).status_code == 303
    # The handler is told why the callback is not theirs, and has no button for it.
    own = browser.post(f"{here}/callback", {"level": "6"})
    assert own.status_code == 422
    assert "须由其他人回访" in own.text
    assert 'value="6"' not in browser.get(here).text
    browser.enter(world.people["agent2"])
    assert browser.post(f"{here}/callback", {"level": "2", "note": "没人道歉"}).status_code == 303
    page = text_of(browser.get(here).text)
    assert "第 2 轮" in page
    assert "不满意 (2/6)" in page


def test_buttons_are_those_of_the_role(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(session, world.patient(session), world.agent)
        bones = world.heqing.departments["骨科"]
        head = member(session, "department_head", "孙主任", tenant_id=world.heqing.tenant_id)
        children = member(session, "department_head", "马主任", tenant_id=world.heqing.tenant_id)
        office = member(session, "medical_affairs", "周医务", tenant_id=world.heqing.tenant_id)
        for person, place in ((head, bones), (children, world.heqing.departments["儿科"])):
            session.scalars(
                select(Membership).where(Membership.person_id == person.id)
            ).one().department_id = place
    here = f"/h/heqing/cases/{case.id}"

    def acts(person: UUID) -> set[str]:
        page = browser.enter(person).get(here)
        assert page.status_code == 200
        return set(re.findall(rf'action="{here}/([a-z_]+)"', page.text)) - {"reveal"}

    assert acts(world.people["heqing_gm"]) == set()
    assert acts(world.people["agent"]) == {"progress", "medical_affairs"}
    assert head.id is not None
    assert children.id is not None
    assert acts(head.id) == {"acknowledge", "progress", "plan", "handled", "medical_affairs"}
    assert office.id is not None
    assert "medical_affairs" not in acts(office.id)  # nobody hands a case to themselves
    told = re.search(r'<input[^>]*name="told"[^>]*>', browser.get(here).text)
    assert told is not None
    assert "checked" not in told.group().split()  # that the patient was told is said by whoever told
    assert browser.enter(world.people["agent"]).post(f"{here}/handled", {"note": "好了"}).status_code == 403
    assert browser.enter(world.people["heqing_gm"]).post(f"{here}/progress", {"note": "x"}).status_code == 403
    # A department's head knows of the department's cases alone.
    assert browser.enter(children.id).get(here).status_code == 404
    assert str(case.id) not in browser.get("/h/heqing/cases?view=all").text


def test_of_a_medical_dispute_the_firm_sees_a_status_line(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(session, world.patient(session), world.agent, medical_dispute=True, text="要求赔偿")
    here = f"/h/heqing/cases/{case.id}"
    firm = browser.enter(world.people["agent"]).get(here).text
    assert "由医务处处理" in firm
    assert "要求赔偿" not in firm
    assert '<form method="post" action="/h/heqing' not in firm
    assert browser.post(f"{here}/progress", {"note": "已联系"}).status_code == 422
    assert "要求赔偿" in browser.enter(world.people["heqing_admin"]).get(here).text


def on_the_card(world: World, hospital: TestHospital) -> UUID:
    """A follow-up call that the agent has just drawn."""
    with world.hospital(hospital) as session:
        patient = world.patient(session)
        stay = session.scalars(select(Encounter).where(Encounter.patient_id == patient.id)).one()
        request = TaskRequest(
            patient_id=patient.id,
            encounter_id=stay.id,
            kind="revisit",
            purpose="care_followup",
            source="revisit",
            source_id=new_id(),
            label={"zh": "第1次回访", "en": "Revisit 1"},
            rank=6,
            opens_at=NOW,
            due_at=NOW + timedelta(days=1),
            closes_at=NOW + timedelta(days=5),
        )
        make_tasks(session, [request], NOW)
    with world.firm() as firm:
        drawn = queue.draw(firm, world.agent, NOW)
    assert drawn is not None
    return drawn.task_id


def test_the_form_opens_over_the_card_and_knows_what_is_in_hand(world: World) -> None:
    wire()
    task_id = on_the_card(world, world.heqing)
    with world.hospital(world.heqing, world.agent) as session:
        task = session.get_one(ContactTask, (session.tenant_id, task_id))
        patient = session.get_one(Patient, (session.tenant_id, task.patient_id))
        known = case_of(session, patient, world.agent)
        case_of(session, world.patient(session), world.agent, text="别人的")
        shown = card.dialog(session, task, "feedback", "zh_Hans")
        assert shown is not None
        form = render(shown.template, shown.values)
        assert "callback" not in {panel.name for panel in card.shown_panels(session, task, "zh_Hans")}
    assert f"{known.number} (饭菜问题, 新受理)" in text_of(form)
    assert "FK-2609-0002" not in form
    assert 'action="/h/heqing/cases/from-call"' in form
    # The initials of the pinyin find a tag.
    typed = {tag: words for words, tag in re.findall(r'data-typed="([^"]+)".*?value="(\w+)"', form)}
    assert {"ddsjc", "long", "等待时间长"} <= set(typed["waiting"].split())
    assert "tckn" in typed["parking"].split()


def test_the_tier_is_proposed_while_the_agent_types(browser: Browser, world: World) -> None:
    task = str(on_the_card(world, world.heqing))
    browser.enter(world.people["agent"])
    address = "/h/heqing/cases/propose"
    plain = text_of(browser.post(address, {"task_id": task, "tag": "meals", "text": "饭菜凉"}).text)
    assert "按建议：一般反馈" in plain
    assert "医疗纠纷" not in plain
    grave = text_of(browser.post(address, {"task_id": task, "tag": "meals", "text": "我要找律师"}).text)
    assert "按建议：投诉反馈" in grave
    assert "是否涉及医疗纠纷" in grave
    assert "“律师”" in grave
    important = text_of(browser.post(address, {"task_id": task, "tag": "guide_attitude"}).text)
    assert "科室负责人 12 小时内联系您" in important


def test_feedback_from_a_call_is_a_case_with_the_cards_patient(browser: Browser, world: World) -> None:
    task = on_the_card(world, world.heqing)
    browser.enter(world.people["agent"])
    form = {"task_id": str(task), "tag": "guide_attitude", "text": "导诊不理人", "wish": "道歉"}
    done = browser.post("/h/heqing/cases/from-call", form)
    again = browser.post("/h/heqing/cases/from-call", form)
    assert done.status_code == again.status_code == 200
    assert "FK-2609-0001" in done.text
    assert "FK-2609-0001" in again.text, "a double press is one case"
    with world.hospital(world.heqing) as session:
        case = session.scalars(select(FeedbackCase)).one()
        assert (case.tier, case.category, case.channel, case.first_receiver) == (
            2,
            "service",
            "revisit_call",
            "李敏",
        )
        assert case.patient_id is not None
        assert case.department_id == world.heqing.departments["骨科"]
    wrong = (
        ({"tag": "nonsense"}, "请选择反映的问题"),
        ({"text": "  "}, "请记下患者的原话"),
        ({"text": "我要曝光"}, "是否涉及医疗纠纷"),
    )
    for change, sentence in wrong:
        refused = browser.post("/h/heqing/cases/from-call", form | change)
        assert refused.status_code == 422
        assert sentence in refused.text
    # Another agent, whose card this is not, files nothing.
    assert browser.enter(world.people["agent2"]).post("/h/heqing/cases/from-call", form).status_code == 422
    assert answer(world, world.heqing) == 1


def test_the_closing_callback_is_answered_on_the_card(
    browser: Browser, world: World, clock: SetClock
) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(session, world.patient(session), world.agent, text="饭菜凉了")
        acknowledge(session, case.id, actor=world.admin, now=NOW)
        mark_handled(session, case.id, actor=world.admin, note="已更换保温车", now=LATER)
    clock.at = LATER + timedelta(hours=3)
    with world.firm() as firm:
        drawn = queue.draw(firm, world.agent2, clock.at)
    assert drawn is not None
    with world.hospital(world.heqing, world.agent2) as session:
        task = session.get_one(ContactTask, (session.tenant_id, drawn.task_id))
        (shown,) = (p for p in card.shown_panels(session, task, "zh_Hans") if p.name == "callback")
        first = render(shown.template, shown.values)
    panel = f"/h/heqing/cases/{case.id}/for-callback?task={drawn.task_id}"
    assert panel in first
    assert "饭菜凉了" not in first, "the words are fetched, and that is recorded"
    assert browser.enter(world.people["agent"]).get(panel).status_code == 422, "not on this agent's card"
    words = text_of(browser.enter(world.people["agent2"]).get(panel).text)
    assert "饭菜凉了" in words
    assert "已更换保温车" in words
    answered = browser.post(
        f"/h/heqing/cases/{case.id}/callback-answer", {"task_id": str(drawn.task_id), "level": "5"}
    )
    assert "已关闭" in answered.text
    with world.hospital(world.heqing) as session:
        assert session.get_one(FeedbackCase, (session.tenant_id, case.id)).close_reason == "satisfied"


def test_the_pages_are_complete_in_english(browser: Browser, world: World) -> None:
    cases = some_cases(world, world.heqing)
    browser.enter(world.people["heqing_admin"], language="en")
    paths = ["/h/heqing/cases?view=all", *(f"/h/heqing/cases/{case.id}" for case in cases)]
    for path in paths:
        page = browser.get(path)
        assert page.status_code == 200
        main = re.sub(
            r"骨科|儿科|陈静|李敏|王\*\*|3病区|饭菜凉.*?来。|没人来|营养科已更换保温车|换保温车",
            "",
            text_of(page.text.split("<main")[1]),
        )
        assert not re.search(r"[\u4e00-\u9fff]", main), main


def test_an_address_that_names_no_page_and_no_format_breaks_nothing(browser: Browser, world: World) -> None:
    browser.enter(world.people["heqing_admin"])
    for form, wanted in (("exe", 404), ("csv", 200)):
        assert browser.get(f"/h/heqing/cases/export?format={form}").status_code == wanted
    for start in ("-1", "9" * 18, "9" * 19, "9" * 30, "9" * 5000):
        assert browser.get(f"/h/heqing/cases?start={start}").status_code < 500, len(start)
    assert browser.get(f"/h/heqing/cases?start={10**18}").status_code == 200
