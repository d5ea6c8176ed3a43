"""A small OpenID Connect provider on loopback: discovery, sign-in, code exchange with PKCE, keys, userinfo.

Whoever comes to its authorization address is signed in at once as `who`. Its misbehaviours are switches.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT_ID = "careloop"
SECRET = "s3cret/with+signs"
Answer = tuple[int, dict[str, Any]]
# Made once: making them takes longer than a test.
KEY = RSAKey.generate_key(2048, {"kid": "k1"})
STRANGER = RSAKey.generate_key(2048, {"kid": "k1"})


@dataclass
class LocalProvider:
    """What the provider knows; the switches say how it misbehaves."""

    now: datetime
    url: str = ""
    who: dict[str, Any] = field(default_factory=lambda: {"sub": "u1"})
    changes: dict[str, Any] = field(default_factory=dict)  # of the claims of the ID token
    told_issuer: str | None = None
    forge: str | None = None  # "key": signed by a stranger, "none": unsigned, "secret": signed by the secret
    broken: bool = False
    userinfo_only: bool = False  # the e-mail is told by userinfo alone
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def authorize(self, address: str) -> str:
        """What the browser does there: gives the address that it is sent back to."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"]
        code = f"code-{next(self.ids)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def answer(self, method: str, path: str, headers: Any, body: str) -> Answer:
        """One request."""
        if self.broken:
            return 500, {"error": "down"}
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.told_issuer or self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/userinfo",
            }
        if path == "/keys":
            return 200, {"keys": [KEY.as_dict(private=False)]}
        if path == "/userinfo":
            return 200, {**self.who}
        if (method, path) == ("POST", "/token"):
            return self._token(headers.get("Authorization", ""), parse_qs(body))
        return 404, {}

    def _token(self, authorization: str, form: dict[str, list[str]]) -> Answer:
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (unquote(name), secret) not in {(CLIENT_ID, SECRET), (CLIENT_ID, quote(SECRET, safe=""))}:
            return self._refuse("invalid_client")
        asked = self.codes.pop(form["code"][0], None)
        if asked is None or form["redirect_uri"][0] != asked["redirect_uri"]:
            return self._refuse("invalid_grant")
        digest = hashlib.sha256(form.get("code_verifier", [""])[0].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return self._refuse("invalid_grant")
        told = {
            "access_token": "access",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self._id_token(asked),
        }
        return 200, told

    def _id_token(self, asked: dict[str, str]) -> str:
        who = {"sub": self.who["sub"]} if self.userinfo_only else self.who
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": int(self.now.timestamp()),
            "exp": int((self.now + timedelta(minutes=5)).timestamp()),
            "nonce": asked["nonce"],
            **who,
            **self.changes,
        }
        claims = {key: value for key, value in claims.items() if value is not None}
        if self.forge == "secret":
            key = OctKey.import_key(SECRET.ljust(32, "="))
            return jwt.encode({"alg": "HS256"}, claims, key, algorithms=["HS256"])
        if self.forge == "none":
            parts = [json.dumps({"alg": "none"}), json.dumps(claims)]
            plain = [base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts]
            return ".".join([*plain, ""])
        signer = STRANGER if self.forge == "key" else KEY
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, signer)

    def _refuse(self, error: str) -> Answer:
        self.refusals.append(error)
        return 400, {"error": error}


class _Handler(BaseHTTPRequestHandler):
    provider: LocalProvider

    def do_GET(self) -> None:
        self._answer("GET", "")

    def do_POST(self) -> None:
        self._answer("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def _answer(self, method: str, body: str) -> None:
        status, content = self.provider.answer(method, urlsplit(self.path).path, self.headers, body)
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def local_provider(now: datetime) -> Iterator[LocalProvider]:
    """A running provider whose clock stands at `now`."""
    provider = LocalProvider(now)
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
