"""The sample files report exactly what expected.json promises, before any database is asked."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from patients.feeds.files import read_table
from patients.feeds.records import Parsed, parse

SAMPLES = Path(__file__).parents[2] / "platform" / "careloop" / "samples"
EXPECTED: dict[str, dict[str, Any]] = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))
DISCHARGES = [name for name in EXPECTED if "discharges" in name]


def parse_sample(name: str) -> Parsed:
    return parse(read_table((SAMPLES / name).read_bytes(), name))


def verdicts(parsed: Parsed, stored: dict[tuple[str, str, int], bytes]) -> Counter[str]:
    """Count what an import into ``stored`` does, and do it."""
    counts: Counter[str] = Counter(created=0, updated=0, unchanged=0, rejected=len(parsed.rejected))
    for record in parsed.records:
        before = stored.get(record.key)
        verdict = "created" if before is None else "unchanged" if before == record.digest else "updated"
        counts[verdict] += 1
        stored[record.key] = record.digest
    return counts


@pytest.mark.parametrize("name", EXPECTED)
def test_every_row_has_one_verdict_and_a_second_import_changes_nothing(name: str) -> None:
    expected, parsed = EXPECTED[name], parse_sample(name)
    stored: dict[tuple[str, str, int], bytes] = {}
    first = verdicts(parsed, stored)
    assert parsed.rows == expected["rows"] == sum(first.values())
    assert first["created"] == expected["created"] == len(stored)
    assert first["updated"] == expected.get("updated", 0)
    assert first["unchanged"] == expected.get("unchanged", 0)
    assert first["rejected"] == expected["rejected_total"]
    second = verdicts(parse_sample(name), stored)
    assert second["created"] == second["updated"] == 0
    assert second["unchanged"] == expected["rows"] - expected["rejected_total"]


@pytest.mark.parametrize("name", DISCHARGES)
def test_reasons_warnings_and_people_are_counted_as_promised(name: str) -> None:
    expected, parsed = EXPECTED[name], parse_sample(name)
    assert parsed.rejected_by_reason == expected["rejected"]
    assert parsed.warnings == expected["warnings"]
    assert len({record.key for record in parsed.records}) == expected["encounters"]
    assert len({record.record_number for record in parsed.records}) == expected["patients"]
    assert len({r.record_number for r in parsed.records if r.deceased}) == expected["suppressed_deceased"]
    assert len({r.record_number for r in parsed.records if r.minor}) == expected["minors_under_14"]


def test_the_national_front_page_is_read_by_its_codes() -> None:
    parsed = parse_sample("heqing_discharges_202609.csv")
    assert (parsed.layout.code, parsed.encoding, parsed.delimiter) == ("hqms41", "gb18030", ",")
    record = parsed.records[0]
    assert (record.row_number, record.record_number, record.name, record.sex) == (2, "00000095", "胡强", "F")
    assert (record.contact_relation, record.contact_relation_raw) == ("spouse", "配偶")
    assert (record.ward, record.doctor, record.diagnosis_code) == ("8病区", "黄俊", "I10.x00")
    assert record.disposition == "transferred"


def test_what_follow_up_does_not_need_is_named_and_dropped() -> None:
    parsed = parse_sample("heqing_discharges_202609.csv")
    assert {"XZZ", "MZ", "ZFY", "HY", "GZDWJDZ", "DWDH"} <= set(parsed.dropped_columns)
    rows = dict(read_table((SAMPLES / "heqing_discharges_202609.csv").read_bytes(), "").rows)
    address, cost = parsed.header.index("XZZ"), parsed.header.index("ZFY")
    for record in parsed.records[:50]:
        assert rows[record.row_number][address] not in repr(record)
        assert rows[record.row_number][cost] not in repr(record)


def test_titles_notes_and_the_total_are_no_patients_but_are_named() -> None:
    parsed = parse_sample("yunling_discharges_202609.xlsx")
    assert [(line.row_number, line.reason) for line in parsed.skipped] == [
        (1, "above_header"),
        (2, "above_header"),
        (274, "total"),
    ]
    assert parsed.records[0].row_number == 4
    assert parsed.records[0].phone == "15957692089"  # a number in the sheet, not text
    assert parsed.records[0].discharged_on.isoformat() == "2026-09-03"


def test_a_damaged_number_is_dropped_and_the_contact_person_is_called() -> None:
    damaged = [
        r for r in parse_sample("beishan_discharges_202609.csv").records if "phone_damaged" in r.warnings
    ]
    assert [(record.phone, bool(record.contact_phone)) for record in damaged] == [(None, True)] * 4


def test_outpatients_have_a_visit_date_and_a_stated_age() -> None:
    record = parse_sample("heqing_outpatients_202609.csv").records[0]
    assert (record.visit, record.record_number, record.age) == ("outpatient", "M2609000000", 70)
    assert (record.discharged_on.isoformat(), record.doctor) == ("2026-09-14", "张娟")
