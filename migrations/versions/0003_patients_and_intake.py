"""Patients and data coming in: imports with their undo, feeds, merges, consent, organisations.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from foundation.database import TableClass
from foundation.policies import policy_statements
from migrations import patients_data as data

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create what is new, change what is there, then fill in what existing rows lack."""
    _create_column_layout()
    _create_consent_text()
    _create_feed()
    _create_purpose_basis()
    _create_suppression_check()
    _create_feed_message()
    _create_import_before()
    _create_import_trail()
    _create_number_block()
    _create_patient_merge()
    _create_possible_duplicate()
    _create_record_alias()
    _change_call()
    _change_consent()
    _change_contact_point()
    _change_contact_task()
    _change_data_import()
    _change_data_problem()
    _change_directory_entry()
    _change_encounter()
    _change_enrolment()
    _change_feedback_case()
    _change_ledger_entry()
    _change_patient()
    _change_sample_member()
    _change_suppression()
    _change_questionnaire()
    data.fill_in()


def downgrade() -> None:
    """There is no way back: what was imported, merged and agreed since would be lost."""
    raise data.NoWayBack


def _wall(table: str, table_class: TableClass, *, append_only: bool = False) -> None:
    for statement in policy_statements(table, table_class, append_only=append_only):
        op.execute(statement)


