"""From rows to verdicts: a record with its warnings, or a rejection with its reason.

Rejections are checked in this order, and a row has one: no record number; a discharge (or visit) date that
cannot be read; discharged before admission. Warnings never reject. A warning is counted once for each
accepted row, a row that repeats an earlier one included, so the same file always reports the same warnings.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from patients.feeds import fields
from patients.feeds.fields import Disposition, Sex
from patients.feeds.headers import FIELDS, Layout, Visit, recognise
from patients.feeds.table import Cells, Kind, Skipped, Table
from patients.identity import GUARDIAN_UNTIL, age_on, birth_date_of, clean_id, is_minor, sex_of
from patients.phones import PhoneFault, read_phone

Reason = Literal[
    "no_record_number",
    "bad_discharge_date",
    "discharge_before_admission",
    # Found out beside the hospital's own rows (patients.stopped), not in the file alone.
    "restricted_on_request",
    "erased_on_request",
    "number_of_organisation",
    # Found out beside them, too (patients.other_people).
    "other_person",
]
_AHEAD = timedelta(days=366)
_OLDEST = 125  # completed years; a birth date beyond it is a slip of the pen


@dataclass(frozen=True, slots=True)
class Record:
    """One visit (就诊) in one form. A missing text is empty; every other missing value is ``None``.

    ``discharged_on`` is the visit date of an outpatient. ``phone`` and ``contact_phone`` are as dialled in
    mainland China. ``digest`` is SHA-256 over everything but row number and warnings: equal digests, equal
    rows. It is made from identifiers, so it is personal information and stays inside the hospital's own
    rows.
    """

    row_number: int
    visit: Visit
    record_number: str
    admission_count: int
    name: str
    sex: Sex | None
    birth_date: date | None
    age: int | None
    id_number: str | None
    phone: str | None
    contact_name: str
    contact_relation: str | None
    contact_relation_raw: str
    contact_phone: str | None
    admitted_on: date | None
    discharged_on: date
    department: str
    ward: str
    doctor: str
    diagnosis: str
    diagnosis_code: str
    disposition: Disposition | None
    warnings: tuple[str, ...]
    digest: bytes

    @property
    def key(self) -> tuple[Visit, str, int]:
        """What makes an encounter one inside its hospital."""
        return self.visit, self.record_number, self.admission_count

    @property
    def deceased(self) -> bool:
        """Left by death (离院方式 5, 死亡): suppressed from the start."""
        return self.disposition == "died"

    @property
    def minor(self) -> bool:
        """Under 14 at discharge: a guardian answers (PIPL 31). By stated age where no birth date is known."""
        if self.birth_date:
            return is_minor(self.birth_date, self.discharged_on)
        return self.age is not None and self.age < GUARDIAN_UNTIL


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that gives no visit, whole as it was sent, with the reason; `record_number` when it has one."""

    row_number: int
    reason: Reason
    cells: Cells
    record_number: str = ""


@dataclass(frozen=True)
class Parsed:
    """All verdicts of a file, ``len(records) + len(rejected)`` rows, and beside them what is no patient."""

    layout: Layout
    header: Cells
    records: list[Record]
    rejected: list[Rejected]
    skipped: list[Skipped]
    dropped_columns: Cells
    encoding: str | None
    kind: Kind
    delimiter: str | None

    @property
    def rows(self) -> int:
        """Rows that are patients: accepted and rejected together."""
        return len(self.records) + len(self.rejected)

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """How many rows were rejected for each reason."""
        return dict(Counter(row.reason for row in self.rejected))

    @property
    def warnings(self) -> dict[str, int]:
        """How many accepted rows carry each warning."""
        return dict(Counter(code for record in self.records for code in record.warnings))


def parse(table: Table, layout: Layout | None = None, *, today: date | None = None) -> Parsed:
    """Judge every row, by the recognised layout or one chosen by hand. Raises ``UnreadableFile``.

    ``today`` as for ``scan``.
    """
    layout = layout or recognise(table.header)
    records: list[Record] = []
    rejected: list[Rejected] = []
    for verdict in scan(table, layout, today):
        if isinstance(verdict, Record):
            records.append(verdict)
        else:
            rejected.append(verdict)
    return Parsed(
        layout=layout,
        header=table.header,
        records=records,
        rejected=rejected,
        skipped=table.rows.skipped,
        dropped_columns=layout.dropped,
        encoding=table.encoding,
        kind=table.kind,
        delimiter=table.delimiter,
    )


def scan(table: Table, layout: Layout, today: date | None = None) -> Iterator[Record | Rejected]:
    """Judge row by row without keeping any: for files whose records should not all be in memory at once.

    A discharge or visit more than 366 days after ``today`` (the day in Asia/Shanghai) cannot be right: it
    would end every reminder and outdo every true date. Lists of the running month may lie weeks ahead.
    """
    latest = date.max if today is None else today + _AHEAD
    width = len(table.header)
    read = _reader(layout)
    blanks = ("",) * width
    for row_number, cells in table.rows:
        row = read(cells if len(cells) >= width else cells + blanks[len(cells) :])
        if len(cells) > width and any(cell.strip() for cell in cells[width:]):
            row.warnings.append("row_length")
        verdict = _judge(row_number, layout.visit, row, latest)
        if isinstance(verdict, Record):
            yield verdict
        else:
            record_number = fields.read_record_number(row.texts["record_number"]) or ""
            yield Rejected(row_number, verdict, cells, record_number)


