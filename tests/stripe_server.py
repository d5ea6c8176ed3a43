"""A small Stripe on loopback: customers, invoices and their items, with idempotency keys and made-up faults.

It keeps to what the product relies on: a repeated key gives the first answer again (a different body with
the same key is an error), only drafts take items, only open invoices are sent or paid. Faults: the connection
drops before or after the n-th request did its work, or one path answers with an error.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

API_KEY = "sk_test_local"
Answer = tuple[int, dict[str, Any]]


@dataclass
class LocalStripe:
    """What the server knows and what was asked of it."""

    url: str = ""
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    invoices: dict[str, dict[str, Any]] = field(default_factory=dict)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, tuple[str, str, Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    drop_before: int | None = None
    drop_after: int | None = None
    refusals: dict[str, Answer] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, body: str, key: str | None) -> Answer:
        """One request, kept under its idempotency key."""
        if key is not None and key in self.kept:
            known_path, known_body, answer = self.kept[key]
            if (known_path, known_body) != (path, body):
                return error(400, "idempotency_error", "idempotency_key_reused")
            return answer
        for part, refusal in self.refusals.items():
            if method == "POST" and part in path:
                return refusal
        answer = self.act(method, path, body)
        if key is not None and answer[0] == 200:
            self.kept[key] = (path, body, answer)
        return answer

    def act(self, method: str, path: str, body: str) -> Answer:
        parts = urlsplit(path)
        words = parts.path.removeprefix("/v1/").split("/")
        if method == "GET":
            return self._get(words, parse_qs(parts.query))
        given = nested(body)
        if words == ["customers"]:
            made = {"id": f"cus_{next(self.ids)}", "object": "customer", **given}
            self.customers[made["id"]] = made
            return 200, made
        if words == ["invoices"]:
            return 200, self._new_invoice(given)
        if words == ["invoiceitems"]:
            return self._new_item(given)
        invoice = self.invoices.get(words[1])
        if invoice is None:
            return error(404, "invalid_request_error", "resource_missing")
        return self._act_on(invoice, words[2])

    def _get(self, words: list[str], query: dict[str, list[str]]) -> Answer:
        if len(words) == 2:
            found = self.invoices.get(words[1])
            return (200, found) if found else error(404, "invalid_request_error", "resource_missing")
        store, name = (self.invoices, "customer") if words == ["invoices"] else (self.items, "invoice")
        data = [thing for thing in store.values() if thing[name] == query[name][0]]
        return 200, {"object": "list", "data": data, "has_more": False, "url": f"/v1/{words[0]}"}

    def _new_invoice(self, given: dict[str, Any]) -> dict[str, Any]:
        made = {
            "id": f"in_{next(self.ids)}",
            "object": "invoice",
            "status": "draft",
            "total": 0,
            "hosted_invoice_url": None,
            "status_transitions": {"paid_at": None},
            **given,
        }
        self.invoices[made["id"]] = made
        return made

    def _new_item(self, given: dict[str, Any]) -> Answer:
        invoice = self.invoices[given["invoice"]]
        if invoice["status"] != "draft":
            return error(400, "invalid_request_error", "invoice_not_editable")
        made = {
            "id": f"ii_{next(self.ids)}",
            "object": "invoiceitem",
            **given,
            "amount": int(given["amount"]),
        }
        self.items[made["id"]] = made
        invoice["total"] += made["amount"]
        return 200, made

    def _act_on(self, invoice: dict[str, Any], verb: str) -> Answer:
        wanted, then = {
            "finalize": ("draft", "open"),
            "send": ("open", "open"),
            "pay": ("open", "paid"),
            "void": ("open", "void"),
        }[verb]
        if invoice["status"] != wanted:
            return error(400, "invalid_request_error", "status_transition_invalid")
        invoice["status"] = then
        if verb == "finalize":
            invoice["hosted_invoice_url"] = f"https://pay.example.com/{invoice['id']}"
        if verb == "send":
            self.mails.append(invoice["id"])
        return 200, dict(invoice)

    def pay(self, invoice_id: str, at: int) -> None:
        """The hospital pays by card."""
        self.invoices[invoice_id] |= {"status": "paid", "status_transitions": {"paid_at": at}}


def error(status: int, kind: str, code: str) -> Answer:
    """An error as Stripe words it."""
    return status, {"error": {"type": kind, "code": code, "message": code}}


def nested(body: str) -> dict[str, Any]:
    """`metadata[number]=1` as nested dictionaries."""
    out: dict[str, Any] = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        head, _, rest = name.partition("[")
        if rest:
            out.setdefault(head, {})[rest.rstrip("]")] = value
        else:
            out[head] = value
    return out


class _Handler(BaseHTTPRequestHandler):
    stripe: LocalStripe

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        stripe = self.stripe
        with stripe.lock:
            stripe.requests.append((method, urlsplit(self.path).path))
            number = len(stripe.requests)
            if number == stripe.drop_before:
                return
            if self.headers.get("Authorization") != f"Bearer {API_KEY}":
                status, content = error(401, "invalid_request_error", "api_key_invalid")
            else:
                status, content = stripe.answer(method, self.path, body, self.headers.get("Idempotency-Key"))
            if number == stripe.drop_after:
                return
            payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def local_stripe() -> Iterator[LocalStripe]:
    """A running server with nothing in it."""
    stripe = LocalStripe()
    handler = type("Handler", (_Handler,), {"stripe": stripe})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    stripe.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stripe
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
