"""Columns chosen by hand (列对应): what a person is shown of a file, and what they chose.

Examples are masked: a column nobody knows may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from patients import intake_labels, labels
from patients.feeds.headers import FIELDS, field_of
from patients.feeds.table import Cells, Table
from patients.layouts import headings

EXAMPLES = 3
EXAMPLE_ROWS = 30
# Without one of each group no row can be kept: who, what they are called, and when.
REQUIRED = (("record_number",), ("name",), ("discharged_on", "visited_on"))
_DAY = re.compile(r"\d{4}[-/.年]?\d{1,2}[-/.月]?\d{1,2}日?( \d{1,2}:\d{2}(:\d{2})?)?")
_ISO_WIDTH = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file: its name, a few masked values, and the field it seems to hold ('' for none)."""

    index: int
    name: str
    examples: tuple[str, ...]
    field: str


def masked_example(text: str) -> str:
    """A value nobody can be known by: days and codes of three places as they are, of all else the ends."""
    text = text.strip()
    if len(text) <= 1 or _DAY.fullmatch(text):
        return text
    if text.isascii() and len(text) <= 3:
        return text
    if text.isdigit() and len(text) >= _ISO_WIDTH:
        return f"{text[:3]}****{text[-2:]}"
    return f"{text[:1]}**{text[-1] if len(text) > 4 else ''}"


def examples(table: Table) -> list[list[str]]:
    """For each column up to three different masked values from the first rows. Raises `UnreadableFile`."""
    found: list[list[str]] = [[] for _name in headings(table.header)]
    for _number, cells in islice(table.rows, EXAMPLE_ROWS):
        for values, cell in zip(found, cells, strict=False):
            shown = masked_example(cell[:80])
            if shown and shown not in values and len(values) < EXAMPLES:
                values.append(shown)
    return found


def columns(
    names: Sequence[str], shown: Sequence[Sequence[str]], before: Mapping[str, Sequence[str]]
) -> list[Column]:
    """What a person chooses from; `before` (field → names) is what was chosen for a similar header.

    Of what is recognised and what was chosen before the latter counts; a field is proposed once.
    """
    proposed = _recognised(names)
    proposed |= {held[0]: field for field, held in before.items() if held and held[0] in names}
    taken: set[str] = set()
    found = []
    for index, name in enumerate(names):
        field = proposed.get(name, "")
        found.append(
            Column(
                index,
                name,
                tuple(shown[index]) if index < len(shown) else (),
                "" if field in taken else field,
            )
        )
        taken.add(field)
    return found


def _recognised(names: Sequence[str]) -> dict[str, str]:
    """Name of a column → field, for the headings that are known; a repeated one counts once."""
    return {name: field for name in names if (field := field_of(name)) is not None}


def chosen(names: Sequence[str], picks: Mapping[int, str]) -> dict[str, str]:
    """Field → name of its column, from a field for each column ('' for none).

    Raises `UserMistake`: two columns for one field, a field that is none, one that is required and missing.
    """
    found: dict[str, str] = {}
    for index, field in sorted(picks.items()):
        if not field:
            continue
        if field not in FIELDS or not 0 <= index < len(names):
            raise UserMistake(_("Please choose one of the fields."))
        if field in found:
            raise UserMistake(
                _(
                    "Two columns were chosen for {field}: “{first}” and “{second}”. Which one counts?",
                    field=labels.of(intake_labels.FIELDS, field),
                    first=found[field],
                    second=names[index],
                )
            )
        found[field] = names[index]
    _complete(found)
    return found


def given(header: Cells, columns: Mapping[str, str]) -> dict[str, str]:
    """The same for columns that a program names, field → heading. Raises `UserMistake`."""
    names = headings(header)
    picks: dict[int, str] = {}
    for field, heading in columns.items():
        if field not in FIELDS:
            raise UserMistake(
                _(
                    "There is no field {field}; the fields are {fields}.",
                    field=field[:40],
                    fields=", ".join(FIELDS),
                )
            )
        if heading not in names:
            raise UserMistake(_("The file has no column “{heading}”.", heading=heading[:80]))
        place = names.index(heading)
        if place in picks:
            raise UserMistake(_("One column was named for two fields: “{heading}”.", heading=heading[:80]))
        picks[place] = field
    return chosen(names, picks)


def from_json(text: str) -> dict[str, str]:
    """Field → heading from a JSON object; raises `UserMistake`."""
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise UserMistake(_("The columns are given as a JSON object of field and heading.")) from error


def _complete(found: Mapping[str, str]) -> None:
    missing = [group for group in REQUIRED if not any(field in found for field in group)]
    if missing:
        words = [" / ".join(labels.of(intake_labels.FIELDS, field) for field in group) for group in missing]
        raise UserMistake(_("Please choose a column for: {missing}.", missing=", ".join(words)))
