"""The one template environment: every package's `templates` folder, strict about names, escaping all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from foundation import languages, messages
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


def masked_name(name: str) -> str:
    """`张建国` as `张**`: what lists show of a person (PIPL 51)."""
    return f"{name[:1]}**" if name else ""
