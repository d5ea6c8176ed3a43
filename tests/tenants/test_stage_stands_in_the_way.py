"""What a suspended firm and a hospital on its way out still may: read, and shut somebody out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from careloop.wiring import wire
from foundation import runtime
from foundation.scope import Actor, PlatformScope
from tenants.life import firm_stage, stages
from tenants.models import ApiToken, Membership
from tenants.rights import REFUSED_BY_FIRM, REFUSED_IN, Action


@pytest.fixture
def browser(world: World) -> Iterator[Browser]:
    wire()
    with browsing(world.db) as made:
        runtime.install(made.runtime)
        yield made


def suspended(world: World) -> None:
    with world.firm() as session:
        firm_stage.suspend(session, reason="欠费", now=NOW)


def key_of(world: World, person_id: UUID, *, tenant_id: UUID | None, firm_id: UUID | None) -> UUID:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        key = ApiToken(
            token_hash=person_id.bytes,
            prefix="x",
            name="x",
            person_id=person_id,
            tenant_id=tenant_id,
            firm_id=firm_id,
            actions=[],
            created_at=NOW,
            expires_at=NOW + timedelta(days=90),
        )
        session.add(key)
        session.flush()
        return key.id


def revoked(world: World, key_id: UUID) -> bool:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        return session.get_one(ApiToken, key_id).revoked_at is not None


def role_of(world: World, person_id: UUID) -> UUID:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        return session.scalars(select(Membership.id).where(Membership.person_id == person_id)).one()


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("/firm/people", {"name": "z", "role": "agent", "email": "z@z.example.com"}),
        ("/firm/hospitals", {"code": "abc"}),
        ("/firm/brand", {"shown_name": "x"}),
        ("/firm/signin-provider", {"label": "x", "issuer": "https://x.example", "client_id": "c"}),
        ("/h/heqing/departure/begin", {"reason": "x"}),
        ("/firm/hospitals/yunling/move", {"firm": "cn", "day": "2026-10-01", "hour": "01"}),
        ("/firm/hospitals/yunling/suspend", {"reason": "x"}),
    ],
)
def test_a_suspended_firm_changes_nothing(
    browser: Browser, world: World, address: str, form: dict[str, str]
) -> None:
    suspended(world)
    browser.enter(world.people["firm_gm"], "en")
    answer = browser.post(address, form)
    assert answer.status_code == 422
    assert "everything can be read and nothing changed" in answer.text


def test_a_suspended_firm_makes_no_key(browser: Browser, world: World) -> None:
    suspended(world)
    browser.enter(world.people["firm_gm"])
    form = {"name": "k", "side": f"firm:{world.firm_id}", "days": "30", "actions": "view_patients"}
    assert browser.post("/me/tokens", form).status_code == 422


@pytest.mark.parametrize("page", ["people", "hospitals", "tokens", "moves", "departures", "brand"])
def test_a_suspended_firm_reads_its_pages(browser: Browser, world: World, page: str) -> None:
    suspended(world)
    browser.enter(world.people["firm_gm"])
    assert browser.get(f"/firm/{page}").status_code == 200


def test_a_suspended_firm_shuts_people_out(browser: Browser, world: World) -> None:
    key = key_of(world, world.people["operations"], tenant_id=None, firm_id=world.firm_id)
    role = role_of(world, world.people["agent"])
    suspended(world)
    browser.enter(world.people["firm_gm"])
    assert browser.post(f"/firm/tokens/{key}/revoke").status_code == 303
    assert revoked(world, key)
    assert (
        browser.post(f"/firm/people/roles/{role}", {"act": "change", "role": "team_lead"}).status_code == 422
    )
    assert browser.post(f"/firm/people/roles/{role}", {"act": "remove"}).status_code == 303
    account = f"/firm/people/{world.people['operations']}/account"
    assert browser.post(account, {"act": "close"}).status_code == 303
    assert browser.post(account, {"act": "reopen"}).status_code == 422


def test_a_leaving_hospital_shuts_people_out(browser: Browser, world: World) -> None:
    gm, admin = world.people["heqing_gm"], world.people["heqing_admin"]
    key = key_of(world, gm, tenant_id=world.heqing.tenant_id, firm_id=None)
    role = role_of(world, gm)
    with world.hospital(world.heqing) as session:
        stages.change(session, "leaving", reason="", now=NOW)
    browser.enter(admin)
    assert browser.get("/h/heqing/people").status_code == 200
    assert browser.get("/h/heqing/tokens").status_code == 200
    assert browser.post(f"/h/heqing/tokens/{key}/revoke").status_code == 303
    assert revoked(world, key)
    invite = {"name": "z", "role": "hospital_finance", "email": "z@z.example.com"}
    assert browser.post("/h/heqing/people", invite).status_code == 422
    # The director is not the administrator's to shut out; the firm's general manager may.
    browser.enter(world.people["firm_gm"])
    assert browser.post(f"/firm/people/roles/{role}", {"act": "remove"}).status_code == 303


def test_shutting_somebody_out_and_letting_support_go_are_refused_by_no_stage() -> None:
    always = {Action.WITHDRAW_ACCESS, Action.GRANT_SUPPORT}
    for stage in ("onboarding", "active", "suspended", "leaving"):
        assert not always & REFUSED_IN[stage]
    assert not always & REFUSED_BY_FIRM["suspended"]
