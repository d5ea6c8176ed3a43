"""Statements over a whole hospital at once, planned for what they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from foundation.database import HospitalSession


@contextmanager
def whole_sets(session: HospitalSession) -> Iterator[None]:
    """Within the block the database joins sets by hash or merge and never row by row.

    Right after its first import a hospital is unknown to the planner's statistics; it expects one row where
    there are 20,000, and the nested loop that it then chooses takes minutes instead of a second.
    """
    session.flush()
    session.execute(text("SET LOCAL enable_nestloop = off"))
    yield
    session.execute(text("SET LOCAL enable_nestloop = on"))
