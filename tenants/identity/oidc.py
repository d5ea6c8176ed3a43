"""OpenID Connect (单点登录): what is said to a provider, and what is believed of its answers.

Authorization code with PKCE (RFC 7636, S256), `state` and `nonce`; the ID token is verified by the provider's
published keys, its issuer, audience, nonce and times (OpenID Connect Core 1.0, 3.1.3.7). Nothing here touches
the database: a network call never happens while a transaction is open (design.md 3).
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from urllib3.exceptions import HTTPError

from foundation.languages import gettext as _
from tenants.identity.outward import LOOPBACK, is_reached_outside, is_safe

WELL_KNOWN = "/.well-known/openid-configuration"
SCOPES = "openid email profile"
# Signatures by a published key alone: neither `none` nor a shared secret.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
TIMEOUT = (5, 10)
MOST_BYTES = 1_000_000
LEEWAY_SECONDS = 60
# What an ID token says when two factors were used (RFC 8176).
TWO_FACTORS = "mfa"


class ProviderTrouble(Exception):
    """The provider did not answer, or what it answered is not to be believed; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is spoken to, by its own word; `local`: on this machine too."""

    issuer: str
    authorization: str
    token: str
    keys: str
    userinfo: str | None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are at a provider."""

    client_id: str
    secret: str
    return_address: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a sign-in was begun with, and its answer must match: the nonce, and the verifier of PKCE."""

    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, by the provider's word. `email` only when the provider has verified it."""

    subject: str
    email: str | None
    two_factors: bool


def new_proof() -> Proof:
    """A fresh nonce and verifier, 256 bits each."""
    return Proof(secrets.token_urlsafe(32), secrets.token_urlsafe(48))


def discover(issuer: str, *, local: bool = False) -> Endpoints:
    """Ask the issuer for its endpoints; raises `ProviderTrouble`. With `local` it may lie on this machine."""
    told = _read(issuer.rstrip("/") + WELL_KNOWN, local=local)
    if told.get("issuer") != issuer:
        raise ProviderTrouble(
            _(
                "The provider calls itself {told}, the settings say {issuer}.",
                told=told.get("issuer"),
                issuer=issuer,
            )
        )
    wanted = ["authorization_endpoint", "token_endpoint", "jwks_uri"]
    optional = [name for name in ("userinfo_endpoint",) if told.get(name)]
    for name in wanted + optional:
        address = told.get(name)
        # An issuer elsewhere must not lead us to an address of this machine.
        here = local and urlsplit(issuer).hostname in LOOPBACK
        if not isinstance(address, str) or not is_safe(address, local=here):
            raise ProviderTrouble(_("The provider names no safe address for {name}.", name=name))
    return Endpoints(
        issuer,
        told["authorization_endpoint"],
        told["token_endpoint"],
        told["jwks_uri"],
        told.get("userinfo_endpoint"),
        local,
    )


def authorization_address(endpoints: Endpoints, client: Client, proof: Proof, state: str) -> str:
    """Where the browser goes to sign in."""
    with _session(client) as session:
        address, _state = session.create_authorization_url(
            endpoints.authorization, state=state, nonce=proof.nonce, code_verifier=proof.verifier
        )
    return str(address)


def identity(endpoints: Endpoints, client: Client, code: str, proof: Proof, *, at: datetime) -> Identity:
    """Exchange the code and verify what comes back; `at` is the real time. Raises `ProviderTrouble`."""
    answer = _exchange(endpoints, client, code, proof)
    raw = answer.get("id_token")
    if not isinstance(raw, str):
        raise ProviderTrouble(_("The provider's answer holds no identity."))
    access = answer.get("access_token")
    claims = _verified(endpoints, client, raw, proof, access if isinstance(access, str) else None, at)
    email, sure = claims.get("email"), claims.get("email_verified")
    if email is None and endpoints.userinfo and isinstance(access, str):
        more = _read(endpoints.userinfo, access, local=endpoints.local)
        if more.get("sub") == claims["sub"]:
            email, sure = more.get("email"), more.get("email_verified")
    methods = claims.get("amr")
    return Identity(
        subject=str(claims["sub"]),
        email=email if isinstance(email, str) and sure in (True, "true") else None,
        two_factors=isinstance(methods, list) and TWO_FACTORS in methods,
    )


