"""First tables, each behind its wall.

Every table is created together with its row-level policy and the grants of the runtime role (design.md 2).

Revision: 0001, after nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from foundation.database import TableClass
from foundation.policies import policy_statements

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables, parents first."""
    _create_audit_event()
    _create_directory_entry()
    _create_firm()
    _create_outbox_message()
    _create_person()
    _create_signin_event()
    _create_stored_file()
    _create_stripe_event()
    _create_benchmark_run()
    _create_firm_event()
    _create_hospital()
    _create_invitation()
    _create_membership()
    _create_signin_session()
    _create_assignment()
    _create_benchmark_report()
    _create_contract()
    _create_data_import()
    _create_department()
    _create_monthly_report()
    _create_patient()
    _create_questionnaire()
    _create_revisit_plan()
    _create_survey_sample()
    _create_consent()
    _create_contact_point()
    _create_data_problem()
    _create_encounter()
    _create_invoice()
    _create_suppression()
    _create_contact_task()
    _create_enrolment()
    _create_invoice_line()
    _create_revisit_step()
    _create_sample_member()
    _create_call()
    _create_ledger_entry()
    _create_patient_hold()
    _create_response()
    _create_answer()
    _create_feedback_case()
    _create_ledger_credit()
    _create_case_clock()
    _create_case_event()


def downgrade() -> None:
    """Drop all tables, children first."""
    for table in (
        "case_event",
        "case_clock",
        "ledger_credit",
        "feedback_case",
        "answer",
        "response",
        "patient_hold",
        "ledger_entry",
        "call",
        "sample_member",
        "revisit_step",
        "invoice_line",
        "enrolment",
        "contact_task",
        "suppression",
        "invoice",
        "encounter",
        "data_problem",
        "contact_point",
        "consent",
        "survey_sample",
        "revisit_plan",
        "questionnaire",
        "patient",
        "monthly_report",
        "department",
        "data_import",
        "contract",
        "benchmark_report",
        "assignment",
        "signin_session",
        "membership",
        "invitation",
        "hospital",
        "firm_event",
        "benchmark_run",
        "stripe_event",
        "stored_file",
        "signin_event",
        "person",
        "outbox_message",
        "firm",
        "directory_entry",
        "audit_event",
    ):
        op.drop_table(table)


def _wall(table: str, table_class: TableClass, *, anchor: bool = False, append_only: bool = False) -> None:
    for statement in policy_statements(table, table_class, anchor=anchor, append_only=append_only):
        op.execute(statement)


def _create_audit_event() -> None:
    op.create_table(
        "audit_event",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_event")),
        sa.UniqueConstraint("tenant_id", "seq", name=op.f("uq_audit_event_tenant_id_seq")),
    )
    _wall("audit_event", "tenant", append_only=True)


