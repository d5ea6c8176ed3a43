"""What feedback is about: four categories, the tags under them, and the tier a new case should have.

Tags are firm-wide codes: a hospital adds its own below them and maps each to one, so that a benchmark
compares like with like (S0-19). A proposal is only that; the person at the telephone decides.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from feedback.clock import Tier

Category = Literal["service", "quality", "process", "rights"]


@dataclass(frozen=True, slots=True)
class Label:
    """One text in both languages."""

    zh: str
    en: str


CATEGORIES: dict[Category, Label] = {  # S0-18
    "service": Label("服务类", "Service"),
    "quality": Label("质量类", "Quality"),
    "process": Label("流程类", "Process"),
    "rights": Label("权益类", "Rights"),
}


@dataclass(frozen=True, slots=True)
class Tag:
    """A kind of problem (标签).

    ``parent`` is the code of the tag above it, None directly below the category. ``tier`` is what a report
    of this kind deserves at least. ``dispute`` asks whether a medical dispute lies behind it (S4-9).
    """

    code: str
    category: Category
    label: Label
    tier: Tier
    source: str
    parent: str | None = None
    dispute: bool = False


DEFAULT_TAGS: tuple[Tag, ...] = (
    Tag("guide_attitude", "service", Label("导诊态度差", "Rude reception or guidance"), 2, "S0-18"),
    Tag("waiting", "service", Label("等待时间长", "Long wait"), 1, "S0-18"),
    Tag(
        "waiting_consultation",
        "service",
        Label("候诊时间过长", "Long wait to see the doctor"),
        1,
        "S2-16",
        parent="waiting",
    ),
    Tag("communication", "service", Label("医护沟通问题", "Poor communication"), 1, "S0-19"),
    Tag(
        "communication_impatient",
        "service",
        Label("医护沟通不耐心", "Impatient doctor or nurse"),
        1,
        "S0-19",
        parent="communication",
    ),
    Tag(
        "communication_doctor",
        "service",
        Label("医生与患者沟通不足", "Doctor explained too little"),
        1,
        "S2-16",
        parent="communication",
    ),
    Tag("meals", "service", Label("饭菜问题", "Meals"), 1, "J1"),
    Tag("treatment_error", "quality", Label("诊疗差错", "Error in treatment"), 3, "S0-18", dispute=True),
    Tag("report_inaccurate", "quality", Label("检查报告不准确", "Inaccurate test report"), 2, "S0-18"),
    Tag("booking_fault", "process", Label("预约系统故障", "Booking system fault"), 1, "S0-18"),
    Tag("payment_queue", "process", Label("缴费排队久", "Long queue to pay"), 1, "S0-18"),
    Tag("parking", "process", Label("停车困难", "Parking"), 1, "S2-16"),
    Tag("privacy_leak", "rights", Label("隐私泄露", "Privacy breach"), 3, "S0-18"),
    Tag("fee_dispute", "rights", Label("收费争议", "Disputed charge"), 2, "S0-18"),
)

# J1: compensation, going public, a lawyer, the government's complaint line.
DISPUTE_WORDS: tuple[str, ...] = ("赔偿", "曝光", "律师", "12345")

DISSATISFIED_LEVELS = (1, 2)  # 很不满意, 不满意: the two lowest of six
IMPORTANT: Tier = 2
COMPLAINT: Tier = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a tier is proposed: a tag's code, a level, or a word said. ``tier`` is what it asks for."""

    kind: Literal["tag", "level", "word"]
    value: str
    tier: Tier


@dataclass(frozen=True, slots=True)
class TierProposal:
    """The tier to offer, the reasons that carry it (strongest first; none for tier 1 by default)."""

    tier: Tier
    reasons: tuple[Reason, ...]
    ask_medical_dispute: bool


def propose_tier(
    tag: Tag | None, level: int | None, text: str, words: Iterable[str] = DISPUTE_WORDS
) -> TierProposal:
    """The tier of a new case from its tag, the answer level (1 to 6) that led to it, and what was said.

    The strongest reason wins (J1). A word of the list means tier 3 and the question 是否涉及医疗纠纷?
    """
    reasons: list[Reason] = [Reason("word", word, COMPLAINT) for word in words_in(text, words)]
    asks = bool(reasons) or (tag is not None and tag.dispute)
    if tag is not None:
        reasons.append(Reason("tag", tag.code, tag.tier))
    if level in DISSATISFIED_LEVELS:
        reasons.append(Reason("level", str(level), IMPORTANT))
    reasons.sort(key=lambda reason: -reason.tier)
    return TierProposal(reasons[0].tier if reasons else 1, tuple(reasons), asks)


def words_in(text: str, words: Iterable[str]) -> list[str]:
    """Which of ``words`` were said, in the order of ``words``.

    Full-width and half-width forms are the same; a number counts only when it stands alone, so that a
    telephone number holding 12345 is no complaint.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return [word for word in words if _says(plain, unicodedata.normalize("NFKC", word).casefold())]


def _says(plain: str, word: str) -> bool:
    if word.isdigit():
        return re.search(rf"(?<!\d){word}(?!\d)", plain) is not None
    return word in plain


def by_code(tags: Iterable[Tag] = DEFAULT_TAGS) -> dict[str, Tag]:
    """The tags by their code."""
    return {tag.code: tag for tag in tags}
