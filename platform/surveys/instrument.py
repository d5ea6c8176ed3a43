"""Questionnaires (问卷) as data: dimensions, questions, weights, both languages, one scale of six levels.

An instrument is frozen: a wave keeps the code and version it was asked with, and a change is a new version
(S1-16, S3-6). Ours are written by us and scored by our own declared method; a score is never called a
national platform's (benchmarking D2).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

LEVELS = 6  # S3-2: an even number, so that nobody can hide in the middle
WEIGHT_TOLERANCE = Decimal("1e-9")  # benchmarking D4


class UnknownInstrument(LookupError):
    """No questionnaire of this code and version is shipped."""


class WeightsError(ValueError):
    """Weights of siblings are not positive or do not sum to 1 within 1e-9; they are never normalised."""


class Text(msgspec.Struct, frozen=True):
    """One text in both languages; neither may be blank."""

    zh: str
    en: str

    def __post_init__(self) -> None:
        if not self.zh.strip() or not self.en.strip():
            raise ValueError("a text needs both languages")

    def in_language(self, language: str) -> str:
        """The text for a locale such as ``zh_Hans`` or ``en``."""
        return self.en if language.startswith("en") else self.zh


class Question(msgspec.Struct, frozen=True):
    """One question, answered by a level or by 不适用; ``weight`` is its share of the dimension."""

    code: str
    weight: Decimal
    text: Text


class Dimension(msgspec.Struct, frozen=True):
    """Questions about one thing (维度); ``weight`` is its share of the index."""

    code: str
    weight: Decimal
    label: Text
    questions: tuple[Question, ...]


class Instrument(msgspec.Struct, frozen=True):
    """One version of a questionnaire.

    ``opening`` and ``closing`` are spoken on the telephone and carry ``{hospital}`` and ``{agent}``;
    ``web_opening`` stands above the form that a patient fills in alone and carries ``{hospital}``; see
    :func:`fill`. ``guide`` explains the scale in either mode. ``scale`` names the levels from 1 (worst)
    to 6 (best).
    """

    code: str
    version: int
    title: Text
    opening: Text
    web_opening: Text
    guide: Text
    closing: Text
    scale: tuple[Text, ...]
    dimensions: tuple[Dimension, ...]

    def __post_init__(self) -> None:
        if len(self.scale) != LEVELS:
            raise ValueError(f"{self.code}: the scale has {LEVELS} levels")
        if not self.dimensions or not all(dimension.questions for dimension in self.dimensions):
            raise ValueError(f"{self.code}: a dimension without questions")
        check_weights(self.code, [dimension.weight for dimension in self.dimensions])
        for dimension in self.dimensions:
            check_weights(dimension.code, [question.weight for question in dimension.questions])
        codes = [dimension.code for dimension in self.dimensions]
        codes += [question.code for question in self.questions()]
        if len(set(codes)) < len(codes):
            raise ValueError(f"{self.code}: a code stands twice")

    def questions(self) -> Iterator[Question]:
        """All questions in the order in which they are asked."""
        for dimension in self.dimensions:
            yield from dimension.questions


def fill(text: Text, language: str, *, hospital: str, agent: str = "") -> str:
    """``text`` in ``language`` with the hospital's and the agent's name put in; braces in names are kept."""
    plain = text.in_language(language)
    return re.sub(r"\{(hospital|agent)\}", lambda m: hospital if m[1] == "hospital" else agent, plain)


def check_weights(name: str, weights: Sequence[Decimal]) -> None:
    """Raises WeightsError unless the weights are positive and sum to 1 within 1e-9."""
    if any(weight <= 0 for weight in weights):
        raise WeightsError(f"{name}: weights are positive")
    if abs(sum(weights, Decimal(0)) - 1) > WEIGHT_TOLERANCE:
        raise WeightsError(f"{name}: weights sum to {sum(weights, Decimal(0))}, not to 1")


def decode(data: bytes | str) -> Instrument:
    """An instrument from JSON. Raises msgspec.ValidationError, which names the place, for anything else."""
    return msgspec.json.decode(data, type=Instrument)


@cache
def load(code: str, version: int = 1) -> Instrument:
    """The shipped instrument ``code`` (``inpatient``, ``outpatient``, ``organisation``) in ``version``.

    Raises UnknownInstrument.
    """
    found = {(name, number): file for name, number, file in _shipped()}
    try:
        file = found[code, version]
    except KeyError:
        raise UnknownInstrument(f"{code} version {version}") from None
    return decode((resources.files("surveys") / "instruments" / file).read_bytes())


def shipped() -> list[tuple[str, int]]:
    """Code and version of every instrument that comes with the product."""
    return sorted((code, version) for code, version, _ in _shipped())


def _shipped() -> Iterator[tuple[str, int, str]]:
    for file in (resources.files("surveys") / "instruments").iterdir():
        stem, dot, suffix = file.name.rpartition(".json")
        code, mark, number = stem.rpartition("_v")
        if dot and not suffix and mark and number.isdigit():
            yield code, int(number), file.name


# ------------------------------------------------------------------------------------------------- lint

LEADING_WORDS: tuple[str, ...] = (
    # Chinese: they suggest the answer or praise the thing asked about
    "难道", "是不是很", "不觉得", "应该很", "相信您", "想必", "肯定", "一定很", "优质", "优秀", "热情周到",
    "大家都",
    # English
    "don't you", "wouldn't you", "isn't it", "surely", "of course", "obviously", "excellent", "outstanding",
    "everyone agrees", "how much do you like",
)  # fmt: skip
DOUBLE_WORDS: tuple[str, ...] = ("并且", "以及", "而且", "同时", "as well as", "and also")


@dataclass(frozen=True, slots=True)
class Finding:
    """A word in a question that a survey should not hold (S2-10)."""

    question: str
    kind: Literal["leading", "double"]
    word: str


def lint(instrument: Instrument) -> list[Finding]:
    """Questions that lead the patient, or ask two things at once (S2-10)."""
    findings = []
    for question in instrument.questions():
        text = f"{question.text.zh}\n{question.text.en}".casefold()
        findings += [Finding(question.code, "leading", word) for word in LEADING_WORDS if word in text]
        findings += [Finding(question.code, "double", word) for word in DOUBLE_WORDS if word in text]
    return findings
