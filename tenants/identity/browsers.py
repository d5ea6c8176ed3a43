"""Browsers as people know them: two words from what a browser says it is (User-Agent)."""

from __future__ import annotations

import re

# The first that is found wins: most browsers name others too.
BROWSERS = (
    (r"MicroMessenger/(\d+)", "WeChat"),
    (r"Edg(?:e|A|iOS)?/(\d+)", "Edge"),
    (r"(?:OPR|Opera)/(\d+)", "Opera"),
    (r"Firefox/(\d+)", "Firefox"),
    (r"(?:Chrome|CriOS)/(\d+)", "Chrome"),
    (r"Version/(\d+)[\d.]* (?:Mobile/\S+ )?Safari", "Safari"),
)
SYSTEMS = (
    ("HarmonyOS", "HarmonyOS"),
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def name_of(user_agent: str) -> str:
    """`Chrome 141 · Windows`; what is not known is left out, and empty when nothing is."""
    system = next((name for sign, name in SYSTEMS if sign in user_agent), "")
    for pattern, name in BROWSERS:
        if found := re.search(pattern, user_agent):
            return " · ".join(part for part in (f"{name} {found[1]}", system) if part)
    return system
