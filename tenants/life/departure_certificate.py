"""The certificate of a departure (数据删除证明): counts before and after, the key, and what the law keeps."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from foundation import catalogue
from foundation.documents.typeset import render_pdf
from foundation.languages import Language, format_datetime, format_number, mark, speaking
from foundation.languages import gettext as _
from foundation.personal import Basis
from tenants.models import Departure

TEMPLATE = Path(__file__).parents[1] / "templates" / "tenants" / "departure_certificate.typ"
BRAND = "回环 CareLoop"

# Why rows stay, and for how long (regulation C6). None of them has a column for a patient's name or number.
BASES: dict[Basis, str] = {
    "accounting": mark("Contracts and invoices: accounting vouchers, amounts and counts only"),
    "audit": mark(
        "Chained audit trail: who did what and why, patients by id; network security law, at least 3 years"
    ),
    "entrusting": mark("Record of the entrusted processing: PIPL 56, at least 3 years after its end"),
    "anchor": mark("The hospital's own line: name and code, to which the above belongs"),
}


def certificate_pdf(row: Departure, *, now: datetime) -> bytes:
    """The bytes of the PDF, in Chinese and then in English; the same row gives the same bytes."""
    return render_pdf(TEMPLATE, {"parts": [_part(row, language, now) for language in ("zh_Hans", "en")]})


def _part(row: Departure, language: Language, now: datetime) -> dict[str, Any]:
    chinese = language == "zh_Hans"
    with speaking(language):
        return {
            "lang": "zh" if chinese else "en",
            "brand": BRAND,
            "owner": row.name if chinese else row.name_en or row.name,
            "title": _("Certificate of erasure"),
            "subtitle": row.name if chinese else row.name_en or row.name,
            "generated": _("Made {time}", time=format_datetime(now)),
            "facts": _facts(row),
            "statement": _(
                "All data of this hospital was handed back and then erased. Its data key was destroyed "
                "first, so that no copy of its encrypted rows can be read. Backups made before still hold "
                "the key, itself encrypted; they run out by the backup plan and are not restored for this "
                "hospital."
            ),
            "words": {
                "gone": _("Erased"),
                "kept": _("Kept by law"),
                "table": _("Table"),
                "before": _("Rows before"),
                "after": _("Rows after"),
                "rows": _("Rows"),
                "why": _("Legal basis"),
            },
            "gone": _gone(row, chinese=chinese),
            "kept": _kept(row, chinese=chinese),
            "also": _(
                "Comparisons released before are not changed; they hold group values only. The firm keeps "
                "this certificate for good and hands a copy to the hospital."
            ),
        }


def _facts(row: Departure) -> list[list[str]]:
    return [
        [_("Hospital code"), row.code],
        [_("Reason"), row.reason],
        [_("Departure begun"), f"{format_datetime(row.begun_at)} · {row.begun_by}"],
        [_("Data handed back"), f"{format_datetime(row.downloaded_at)} · {row.downloaded_by or ''}"],
        [_("Count sheet signed"), f"{format_datetime(row.signed_at)} · {row.signed_by or ''}"],
        [_("SHA-256 of the export"), (row.export_sha256 or b"").hex()],
        [_("Data key destroyed"), format_datetime(row.key_destroyed_at)],
        [_("Erased"), format_datetime(row.erased_at)],
    ]


def _gone(row: Departure, *, chinese: bool) -> list[dict[str, Any]]:
    found: dict[str, int] = row.erased["found"]
    rows = [
        {
            "table": _name(table.name, chinese=chinese),
            "before": format_number(found.get(table.name, 0)),
            "after": "0",
        }
        for table in sorted(catalogue.deletion_order(), key=lambda t: t.name)
    ]
    total = sum(found.get(table.name, 0) for table in catalogue.deletion_order())
    return [*rows, {"table": _("Total"), "before": format_number(total), "after": "0", "strong": True}]


def _kept(row: Departure, *, chinese: bool) -> list[dict[str, Any]]:
    lines = []
    for name, number in sorted(row.erased["stays"].items()):
        basis = catalogue.stays(name)
        if basis is not None:
            lines.append(
                {
                    "table": _name(name, chinese=chinese),
                    "rows": format_number(number),
                    "why": _(BASES[basis]),
                }
            )
    return lines


def _name(table: str, *, chinese: bool) -> str:
    term = catalogue.described(catalogue.classes()[table].__doc__ or "")[0]
    return f"{term} {table}" if chinese and term else table
