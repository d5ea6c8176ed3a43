"""Which column holds which field: the national 4-1 front page, Chinese headings and their common variants.

Fields nobody needs for follow-up (address, ethnic group, cost, …) have no name here, so they cannot be kept:
minimum necessary, PIPL 6.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from patients.feeds.messages import UnreadableFile
from patients.feeds.table import Cells

Visit = Literal["inpatient", "outpatient"]

# The national inpatient front-page export (住院病案首页, 附件 4-1). The doctor in charge comes first.
_HQMS41: dict[str, tuple[str, ...]] = {
    "record_number": ("BAH",),
    "admission_count": ("ZYCS",),
    "name": ("XM",),
    "sex": ("XB",),
    "birth_date": ("CSRQ",),
    "age": ("NL",),
    "id_number": ("SFZH",),
    "phone": ("DH",),
    "contact_name": ("LXRXM",),
    "contact_relation": ("GX",),
    "contact_phone": ("DH2",),
    "admitted_on": ("RYSJ",),
    "discharged_on": ("CYSJ",),
    "department": ("CYKB",),
    "ward": ("CYBF",),
    "doctor": ("ZZYS", "ZYYS", "ZRYS"),
    "diagnosis": ("ZYZD",),
    "diagnosis_code": ("JBDM",),
    "disposition": ("LYFS",),
}

# Chinese headings, the surest first; the first is also the name by which a missing column is asked for.
_CHINESE: dict[str, tuple[str, ...]] = {
    field: tuple(headings.split())
    for field, headings in {
        "record_number": (
            "病案号 住院号 病历号 住院病历号 病案编号 病案号码 住院号码 门诊号 门诊病历号 门诊号码 就诊号 "
            "就诊流水号 就诊编号 就诊卡号 诊疗卡号 登记号 患者编号 患者ID 病人ID 病人编号"
        ),
        "admission_count": "住院次数 入院次数 第几次住院 住院次 次数 就诊次数 门诊次数",
        "name": "姓名 患者姓名 病人姓名 患者 病人",
        "sex": "性别 患者性别 病人性别",
        "birth_date": "出生日期 出生年月日 生日 出生年月 患者出生日期",
        "age": "年龄 患者年龄 年龄岁 实足年龄 就诊年龄 入院年龄",
        "id_number": "身份证号 身份证号码 身份证 证件号码 证件号 公民身份号码 居民身份证号 患者身份证号",
        "phone": (
            "手机号 手机号码 手机 联系电话 患者电话 本人电话 患者联系电话 本人联系电话 患者手机号 "
            "患者手机 联系方式 电话 电话号码 联系号码 联络电话 移动电话 家庭电话 住宅电话 固定电话"
        ),
        "contact_name": "联系人姓名 联系人 家属姓名 紧急联系人 紧急联系人姓名 监护人姓名 监护人 家属",
        "contact_relation": (
            "与患者关系 联系人关系 关系 与病人关系 与联系人关系 联系人与患者关系 家属关系 与本人关系 "
            "紧急联系人关系"
        ),
        "contact_phone": (
            "联系人电话 联系人联系电话 联系人手机 联系人手机号 联系人电话号码 家属电话 家属联系电话 "
            "紧急联系人电话 监护人电话 家属手机号 紧急联系电话"
        ),
        "admitted_on": "入院日期 入院时间 住院日期 入院日 入科日期",
        "discharged_on": "出院日期 出院时间 出院日 离院日期 离院时间",
        "visited_on": "就诊日期 就诊时间 门诊日期 接诊日期 接诊时间 挂号日期 挂号时间 看诊日期",
        "department": (
            "出院科室 出院科别 出院科室名称 就诊科室 就诊科室名称 科室 科别 科室名称 所在科室 住院科室 "
            "挂号科室 接诊科室"
        ),
        "ward": "出院病区 病区 病房 出院病房 所在病区 病区名称 护理单元",
        "doctor": (
            "主治医师 主治医生 主管医师 主管医生 经治医师 经治医生 管床医生 管床医师 责任医生 责任医师 "
            "接诊医生 接诊医师 就诊医生 就诊医师 医生 医师 医生姓名 医师姓名 住院医师 住院医生 门诊医生"
        ),
        "diagnosis": "主要诊断 出院主要诊断 出院诊断 诊断 主诊断 诊断名称 主要诊断名称 门诊诊断 就诊诊断",
        "diagnosis_code": "主要诊断编码 疾病编码 诊断编码 主诊断编码 ICD编码 ICD10编码 ICD10 出院诊断编码",
        "disposition": "离院方式 出院方式 离院情况",
        "outcome": "转归 出院情况 出院转归 治疗结果 转归情况 出院状态 疗效",
    }.items()
}
FIELDS = tuple(_CHINESE)
# The kind of data (个人信息种类, `tenants.life.agreement.FIELDS`) that each field belongs to.
KINDS: dict[str, str] = {
    field: kind
    for kind, fields in {
        "identity": "record_number admission_count name sex birth_date age",
        "id_number": "id_number",
        "phone": "phone",
        "contact_person": "contact_name contact_relation contact_phone",
        "stay": "admitted_on discharged_on visited_on department ward",
        "doctor": "doctor",
        "diagnosis": "diagnosis diagnosis_code",
        "disposition": "disposition outcome",
    }.items()
    for field in fields.split()
}
# Of these a row may use the next column when the first is empty; of all others one column counts, so that two
# kinds of number never mix.
_SEVERAL = frozenset({"phone", "doctor"})
_SIMPLIFIED = str.maketrans(
    "號歷別電話關係聯絡繫醫師診斷區離時間齡證碼機門數與編類轉歸療結狀態護單監緊診隨訪醫姓病案",
    "号历别电话关系联络系医师诊断区离时间龄证码机门数与编类转归疗结状态护单监紧诊随访医姓病案",
)
_BRACKETS = re.compile(r"[(\[【<].*?[)\]】>]")
_NOISE = re.compile(r"[\s:*\"'#.\-_=\x00-\x1f\u200b-\u200f\ufeff]")
# A day in any usual writing, a sex, an age.
_VALUE = re.compile(
    r"\d{1,4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,4}\s*日?(?:[ T]*\d{1,2}[:时点].*)?|[男女]性?|\d{1,3}岁.*",
    re.DOTALL,
)
_SIGNS = re.compile(r"[\s\-+()'\"=]")
_LONG_NUMBER = re.compile(r"\d{5,}(?:\.\d+)?[Xx]?|\d(?:\.\d+)?[Ee]\d+")
_DIGIT, _DIGITS = re.compile(r"\d"), re.compile(r"\d{5,}")
FEWEST_HEADINGS = 2


class _Place(NamedTuple):
    field: str
    priority: int
    pinyin: bool


_VOCABULARY: dict[str, _Place] = {
    heading: _Place(field, priority, pinyin)
    for words, pinyin in ((_HQMS41, True), (_CHINESE, False))
    for field, headings in words.items()
    for priority, heading in enumerate(headings)
}


def plain_heading(text: str) -> str:
    """Bring a heading to the form it is looked up by: simplified, upper case, no blanks or brackets."""
    text = unicodedata.normalize("NFKC", text).translate(_SIMPLIFIED).upper()
    return _NOISE.sub("", _BRACKETS.sub("", text))


def is_data(cell: str) -> bool:
    """Whether a cell can only be a value: a day, a long number (telephone, ID, record), a sex or an age."""
    text = unicodedata.normalize("NFKC", cell).strip().removesuffix(".0")
    return bool(_VALUE.fullmatch(text) or _LONG_NUMBER.fullmatch(_SIGNS.sub("", text)))


def is_patient(cells: Sequence[str]) -> bool:
    """Whether a row that should be the header is a patient: values in it, and hardly a known heading."""
    return score(cells) < FEWEST_HEADINGS and any(map(is_data, cells))


def masked(cell: str) -> str:
    """A heading as it may be kept: without numbers that could be somebody's, should it be no heading."""
    digits = _DIGIT if is_data(cell) else _DIGITS
    return digits.sub(lambda found: "•" * len(found[0]), cell)


