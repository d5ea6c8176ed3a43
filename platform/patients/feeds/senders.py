"""Whose file this is: a hospital's name in a title above the header, or in a column of such names.

A list sent for another hospital would put strangers' illnesses before this hospital's callers. Nothing is
refused for it: two hospitals may share a name, and a title may say anything; but somebody is to look.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import islice

from patients.feeds.headers import plain_heading
from patients.feeds.table import Skipped, Table

_COLUMNS = frozenset(
    {"USERNAME", "JGMC", "YLJGMC", "医院名称", "医疗机构名称", "机构名称", "医院", "医疗机构", "就诊医院"}
)
_LOOKED_AT = 20  # rows
# A name ends with what it is; `…医院信息系统` is the name of a program.
_NAME = re.compile(
    r"[\u4e00-\u9fff()]{2,40}?(?:医院|保健院|卫生院|卫生服务中心|医疗中心|急救中心|体检中心|疗养院)"
    r"(?!\s*(?:信息|管理|系统|病案|统计系统|感染))"
)
_PLACE = re.compile(r"[省市县区州盟旗]")
_SIMPLIFIED = str.maketrans("醫婦東廣華縣區鄉鎮衛療協", "医妇东广华县区乡镇卫疗协")


def named_hospital(table: Table, skipped: Sequence[Skipped]) -> str:
    """The hospital that a file itself names, empty for none: in a column of names, else above the header.

    `skipped` are the lines that are no patients; the first rows are read once more.
    """
    first = [cells for _, cells in islice(table.rows, _LOOKED_AT)]
    for index, heading in enumerate(table.header):
        if plain_heading(heading) in _COLUMNS:
            names = {cells[index].strip() for cells in first if index < len(cells)} - {""}
            found = _find(names.pop()) if len(names) == 1 else ""
            if found:
                return found
    return next(filter(None, map(_in_title, skipped)), "")


def hospital_in(text: str) -> str:
    """The hospital's name in a text, empty where none stands there: a code or a short name is none."""
    return _find(text)


def is_other(named: str, hospital: str) -> bool:
    """Whether the name in a file clearly is not the hospital's: neither is a short form of the other."""
    ours, theirs = _plain(hospital), _plain(named)
    if not ours or not theirs:
        return False
    return not (_short_of(theirs, ours) or _short_of(ours, theirs))


def _in_title(skipped: Skipped) -> str:
    return _find(skipped.text) if skipped.reason == "above_header" else ""


def _find(text: str) -> str:
    found = _NAME.search(unicodedata.normalize("NFKC", text).translate(_SIMPLIFIED))
    return found[0].lstrip("年月日度") if found else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s()（）·]", "", unicodedata.normalize("NFKC", name).translate(_SIMPLIFIED))


def _short_of(short: str, long: str) -> bool:
    """Whether the characters of one stand in the other in this order: 河清一院 is 河清市第一人民医院."""
    short = _PLACE.sub("", short)
    rest = iter(_PLACE.sub("", long))
    return all(character in rest for character in short)
