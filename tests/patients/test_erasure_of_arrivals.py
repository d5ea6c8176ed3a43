"""Nothing that came in says who an erased patient was: looked for in every column of every table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from adt_messages import adt
from imported import HEADER, patient
from sqlalchemy import select
from world import NOW, TODAY, World

from careloop import wiring
from foundation import catalogue, files
from foundation.database import HospitalSession
from foundation.encryption import DataKey, Undecipherable
from foundation.files import StoredFile
from patients import (
    consent,
    feed_inbox,
    feed_retention,
    feed_store,
    identity_jobs,
    importing,
    intake,
    joining,
    number_blocks,
    requests,
    restriction,
    suppression,
)
from patients.import_report import ImportReport
from patients.models import ContactPoint, DataImport, FeedMessage
from patients.restriction import Correction
from tenants.keys import data_key

DAY = timedelta(days=1)
NAME, FORMER, RELATIVE = "欧阳金丝雀", "欧阳错名", "金丝雀联系"
PHONE, LATEST, CALLED = "13612349871", "13612349873", "13612349872"
IDENTITY = "110101195001011220"
NUMBERS = ("CANR0001", "CANR0002", "CANR0003")
CANARIES = (NAME, FORMER, RELATIVE, PHONE, LATEST, CALLED, IDENTITY, *NUMBERS)
WORDS = f"{NAME} {PHONE}"


@pytest.fixture
def session(world: World) -> Iterator[HospitalSession]:
    wiring.wire()
    with world.hospital(world.heqing) as opened:
        yield opened


def line(number: str, name: str = NAME, **more: str) -> str:
    cells = [number, more.get("stay", "1"), name, "女", "1950-01-01", more.get("identity", "")]
    cells += [more.get("phone", PHONE), more.get("contact", ""), more.get("relation", "")]
    cells += [more.get("called", ""), "2026-09-01", more.get("left", "2026-09-12"), "骨科", "医嘱离院"]
    return ",".join(cells)


def take(session: HospitalSession, *lines: str, days: int = 4) -> ImportReport:
    content = "\n".join([HEADER, *lines]).encode()
    return importing.import_file(session, content, "list.csv", by="陈静", now=NOW - days * DAY)


def hear(session: HospitalSession, event: str, at: str, **said: Any) -> feed_inbox.Answer:
    message = adt(event, at, **{"name": NAME, "phone": PHONE, "id_number": IDENTITY} | said)
    return feed_inbox.receive(session, "hl7", message.encode(), name="mllp", now=NOW)


def readable(key: DataKey, value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        for read in (key.decrypt_bytes, bytes):
            try:
                return read(raw).decode("utf-8-sig")
            except (ValueError, Undecipherable):
                continue
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def found(session: HospitalSession, words: tuple[str, ...]) -> dict[tuple[str, str], set[str]]:
    """Where these words can be read, by table and column: deciphered, in files, in JSON."""
    session.flush()
    key = data_key(session)
    hits: dict[tuple[str, str], set[str]] = {}
    for table in catalogue.tenant_tables():
        rows = session.execute(select(table).where(table.c.tenant_id == session.tenant_id)).mappings()
        for row in rows:
            for column, value in row.items():
                text = readable(key, value)
                if seen := {word for word in words if word in text}:
                    hits.setdefault((table.name, str(column)), set()).update(seen)
    return hits


def arrive(session: HospitalSession) -> None:
    """Everything that can come in about one person, and what people wrote about them."""
    whole = {"contact": RELATIVE, "relation": "女", "called": CALLED, "identity": IDENTITY}
    take(session, line("CANR0001", FORMER, left="2026-09-02", **whole), days=6)
    person = patient(session, "CANR0001").id
    restriction.correct(session, person, Correction(name=NAME, phone=LATEST), now=NOW - 5 * DAY)
    take(session, line("CANR0001", FORMER, stay="2", left="2026-09-05", **whole))
    take(session, line("CANR0002", left="2026-09-06", identity=IDENTITY))
    late = line("CANR0001", stay="4", left="bad", identity=IDENTITY)
    take(session, line("CANR0003", left="2026-09-06", phone=LATEST), late)
    take(session, line("OTHER99", left="bad", identity=IDENTITY), line("OTHER98", left="bad", phone=LATEST))
    gone = patient(session, "CANR0003").id
    joining.merge(session, person, gone, reason=WORDS, now=NOW - 3 * DAY)
    suppression.suppress(session, person, "refused", note=WORDS, source="card", now=NOW)
    point = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == person)).first()
    assert point is not None
    number_blocks.block(session, point.id, "all", source="patient", evidence=WORDS, now=NOW)
    consent.record(session, person, "marketing", given=False, source="paper", evidence=WORDS, now=NOW)
    stayed = {"number": "CANR0001", "discharged": "20260910100000"}
    hear(session, "A03", "20260910103000", visit="V1", **stayed)
    hear(session, "A01", "20260912103000", visit="V2", number="CANR0001")
    hear(session, "A01", "20260912103000", visit="V3", number=" canr0002")
    hear(session, "A03", "20260908103000", visit="V4", number="CANR0001", discharged="bad")
    name = f"{NAME}{PHONE}.csv"
    waits = "\n".join([HEADER, line("CANR0001", stay="5", identity=IDENTITY)])
    intake.receive(session, waits.encode(), name, intake.Arrival("upload", "陈静", NOW))


def erased(session: HospitalSession) -> None:
    person = patient(session, "CANR0001").id
    asked = requests.register(
        session,
        person,
        kind="erasure",
        requester="patient",
        channel="counter",
        wish=WORDS,
        asked_on=TODAY,
        now=NOW,
    )
    requests.confirm_identity(session, asked.id, proof="id_card", now=NOW)
    requests.erase(session, asked.id, now=NOW)


def test_after_an_erasure_nothing_in_any_table_says_who_it_was(session: HospitalSession) -> None:
    arrive(session)
    before = found(session, CANARIES)
    assert {"stored_file", "feed_message", "import_before", "patient", "patient_merge"} <= {
        table for table, _ in before
    }
    assert ("data_import", "file_name") in before, "the name; its number is masked when it comes"
    erased(session)
    after = found(session, CANARIES)
    # What somebody gave as the reason of an act stays with the record of that act (条例 12), numbers masked.
    assert after.pop(("audit_event", "reason"), {NAME}) == {NAME}
    assert after == {}


def test_files_about_others_stay_and_a_list_that_waits_is_stopped(session: HospitalSession) -> None:
    arrive(session)
    mine = take(session, line("OTHER01", "王芳", phone="13512349999", left="bad"))
    neighbours = take(session, line("CANR00011", NAME, phone="13512349998", left="bad"))
    erased(session)
    for report in (mine, neighbours):  # a longer number and a namesake are other people
        assert report.rejected_file_id is not None
        assert report.verdicts_file_id is not None
        for file_id in (report.rejected_file_id, report.verdicts_file_id):
            assert files.get(session, data_key(session), file_id)
    waited = session.scalars(
        select(DataImport).where(DataImport.source == "upload").order_by(DataImport.id.desc())
    )
    states = {row.state for row in waited if row.file_name.endswith(".csv") and row.file_name != "list.csv"}
    assert states == {"stopped"}


def test_a_message_after_the_erasure_leaves_only_that_it_came(session: HospitalSession) -> None:
    arrive(session)
    erased(session)
    kept = len(session.scalars(select(FeedMessage)).all())
    told = {"number": "CANR0001", "visit": "V9", "discharged": "20260914100000"}
    for _twice in range(2):
        answer = hear(session, "A03", "20260914103000", **told)
        assert [(fate.state, fate.reason) for fate in answer.fates] == [("rejected", "erased_on_request")]
    hear(session, "A01", "20260915103000", number="canr0002", visit="V10")
    hear(session, "A40", "20260915113000", number="H0001", gone="CANR0003", control="A40-1")
    hear(session, "A01", "20260912103000", visit="V2", number="CANR0001")  # the same as before the erasure
    rows = session.scalars(select(FeedMessage)).all()
    assert len(rows) == kept + 3
    assert all(row.content_cipher is None and row.record_number == str(row.id) for row in rows)
    after = found(session, CANARIES)
    after.pop(("audit_event", "reason"), None)
    assert after == {}


def test_the_files_of_an_import_are_kept_for_thirty_days(session: HospitalSession) -> None:
    report = take(session, line("CANR0001"), line("CANR0002", left="bad"), days=0)
    identity_jobs.forget_imports(session, NOW + 29 * DAY)
    assert len(session.scalars(select(StoredFile.id)).all()) == 2
    identity_jobs.forget_imports(session, NOW + 31 * DAY)
    session.expire_all()
    assert session.scalars(select(StoredFile.id)).all() == []
    row = session.get_one(DataImport, (session.tenant_id, report.import_id))
    assert (row.rows, row.created, row.rejected) == (2, 1, 1)
    assert (row.rejected_file_id, row.verdicts_file_id) == (None, None)


def test_a_message_that_waits_is_emptied_after_ninety_days(session: HospitalSession) -> None:
    hear(session, "A01", "20260912103000", visit="V2", number="CANR0001")
    feed_retention.empty_messages(session, NOW + 89 * DAY)
    session.expire_all()
    row = session.scalars(select(FeedMessage)).one()
    assert row.state == "waiting"
    assert row.content_cipher is not None
    feed_retention.empty_messages(session, NOW + 91 * DAY)
    session.expire_all()
    assert session.scalars(select(FeedMessage)).one().content_cipher is None
    assert feed_store.events_of(session, [session.scalars(select(FeedMessage)).one()]) == {}
