"""Tags and the tier they propose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.tags import CATEGORIES, DEFAULT_TAGS, DISPUTE_WORDS, by_code, propose_tier, words_in

TAGS = by_code()


def test_an_impatient_nurse_and_the_lowest_level_are_important() -> None:
    proposal = propose_tier(TAGS["communication_impatient"], 1, "护士不耐心，按铃没人来")
    assert proposal.tier == 2
    assert [(r.kind, r.value) for r in proposal.reasons] == [
        ("level", "1"),
        ("tag", "communication_impatient"),
    ]
    assert not proposal.ask_medical_dispute


@pytest.mark.parametrize(
    "text", ["要求赔偿", "我要去网上曝光", "已经找了律师", "我打12345", "打１２３４５热线"]
)
def test_words_of_a_dispute_propose_a_complaint_and_ask(text: str) -> None:
    proposal = propose_tier(TAGS["meals"], 5, text)
    assert (proposal.tier, proposal.ask_medical_dispute) == (3, True)
    assert proposal.reasons[0].kind == "word"


def test_a_telephone_number_is_no_complaint() -> None:
    assert words_in("请回电 13812345678", DISPUTE_WORDS) == []
    assert propose_tier(None, None, "请回电 13812345678").tier == 1


def test_an_error_in_treatment_asks_for_a_medical_dispute_by_itself() -> None:
    proposal = propose_tier(TAGS["treatment_error"], None, "")
    assert (proposal.tier, proposal.ask_medical_dispute) == (3, True)


@given(
    st.sampled_from([None, *DEFAULT_TAGS]),
    st.one_of(st.none(), st.integers(1, 6)),
    st.lists(st.sampled_from(["饭菜凉", "赔偿", "排队", "律师"]), max_size=3),
)
def test_another_reason_never_lowers_the_tier(tag: object, level: int | None, said: list[str]) -> None:
    chosen = next((t for t in DEFAULT_TAGS if t == tag), None)
    whole = propose_tier(chosen, level, "，".join(said))
    parts = [
        propose_tier(chosen, None, ""),
        propose_tier(None, level, ""),
        propose_tier(None, None, "，".join(said)),
    ]
    assert whole.tier == max(part.tier for part in parts)
    assert whole.ask_medical_dispute == any(part.ask_medical_dispute for part in parts)


def test_the_default_tags_are_those_of_the_procedures() -> None:
    labels = {tag.label.zh for tag in DEFAULT_TAGS}
    assert labels >= {
        "导诊态度差", "等待时间长", "诊疗差错", "检查报告不准确", "预约系统故障", "缴费排队久", "隐私泄露",
        "收费争议", "医护沟通不耐心", "候诊时间过长", "医生与患者沟通不足", "停车困难",
    }  # fmt: skip
    assert list(CATEGORIES) == ["service", "quality", "process", "rights"]
    assert {tag.category for tag in DEFAULT_TAGS} == set(CATEGORIES)


def test_every_tag_has_its_own_code_both_languages_and_a_parent_in_its_category() -> None:
    assert len(TAGS) == len(DEFAULT_TAGS)
    for tag in DEFAULT_TAGS:
        assert tag.label.zh
        assert tag.label.en.isascii()
        if tag.parent is not None:
            assert TAGS[tag.parent].category == tag.category
            assert TAGS[tag.parent].parent is None
