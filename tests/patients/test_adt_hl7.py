"""HL7 v2 ADT as hospital systems write it: what is read, what is refused, and how it is answered."""

from __future__ import annotations

from contextlib import suppress

import hl7
import pytest
from adt_messages import adt
from hypothesis import given
from hypothesis import strategies as st
from world import NOW

from patients.adt import hl7_text
from patients.adt.events import BadMessage, Event
from patients.adt.hl7 import event_of
from patients.adt.hl7_ack import ack


def read(message: str | bytes) -> Event:
    raw = message if isinstance(message, bytes) else message.encode()
    (one,) = hl7_text.split(raw)
    text, _ = hl7_text.decode(one)
    return event_of(hl7_text.parse(text))


def test_a_discharge_gives_the_fields_of_a_list() -> None:
    event = read(adt("A03", "20260908103000", id_number="110101197005011239", discharged="20260908100000"))
    assert (event.kind, event.record_number, event.visit_number) == ("discharge", "H0001", "V1")
    assert event.at.isoformat() == "2026-09-08T10:30:00+08:00"
    assert event.visit == "inpatient"
    assert event.fields == {
        "name": "张𠮷",
        "birth_date": "19700501",
        "sex": "M",
        "id_number": "110101197005011239",
        "phone": "13800138000",
        "contact_name": "张小妹",
        "contact_relation": "姐妹",
        "contact_phone": "13900139000",
        "admitted_on": "2026-09-01",
        "discharged_on": "2026-09-08",
        "ward": "骨科一病区",
        "department": "骨科",
        "doctor": "李医生",
        "disposition": "1",
        "diagnosis": "股骨颈骨折",
        "diagnosis_code": "S72.0",
    }


