"""What Stripe says of an invoice is kept once and taken over once."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
import stripe
from sqlalchemy import select, update
from stripe_desk import OCT_3, SECRET, SEPTEMBER, SYSTEM, Desk, queued, signed
from world import TestHospital

from billing import jobs, queries, stripe_inbox
from billing.models import Invoice
from billing.service import Terms, agree, close_month, issue
from foundation import audit
from foundation.work import JOBS, run_inline

# ------------------------------------------------------------------------------------------------ events


def test_an_event_is_kept_once_and_a_payment_is_taken_over_once(desk: Desk) -> None:
    for hospital in (desk.world.heqing, desk.world.yunling):
        desk.push(hospital, desk.issued(hospital))
    mine = next(i for i in desk.remote.invoices.values() if i["metadata"]["number"].startswith("HEQING"))
    desk.remote.pay(mine["id"], at=1_790_000_000)
    assert desk.tell("evt_1", "invoice.paid", mine["id"], metadata=mine["metadata"])
    assert not desk.tell("evt_1", "invoice.paid", mine["id"], metadata=mine["metadata"])
    assert not desk.tell("evt_9", "customer.created", "cus_1")
    assert [e.event_id for e in desk.events()] == ["evt_1"]
    desk.handle_all()
    desk.handle_all()
    invoice = desk.invoice(desk.world.heqing, UUID(mine["metadata"]["invoice_id"]))
    assert (invoice.state, invoice.stripe_state, invoice.payment_reference) == ("paid", "paid", mine["id"])
    assert invoice.paid_at == datetime.fromtimestamp(1_790_000_000, UTC)
    (event,) = desk.events()
    assert (event.handled_at, event.failure) == (OCT_3, None)
    assert "metadata" not in event.payload
    with desk.world.hospital(desk.world.heqing) as session:
        actions = session.scalars(select(audit.AuditEvent.action)).all()
        assert actions.count("billing.invoice_paid") == 1
    with desk.world.hospital(desk.world.yunling) as session:
        assert session.scalars(select(Invoice.state)).all() == ["issued"]


def test_events_out_of_order_end_where_stripe_ends(desk: Desk) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    desk.push(hospital, invoice_id)
    (remote,) = desk.remote.invoices.values()
    desk.remote.pay(remote["id"], at=1_790_000_000)
    for n, kind in enumerate(["invoice.paid", "invoice.sent", "invoice.finalized", "invoice.created"]):
        desk.tell(f"evt_{n}", kind, remote["id"], status="draft")
    desk.handle_all()
    assert desk.invoice(hospital, invoice_id).state == "paid"
    remote["status"] = "open"  # a stale answer of Stripe must not open it again
    desk.tell("evt_stale", "invoice.updated", remote["id"])
    desk.handle_all()
    invoice = desk.invoice(hospital, invoice_id)
    assert (invoice.state, invoice.stripe_state) == ("paid", "paid")


def test_an_event_that_comes_before_our_own_note_finds_the_invoice(desk: Desk) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    desk.push(hospital, invoice_id)
    (remote,) = desk.remote.invoices.values()
    with desk.world.hospital(hospital) as session:
        session.execute(update(Invoice).values(stripe_invoice=None, stripe_state=None))
    desk.remote.pay(remote["id"], at=1_790_000_000)
    desk.tell("evt_1", "invoice.paid", remote["id"])
    desk.handle_all()
    invoice = desk.invoice(hospital, invoice_id)
    assert (invoice.state, invoice.stripe_invoice) == ("paid", remote["id"])


def test_a_void_at_stripe_frees_the_month(desk: Desk) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    desk.push(hospital, invoice_id)
    (remote,) = desk.remote.invoices.values()
    remote["status"] = "void"
    desk.tell("evt_1", "invoice.voided", remote["id"])
    desk.handle_all()
    assert desk.invoice(hospital, invoice_id).state == "void"
    with desk.world.hospital(hospital) as session:
        again = close_month(session, SEPTEMBER, now=OCT_3)
        assert (again.total_fen, issue(session, again.id, now=OCT_3).number) == (2650, "HEQING-202609-002")


def test_an_invoice_that_is_not_ours_is_put_aside(desk: Desk) -> None:
    desk.remote.invoices["in_x"] = {
        "id": "in_x",
        "object": "invoice",
        "status": "paid",
        "hosted_invoice_url": None,
        "status_transitions": {"paid_at": 1},
        "metadata": {"tenant_id": str(desk.world.heqing.tenant_id), "invoice_id": str(UUID(int=1))},
    }
    desk.tell("evt_1", "invoice.paid", "in_x")
    desk.tell("evt_2", "invoice.paid", "in_gone")
    desk.handle_all()
    assert [(e.failure, e.handled_at is not None) for e in desk.events()] == [
        ("not ours", True),
        ("resource_missing", True),
    ]


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        (None, SECRET),
        ("", SECRET),
        ("t=1,v1=00", SECRET),
        ("nonsense", SECRET),
        ("good", "whsec_other"),
        ("good", ""),
    ],
)
def test_a_message_without_a_good_signature_is_not_kept(desk: Desk, header: str | None, secret: str) -> None:
    body = json.dumps({"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}})
    given = signed(body) if header == "good" else header
    old = signed(body, at=int(time.time()) - 3600)
    with desk.world.db.platform(SYSTEM) as session, pytest.raises(stripe_inbox.BadSignature):
        stripe_inbox.receive(session, body.encode(), given, secret, now=OCT_3)
    with desk.world.db.platform(SYSTEM) as session, pytest.raises(stripe_inbox.BadSignature):
        stripe_inbox.receive(session, body.encode(), old, SECRET, now=OCT_3)
    assert desk.events() == []


def test_what_got_stuck_is_driven_again(desk: Desk) -> None:
    hospital = desk.world.heqing
    invoice_id = desk.issued(hospital)
    desk.push(hospital, invoice_id)
    (remote,) = desk.remote.invoices.values()
    desk.remote.pay(remote["id"], at=1_790_000_000)
    desk.tell("evt_1", "invoice.paid", remote["id"])
    desk.remote.drop_before = len(desk.remote.requests) + 1
    with pytest.raises(stripe.APIConnectionError):
        desk.handle_all()
    (event,) = desk.events()
    assert (event.failure, event.handled_at) == ("APIConnectionError", None)
    assert queued(desk) == 1
    run_inline("billing.redrive")
    assert queued(desk) == 1  # not yet stuck
    desk.clock.at = OCT_3 + timedelta(minutes=10)
    run_inline("billing.redrive")
    assert queued(desk) == 2
    desk.handle_all()
    assert desk.invoice(hospital, invoice_id).state == "paid"
    run_inline("billing.redrive")
    assert queued(desk) == 2


def test_an_invoice_that_never_reached_stripe_is_driven_again(desk: Desk) -> None:
    for hospital in (desk.world.heqing, desk.world.yunling):
        desk.issued(hospital)
    run_inline("billing.redrive_push", tenant_id=str(desk.world.heqing.tenant_id))
    assert queued(desk, "billing.push") == 2
    desk.clock.at = OCT_3 + timedelta(minutes=11)
    run_inline("billing.redrive_push", tenant_id=str(desk.world.heqing.tenant_id))
    assert queued(desk, "billing.push") == 3
    invoice_id = _only_invoice(desk, desk.world.heqing)
    desk.push(desk.world.heqing, invoice_id)
    run_inline("billing.redrive_push", tenant_id=str(desk.world.heqing.tenant_id))
    assert queued(desk, "billing.push") == 3


def _only_invoice(desk: Desk, hospital: TestHospital) -> UUID:
    with desk.world.hospital(hospital) as session:
        return session.scalars(select(Invoice.id).where(Invoice.tenant_id == session.tenant_id)).one()


def test_the_month_that_ended_is_drafted_by_itself(desk: Desk) -> None:
    for hospital in (desk.world.heqing, desk.world.yunling):
        with desk.world.hospital(hospital) as session:
            desk.world.patient(session, discharged_on=date(2026, 9, 5))
            if hospital is desk.world.heqing:
                agree(session, Terms(), starts_on=date(2026, 1, 1), now=OCT_3)
        run_inline("billing.close_month", tenant_id=str(hospital.tenant_id))
    with desk.world.hospital(desk.world.heqing) as session:
        (invoice,) = queries.invoices(session)
        assert (invoice.month, invoice.state, invoice.patients) == (SEPTEMBER, "draft", 1)
    with desk.world.hospital(desk.world.yunling) as session:
        assert queries.invoices(session) == []  # no contract
    assert {name for name in JOBS if name.startswith("billing.")} == {
        "billing.close_month",
        "billing.push",
        "billing.handle_event",
        "billing.redrive",
        "billing.redrive_push",
    }
    assert timedelta(minutes=10) == jobs.STUCK_AFTER
