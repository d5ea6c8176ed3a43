"""Billing on the screen: who sees what, that screen, files and invoice agree, and the address of Stripe."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pypdf
import pytest
import stripe
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from python_calamine import CalamineWorkbook
from sqlalchemy import select
from web_client import MASTER, Browser, browsing
from world import World

from billing.models import Contract, Invoice, StripeEvent
from billing.service import Seller, Terms, agree, close_month, ensure_contract, issue
from careloop import app
from foundation import audit
from foundation.clock import SetClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.outbox import OutboxMessage
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from tenants.models import Membership, Person

OCT_3 = datetime.fromisoformat("2026-10-03T09:00:00+08:00")
SEPTEMBER = date(2026, 9, 1)
HEQING, YUNLING = "/h/heqing/billing", "/h/yunling/billing"
SYSTEM = PlatformScope(Actor.system("test"), "test")


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    """Somebody of the firm who bills, on 3 October, with patients in September."""
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            terms = Terms(seller=Seller("恒康客服有限公司", "Hengkang Care Ltd", "中国银行", "6217"))
            ensure_contract(session, starts_on=date(2026, 1, 1), now=OCT_3, terms=terms)
            name = "周甲" if hospital is world.heqing else "钱乙"
            world.patient(session, discharged_on=date(2026, 7, 20), name=name, record_number=f"S{name}5678")
            world.patient(session, discharged_on=date(2026, 9, 5), name=name)
    with browsing(db, clock=SetClock(OCT_3)) as made:
        yield made.enter(world.people["operations"])


def member(world: World, role: str, hospital: str) -> UUID:
    """Somebody of a hospital with this role."""
    tenant_id = {"heqing": world.heqing, "yunling": world.yunling}[hospital].tenant_id
    person = Person(
        id=new_id(), email=f"{new_id()}@example.com", name="钟会", language="zh_Hans", created_at=OCT_3
    )
    with world.db.platform(SYSTEM) as session:
        session.add(person)
        session.flush()
        session.add(
            Membership(
                person_id=person.id, role=role, tenant_id=tenant_id, created_at=OCT_3, accepted_at=OCT_3
            )
        )
    return person.id


def test_a_month_goes_from_the_close_to_the_payment(browser: Browser, world: World) -> None:
    assert "尚未结账" in browser.get(f"{HEQING}/2026-09").text
    assert browser.post(f"{HEQING}/2026-09/close").status_code == 303
    shown = browser.get(f"{HEQING}/2026-09").text
    for expected in ("上月结转", "2026年9月新入组", "¥26.50", "¥1.50", "草稿", "转入2026年10月"):
        assert expected in shown
    assert browser.post(f"{HEQING}/2026-09/issue").status_code == 303
    shown = browser.get(f"{HEQING}/2026-09").text
    assert "HEQING-202609-001" in shown
    assert "待付款" in shown
    missing = browser.post(f"{HEQING}/2026-09/paid", {"reference": " "})
    assert missing.status_code == 422
    assert "请填写银行回单号。" in missing.text
    assert browser.post(f"{HEQING}/2026-09/paid", {"reference": "BOC-77"}).status_code == 303
    assert "BOC-77" in browser.get(f"{HEQING}/2026-09").text
    with world.hospital(world.yunling) as session:
        assert session.scalars(select(Invoice)).all() == []


def test_a_running_month_says_so_and_is_not_closed(browser: Browser) -> None:
    assert "本月尚未结束" in browser.get(f"{HEQING}/2026-10").text
    refused = browser.post(f"{HEQING}/2026-10/close")
    assert refused.status_code == 422
    assert "自 2026-11-01 起才能结账" in refused.text
    for nonsense in ("2026-13", "x", "2026-9"):
        assert browser.get(f"{HEQING}/{nonsense}").status_code == 404


def test_screen_csv_excel_and_pdf_say_the_same(browser: Browser, world: World) -> None:
    browser.post(f"{HEQING}/2026-09/close")
    browser.post(f"{HEQING}/2026-09/issue")
    screen = browser.get(f"{HEQING}/2026-09").text
    answer = browser.get(f"{HEQING}/2026-09/statement.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="HEQING-202609-001.csv"'
    table = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row[0] for row in table[1:]] == [
        "上月结转（2026年8月）",
        "2026年9月新入组",
        "本月计费人月",
        "小计",
        "增值税 6%",
        "合计",
    ]
    assert [row[3] for row in table[1:]] == ["12.50", "12.50", "25.00", "25.00", "1.50", "26.50"]
    book = CalamineWorkbook.from_filelike(io.BytesIO(browser.get(f"{HEQING}/2026-09/statement.xlsx").content))
    sheet = book.get_sheet_by_index(0).to_python()
    assert [(row[0], Decimal(str(row[3]))) for row in sheet[1:7]] == [
        (row[0], Decimal(row[3])) for row in table[1:]
    ]
    assert [row[1] for row in book.get_sheet_by_index(1).to_python()[1:]] == ["周**", "周**"]
    pdf = browser.get(f"{HEQING}/2026-09/invoice.pdf").content
    text = "".join("".join(p.extract_text().split()) for p in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    for row in table[1:]:
        assert row[0].replace(" ", "") in text
        assert row[0] in screen
        assert f"¥{row[3]}" in text
        assert f"¥{row[3]}" in screen
    english = browser.get(f"{HEQING}/2026-09/invoice.pdf?language=en").content
    assert "Hengkang Care Ltd" in pypdf.PdfReader(io.BytesIO(english)).pages[0].extract_text()
    with world.hospital(world.heqing) as session:
        files = [
            event.detail["file"]
            for event in session.scalars(select(audit.AuditEvent).order_by(audit.AuditEvent.seq))
            if event.action == "billing.downloaded"
        ]
    assert files == ["csv", "xlsx", "pdf", "pdf"]


def test_each_line_leads_to_its_patients_masked(browser: Browser) -> None:
    browser.post(f"{HEQING}/2026-09/close")
    behind = browser.get(f"{HEQING}/2026-09/lines/carried-202609").text
    assert "周**" in behind
    assert "5678" in behind
    assert "2026-07-20" in behind
    for hidden in ("周甲", "S周甲5678", "钱"):
        assert hidden not in behind
    assert browser.get(f"{HEQING}/2026-09/lines/credit-202608").status_code == 404
    assert browser.get(f"{HEQING}/2026-09/lines/nonsense").status_code == 404


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("hospital_finance", 200),
        ("hospital_gm", 200),
        ("hospital_admin", 403),
        ("department_head", 403),
        ("medical_affairs", 403),
    ],
)
def test_the_hospital_reads_its_own_bill_and_writes_none(
    browser: Browser, world: World, role: str, status: int
) -> None:
    browser.post(f"{HEQING}/2026-09/close")
    browser.enter(member(world, role, "heqing"))
    for path in (
        "",
        "/2026-09",
        "/2026-09/lines/new-202609",
        "/2026-09/statement.csv",
        "/2026-09/invoice.pdf",
    ):
        assert browser.get(f"{HEQING}{path}").status_code == status, path
        assert browser.get(f"{YUNLING}{path}").status_code == 404
    for step in ("close", "issue", "paid", "send"):
        assert browser.post(f"{HEQING}/2026-09/{step}", {"reference": "x"}).status_code == 403
        assert browser.post(f"{YUNLING}/2026-09/{step}", {"reference": "x"}).status_code == 404
    assert browser.get("/billing").status_code == 403
    if status == 200:
        shown = browser.get(f"{HEQING}/2026-09").text
        assert "开出账单" not in shown
        assert "变更条款" not in browser.get(HEQING).text


def test_an_agent_sees_no_bill(browser: Browser, world: World) -> None:
    browser.enter(world.people["agent"])
    assert browser.get("/billing").status_code == 403
    assert browser.get(HEQING).status_code in {403, 404}


def test_the_firm_sees_all_hospitals_and_issues_the_months_drafts_at_once(
    browser: Browser, world: World
) -> None:
    browser.post(f"{HEQING}/2026-09/close")
    browser.post(f"{YUNLING}/2026-09/close")
    with world.hospital(world.yunling) as session:  # an earlier draft stands in the way there
        close_month(session, date(2026, 8, 1), now=OCT_3)
    shown = browser.get("/billing?month=2026-09").text
    assert shown.count("草稿") >= 2
    assert "¥53.00" in shown
    assert 'href="/billing?month=2026-10"' in shown
    ahead = browser.get("/billing?month=2027-03").text  # a month that has not begun is answered with this one
    assert "2026年10月" in ahead
    assert 'href="/billing?month=2026-11"' not in ahead
    answer = browser.post("/billing/issue", {"month": "2026-09"})
    assert answer.status_code == 303
    following = browser.get(answer.headers["location"]).text
    assert "已开出 1 张账单。" in following
    assert "yunling: 请先开出2026年8月的账单" in following
    assert "HEQING-202609-001" in following
    assert "YUNLING-202609-001" not in following


def test_english_is_complete(browser: Browser, world: World) -> None:
    browser.post(f"{HEQING}/2026-09/close")
    browser.get(HEQING)  # the notice of the close was in Chinese
    browser.enter(world.people["operations"], "en")
    for path in ("/billing?month=2026-09", HEQING, f"{HEQING}/2026-09", f"{HEQING}/2026-09/lines/new-202609"):
        answer = browser.get(path)
        assert answer.status_code == 200
        inside = (
            answer.text.split('<main id="content"')[1].replace("恒康客服有限公司", "").replace("中国银行", "")
        )
        assert not [c for c in inside.replace("周", "").replace("骨科", "") if "\u4e00" <= c <= "\u9fff"], (
            path
        )


def test_new_terms_hold_from_their_day(browser: Browser, world: World) -> None:
    form = {
        "starts_on": "2026-11-01",
        "yearly": "145",
        "vat_percent": "6",
        "due_days": "45",
        "payment": "bank",
        "name": "恒康客服有限公司",
    }
    assert browser.post(f"{HEQING}/contract", form).status_code == 303
    with world.hospital(world.heqing) as session:
        terms = {
            (c.starts_on, c.ends_on, c.unit_fen, c.due_days, c.vat_rate)
            for c in session.scalars(select(Contract).where(Contract.tenant_id == session.tenant_id))
        }
    assert terms == {
        (date(2026, 1, 1), date(2026, 10, 31), 1250, 30, Decimal("0.06")),
        (date(2026, 11, 1), None, 1208, 45, Decimal("0.06")),
    }
    wrong = [
        {"yearly": "abc"},
        {"vat_percent": "NaN"},
        {"due_days": "x"},
        {"due_days": "9" * 5000},
        {"yearly": "9" * 5000},
        {"vat_percent": "1e999999999999999999"},
        {"starts_on": "1"},
        {"payment": "cash"},
    ]
    for change in [*wrong, {"payment": "stripe"}, {"vat_percent": "100", "starts_on": "2027-01-01"}]:
        assert browser.post(f"{HEQING}/contract", form | change).status_code == 422, change


# -------------------------------------------------------------------------------- the address of Stripe


def client_of(db: Database, secret: str | None) -> TestClient[Litestar]:
    """A client without any cookie, as Stripe is."""
    settings = Settings(
        data_dir=Path("unused"),
        master_key=SecretStr(MASTER),
        stripe_webhook_secret=SecretStr(secret) if secret is not None else None,
    )
    assert db.master_key is not None
    runtime = Runtime(settings, db, SetClock(OCT_3), db.master_key)
    return TestClient(app.create_app(runtime), raise_server_exceptions=False)


def event(secret: str) -> tuple[bytes, dict[str, str]]:
    """One event and its headers, signed."""
    body = json.dumps({"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}})
    signature = stripe.WebhookSignature.generate_signature_header(body, secret)
    return body.encode(), {"stripe-signature": signature, "content-type": "application/json"}


def test_stripe_needs_no_form_token_but_its_signature(db: Database, world: World) -> None:
    body, headers = event("whsec_1")
    with client_of(db, "whsec_1") as client:
        assert client.post("/webhooks/stripe", content=body, headers=headers).status_code == 200
        assert client.post("/webhooks/stripe", content=body, headers=headers).status_code == 200
        assert client.post("/webhooks/stripe", content=body + b" ", headers=headers).status_code == 400
        assert client.post("/webhooks/stripe", content=body).status_code == 400
        assert client.post("/webhooks/stripe", content=b"\xff", headers=headers).status_code == 400
    with db.platform(SYSTEM) as session:
        (kept,) = session.scalars(select(StripeEvent))
        (message,) = session.scalars(select(OutboxMessage).where(OutboxMessage.job == "billing.handle_event"))
        assert message.arguments == {"event": str(kept.id)}


@pytest.mark.parametrize("secret", [None, "", "  "])
def test_without_a_signing_secret_there_is_no_such_address(
    db: Database, world: World, secret: str | None
) -> None:
    body, headers = event("")
    with client_of(db, secret) as client:
        assert client.post("/webhooks/stripe", content=body, headers=headers).status_code == 404
    with db.platform(SYSTEM) as session:
        assert session.scalars(select(StripeEvent)).all() == []


def test_what_stripe_refused_is_said_and_asked_again(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        terms = Terms(payment="stripe", billing_email="f@heqing.example.com")
        agree(session, terms, starts_on=SEPTEMBER, now=OCT_3)
        invoice = issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
        invoice.stripe_state = "declined:account_closed"
    assert "Stripe 拒绝：account_closed" in browser.get(f"{HEQING}/2026-09").text
    assert browser.post(f"{HEQING}/2026-09/send").status_code == 303
    with world.db.platform(SYSTEM) as session:
        pushes = session.scalars(select(OutboxMessage).where(OutboxMessage.job == "billing.push")).all()
    assert len(pushes) == 2
    browser.post(f"{YUNLING}/2026-09/close")
    assert browser.post(f"{YUNLING}/2026-09/send").status_code == 404
