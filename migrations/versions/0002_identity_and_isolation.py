"""People and their sign-in, a hospital's life, grants, support, requests: each table behind its wall.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from foundation.database import TableClass
from foundation.policies import policy_statements
from migrations import identity_data as data

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change what is there, create what is new, then fill in what existing rows lack."""
    _change_audit_event()
    _change_benchmark_run()
    _change_call()
    _change_directory_entry()
    _change_firm()
    _change_firm_event()
    _change_invitation()
    _change_ledger_entry()
    _change_membership()
    _change_patient()
    _change_patient_hold()
    _change_person()
    _change_signin_event()
    _change_signin_session()
    _change_suppression()
    _change_hospital()
    _create_access_refusal()
    _create_departure()
    _create_hospital_move()
    _create_identity_provider()
    _create_support_access()
    _create_api_token()
    _create_brand()
    _create_external_identity()
    _create_past_password()
    _create_provider_attempt()
    _create_recovery_code()
    _create_gate_acceptance()
    _create_hospital_phase()
    _create_impact_assessment()
    _create_onboarding_step()
    _create_processing_agreement()
    _create_sub_processor()
    _create_statistics_grant()
    _create_subject_request()
    data.fill_in()


def downgrade() -> None:
    """There is no way back: what was signed, granted and recorded since would be lost."""
    raise data.NoWayBack


def _wall(table: str, table_class: TableClass, *, append_only: bool = False) -> None:
    for statement in policy_statements(table, table_class, append_only=append_only):
        op.execute(statement)


def _change_audit_event() -> None:
    op.create_index("ix_audit_event_action", "audit_event", ["tenant_id", "action", "at"], unique=False)
    op.create_index("ix_audit_event_actor", "audit_event", ["tenant_id", "actor_id", "at"], unique=False)
    op.create_index("ix_audit_event_at", "audit_event", ["tenant_id", "at"], unique=False)
    op.create_index("ix_audit_event_subject", "audit_event", ["tenant_id", "subject", "at"], unique=False)


def _change_benchmark_run() -> None:
    op.add_column("benchmark_run", sa.Column("made_by_id", sa.Uuid(), nullable=True))


def _change_call() -> None:
    op.add_column("call", sa.Column("note_cipher", sa.LargeBinary(), nullable=True))
    data.encrypt_words("call")
    op.drop_column("call", "note")


def _change_directory_entry() -> None:
    op.add_column("directory_entry", sa.Column("state", sa.Text(), server_default="active", nullable=False))
    data.keep_suspensions()
    op.create_check_constraint(
        op.f("ck_directory_entry_state"),
        "directory_entry",
        "state IN ('onboarding','active','suspended','leaving','left')",
    )
    op.drop_column("directory_entry", "suspended")


def _change_firm() -> None:
    op.add_column("firm", sa.Column("state", sa.Text(), server_default="active", nullable=False))
    op.create_check_constraint(op.f("ck_firm_state"), "firm", "state IN ('active','suspended')")


