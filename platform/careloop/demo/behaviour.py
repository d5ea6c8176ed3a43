"""How invented people behave: whether they answer, what they say, what they complain of.

Every decision is drawn from the seed and from business facts (hospital, record number, which contact, which
try),
never from an order of work or a random id: the same seed tells the same story.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

# Share of dials that are answered. The market quotes 42 % (requirements, derived numbers); the demo's
# people are
# easier to reach, which tells the same story with fewer calls.
ANSWERED = 0.6
WHEN_ANSWERED = (
    ("completed", 84),
    ("partial", 4),
    ("refused_now", 4),
    ("someone_else", 3),
    ("hung_up", 2),
    ("refused_forever", 1),
    ("language", 1),
    ("deceased", 1),
)
WHEN_NOT = (("no_answer", 78), ("busy", 14), ("voicemail", 6), ("wrong_number", 2))
LEVELS = (1, 2, 3, 4, 5, 6)
LEVEL_WEIGHTS = (1.0, 2.0, 5.0, 15.0, 37.0, 40.0)

# Tag code, words of the patient, and what the patient wants.
COMPLAINTS = (
    ("communication_impatient", "护士给我换药的时候很不耐烦,按铃也没有人来。", "希望科室说明情况"),
    ("payment_queue", "出院结账排了快两个小时的队。", "希望增加窗口"),
    ("report_inaccurate", "检查报告上的姓名写错了,来回跑了两趟。", "希望更正并道歉"),
    ("fee_dispute", "多收了一项检查费,问了几个人都说不清楚。", "要求退费"),
    ("meals", "病房的饭菜送来都是凉的。", "希望改善"),
    ("privacy_leak", "医生在走廊里大声说我的病情。", "希望保护隐私"),
    ("parking", "停车太困难了,在院里转了半个小时。", "希望增加车位"),
    ("waiting_consultation", "复查候诊等了三个小时才轮到。", "希望分时段预约"),
)


@dataclass(frozen=True, slots=True)
class Dice:
    """The dice of one story."""

    seed: str

    def of(self, *facts: object) -> random.Random:
        """Fresh dice for one decision, named by facts."""
        return random.Random("/".join(str(fact) for fact in (self.seed, *facts)))  # noqa: S311

    def outcome(self, *facts: object) -> str:
        """How one dial ends: a code of the outcome table."""
        dice = self.of("outcome", *facts)
        table = WHEN_ANSWERED if dice.random() < ANSWERED else WHEN_NOT
        return dice.choices([code for code, _ in table], weights=[weight for _, weight in table])[0]

    def levels(self, questions: list[str], quality: float, *facts: object) -> dict[str, int | None]:
        """Answers on six levels. `quality` between -0.5 and 0.5 moves weight to the worse or the better
        levels.

        A patient has a mood of their own, so that the answers of one questionnaire go together.
        """
        mood = self.of("mood", *facts).gauss(0, 0.8) + quality * 1.6
        answers: dict[str, int | None] = {}
        for question in questions:
            dice = self.of("level", question, *facts)
            if dice.random() < 0.03:
                answers[question] = None
                continue
            weights = [
                weight * (1.35 ** (mood * (level - 4)))
                for level, weight in zip(LEVELS, LEVEL_WEIGHTS, strict=True)
            ]
            answers[question] = dice.choices(LEVELS, weights=weights)[0]
        return answers

    def complains(self, answers: dict[str, int | None], *facts: object) -> bool:
        """Whether a patient complains on the call: those who gave low levels more often than others."""
        low = sum(1 for level in answers.values() if level is not None and level <= 2)
        return self.of("complains", *facts).random() < (0.02 + 0.10 * low)

    def complaint(self, *facts: object) -> tuple[str, str, str]:
        """Tag code, words, wish."""
        return self.of("complaint", *facts).choice(COMPLAINTS)

    def minutes(self, least: int, most: int, *facts: object) -> int:
        """A number of minutes between two bounds, both included."""
        return self.of("minutes", *facts).randint(least, most)

    def chance(self, share: float, *facts: object) -> bool:
        """Whether something happens that happens to `share` of all."""
        return self.of("chance", *facts).random() < share
