"""White label: what a logo may be, who sees whose brand, and that a document carries it."""

from __future__ import annotations

import io
import struct
import zlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from billing import document, queries, service
from foundation.scope import Actor, PlatformScope
from foundation.web.errors import UserMistake
from tenants.labels import COLOURS
from tenants.life import branding, logos, stages
from tenants.life.branding import BrandFace, NewBrand
from tenants.models import Brand


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


HEAD, END = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")


def head(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def png(width: int = 120, height: int = 40) -> bytes:
    """A grey picture of this size."""
    rows = b"".join(b"\0" + b"\x80" * width for _ in range(height))
    return HEAD + head(width, height) + chunk(b"IDAT", zlib.compress(rows)) + END


FRAME = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 30, 90) + b"\x01\x01\x11\x00"
SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x12\x34\xff\x00\x56"
APP = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
JPEG = b"\xff\xd8" + APP + FRAME + SCAN + b"\xff\xd9"


def riff(*parts: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in parts
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


LOSSLESS = b"\x2f" + struct.pack("<I", 89 | 29 << 14) + b"\0" * 4
EXTENDED = b"\x10\x00\x00\x00" + b"\x59\x00\x00" + b"\x1d\x00\x00"
WEBP = riff((b"VP8X", EXTENDED), (b"VP8L", LOSSLESS))
SCRIPT = b"<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (png(), logos.Picture("image/png", 120, 40)),
        (JPEG, logos.Picture("image/jpeg", 90, 30)),
        (WEBP, logos.Picture("image/webp", 90, 30)),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", None),
        (b"<html><script>alert(1)</script>", None),
        (b"GIF89a" + b"\0" * 20, None),
        (riff((b"VP8L", LOSSLESS)), logos.Picture("image/webp", 90, 30)),
        (png()[:40], None),
        (png() + SCRIPT, None),
        (png() + b"\0", None),
        (png()[: -len(END)] + SCRIPT + END, None),
        (HEAD + SCRIPT + png()[len(HEAD) :], None),
        (HEAD + head(9, 9) + END, None),
        (HEAD + head(9, 9) + chunk(b"IDAT", SCRIPT) + END, None),
        (HEAD + head(9, 9) + SCRIPT * 4 + END, None),
        (png().replace(b"IDAT", b"IDAU"), None),
        (JPEG + SCRIPT, None),
        (JPEG + SCRIPT + b"\xff\xd9", None),
        (JPEG[:-2], None),
        (b"\xff\xd8" + APP + SCAN + b"\xff\xd9", None),
        (b"\xff\xd8" + APP + FRAME + b"\xff\xd9", None),
        (WEBP + SCRIPT, None),
        (riff(), None),
        (riff((b"VP8X", EXTENDED)), None),
        (riff((b"VP8L", b"")), None),
        (riff((b"VP8 ", SCRIPT)), None),
        (WEBP[:-1], None),
        (b"", None),
    ],
)
def test_a_picture_is_known_by_what_it_is(content: bytes, found: logos.Picture | None) -> None:
    assert logos.read(content) == found


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF....WEBP"])
)
def test_no_file_breaks_the_check(content: bytes, head: bytes) -> None:
    found = logos.read(head + content)
    assert found is None or found.media_type in logos.MEDIA_TYPES


@pytest.mark.parametrize("content", [png(1025, 10), png(10, 1025), png() + b"\0" * logos.MOST_BYTES, b"text"])
def test_what_is_too_large_or_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(UserMistake):
        logos.check(content)


def upload(browser: Browser, path: str, content: bytes, **fields: str) -> int:
    """Send the form with a file; the status."""
    form = {"_csrf_token": browser.token(), **fields}
    sent = browser.client.post(
        path, data=form, files={"logo": ("logo.svg", content, "image/svg+xml")}, follow_redirects=False
    )
    return sent.status_code


