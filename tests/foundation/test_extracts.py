"""Everything of one patient and nothing of anybody else; a table without a decision fails here."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from typing import Any
from uuid import UUID

import pytest
from every_table import fill_hospital, fill_patient, mark
from sqlalchemy import text, update
from sqlalchemy.exc import ProgrammingError
from world import NOW, World

from careloop.models import table_classes
from careloop.wiring import wire
from foundation import catalogue, erasure, extracts
from foundation.database import HospitalSession
from foundation.glossary import CHINESE
from patients.models import Patient
from tenants.keys import data_key

Filled = dict[str, dict[str, UUID]]


@pytest.fixture
def filled(world: World) -> Filled:
    """Two hospitals, each with two patients, and a row of each of them in every table."""
    wire()
    made: Filled = {}
    for letter, hospital in (("A", world.heqing), ("B", world.yunling)):
        with world.hospital(hospital) as session:
            made[letter] = fill_hospital(session, f"{letter}0")
            for number in ("1", "2"):
                made[letter + number] = fill_patient(session, letter + number, made[letter])
    return made


def extract(session: HospitalSession, patient_id: UUID | None = None) -> zipfile.ZipFile:
    target = io.BytesIO()
    whom = extracts.Whom("heqing", "河清市第一人民医院", "Heqing Hospital", patient_id)
    extracts.write(session, data_key(session), whom, target, now=NOW)
    return zipfile.ZipFile(target)


def lines(archive: zipfile.ZipFile, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(f"tables/{table}.jsonl").decode().splitlines()]


def test_every_table_of_a_hospital_says_whose_its_rows_are() -> None:
    reached = {table.name for table in catalogue.patient_tables()}
    undecided = []
    for table in catalogue.tenant_tables():
        label = catalogue.personal_of(table.name)
        if (label.whose == "patients") != (table.name in reached):
            undecided.append(table.name)
        if label.whose == "patients":
            undecided += [
                f"{table.name}.{column.name}"
                for column in table.columns
                if catalogue.sensitive(column) and column.name not in label.labelled
            ]
            undecided += [f"{table.name}.{name}" for name in label.labelled if name not in table.columns]
        if label.whose == "named":
            assert "subject" in table.columns
    assert undecided == []
    assert "patient_id" not in {
        column.name
        for table in catalogue.tenant_tables()
        if table.name not in reached
        for column in table.columns
    }


def test_what_is_wiped_can_be_empty_and_what_points_at_gone_rows_can_let_go() -> None:
    for table in catalogue.patient_tables():
        for name in catalogue.personal_of(table.name).wiped:
            column = table.c[name]
            assert column.nullable or catalogue.sensitive(column), f"{table.name}.{name} cannot be emptied"
    assert [t.name for t, column in catalogue.pointers_into_gone() if not t.c[column].nullable] == []
    append_only = {name for name, mapped in table_classes().items() if mapped.append_only}
    going = {table.name for table in catalogue.deletion_order()}
    assert going & append_only == set(erasure.DOORS), "an append-only table goes through a door only"


def test_each_column_has_a_name_in_chinese() -> None:
    columns = {column.name for table in catalogue.tenant_tables() for column in table.columns}
    assert sorted(columns - CHINESE.keys()) == []


def test_an_extract_of_one_patient_holds_all_of_them_and_nobody_else(world: World, filled: Filled) -> None:
    own = filled["A1"]
    with world.hospital(world.heqing) as session:
        archive = extract(session, own["patient"])
    exported = {part.filename for part in archive.infolist()}
    for table in catalogue.patient_tables():
        rows = lines(archive, table.name)
        assert [row["id"] for row in rows] == [str(own[table.name])], table.name
        for column in table.columns:
            shown = column.name.removesuffix(extracts.CIPHER)
            assert (shown in rows[0]) != extracts.left_out(column)
            if column.name.endswith(extracts.CIPHER):
                assert rows[0][shown] == mark("A1", table.name, column.name)
    assert [row["reason"] for row in lines(archive, "audit_event")] == ["A1·audit", "A1·audit"]
    assert archive.read(f"files/{own['stored_file']}-A1_file.txt").decode() == "A1·content"
    everything = {name: archive.read(name).decode() for name in exported}
    for other in ("A2", "B0", "B1", "B2"):
        assert [name for name, content in everything.items() if f"{other}·" in content] == []
    reference = {"questionnaire", "department", "revisit_plan", "consent_text"}
    of_the_hospital = {name for name, content in everything.items() if "A0·" in content}
    assert {name.split("/")[1].split(".")[0] for name in of_the_hospital} <= reference


def test_an_extract_of_a_hospital_counts_what_the_database_counts(world: World, filled: Filled) -> None:
    with world.hospital(world.heqing) as session:
        archive = extract(session)
        counts = catalogue.counts(session, world.heqing.tenant_id)
    index = json.loads(archive.read("index.json"))
    assert {table["name"]: table["rows"] for table in index["tables"]} == counts
    assert all(counts[table.name] for table in catalogue.tenant_tables()), "a table that no row was made for"
    for part in index["parts"]:
        content = archive.read(part["path"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (part["bytes"], part["sha256"])
    assert "B1·" not in "".join(archive.read(part["path"]).decode() for part in index["parts"])
    assert "wrapped_key" not in lines(archive, "hospital")[0]
    assert next(table["description"] for table in index["tables"] if table["name"] == "patient") == {
        "zh": "患者",
        "en": "A person in one hospital (患者); never matched with a person of another hospital (条例 16).",
    }
    assert str(filled["A2"]["patient"]) in archive.read("tables/patient.csv").decode()


def test_a_spreadsheet_reads_the_tables_and_the_answers(world: World, filled: Filled) -> None:
    with world.hospital(world.heqing) as session:
        row = session.get_one(Patient, (session.tenant_id, filled["A1"]["patient"]))
        row.name = "=cmd()"
        session.flush()
        archive = extract(session, filled["A1"]["patient"])
    raw = archive.read("tables/patient.csv")
    assert raw.startswith(b"\xef\xbb\xbf")
    table = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    assert [line["name"] for line in table] == ["'=cmd()"]
    answers = list(csv.reader(io.StringIO(archive.read("answers.csv").decode("utf-8-sig"))))
    assert len(answers) == 2
    assert answers[1][7], "the question's own words stand beside the answer"
    assert {"README.zh.txt", "README.en.txt", "index.json"} <= set(archive.namelist())


def test_what_cannot_be_decrypted_is_counted_and_does_not_stop_the_rest(world: World, filled: Filled) -> None:
    with world.hospital(world.heqing) as session:
        session.execute(update(Patient).values(must_not_say_cipher=b"\x01damaged"))
        target = io.BytesIO()
        whom = extracts.Whom("heqing", "h", "h")
        made = extracts.write(session, data_key(session), whom, target, now=NOW)
    assert made.unreadable == 2
    assert made.counts["patient"] == 2


def test_erasing_one_patient_leaves_rows_without_a_person_and_others_as_they_were(
    world: World, filled: Filled
) -> None:
    own = filled["A1"]
    with world.hospital(world.heqing) as session:
        before = extract(session, filled["A2"]["patient"])
        session.execute(
            update(Patient).where(Patient.id == own["patient"]).values(erased_at=NOW, restricted_at=NOW)
        )
        touched = erasure.erase_patient(session, data_key(session), own["patient"])
        after, others = extract(session, own["patient"]), extract(session, filled["A2"]["patient"])
    assert touched["case_event"] == 1
    for table in catalogue.patient_tables():
        label = catalogue.personal_of(table.name)
        (row,) = lines(after, table.name)
        for name in label.wiped:
            shown = name.removesuffix(extracts.CIPHER)
            assert row.get(shown) in (None, "", {}), f"{table.name}.{name}"
        for name in label.numbered:
            assert row[name] == row["id"]
    assert not [name for name in after.namelist() if name.startswith("files/")]
    for name in before.namelist():
        if name.startswith(("tables/", "files/")):
            assert before.read(name) == others.read(name), name


def test_the_doors_open_for_what_the_law_asks_and_not_before(world: World, filled: Filled) -> None:
    statements = {
        "SELECT erase_case_events(:hospital, 10)": "has not left",
        "SELECT wipe_case_notes(:hospital, :patient)": "not erased",
        "DELETE FROM case_event": "permission denied",
        "UPDATE case_event SET note_cipher = NULL": "permission denied",
    }
    values = {"hospital": world.heqing.tenant_id, "patient": filled["A1"]["patient"]}
    for statement, told in statements.items():
        with pytest.raises(ProgrammingError, match=told), world.hospital(world.heqing) as session:
            session.execute(text(statement), values)
    # Another hospital's session sees no such hospital and no such patient: the door stays shut.
    with pytest.raises(ProgrammingError, match="has not left"), world.hospital(world.yunling) as session:
        session.execute(text("SELECT erase_case_events(:hospital, 10)"), values)


def test_nobody_else_may_open_a_door(world: World) -> None:
    query = text(
        "SELECT p.proname, p.prosecdef, p.proacl::text, pg_get_userbyid(p.proowner) <> current_user"
        " FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef"
    )
    with world.hospital(world.heqing) as session:
        doors = session.execute(query).all()
    assert sorted(name for name, *_ in doors) == ["erase_case_events", "wipe_case_notes"]
    for _name, _definer, rights, owned_by_another in doors:
        assert owned_by_another
        grantees = {entry.split("=")[0] for entry in rights.strip("{}").split(",")}
        assert "" not in grantees, "everybody may run it"
