"""Cursors of lists: `after=<id>` names the last row of the page before, and nothing else.

Rows are in the order of their ids, so any id would give a page; but a cursor that is no row of this hospital
was made up or comes from another hospital, and is answered as every such id is.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import exists, select

from foundation.database import HospitalSession, TenantRow
from foundation.web.errors import NotFound


def checked(session: HospitalSession, model: type[TenantRow], after: UUID | None) -> UUID | None:
    """The cursor, which is a row of this hospital; `NotFound` for any other id, None for the first page."""
    if after is None:
        return None
    here = select(exists().where(model.tenant_id == session.tenant_id, model.id == after))
    if not session.scalar(here):
        raise NotFound
    return after
