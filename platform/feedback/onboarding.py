"""What feedback brings to a new hospital, and what it sees before a go-live: tags and deadlines (S0-8)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from feedback.clock import DEFAULT_POLICY
from feedback.models import FeedbackCase
from feedback.tags import CATEGORIES, DEFAULT_TAGS, by_code
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.languages import mark
from tenants.life import golive, templates_by_type
from tenants.life.golive import Finding

NAMED = 5


def register() -> None:
    """Register both; harmless twice."""
    templates_by_type.on_created(templates_by_type.Room("tags", mark("Tags"), tags_told))
    templates_by_type.on_created(templates_by_type.Room("clocks", mark("Deadlines"), clocks_told))
    golive.check("tags", mark("Tags of the firm's catalogue"), tags)


def tags_told(_hospital_type: str) -> str:
    """The catalogue is the firm's, so that like is compared with like; one for every type (S0-19)."""
    return _(
        "{tags} tags in {categories} categories, the same for every type",
        tags=len(DEFAULT_TAGS),
        categories=len(CATEGORIES),
    )


def clocks_told(_hospital_type: str) -> str:
    """The policy of S0-20 to S0-31, one for every type."""
    return _(
        "{rules} clocks in three tiers (version {version}), the same for every type",
        rules=len(DEFAULT_POLICY.rules),
        version=DEFAULT_POLICY.version,
    )


def tags(session: HospitalSession, _now: datetime) -> Finding:
    """Every tag of this hospital's cases is known to the firm's catalogue (S0-19)."""
    known = by_code()
    used = session.scalars(
        select(FeedbackCase.tag).distinct().where(FeedbackCase.tenant_id == session.tenant_id)
    )
    unknown = sorted(tag for tag in used if tag not in known)
    if unknown:
        named = "、".join(unknown[:NAMED])
        return Finding("red", _("Not in the catalogue: {tags}", tags=named), "/h/{code}/cases")
    return Finding("green", _("All {count} tags stand in the catalogue.", count=len(known)))
