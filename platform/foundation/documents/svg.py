"""SVG made fit to stand inside a page with a strict Content-Security-Policy (内容安全策略).

A renderer's SVG carries class names, roles, style attributes and clip ids from a counter. Inline style is
refused by the policy, and ids of two figures on one page would meet. What leaves here is made of an
allow-list of elements and attributes, styles rewritten as presentation attributes, ids derived from the
content, and one text for readers who cannot see the picture.
"""

from __future__ import annotations

import hashlib
import re
from xml.etree import ElementTree as ET

from foundation.documents.text import fit

_SVG = "http://www.w3.org/2000/svg"

_ELEMENTS = frozenset(
    "svg g path rect line circle ellipse polygon polyline text tspan defs clipPath linearGradient"
    " radialGradient stop".split()
)
_PRESENTATION = frozenset(
    "fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-dashoffset"
    " stroke-linecap stroke-linejoin stroke-miterlimit opacity font-family font-size font-style font-weight"
    " font-variant text-anchor dominant-baseline letter-spacing clip-path clip-rule stop-color stop-opacity"
    " visibility display".split()
)
_ATTRIBUTES = _PRESENTATION | frozenset(
    "id d x y x1 y1 x2 y2 dx dy cx cy r rx ry width height points transform viewBox offset gradientUnits"
    " gradientTransform clipPathUnits preserveAspectRatio".split()
)
_LOCAL_URL = re.compile(r"url\(\s*['\"]?#([^)'\"\s]+)['\"]?\s*\)")
_FAR_URL = re.compile(r"url\(\s*['\"]?(?!#)", re.IGNORECASE)


class UnsafeSvgError(ValueError):
    """The text is no well-formed SVG."""


def clean_svg(source: str, *, alt: str = "") -> str:
    """`source` with only allowed elements and attributes, for inlining in a page or a document.

    `alt` becomes the image's accessible name (`role="img"`, `aria-label`); without it the figure is hidden
    from screen readers, for a caller who puts a table beside it. The same source gives the same text.
    Raises `UnsafeSvgError`.
    """
    if "<!DOCTYPE" in source or "<!ENTITY" in source:
        raise UnsafeSvgError("a document type is not allowed")
    try:
        root = ET.fromstring(fit(source))  # noqa: S314  no document type, so no entities
    except ET.ParseError as error:
        raise UnsafeSvgError(f"not well-formed: {error}") from None
    if root.tag != f"{{{_SVG}}}svg":
        raise UnsafeSvgError("the outermost element is not svg")
    _strip(root)
    _rename_ids(root)
    root.set("xmlns", _SVG)
    if alt:
        root.set("role", "img")
        root.set("aria-label", fit(alt))
    else:
        root.set("aria-hidden", "true")
    return ET.tostring(root, encoding="unicode")


def _strip(element: ET.Element) -> None:
    """Remove what is not allowed from `element` and below, and make its style and name plain."""
    element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
    for name, value in _declarations(element.attrib.pop("style", "")):
        element.set(name, value)
    for name in list(element.attrib):
        if name not in _ATTRIBUTES or _FAR_URL.search(element.attrib[name]):
            del element.attrib[name]
    for child in list(element):
        if child.tag.removeprefix(f"{{{_SVG}}}") not in _ELEMENTS or _draws_nothing(child):
            element.remove(child)
        else:
            _strip(child)


def _draws_nothing(element: ET.Element) -> bool:
    """Empty frames that the renderer leaves for its interactive twin."""
    return element.tag == f"{{{_SVG}}}path" and element.get("d", "") in ("", "M0,0h0v0h0Z")


def _declarations(style: str) -> list[tuple[str, str]]:
    pairs = (part.partition(":") for part in style.split(";"))
    return [
        (name.strip().lower(), value.strip())
        for name, _, value in pairs
        if name.strip().lower() in _PRESENTATION
    ]


def _rename_ids(root: ET.Element) -> None:
    """Give every id a name from the picture's content, so that figures on one page never share one."""
    named = [element for element in root.iter() if "id" in element.attrib]
    order = {element.attrib["id"]: f"{index}" for index, element in enumerate(named)}
    _replace_ids(root, order)
    digest = hashlib.sha256(ET.tostring(root)).hexdigest()[:12]
    _replace_ids(root, {index: f"f{digest}-{index}" for index in order.values()})


def _replace_ids(root: ET.Element, names: dict[str, str]) -> None:
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, names[value])
            elif "url(" in value:
                element.set(name, _LOCAL_URL.sub(lambda hit: f"url(#{names.get(hit[1], hit[1])})", value))
