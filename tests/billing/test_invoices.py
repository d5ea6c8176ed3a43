"""A month becomes an invoice: the draft, the issue, what is known too late, the payment, the PDF."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pypdf
import pytest
from sqlalchemy import select, update
from world import TestHospital, World

from billing import queries
from billing.document import invoice_pdf
from billing.errors import NoContract, NoSuchInvoice, Refused
from billing.models import Invoice, InvoiceLine, LedgerEntry
from billing.service import Seller, Terms, agree, close_month, ensure_contract, issue, mark_paid, void
from foundation import audit, files
from foundation.database import HospitalSession
from foundation.languages import speaking
from foundation.outbox import OutboxMessage
from patients import suppression
from patients.models import Enrolment
from tenants.keys import data_key

AUGUST, SEPTEMBER, OCTOBER = date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)
SELLER = Seller(
    "恒康客服有限公司", "Hengkang Care Ltd", "中国银行河清支行", "6217 0000 1234 5678", "91130100MA0000000X"
)
TERMS = Terms(seller=SELLER, billing_email="finance@heqing.example.com")


def china(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


OCT_3, NOV_3 = china("2026-10-03T09:00"), china("2026-11-03T09:00")


def lines(session: HospitalSession, invoice: Invoice) -> list[tuple[str, int, int, int]]:
    return [(n.kind, n.month.month, n.quantity, n.amount_fen) for n in queries.lines_of(session, invoice.id)]


def ended(session: HospitalSession, patient_id: UUID, day: date, reason: str) -> None:
    """The hospital says that the patient's last day in the programme was `day`."""
    session.execute(
        update(Enrolment)
        .where(Enrolment.tenant_id == session.tenant_id, Enrolment.patient_id == patient_id)
        .values(ended_on=day, end_reason=reason)
    )


def september(world: World, session: HospitalSession) -> dict[str, Any]:
    """Three carried over, two new, one of them taken back; one of the carried stops."""
    ensure_contract(session, starts_on=date(2026, 1, 1), now=OCT_3, terms=TERMS)
    people = {n: world.patient(session, discharged_on=date(2026, 7, 20), name=f"周{n}") for n in "甲乙丙"}
    people |= {n: world.patient(session, discharged_on=date(2026, 9, 5), name=f"吴{n}") for n in "丁戊"}
    session.execute(
        update(Enrolment)
        .where(Enrolment.tenant_id == session.tenant_id, Enrolment.patient_id == people["戊"].id)
        .values(cancelled_on=date(2026, 9, 9), created_at=china("2026-09-05T12:00"))
    )
    suppression.suppress(session, people["丙"].id, "refused", source="call", now=china("2026-09-12T10:00"))
    return people


def test_a_draft_adds_up_and_each_hospital_has_its_own(world: World) -> None:
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            september(world, session)
            invoice = close_month(session, SEPTEMBER, now=OCT_3)
            assert lines(session, invoice) == [
                ("carried", 9, 3, 3750),
                ("new", 9, 2, 2500),
                ("cancelled", 9, -1, -1250),
            ]
            assert (invoice.state, invoice.number, invoice.patients) == ("draft", None, 4)
            assert (invoice.subtotal_fen, invoice.vat_fen, invoice.total_fen) == (5000, 300, 5300)
            proof = queries.statement(session, invoice).proof
            assert (proof.opening, proof.new, proof.cancelled, proof.left, proof.closing) == (3, 2, 1, 1, 3)