def key_count(endpoints: Endpoints) -> int:
    """How many keys the provider publishes; raises `ProviderTrouble`."""
    return len(_keys(endpoints).keys)


def _exchange(endpoints: Endpoints, client: Client, code: str, proof: Proof) -> dict[str, Any]:
    _require_outward(endpoints.token, local=endpoints.local)
    try:
        with _session(client) as session:
            answer = session.fetch_token(
                endpoints.token,
                grant_type="authorization_code",
                code=code,
                code_verifier=proof.verifier,
                timeout=TIMEOUT,
                allow_redirects=False,
            )
    except OAuthError as error:
        raise ProviderTrouble(_("The provider refused: {error}.", error=error.error)) from error
    except (requests.RequestException, ValueError) as error:
        raise ProviderTrouble(_unreachable(endpoints.token)) from error
    return dict(answer)


def _verified(
    endpoints: Endpoints, client: Client, raw: str, proof: Proof, access: str | None, at: datetime
) -> CodeIDToken:
    keys = _keys(endpoints)
    try:
        token = jwt.decode(raw, keys, algorithms=ALGORITHMS)
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": endpoints.issuer},
                "aud": {"essential": True, "value": client.client_id},
            },
            params={"nonce": proof.nonce, "client_id": client.client_id, "access_token": access},
        )
        claims.validate(now=int(at.timestamp()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        said = error.error if isinstance(error, JoseError) else type(error).__name__
        raise ProviderTrouble(
            _("What the provider said of this person could not be verified ({reason}).", reason=said)
        ) from error
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise ProviderTrouble(_("The provider's answer holds no identity."))
    return claims


def _keys(endpoints: Endpoints) -> KeySet:
    told = _read(endpoints.keys, local=endpoints.local)
    try:
        found = KeySet.import_key_set({"keys": list(told["keys"])})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ProviderTrouble(_("The provider publishes no keys that can be read.")) from error
    if not found.keys:
        raise ProviderTrouble(_("The provider publishes no keys that can be read."))
    return found


def _read(address: str, access: str | None = None, *, local: bool) -> dict[str, Any]:
    """One JSON object, of limited size and without following redirects."""
    _require_outward(address, local=local)
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {access}"} if access else {})
    try:
        with requests.get(
            address, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
            status = answer.status_code
    except (requests.RequestException, HTTPError, OSError) as error:
        raise ProviderTrouble(_unreachable(address)) from error
    if status != requests.codes.ok or len(body) > MOST_BYTES:
        raise ProviderTrouble(
            _("The provider answered {status} at {address}.", status=status, address=address)
        )
    try:
        told = json.loads(body)
    except ValueError as error:
        raise ProviderTrouble(
            _("The provider's answer at {address} cannot be read.", address=address)
        ) from error
    if not isinstance(told, dict):
        raise ProviderTrouble(_("The provider's answer at {address} cannot be read.", address=address))
    return told


def _require_outward(address: str, *, local: bool) -> None:
    """Raises `ProviderTrouble` for what is no public address, resolved at this moment."""
    try:
        good = is_safe(address, local=local) and is_reached_outside(address, local=local)
    except (OSError, ValueError) as error:
        raise ProviderTrouble(_unreachable(address)) from error
    if not good:
        raise ProviderTrouble(_("The provider lies at an address within this network; it must be public."))


def _unreachable(address: str) -> str:
    return _("The provider at {host} cannot be reached.", host=urlsplit(address).netloc)


def _session(client: Client) -> OAuth2Session:
    return OAuth2Session(
        client.client_id,
        client.secret,
        scope=SCOPES,
        redirect_uri=client.return_address,
        code_challenge_method="S256",
    )
