"""Statements over a whole hospital at once, planned for what they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from foundation.database import HospitalSession

_ASK = text("SELECT current_setting('enable_nestloop')")
_SET = text("SELECT set_config('enable_nestloop', :state, true)")


@contextmanager
def whole_sets(session: HospitalSession) -> Iterator[None]:
    """Within the block the database joins sets by hash or merge and never row by row.

    Right after its first import a hospital is unknown to the planner's statistics; it expects one row where
    there are 20,000, and the nested loop that it then chooses takes minutes instead of a second.
    """
    session.flush()
    before = session.scalar(_ASK)
    session.execute(_SET, {"state": "off"})
    yield
    session.execute(_SET, {"state": before})  # blocks stand within blocks: an inner one leaves the outer's
