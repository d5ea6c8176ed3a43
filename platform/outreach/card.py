"""The panels of the call card: what higher floors put between the script and the outcome (问卷, 反馈,
满意度).

A panel has a template of its own package and says for which task it applies; `careloop` registers them in one
list. Below the card stand the panels in the order of registration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from foundation import messages
from foundation.database import HospitalSession
from outreach.models import ContactTask

Place = Literal["card", "dialog"]


def _always(_session: HospitalSession, _task: ContactTask) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `context(session, task, language)` gives the values of its template.

    `place="dialog"` is opened over the card by its key instead of standing on it (F7 opens `feedback`).
    """

    name: str
    template: str
    applies: Callable[[HospitalSession, ContactTask], bool] = _always
    context: Callable[[HospitalSession, ContactTask, str], dict[str, Any]] = field(
        default=lambda _session, _task, _language: {}
    )
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class ShownPanel:
    """A panel that applies, with its values."""

    name: str
    template: str
    values: dict[str, Any]


_panels: dict[str, Panel] = {}
DIALOGS = frozenset({"feedback"})


def register_panel(panel: Panel) -> None:
    """Add a panel, or replace the one of the same name."""
    _panels[panel.name] = panel


def shown_panels(session: HospitalSession, task: ContactTask, language: str) -> list[ShownPanel]:
    """The panels standing on the card of this task."""
    return [
        ShownPanel(panel.name, panel.template, panel.context(session, task, language))
        for panel in _panels.values()
        if not _is_dialog(panel) and panel.applies(session, task)
    ]


def panel_files() -> list[str]:
    """The style sheets and scripts of the packages whose panels are registered: `<room>/<room>.css`,
    `.js`.
    """
    rooms = dict.fromkeys(panel.template.partition("/")[0] for panel in _panels.values())
    folders = messages.folders()
    return [
        f"{room}/{room}{ending}"
        for room in rooms
        for ending in (".css", ".js")
        if room in folders and (folders[room] / "static" / f"{room}{ending}").is_file()
    ]


def has_dialog(name: str) -> bool:
    """Whether a panel of this name opens over the card."""
    return name in _panels and _is_dialog(_panels[name])


def dialog(session: HospitalSession, task: ContactTask, name: str, language: str) -> ShownPanel | None:
    """The panel opened over the card by its name, when it applies to this task."""
    panel = _panels.get(name)
    if panel is None or not _is_dialog(panel) or not panel.applies(session, task):
        return None
    return ShownPanel(panel.name, panel.template, panel.context(session, task, language))


def _is_dialog(panel: Panel) -> bool:
    return panel.place == "dialog" if panel.place is not None else panel.name in DIALOGS