def score(cells: Sequence[str]) -> int:
    """Return how many different fields the headings of a row name."""
    places = (_VOCABULARY.get(plain_heading(cell)) for cell in cells if cell and len(cell) < 40)
    return len({place.field for place in places if place})


def field_of(heading: str) -> str | None:
    """Return the field that a heading names by itself; None for an unknown one."""
    place = _VOCABULARY.get(plain_heading(heading))
    return place.field if place else None


@dataclass(frozen=True)
class Layout:
    """Where each field stands: ``columns`` maps a field to its column indexes, the surest first.

    ``code`` is ``hqms41``, ``inpatient_zh``, ``outpatient_zh`` or ``by_hand``; ``dropped`` names the columns
    that are read past and never kept.
    """

    code: str
    visit: Visit
    columns: Mapping[str, tuple[int, ...]]
    dropped: Cells

    def within(self, header: Cells, agreed: Collection[str]) -> "Layout":
        """Return the same layout without the fields whose kind of data is not agreed (`KINDS`).

        Their columns are read past like those of unknown headings, and named among the dropped (PIPL 6, 21).
        """
        columns = {field: places for field, places in self.columns.items() if KINDS[field] in agreed}
        kept = {index for places in columns.values() for index in places}
        dropped = tuple(cell for index, cell in enumerate(header) if cell.strip() and index not in kept)
        return Layout(self.code, self.visit, columns, dropped)

    @classmethod
    def by_hand(cls, header: Cells, chosen: Mapping[str, str]) -> "Layout":
        """Return the layout a person chose, field name to heading. Raises as ``recognise`` does."""
        columns: dict[str, tuple[int, ...]] = {
            field: (header.index(heading),) for field, heading in chosen.items() if heading in header
        }
        return _finish("by_hand", header, columns)


