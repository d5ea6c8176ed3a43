"""A company sign-in leads this server to public addresses alone, never to itself or into its network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from company_signin import set_up
from oidc_provider import CLIENT_ID, SECRET, LocalProvider, local_provider
from web_client import Browser, browsing
from world import NOW, World

from foundation.database import Database
from foundation.settings import Settings
from tenants.identity import outward


@pytest.fixture
def provider() -> Iterator[LocalProvider]:
    with local_provider(NOW) as running:
        yield running


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    with browsing(db, local_providers=False) as made:
        yield made


@pytest.mark.parametrize(
    "address",
    [
        "https://[", "https://[::1", "https://a:99999999", "https://a:0", "https://a\x00b", "https://a b",
        "https://u:p@a.example", "http://a.example", "https://a.example\\@b", "https://例.example",
        "https://127.0.0.1", "https://localhost", "https://x.localhost", "https://10.0.0.8",
        "https://192.168.1.1:8443", "https://172.16.0.1", "https://169.254.169.254/latest",
        "https://100.64.0.1", "https://0.0.0.0", "https://[::1]", "https://[fe80::1]", "https://[fd00::1]",
        "https://[::ffff:10.0.0.8]", "https://[2002:7f00:1::]", "https://[64:ff9b::a00:8]", "https://224.0.0.1",
    ],
)  # fmt: skip
def test_an_address_within_or_that_is_none_is_not_spoken_to(address: str) -> None:
    assert not outward.is_safe(address)
    assert outward.is_safe("https://idp.example:8443/realms/x")
    assert outward.is_safe("https://8.8.8.8")


@pytest.mark.parametrize(
    ("resolved", "public"),
    [
        (["8.8.8.8"], True),
        (["8.8.8.8", "10.0.0.8"], False),
        (["169.254.169.254"], False),
        (["2606:4700::1111"], True),
        (["fe80::1%eth0"], False),
        ([], False),
    ],
)
def test_every_address_that_a_name_resolves_to_counts(
    monkeypatch: pytest.MonkeyPatch, resolved: list[str], public: bool
) -> None:
    def resolve(*_asked: Any, **_options: Any) -> list[Any]:
        return [(0, 0, 0, "", (ip, 443)) for ip in resolved]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    assert outward.is_reached_outside("https://idp.example") is public
    assert outward.is_reached_outside("https://idp.example", local=True) is public


@pytest.mark.parametrize("issuer", ["", "https://[", "https://[::1", "https://127.0.0.1", "https://a\x00b"])
def test_an_issuer_within_is_refused_in_a_sentence(
    browser: Browser, world: World, provider: LocalProvider, issuer: str
) -> None:
    browser.enter(world.people["heqing_admin"])
    form = {"label": "x", "issuer": issuer or provider.url, "client_id": CLIENT_ID, "secret": SECRET}
    answer = browser.post("/h/heqing/signin-provider", form)
    assert answer.status_code == 422
    assert "公开地址" in answer.text


def test_what_was_stored_before_is_not_fetched_either(
    browser: Browser, world: World, provider: LocalProvider
) -> None:
    set_up(world, provider)
    assert browser.get("/signin/heqing/provider").status_code == 422
    browser.enter(world.people["heqing_admin"])
    assert "公开地址" in browser.post("/h/heqing/signin-provider/test").text


def test_this_machine_is_left_open_in_a_demo_alone() -> None:
    assert not Settings().local_providers
    assert Settings(demo=True).local_providers
    assert Settings(allow_local_providers=True).local_providers
