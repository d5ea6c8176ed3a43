"""Speaking to Stripe: the client, the keys that make a repeated call harmless, and which errors pass.

Without a secret key there is no client and the product works on bank transfer alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import stripe
from stripe._base_address import BaseAddresses  # the library exports the client, not the type of its argument

from foundation.settings import Settings

KEY_VERSION = "1"  # a new one when the facts of a key or the text of a call change
TIMEOUT_SECONDS = 20

# Stripe cannot be reached, is overloaded or has failed: the job runs again later. All else is a refusal.
PASSING = (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError)


def idempotency_key(kind: str, *facts: object) -> str:
    """The one place where keys are built: the same business facts give the same key, in every process.

    `kind` names the call (`customer`, `invoice`, `item`, `finalize`, `send`, `pay`).
    """
    joined = "\x1f".join(str(fact) for fact in facts)
    return f"careloop-{KEY_VERSION}-{kind}-{hashlib.sha256(joined.encode()).hexdigest()[:40]}"


def enabled(settings: Settings) -> bool:
    """Whether there is a secret key."""
    key = settings.stripe_api_key
    return key is not None and key.get_secret_value() != ""


@contextmanager
def stripe_client(settings: Settings) -> Iterator[stripe.StripeClient]:
    """A client for one job; its connections close with the block. Retries are the job system's."""
    key = settings.stripe_api_key
    if key is None:
        raise ValueError("no Stripe key is set")
    transport = stripe.RequestsClient(timeout=TIMEOUT_SECONDS)
    base: BaseAddresses = {"api": settings.stripe_api_base} if settings.stripe_api_base else {}
    try:
        yield stripe.StripeClient(
            key.get_secret_value(), base_addresses=base, http_client=transport, max_network_retries=0
        )
    finally:
        transport.close()  # type: ignore[no-untyped-call]


def metadata_of(thing: stripe.Invoice | stripe.InvoiceItem) -> dict[str, str]:
    """What we wrote on it."""
    return dict(thing.metadata.to_dict()) if thing.metadata is not None else {}