def test_closing_again_changes_nothing_and_follows_the_facts_until_the_issue(world: World) -> None:
    with world.hospital(world.heqing) as session:
        september(world, session)
        first = close_month(session, SEPTEMBER, now=OCT_3)
        ids = {n.id for n in queries.lines_of(session, first.id)}
        trail = len(session.scalars(select(audit.AuditEvent)).all())
        again = close_month(session, date(2026, 9, 30), now=OCT_3 + timedelta(hours=1))
        assert again.id == first.id
        assert {n.id for n in queries.lines_of(session, first.id)} == ids
        assert len(session.scalars(select(audit.AuditEvent)).all()) == trail
        world.patient(session, discharged_on=date(2026, 9, 28))  # a list that came on the 2nd
        assert close_month(session, SEPTEMBER, now=OCT_3).patients == 5
        issued = issue(session, first.id, now=OCT_3)
        world.patient(session, discharged_on=date(2026, 9, 29))
        assert close_month(session, SEPTEMBER, now=OCT_3).total_fen == issued.total_fen == 6625
        assert len(session.scalars(select(InvoiceLine)).all()) == 3


def test_a_month_that_runs_cannot_be_closed(world: World) -> None:
    with world.hospital(world.heqing) as session:
        ensure_contract(session, starts_on=AUGUST, now=OCT_3)
        with pytest.raises(Refused) as refused:
            close_month(session, SEPTEMBER, now=china("2026-09-30T23:59"))
        assert refused.value.message == "2026年9月尚未结束，自 2026-10-01 起才能结账。"
        assert close_month(session, SEPTEMBER, now=china("2026-10-01T00:00")).total_fen == 0
    with world.hospital(world.yunling) as session, pytest.raises(NoContract):
        close_month(session, SEPTEMBER, now=OCT_3)


def test_issuing_numbers_dates_files_and_records_once(world: World) -> None:
    for hospital, code in ((world.heqing, "HEQING"), (world.yunling, "YUNLING")):
        with world.hospital(hospital) as session:
            september(world, session)
            draft = close_month(session, SEPTEMBER, now=OCT_3)
            invoice = issue(session, draft.id, now=OCT_3)
            assert invoice.number == f"{code}-202609-001"
            assert (invoice.state, invoice.due_on) == ("issued", date(2026, 11, 2))
            assert invoice.pdf_file_id is not None
            pdf_id = invoice.pdf_file_id
            row, content = files.get(session, data_key(session), pdf_id)
            assert (row.name, row.media_type) == (f"{code}-202609-001.pdf", "application/pdf")
            assert content.startswith(b"%PDF")
            assert issue(session, draft.id, now=NOV_3).pdf_file_id == pdf_id
            actions = [
                e.action for e in session.scalars(select(audit.AuditEvent).order_by(audit.AuditEvent.seq))
            ]
            assert actions.count("billing.invoice_issued") == 1
            assert audit.first_broken(session) is None
            assert not session.scalars(select(OutboxMessage).where(OutboxMessage.job == "billing.push")).all()


def test_an_invoice_of_another_hospital_does_not_exist_here(world: World) -> None:
    with world.hospital(world.heqing) as session:
        september(world, session)
        invoice = close_month(session, SEPTEMBER, now=OCT_3)
    with world.hospital(world.yunling) as session:
        with pytest.raises(NoSuchInvoice):
            issue(session, invoice.id, now=OCT_3)
        with pytest.raises(NoSuchInvoice):
            mark_paid(session, invoice.id, reference="1", now=OCT_3)
        assert queries.patients_behind(session, invoice.id) == []


def test_what_is_known_too_late_goes_onto_the_next_invoice_under_its_own_month(world: World) -> None:
    with world.hospital(world.heqing) as session:
        people = september(world, session)
        issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
        world.patient(session, discharged_on=date(2026, 9, 29), name="钱一")  # read on 20 October
        ended(session, people["甲"].id, date(2026, 8, 30), "deceased")  # told on 20 October
        invoice = close_month(session, OCTOBER, now=NOV_3)
        assert lines(session, invoice) == [
            ("carried", 10, 2, 2500),
            ("new", 10, 1, 1250),
            ("late", 9, 1, 1250),
            ("credit", 9, -1, -1250),
        ]
        proof = queries.statement(session, invoice).proof
        assert (proof.opening, proof.corrected, proof.closing) == (2, 1, 3)
        behind = queries.patients_behind(session, invoice.id, kind="credit", month=SEPTEMBER)
        assert [(p.masked_name, p.ended_on, p.reason) for p in behind] == [
            ("周**", date(2026, 8, 30), "deceased")
        ]
        close_month(session, OCTOBER, now=NOV_3)
        issue(session, invoice.id, now=NOV_3)
        later = close_month(session, date(2026, 11, 1), now=china("2026-12-02T09:00"))
        assert lines(session, later) == [("carried", 11, 3, 3750)]