class _Row:
    """The cleaned texts of one row by field, and the warnings met so far."""

    __slots__ = ("choices", "texts", "warnings")

    def __init__(self, texts: dict[str, str], choices: dict[str, list[str]]) -> None:
        self.texts = texts
        self.choices = choices
        self.warnings: list[str] = []


def _reader(layout: Layout) -> Callable[[Cells], _Row]:
    single = [(field, places[0]) for field, places in layout.columns.items()]
    several = [(field, places) for field, places in layout.columns.items() if len(places) > 1]
    empty = dict.fromkeys(FIELDS, "")
    clean = fields.clean_text

    def read(cells: Cells) -> _Row:
        texts = empty.copy()
        for field, index in single:
            text = cells[index]
            if text:
                texts[field] = text if text.isalnum() else clean(text)
        choices = {field: [clean(cells[index]) for index in places] for field, places in several}
        row = _Row(texts, choices)
        if max(map(len, texts.values())) > fields.MAX_TEXT:
            row.warnings.append("text_cut")
            row.texts = {field: text[: fields.MAX_TEXT] for field, text in texts.items()}
        return row

    return read


def _judge(row_number: int, visit: Visit, row: _Row, latest: date) -> Record | Reason:
    texts, warnings = row.texts, row.warnings
    number = fields.read_record_number(texts["record_number"])
    if not number:
        return "no_record_number"
    discharged = fields.read_date(texts["discharged_on" if visit == "inpatient" else "visited_on"])
    if discharged is None or discharged > latest:
        return "bad_discharge_date"
    admitted_text = fields.optional_text(texts["admitted_on"])
    admitted = fields.read_date(admitted_text) if admitted_text else None
    if admitted and admitted > discharged:
        return "discharge_before_admission"
    if admitted_text and not admitted:
        warnings.append("bad_admission_date")
    count = fields.read_count(texts["admission_count"] or "1")
    if count is None:
        warnings.append("bad_admission_count")
    name = fields.optional_text(texts["name"])
    if not name:
        warnings.append("no_name")
    sex, birth_date, age, id_number = _person(row, discharged)
    minor = is_minor(birth_date, discharged) if birth_date else age is not None and age < GUARDIAN_UNTIL
    phone, contact_phone = _phones(row, minor=minor)
    relation, relation_raw = fields.read_relation(texts["contact_relation"])
    content = (
        visit,
        number,
        count or 1,
        name,
        sex,
        birth_date,
        age,
        id_number,
        phone,
        fields.optional_text(texts["contact_name"]),
        relation,
        relation_raw,
        contact_phone,
        admitted,
        discharged,
        fields.optional_text(texts["department"]),
        fields.optional_text(texts["ward"]),
        next(filter(None, row.choices.get("doctor", ())), texts["doctor"]),
        fields.optional_text(texts["diagnosis"]),
        fields.optional_text(texts["diagnosis_code"]),
        _disposition(row),
    )
    digest = hashlib.sha256("\x1f".join(map(str, content)).encode()).digest()
    return Record(row_number, *content, warnings=tuple(warnings), digest=digest)


def _person(row: _Row, discharged: date) -> tuple[Sex | None, date | None, int | None, str | None]:
    """Sex, birth date, age, ID number: what the row says; where it is silent, what a right ID number says."""
    texts, warnings = row.texts, row.warnings
    id_text = fields.optional_text(fields.half_width(texts["id_number"]).replace(" ", ""))
    id_number = clean_id(id_text) if id_text else None
    if id_text and not id_number:
        warnings.append("other_document" if fields.is_other_document(id_text) else "bad_id")
    birth_text = fields.optional_text(texts["birth_date"])
    birth_date = fields.read_date(birth_text) if birth_text else None
    if birth_date and not 0 <= age_on(birth_date, discharged) <= _OLDEST:
        birth_date = None
    if birth_text and not birth_date:
        warnings.append("bad_birth_date")
    if id_number:
        born = birth_date_of(id_number)
        if birth_date and born != birth_date:
            warnings.append("birth_date_differs")
        if not birth_date and born and 0 <= age_on(born, discharged) <= _OLDEST:
            birth_date = born
    sex = fields.read_sex(texts["sex"]) or (sex_of(id_number) if id_number else None)
    age = age_on(birth_date, discharged) if birth_date else fields.read_age(texts["age"])
    return sex, birth_date, age, id_number


def _phones(row: _Row, *, minor: bool) -> tuple[str | None, str | None]:
    own = [read_phone(text) for text in row.choices.get("phone", (row.texts["phone"],))]
    contact = read_phone(row.texts["contact_phone"])
    phone = next((reading.number for reading in own if reading.number), None)
    faults = {reading.fault for reading in (*own, contact)}
    if PhoneFault.DAMAGED in faults:
        row.warnings.append("phone_damaged")
    if PhoneFault.UNREADABLE in faults:
        row.warnings.append("phone_unreadable")
    if not phone and not contact.number:
        row.warnings.append("no_phone_at_all")
    elif minor and not contact.number:
        row.warnings.append("no_guardian_phone")
    return phone, contact.number


def _disposition(row: _Row) -> Disposition | None:
    """The way of leaving; death wins wherever it is written, because nobody may call after it."""
    text, outcome_text = row.texts["disposition"], row.texts["outcome"]
    said = fields.read_disposition(text)
    outcome = fields.read_disposition(outcome_text, codes=False)
    if outcome == "died":
        return outcome
    if said is None and outcome is None and fields.optional_text(text or outcome_text):
        row.warnings.append("unknown_disposition")
    return said or outcome
