"""What a page relies on: figures that a strict policy lets through and that say nothing by colour alone."""

from __future__ import annotations

import re
from decimal import Decimal
from xml.etree import ElementTree as ET

import altair as alt
import pytest

from foundation.documents.charts import (
    BarRow,
    IntervalRow,
    TrendPoint,
    Values,
    bars,
    interval_dots,
    line_trend,
)
from foundation.documents.figures import Figure, palette, to_svg
from foundation.documents.svg import UnsafeSvgError, clean_svg

SVG = "{http://www.w3.org/2000/svg}"
INDEX = Values("满意度指数", interval_title="95% 区间")


def _parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  our own figures


def _texts(figure: Figure) -> list[str]:
    return [element.text or "" for element in _parsed(figure.svg).iter(f"{SVG}text")]


def _trend(*points: TrendPoint, width: int = 640) -> Figure:
    return line_trend(
        points, INDEX, period_title="月份", alt_text="走势", target=90, target_title="目标", width=width
    )


def _dots(*rows: IntervalRow, width: int = 640) -> Figure:
    return interval_dots(
        rows,
        INDEX,
        label_title="医院",
        alt_text="对标",
        reference=86.1,
        reference_title="中位数",
        width=width,
    )


ALL = {
    "trend": _trend(TrendPoint("8月", 88, 86, 90), TrendPoint("9月", 88.4, 87, 90)),
    "dots": _dots(IntervalRow("本院", 88.4, 86.9, 89.9, own=True), IntervalRow("B", 83.3, 80.9, 85.7)),
    "bars": bars(
        [BarRow("等候", 42, "+6", strong=True), BarRow("费用", 31)],
        Values("件", digits=0),
        label_title="问题",
        alt_text="前三",
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_figures_pass_a_strict_policy(name: str) -> None:
    root = _parsed(ALL[name].svg)
    for element in root.iter():
        assert element.tag in {
            f"{SVG}{tag}" for tag in ("svg", "g", "path", "line", "text", "rect", "defs", "clipPath")
        }
        for attribute, value in element.attrib.items():
            assert attribute != "style"
            assert not attribute.startswith("on")
            assert "href" not in attribute
            assert "url(" not in value or value.startswith("url(#")
    assert root.get("role") == "img"
    assert root.get("aria-label") == ALL[name].alt
    assert "Noto Sans CJK SC" in ALL[name].svg


@pytest.mark.parametrize("width", [360, 640])
def test_a_figure_has_the_size_that_was_asked_for(width: int) -> None:
    for figure in (
        _trend(TrendPoint("9月", 88.4)),
        _dots(IntervalRow("一家名字很长的医院（东院区）", 88.4, 80, 95), width=width),
    ):
        root = _parsed(figure.svg)
        assert root.get("viewBox", "").split()[2] == root.get("width")
    assert _parsed(_trend(TrendPoint("9月", 88.4), width=width).svg).get("width") == str(width)


def test_the_same_figure_is_the_same_text_and_ids_of_two_never_meet() -> None:
    def clipped(value: float) -> str:
        data = alt.InlineData(values=[{"a": 0, "b": value}, {"a": 1, "b": value}])
        return to_svg(alt.Chart(data).mark_line(clip=True).encode(x="a:Q", y="b:Q"))

    first, again, other = clipped(1), clipped(1), clipped(2)
    assert first == again
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (first, other)]
    assert all(ids)
    assert not ids[0] & ids[1]
    assert re.findall(r"url\(#([^)]+)\)", first)[0] in ids[0]


def test_a_trend_names_its_target_its_last_value_and_every_number_in_its_table() -> None:
    figure = _trend(
        TrendPoint("7月", Decimal("87.25")),
        TrendPoint("8月", None, withheld="样本不足"),
        TrendPoint("9月", 88.4, 87, 90),
    )
    texts = _texts(figure)
    assert {"目标 90.0", "88.4", "满意度指数", "7月", "8月", "9月"} <= set(texts)
    assert figure.table.columns == ("月份", "满意度指数", "95% 区间")
    assert figure.table.rows == (
        ("7月", "87.3", "—"),
        ("8月", "样本不足", "—"),
        ("9月", "88.4", "87.0–90.0"),
        ("目标", "90.0", ""),
    )


def test_too_many_periods_keep_the_last_label_and_drop_others_evenly() -> None:
    figure = _trend(*(TrendPoint(f"2026-{month:02}", 80 + month) for month in range(1, 13)), width=360)
    shown = [text for text in _texts(figure) if text.startswith("2026-")]
    assert 2 <= len(shown) < 12
    assert shown[-1] == "2026-12"


def test_the_own_line_differs_by_shape_and_a_hidden_value_by_its_reason() -> None:
    figure = _dots(
        IntervalRow("本院", 88.4, 86.9, 89.9, own=True),
        IntervalRow("同级", 83.3, 80.9, 85.7),
        IntervalRow("骨科", None, withheld="样本不足"),
    )
    assert {"样本不足", "88.4  [86.9–89.9]", "中位数 86.1"} <= set(_texts(figure))
    marks = [
        element.get("d", "")
        for element in _parsed(figure.svg).iter(f"{SVG}path")
        if element.get("stroke") == palette()["paper"]
    ]
    assert len(marks) == 2
    assert sum("A" in path for path in marks) == 1  # one circle, one diamond
    assert figure.table.rows[2] == ("骨科", "样本不足", "—")


def test_two_lines_of_one_name_stay_two_lines() -> None:
    figure = _dots(IntervalRow("同级", 88.4), IntervalRow("同级", 83.3))
    assert [text for text in _texts(figure) if text == "同级"] == ["同级", "同级"]
    assert {"88.4", "83.3"} <= set(_texts(figure))


def test_a_strong_bar_has_a_sign_beside_its_colour() -> None:
    assert {"◆ 等候", "费用", "42  +6"} <= set(_texts(ALL["bars"]))


@pytest.mark.parametrize(
    "label", ["<script>alert(1)</script>", 'a"b&c', "');alert(1)//", "datum.v", "\x0b断\ud800"]
)
def test_labels_are_never_code(label: str) -> None:
    figure = _dots(IntervalRow(label, 88.4))
    assert any(text.startswith(label[:2].replace("\x0b", "□")) for text in _texts(figure))
    assert "<script" not in figure.svg


def test_nothing_to_show_is_still_a_figure() -> None:
    for figure in (_trend(), _dots(), _trend(TrendPoint("9月", None, withheld="样本不足"))):
        assert figure.svg.startswith("<svg")


def test_numbers_are_rounded_half_up_and_percents_carry_their_sign() -> None:
    assert INDEX.show(Decimal("88.45")) == "88.5"
    assert INDEX.show(0.25) == "0.3"
    assert Values("率", percent=True).show(0.9255) == "92.6%"
    assert Values("件", digits=0).show(1234) == "1,234"
    assert INDEX.show(None) == "—"


def test_foreign_svg_is_cut_down_to_what_is_allowed() -> None:
    dirty = (
        '<svg xmlns="http://www.w3.org/2000/svg" onload="x()"><style>*{}</style><script>x()</script>'
        '<a href="https://example.com"><text>a</text></a><image href="https://example.com/a.png"/>'
        '<g style="fill:red; background:url(https://example.com); stroke-width: 2" fill="url(https://example.com)">'
        '<foreignObject/><text onclick="x()">留</text></g></svg>'
    )
    assert clean_svg(dirty) == (
        '<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true">'
        '<g fill="red" stroke-width="2"><text>留</text></g></svg>'
    )


@pytest.mark.parametrize("text", ["", "<svg", "<html/>", '<!DOCTYPE svg [<!ENTITY a "b">]><svg/>'])
def test_what_is_no_svg_is_refused(text: str) -> None:
    with pytest.raises(UnsafeSvgError):
        clean_svg(text)
