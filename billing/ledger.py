"""The ledger of patient-months (计费台账): set-based, repeatable, frozen with the invoice.

A patient counts for a calendar month (Asia/Shanghai) with at least one enrolled day inside a contract (S3-20,
J5). Enrolled days are those of all enrolments together, so that two of them in one month are one
patient-month; an enrolment taken back inside 7 days has none; days of a suppression after its first are none
(S4-15). Who died before the first contact is not billed at all (C10). `pricing.months_billable` says the same
of one enrolment in Python; a test holds the two together. A month in which the hospital was suspended on
every enrolled day of the patient stands in the ledger and is not billed (`billing.stages`, decision 0005).
Merged records are one patient: what stopped one record takes days from its own enrolments, what remains
counts together, and of two bills for a closed month one is given back (`billing.owners`, decision 0007).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from billing import owners
from billing.pricing import FREE_CANCELLATION_DAYS
from billing.served import served_since
from foundation.calendar import add_months, first_of_month
from foundation.database import HospitalSession

# What the statements below stand on is set aside once, with statistics, so that the plan over tens of
# thousands of patients is not guessed: the enrolments with their last day and whether they are free, who died
# before the first contact, and each patient's billable days.
_SET_UP = (
    text("DROP TABLE IF EXISTS pg_temp.billing_facts, pg_temp.billing_unreached, pg_temp.billing_due"),
    text("""
        CREATE TEMP TABLE billing_facts (
            id uuid PRIMARY KEY, patient_id uuid, record_id uuid, started_on date, last_day date,
            free boolean, end_reason text
        ) ON COMMIT DROP
    """),
    text("CREATE TEMP TABLE billing_unreached (patient_id uuid PRIMARY KEY) ON COMMIT DROP"),
    text("""
        CREATE TEMP TABLE billing_due (
            patient_id uuid PRIMARY KEY, days datemultirange, served datemultirange
        ) ON COMMIT DROP
    """),
)
# Each of these is there for a whole hospital and, in place of `{whose}`, for some of its patients.
_WHOSE = "AND {column} = ANY (CAST(:patient_ids AS uuid[]))"


def _whose(statement: str, column: str) -> tuple[TextClause, TextClause]:
    """A statement for everybody, and for the patients in `patient_ids`."""
    some = statement.replace("{whose}", _WHOSE.replace("{column}", column))
    return text(statement.replace("{whose}", "")), text(some)


_FACTS = _whose(
    """
    INSERT INTO billing_facts
    SELECT e.id, e.patient_id, coalesce(a.record_id, e.patient_id), e.started_on,
           least(coalesce(e.ended_on, 'infinity'), coalesce(e.cancelled_on, 'infinity')),
           coalesce(e.cancelled_on <= :free_days + greatest(
               e.started_on, (e.created_at AT TIME ZONE 'Asia/Shanghai')::date), false),
           e.end_reason
    FROM enrolment e LEFT JOIN billing_came a ON a.enrolment_id = e.id
    WHERE e.tenant_id = :tenant_id {whose}
    """,
    "e.patient_id",
)
_UNREACHED = _whose(
    """
    INSERT INTO billing_unreached
    SELECT DISTINCT coalesce(o.kept_id, s.patient_id)
    FROM suppression s LEFT JOIN billing_owner o ON o.gone_id = s.patient_id
    WHERE s.tenant_id = :tenant_id AND s.reason = 'deceased' AND s.lifted_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM call c
        WHERE c.tenant_id = :tenant_id AND c.patient_id IN (s.patient_id, o.kept_id)
          AND c.connected_at IS NOT NULL
          AND c.dialled_at <= s.started_at) {whose}
    """,
    "s.patient_id",
)
_DUE = _whose(
    """
    INSERT INTO billing_due
    WITH stops AS (
        SELECT s.patient_id, range_agg(daterange(t.first_day, greatest(t.first_day, t.lifted_on))) AS days
        FROM suppression s CROSS JOIN LATERAL (SELECT
            (s.started_at AT TIME ZONE 'Asia/Shanghai')::date + 1 AS first_day,
            coalesce((s.lifted_at AT TIME ZONE 'Asia/Shanghai')::date, 'infinity') AS lifted_on) AS t
        WHERE s.tenant_id = :tenant_id {whose} GROUP BY s.patient_id
    ), spans AS (
        SELECT f.patient_id, f.record_id, range_agg(daterange(f.started_on, f.last_day, '[]')) AS days
        FROM billing_facts f
        WHERE NOT f.free AND f.last_day >= f.started_on
          AND NOT EXISTS (SELECT 1 FROM billing_unreached u WHERE u.patient_id = f.patient_id)
        GROUP BY f.patient_id, f.record_id
    ), together AS (
        SELECT p.patient_id, range_agg(p.days - coalesce(s.days, '{}')) AS days
        FROM spans p LEFT JOIN stops s ON s.patient_id = p.record_id GROUP BY p.patient_id
    ), agreed AS (
        SELECT coalesce(range_agg(daterange(c.starts_on, c.ends_on, '[]')), '{}'::datemultirange) AS days
        FROM contract c WHERE c.tenant_id = :tenant_id
    ), suspended AS (  -- whole days only: from the first midnight inside to the last one
        SELECT coalesce(range_agg(daterange(t.first_day, greatest(t.first_day, t.upto))), '{}') AS days
        FROM hospital_phase h CROSS JOIN LATERAL (SELECT
            ((h.started_at - interval '1 microsecond') AT TIME ZONE 'Asia/Shanghai')::date + 1 AS first_day,
            coalesce((h.ended_at AT TIME ZONE 'Asia/Shanghai')::date, 'infinity') AS upto) AS t
        WHERE h.tenant_id = :tenant_id AND h.state = 'suspended'
    ), due AS (
        SELECT p.patient_id, p.days * a.days AS days FROM together p CROSS JOIN agreed a
    )
    SELECT d.patient_id, d.days, d.days - u.days FROM due d CROSS JOIN suspended u
    """,
    "s.patient_id",
)
_INDEX_FACTS = text("CREATE INDEX ON billing_facts (patient_id, started_on)")
_ANALYZE_FACTS, _ANALYZE_DUE = text("ANALYZE billing_facts"), text("ANALYZE billing_due")

# The enrolment that a patient-month hangs on: the one that began last before the month's end.
_ENROLMENT = """
    CROSS JOIN LATERAL (
        SELECT f.id, f.end_reason FROM billing_facts f
        WHERE f.patient_id = d.patient_id AND NOT f.free AND f.started_on < {upto} AND f.last_day >= {since}
        ORDER BY f.started_on DESC, f.id DESC LIMIT 1
    ) AS e
