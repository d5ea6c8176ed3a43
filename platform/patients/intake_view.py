"""What a page shows of a checked file: its first rows before and after, all people by mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from foundation.masking import mask_numbers, masked_name
from patients.feeds.headers import Layout
from patients.feeds.table import Cells
from patients.phones import mask_phone

Mask = Callable[[str], str]


def mask_id(number: str) -> str:
    """An ID number of any length by its first and its last place."""
    return f"{number[:1]}{'*' * max(0, len(number) - 2)}{number[-1:]}" if len(number) > 1 else "*"


# Fields by which a person is known, and how each is shown.
MASKS: dict[str, Mask] = {
    "name": masked_name,
    "contact_name": masked_name,
    "phone": mask_phone,
    "contact_phone": mask_phone,
    "id_number": mask_id,
}
# What is shown of a row, in this order.
SHOWN = (
    "name",
    "sex",
    "age",
    "birth_date",
    "id_number",
    "phone",
    "contact_name",
    "contact_relation",
    "contact_phone",
    "admitted_on",
    "discharged_on",
    "department",
    "ward",
    "doctor",
    "diagnosis",
    "diagnosis_code",
    "disposition",
)


def sent(header: Cells, layout: Layout, cells: Cells) -> list[list[str]]:
    """Heading and masked cell for each column that is kept: a column read past is not shown."""
    masks = {place: MASKS.get(field) for field, places in layout.columns.items() for place in places}
    lines = []
    for place in sorted(masks):
        if place < len(cells) and place < len(header):
            mask, cell = masks[place], cells[place].strip()
            lines.append([header[place], mask(cell) if mask and cell else mask_numbers(cell)])
    return lines


def understood(values: Mapping[str, Any] | None) -> dict[str, str]:
    """A row's fields as texts, the persons by mask; those without a value are left out."""
    if values is None:
        return {}
    found = {}
    for field in SHOWN:
        value = values.get(field)
        if value is None or value == "":
            continue
        text = value.isoformat() if isinstance(value, date) else str(value)
        mask = MASKS.get(field)
        found[field] = mask(text) if mask else mask_numbers(text)
    return found
