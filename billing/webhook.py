"""The one address that Stripe posts to. It verifies its sender itself, so it carries no form token."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.params import RawBody

from billing import stripe_inbox
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.web.access import PUBLIC
from foundation.web.errors import NotFound

SCOPE = PlatformScope(Actor.system("billing.stripe"), "webhook")


@post("/webhooks/stripe", needs=PUBLIC, sync_to_thread=True, exclude_from_csrf=True, status_code=200)
def stripe_webhook(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], body: RawBody
) -> Response[str]:
    """Keep the event and answer; a job does the rest. Without a signing secret there is no such address."""
    given = runtime.settings.stripe_webhook_secret
    secret = given.get_secret_value().strip() if given is not None else ""
    if not secret:
        raise NotFound
    signature = request.headers.get("stripe-signature")
    try:
        with runtime.database.platform(SCOPE) as session:
            stripe_inbox.receive(session, body, signature, secret, now=runtime.clock.now())
    except stripe_inbox.BadSignature:
        return Response("bad signature", media_type=MediaType.TEXT, status_code=400)
    return Response("kept", media_type=MediaType.TEXT, status_code=200)


handlers = [stripe_webhook]
