"""Which roles count (有效成员身份): one clause for every question about who somebody is here."""

from sqlalchemy import ColumnElement, and_

from tenants.models import Membership


def counts() -> ColumnElement[bool]:
    """Taken by the person, and not closed by the side that gave it."""
    return and_(Membership.accepted_at.is_not(None), Membership.closed_at.is_(None))
