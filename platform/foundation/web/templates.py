"""The one template environment: every package's `templates` folder, strict about names, escaping all, and
masking the numbers of people in every text that is not `foundation.masking.Shown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from foundation import languages, messages
from foundation.masking import mask_numbers, masked_name
from foundation.web import context
from foundation.web.static import static_url


@cache
def environment() -> Environment:
    """Made once a process. The macros of `kit.html` are there as `kit`, and `csrf()` by itself."""
    loaders = [FileSystemLoader(folder / "templates") for folder in messages.folders().values()]
    made = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_masked,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    made.globals.update(
        {
            "_": languages.gettext,
            "gettext": languages.gettext,
            "ngettext": languages.ngettext,
            "language": languages.current,
            "request": context.facts,
            "static": static_url,
            "time_left": languages.format_time_left,
        }
    )
    made.filters.update(
        {
            "bilingual": languages.bilingual,
            "localtime": languages.format_datetime,
            "localday": languages.format_day,
            "localdate": languages.format_date,
            "localmonth": languages.format_month,
            "clock": languages.format_clock,
            "duration": languages.format_duration,
            "money": languages.format_money,
            "percent": languages.format_percent,
            "number": languages.format_number,
            "masked_name": masked_name,
        }
    )
    kit = made.get_template("kit.html").module
    made.globals.update({"kit": kit, "csrf": kit.csrf})  # type: ignore[attr-defined]
    return made


def render(name: str, values: Mapping[str, Any]) -> str:
    """The text of a template; raises jinja2's errors, an undefined name included."""
    return environment().get_template(name).render(values)


def _masked(value: Any) -> Any:
    """What a template prints: markup went through here when it was made, everything else is no text."""
    return mask_numbers(value) if isinstance(value, str) and not isinstance(value, Markup) else value
