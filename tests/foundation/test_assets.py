"""What the browser gets from others: complete, from this host alone, and drawn without styles of a page."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from foundation import assets

ROOT = Path(__file__).parents[2]
NAMED_ICON = re.compile(r"""\bicon\(\s*["']([a-z0-9-]+)["']""")


def drawing(folder: Path, name: str) -> None:
    """One icon file as the icon set has it: with a frame that is not drawn."""
    (folder / f"{name}.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" class="icon" width="24" height="24" viewBox="0 0 24 24"'
        ' stroke="currentColor"><path stroke="none" d="M0 0h24v24H0z" /><path d="M5 4h4" /></svg>',
        encoding="utf-8",
    )


def test_an_icon_becomes_a_symbol_of_its_name_that_scales_and_takes_the_texts_colour(tmp_path: Path) -> None:
    drawing(tmp_path, "phone")
    drawing(tmp_path, "bed")
    symbols = ET.fromstring(assets.sprite(["phone", "bed", "phone"], tmp_path))  # noqa: S314
    assert [symbol.get("id") for symbol in symbols] == ["bed", "phone"]
    for symbol in symbols:
        assert symbol.get("viewBox") == "0 0 24 24"
        assert symbol.get("stroke") == "currentColor"
        assert symbol.get("width") is None
        assert [path.get("d") for path in symbol] == ["M5 4h4"]


def test_an_unknown_icon_is_named(tmp_path: Path) -> None:
    with pytest.raises(assets.AssetError, match="phonne"):
        assets.sprite(["phonne"], tmp_path)


def test_what_would_fetch_from_elsewhere_is_taken_out() -> None:
    sheet = '@import url("https://fonts.example.com/x.css");a{color:red}\n/*# sourceMappingURL=a.css.map */'
    assert assets.servable(sheet).strip() == "a{color:red}"
    assert assets.servable("f();\n//# sourceMappingURL=f.js.map").strip() == "f();"


def test_the_built_style_sheet_fetches_nothing() -> None:
    sheet = (assets.VENDOR / "tabler.min.css").read_text(encoding="utf-8")
    assert "@import" not in sheet
    addresses = re.findall(r"url\(\s*[\"']?([^\"')]{0,40})", sheet)
    assert [address for address in addresses if not address.startswith(("data:", "#"))] == []


def test_every_icon_named_in_a_page_is_in_the_built_sprite() -> None:
    folders = [ROOT / name for name in ("tenants", "billing", "reporting", "platform")]
    pages = [path for folder in folders for path in folder.rglob("*.html")]
    used = {name for page in pages for name in NAMED_ICON.findall(page.read_text(encoding="utf-8"))}
    sprite = ET.parse(assets.VENDOR / "icons.svg").getroot()  # noqa: S314
    drawn = {symbol.get("id") for symbol in sprite}
    assert set(assets.ICONS) == drawn
    assert used - drawn == set()


def test_without_a_lock_it_says_so_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(assets.AssetError, match=r"package-lock\.json"):
        assets.install(tmp_path, tmp_path / "build")
    assert list(tmp_path.iterdir()) == []
