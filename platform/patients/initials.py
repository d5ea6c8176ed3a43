"""The initials of a name in pinyin (拼音首字母), by which people search: 王小明 is `wxm`."""

from __future__ import annotations

from functools import lru_cache

from pypinyin import Style, lazy_pinyin

LONGEST = 32  # letters; no name of a person needs more to be found
# Characters that are read otherwise where they are a family name (姓氏异读): 单 is Shan, 仇 is Qiu.
FAMILY = {
    "单": "s",
    "曾": "z",
    "解": "x",
    "仇": "q",
    "区": "o",
    "查": "z",
    "翟": "z",
    "乐": "y",
    "繁": "p",
    "召": "s",
    "折": "s",
    "秘": "b",
    "种": "c",
    "祭": "z",
    "覃": "q",
    "隗": "w",
    "乜": "n",
    "郇": "x",
    "阚": "k",
    "朴": "p",
    "缪": "m",
    "华": "h",
    "任": "r",
    "盖": "g",
    "尉迟": "yc",
    "万俟": "mq",
    "长孙": "zs",
    "单于": "cy",
    "澹台": "tt",
}


@lru_cache(maxsize=50_000)
def _of_character(character: str) -> str:
    if character.isascii():
        return character.lower() if character.isalnum() else ""
    found = lazy_pinyin(character, style=Style.FIRST_LETTER, errors="ignore")
    return found[0][:1].lower() if found and found[0] else ""


def initials_of(name: str) -> str:
    """The letters by which this name is found, lower case; a character without pinyin gives none.

    The family name has its own reading (`FAMILY`); one with several is found by its commonest, and the full
    name finds it anyway.
    """
    family = next((name[:length] for length in (2, 1) if name[:length] in FAMILY), "")
    return (FAMILY.get(family, "") + "".join(map(_of_character, name[len(family) :])))[:LONGEST]
