"""One cell at a time: texts, dates, ages, codes, as hospitals write them, brought to one form.

Every function takes the cell's text and answers the same for the same text, so the frequent ones are cached.
"""

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Literal

Sex = Literal["M", "F"]
Disposition = Literal["home", "transferred", "community", "against_advice", "died", "other"]

MAX_TEXT = 500  # characters; longer texts are cut and the row says so
MAX_RECORD_NUMBER = 64
_HALF_WIDTH = {**{code + 0xFEE0: code for code in range(0x21, 0x7F)}, 0x3000: 0x20}
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060\ufeff\ud800-\udfff]"
)
_PLAIN = re.compile(r"[0-9A-Za-z][-0-9A-Za-z.:/+]*")  # dates and codes: nothing to clean
_FORMULA_TEXT = re.compile(r'=\s*"(.*)"', re.DOTALL)
_NOTHING = frozenset({"", "-", "--", "—", "/", "\\", "无", "不详", "未知", "NULL", "NONE", "N/A", "#N/A"})
_NOTHING_BELOW = 5  # characters: longer texts need no look-up
_SCIENTIFIC = re.compile(r"\d+(?:\.\d*)?E\+?\d+", re.IGNORECASE)
_CODE_PREFIX = re.compile(r"\d{1,2}\s*[.、:：\-－]\s*(?=\D)")


def clean_text(text: str) -> str:
    """Return a text without blanks around it, control characters, and the wraps ``="…"`` and ``'``.

    Letters stay as they are, full width or rare (𠮷, 䶮): a name is never rewritten.
    """
    if not text or text.isalnum() or _PLAIN.fullmatch(text):
        return text
    text = _INVISIBLE.sub("", text).strip().removeprefix("'")
    if wrapped := _FORMULA_TEXT.fullmatch(text):
        text = wrapped[1]
    return re.sub(r"\s+", " ", text).strip()


def half_width(text: str) -> str:
    """Return the text with full-width digits, letters and signs (１２３) as half-width ones."""
    return text if text.isascii() else text.translate(_HALF_WIDTH)


def optional_text(text: str) -> str:
    """Return the text, or an empty one where it only says that there is nothing (无, 不详, -)."""
    return "" if len(text) < _NOTHING_BELOW and text.upper() in _NOTHING else text


def read_record_number(text: str) -> str | None:
    """Return the record number (病案号); None if absent, or damaged (1.2E+11) and so no longer unique."""
    if text.isascii() and text.isdigit() and len(text) <= MAX_RECORD_NUMBER:
        return text
    number = re.sub(r"\s+", "", half_width(text))
    number = re.sub(r"^(\d+)\.0$", r"\1", number)
    if number.upper() in _NOTHING or len(number) > MAX_RECORD_NUMBER or _SCIENTIFIC.fullmatch(number):
        return None
    return number


def is_other_document(text: str) -> bool:
    """Whether a text looks like a passport, travel permit or officer's card, not a resident ID number."""
    return bool(re.fullmatch(r"[A-Z]{1,3}\d{6,10}|.字第.*", text, re.IGNORECASE))


@lru_cache(maxsize=4096)
def read_count(text: str) -> int | None:
    """Return a whole number above zero (住院次数), also from ``第2次`` or ``2.0``; None if it is none."""
    found = re.fullmatch(r"第?\s*(\d{1,4})(?:\.0+)?\s*次?", half_width(text).strip(), re.ASCII)
    return int(found[1]) or None if found else None


_YMD = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[ T]?\d{4,6})?", re.ASCII)
_SEPARATED = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[ T]*\d{1,2}[:时点].*)?", re.ASCII
)
_SERIAL = re.compile(r"(\d{5})(?:\.\d+)?", re.ASCII)
_SERIAL_ZERO = date(
    1899, 12, 30
)  # spreadsheets count days from here (1900 system, after its false 29 February)


@lru_cache(maxsize=65_536)
def read_date(text: str) -> date | None:
    """Return the day a cell names, without its time of day; None if it names none.

    Reads 20260924, 2026-09-24, 2026/9/24, 2026.9.24, 2026年9月24日, each with or without a time, and the
    five digits of a spreadsheet day (46289). Two-digit years and day-first forms are refused: they would be
    guesses.
    """
    text = half_width(text).strip()
    if serial := _SERIAL.fullmatch(text):
        return _SERIAL_ZERO + timedelta(days=int(serial[1]))
    found = _YMD.fullmatch(text) or _SEPARATED.fullmatch(text)
    if not found:
        return None
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None
    return day if 1850 <= day.year <= 2200 else None


@lru_cache(maxsize=4096)
def read_age(text: str) -> int | None:
    """Return an age in completed years: ``70``, ``70岁``, ``1岁6月`` is 1, ``8月`` and ``25天`` are 0."""
    text = half_width(text).strip()
    if re.fullmatch(r"\d{1,3}\s*(?:个?月|天|日|小时|M|D).*", text, re.IGNORECASE | re.ASCII):
        return 0
    found = re.fullmatch(r"(\d{1,3})(?:\.\d+)?\s*(?:(?:周?岁|Y).*)?", text, re.IGNORECASE | re.ASCII)
    return int(found[1]) if found and int(found[1]) <= 130 else None


