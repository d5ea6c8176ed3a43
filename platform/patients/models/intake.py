"""Tables of data coming in: files and what they changed, remembered columns, feeds and their messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, validates

from foundation.database import TenantRow, tenant_fk
from foundation.masking import mask_numbers
from foundation.personal import OF_THE_HOSPITAL, on_erasure
from tenants.models import hospital_fk

EMPTY = text("'{}'::jsonb")
NONE = text("'[]'::jsonb")


class DataImport(TenantRow):
    """One file or one day of a feed (数据导入), from its arrival to its undo; the counts always add up.

    `state`: `mapping` waits for somebody to say which column is which, `checking` and `checked` are the dry
    run, `waiting` and `running` the import, then `done`, `failed`, `stopped` or `undone`.
    `source` is how it came. `layout`, `visit`, `header` and `columns` (field → headings) are how it was read.
    `progress` and `progress_of` count rows of the phase that `phase` names; a run that is alive renews
    `lease_until`; `attempt` counts its runs, so that one given up for dead cannot finish. `alarms` are what
    asks for a second look (`header_changed`, `size`): {"code": …, and its numbers}. `failure` is a sentence's
    code and parameters. `preview_cipher` holds the first rows before and after (JSON, encrypted) until the
    import is over; `verdicts_file_id` has every row's verdict.
    """

    __tablename__ = "data_import"
    personal = OF_THE_HOSPITAL
    file_name: Mapped[str]
    file_sha256: Mapped[bytes]
    layout: Mapped[str]
    rows: Mapped[int]
    created: Mapped[int]
    updated: Mapped[int]
    unchanged: Mapped[int]
    rejected: Mapped[int]
    warnings: Mapped[dict[str, Any]]
    reject_reasons: Mapped[dict[str, Any]]
    dropped_columns: Mapped[list[Any]]
    rejected_file_id: Mapped[UUID | None]
    imported_by: Mapped[str]
    imported_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="done")
    source: Mapped[str] = mapped_column(server_default="upload")
    visit: Mapped[str] = mapped_column(server_default="inpatient")
    header: Mapped[list[Any]] = mapped_column(server_default=NONE)
    columns: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY)
    alarms: Mapped[list[Any]] = mapped_column(server_default=NONE)
    enrolled: Mapped[int] = mapped_column(server_default="0")
    suppressed: Mapped[int] = mapped_column(server_default="0")
    file_id: Mapped[UUID | None]
    verdicts_file_id: Mapped[UUID | None]
    preview_cipher: Mapped[bytes | None]
    phase: Mapped[str] = mapped_column(server_default="")
    progress: Mapped[int] = mapped_column(server_default="0")
    progress_of: Mapped[int] = mapped_column(server_default="0")
    attempt: Mapped[int] = mapped_column(server_default="0")
    lease_until: Mapped[datetime | None]
    stop_asked_at: Mapped[datetime | None]
    failure: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY)
    finished_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("rows = created + updated + unchanged + rejected", name="counts_add_up"),
        CheckConstraint(
            "state IN ('mapping','checking','checked','waiting','running','done','failed',"
            "'stopped','undone')",
            name="state",
        ),
        CheckConstraint("source IN ('upload','api','command','hl7','fhir','json','folder')", name="source"),
        Index(
            "ix_data_import_at_work",
            "tenant_id",
            "lease_until",
            postgresql_where=text("state IN ('checking','waiting','running')"),
        ),
        tenant_fk("stored_file", "rejected_file_id"),
        tenant_fk("stored_file", "file_id"),
        tenant_fk("stored_file", "verdicts_file_id"),
        hospital_fk(),
    )

    @validates("file_name")
    def _masked(self, _field: str, name: str) -> str:
        """The name stands in the clear and stays when a patient is erased: no numbers of people in it."""
        return mask_numbers(name)


class ImportTrail(TenantRow):
    """The rows of one table that an import made (导入新增行): what its undo takes away."""

    __tablename__ = "import_trail"
    personal = OF_THE_HOSPITAL
    import_id: Mapped[UUID]
    table_name: Mapped[str]
    row_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    __table_args__ = (
        UniqueConstraint("tenant_id", "import_id", "table_name"),
        tenant_fk("data_import", "import_id"),
    )


class ImportBefore(TenantRow):
    """A row as it was before an import changed it (导入前的值): what its undo brings back.

    `row` is the row as JSON, encrypted. Kept for 30 days.
    """

    __tablename__ = "import_before"
    personal = on_erasure(wiped="row_cipher", kept="table_name")
    import_id: Mapped[UUID]
    patient_id: Mapped[UUID]
    table_name: Mapped[str]
    row_id: Mapped[UUID]
    row_cipher: Mapped[bytes]
    __table_args__ = (
        UniqueConstraint("tenant_id", "import_id", "table_name", "row_id"),
        Index("ix_import_before_patient", "tenant_id", "patient_id"),
        tenant_fk("data_import", "import_id"),
        tenant_fk("patient", "patient_id"),
    )


class ColumnLayout(TenantRow):
    """A header that this hospital sends, and which column holds which field (列对应关系), remembered.

    `header_digest` is that of the headings in their plain form, in order; `columns` maps a field to its
    headings. `by_hand`: a person chose. The layout used last is what the next file's header is compared with.
    """

    __tablename__ = "column_layout"
    personal = OF_THE_HOSPITAL
    visit: Mapped[str]
    header: Mapped[list[Any]]
    header_digest: Mapped[bytes]
    columns: Mapped[dict[str, Any]]
    by_hand: Mapped[bool]
    accepted_by: Mapped[str]
    accepted_at: Mapped[datetime]
    used_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "header_digest"),
        hospital_fk(),
    )


class Feed(TenantRow):
    """A way by which a hospital's data comes in (数据对接), and when it last did.

    `expected_hours` is after how long silence is a problem, None for never.
    """

    __tablename__ = "feed"
    personal = OF_THE_HOSPITAL
    kind: Mapped[str]
    name: Mapped[str]
    expected_hours: Mapped[int | None]
    last_received_at: Mapped[datetime | None]
    last_taken_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", "name"),
        CheckConstraint("kind IN ('file','hl7','fhir','json','folder')", name="kind"),
        hospital_fk(),
    )


class FeedMessage(TenantRow):
    """One message of a feed as it came (接口消息): stored before it is answered, applied once.

    A visit's state is what all its messages say together, in the order of `event_at`, whatever the order in
    which they came. `visit_number` is the sender's own for the stay; a merge has the number that goes there.
    `patient_id` is None until the visit made a patient, `admission_count` until it stood among the
    encounters. `content_cipher` is what the message says in the fields that are agreed, encrypted; None
    once it is no longer needed. `content_digest` is keyed: the same message twice is one.
    """

    __tablename__ = "feed_message"
    personal = on_erasure(
        wiped="content_cipher reason",
        numbered="record_number visit_number",
        kept="kind event control_id state content_digest",
    )
    kind: Mapped[str]
    control_id: Mapped[str]
    event: Mapped[str]
    event_at: Mapped[datetime]
    record_number: Mapped[str]
    visit_number: Mapped[str]
    content_cipher: Mapped[bytes | None]
    content_digest: Mapped[bytes]
    state: Mapped[str]
    reason: Mapped[str]
    received_at: Mapped[datetime]
    import_id: Mapped[UUID | None]
    patient_id: Mapped[UUID | None]
    admission_count: Mapped[int | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", "content_digest"),
        CheckConstraint("kind IN ('hl7','fhir','json')", name="kind"),
        CheckConstraint("state IN ('applied','waiting','rejected')", name="state"),
        Index("ix_feed_message_visit", "tenant_id", "record_number", "visit_number"),
        Index("ix_feed_message_patient", "tenant_id", "patient_id"),
        tenant_fk("data_import", "import_id"),
        tenant_fk("patient", "patient_id"),
    )
