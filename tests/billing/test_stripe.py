"""Invoices at Stripe: exactly one, with our lines, whatever breaks; what Stripe says is taken over once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import stripe
from pydantic import SecretStr
from sqlalchemy import select, update
from stripe_server import API_KEY, LocalStripe, error, local_stripe
from world import TestHospital, World

from billing import jobs, queries, stripe_inbox
from billing.models import Contract, Invoice, StripeEvent
from billing.service import Terms, agree, close_month, issue, mark_paid
from billing.stripe_client import PASSING, idempotency_key
from foundation import audit, runtime
from foundation.clock import SetClock
from foundation.outbox import OutboxMessage
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from foundation.work import JOBS, run_inline

SEPTEMBER = date(2026, 9, 1)
OCT_3 = datetime(2026, 10, 3, 1, tzinfo=UTC)
SECRET = "whsec_test"
SYSTEM = PlatformScope(Actor.system("test"), "test")


@dataclass
class Desk:
    """A firm that bills by link: the world, the local Stripe, a process with its keys."""

    world: World
    remote: LocalStripe
    clock: SetClock

    def issued(self, hospital: TestHospital) -> UUID:
        """An issued September invoice of one hospital: two patients."""
        terms = Terms(payment="stripe", billing_email=f"finance@{hospital.code}.example.com")
        with self.world.hospital(hospital) as session:
            agree(session, terms, starts_on=date(2026, 1, 1), now=OCT_3)
            self.world.patient(session, discharged_on=date(2026, 7, 20), name="周甲")
            self.world.patient(session, discharged_on=date(2026, 9, 5), name="吴丁")
            return issue(session, close_month(session, SEPTEMBER, now=OCT_3).id, now=OCT_3).id

    def push(self, hospital: TestHospital, invoice_id: UUID) -> None:
        run_inline("billing.push", tenant_id=str(hospital.tenant_id), invoice_id=str(invoice_id))

    def push_until_done(self, hospital: TestHospital, invoice_id: UUID) -> int:
        """As the job system does it: again until no error; returns how often it broke."""
        for broken in range(20):
            try:
                self.push(hospital, invoice_id)
            except PASSING:
                continue
            return broken
        raise AssertionError("never came through")

    def invoice(self, hospital: TestHospital, invoice_id: UUID) -> Invoice:
        with self.world.hospital(hospital) as session:
            return session.get_one(Invoice, (session.tenant_id, invoice_id))

    def tell(self, event_id: str, kind: str, object_id: str, **more: Any) -> bool:
        """Stripe posts an event; True when it is new."""
        thing = {"id": object_id, "object": "invoice", **more}
        body = json.dumps({"id": event_id, "type": kind, "created": 1, "data": {"object": thing}})
        with self.world.db.platform(SYSTEM) as session:
            return stripe_inbox.receive(session, body.encode(), signed(body), SECRET, now=self.clock.now())

    def events(self) -> list[StripeEvent]:
        with self.world.db.platform(SYSTEM) as session:
            return list(session.scalars(select(StripeEvent).order_by(StripeEvent.event_id)))

    def handle_all(self) -> None:
        for event in self.events():
            run_inline("billing.handle_event", event=str(event.id))


def signed(body: str, secret: str = SECRET, at: int | None = None) -> str:
    """The header that Stripe would send."""
    return str(stripe.WebhookSignature.generate_signature_header(body, secret, at))


@contextmanager
def process(world: World, **keys: Any) -> Iterator[SetClock]:
    """A process with these settings installed for its jobs."""
    clock = SetClock(OCT_3)
    assert world.db.master_key is not None
    settings = Settings(data_dir=Path("unused"), **keys)
    runtime.install(Runtime(settings, world.db, clock, world.db.master_key))
    yield clock


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    with (
        local_stripe() as remote,
        process(world, stripe_api_key=SecretStr(API_KEY), stripe_api_base=remote.url) as clock,
    ):
        yield Desk(world, remote, clock)


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


def queued(desk: Desk, job: str = "billing.handle_event") -> int:
    with desk.world.db.platform(SYSTEM) as session:
        return len(session.scalars(select(OutboxMessage).where(OutboxMessage.job == job)).all())


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
