"""Where a firm or a hospital asks for its own provider: a password opens nothing there."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import or_, select

from foundation.database import ScopedSession
from foundation.languages import gettext as _
from tenants.models import IdentityProvider, Membership


def password_refusal(session: ScopedSession, person_id: UUID) -> str | None:
    """The sentence for somebody whose every role lies on sides that ask for their own provider; else None."""
    rows = session.execute(
        select(Membership.id, IdentityProvider.label)
        .outerjoin(
            IdentityProvider,
            or_(
                IdentityProvider.firm_id == Membership.firm_id,
                IdentityProvider.tenant_id == Membership.tenant_id,
            )
            & IdentityProvider.required
            & IdentityProvider.disabled_at.is_(None),
        )
        .where(
            Membership.person_id == person_id,
            Membership.accepted_at.is_not(None),
            Membership.closed_at.is_(None),
        )
    ).all()
    labels = {row.label for row in rows}
    if not rows or None in labels:
        return None
    return _(
        "Sign in through {provider}: a password does not open this account.",
        provider=" / ".join(sorted(labels)),
    )
