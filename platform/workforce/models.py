"""Tables of the agents: which hospitals each one works for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from foundation.database import FirmRow


class Assignment(FirmRow):
    """An agent works for a hospital (坐席分配)."""

    __tablename__ = "assignment"
    person_id: Mapped[UUID]
    tenant_id: Mapped[UUID]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("firm_id", "person_id", "tenant_id"),
        ForeignKeyConstraint(["person_id"], ["person.id"]),
        # A hospital of this very firm: an agent cannot be sent into another firm's hospital.
        ForeignKeyConstraint(["tenant_id", "firm_id"], ["hospital.tenant_id", "hospital.firm_id"]),
    )
