"""Names of groups, reasons and measures in the reader's language; a group's name comes from its own key
alone.
"""

from __future__ import annotations

from foundation.languages import current
from foundation.languages import gettext as _
from reporting import labels
from reporting.figures import Figure
from reporting.words import rounded
from tenants.labels import GRADES, HOSPITAL_TYPES
from tenants.regions import region_name


def measure_name(measure: str) -> str:
    """满意度, 满意率, …"""
    return _(labels.MEASURES[measure])


def group_name(level: str, key: str) -> str:
    """`同省（河北省）`, `同类同级（综合医院 · 三级甲等）`."""
    level_name, inside = _(labels.GROUPS[level]), _inside(level, key)
    if not inside:
        return level_name
    return f"{level_name}（{inside}）" if current() == "zh_Hans" else f"{level_name} ({inside})"


def _inside(level: str, key: str) -> str:
    if level == "province":
        return region_name(key)
    if level == "prefecture":
        return f"{region_name(key)} {key}"
    if level == "class":
        kind, _colon, grade = key.partition(":")
        return f"{class_part(HOSPITAL_TYPES, kind)} · {class_part(GRADES, grade)}"
    return key if level == "brand" else ""


def class_part(names: dict[str, str], key: str) -> str:
    """A type or grade by its name, an unknown one by its code."""
    return _(names[key]) if key in names else key


def group_number(figure: Figure, value: float | None) -> str:
    """A group's mean or median (0 to 100) as its members' own values are written."""
    shown = rounded(value)
    if shown is None:
        return "—"
    return f"{shown:f}%" if figure.kind == "share" else f"{shown:f}"