"""


def _joined(statement: str, since: str, upto: str) -> str:
    """A statement, with that join in place of `{enrolment}`."""
    return statement.replace("{enrolment}", _ENROLMENT.replace("{since}", since).replace("{upto}", upto))


_FILL_BOTH = _joined(
    """
    WITH before AS (
        SELECT coalesce(o.kept_id, l.patient_id) AS patient_id
        FROM ledger_entry l LEFT JOIN billing_owner o ON o.gone_id = l.patient_id
        WHERE l.tenant_id = :tenant_id AND l.month = :previous AND l.kind IN ('carried', 'new')
          AND NOT l.leaves {whose}
    ), wanted AS (
        SELECT d.patient_id, e.id AS enrolment_id,
               CASE WHEN CASE WHEN :chained THEN d.patient_id IN (SELECT patient_id FROM before)
                              ELSE d.days @> CAST(:first AS date) AND d.days @> CAST(:first AS date) - 1 END
                    THEN 'carried' ELSE 'new' END AS kind,
               NOT (d.days @> CAST(:upto AS date) - 1 AND d.days @> CAST(:upto AS date)) AS leaves,
               NOT d.served && daterange(:first, :upto) AS suspended,
               coalesce(e.end_reason, 'ended') AS reason
        FROM billing_due d {enrolment}
        WHERE d.days && daterange(:first, :upto)
        UNION ALL
        (SELECT DISTINCT ON (f.patient_id) f.patient_id, f.id, 'cancelled', true, false,
               CASE WHEN f.free THEN 'cancelled' ELSE 'deceased' END
        FROM billing_facts f LEFT JOIN billing_unreached u ON u.patient_id = f.patient_id
        WHERE f.started_on >= :first AND f.started_on < :upto AND (f.free OR u.patient_id IS NOT NULL)
          AND NOT EXISTS (SELECT 1 FROM billing_due d
                          WHERE d.patient_id = f.patient_id AND d.days && daterange(:first, :upto))
          AND EXISTS (SELECT 1 FROM contract c WHERE c.tenant_id = :tenant_id
                      AND daterange(c.starts_on, c.ends_on, '[]') @> f.started_on)
        ORDER BY f.patient_id, f.id)
    ), gone AS (
        DELETE FROM ledger_entry l
        WHERE l.tenant_id = :tenant_id AND l.month = :first {whose}
          AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.patient_id = l.patient_id)
          AND NOT EXISTS (SELECT 1 FROM ledger_credit c  -- given back already: the two balance
                          WHERE c.tenant_id = l.tenant_id AND c.ledger_entry_id = l.id)
        RETURNING 1
    ), written AS (
        INSERT INTO ledger_entry AS l (tenant_id, id, month, patient_id, enrolment_id, invoice_id, kind,
                                       unit_fen, leaves, suspended, reason, created_at)
        SELECT :tenant_id, uuidv7(), :first, w.patient_id, w.enrolment_id, NULL, w.kind, :unit_fen, w.leaves,
               w.suspended, CASE WHEN w.leaves THEN w.reason ELSE '' END, :now
        FROM wanted w
        ON CONFLICT (tenant_id, month, patient_id) DO UPDATE
        SET kind = excluded.kind, enrolment_id = excluded.enrolment_id, unit_fen = excluded.unit_fen,
            leaves = excluded.leaves, suspended = excluded.suspended, reason = excluded.reason
        WHERE (l.kind, l.enrolment_id, l.unit_fen, l.leaves, l.suspended, l.reason) IS DISTINCT FROM
              (excluded.kind, excluded.enrolment_id, excluded.unit_fen, excluded.leaves, excluded.suspended,
               excluded.reason)
        RETURNING 1
    )
    SELECT count(*) FILTER (WHERE kind <> 'cancelled' AND NOT suspended) AS billable,
           (SELECT count(*) FROM gone) + (SELECT count(*) FROM written) AS changed
    FROM wanted
    """,
    since=":first",
    upto=":upto",
)
_FILL = _whose(_FILL_BOTH, "l.patient_id")

# Months whose invoice is out, with the price that held: what is known too late goes onto the next invoice.
# Where the hospital came to this firm within the month (`since`), only the days since then are its own, at
# its own price.
_LATE = text(
    _joined(
        """
    WITH closed AS (
        SELECT i.month, (i.month + interval '1 month')::date AS upto,
               greatest(i.month, CAST(:since AS date)) AS own_from,
               CASE WHEN i.month < :since THEN n.unit_fen ELSE c.unit_fen END AS unit_fen
        FROM invoice i JOIN contract c ON c.tenant_id = i.tenant_id AND c.id = i.contract_id
        LEFT JOIN contract n ON n.tenant_id = i.tenant_id AND n.starts_on = :since
        WHERE i.tenant_id = :tenant_id AND i.month < :first AND i.state IN ('issued', 'paid')
          AND i.month + interval '1 month' > :since
    ), wanted AS (
        SELECT m.month, m.unit_fen, d.patient_id, e.id AS enrolment_id
        FROM closed m JOIN billing_due d ON d.served && daterange(m.own_from, m.upto) {enrolment}
        WHERE (m.month, d.patient_id) NOT IN (  -- hashed once, whatever the planner thinks of the ledger
            SELECT l.month, l.patient_id FROM ledger_entry l
            WHERE l.tenant_id = :tenant_id AND l.month < :first AND l.invoice_id IS DISTINCT FROM :invoice_id
            UNION ALL  -- billed to a record that was merged into this one, and not given back
            SELECT l.month, o.kept_id FROM ledger_entry l JOIN billing_owner o ON o.gone_id = l.patient_id
            WHERE l.tenant_id = :tenant_id AND l.month < :first AND l.kind <> 'cancelled' AND NOT l.suspended
              AND l.invoice_id IS DISTINCT FROM :invoice_id AND NOT EXISTS (
                SELECT 1 FROM ledger_credit c WHERE c.tenant_id = :tenant_id AND c.ledger_entry_id = l.id
                  AND c.invoice_id <> :invoice_id))
    ), gone AS (
        DELETE FROM ledger_entry l
        WHERE l.tenant_id = :tenant_id AND l.invoice_id = :invoice_id AND l.kind = 'late'
          AND NOT EXISTS (SELECT 1 FROM wanted w WHERE (w.month, w.patient_id) = (l.month, l.patient_id))
    )
    INSERT INTO ledger_entry (tenant_id, id, month, patient_id, enrolment_id, invoice_id, kind, unit_fen,
                              leaves, reason, created_at)
    SELECT :tenant_id, uuidv7(), month, patient_id, enrolment_id, :invoice_id, 'late', unit_fen,
           false, '', :now
    FROM wanted
    ON CONFLICT (tenant_id, month, patient_id) DO NOTHING
    """,
        since="m.own_from",
        upto="m.upto",
    )
)

_CREDIT = text(
    """
    WITH billed AS (  -- and not given back by another invoice: of one person's the first stays
        SELECT l.id, coalesce(o.kept_id, l.patient_id) AS owner_id, row_number() OVER (
                   PARTITION BY coalesce(o.kept_id, l.patient_id), l.month
                   ORDER BY o.kept_id IS NULL DESC, l.id) AS place
        FROM ledger_entry l LEFT JOIN billing_owner o ON o.gone_id = l.patient_id
        WHERE l.tenant_id = :tenant_id AND l.month < :first AND l.kind <> 'cancelled' AND NOT l.suspended
          AND NOT EXISTS (SELECT 1 FROM ledger_credit c WHERE c.tenant_id = l.tenant_id
                          AND c.ledger_entry_id = l.id AND c.invoice_id <> :invoice_id)
    ), wanted AS (
        SELECT l.id, l.month, l.patient_id, l.enrolment_id, l.unit_fen,
               CASE WHEN b.place > 1 THEN 'merged' WHEN u.patient_id IS NOT NULL THEN 'deceased'
                    WHEN f.free THEN 'cancelled' ELSE coalesce(f.end_reason, 'ended') END AS reason
        FROM ledger_entry l
        JOIN billed b ON b.id = l.id
        JOIN invoice i ON i.tenant_id = l.tenant_id AND i.id = l.invoice_id AND i.state IN ('issued', 'paid')
        JOIN contract k ON k.tenant_id = i.tenant_id AND k.id = i.contract_id AND k.starts_on >= :since
        JOIN billing_facts f ON f.id = l.enrolment_id
        LEFT JOIN billing_due d ON d.patient_id = b.owner_id
        LEFT JOIN billing_unreached u ON u.patient_id = b.owner_id
        WHERE l.tenant_id = :tenant_id AND (b.place > 1 OR NOT coalesce(
              d.days && daterange(l.month, (l.month + interval '1 month')::date), false))
    ), gone AS (
        DELETE FROM ledger_credit c
        WHERE c.tenant_id = :tenant_id AND c.invoice_id = :invoice_id
          AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.id = c.ledger_entry_id)
    )
    INSERT INTO ledger_credit AS c (tenant_id, id, ledger_entry_id, month, patient_id, enrolment_id,
                                    invoice_id, unit_fen, reason, created_at)
    SELECT :tenant_id, uuidv7(), id, month, patient_id, enrolment_id, :invoice_id, unit_fen, reason, :now
    FROM wanted
    ON CONFLICT (tenant_id, ledger_entry_id) DO UPDATE SET reason = excluded.reason
    WHERE c.reason <> excluded.reason
    """
)

_STATE = text("""
    SELECT EXISTS (
               SELECT 1 FROM invoice
               WHERE tenant_id = :tenant_id AND month = :first AND state IN ('issued', 'paid')) AS frozen,
           EXISTS (
               SELECT 1 FROM invoice WHERE tenant_id = :tenant_id AND month = :previous AND state <> 'void')
           OR EXISTS (
               SELECT 1 FROM ledger_entry WHERE tenant_id = :tenant_id AND month = :previous) AS chained,
           (SELECT unit_fen FROM contract
            WHERE tenant_id = :tenant_id AND starts_on < :upto AND (ends_on IS NULL OR ends_on >= :first)
            ORDER BY starts_on DESC LIMIT 1) AS unit_fen
