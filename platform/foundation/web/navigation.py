"""The left rail as data: which pages stand there, and which right opens each.

`careloop` registers the items in one visible list; the rail of a visit shows those that its rights open.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the rail.

    `label` is a marked message, `action` the right that opens it (the value of a `tenants.rights.Action`).
    `path` may hold `{code}`: it is then a page of one hospital, opened for the hospital on screen or the
    first one reached.
    With a `firm_path` the firm's people, who work over all hospitals, are led there instead.
    """

    key: str
    label: str
    icon: str
    action: str
    path: str
    firm_path: str | None = None


@dataclass(frozen=True, slots=True)
class RailLink:
    """An entry as it is drawn for one visit."""

    key: str
    label: str
    icon: str
    href: str


_items: list[Item] = []


def install(items: list[Item]) -> None:
    """Make these the entries of the rail, in this order."""
    _items[:] = items


def items() -> tuple[Item, ...]:
    """The entries of the rail."""
    return tuple(_items)