def _create_directory_entry() -> None:
    op.create_table(
        "directory_entry",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("firm_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('firm', 'hospital')", name=op.f("ck_directory_entry_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_entry")),
        sa.UniqueConstraint("code", name=op.f("uq_directory_entry_code")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_directory_entry_tenant_id")),
    )
    op.create_index(op.f("ix_directory_entry_firm_id"), "directory_entry", ["firm_id"], unique=False)
    _wall("directory_entry", "platform")


def _create_firm() -> None:
    op.create_table(
        "firm",
        sa.Column("firm_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("firm_id", name=op.f("pk_firm")),
    )
    _wall("firm", "firm")


def _create_outbox_message() -> None:
    op.create_table(
        "outbox_message",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_message")),
    )
    op.create_index(
        "ix_outbox_message_unsent",
        "outbox_message",
        ["queued_at"],
        unique=False,
        postgresql_where="sent_at IS NULL",
    )
    _wall("outbox_message", "platform")


def _create_person() -> None:
    op.create_table(
        "person",
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("email", name=op.f("uq_person_email")),
    )
    _wall("person", "platform")


def _create_signin_event() -> None:
    op.create_table(
        "signin_event",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signin_event")),
    )
    _wall("signin_event", "platform", append_only=True)


def _create_stored_file() -> None:
    op.create_table(
        "stored_file",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_stored_file")),
    )
    _wall("stored_file", "tenant")


def _create_stripe_event() -> None:
    op.create_table(
        "stripe_event",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_event")),
        sa.UniqueConstraint("event_id", name=op.f("uq_stripe_event_event_id")),
    )
    _wall("stripe_event", "platform")


def _create_benchmark_run() -> None:
    op.create_table(
        "benchmark_run",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("contributors", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("results", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("thresholds", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("hospitals", sa.BigInteger(), nullable=False),
        sa.Column("withheld", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("firm_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("state IN ('draft','approved')", name=op.f("ck_benchmark_run_state")),
        sa.ForeignKeyConstraint(["firm_id"], ["firm.firm_id"], name=op.f("fk_benchmark_run_firm_id_firm")),
        sa.PrimaryKeyConstraint("firm_id", "id", name=op.f("pk_benchmark_run")),
        sa.UniqueConstraint(
            "firm_id", "month", "version", name=op.f("uq_benchmark_run_firm_id_month_version")
        ),
    )
    _wall("benchmark_run", "firm")


def _create_firm_event() -> None:
    op.create_table(
        "firm_event",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("firm_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["firm_id"], ["firm.firm_id"], name=op.f("fk_firm_event_firm_id_firm")),
        sa.PrimaryKeyConstraint("firm_id", "id", name=op.f("pk_firm_event")),
    )
    _wall("firm_event", "firm", append_only=True)


def _create_hospital() -> None:
    op.create_table(
        "hospital",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("firm_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("hospital_type", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("beds", sa.BigInteger(), nullable=True),
        sa.Column("colour", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outpatient_rate", sa.Numeric(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "hospital_type IN ('general','specialist','tcm','maternal','checkup')",
            name=op.f("ck_hospital_type"),
        ),
        sa.CheckConstraint("region ~ '^[1-8][0-9]{5}$'", name=op.f("ck_hospital_region")),
        sa.CheckConstraint("state IN ('active','suspended')", name=op.f("ck_hospital_state")),
        sa.ForeignKeyConstraint(["firm_id"], ["firm.firm_id"], name=op.f("fk_hospital_firm_id_firm")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_hospital")),
        sa.UniqueConstraint("tenant_id", "firm_id", name=op.f("uq_hospital_tenant_id_firm_id")),
    )
    op.create_index(op.f("ix_hospital_firm_id"), "hospital", ["firm_id"], unique=False)
    _wall("hospital", "tenant", anchor=True)


def _create_invitation() -> None:
    op.create_table(
        "invitation",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_invitation_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    op.create_index(op.f("ix_invitation_person_id"), "invitation", ["person_id"], unique=False)
    _wall("invitation", "platform")


def _create_membership() -> None:
    op.create_table(
        "membership",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("firm_id", sa.Uuid(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("department_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(firm_id IS NOT NULL)::int + (tenant_id IS NOT NULL)::int <= 1",
            name=op.f("ck_membership_one_side"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_membership_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_firm_id"), "membership", ["firm_id"], unique=False)
    op.create_index(op.f("ix_membership_person_id"), "membership", ["person_id"], unique=False)
    op.create_index(op.f("ix_membership_tenant_id"), "membership", ["tenant_id"], unique=False)
    op.create_index(
        "uq_membership_person_role_side",
        "membership",
        ["person_id", "role", "firm_id", "tenant_id", "department_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    _wall("membership", "platform")


def _create_signin_session() -> None:
    op.create_table(
        "signin_session",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_signin_session_person_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signin_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_signin_session_token_hash")),
    )
    op.create_index(op.f("ix_signin_session_person_id"), "signin_session", ["person_id"], unique=False)
    _wall("signin_session", "platform")


def _create_assignment() -> None:
    op.create_table(
        "assignment",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("firm_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_assignment_person_id_person")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "firm_id"],
            ["hospital.tenant_id", "hospital.firm_id"],
            name=op.f("fk_assignment_tenant_id_firm_id_hospital"),
        ),
        sa.PrimaryKeyConstraint("firm_id", "id", name=op.f("pk_assignment")),
        sa.UniqueConstraint(
            "firm_id", "person_id", "tenant_id", name=op.f("uq_assignment_firm_id_person_id_tenant_id")
        ),
    )
    _wall("assignment", "firm")


def _create_benchmark_report() -> None:
    op.create_table(
        "benchmark_report",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("pdf_file_id", sa.Uuid(), nullable=True),
        sa.Column("xlsx_file_id", sa.Uuid(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pdf_file_id"],
            ["stored_file.tenant_id", "stored_file.id"],
            name=op.f("fk_benchmark_report_tenant_id_pdf_file_id_stored_file"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "xlsx_file_id"],
            ["stored_file.tenant_id", "stored_file.id"],
            name=op.f("fk_benchmark_report_tenant_id_xlsx_file_id_stored_file"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_benchmark_report_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_benchmark_report")),
        sa.UniqueConstraint(
            "tenant_id", "month", "version", name=op.f("uq_benchmark_report_tenant_id_month_version")
        ),
    )
    _wall("benchmark_report", "tenant")


def _create_contract() -> None:
    op.create_table(
        "contract",
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("unit_fen", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("vat_rate", sa.Numeric(), nullable=False),
        sa.Column("due_days", sa.BigInteger(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("billing_email", sa.Text(), nullable=False),
        sa.Column("seller", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("stripe_customer", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("payment IN ('bank','stripe')", name=op.f("ck_contract_payment")),
        sa.CheckConstraint(
            "unit_fen > 0 AND vat_rate >= 0 AND vat_rate < 1", name=op.f("ck_contract_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_contract_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_contract")),
    )
    _wall("contract", "tenant")


def _create_data_import() -> None:
    op.create_table(
        "data_import",
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("warnings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reject_reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("dropped_columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rejected_file_id", sa.Uuid(), nullable=True),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "rows = created + updated + unchanged + rejected", name=op.f("ck_data_import_counts_add_up")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "rejected_file_id"],
            ["stored_file.tenant_id", "stored_file.id"],
            name=op.f("fk_data_import_tenant_id_rejected_file_id_stored_file"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_data_import_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_data_import")),
    )
    _wall("data_import", "tenant")


def _create_department() -> None:
    op.create_table(
        "department",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_department_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_department")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_department_tenant_id_name")),
    )
    _wall("department", "tenant")


def _create_monthly_report() -> None:
    op.create_table(
        "monthly_report",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("pdf_file_id", sa.Uuid(), nullable=True),
        sa.Column("xlsx_file_id", sa.Uuid(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pdf_file_id"],
            ["stored_file.tenant_id", "stored_file.id"],
            name=op.f("fk_monthly_report_tenant_id_pdf_file_id_stored_file"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "xlsx_file_id"],
            ["stored_file.tenant_id", "stored_file.id"],
            name=op.f("fk_monthly_report_tenant_id_xlsx_file_id_stored_file"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_monthly_report_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_monthly_report")),
        sa.UniqueConstraint(
            "tenant_id", "month", "version", name=op.f("uq_monthly_report_tenant_id_month_version")
        ),
    )
    _wall("monthly_report", "tenant")


def _create_patient() -> None:
    op.create_table(
        "patient",
        sa.Column("record_number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("age_years", sa.BigInteger(), nullable=True),
        sa.Column("id_number_cipher", sa.LargeBinary(), nullable=True),
        sa.Column("id_number_index", sa.LargeBinary(), nullable=True),
        sa.Column("contact_state", sa.Text(), nullable=False),
        sa.Column("must_not_say", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "contact_state IN ('reachable','no_number','no_guardian_number')",
            name=op.f("ck_patient_contact_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_patient_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_patient")),
        sa.UniqueConstraint("tenant_id", "record_number", name=op.f("uq_patient_tenant_id_record_number")),
    )
    _wall("patient", "tenant")


def _create_questionnaire() -> None:
    op.create_table(
        "questionnaire",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("audience IN ('inpatient','outpatient')", name=op.f("ck_questionnaire_audience")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_questionnaire_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_questionnaire")),
        sa.UniqueConstraint(
            "tenant_id", "code", "version", name=op.f("uq_questionnaire_tenant_id_code_version")
        ),
    )
    _wall("questionnaire", "tenant")


def _create_revisit_plan() -> None:
    op.create_table(
        "revisit_plan",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_revisit_plan_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_revisit_plan")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_revisit_plan_tenant_id_code")),
    )
    _wall("revisit_plan", "tenant")


def _create_survey_sample() -> None:
    op.create_table(
        "survey_sample",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("rate", sa.Numeric(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("frame_size", sa.BigInteger(), nullable=False),
        sa.Column("drawn_size", sa.BigInteger(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_survey_sample_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_survey_sample")),
        sa.UniqueConstraint(
            "tenant_id", "month", "audience", name=op.f("uq_survey_sample_tenant_id_month_audience")
        ),
    )
    _wall("survey_sample", "tenant")


def _create_consent() -> None:
    op.create_table(
        "consent",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "purpose IN ('care_followup','satisfaction','complaint','marketing')",
            name=op.f("ck_consent_purpose"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_consent_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_consent")),
    )
    op.create_index(
        "ix_consent_latest", "consent", ["tenant_id", "patient_id", "purpose", "at"], unique=False
    )
    _wall("consent", "tenant")


def _create_contact_point() -> None:
    op.create_table(
        "contact_point",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("number_masked", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("invalid_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("holder IN ('patient','contact')", name=op.f("ck_contact_point_holder")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_contact_point_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_contact_point")),
        sa.UniqueConstraint(
            "tenant_id", "patient_id", "holder", name=op.f("uq_contact_point_tenant_id_patient_id_holder")
        ),
    )
    op.create_index("ix_contact_point_number", "contact_point", ["tenant_id", "number_index"], unique=False)
    _wall("contact_point", "tenant")


def _create_data_problem() -> None:
    op.create_table(
        "data_problem",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_data_problem_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_data_problem")),
    )
    op.create_index(
        "uq_data_problem_open",
        "data_problem",
        ["tenant_id", "patient_id", "kind"],
        unique=True,
        postgresql_where="resolved_at IS NULL",
    )
    _wall("data_problem", "tenant")


def _create_encounter() -> None:
    op.create_table(
        "encounter",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=True),
        sa.Column("import_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("record_number", sa.Text(), nullable=False),
        sa.Column("admission_count", sa.BigInteger(), nullable=False),
        sa.Column("ward", sa.Text(), nullable=False),
        sa.Column("doctor", sa.Text(), nullable=False),
        sa.Column("diagnosis", sa.Text(), nullable=False),
        sa.Column("diagnosis_code", sa.Text(), nullable=False),
        sa.Column("admitted_on", sa.Date(), nullable=True),
        sa.Column("discharged_on", sa.Date(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('inpatient','outpatient','checkup')", name=op.f("ck_encounter_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "department_id"],
            ["department.tenant_id", "department.id"],
            name=op.f("fk_encounter_tenant_id_department_id_department"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["data_import.tenant_id", "data_import.id"],
            name=op.f("fk_encounter_tenant_id_import_id_data_import"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_encounter_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_encounter")),
        sa.UniqueConstraint(
            "tenant_id",
            "kind",
            "record_number",
            "admission_count",
            name=op.f("uq_encounter_tenant_id_kind_record_number_admission_count"),
        ),
    )
    op.create_index("ix_encounter_month", "encounter", ["tenant_id", "kind", "discharged_on"], unique=False)
    op.create_index(
        "ix_encounter_patient", "encounter", ["tenant_id", "patient_id", "discharged_on"], unique=False
    )
    _wall("encounter", "tenant")


def _create_invoice() -> None:
    op.create_table(
        "invoice",
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("patients", sa.BigInteger(), nullable=False),
        sa.Column("corrected", sa.BigInteger(), nullable=False),
        sa.Column("subtotal_fen", sa.BigInteger(), nullable=False),
        sa.Column("vat_rate", sa.Numeric(), nullable=False),
        sa.Column("vat_fen", sa.BigInteger(), nullable=False),
        sa.Column("total_fen", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("payment_reference", sa.Text(), nullable=True),
        sa.Column("pdf_file_id", sa.Uuid(), nullable=True),
        sa.Column("stripe_invoice", sa.Text(), nullable=True),
        sa.Column("stripe_state", sa.Text(), nullable=True),
        sa.Column("hosted_url", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "state = 'draft' OR number IS NOT NULL", name=op.f("ck_invoice_issued_has_number")
        ),
        sa.CheckConstraint("state IN ('draft','issued','paid','void')", name=op.f("ck_invoice_state")),
        sa.CheckConstraint("total_fen = subtotal_fen + vat_fen", name=op.f("ck_invoice_adds_up")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contract_id"],
            ["contract.tenant_id", "contract.id"],
            name=op.f("fk_invoice_tenant_id_contract_id_contract"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pdf_file_id"],
            ["stored_file.tenant_id", "stored_file.id"],
            name=op.f("fk_invoice_tenant_id_pdf_file_id_stored_file"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_invoice")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_invoice_tenant_id_number")),
    )
    op.create_index(
        "uq_invoice_month", "invoice", ["tenant_id", "month"], unique=True, postgresql_where="state <> 'void'"
    )
    _wall("invoice", "tenant")


def _create_suppression() -> None:
    op.create_table(
        "suppression",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "reason IN ('deceased','cured','special','refused','hospital','dispute')",
            name=op.f("ck_suppression_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_suppression_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_suppression")),
    )
    op.create_index(
        "uq_suppression_active",
        "suppression",
        ["tenant_id", "patient_id", "reason"],
        unique=True,
        postgresql_where="lifted_at IS NULL",
    )
    _wall("suppression", "tenant")


def _create_contact_task() -> None:
    op.create_table(
        "contact_task",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("encounter_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("label", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("not_by", sa.Uuid(), nullable=True),
        sa.Column("appointment_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("appointment_agent", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('revisit','survey','callback','acknowledge','promise')",
            name=op.f("ck_contact_task_kind"),
        ),
        sa.CheckConstraint(
            "purpose IN ('care_followup','satisfaction','complaint','marketing')",
            name=op.f("ck_contact_task_purpose"),
        ),
        sa.CheckConstraint(
            "state IN ('open','completed','partial','unreachable','refused','cancelled','expired')",
            name=op.f("ck_contact_task_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "encounter_id"],
            ["encounter.tenant_id", "encounter.id"],
            name=op.f("fk_contact_task_tenant_id_encounter_id_encounter"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_contact_task_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_contact_task")),
        sa.UniqueConstraint(
            "tenant_id", "source", "source_id", name=op.f("uq_contact_task_tenant_id_source_source_id")
        ),
    )
    op.create_index(
        "ix_contact_task_appointment",
        "contact_task",
        ["tenant_id", "appointment_at"],
        unique=False,
        postgresql_where="state = 'open' AND appointment_at IS NOT NULL",
    )
    op.create_index(
        "ix_contact_task_closing",
        "contact_task",
        ["tenant_id", "kind", "closes_at"],
        unique=False,
        postgresql_where="state = 'open'",
    )
    op.create_index(
        "ix_contact_task_due",
        "contact_task",
        ["tenant_id", "rank", "due_at", "id"],
        unique=False,
        postgresql_where="state = 'open'",
    )
    op.create_index("ix_contact_task_patient", "contact_task", ["tenant_id", "patient_id"], unique=False)
    _wall("contact_task", "tenant")


def _create_enrolment() -> None:
    op.create_table(
        "enrolment",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("encounter_id", sa.Uuid(), nullable=False),
        sa.Column("started_on", sa.Date(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("cancelled_on", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "encounter_id"],
            ["encounter.tenant_id", "encounter.id"],
            name=op.f("fk_enrolment_tenant_id_encounter_id_encounter"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_enrolment_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_enrolment")),
    )
    op.create_index("ix_enrolment_patient", "enrolment", ["tenant_id", "patient_id"], unique=False)
    op.create_index(
        "uq_enrolment_open",
        "enrolment",
        ["tenant_id", "patient_id"],
        unique=True,
        postgresql_where="ended_on IS NULL AND cancelled_on IS NULL",
    )
    _wall("enrolment", "tenant")


def _create_invoice_line() -> None:
    op.create_table(
        "invoice_line",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_fen", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("amount_fen = quantity * unit_fen", name=op.f("ck_invoice_line_amount")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoice.tenant_id", "invoice.id"],
            name=op.f("fk_invoice_line_tenant_id_invoice_id_invoice"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_invoice_line")),
        sa.UniqueConstraint(
            "tenant_id", "invoice_id", "position", name=op.f("uq_invoice_line_tenant_id_invoice_id_position")
        ),
    )
    _wall("invoice_line", "tenant")


def _create_revisit_step() -> None:
    op.create_table(
        "revisit_step",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("encounter_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("opens_on", sa.Date(), nullable=False),
        sa.Column("target_on", sa.Date(), nullable=False),
        sa.Column("closes_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cancelled_because", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "state IN ('planned','tasked','done','missed','cancelled')", name=op.f("ck_revisit_step_state")
        ),
        sa.CheckConstraint(
            "opens_on <= target_on AND target_on <= closes_on", name=op.f("ck_revisit_step_window")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "encounter_id"],
            ["encounter.tenant_id", "encounter.id"],
            name=op.f("fk_revisit_step_tenant_id_encounter_id_encounter"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_revisit_step_tenant_id_patient_id_patient"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "plan_id"],
            ["revisit_plan.tenant_id", "revisit_plan.id"],
            name=op.f("fk_revisit_step_tenant_id_plan_id_revisit_plan"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_revisit_step")),
        sa.UniqueConstraint(
            "tenant_id", "encounter_id", "number", name=op.f("uq_revisit_step_tenant_id_encounter_id_number")
        ),
    )
    op.create_index(
        "ix_revisit_step_opening",
        "revisit_step",
        ["tenant_id", "opens_on"],
        unique=False,
        postgresql_where="state = 'planned'",
    )
    op.create_index("ix_revisit_step_patient", "revisit_step", ["tenant_id", "patient_id"], unique=False)
    _wall("revisit_step", "tenant")


def _create_sample_member() -> None:
    op.create_table(
        "sample_member",
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("encounter_id", sa.Uuid(), nullable=False),
        sa.Column("drawn", sa.Boolean(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("excluded", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "encounter_id"],
            ["encounter.tenant_id", "encounter.id"],
            name=op.f("fk_sample_member_tenant_id_encounter_id_encounter"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sample_id"],
            ["survey_sample.tenant_id", "survey_sample.id"],
            name=op.f("fk_sample_member_tenant_id_sample_id_survey_sample"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sample_member")),
        sa.UniqueConstraint(
            "tenant_id",
            "sample_id",
            "encounter_id",
            name=op.f("uq_sample_member_tenant_id_sample_id_encounter_id"),
        ),
    )
    _wall("sample_member", "tenant")


def _create_call() -> None:
    op.create_table(
        "call",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("contact_point_id", sa.Uuid(), nullable=False),
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("agent_name", sa.Text(), nullable=False),
        sa.Column("dialled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_point_id"],
            ["contact_point.tenant_id", "contact_point.id"],
            name=op.f("fk_call_tenant_id_contact_point_id_contact_point"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_call_tenant_id_patient_id_patient"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "task_id"],
            ["contact_task.tenant_id", "contact_task.id"],
            name=op.f("fk_call_tenant_id_task_id_contact_task"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_call")),
    )
    op.create_index("ix_call_agent", "call", ["tenant_id", "agent_id", "dialled_at"], unique=False)
    op.create_index("ix_call_number", "call", ["tenant_id", "number_index", "dialled_at"], unique=False)
    op.create_index("ix_call_patient", "call", ["tenant_id", "patient_id", "dialled_at"], unique=False)
    _wall("call", "tenant")


def _create_ledger_entry() -> None:
    op.create_table(
        "ledger_entry",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("enrolment_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("unit_fen", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('carried','new','cancelled','late')", name=op.f("ck_ledger_entry_kind")),
        sa.CheckConstraint(
            "month = date_trunc('month', month)::date", name=op.f("ck_ledger_entry_first_of_month")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "enrolment_id"],
            ["enrolment.tenant_id", "enrolment.id"],
            name=op.f("fk_ledger_entry_tenant_id_enrolment_id_enrolment"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoice.tenant_id", "invoice.id"],
            name=op.f("fk_ledger_entry_tenant_id_invoice_id_invoice"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_ledger_entry_tenant_id_patient_id_patient"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_ledger_entry")),
        sa.UniqueConstraint(
            "tenant_id", "month", "patient_id", name=op.f("uq_ledger_entry_tenant_id_month_patient_id")
        ),
    )
    op.create_index("ix_ledger_entry_invoice", "ledger_entry", ["tenant_id", "invoice_id"], unique=False)
    _wall("ledger_entry", "tenant")


def _create_patient_hold() -> None:
    op.create_table(
        "patient_hold",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("draft", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_patient_hold_tenant_id_id_patient"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "task_id"],
            ["contact_task.tenant_id", "contact_task.id"],
            name=op.f("fk_patient_hold_tenant_id_task_id_contact_task"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_patient_hold")),
    )
    _wall("patient_hold", "tenant")


def _create_response() -> None:
    op.create_table(
        "response",
        sa.Column("questionnaire_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("encounter_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("index_value", sa.Numeric(), nullable=True),
        sa.Column("dimension_values", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("mode IN ('phone','web','paper')", name=op.f("ck_response_mode")),
        sa.CheckConstraint(
            "state IN ('in_progress','complete','partial','void')", name=op.f("ck_response_state")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "encounter_id"],
            ["encounter.tenant_id", "encounter.id"],
            name=op.f("fk_response_tenant_id_encounter_id_encounter"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_response_tenant_id_patient_id_patient"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "questionnaire_id"],
            ["questionnaire.tenant_id", "questionnaire.id"],
            name=op.f("fk_response_tenant_id_questionnaire_id_questionnaire"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "task_id"],
            ["contact_task.tenant_id", "contact_task.id"],
            name=op.f("fk_response_tenant_id_task_id_contact_task"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_response")),
        sa.UniqueConstraint("tenant_id", "task_id", name=op.f("uq_response_tenant_id_task_id")),
    )
    op.create_index("ix_response_completed", "response", ["tenant_id", "completed_at"], unique=False)
    op.create_index("ix_response_encounter", "response", ["tenant_id", "encounter_id"], unique=False)
    op.create_index("ix_response_patient", "response", ["tenant_id", "patient_id"], unique=False)
    _wall("response", "tenant")


def _create_answer() -> None:
    op.create_table(
        "answer",
        sa.Column("response_id", sa.Uuid(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=True),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("level BETWEEN 1 AND 6", name=op.f("ck_answer_six_levels")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "response_id"],
            ["response.tenant_id", "response.id"],
            name=op.f("fk_answer_tenant_id_response_id_response"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_answer")),
        sa.UniqueConstraint(
            "tenant_id", "response_id", "question", name=op.f("uq_answer_tenant_id_response_id_question")
        ),
    )
    _wall("answer", "tenant")


def _create_feedback_case() -> None:
    op.create_table(
        "feedback_case",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("encounter_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("department_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("tier", sa.BigInteger(), nullable=False),
        sa.Column("medical_dispute", sa.Boolean(), nullable=False),
        sa.Column("text_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("wish_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_receiver_id", sa.Uuid(), nullable=True),
        sa.Column("first_receiver", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("round_started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("responded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_by", sa.Uuid(), nullable=True),
        sa.Column("callback_level", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "category IN ('service','quality','process','rights')", name=op.f("ck_feedback_case_category")
        ),
        sa.CheckConstraint(
            "stage IN ('received','in_hand','handled','callback','closed')",
            name=op.f("ck_feedback_case_stage"),
        ),
        sa.CheckConstraint("tier BETWEEN 1 AND 3", name=op.f("ck_feedback_case_tier")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "call_id"],
            ["call.tenant_id", "call.id"],
            name=op.f("fk_feedback_case_tenant_id_call_id_call"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "department_id"],
            ["department.tenant_id", "department.id"],
            name=op.f("fk_feedback_case_tenant_id_department_id_department"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "encounter_id"],
            ["encounter.tenant_id", "encounter.id"],
            name=op.f("fk_feedback_case_tenant_id_encounter_id_encounter"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_feedback_case_tenant_id_patient_id_patient"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_feedback_case_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_feedback_case")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_feedback_case_tenant_id_number")),
    )
    op.create_index("ix_feedback_case_patient", "feedback_case", ["tenant_id", "patient_id"], unique=False)
    op.create_index("ix_feedback_case_received", "feedback_case", ["tenant_id", "received_at"], unique=False)
    _wall("feedback_case", "tenant")


def _create_ledger_credit() -> None:
    op.create_table(
        "ledger_credit",
        sa.Column("ledger_entry_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("enrolment_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("unit_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoice.tenant_id", "invoice.id"],
            name=op.f("fk_ledger_credit_tenant_id_invoice_id_invoice"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ledger_entry_id"],
            ["ledger_entry.tenant_id", "ledger_entry.id"],
            name=op.f("fk_ledger_credit_tenant_id_ledger_entry_id_ledger_entry"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_ledger_credit")),
        sa.UniqueConstraint(
            "tenant_id", "ledger_entry_id", name=op.f("uq_ledger_credit_tenant_id_ledger_entry_id")
        ),
    )
    op.create_index("ix_ledger_credit_invoice", "ledger_credit", ["tenant_id", "invoice_id"], unique=False)
    _wall("ledger_credit", "tenant")


def _create_case_clock() -> None:
    op.create_table(
        "case_clock",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("met_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("explanation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"],
            ["feedback_case.tenant_id", "feedback_case.id"],
            name=op.f("fk_case_clock_tenant_id_case_id_feedback_case"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_case_clock")),
        sa.UniqueConstraint(
            "tenant_id", "case_id", "round", "kind", name=op.f("uq_case_clock_tenant_id_case_id_round_kind")
        ),
    )
    op.create_index(
        "ix_case_clock_due",
        "case_clock",
        ["tenant_id", "due_at"],
        unique=False,
        postgresql_where="met_at IS NULL",
    )
    _wall("case_clock", "tenant")


def _create_case_event() -> None:
    op.create_table(
        "case_event",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("note_cipher", sa.LargeBinary(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"],
            ["feedback_case.tenant_id", "feedback_case.id"],
            name=op.f("fk_case_event_tenant_id_case_id_feedback_case"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_case_event")),
    )
    op.create_index("ix_case_event_case", "case_event", ["tenant_id", "case_id", "at"], unique=False)
    _wall("case_event", "tenant", append_only=True)
