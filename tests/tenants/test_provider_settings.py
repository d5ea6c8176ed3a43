"""The settings of a company sign-in: the secret, the issuer, when it may be required, and who sees them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from company_signin import MAIL, come, leave, platform, set_up
from oidc_provider import CLIENT_ID, SECRET, LocalProvider, local_provider
from sqlalchemy import func, select
from web_client import Browser, browsing
from world import NOW, World

from foundation.clock import SetClock
from foundation.database import Database
from tenants.identity import oidc, outward, providers
from tenants.identity.providers import Settings, Side
from tenants.models import (
    ExternalIdentity,
    IdentityProvider,
    ProviderAttempt,
)


@pytest.fixture
def provider() -> Iterator[LocalProvider]:
    with local_provider(NOW) as running:
        running.who = {"sub": "u-17", "email": MAIL, "email_verified": True, "amr": ["pwd", "mfa"]}
        yield running


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, world: World, clock: SetClock) -> Iterator[Browser]:
    with browsing(db, clock=clock) as made:
        yield made


def form(provider: LocalProvider, **changes: str) -> dict[str, str]:
    return {
        "label": "医院账号", "issuer": provider.url, "client_id": CLIENT_ID, "secret": SECRET, **changes,
    }  # fmt: skip


def test_the_secret_is_written_and_never_shown(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    browser.enter(world.people["heqing_admin"])
    path = "/h/heqing/signin-provider"
    assert browser.post(path, form(provider)).status_code == 303
    assert SECRET not in browser.get(path).text
    with platform(world) as session:
        stored = session.scalars(select(IdentityProvider)).one()
        assert SECRET.encode() not in stored.secret_cipher
        cipher = stored.secret_cipher
    assert browser.post(path, form(provider, secret="", label="新名称")).status_code == 303
    with platform(world) as session:
        kept = session.scalars(select(IdentityProvider)).one()
        assert (kept.label, kept.secret_cipher) == ("新名称", cipher)
    # Another issuer would be sent the old secret.
    moved = form(provider, secret="", issuer="https://new.example")
    assert browser.post(path, moved).status_code == 422


def test_another_issuer_forgets_who_was_linked(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    come(browser, provider)
    with platform(world) as session:
        assert session.scalar(select(func.count()).select_from(ExternalIdentity)) == 1
        wanted = Settings("x", "https://new.example", CLIENT_ID, SECRET, required=False, vouches=False)
        side = Side(None, world.heqing.tenant_id)
        providers.save(session, side, wanted, person_id=world.people["heqing_admin"], now=NOW)
        assert session.scalar(select(func.count()).select_from(ExternalIdentity)) == 0


def test_it_is_required_only_after_it_worked_for_whoever_requires_it(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    browser.enter(world.people["heqing_admin"])
    path = "/h/heqing/signin-provider"
    wanted = form(provider, required="yes", vouches="yes")
    assert browser.post(path, wanted).status_code == 422
    come(browser, provider)
    assert browser.post(path, wanted).status_code == 303


@pytest.mark.parametrize(
    "issuer",
    ["http://idp.example", "ftp://idp.example", "idp.example", "", "https://", "https://u:p@idp.example",
     "https://idp.example?x=1", "http://127.0.0.1.example"],
)  # fmt: skip
def test_an_issuer_is_an_https_address(
    browser: Browser, world: World, provider: LocalProvider, issuer: str
) -> None:
    browser.enter(world.people["firm_gm"])
    assert browser.post("/firm/signin-provider", form(provider, issuer=issuer)).status_code == 422


def test_the_connection_is_tested_in_a_clear_sentence(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    browser.enter(world.people["heqing_admin"], language="en")
    path = "/h/heqing/signin-provider/test"
    assert "publishes 1 key" in browser.post(path).text
    provider.broken = True
    assert "answered 500" in browser.post(path).text


def test_an_issuer_elsewhere_cannot_lead_to_this_machine(provider: LocalProvider) -> None:
    assert outward.is_safe(provider.url, local=True)
    provider.told_issuer = provider.url
    assert oidc.discover(provider.url, local=True).token == f"{provider.url}/token"
    with pytest.raises(oidc.ProviderTrouble):
        oidc.discover(provider.url + "/", local=True)


def test_only_who_manages_sign_in_sees_the_settings(browser: Browser, world: World) -> None:
    for name, path, status in [
        ("operations", "/firm/signin-provider", 403),
        ("firm_gm", "/firm/signin-provider", 200),
        ("heqing_gm", "/h/heqing/signin-provider", 403),
        ("heqing_admin", "/h/heqing/signin-provider", 200),
        ("heqing_admin", "/h/yunling/signin-provider", 404),
    ]:
        browser.enter(world.people[name])
        assert browser.get(path).status_code == status, (name, path)


def test_attempts_of_yesterday_are_swept(
    browser: Browser, world: World, provider: LocalProvider, clock: SetClock
) -> None:
    set_up(world, provider)
    leave(browser)
    clock.at = NOW + timedelta(days=2)
    leave(browser)
    with platform(world) as session:
        assert session.scalar(select(func.count()).select_from(ProviderAttempt)) == 1