def _create_column_layout() -> None:
    op.create_table(
        "column_layout",
        sa.Column("visit", sa.Text(), nullable=False),
        sa.Column("header", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("header_digest", sa.LargeBinary(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_column_layout_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_column_layout")),
        sa.UniqueConstraint(
            "tenant_id", "header_digest", name=op.f("uq_column_layout_tenant_id_header_digest")
        ),
    )
    _wall("column_layout", "tenant")


def _create_consent_text() -> None:
    op.create_table(
        "consent_text",
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("text_zh", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("asks_again", sa.Boolean(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "channel IN ('all','telephone','sms','wechat','email')", name=op.f("ck_consent_text_channel")
        ),
        sa.CheckConstraint(
            "purpose IN ('care_followup','satisfaction','complaint','marketing')",
            name=op.f("ck_consent_text_purpose"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_consent_text_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_consent_text")),
        sa.UniqueConstraint(
            "tenant_id",
            "purpose",
            "channel",
            "version",
            name=op.f("uq_consent_text_tenant_id_purpose_channel_version"),
        ),
    )
    _wall("consent_text", "tenant")


def _create_feed() -> None:
    op.create_table(
        "feed",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("expected_hours", sa.BigInteger(), nullable=True),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('file','hl7','fhir','json','folder')", name=op.f("ck_feed_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_feed_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_feed")),
        sa.UniqueConstraint("tenant_id", "kind", "name", name=op.f("uq_feed_tenant_id_kind_name")),
    )
    _wall("feed", "tenant")


def _create_purpose_basis() -> None:
    op.create_table(
        "purpose_basis",
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "basis IN ('consent','contract','legal_duty')", name=op.f("ck_purpose_basis_basis")
        ),
        sa.CheckConstraint(
            "purpose <> 'marketing' OR basis = 'consent'", name=op.f("ck_purpose_basis_marketing_by_consent")
        ),
        sa.CheckConstraint(
            "purpose IN ('care_followup','satisfaction','complaint','marketing')",
            name=op.f("ck_purpose_basis_purpose"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_purpose_basis_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_purpose_basis")),
    )
    _wall("purpose_basis", "tenant")


def _create_suppression_check() -> None:
    op.create_table(
        "suppression_check",
        sa.Column("found", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("broken", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_suppression_check_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_suppression_check")),
    )
    _wall("suppression_check", "tenant")


def _create_feed_message() -> None:
    op.create_table(
        "feed_message",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_number", sa.Text(), nullable=False),
        sa.Column("visit_number", sa.Text(), nullable=False),
        sa.Column("content_cipher", sa.LargeBinary(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=True),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("admission_count", sa.BigInteger(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('hl7','fhir','json')", name=op.f("ck_feed_message_kind")),
        sa.CheckConstraint("state IN ('applied','waiting','rejected')", name=op.f("ck_feed_message_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["data_import.tenant_id", "data_import.id"],
            name=op.f("fk_feed_message_tenant_id_import_id_data_import"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_feed_message_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_feed_message")),
        sa.UniqueConstraint(
            "tenant_id", "kind", "content_digest", name=op.f("uq_feed_message_tenant_id_kind_content_digest")
        ),
    )
    op.create_index("ix_feed_message_patient", "feed_message", ["tenant_id", "patient_id"], unique=False)
    op.create_index(
        "ix_feed_message_visit", "feed_message", ["tenant_id", "record_number", "visit_number"], unique=False
    )
    _wall("feed_message", "tenant")


def _create_import_before() -> None:
    op.create_table(
        "import_before",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("row_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["data_import.tenant_id", "data_import.id"],
            name=op.f("fk_import_before_tenant_id_import_id_data_import"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_import_before_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_import_before")),
        sa.UniqueConstraint(
            "tenant_id",
            "import_id",
            "table_name",
            "row_id",
            name=op.f("uq_import_before_tenant_id_import_id_table_name_row_id"),
        ),
    )
    op.create_index("ix_import_before_patient", "import_before", ["tenant_id", "patient_id"], unique=False)
    _wall("import_before", "tenant")


def _create_import_trail() -> None:
    op.create_table(
        "import_trail",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["data_import.tenant_id", "data_import.id"],
            name=op.f("fk_import_trail_tenant_id_import_id_data_import"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_import_trail")),
        sa.UniqueConstraint(
            "tenant_id",
            "import_id",
            "table_name",
            name=op.f("uq_import_trail_tenant_id_import_id_table_name"),
        ),
    )
    _wall("import_trail", "tenant")


def _create_number_block() -> None:
    op.create_table(
        "number_block",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_by", sa.Text(), nullable=True),
        sa.Column("removed_reason", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("scope IN ('all','marketing','survey')", name=op.f("ck_number_block_scope")),
        sa.CheckConstraint("source IN ('patient','hospital','carrier')", name=op.f("ck_number_block_source")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_number_block_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_number_block")),
    )
    op.create_index(
        "uq_number_block_active",
        "number_block",
        ["tenant_id", "number_index", "scope"],
        unique=True,
        postgresql_where="removed_at IS NULL",
    )
    _wall("number_block", "tenant")


def _create_patient_merge() -> None:
    op.create_table(
        "patient_merge",
        sa.Column("kept_id", sa.Uuid(), nullable=False),
        sa.Column("gone_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("moved", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("merged_by", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "gone_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_patient_merge_tenant_id_gone_id_patient"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "kept_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_patient_merge_tenant_id_kept_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_patient_merge")),
    )
    op.create_index("ix_patient_merge_kept", "patient_merge", ["tenant_id", "kept_id"], unique=False)
    op.create_index(
        "uq_patient_merge_gone",
        "patient_merge",
        ["tenant_id", "gone_id"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    _wall("patient_merge", "tenant")


def _create_possible_duplicate() -> None:
    op.create_table(
        "possible_duplicate",
        sa.Column("first_id", sa.Uuid(), nullable=False),
        sa.Column("second_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("decision IN ('merged','different')", name=op.f("ck_possible_duplicate_decision")),
        sa.CheckConstraint(
            "reason IN ('same_id_number','same_name_phone','same_name_birth')",
            name=op.f("ck_possible_duplicate_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "first_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_possible_duplicate_tenant_id_first_id_patient"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "second_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_possible_duplicate_tenant_id_second_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_possible_duplicate")),
        sa.UniqueConstraint(
            "tenant_id",
            "first_id",
            "second_id",
            name=op.f("uq_possible_duplicate_tenant_id_first_id_second_id"),
        ),
    )
    op.create_index(
        "ix_possible_duplicate_open",
        "possible_duplicate",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=sa.text("decision IS NULL"),
    )
    op.create_index(
        "ix_possible_duplicate_second", "possible_duplicate", ["tenant_id", "second_id"], unique=False
    )
    _wall("possible_duplicate", "tenant")


def _create_record_alias() -> None:
    op.create_table(
        "record_alias",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("record_number", sa.Text(), nullable=False),
        sa.Column("record_index", sa.LargeBinary(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("why IN ('id_number','merge')", name=op.f("ck_record_alias_why")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_record_alias_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_record_alias")),
        sa.UniqueConstraint(
            "tenant_id", "record_number", name=op.f("uq_record_alias_tenant_id_record_number")
        ),
    )
    op.create_index("ix_record_alias_patient", "record_alias", ["tenant_id", "patient_id"], unique=False)
    _wall("record_alias", "tenant")


def _change_call() -> None:
    op.create_index("ix_call_contact_point", "call", ["tenant_id", "contact_point_id"], unique=False)
    op.create_index("ix_call_task", "call", ["tenant_id", "task_id"], unique=False)


def _change_consent() -> None:
    op.add_column("consent", sa.Column("channel", sa.Text(), server_default="all", nullable=False))
    op.add_column("consent", sa.Column("given_by", sa.Text(), server_default="patient", nullable=False))
    op.add_column("consent", sa.Column("text_id", sa.Uuid(), nullable=True))
    op.add_column("consent", sa.Column("evidence_file_id", sa.Uuid(), nullable=True))
    op.add_column("consent", sa.Column("recorded_by", sa.Text(), server_default="", nullable=False))
    op.create_foreign_key(
        op.f("fk_consent_tenant_id_evidence_file_id_stored_file"),
        "consent",
        "stored_file",
        ["tenant_id", "evidence_file_id"],
        ["tenant_id", "id"],
    )
    op.create_foreign_key(
        op.f("fk_consent_tenant_id_text_id_consent_text"),
        "consent",
        "consent_text",
        ["tenant_id", "text_id"],
        ["tenant_id", "id"],
    )
    op.create_check_constraint(
        op.f("ck_consent_channel"), "consent", "channel IN ('all','telephone','sms','wechat','email')"
    )
    op.create_check_constraint(op.f("ck_consent_given_by"), "consent", "given_by IN ('patient','guardian')")


def _change_contact_point() -> None:
    op.create_index(
        "ix_contact_point_invalid",
        "contact_point",
        ["tenant_id", "patient_id"],
        unique=False,
        postgresql_where=sa.text("invalid_since IS NOT NULL"),
    )


def _change_contact_task() -> None:
    op.create_index("ix_contact_task_encounter", "contact_task", ["tenant_id", "encounter_id"], unique=False)


def _change_data_import() -> None:
    op.add_column("data_import", sa.Column("state", sa.Text(), server_default="done", nullable=False))
    op.add_column("data_import", sa.Column("source", sa.Text(), server_default="upload", nullable=False))
    op.add_column("data_import", sa.Column("visit", sa.Text(), server_default="inpatient", nullable=False))
    op.add_column(
        "data_import",
        sa.Column(
            "header",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column(
        "data_import",
        sa.Column(
            "columns",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column(
        "data_import",
        sa.Column(
            "alarms",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("data_import", sa.Column("enrolled", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("data_import", sa.Column("suppressed", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("data_import", sa.Column("file_id", sa.Uuid(), nullable=True))
    op.add_column("data_import", sa.Column("verdicts_file_id", sa.Uuid(), nullable=True))
    op.add_column("data_import", sa.Column("preview_cipher", sa.LargeBinary(), nullable=True))
    op.add_column("data_import", sa.Column("phase", sa.Text(), server_default="", nullable=False))
    op.add_column("data_import", sa.Column("progress", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column(
        "data_import", sa.Column("progress_of", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("data_import", sa.Column("attempt", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("data_import", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("data_import", sa.Column("stop_asked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "data_import",
        sa.Column(
            "failure",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("data_import", sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("data_import", sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("data_import", sa.Column("undone_by", sa.Text(), nullable=True))
    op.create_index(
        "ix_data_import_at_work",
        "data_import",
        ["tenant_id", "lease_until"],
        unique=False,
        postgresql_where=sa.text("state IN ('checking','waiting','running')"),
    )
    op.create_foreign_key(
        op.f("fk_data_import_tenant_id_file_id_stored_file"),
        "data_import",
        "stored_file",
        ["tenant_id", "file_id"],
        ["tenant_id", "id"],
    )
    op.create_foreign_key(
        op.f("fk_data_import_tenant_id_verdicts_file_id_stored_file"),
        "data_import",
        "stored_file",
        ["tenant_id", "verdicts_file_id"],
        ["tenant_id", "id"],
    )
    op.create_check_constraint(
        op.f("ck_data_import_state"),
        "data_import",
        "state IN ('mapping','checking','checked','waiting','running','done','failed','stopped','undone')",
    )
    op.create_check_constraint(
        op.f("ck_data_import_source"),
        "data_import",
        "source IN ('upload','api','command','hl7','fhir','json','folder')",
    )


def _change_data_problem() -> None:
    op.create_index("ix_data_problem_patient", "data_problem", ["tenant_id", "patient_id"], unique=False)


def _change_directory_entry() -> None:
    op.add_column(
        "directory_entry",
        sa.Column("suppression_breaches", sa.BigInteger(), server_default="0", nullable=False),
    )


def _change_encounter() -> None:
    op.add_column("encounter", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_encounter_no_department",
        "encounter",
        ["tenant_id", "ward"],
        unique=False,
        postgresql_where=sa.text("department_id IS NULL"),
    )
    op.drop_constraint(op.f("ck_encounter_kind"), "encounter", type_="check")
    op.create_check_constraint(
        op.f("ck_encounter_kind"), "encounter", "kind IN ('inpatient','outpatient','checkup','cooperation')"
    )


def _change_enrolment() -> None:
    op.add_column(
        "enrolment", sa.Column("start_reason", sa.Text(), server_default="discharge", nullable=False)
    )
    op.create_index("ix_enrolment_encounter", "enrolment", ["tenant_id", "encounter_id"], unique=False)


def _change_feedback_case() -> None:
    op.create_index(
        "ix_feedback_case_encounter", "feedback_case", ["tenant_id", "encounter_id"], unique=False
    )


def _change_ledger_entry() -> None:
    op.create_index("ix_ledger_entry_enrolment", "ledger_entry", ["tenant_id", "enrolment_id"], unique=False)
    op.create_index("ix_ledger_entry_patient", "ledger_entry", ["tenant_id", "patient_id"], unique=False)


def _change_patient() -> None:
    op.add_column("patient", sa.Column("contact_type", sa.Text(), server_default="patient", nullable=False))
    op.add_column("patient", sa.Column("initials", sa.Text(), server_default="", nullable=False))
    op.add_column("patient", sa.Column("dialect", sa.Text(), nullable=True))
    op.add_column("patient", sa.Column("answered_by", sa.Text(), nullable=True))
    op.add_column("patient", sa.Column("preferred_part", sa.Text(), nullable=True))
    op.add_column(
        "patient",
        sa.Column(
            "overruled",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("patient", sa.Column("merged_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_patient_id_number",
        "patient",
        ["tenant_id", "id_number_index"],
        unique=False,
        postgresql_where=sa.text("id_number_index IS NOT NULL"),
    )
    op.create_index(
        "ix_patient_initials",
        "patient",
        ["tenant_id", sa.literal_column('initials COLLATE "C"')],
        unique=False,
    )
    op.create_index(
        "ix_patient_name", "patient", ["tenant_id", sa.literal_column('name COLLATE "C"')], unique=False
    )
    op.create_index(
        "ix_patient_record_number",
        "patient",
        ["tenant_id", sa.literal_column('record_number COLLATE "C"')],
        unique=False,
    )
    op.create_index(
        "ix_patient_unreachable",
        "patient",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=sa.text("contact_state <> 'reachable'"),
    )
    op.create_check_constraint(
        op.f("ck_patient_contact_type"),
        "patient",
        "contact_type IN ('patient','partner_hospital','community_centre','company','government','ngo')",
    )
    op.create_check_constraint(
        op.f("ck_patient_preferred_part"), "patient", "preferred_part IN ('morning','afternoon','evening')"
    )


def _change_sample_member() -> None:
    op.add_column("sample_member", sa.Column("stopped_by_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_sample_member_encounter", "sample_member", ["tenant_id", "encounter_id"], unique=False
    )
    op.create_index(
        "ix_sample_member_position", "sample_member", ["tenant_id", "sample_id", "position"], unique=False
    )
    op.create_foreign_key(
        op.f("fk_sample_member_tenant_id_stopped_by_id_suppression"),
        "sample_member",
        "suppression",
        ["tenant_id", "stopped_by_id"],
        ["tenant_id", "id"],
    )


def _change_suppression() -> None:
    op.add_column("suppression", sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("suppression", sa.Column("confirmed_by", sa.Text(), nullable=True))
    op.create_index("ix_suppression_patient", "suppression", ["tenant_id", "patient_id"], unique=False)
    op.drop_constraint(op.f("ck_suppression_reason"), "suppression", type_="check")
    op.create_check_constraint(
        op.f("ck_suppression_reason"),
        "suppression",
        "reason IN ('deceased','cured','special','refused','hospital','dispute','restricted','merged')",
    )


def _change_questionnaire() -> None:
    op.drop_constraint(op.f("ck_questionnaire_audience"), "questionnaire", type_="check")
    op.create_check_constraint(
        op.f("ck_questionnaire_audience"),
        "questionnaire",
        "audience IN ('inpatient','outpatient','organisation')",
    )