def _change_firm_event() -> None:
    op.add_column("firm_event", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.add_column("firm_event", sa.Column("actor_kind", sa.Text(), nullable=True))
    op.add_column("firm_event", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("firm_event", sa.Column("previous_hash", sa.LargeBinary(), nullable=True))
    op.add_column("firm_event", sa.Column("hash", sa.LargeBinary(), nullable=True))
    data.chain_firm_events()
    op.alter_column("firm_event", "seq", nullable=False)
    op.alter_column("firm_event", "actor_kind", nullable=False)
    op.alter_column("firm_event", "reason", nullable=False)
    op.alter_column("firm_event", "previous_hash", nullable=False)
    op.alter_column("firm_event", "hash", nullable=False)
    op.create_index("ix_firm_event_at", "firm_event", ["firm_id", "at"], unique=False)
    op.create_unique_constraint(op.f("uq_firm_event_firm_id_seq"), "firm_event", ["firm_id", "seq"])


def _change_invitation() -> None:
    op.add_column("invitation", sa.Column("channel", sa.Text(), server_default="link", nullable=False))
    op.add_column("invitation", sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("invitation", sa.Column("send_failure", sa.Text(), server_default="", nullable=False))


def _change_ledger_entry() -> None:
    op.add_column(
        "ledger_entry", sa.Column("suspended", sa.Boolean(), server_default="false", nullable=False)
    )


def _change_membership() -> None:
    op.add_column("membership", sa.Column("created_by", sa.Uuid(), nullable=True))
    op.add_column("membership", sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("membership", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("membership", sa.Column("offered_name", sa.Text(), server_default="", nullable=False))
    op.add_column("membership", sa.Column("offered_contact", sa.Text(), server_default="", nullable=False))


def _change_patient() -> None:
    op.add_column("patient", sa.Column("must_not_say_cipher", sa.LargeBinary(), nullable=True))
    op.add_column("patient", sa.Column("record_index", sa.LargeBinary(), nullable=True))
    op.add_column("patient", sa.Column("restricted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("patient", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    data.encrypt_words("patient")
    op.drop_column("patient", "must_not_say")


def _change_patient_hold() -> None:
    op.add_column("patient_hold", sa.Column("draft_cipher", sa.LargeBinary(), nullable=True))
    data.encrypt_words("patient_hold")
    op.drop_column("patient_hold", "draft")


def _change_person() -> None:
    op.add_column("person", sa.Column("phone_cipher", sa.LargeBinary(), nullable=True))
    op.add_column("person", sa.Column("phone_index", sa.LargeBinary(), nullable=True))
    op.add_column("person", sa.Column("phone_masked", sa.Text(), server_default="", nullable=False))
    op.add_column("person", sa.Column("password_set_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("person", sa.Column("totp_cipher", sa.LargeBinary(), nullable=True))
    op.add_column("person", sa.Column("totp_confirmed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("person", sa.Column("totp_step", sa.BigInteger(), nullable=True))
    op.add_column("person", sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("person", "email", existing_type=sa.TEXT(), nullable=True)
    op.create_unique_constraint(op.f("uq_person_phone_index"), "person", ["phone_index"])
    op.create_check_constraint(
        op.f("ck_person_reachable"), "person", "email IS NOT NULL OR phone_index IS NOT NULL"
    )


def _change_signin_event() -> None:
    op.create_index("ix_signin_event_address", "signin_event", ["address", "at"], unique=False)
    op.create_index("ix_signin_event_at", "signin_event", ["at"], unique=False)
    op.create_index("ix_signin_event_person", "signin_event", ["person_id", "at"], unique=False)


def _change_signin_session() -> None:
    op.add_column("signin_session", sa.Column("browser", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "signin_session", sa.Column("strength", sa.Text(), server_default="password", nullable=False)
    )
    op.add_column("signin_session", sa.Column("waiting_for", sa.Text(), nullable=True))
    op.add_column("signin_session", sa.Column("firm_id", sa.Uuid(), nullable=True))
    op.add_column("signin_session", sa.Column("tenant_id", sa.Uuid(), nullable=True))
    op.create_check_constraint(
        op.f("ck_signin_session_waiting_for"),
        "signin_session",
        "waiting_for IN ('second_factor','enrolment','new_password')",
    )


def _change_suppression() -> None:
    op.add_column("suppression", sa.Column("note_cipher", sa.LargeBinary(), nullable=True))
    data.encrypt_words("suppression")
    op.drop_constraint(op.f("ck_suppression_reason"), "suppression", type_="check")
    op.create_check_constraint(
        op.f("ck_suppression_reason"),
        "suppression",
        "reason IN ('deceased','cured','special','refused','hospital','dispute','restricted')",
    )
    op.drop_column("suppression", "note")


def _change_hospital() -> None:
    op.drop_constraint(op.f("ck_hospital_state"), "hospital", type_="check")
    op.create_check_constraint(
        op.f("ck_hospital_state"), "hospital", "state IN ('onboarding','active','suspended','leaving','left')"
    )


def _create_access_refusal() -> None:
    op.create_table(
        "access_refusal",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("token_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_refusal")),
    )
    op.create_index("ix_access_refusal_at", "access_refusal", ["at"], unique=False)
    op.create_index(
        "uq_access_refusal_minute",
        "access_refusal",
        ["person_id", "token_id", "method", "route", "code", "status", "minute"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    _wall("access_refusal", "platform")


def _create_departure() -> None:
    op.create_table(
        "departure",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("export_parts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("export_bytes", sa.BigInteger(), nullable=True),
        sa.Column("export_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("downloaded_by", sa.Text(), nullable=True),
        sa.Column("downloaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_by", sa.Text(), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key_destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=True),
        sa.Column("firm_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "state IN ('begun','exporting','exported','signed','erasing','erased','withdrawn')",
            name=op.f("ck_departure_state"),
        ),
        sa.PrimaryKeyConstraint("firm_id", "id", name=op.f("pk_departure")),
    )
    op.create_index(
        "uq_departure_open",
        "departure",
        ["firm_id", "tenant_id"],
        unique=True,
        postgresql_where="state <> 'withdrawn'",
    )
    _wall("departure", "firm")


def _create_hospital_move() -> None:
    op.create_table(
        "hospital_move",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("from_firm_id", sa.Uuid(), nullable=False),
        sa.Column("to_firm_id", sa.Uuid(), nullable=False),
        sa.Column("agreement", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("offer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("settled", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("asked_by_name", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moves_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_by_name", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("agreed_by_name", sa.Text(), nullable=True),
        sa.Column("agreed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hospital_move")),
    )
    op.create_index(op.f("ix_hospital_move_from_firm_id"), "hospital_move", ["from_firm_id"], unique=False)
    op.create_index(op.f("ix_hospital_move_tenant_id"), "hospital_move", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_hospital_move_to_firm_id"), "hospital_move", ["to_firm_id"], unique=False)
    op.create_index(
        "uq_hospital_move_open",
        "hospital_move",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("done_at IS NULL AND withdrawn_at IS NULL"),
    )
    _wall("hospital_move", "platform")


def _create_identity_provider() -> None:
    op.create_table(
        "identity_provider",
        sa.Column("firm_id", sa.Uuid(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("secret_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("vouches_second_factor", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(firm_id IS NOT NULL)::int + (tenant_id IS NOT NULL)::int = 1",
            name=op.f("ck_identity_provider_one_side"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_provider")),
        sa.UniqueConstraint("firm_id", name=op.f("uq_identity_provider_firm_id")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_identity_provider_tenant_id")),
    )
    _wall("identity_provider", "platform")


def _create_support_access() -> None:
    op.create_table(
        "support_access",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("operator_name", sa.Text(), nullable=False),
        sa.Column("firm_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by_name", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("decision IN ('granted','refused')", name=op.f("ck_support_access_decision")),
        sa.CheckConstraint("minutes BETWEEN 5 AND 240", name=op.f("ck_support_access_minutes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_access")),
    )
    op.create_index(op.f("ix_support_access_firm_id"), "support_access", ["firm_id"], unique=False)
    op.create_index("ix_support_access_operator", "support_access", ["operator_id", "ends_at"], unique=False)
    op.create_index(op.f("ix_support_access_tenant_id"), "support_access", ["tenant_id"], unique=False)
    _wall("support_access", "platform")


def _create_api_token() -> None:
    op.create_table(
        "api_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("firm_id", sa.Uuid(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("actions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(firm_id IS NOT NULL)::int + (tenant_id IS NOT NULL)::int = 1",
            name=op.f("ck_api_token_one_side"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_api_token_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token_token_hash")),
    )
    op.create_index(op.f("ix_api_token_firm_id"), "api_token", ["firm_id"], unique=False)
    op.create_index(op.f("ix_api_token_person_id"), "api_token", ["person_id"], unique=False)
    op.create_index(op.f("ix_api_token_tenant_id"), "api_token", ["tenant_id"], unique=False)
    _wall("api_token", "platform")


def _create_brand() -> None:
    op.create_table(
        "brand",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("shown_name", sa.Text(), nullable=False),
        sa.Column("shown_name_en", sa.Text(), nullable=False),
        sa.Column("colour", sa.Text(), nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("logo_type", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["code"], ["directory_entry.code"], name=op.f("fk_brand_code_directory_entry")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brand")),
        sa.UniqueConstraint("code", name=op.f("uq_brand_code")),
    )
    _wall("brand", "platform")


def _create_external_identity() -> None:
    op.create_table(
        "external_identity",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_external_identity_person_id_person")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["identity_provider.id"],
            name=op.f("fk_external_identity_provider_id_identity_provider"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_identity")),
        sa.UniqueConstraint("provider_id", "subject", name=op.f("uq_external_identity_provider_id_subject")),
    )
    op.create_index(op.f("ix_external_identity_person_id"), "external_identity", ["person_id"], unique=False)
    _wall("external_identity", "platform")


def _create_past_password() -> None:
    op.create_table(
        "past_password",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_past_password_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_password")),
    )
    op.create_index(op.f("ix_past_password_person_id"), "past_password", ["person_id"], unique=False)
    _wall("past_password", "platform")


def _create_provider_attempt() -> None:
    op.create_table(
        "provider_attempt",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("verifier_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("next_path", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["identity_provider.id"],
            name=op.f("fk_provider_attempt_provider_id_identity_provider"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_attempt")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_provider_attempt_state_hash")),
    )
    _wall("provider_attempt", "platform")


def _create_recovery_code() -> None:
    op.create_table(
        "recovery_code",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_recovery_code_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
    )
    op.create_index(op.f("ix_recovery_code_person_id"), "recovery_code", ["person_id"], unique=False)
    _wall("recovery_code", "platform")


def _create_gate_acceptance() -> None:
    op.create_table(
        "gate_acceptance",
        sa.Column("check", sa.Text(), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_gate_acceptance_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gate_acceptance")),
        sa.UniqueConstraint("tenant_id", "check", name=op.f("uq_gate_acceptance_tenant_id_check")),
    )
    _wall("gate_acceptance", "tenant")


def _create_hospital_phase() -> None:
    op.create_table(
        "hospital_phase",
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "state IN ('onboarding','active','suspended','leaving','left')",
            name=op.f("ck_hospital_phase_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_hospital_phase_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_hospital_phase")),
    )
    op.create_index(
        "uq_hospital_phase_open",
        "hospital_phase",
        ["tenant_id"],
        unique=True,
        postgresql_where="ended_at IS NULL",
    )
    _wall("hospital_phase", "tenant")


def _create_impact_assessment() -> None:
    op.create_table(
        "impact_assessment",
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("assessed_on", sa.Date(), nullable=False),
        sa.Column("assessed_by", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("document_file_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_file_id"],
            ["stored_file.tenant_id", "stored_file.id"],
            name=op.f("fk_impact_assessment_tenant_id_document_file_id_stored_file"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_impact_assessment_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_impact_assessment")),
    )
    op.create_index(
        "ix_impact_assessment_purpose", "impact_assessment", ["tenant_id", "purpose"], unique=False
    )
    _wall("impact_assessment", "tenant")


def _create_onboarding_step() -> None:
    op.create_table(
        "onboarding_step",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("owner_name", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("state IN ('open','done','not_needed')", name=op.f("ck_onboarding_step_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_onboarding_step_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_onboarding_step")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_onboarding_step_tenant_id_key")),
    )
    _wall("onboarding_step", "tenant")


def _create_processing_agreement() -> None:
    op.create_table(
        "processing_agreement",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("purposes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("channels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("benchmark", sa.Text(), nullable=False),
        sa.Column("on_end", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("signed_for_firm", sa.Text(), nullable=False),
        sa.Column("firm_signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_for_hospital", sa.Text(), nullable=False),
        sa.Column("hospital_signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("document_file_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("benchmark IN ('none','full')", name=op.f("ck_processing_agreement_benchmark")),
        sa.CheckConstraint("on_end IN ('return','delete')", name=op.f("ck_processing_agreement_on_end")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_file_id"],
            ["stored_file.tenant_id", "stored_file.id"],
            name=op.f("fk_processing_agreement_tenant_id_document_file_id_stored_file"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_processing_agreement_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_processing_agreement")),
        sa.UniqueConstraint("tenant_id", "version", name=op.f("uq_processing_agreement_tenant_id_version")),
    )
    _wall("processing_agreement", "tenant")


def _create_sub_processor() -> None:
    op.create_table(
        "sub_processor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "service IN ('sms','telephony','cloud','speech','wechat')", name=op.f("ck_sub_processor_service")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_sub_processor_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sub_processor")),
        sa.UniqueConstraint(
            "tenant_id", "service", "name", name=op.f("uq_sub_processor_tenant_id_service_name")
        ),
    )
    _wall("sub_processor", "tenant")


def _create_statistics_grant() -> None:
    op.create_table(
        "statistics_grant",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("department_id", sa.Uuid(), nullable=True),
        sa.Column("granted_by", sa.Uuid(), nullable=False),
        sa.Column("granted_by_name", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by_name", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("subject IN ('report','benchmark')", name=op.f("ck_statistics_grant_subject")),
        sa.CheckConstraint(
            "(person_id IS NOT NULL)::int + (department_id IS NOT NULL)::int = 1",
            name=op.f("ck_statistics_grant_one_grantee"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "department_id"],
            ["department.tenant_id", "department.id"],
            name=op.f("fk_statistics_grant_tenant_id_department_id_department"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["hospital.tenant_id"], name=op.f("fk_statistics_grant_tenant_id_hospital")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_statistics_grant")),
    )
    op.create_index("ix_statistics_grant_ends", "statistics_grant", ["tenant_id", "ends_on"], unique=False)
    _wall("statistics_grant", "tenant")


def _create_subject_request() -> None:
    op.create_table(
        "subject_request",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("wish_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("asked_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("identity_checked_by", sa.Text(), nullable=True),
        sa.Column("identity_checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("taken_by", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result_file_id", sa.Uuid(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('copy','correction','erasure','restriction')", name=op.f("ck_subject_request_kind")
        ),
        sa.CheckConstraint(
            "requester IN ('patient','guardian','relative')", name=op.f("ck_subject_request_requester")
        ),
        sa.CheckConstraint("state IN ('open','done','refused')", name=op.f("ck_subject_request_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_subject_request_tenant_id_patient_id_patient"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "result_file_id"],
            ["stored_file.tenant_id", "stored_file.id"],
            name=op.f("fk_subject_request_tenant_id_result_file_id_stored_file"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_subject_request")),
    )
    op.create_index(
        "ix_subject_request_due",
        "subject_request",
        ["tenant_id", "due_on"],
        unique=False,
        postgresql_where="state = 'open'",
    )
    _wall("subject_request", "tenant")
