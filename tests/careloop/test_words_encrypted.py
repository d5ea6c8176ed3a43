"""A database of the first revision, with words in the clear: the next revision encrypts each under its
hospital's key.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from conftest import MASTER_KEY, TestServer

from careloop import migrate
from foundation.encryption import Undecipherable
from migrations.identity_data import MasterKeyMissing

ROWS = """
INSERT INTO firm (firm_id, code, name, name_en, created_at)
VALUES (%(firm)s, 'hk', 'x', '', now()) ON CONFLICT DO NOTHING;
INSERT INTO directory_entry (id, code, kind, firm_id, tenant_id, suspended)
VALUES (gen_random_uuid(), %(code)s, 'hospital', %(firm)s, %(tenant)s, false);
INSERT INTO hospital (tenant_id, firm_id, code, name, name_en, hospital_type, region, grade, brand, beds,
                      colour, state, outpatient_rate, wrapped_key, created_at)
VALUES (%(tenant)s, %(firm)s, %(code)s, 'x', '', 'general', '130100', '3A', '', 1, 'teal', 'active', 0.1,
        %(key)s, now());
INSERT INTO patient (tenant_id, id, record_number, name, contact_state, must_not_say, created_at, updated_at)
VALUES (%(tenant)s, %(patient)s, '1', '王', 'reachable', %(words)s, now(), now()),
       (%(tenant)s, gen_random_uuid(), '2', '李', 'reachable', '', now(), now());
INSERT INTO suppression (tenant_id, id, patient_id, reason, note, source, started_at, started_by)
VALUES (%(tenant)s, gen_random_uuid(), %(patient)s, 'refused', %(words)s, 'card', now(), '');
"""


def words_of(code: str) -> str:
    """What somebody wrote at this hospital."""
    return f"家属未告知诊断，{code}"


def first_revision(server: TestServer) -> migrate.Target:
    """A database as the first revision left it, with words at two hospitals."""
    name = f"words_{uuid4().hex[:12]}"
    server.server.create_database(name)
    target = migrate.Target(server.server.url("owner", name), "careloop_runtime", lambda: MASTER_KEY.key)
    with migrate._owner_connection(target) as connection:
        command.upgrade(migrate._config(connection, target), "0001")
    firm = uuid4()
    with psycopg.connect(target.owner_url) as owner:
        for code in ("one", "two"):
            values: dict[str, Any] = {"firm": firm, "tenant": uuid4(), "patient": uuid4(), "code": code}
            values |= {"words": words_of(code), "key": MASTER_KEY.new_wrapped_key()}
            owner.execute("SELECT set_config('careloop.tenant_ids', %s, true)", (f"{{{values['tenant']}}}",))
            owner.execute("SELECT set_config('careloop.firm_id', %s, true)", (str(firm),))
            for statement in ROWS.strip().split(";")[:-1]:
                owner.execute(statement.encode(), values)
    return target


def test_words_in_the_clear_are_encrypted_under_their_own_hospitals_key(server: TestServer) -> None:
    target = first_revision(server)
    migrate.upgrade(target)
    with psycopg.connect(target.owner_url) as owner:
        entries = owner.execute("SELECT tenant_id, code FROM directory_entry").fetchall()
        keys, stored = {}, {}
        for tenant_id, code in entries:
            owner.execute("SELECT set_config('careloop.tenant_ids', %s, true)", (f"{{{tenant_id}}}",))
            row = owner.execute("SELECT wrapped_key FROM hospital").fetchone()
            assert row is not None
            keys[code] = MASTER_KEY.unwrap(bytes(row[0]))
            query = "SELECT must_not_say_cipher FROM patient UNION ALL SELECT note_cipher FROM suppression"
            stored[code] = [bytes(cipher) for (cipher,) in owner.execute(query) if cipher is not None]
    for code in ("one", "two"):
        assert [keys[code].decrypt(cipher) for cipher in stored[code]] == [words_of(code)] * 2
    with pytest.raises(Undecipherable):
        keys["two"].decrypt(stored["one"][0])


def test_without_the_key_nothing_is_changed(server: TestServer) -> None:
    target = first_revision(server)
    with pytest.raises(MasterKeyMissing):
        migrate.upgrade(migrate.Target(target.owner_url, target.runtime_role))
    with psycopg.connect(target.owner_url) as owner:
        assert owner.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
