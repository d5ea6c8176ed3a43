"""Billing on the screen: the firm's month (SC-46), a hospital's invoices, and the statement (SC-44)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import get_args

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect

from billing import labels, queries, service
from billing.errors import NoSuchInvoice, Refused
from billing.files_pages import handlers as file_handlers
from billing.models import Invoice
from billing.months import month_of, month_text
from billing.pricing import monthly_fen
from billing.served import shown_since
from billing.service import Payment, Seller, Terms
from billing.statement_pages import handlers as statement_handlers
from billing.stripe_client import enabled
from billing.webhook import handlers as webhook_handlers
from foundation.calendar import add_months, first_of_month, local_date
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.languages import ngettext
from foundation.money import parse_yuan
from foundation.runtime import Runtime
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import page, redirect
from foundation.web.typed import decimal_of, whole_number
from tenants.rights import Action
from tenants.visit import Visit

MOST_DUE_DAYS = 365


class ContractForm(msgspec.Struct):
    """New terms, as typed: yuan per patient and year, VAT in percent."""

    starts_on: str
    yearly: str
    vat_percent: str
    due_days: str
    payment: str = "bank"
    billing_email: str = ""
    name: str = ""
    name_en: str = ""
    bank: str = ""
    account: str = ""
    tax_number: str = ""


class PaidForm(msgspec.Struct):
    """The reference of a bank slip."""

    reference: str


class MonthForm(msgspec.Struct):
    """A month, `2026-09`."""

    month: str


@get("/billing", needs=Action.VIEW_INVOICES, sync_to_thread=True)
def firm_month(visit: NamedDependency[Visit], month: FromQuery[str] = "") -> Response[str]:
    """One month over all hospitals of the firm: what is drafted, issued, paid, overdue, never ahead."""
    current = first_of_month(local_date(visit.now))
    first = min(month_of(month), current) if month else add_months(current, -1)
    with visit.firm(Action.VIEW_INVOICES) as session:
        rows = queries.overview(session, first, now=visit.now)
    return page(
        "billing/firm.html",
        visit=visit,
        active="billing",
        month=first,
        previous=month_text(add_months(first, -1)),
        following=month_text(add_months(first, 1)) if first < current else None,
        rows=[(row, visit.face(row.tenant_id)) for row in rows],
        states=labels.STATES,
        total=sum(row.total_fen or 0 for row in rows),
        open_fen=sum(row.total_fen or 0 for row in rows if row.state in {"issued", "overdue"}),
        paid_fen=sum(row.total_fen or 0 for row in rows if row.state == "paid"),
        drafts=sum(row.state == "draft" for row in rows),
        may_issue=visit.may(Action.ISSUE_INVOICES),
    )


@post("/billing/issue", needs=Action.ISSUE_INVOICES, sync_to_thread=True)
def issue_all(visit: NamedDependency[Visit], data: URLEncodedBody[MonthForm]) -> Redirect:
    """Issue every draft of a month, each hospital in its own transaction; what is refused is said."""
    first = month_of(data.month)
    with visit.firm(Action.ISSUE_INVOICES) as session:
        drafts = [row.code for row in queries.overview(session, first, now=visit.now) if row.state == "draft"]
    issued, refusals = 0, []
    for code in drafts:
        try:
            with visit.hospital(code, Action.ISSUE_INVOICES) as session_:
                service.issue(session_, _invoice(session_, first, visit, code).id, now=visit.now)
            issued += 1
        except Refused as refused:
            refusals.append(f"{code}: {refused.message}")
    notice = ngettext("{count} invoice issued.", "{count} invoices issued.", issued)
    return redirect(f"/billing?month={month_text(first)}", notice=" ".join([notice, *refusals]))


@get("/h/{code:str}/billing", needs=Action.VIEW_INVOICES, sync_to_thread=True)
def hospital_billing(
    code: FromPath[str], visit: NamedDependency[Visit], runtime: NamedDependency[Runtime]
) -> Response[str]:
    """A hospital's invoices by month, and its contract."""
    with visit.hospital(code, Action.VIEW_INVOICES) as session:
        since = shown_since(session, visit, code)
        invoices = queries.invoices(session, since=since)
        contracts = queries.contracts(session, since=since)
    last = add_months(first_of_month(local_date(visit.now)), -1)
    known = {row.month for row in invoices if row.state != "void"}
    return page(
        "billing/hospital.html",
        visit=visit,
        active="billing",
        code=code,
        rows=[(row, queries.shown_state(row.state, row.due_on, row.month, visit.now)) for row in invoices],
        to_close=last if contracts and last not in known else None,
        contracts=contracts,
        states=labels.STATES,
        payments=labels.PAYMENTS,
        firm_side=_firm_side(visit),
        may_issue=visit.may(Action.ISSUE_INVOICES, code),
        may_agree=visit.may(Action.AGREE_PRICES, code),
        link_possible=enabled(runtime.settings),
        next_month=add_months(first_of_month(local_date(visit.now)), 1 if contracts else 0),
    )


