"""Invoices at Stripe: exactly one, with our lines, whatever breaks."""

from __future__ import annotations

import json
from datetime import date
from uuid import UUID

import pytest
import stripe
from sqlalchemy import select, update
from stripe_desk import OCT_3, SEPTEMBER, Desk, process
from stripe_server import error, local_stripe
from world import TestHospital, World

from billing import queries
from billing.models import Contract, Invoice
from billing.service import Terms, agree, close_month, issue, mark_paid
from billing.stripe_client import PASSING, idempotency_key
from foundation.outbox import OutboxMessage


def test_each_hospital_gets_one_invoice_with_our_lines_and_nobodys_name(desk: Desk) -> None:
    for hospital in (desk.world.heqing, desk.world.yunling):
        desk.push(hospital, desk.issued(hospital))
    assert len(desk.remote.customers) == len(desk.remote.invoices) == len(desk.remote.mails) == 2
    for remote in desk.remote.invoices.values():
        customer = desk.remote.customers[remote["customer"]]
        hospital = desk.world.heqing if customer["metadata"]["hospital"] == "heqing" else desk.world.yunling
        with desk.world.hospital(hospital) as session:
            invoice = session.scalars(select(Invoice).where(Invoice.tenant_id == session.tenant_id)).one()
            contract = session.scalars(select(Contract).where(Contract.tenant_id == session.tenant_id)).one()
            lines = [n.amount_fen for n in queries.lines_of(session, invoice.id)]
        assert remote["metadata"] == {
            "number": f"{hospital.code.upper()}-202609-001",
            "month": "2026-09",
            "tenant_id": str(hospital.tenant_id),
            "invoice_id": str(invoice.id),
        }
        assert (remote["collection_method"], remote["days_until_due"]) == ("send_invoice", "30")
        assert (remote["currency"], remote["total"], remote["status"]) == ("cny", 2650, "open")
        items = [i for i in desk.remote.items.values() if i["invoice"] == remote["id"]]
        assert [i["amount"] for i in items] == [*lines, 150]
        assert [i["description"] for i in items] == [
            "上月结转（2026年8月）: 1 × ¥12.50",
            "2026年9月新入组: 1 × ¥12.50",
            "增值税 6%",
        ]
        assert invoice.hosted_url == f"https://pay.example.com/{remote['id']}"
        assert (invoice.stripe_invoice, invoice.stripe_state) == (remote["id"], "sent")
        assert contract.stripe_customer == remote["customer"]
    told = json.dumps([desk.remote.customers, desk.remote.invoices, desk.remote.items], ensure_ascii=False)
    assert "周" not in told
    assert "吴" not in told


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_a_run_that_dies_anywhere_is_run_again_and_makes_exactly_one_invoice(desk: Desk, fault: str) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    with desk.world.hospital(hospital) as session:
        session.execute(
            update(Invoice).values(total_fen=2650)
        )  # nothing but a flush: the state to start from
    broken = 0
    calls = 0
    for step in range(1, 30):
        _forget(desk, hospital, invoice_id)
        setattr(desk.remote, fault, step)
        broken += desk.push_until_done(hospital, invoice_id)
        (remote,) = desk.remote.invoices.values()
        assert (remote["status"], remote["total"]) == ("open", 2650)
        assert len(desk.remote.items) == 3
        assert len(desk.remote.customers) == len(desk.remote.mails) == 1
        assert desk.invoice(hospital, invoice_id).stripe_state == "sent"
        calls = max(calls, len(desk.remote.requests))
        if len(desk.remote.requests) < step:
            break
    assert broken == step - 1 >= 9  # every single call was cut once


def _forget(desk: Desk, hospital: TestHospital, invoice_id: UUID) -> None:
    """As before the first run, on both sides."""
    for store in (desk.remote.customers, desk.remote.invoices, desk.remote.items, desk.remote.kept):
        store.clear()
    desk.remote.mails.clear()
    desk.remote.requests.clear()
    with desk.world.hospital(hospital) as session:
        session.execute(update(Contract).values(stripe_customer=None))
        session.execute(
            update(Invoice)
            .where(Invoice.id == invoice_id)
            .values(stripe_invoice=None, stripe_state=None, hosted_url=None)
        )