def test_a_month_is_not_issued_before_an_earlier_draft(world: World) -> None:
    with world.hospital(world.heqing) as session:
        september(world, session)
        august = close_month(session, AUGUST, now=OCT_3)
        invoice = close_month(session, SEPTEMBER, now=OCT_3)
        with pytest.raises(Refused, match="2026年8月"):
            issue(session, invoice.id, now=OCT_3)
        issue(session, august.id, now=OCT_3)
        assert issue(session, invoice.id, now=OCT_3).state == "issued"


def test_a_transfer_is_noted_once_with_its_slip(world: World) -> None:
    with world.hospital(world.heqing) as session:
        september(world, session)
        draft = close_month(session, SEPTEMBER, now=OCT_3)
        with pytest.raises(Refused):
            mark_paid(session, draft.id, reference="BOC-1", now=OCT_3)
        issue(session, draft.id, now=OCT_3)
        with pytest.raises(Refused):
            mark_paid(session, draft.id, reference="  ", now=OCT_3)
        paid = mark_paid(session, draft.id, reference=" BOC-1 ", now=NOV_3)
        assert (paid.state, paid.paid_at, paid.payment_reference) == ("paid", NOV_3, "BOC-1")
        assert mark_paid(session, draft.id, reference="BOC-1", now=NOV_3 + timedelta(days=1)).paid_at == NOV_3
        with pytest.raises(Refused):
            mark_paid(session, draft.id, reference="BOC-2", now=NOV_3)


def test_after_a_void_the_month_is_billed_anew_with_the_next_number(world: World) -> None:
    with world.hospital(world.heqing) as session:
        september(world, session)
        first = issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
        void(session, first, now=OCT_3, because="wrong address")
        second = issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
        assert (second.number, second.total_fen) == ("HEQING-202609-002", first.total_fen)
        entries = session.scalars(select(LedgerEntry.invoice_id)).all()
        assert set(entries) == {second.id}


def test_a_new_price_holds_from_its_day_and_old_months_are_credited_at_theirs(world: World) -> None:
    with world.hospital(world.heqing) as session:
        people = september(world, session)
        issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
        agree(session, Terms(unit_fen=1208, vat_rate=Decimal("0.03")), starts_on=OCTOBER, now=OCT_3)
        with pytest.raises(Refused):
            agree(session, Terms(), starts_on=OCTOBER, now=OCT_3)
        ended(session, people["甲"].id, date(2026, 8, 30), "deceased")
        invoice = close_month(session, OCTOBER, now=NOV_3)
        assert lines(session, invoice) == [("carried", 10, 2, 2416), ("credit", 9, -1, -1250)]
        assert (invoice.subtotal_fen, invoice.vat_fen) == (1166, 35)


def test_the_lines_of_the_list_are_the_lines_of_the_invoice(world: World) -> None:
    with world.hospital(world.heqing) as session:
        september(world, session)
        invoice = close_month(session, SEPTEMBER, now=OCT_3)
        found = queries.statement(session, invoice)
        for line in found.lines:
            behind = queries.patients_behind(session, invoice.id, kind=line.kind, month=line.month)
            assert len(behind) == abs(line.quantity)
            assert all(p.masked_name in {"周**", "吴**"} for p in behind)
        (cancelled,) = queries.patients_behind(session, invoice.id, kind="cancelled")
        assert (cancelled.masked_name, cancelled.enrolled_on, cancelled.ended_on, cancelled.department) == (
            "吴**",
            date(2026, 9, 5),
            date(2026, 9, 9),
            "骨科",
        )