""")
_ENTRIES = text("""
    SELECT count(*) FROM ledger_entry
    WHERE tenant_id = :tenant_id AND month = :first AND kind IN ('carried', 'new') AND NOT suspended
""")


def fill(session: HospitalSession, month: date, *, now: datetime) -> int:
    """Write the month's patient-months, one per patient; returns how many are billable.

    `month` is any day of it. Repeatable: rows are added, corrected and taken away as the facts are now, until
    the month's invoice is issued; from then on nothing changes. Nothing is written outside a contract. A
    patient is carried over when the closing count of the month before (if that month has a ledger) has them,
    else new.
    """
    session.flush()
    values = _values(session, month, now)
    state = session.execute(_STATE, values).one()
    if state.frozen or state.unit_fen is None:
        return int(session.execute(_ENTRIES, values).scalar_one())
    _set_aside(session, values)
    chained = values | {"chained": state.chained, "unit_fen": state.unit_fen}
    return int(session.execute(_FILL[0], chained).one().billable)


def refill(
    session: HospitalSession, months: list[date], patient_ids: list[UUID], *, now: datetime
) -> list[date]:
    """The same for some patients: their rows of these months are as `fill` would write them now; returns the
    months in which anything changed.

    `months` are first days, earliest first, of months that have a ledger; what is issued stays untouched. A
    row that goes and comes back with an undo is written anew, under another id: until the invoice is out
    nothing points at it.
    """
    session.flush()
    whole = owners.with_merged(session, patient_ids)
    some, changed = {"patient_ids": whole}, list[date]()
    if months:
        _set_aside(session, _values(session, months[0], now), whole)  # the same facts for each month
    for month in months:
        values = _values(session, month, now)
        state = session.execute(_STATE, values).one()
        if not state.frozen and state.unit_fen is not None:
            chained = values | some | {"chained": state.chained, "unit_fen": state.unit_fen}
            if session.execute(_FILL[1], chained).one().changed:
                changed.append(month)
    return changed


def correct_earlier(session: HospitalSession, month: date, invoice_id: UUID, *, now: datetime) -> None:
    """Put onto this month's draft what is now known of months whose invoices are out.

    Patient-months reported too late are billed under their own month, those that turn out not to be billable
    are credited (J5); each at the price of its month, each once. Repeatable.
    """
    session.flush()
    values = _values(session, month, now) | {"invoice_id": invoice_id}
    _set_aside(session, values)
    session.execute(_LATE, values)
    session.execute(_CREDIT, values)


def _set_aside(
    session: HospitalSession, values: dict[str, Any], patient_ids: list[UUID] | None = None
) -> None:
    which = 0 if patient_ids is None else 1
    named = values if patient_ids is None else values | {"patient_ids": patient_ids}
    owners.set_aside(session)
    for statement in _SET_UP:
        session.execute(statement)
    session.execute(_FACTS[which], named)
    session.execute(_INDEX_FACTS)
    session.execute(_ANALYZE_FACTS)
    session.execute(_UNREACHED[which], named)
    session.execute(_DUE[which], named)
    session.execute(_ANALYZE_DUE)


def _values(session: HospitalSession, month: date, now: datetime) -> dict[str, Any]:
    first = first_of_month(month)
    return {
        "tenant_id": session.tenant_id,
        "first": first,
        "upto": add_months(first, 1),
        "previous": add_months(first, -1),
        "since": served_since(session),
        "free_days": FREE_CANCELLATION_DAYS,
        "now": now,
    }
