"""The shipped questionnaires, and what is refused as one."""

import json
from decimal import Decimal
from importlib import resources
from typing import Any

import msgspec
import pytest

from surveys.instrument import (
    Instrument,
    Text,
    UnknownInstrument,
    WeightsError,
    check_weights,
    decode,
    fill,
    lint,
    load,
    shipped,
)

CODES = ("inpatient", "organisation", "outpatient")


def raw(code: str) -> dict[str, Any]:
    text = (resources.files("surveys") / "instruments" / f"{code}_v1.json").read_text(encoding="utf-8")
    values: dict[str, Any] = json.loads(text)
    return values


def texts(instrument: Instrument) -> list[Text]:
    found = [instrument.title, instrument.opening, instrument.web_opening, instrument.guide]
    found += [instrument.closing, *instrument.scale, *(d.label for d in instrument.dimensions)]
    return found + [question.text for question in instrument.questions()]


def test_the_questionnaires_are_shipped_and_short_enough_for_the_telephone() -> None:
    assert shipped() == [(code, 1) for code in CODES]
    inpatient, outpatient = load("inpatient"), load("outpatient")
    assert len(inpatient.dimensions) == 6
    assert 10 <= len(list(inpatient.questions())) <= 12
    assert 7 <= len(list(outpatient.questions())) <= 8
    assert 7 <= len(list(load("organisation").questions())) <= 8
    with pytest.raises(UnknownInstrument):
        load("inpatient", 99)


@pytest.mark.parametrize("code", CODES)
def test_each_text_is_chinese_and_english(code: str) -> None:
    for text in texts(load(code)):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh), text
        assert text.en.isascii(), text
        assert text.in_language("zh_Hans") == text.zh
        assert text.in_language("en") == text.en


@pytest.mark.parametrize("code", CODES)
def test_no_question_leads_or_asks_two_things(code: str) -> None:
    assert lint(load(code)) == []


@pytest.mark.parametrize("code", CODES)
def test_the_first_sentence_on_the_telephone_carries_the_recording_notice(code: str) -> None:
    instrument = load(code)
    spoken = fill(instrument.opening, "zh_Hans", hospital="河清一院", agent="李敏")
    assert (
        spoken.index("河清一院")
        < spoken.index("李敏")
        < spoken.index("本次通话将被录音")
        < spoken.index("。")
    )
    assert "recorded" in instrument.opening.en
    assert "录音" not in instrument.web_opening.zh
    assert "recorded" not in instrument.web_opening.en
    for text in (instrument.opening, instrument.web_opening, instrument.closing):
        for language in ("zh_Hans", "en"):
            assert "{" not in fill(text, language, hospital="A", agent="B")


@pytest.mark.parametrize("code", CODES)
def test_the_scale_is_even_and_balanced(code: str) -> None:
    scale = load(code).scale
    assert (scale[0].zh, scale[-1].zh) == ("很不满意", "非常满意")
    assert ["不" in label.zh for label in scale] == [True] * 3 + [False] * 3
    assert ["dissatisfied" in label.en.casefold() for label in scale] == [True] * 3 + [False] * 3


def test_a_leading_question_is_found() -> None:
    values = raw("outpatient")
    question = values["dimensions"][0]["questions"][0]
    question["text"] = {
        "zh": "您不觉得我们的优质服务很好吗？",
        "en": "Surely booking and also paying was easy?",
    }
    found = {(f.question, f.kind, f.word) for f in lint(decode(json.dumps(values)))}
    assert found == {
        ("booking", "leading", "不觉得"),
        ("booking", "leading", "优质"),
        ("booking", "leading", "surely"),
        ("booking", "double", "and also"),
    }


def test_weights_that_do_not_sum_to_one_are_refused_and_not_repaired() -> None:
    values = raw("inpatient")
    values["dimensions"][1]["questions"][0]["weight"] = "0.4"
    with pytest.raises(msgspec.ValidationError, match=r"doctors: weights sum to 0\.9"):
        decode(json.dumps(values))
    check_weights("thirds", [Decimal("0.3333333333")] * 3)
    for weights in ([Decimal("0.33333")] * 3, [Decimal("1.5"), Decimal("-0.5")], []):
        with pytest.raises(WeightsError):
            check_weights("bad", weights)


def test_a_missing_language_a_seventh_level_and_a_code_twice_are_refused() -> None:
    for spoil in ("language", "level", "code"):
        values = raw("inpatient")
        if spoil == "language":
            values["title"]["en"] = " "
        elif spoil == "level":
            values["scale"].insert(3, {"zh": "一般", "en": "Neither"})
        else:
            values["dimensions"][0]["questions"][0]["code"] = "pain"
        with pytest.raises(msgspec.ValidationError):
            decode(json.dumps(values))
