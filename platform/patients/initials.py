"""The initials of a name in pinyin (拼音首字母), by which people search: 王小明 is `wxm`."""

from __future__ import annotations

from functools import lru_cache

from pypinyin import Style, lazy_pinyin

LONGEST = 32  # letters; no name of a person needs more to be found


@lru_cache(maxsize=50_000)
def _of_character(character: str) -> str:
    if character.isascii():
        return character.lower() if character.isalnum() else ""
    found = lazy_pinyin(character, style=Style.FIRST_LETTER, errors="ignore")
    return found[0][:1].lower() if found and found[0] else ""


def initials_of(name: str) -> str:
    """The letters by which this name is found, lower case; a character without pinyin gives none.

    A family name with several readings (单, 曾, 解) is found by its commonest; the full name finds it anyway.
    """
    return "".join(map(_of_character, name))[:LONGEST]