def test_the_firm_s_people_see_the_firm_s_brand_and_the_hospital_s_theirs(world: World) -> None:
    with browsing(world.db) as browser:
        browser.enter(world.people["firm_gm"])
        assert "回环" in browser.get("/firm/brand").text
        fields = {"shown_name": "恒康关怀", "shown_name_en": "Hengkang Cares", "colour": "purple"}
        assert upload(browser, "/firm/brand", png(), **fields) == 303
        browser.enter(world.people["heqing_admin"])
        assert upload(browser, "/h/heqing/brand", b"", shown_name="和清随访", colour="red") == 303
        seen = {}
        for who, path in (("firm_gm", "/firm/brand"), ("heqing_admin", "/h/heqing/brand")):
            page = browser.enter(world.people[who]).get(path).text
            head = page.split('<nav class="cl-rail"')[1].split("<ul>")[0]
            seen[who] = [
                word
                for word in ("恒康关怀", "和清随访", "cl-hue-purple", "cl-hue-red", "/logo?v=")
                if word in head
            ]
        yunling = browser.enter(world.people["yunling_admin"]).get("/h/yunling/brand").text
    assert seen == {
        "firm_gm": ["恒康关怀", "cl-hue-purple", "/logo?v="],
        "heqing_admin": ["和清随访", "cl-hue-red"],
    }
    assert "恒康关怀" not in yunling.split("<main")[0]


def test_a_logo_is_served_for_ever_under_its_version_and_can_do_nothing(world: World) -> None:
    with world.hospital(world.heqing) as session:
        branding.save(session, "heqing", NewBrand("和清", "", "", logo=png()), now=NOW)
        address = branding.faces(session, ["heqing"])["heqing"].logo
    with browsing(world.db) as browser:  # nobody is signed in
        answer = browser.get(address)
        assert (answer.status_code, answer.content) == (200, png())
        assert browser.get("/brand/yunling/logo").status_code == 404
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_logo_that_is_none_changes_nothing(world: World) -> None:
    with browsing(world.db) as browser:
        browser.enter(world.people["heqing_admin"])
        assert upload(browser, "/h/heqing/brand", b"<svg/>", shown_name="X") == 422
        assert upload(browser, "/h/heqing/brand", b"", colour="mauve") == 422
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(Brand)).all() == []


def test_only_whoever_manages_the_brand_reaches_the_page(world: World) -> None:
    with browsing(world.db) as browser:
        answers = [
            browser.enter(world.people[who]).get(path).status_code
            for who, path in (
                ("heqing_gm", "/h/heqing/brand"),
                ("heqing_admin", "/firm/brand"),
                ("yunling_admin", "/h/heqing/brand"),
            )
        ]
    assert answers == [403, 403, 404]


def test_before_the_sign_in_a_code_shows_its_brand_or_its_name(world: World) -> None:
    assert branding.face(world.db, "heqing") == BrandFace("heqing", "河清市第一人民医院", "Heqing Hospital")
    assert branding.face(world.db, "nobody") is None
    with world.hospital(world.heqing) as session:
        branding.save(session, "heqing", NewBrand("和清随访", "", "lime"), now=NOW)
    assert branding.face(world.db, "heqing") == BrandFace("heqing", "和清随访", "", "lime")


def test_an_invoice_carries_the_firm_s_brand_and_the_seller_s_legal_name(world: World) -> None:
    with world.firm() as firm:
        branding.save(firm, "hk", NewBrand("恒康关怀", "", "", logo=png()), now=NOW)
    with world.hospital(world.heqing) as session:
        terms = service.Terms(seller=service.Seller("恒康医疗服务有限公司"))
        service.ensure_contract(session, starts_on=date(2026, 8, 1), now=NOW, terms=terms)
        invoice = service.close_month(session, date(2026, 8, 1), now=NOW)
        found = queries.statement(session, invoice)
        head = queries.head_of(session, found)
        pdf = document.invoice_pdf(found, "zh_Hans", now=NOW, head=head)
    page = PdfReader(io.BytesIO(pdf)).pages[0]
    text = page.extract_text()
    assert "恒康关怀" in text
    assert "恒康医疗服务有限公司" in text
    assert "回环" not in text
    assert len(page.images) == 1


def test_all_colours_have_a_name_and_a_hospital_that_has_left_no_brand(world: World) -> None:
    assert tuple(branding.COLOUR_NAMES) == COLOURS
    with world.hospital(world.heqing) as session:
        branding.save(session, "heqing", NewBrand("和清", "", "red"), now=NOW)
        stages.change(session, "leaving", reason="", now=NOW)
        stages.change(session, "left", reason="", now=NOW)
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        assert branding.faces(session, ["heqing"]) == {}
