"""The invoice as a PDF: counts and money only, never a name or a diagnosis (C10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from billing.queries import Proof, Statement
from foundation.calendar import add_months
from foundation.documents.typeset import render_pdf
from foundation.languages import (
    Language,
    format_date,
    format_datetime,
    format_money,
    format_month,
    format_number,
    format_percent,
    speaking,
)
from foundation.languages import gettext as _
from tenants.life.branding import NO_LETTERHEAD, Letterhead

TEMPLATE = Path(__file__).parent / "templates" / "billing" / "invoice.typ"
BRAND = "回环 CareLoop"


def invoice_pdf(
    statement: Statement, language: Language, *, now: datetime, head: Letterhead = NO_LETTERHEAD
) -> bytes:
    """The bytes of the PDF in one language. `now` is printed as the time of making; a draft says so.

    `head` is the firm's brand; the seller keeps the legal name of the contract. The same statement, language,
    time and head give the same bytes.
    """
    with speaking(language):
        content = _content(statement, language, now)
        shown = {"brand": head.label or BRAND, "logo": head.logo_name}
        return render_pdf(TEMPLATE, content | shown, images=head.images)


def _content(statement: Statement, language: Language, now: datetime) -> dict[str, Any]:
    invoice = statement.invoice
    chinese = language == "zh_Hans"
    hospital = statement.hospital.name if chinese else statement.hospital.name_en or statement.hospital.name
    seller = _seller(statement, chinese=chinese)
    return {
        "lang": "zh" if chinese else "en",
        "owner": seller,
        "title": _("Invoice for follow-up services"),
        "subtitle": f"{hospital} · {format_month(invoice.month)}",
        "generated": _("Made {time}", time=format_datetime(now)),
        "state": {"draft": _("Draft"), "void": _("Void"), "paid": _("Paid")}.get(invoice.state),
        "alert": invoice.state == "void",
        "facts": _facts(statement, hospital, seller),
        "tiles": [
            {"label": _("To pay"), "value": format_money(invoice.total_fen), "note": _due(statement)},
            {
                "label": _("Patient-months"),
                "value": format_number(invoice.patients),
                "note": _("patients enrolled on at least one day"),
            },
            {
                "label": _("Price"),
                "value": format_money(statement.contract.unit_fen),
                "note": _("per patient and calendar month"),
            },
        ],
        "words": {
            "lines": _("Lines"),
            "line": _("Line"),
            "patients": _("Patient-months"),
            "price": _("Price"),
            "amount": _("Amount"),
            "proof": _("Patients in the programme"),
        },
        "lines": _lines(statement),
        "sums": [
            [_("Subtotal"), format_money(invoice.subtotal_fen)],
            [vat_label(invoice.vat_rate), format_money(invoice.vat_fen)],
            [_("Total"), format_money(invoice.total_fen)],
        ],
        "proof": proof_steps(statement.proof, statement),
        "corrected": corrected_sentence(statement),
        "payment": {"title": _("How to pay"), "items": _payment(statement, seller)},
        "signatures": [_("For the hospital (stamp)"), _("For the service provider (stamp)")],
    }


def vat_label(rate: Decimal) -> str:
    """`VAT 6%`, with as many decimals as the rate has."""
    percent = (rate * 100).normalize()
    digits = max(0, -int(percent.as_tuple().exponent))
    return _("VAT {rate}", rate=format_percent(rate, digits))


def _seller(statement: Statement, *, chinese: bool) -> str:
    seller = statement.contract.seller
    return str((seller.get("name") if chinese else seller.get("name_en") or seller.get("name")) or "")


def _facts(statement: Statement, hospital: str, seller: str) -> list[list[str]]:
    invoice = statement.invoice
    last = add_months(invoice.month, 1) - timedelta(days=1)
    ends_on = statement.contract.ends_on
    period = f"{format_date(invoice.month)} – {format_date(min(last, ends_on or last))}"
    facts = [
        [_("Invoice number"), invoice.number or _("given when issued")],
        [_("Service period"), period],
        [_("Billed to"), hospital],
        [_("Issued on"), format_date(invoice.issued_at)],
        [_("Billed by"), seller or BRAND],
        [_("Due on"), format_date(invoice.due_on)],
    ]
    tax_number = str(statement.contract.seller.get("tax_number") or "")
    return [*facts, [_("Tax number"), tax_number]] if tax_number else facts


def _due(statement: Statement) -> str:
    due_on = statement.invoice.due_on
    if due_on is None:
        return _("{days} days after the invoice is issued", days=statement.contract.due_days)
    return _("due on {day}", day=format_date(due_on))


def _lines(statement: Statement) -> list[dict[str, Any]]:
    def row(label: str, quantity: int, unit_fen: int | None, amount_fen: int) -> dict[str, Any]:
        return {
            "line": label,
            "patients": format_number(quantity),
            "price": "" if unit_fen is None else format_money(unit_fen),
            "amount": format_money(amount_fen),
        }

    rows = [row(n.label, n.quantity, n.unit_fen, n.amount_fen) for n in statement.own_lines]
    billed = row(_("Billed patient-months"), statement.invoice.patients, None, statement.billed_fen)
    rows.append(billed | {"strong": True})
    return rows + [row(n.label, n.quantity, n.unit_fen, n.amount_fen) for n in statement.other_lines]


def proof_steps(proof: Proof, statement: Statement) -> list[dict[str, str]]:
    """The proof line (J5) as its terms: sign, number, words; the last one is the result."""
    after = format_month(add_months(statement.month, 1))
    steps = (
        ("", proof.opening, _("start of {month}", month=format_month(statement.month))),
        ("+", proof.new, _("newly enrolled")),
        ("−", proof.cancelled, _("cancelled")),
        ("−", proof.left, _("stopped or ended")),
        ("=", proof.closing, _("into {month}", month=after)),
    )
    return [{"sign": sign, "number": format_number(n), "words": words} for sign, n, words in steps]


def corrected_sentence(statement: Statement) -> str:
    """Why the opening differs from the last closing, or nothing when it does not."""
    corrected = statement.proof.corrected
    if not corrected:
        return ""
    return _(
        "The last closing count was {closing}; {corrected} of them were corrected since.",
        closing=format_number(statement.proof.opening + corrected),
        corrected=format_number(corrected),
    )


def _payment(statement: Statement, seller: str) -> list[list[str]]:
    invoice, contract = statement.invoice, statement.contract
    if invoice.state == "paid":
        return [
            [_("Paid on"), format_date(invoice.paid_at)],
            [_("Reference"), invoice.payment_reference or ""],
        ]
    reference = invoice.number or _("the invoice number")
    if invoice.payment == "stripe":
        link = invoice.hosted_url or _("in the e-mail to {address}", address=contract.billing_email)
        return [[_("Payment link"), link], [_("Reference"), reference]]
    bank, account = (str(contract.seller.get(key) or "") for key in ("bank", "account"))
    rows = [
        [_("Method"), _("Bank transfer")],
        [_("Account holder"), seller],
        [_("Bank"), bank],
        [_("Account"), account],
        [_("Reference"), reference],
    ]
    return [row for row in rows if row[1]]