@pytest.mark.parametrize(
    ("named", "encoding"),
    [("UNICODE UTF-8", "utf-8"), ("GB18030", "gb18030"), ("GBK", "gb18030"), ("", "gb18030"), ("", "utf-8")],
)
@pytest.mark.parametrize("name", ["王䶮", "张𠮷", "欧阳娜娜"])
def test_names_come_through_every_character_set_that_is_sent(named: str, encoding: str, name: str) -> None:
    assert (
        read(adt("A01", "20260901080000", charset=named, name=name).encode(encoding)).fields["name"] == name
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_the_order_of_segments_do_not_matter(end: str) -> None:
    lines = adt("A03", "20260908103000").strip().split("\r")
    shuffled = [lines[0], *reversed(lines[1:])]
    assert read(end.join(shuffled)) == read(adt("A03", "20260908103000"))


def test_another_set_of_separators_is_read() -> None:
    plain = read(adt("A03", "20260908103000", name="张^三"))
    other = adt("A03", "20260908103000", name="张^三").replace("|", "#").replace("^", "*")
    other = other.replace("MSH#*~\\&", "MSH#*~\\&")
    assert read(other) == plain
    assert plain.fields["name"] == "张三"


def test_escapes_are_undone_also_bytes_of_chinese_text() -> None:
    event = read(adt("A03", "20260908103000", department="A\\T\\B\\F\\C", ward="\\XE9AAA8\\科\\.br\\东"))
    assert event.fields["department"] == "A&B|C"
    assert event.fields["ward"] == "骨科 东"


def test_the_own_number_is_chosen_by_its_type_and_never_the_id_number() -> None:
    message = adt("A01", "20260901080000").replace(
        "H0001^^^HQ^MR", "110101197005011239^^^GA^NI~900^^^HQ^PI~H0001^^^HQ^MR"
    )
    event = read(message)
    assert (event.record_number, event.fields["id_number"]) == ("H0001", "110101197005011239")


@pytest.mark.parametrize(
    ("code", "means"),
    [("5", "5"), ("05", "05"), ("20", "死亡"), ("5^死亡", "死亡"), ("07", "4"), ("2^转院", "转院")],
)
def test_ways_of_leaving(code: str, means: str) -> None:
    assert read(adt("A03", "20260908103000", disposition=code)).fields["disposition"] == means


def test_death_is_seen_wherever_it_is_said() -> None:
    assert read(adt("A08", "20260909103000", dead="Y")).fields["outcome"] == "死亡"
    assert read(adt("A08", "20260909103000", dead="N")).fields["outcome"] == ""


@pytest.mark.parametrize(("letter", "kind"), [("O", "outpatient"), ("E", "outpatient"), ("I", "inpatient")])
def test_the_class_says_which_kind_of_visit(letter: str, kind: str) -> None:
    assert read(adt("A04", "20260901080000", kind=letter)).visit == kind


def test_an_explicit_nothing_takes_back_what_was_said() -> None:
    assert read(adt("A08", "20260901080000", phone='""')).fields["phone"] == ""


def test_a_merge_names_both_numbers() -> None:
    event = read(adt("A40", "20260910080000", gone="H0002"))
    assert (event.kind, event.record_number, event.gone_number) == ("merge", "H0001", "H0002")


@pytest.mark.parametrize(
    ("message", "code", "refused"),
    [
        (b"hello", "not_hl7", True),
        (b"MSH", "not_hl7", True),
        (b"MSH|^~\\&|\xff\xfe\xff|", "not_text", True),
        (adt("A02", "20260901080000").encode(), "unknown_event", True),
        (adt("A01", "20260901080000", number="").encode(), "no_record_number", False),
        (adt("A01", "whenever").encode(), "no_time", False),
        (adt("A01", "20260901080000", visit="", admitted="").encode(), "no_visit_number", False),
        (adt("A01", "20260901080000", charset="KLINGON").encode(), "unknown_charset", True),
        (adt("A40", "20260901080000", gone="").encode(), "no_gone_number", False),
        (adt("A40", "20260901080000", gone="H0001").encode(), "same_number", False),
        (adt("A01", "20260901080000", number="9" * 80).encode(), "no_record_number", False),
    ],
)
def test_what_cannot_be_taken_says_why(message: bytes, code: str, refused: bool) -> None:
    with pytest.raises(BadMessage) as raised:
        read(message)
    assert (raised.value.code, raised.value.refused) == (code, refused)


def test_several_messages_in_one_body_are_told_apart() -> None:
    body = "FHS|^~\\&\rBHS|^~\\&\r" + adt("A01", "20260901080000") + adt("A03", "20260908103000") + "BTS|2\r"
    assert [hl7_text.decode(one)[0][:3] for one in hl7_text.split(body.encode())] == ["MSH", "MSH"]


def test_an_answer_goes_back_to_the_sender_with_its_control_id() -> None:
    (one,) = hl7_text.split(adt("A03", "20260908103000", control="C1").encode())
    text, charset = hl7_text.decode(one)
    answer = ack(
        hl7_text.parse(text), "AE", text="出院日期|无法识别", reason="no_time", now=NOW, charset=charset
    )
    parsed = hl7.parse(answer.decode(charset))
    header = parsed.segment("MSH")
    assert [str(header[n]) for n in (3, 4, 5, 6)] == ["CARELOOP", "HQ", "HIS", "河清"]
    assert str(header[9]) == "ACK^A03^ACK"
    assert str(parsed.segment("MSA")[1]) == "AE"
    assert str(parsed.segment("MSA")[2]) == "C1"
    assert parsed["MSA.F3"] == "出院日期|无法识别"
    assert "101" in str(parsed.segment("ERR")[3])


def test_what_cannot_be_read_at_all_is_answered_too() -> None:
    parsed = hl7.parse(ack(None, "AR", text="x", reason="not_hl7", now=NOW).decode())
    assert str(parsed.segment("MSA")[1]) == "AR"


@given(st.binary(max_size=300))
def test_garbage_is_refused_with_a_reason(noise: bytes) -> None:
    for one in hl7_text.split(noise):
        with pytest.raises(BadMessage):
            event_of(hl7_text.parse(hl7_text.decode(one)[0]))


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=6))
def test_a_message_damaged_anywhere_is_read_or_refused(at: int, noise: bytes) -> None:
    whole = adt("A03", "20260908103000", disposition="1").encode()
    at %= len(whole)
    for one in hl7_text.split(whole[:at] + noise + whole[at + len(noise) :]):
        with suppress(BadMessage):
            assert event_of(hl7_text.parse(hl7_text.decode(one)[0])).record_number