def test_a_run_days_later_finds_the_invoice_though_stripe_forgot_the_keys(desk: Desk) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    desk.remote.drop_after = 5  # the customer, the list, the invoice, the list of items, the first item
    with pytest.raises(stripe.APIConnectionError):
        desk.push(hospital, invoice_id)
    with desk.world.hospital(hospital) as session:
        session.execute(update(Invoice).values(stripe_invoice=None))  # the id was not written down either
    desk.remote.kept.clear()
    desk.push(hospital, invoice_id)
    (remote,) = desk.remote.invoices.values()
    assert (remote["total"], len(desk.remote.items)) == (2650, 3)


def test_what_stripe_refuses_is_noted_and_sent_again_when_asked(desk: Desk) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    desk.remote.refusals["/finalize"] = error(402, "card_error", "account_closed")
    desk.push(hospital, invoice_id)
    assert desk.invoice(hospital, invoice_id).stripe_state == "declined:account_closed"
    desk.remote.refusals.clear()
    desk.push(hospital, invoice_id)
    assert desk.invoice(hospital, invoice_id).stripe_state == "sent"
    assert len(desk.remote.invoices) == 1


def test_an_overloaded_stripe_is_left_to_the_next_run(desk: Desk) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    for status in (429, 500):
        desk.remote.refusals["/v1/customers"] = error(status, "api_error", "busy")
        with pytest.raises(PASSING):
            desk.push(hospital, invoice_id)
    assert desk.invoice(hospital, invoice_id).stripe_state is None


def test_a_total_that_differs_is_never_sent(desk: Desk) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    desk.remote.drop_after = 3
    with pytest.raises(stripe.APIConnectionError):
        desk.push(hospital, invoice_id)
    (remote,) = desk.remote.invoices.values()
    remote["total"] += 1  # somebody wrote onto it by hand
    desk.push(hospital, invoice_id)
    assert desk.invoice(hospital, invoice_id).stripe_state == "declined:total_differs"
    assert desk.remote.mails == []


def test_a_transfer_closes_the_invoice_at_stripe_too(desk: Desk) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    desk.push(hospital, invoice_id)
    with desk.world.hospital(hospital) as session:
        mark_paid(session, invoice_id, reference="BOC-1", now=OCT_3)
        queued = session.scalars(select(OutboxMessage).where(OutboxMessage.job == "billing.push")).all()
        assert len(queued) == 2
    desk.push(hospital, invoice_id)
    desk.push(hospital, invoice_id)
    (remote,) = desk.remote.invoices.values()
    invoice = desk.invoice(hospital, invoice_id)
    assert (remote["status"], invoice.stripe_state) == ("paid", "paid")
    assert (invoice.state, invoice.payment_reference) == ("paid", "BOC-1")


def test_without_a_key_nothing_is_called(world: World) -> None:
    with local_stripe() as remote, process(world, stripe_api_base=remote.url) as clock:
        desk = Desk(world, remote, clock)
        desk.push(world.heqing, desk.issued(world.heqing))
        assert remote.requests == []


def test_an_invoice_paid_by_transfer_alone_is_never_told_to_stripe(desk: Desk) -> None:
    hospital = desk.world.yunling
    with desk.world.hospital(hospital) as session:
        agree(session, Terms(), starts_on=date(2026, 1, 1), now=OCT_3)
        desk.world.patient(session, discharged_on=date(2026, 9, 5))
        invoice_id = issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3).id
        assert not session.scalars(select(OutboxMessage).where(OutboxMessage.job == "billing.push")).all()
    desk.push(hospital, invoice_id)
    assert desk.remote.requests == []


def test_a_key_names_the_facts_and_is_the_same_in_every_process() -> None:
    assert idempotency_key("invoice", "h", 1) == idempotency_key("invoice", "h", "1")
    facts = ((1, 23), (12, 3), (1, 2, 3))
    keys = {idempotency_key(kind, *each) for kind in ("item", "send") for each in facts}
    assert len(keys) == 6
    assert all(len(key) < 255 for key in keys)
