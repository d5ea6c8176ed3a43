"""A firm that bills by link, and a local Stripe to bill at: what the Stripe tests stand on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import stripe
from pydantic import SecretStr
from sqlalchemy import select
from stripe_server import API_KEY, LocalStripe, local_stripe
from world import TestHospital, World

from billing import stripe_inbox
from billing.models import Invoice, StripeEvent
from billing.service import Terms, agree, close_month, issue
from billing.stripe_client import PASSING
from foundation import runtime
from foundation.clock import SetClock
from foundation.outbox import OutboxMessage
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from foundation.work import run_inline

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


def queued(desk: Desk, job: str = "billing.handle_event") -> int:
    """How many messages of a job stand in the outbox."""
    with desk.world.db.platform(SYSTEM) as session:
        return len(session.scalars(select(OutboxMessage).where(OutboxMessage.job == job)).all())


@contextmanager
def stripe_desk_of(world: World) -> Iterator[Desk]:
    with (
        local_stripe() as remote,
        process(world, stripe_api_key=SecretStr(API_KEY), stripe_api_base=remote.url) as clock,
    ):
        yield Desk(world, remote, clock)
