"""What a reader of our PDF files relies on: the text is there, as typed, in our font, the same every time."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from foundation.documents.charts import IntervalRow, Values, interval_dots
from foundation.documents.typeset import DocumentError, render_pdf

SAMPLES = Path(__file__).parent / "documents_samples"

INVOICE: dict[str, Any] = {
    "title": "回访服务账单",
    "brand": "回环 CareLoop",
    "issuer": "恒康客服",
    "subtitle": "HK-HEQING-2026-09",
    "generated": "由回环生成",
    "state": "草稿",
    "facts": [["付款方", "河清市第一人民医院"], ["付款期限", "2026-10-26"]],
    "words": {"lines": "服务明细", "line": "项目", "patients": "患者数", "price": "单价", "amount": "金额"},
    "lines": [
        {"line": "上月结转", "patients": "1,240", "price": "12.50", "amount": "15,500.00"},
        {"line": "本月计费人月", "patients": "1,332", "price": "", "amount": "16,650.00", "strong": True},
    ],
    "sums": [["小计", "16,612.50"], ["应付合计", "17,609.25"]],
    "payment": {"title": "付款方式", "text": "电汇。\n附言注明账单号。"},
    "signatures": ["收款方（盖章）", "付款方（盖章）"],
}


def _reader(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf))


def _text(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in _reader(pdf).pages)


def _written(folder: Path, body: str, **data: object) -> str:
    template = folder / "sheet.typ"
    template.write_text('#import "/house.typ": *\n#show: house.with(title: "t")\n' + body, encoding="utf-8")
    return _text(render_pdf(template, data))


def _fonts(pdf: bytes) -> dict[str, bool]:
    """Font name to whether its file is embedded."""
    found = {}
    for page in _reader(pdf).pages:
        resources: Any = page["/Resources"]
        for reference in resources["/Font"].values():
            font = reference.get_object()
            below = font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
            found[str(font["/BaseFont"])] = any(key.startswith("/FontFile") for key in below)
    return found


def test_an_invoice_reads_as_it_was_given() -> None:
    pdf = render_pdf(SAMPLES / "invoice.typ", INVOICE)
    text = _text(pdf)
    for expected in (
        "回访服务账单",
        "河清市第一人民医院",
        "本月计费人月",
        "16,650.00",
        "17,609.25",
        "附言注明账单号。",
        "草稿",
        "1 / 1",
    ):
        assert expected in text
    about = _reader(pdf).metadata
    assert about is not None
    assert (about.title, about.author, about.creation_date) == ("回访服务账单", "回环 CareLoop", None)


def test_chinese_glyphs_are_embedded_from_our_font_alone() -> None:
    fonts = _fonts(render_pdf(SAMPLES / "invoice.typ", INVOICE))
    assert fonts
    assert all("NotoSansCJK" in name and embedded for name, embedded in fonts.items()), fonts


def test_the_same_input_gives_the_same_bytes_in_another_process_zone_and_language() -> None:
    here = render_pdf(SAMPLES / "invoice.typ", INVOICE)
    code = (
        "import json,sys; from foundation.documents.typeset import render_pdf;"
        "sys.stdout.buffer.write(render_pdf(sys.argv[1], json.loads(sys.stdin.read())))"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, str(SAMPLES / "invoice.typ")],
        input=json.dumps(INVOICE).encode(),
        env={**os.environ, "TZ": "America/Lima", "LANG": "C", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert there.stdout == here


@pytest.mark.parametrize(
    "name",
    [
        "#import",
        "#panic()",
        "*张*",
        "_李_",
        "$x^2$",
        "@ref",
        "<label>",
        "= 标题",
        "- 项",
        "\\u{41}",
        "C:\\新",
        "`raw`",
        "//x",
        "[a]#b{c}",
        "~",
        "𠮷野家",
        "䶮",
        '"引"',
    ],
)
def test_what_people_write_is_never_markup(tmp_path: Path, name: str) -> None:
    body = '#title-block(data.name)\n#data-table(((key: "a", title: data.name),), ((a: data.name),))'
    assert _written(tmp_path, body, name=name).count(name) == 2 + 1


def test_a_character_no_file_can_carry_is_shown_as_replaced(tmp_path: Path) -> None:
    assert "张□三□" in _written(tmp_path, "#data.name", name="张\x0b三\ud800")


def test_decimals_and_dates_arrive_as_text_and_lists_as_lists(tmp_path: Path) -> None:
    text = _written(
        tmp_path,
        "#data.rate, #data.day, #data.many.len()",
        rate=Decimal("1.50"),
        day=date(2026, 9, 1),
        many=(1, 2),
    )
    assert "1.50, 2026-09-01, 2" in text


def test_a_long_table_repeats_its_head_and_counts_its_pages(tmp_path: Path) -> None:
    template = tmp_path / "long.typ"
    template.write_text(
        '#import "/house.typ": *\n#show: house.with(title: "t")\n'
        '#data-table(((key: "a", title: "表头"), (key: "b", title: "数", numeric: true)), data.rows)',
        encoding="utf-8",
    )
    rows = [{"a": f"患者 {number}", "b": str(number)} for number in range(120)]
    pages = [page.extract_text() for page in _reader(render_pdf(template, {"rows": rows})).pages]
    assert len(pages) > 2
    assert all("表头" in page and f"{number} / {len(pages)}" in page for number, page in enumerate(pages, 1))
    assert "患者 119" in pages[-1]


def test_a_hidden_value_shows_its_reason_and_an_absent_one_a_dash(tmp_path: Path) -> None:
    body = '#data-table(((key: "a", title: "A"), (key: "b", title: "B")), data.rows)'
    text = _written(tmp_path, body, rows=[{"a": {"withheld": "样本不足"}, "b": None}])
    assert "样本不足" in text
    assert "—" in text


def test_a_figure_stands_in_the_document_as_text_with_its_alternative() -> None:
    figure = interval_dots(
        [IntervalRow("河清市第一人民医院", 88.4, 86.9, 89.9, own=True)],
        Values("指数"),
        label_title="医院",
        alt_text="本院 88.4",
    )
    data = {
        "title": "对标",
        "brand": "回环",
        "owner": "河清",
        "generated": "",
        "lang": "zh",
        "subtitle": None,
        "facts": [],
        "tiles": [{"label": "骨科", "value": "", "withheld": "样本不足"}, {"label": "n", "value": "412"}],
        "words": dict.fromkeys(
            ("trend", "trend_caption", "comparison", "interval_caption", "name", "n", "index", "interval"),
            "词",
        ),
        "rows": [],
        "method": "方法",
    }
    pdf = render_pdf(
        SAMPLES / "report.typ", data, images={"trend.svg": figure.image, "intervals.svg": figure.image}
    )
    assert "88.4 [86.9–89.9]" in _text(pdf)
    assert "样本不足" in _text(pdf)
    root: Any = _reader(pdf).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]


def test_mistakes_are_named(tmp_path: Path) -> None:
    template = tmp_path / "broken.typ"
    template.write_text('#import "/house.typ": *\n#data.missing', encoding="utf-8")
    with pytest.raises(DocumentError, match="missing"):
        render_pdf(template, {})
    with pytest.raises(DocumentError, match=r"absent\.typ"):
        render_pdf(tmp_path / "absent.typ", {})
    with pytest.raises(DocumentError, match="bytes"):
        render_pdf(template, {"missing": b"x"})
    with pytest.raises(DocumentError, match="image name"):
        render_pdf(template, {"missing": ""}, images={"../x.svg": b""})


def test_a_template_cannot_read_the_machine(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    template = tmp_path / "sheet.typ"
    template.write_text('#read("secret.txt")', encoding="utf-8")
    with pytest.raises(DocumentError):
        render_pdf(template, {})


def test_a_template_takes_parts_from_its_own_folder_but_no_name_of_the_house(tmp_path: Path) -> None:
    (tmp_path / "parts.typ").write_text("#let greeting = [部件]", encoding="utf-8")
    template = tmp_path / "main.typ"
    template.write_text(
        '#import "/parts.typ": greeting\n#set text(font: "Noto Sans CJK SC")\n#greeting', "utf-8"
    )
    assert "部件" in _text(render_pdf(str(template), {}))
    (tmp_path / "house.typ").write_text("", encoding="utf-8")
    with pytest.raises(DocumentError, match="house"):
        render_pdf(template, {})