_SEXES: Final[dict[str, Sex]] = {"1": "M", "2": "F", "男": "M", "女": "F", "M": "M", "F": "F"}


@lru_cache(maxsize=256)
def read_sex(text: str) -> Sex | None:
    """Return the sex (GB/T 2261.1: 1 男, 2 女; 0 and 9 unknown), from code or word."""
    text = _CODE_PREFIX.sub("", half_width(text)).strip().upper()
    return _SEXES.get(text) or _SEXES.get(text.removesuffix("性").removesuffix(".0"))


# GB/T 4761, first digit of the code, with the word a person reads.
_RELATION_CODES: Final = {
    "0": ("self", "本人"),
    "1": ("spouse", "配偶"),
    "2": ("child", "子"),
    "3": ("child", "女"),
    "4": ("grandchild", "孙子女"),
    "5": ("parent", "父母"),
    "6": ("grandparent", "祖父母"),
    "7": ("sibling", "兄弟姐妹"),
    "8": ("other", "其他"),
    "9": ("other", "其他"),
}
_RELATION_WORDS: Final = {
    word: code
    for code, words in {
        "self": "本人 自己 户主",
        "spouse": "配偶 夫妻 夫妇 夫 妻 丈夫 妻子 爱人 老公 老婆",
        "child": "子 女 儿子 女儿 子女 儿女 长子 次子 三子 长女 次女 三女 独生子 独生女 养子 养女 女婿 儿媳",
        "grandchild": "孙 孙子 孙女 外孙 外孙子 外孙女 孙子女 孙子孙女 孙子或孙女 孙子、孙女或外孙子、外孙女",
        "parent": "父母 父 母 父亲 母亲 爸爸 妈妈 公公 婆婆 岳父 岳母 继父 继母 养父 养母",
        "grandparent": "祖父母 祖父 祖母 外祖父 外祖母 外祖父母 爷爷 奶奶 外公 外婆 姥爷 姥姥",
        "sibling": "兄弟姐妹 兄 弟 姐 妹 兄弟 姐妹 哥哥 弟弟 姐姐 妹妹 哥 兄妹 姐弟 兄、弟、姐、妹",
    }.items()
    for word in words.split()
}


@lru_cache(maxsize=4096)
def read_relation(text: str) -> tuple[str | None, str]:
    """Return the contact person's relation (与患者关系) as a code, and the word to show: ``("child", "女")``.

    Codes: self, spouse, child, grandchild, parent, grandparent, sibling, other; None for an empty cell.
    """
    word = optional_text(half_width(text).strip().removesuffix(".0"))
    if not word:
        return None, ""
    if re.fullmatch(r"\d{1,2}", word, re.ASCII):
        return _RELATION_CODES[word[0]]
    word = _CODE_PREFIX.sub("", word)
    return _RELATION_WORDS.get(word, "other"), word


_DISPOSITION_CODES: Final[dict[str, Disposition]] = {
    "1": "home",
    "2": "transferred",
    "3": "community",
    "4": "against_advice",
    "5": "died",
    "9": "other",
}
# In this order: 非医嘱离院 holds 医嘱离院, and whatever speaks of death means death.
_DISPOSITION_WORDS: Final[tuple[tuple[str, Disposition], ...]] = (
    (r"死亡|已故|身故|病故|去世|亡故", "died"),
    (r"非医嘱|自动出院|自动离院|放弃治疗|自行离院", "against_advice"),
    (r"社区|乡镇|卫生院", "community"),
    (r"转院|转外院|转其他|转上级|转入", "transferred"),
    (r"未愈|未治愈|无效|其他|其它", "other"),
    (r"医嘱离院|医嘱出院|正常出院|正常离院|回家|治愈|好转|康复|稳定|出院", "home"),
)
_TRADITIONAL = str.maketrans("醫囑離轉區鄉鎮衛動棄療級癒復穩", "医嘱离转区乡镇卫动弃疗级愈复稳")


@lru_cache(maxsize=4096)
def read_disposition(text: str, *, codes: bool = True) -> Disposition | None:
    """Return the way of leaving (离院方式) from the 4-1 code or from words; None if it is empty or unknown.

    ``codes=False`` for columns of outcome (转归), whose digits mean other things in every system: words only.
    """
    word = "".join(half_width(text).split()).translate(_TRADITIONAL)
    if re.fullmatch(r"\d{1,2}(?:\.0)?", word, re.ASCII):
        return _DISPOSITION_CODES.get(word.removesuffix(".0").lstrip("0")) if codes else None
    return next((code for pattern, code in _DISPOSITION_WORDS if re.search(pattern, word)), None)