@post("/h/{code:str}/billing/contract", needs=Action.AGREE_PRICES, sync_to_thread=True)
def agree(
    code: FromPath[str],
    visit: NamedDependency[Visit],
    runtime: NamedDependency[Runtime],
    data: URLEncodedBody[ContractForm],
) -> Redirect:
    """New terms from a day on."""
    terms, starts_on = _terms(data)
    if terms.payment == "stripe" and not enabled(runtime.settings):
        raise UserMistake(_("Payment by link needs the keys of Stripe in the settings of this installation."))
    with refusals_told(), visit.hospital(code, Action.AGREE_PRICES) as session:
        service.agree(session, terms, starts_on=starts_on, now=visit.now)
    return redirect(f"/h/{code}/billing", notice=_("The contract is in force."))


@post("/h/{code:str}/billing/{month:str}/close", needs=Action.ISSUE_INVOICES, sync_to_thread=True)
def close(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Draft the month's invoice, or bring the draft up to date."""
    first = month_of(month)
    with refusals_told(), visit.hospital(code, Action.ISSUE_INVOICES) as session:
        service.close_month(session, first, now=visit.now)
    return redirect(_address(code, first), notice=_("The draft is up to date."))


@post("/h/{code:str}/billing/{month:str}/issue", needs=Action.ISSUE_INVOICES, sync_to_thread=True)
def issue(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Issue the draft."""
    first = month_of(month)
    with refusals_told(), visit.hospital(code, Action.ISSUE_INVOICES) as session:
        invoice = service.issue(session, _invoice(session, first, visit, code).id, now=visit.now)
        notice = _("Invoice {number} is issued.", number=invoice.number)
    return redirect(_address(code, first), notice=notice)


@post("/h/{code:str}/billing/{month:str}/paid", needs=Action.ISSUE_INVOICES, sync_to_thread=True)
def paid(
    code: FromPath[str],
    month: FromPath[str],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[PaidForm],
) -> Redirect:
    """A bank transfer came."""
    first = month_of(month)
    with refusals_told(), visit.hospital(code, Action.ISSUE_INVOICES) as session:
        service.mark_paid(
            session, _invoice(session, first, visit, code).id, reference=data.reference, now=visit.now
        )
    return redirect(_address(code, first), notice=_("The payment is noted."))


@post("/h/{code:str}/billing/{month:str}/send", needs=Action.ISSUE_INVOICES, sync_to_thread=True)
def send_again(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Redirect:
    """Ask Stripe once more: after a refusal, or to look what became of the invoice."""
    first = month_of(month)
    with visit.hospital(code, Action.ISSUE_INVOICES) as session:
        invoice = _invoice(session, first, visit, code)
        if invoice.payment != "stripe" or invoice.state not in {"issued", "paid"}:
            raise NotFound
        service.queue_push(session, invoice, now=visit.now)
    return redirect(_address(code, first), notice=_("Stripe is being asked; its answer will appear here."))


@contextmanager
def refusals_told() -> Iterator[None]:
    """What a service refuses is the person's to put right; what is not there is not there."""
    try:
        yield
    except Refused as refused:
        raise UserMistake(refused.message) from refused
    except NoSuchInvoice as missing:
        raise NotFound from missing


def _invoice(session: HospitalSession, first: date, visit: Visit, code: str) -> Invoice:
    found = queries.invoice_of_month(session, first, since=shown_since(session, visit, code))
    if found is None:
        raise NotFound
    return found


def _address(code: str, first: date) -> str:
    return f"/h/{code}/billing/{month_text(first)}"


def _firm_side(visit: Visit) -> bool:
    return any(member.firm_id is not None for member in visit.members) and visit.may(Action.VIEW_INVOICES)


def _terms(data: ContractForm) -> tuple[Terms, date]:
    """The form as terms; raises `UserMistake` naming what cannot be read."""
    sentence = _("Price, VAT rate and days to pay are numbers; the begin is a date.")
    try:
        unit_fen = monthly_fen(parse_yuan(data.yearly))
        starts_on = date.fromisoformat(data.starts_on)
    except ValueError as error:
        raise UserMistake(sentence) from error
    rate = decimal_of(data.vat_percent.strip().rstrip("%"), sentence) / 100
    due_days = whole_number(data.due_days, 0, MOST_DUE_DAYS, sentence)
    payments: tuple[Payment, ...] = get_args(Payment)
    chosen = [payment for payment in payments if payment == data.payment]
    if not chosen:
        raise UserMistake(sentence)
    seller = Seller(
        name=data.name.strip(),
        name_en=data.name_en.strip(),
        bank=data.bank.strip(),
        account=data.account.strip(),
        tax_number=data.tax_number.strip(),
    )
    email = data.billing_email.strip()
    return Terms(unit_fen, rate, due_days, chosen[0], email, seller), starts_on


handlers = [
    firm_month,
    issue_all,
    hospital_billing,
    agree,
    close,
    issue,
    paid,
    send_again,
    *statement_handlers,
    *file_handlers,
    *webhook_handlers,
]
