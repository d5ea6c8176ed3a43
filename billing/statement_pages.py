"""The statement of one month (SC-44) and the patients behind each of its lines."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing import export, labels, queries
from billing.document import corrected_sentence, proof_steps
from billing.months import line_of, month_of, month_text
from billing.served import shown_since
from foundation import audit
from foundation.calendar import add_months
from foundation.languages import gettext
from foundation.web.errors import NotFound
from foundation.web.pages import page
from foundation.web.typed import row_of
from tenants.rights import Action
from tenants.visit import Visit

PAGE = 100


@get("/h/{code:str}/billing/{month:str}", needs=Action.VIEW_INVOICES, sync_to_thread=True)
def statement_page(code: FromPath[str], month: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """The same lines as the invoice, each leading to its patients; before the close, what is to be done."""
    first = month_of(month)
    with visit.hospital(code, Action.VIEW_INVOICES) as session:
        since = shown_since(session, visit, code)
        invoice = queries.invoice_of_month(session, first, since=since)
        found = queries.statement(session, invoice) if invoice is not None else None
        contracts = queries.contracts(session, since=since)
    state = queries.shown_state(
        invoice.state if invoice else None, invoice.due_on if invoice else None, first, visit.now
    )
    shown = None
    if found is not None:
        shown = {
            "rows": export.rows(found),
            "proof": proof_steps(found.proof, found),
            "corrected": corrected_sentence(found),
            "stripe": _stripe_words(found.invoice.stripe_state),
        }
    return page(
        "billing/statement.html",
        visit=visit,
        active="billing",
        code=code,
        month=first,
        previous=month_text(add_months(first, -1)),
        following=month_text(add_months(first, 1)),
        here=month_text(first),
        found=found,
        shown=shown,
        state=state,
        states=labels.STATES,
        payments=labels.PAYMENTS,
        contract=bool(contracts),
        may_issue=visit.may(Action.ISSUE_INVOICES, code),
    )


@get("/h/{code:str}/billing/{month:str}/lines/{key:str}", needs=Action.VIEW_INVOICES, sync_to_thread=True)
def line_page(
    code: FromPath[str],
    month: FromPath[str],
    key: FromPath[str],
    visit: NamedDependency[Visit],
    start: FromQuery[int] = 0,
) -> Response[str]:
    """The patients behind one line, masked, without any diagnosis (C10)."""
    first, (kind, of_month) = month_of(month), line_of(key)
    offset = row_of(start)
    with visit.hospital(code, Action.VIEW_INVOICES) as session:
        since = shown_since(session, visit, code)
        invoice = queries.invoice_of_month(session, first, since=since)
        if invoice is None:
            raise NotFound
        found = queries.statement(session, invoice)
        patients = queries.patients_behind(
            session, invoice.id, kind=kind, month=of_month, offset=offset, limit=PAGE + 1
        )
        audit.record(
            session,
            "billing.patients_listed",
            now=visit.now,
            subject=f"invoice:{invoice.id}",
            detail={"line": key, "rows": len(patients[:PAGE])},
        )
    line = next((line for line in found.lines if line.key == key), None)
    if line is None:
        raise NotFound
    address = f"/h/{code}/billing/{month_text(first)}"
    return page(
        "billing/line.html",
        visit=visit,
        active="billing",
        code=code,
        month=first,
        address=address,
        line=line,
        count=sum(abs(same.quantity) for same in found.lines if same.key == key),
        patients=patients[:PAGE],
        earlier=f"{address}/lines/{key}?start={max(offset - PAGE, 0)}" if offset else None,
        later=f"{address}/lines/{key}?start={offset + PAGE}" if len(patients) > PAGE else None,
        first_shown=offset + 1 if patients else 0,
        last_shown=offset + len(patients[:PAGE]),
    )


def _stripe_words(state: str | None) -> str:
    if state is None:
        return gettext("Not yet at Stripe")
    refused = state.partition("declined:")[2]
    if refused:
        return gettext("Refused by Stripe: {code}", code=refused)
    return gettext(labels.STRIPE_STATES.get(state, state))


handlers = [statement_page, line_page]