def read(pdf: bytes) -> str:
    """All text of a PDF without blanks: line breaks inside a label are the typesetter's."""
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    return "".join(text.split())


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "zh_Hans",
            [
                "河清市第一人民医院",
                "恒康客服有限公司",
                "上月结转",
                "增值税6%",
                "银行转账",
                "中国银行河清支行",
            ],
        ),
        ("en", ["HeqingHospital", "HengkangCareLtd", "CarriedoverfromAug2026", "VAT6%", "Banktransfer"]),
    ],
)
def test_the_pdf_says_what_the_statement_says_and_names_nobody(
    world: World, language: Any, expected: list[str]
) -> None:
    with world.hospital(world.heqing) as session:
        september(world, session)
        invoice = issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
        found = queries.statement(session, invoice)
        pdf = invoice_pdf(found, language, now=OCT_3)
        assert pdf == invoice_pdf(found, language, now=OCT_3)
        text = read(pdf)
        for word in [
            *expected,
            "HEQING-202609-001",
            "¥53.00",
            "¥3.00",
            "¥50.00",
            "¥37.50",
            "-¥12.50",
            "2026",
        ]:
            assert word in text, word
        with speaking(language):
            assert all("".join(line.label.split()) in text for line in found.lines)
        for name in ("周甲", "周*", "吴丁", "吴*", "王小明", "R00"):
            assert name not in text
        assert len(pypdf.PdfReader(io.BytesIO(pdf)).pages) == 1


def test_a_month_of_many_lines_still_has_its_parts_together(world: World) -> None:
    with world.hospital(world.yunling) as session:
        ensure_contract(session, starts_on=AUGUST, now=OCT_3)
        invoice = close_month(session, SEPTEMBER, now=OCT_3)
        text = read(invoice_pdf(queries.statement(session, invoice), "zh_Hans", now=OCT_3))
        assert "草稿" in text
        assert "¥0.00" in text


def test_the_firm_sees_the_month_over_its_hospitals(world: World) -> None:
    with world.hospital(world.heqing) as session:
        september(world, session)
        issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3)
    with world.hospital(world.yunling) as session:
        ensure_contract(session, starts_on=AUGUST, now=OCT_3)
    with world.firm() as firm:
        rows = {row.code: row for row in queries.overview(firm, SEPTEMBER, now=OCT_3)}
        assert (rows["heqing"].state, rows["heqing"].total_fen) == ("issued", 5300)
        assert (rows["yunling"].state, rows["yunling"].total_fen, rows["yunling"].contract) == (
            "due",
            None,
            True,
        )
        assert queries.overview(firm, SEPTEMBER, now=china("2026-11-03T00:01"))[0].state == "overdue"
    with world.firm(None, world.yunling) as firm:
        assert [row.code for row in queries.overview(firm, SEPTEMBER, now=OCT_3)] == ["yunling"]


def test_two_who_close_and_issue_at_once_make_one_invoice(engine_world: World) -> None:
    for hospital in (engine_world.heqing, engine_world.yunling):
        with engine_world.hospital(hospital) as session:
            september(engine_world, session)

    def close_and_issue(hospital: TestHospital) -> tuple[UUID, str | None, UUID | None]:
        with engine_world.hospital(hospital) as session:
            close_month(session, SEPTEMBER, now=OCT_3)
        with engine_world.hospital(hospital) as session:
            draft = close_month(session, SEPTEMBER, now=OCT_3)
            invoice = issue(session, draft.id, now=OCT_3)
            return invoice.id, invoice.number, invoice.pdf_file_id

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(close_and_issue, [engine_world.heqing, engine_world.yunling] * 4))
    assert sorted(str(number) for _, number, _ in made) == ["HEQING-202609-001", "YUNLING-202609-001"]
    with engine_world.hospital(engine_world.heqing) as session:
        assert len(session.scalars(select(LedgerEntry)).all()) == 5
        assert audit.first_broken(session) is None