def recognise(header: Cells) -> Layout:
    """Say which column holds which field.

    Raises ``UnreadableFile``: ``unknown_header`` when record number, name or date has no column, naming the
    missing ones as a Chinese export would; ``repeated_header`` when one heading stands over two columns.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    seen: dict[str, int] = {}
    pinyin = 0
    for index, cell in enumerate(header):
        plain = plain_heading(cell)
        place = _VOCABULARY.get(plain)
        if place is None:
            continue
        field = place.field
        if plain in seen:
            if (
                field != "phone"
                or "contact_phone" in found
                or not {"contact_name", "contact_relation"} & set(found)
            ):
                raise UnreadableFile(
                    "repeated_header", heading=cell[:40], first=seen[plain] + 1, second=index + 1
                )
            field = "contact_phone"  # 联系人, 关系, 电话: the second 电话 is the contact person's
        seen.setdefault(plain, index)
        pinyin += place.pinyin
        found.setdefault(field, []).append((place.priority, index))
    columns = {
        field: tuple(index for _, index in sorted(places)[: None if field in _SEVERAL else 1])
        for field, places in found.items()
    }
    return _finish("hqms41" if pinyin * 2 > len(columns) else "", header, columns)


def _finish(code: str, header: Cells, columns: dict[str, tuple[int, ...]]) -> Layout:
    visit: Visit = "outpatient" if "visited_on" in columns and "discharged_on" not in columns else "inpatient"
    day = "visited_on" if visit == "outpatient" else "discharged_on"
    missing = [_CHINESE[field][0] for field in ("record_number", "name", day) if field not in columns]
    if missing:
        raise UnreadableFile("unknown_header", missing="、".join(missing))
    columns = {field: places for field, places in columns.items() if field not in _other_days(visit)}
    kept = {index for places in columns.values() for index in places}
    dropped = tuple(cell for index, cell in enumerate(header) if cell.strip() and index not in kept)
    return Layout(code or f"{visit}_zh", visit, columns, dropped)


def _other_days(visit: Visit) -> tuple[str, ...]:
    return ("visited_on",) if visit == "inpatient" else ("admitted_on", "discharged_on")


class HeaderPlace(NamedTuple):
    """A header found: its row number (from 1), its headings, and how many fields they name."""

    row_number: int
    header: Cells
    fields: int


def find_header(top: Sequence[Cells]) -> HeaderPlace | None:
    """Find the header among the first rows of a table, below titles and notes.

    Two-storey headers made with merged cells (联系人 above 姓名 and 电话) become one row of headings.
    Without a known heading the first row with two filled cells is taken, for mapping by hand; None when
    there is none.
    """
    best: HeaderPlace | None = None
    for index, cells in enumerate(top):
        fields = score(cells)
        if (best is None or fields > best.fields) and sum(1 for cell in cells if cell.strip()) >= 2:
            best = HeaderPlace(index + 1, cells, fields)
        if index and fields >= 2:
            merged = _two_storeys(top[index - 1], cells)
            if best is None or score(merged) > best.fields:
                best = HeaderPlace(index + 1, merged, score(merged))
    return best


def _two_storeys(upper: Cells, lower: Cells) -> Cells:
    group, headings = "", []
    width = max(len(upper), len(lower))
    for above, below in zip(
        upper + ("",) * (width - len(upper)), lower + ("",) * (width - len(lower)), strict=True
    ):
        group = above.strip() or group
        if not below.strip():
            headings.append(above)
        elif plain_heading(group + below) in _VOCABULARY:
            headings.append(group + below)
        else:
            headings.append(below)
    return tuple(headings)
