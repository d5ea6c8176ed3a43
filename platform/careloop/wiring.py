"""Where a lower floor calls a higher one: every hook and panel of the product, in one visible list."""

from __future__ import annotations


def wire() -> None:
    """Register all hooks. Harmless twice: each registry keeps one entry per name."""
