"""Who may do what: the one place that decides (journeys.md, roles).

A role (角色) is held at a firm, at a hospital or on the platform; a right (权限) is an `Action`. The matrix
says which actions a role includes; which hospitals a person reaches is another question, answered by the
visit.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from foundation.languages import gettext, mark

Side = Literal["firm", "hospital", "platform"]


class Role(StrEnum):
    """What somebody is here."""

    AGENT = "agent"
    TEAM_LEAD = "team_lead"
    QA = "qa"
    OPERATIONS = "operations"
    FIRM_GM = "firm_gm"
    HOSPITAL_GM = "hospital_gm"
    HOSPITAL_ADMIN = "hospital_admin"
    DEPARTMENT_HEAD = "department_head"
    MEDICAL_AFFAIRS = "medical_affairs"
    HOSPITAL_FINANCE = "hospital_finance"
    HOSPITAL_AUDITOR = "hospital_auditor"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    SUPPORT = "support"


class Action(StrEnum):
    """What somebody does."""

    WORK_QUEUE = "work_queue"
    FINISH_CALL = "finish_call"
    VIEW_CASES = "view_cases"
    HANDLE_CASES = "handle_cases"
    EXPORT_CASES = "export_cases"
    # For whom of a case's owners somebody acts, and who asks the patient in the end (S0-20 to S0-32).
    ACT_AS_AGENT = "act_as_agent"
    ACT_FOR_DEPARTMENT = "act_for_department"
    ACT_FOR_OFFICE = "act_for_office"
    CALL_BACK = "call_back"
    # A medical dispute: to read more than its status line, to act for all its owners, to pass one on (S4-9).
    VIEW_DISPUTES = "view_disputes"
    HANDLE_DISPUTES = "handle_disputes"
    HAND_OVER_DISPUTES = "hand_over_disputes"
    VIEW_PATIENTS = "view_patients"
    REVEAL = "reveal"
    IMPORT_PATIENTS = "import_patients"
    SUPPRESS_PATIENTS = "suppress_patients"
    # A death is believed at once and confirmed by a second person (S4-15).
    CONFIRM_DEATHS = "confirm_deaths"
    # To say that two records are one person, or are not, and to take that back.
    MERGE_PATIENTS = "merge_patients"
    # Organisations as contacts (S1-1), and the waves that ask them.
    MANAGE_CONTACTS = "manage_contacts"
    # The words by which patients are asked, and what each purpose rests on (PIPL 13, 14).
    MANAGE_CONSENT = "manage_consent"
    HANDLE_REQUESTS = "handle_requests"
    DECIDE_REQUESTS = "decide_requests"
    VIEW_PLANS = "view_plans"
    VIEW_REPORTS = "view_reports"
    VIEW_BENCHMARK = "view_benchmark"
    RUN_BENCHMARK = "run_benchmark"
    GRANT_STATISTICS = "grant_statistics"
    VIEW_INVOICES = "view_invoices"
    AGREE_PRICES = "agree_prices"
    ISSUE_INVOICES = "issue_invoices"
    MANAGE_HOSPITALS = "manage_hospitals"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_SIGNIN = "manage_signin"
    MANAGE_TOKENS = "manage_tokens"
    # To shut somebody out: a role, an access, a key. No stage of a hospital or a firm is in its way.
    WITHDRAW_ACCESS = "withdraw_access"
    MANAGE_BRAND = "manage_brand"
    VIEW_ONBOARDING = "view_onboarding"
    MANAGE_ONBOARDING = "manage_onboarding"
    SIGN_AGREEMENT = "sign_agreement"
    SUSPEND_HOSPITAL = "suspend_hospital"
    MOVE_HOSPITAL = "move_hospital"
    OFFBOARD_HOSPITAL = "offboard_hospital"
    SIGN_DEPARTURE = "sign_departure"
    ASK_SUPPORT = "ask_support"
    GRANT_SUPPORT = "grant_support"
    SUSPEND_FIRM = "suspend_firm"
    VIEW_OPERATIONS = "view_operations"
    VIEW_AUDIT = "view_audit"


A = Action

MATRIX: dict[Role, frozenset[Action]] = {
    Role.AGENT: frozenset(
        {
            A.WORK_QUEUE, A.FINISH_CALL, A.VIEW_CASES, A.HANDLE_CASES, A.VIEW_PATIENTS, A.REVEAL,
            A.SUPPRESS_PATIENTS, A.HANDLE_REQUESTS, A.VIEW_PLANS,
            A.ACT_AS_AGENT, A.CALL_BACK, A.HAND_OVER_DISPUTES,
        }
    ),
    Role.TEAM_LEAD: frozenset(
        {
            A.WORK_QUEUE, A.FINISH_CALL, A.VIEW_CASES, A.HANDLE_CASES, A.EXPORT_CASES, A.VIEW_PATIENTS,
            A.REVEAL, A.IMPORT_PATIENTS, A.SUPPRESS_PATIENTS, A.HANDLE_REQUESTS, A.VIEW_PLANS, A.VIEW_REPORTS,
            A.ACT_AS_AGENT, A.CALL_BACK, A.HAND_OVER_DISPUTES,
            A.CONFIRM_DEATHS, A.MERGE_PATIENTS, A.MANAGE_CONTACTS,
        }
    ),
    Role.QA: frozenset({A.VIEW_CASES, A.VIEW_PATIENTS, A.VIEW_PLANS}),
    Role.OPERATIONS: frozenset(
        {
            A.VIEW_CASES, A.EXPORT_CASES, A.VIEW_PATIENTS, A.IMPORT_PATIENTS, A.HANDLE_REQUESTS,
            A.VIEW_PLANS, A.VIEW_REPORTS, A.VIEW_BENCHMARK, A.RUN_BENCHMARK, A.VIEW_INVOICES, A.AGREE_PRICES,
            A.ISSUE_INVOICES, A.MANAGE_HOSPITALS, A.MANAGE_PEOPLE, A.MANAGE_TOKENS, A.MANAGE_BRAND,
            A.VIEW_ONBOARDING, A.MANAGE_ONBOARDING, A.SUSPEND_HOSPITAL, A.VIEW_AUDIT,
            A.WITHDRAW_ACCESS,
            A.MERGE_PATIENTS, A.MANAGE_CONTACTS, A.MANAGE_CONSENT,
        }
    ),
    Role.FIRM_GM: frozenset(
        {
            A.VIEW_CASES, A.HANDLE_CASES, A.EXPORT_CASES, A.VIEW_PATIENTS, A.REVEAL, A.IMPORT_PATIENTS,
            A.SUPPRESS_PATIENTS, A.HANDLE_REQUESTS, A.VIEW_PLANS, A.VIEW_REPORTS, A.VIEW_BENCHMARK,
            A.RUN_BENCHMARK, A.VIEW_INVOICES, A.AGREE_PRICES, A.ISSUE_INVOICES, A.MANAGE_HOSPITALS,
            A.MANAGE_PEOPLE, A.MANAGE_SIGNIN, A.MANAGE_TOKENS, A.MANAGE_BRAND, A.VIEW_ONBOARDING,
            A.MANAGE_ONBOARDING, A.SUSPEND_HOSPITAL, A.MOVE_HOSPITAL, A.OFFBOARD_HOSPITAL, A.GRANT_SUPPORT,
            A.VIEW_AUDIT, A.ACT_AS_AGENT, A.CALL_BACK, A.HAND_OVER_DISPUTES, A.WITHDRAW_ACCESS,
            A.CONFIRM_DEATHS, A.MERGE_PATIENTS, A.MANAGE_CONTACTS, A.MANAGE_CONSENT,
        }
    ),
    # Statistics go to the hospital's GM; others only through the GM (S4-16).
    Role.HOSPITAL_GM: frozenset(
        {
            A.VIEW_CASES, A.EXPORT_CASES, A.VIEW_PATIENTS, A.VIEW_PLANS, A.VIEW_REPORTS, A.VIEW_BENCHMARK,
            A.GRANT_STATISTICS, A.VIEW_INVOICES, A.VIEW_ONBOARDING, A.SIGN_AGREEMENT, A.SIGN_DEPARTURE,
            A.GRANT_SUPPORT, A.VIEW_AUDIT,
            A.VIEW_DISPUTES,
        }
    ),
    Role.HOSPITAL_ADMIN: frozenset(
        {
            A.VIEW_CASES, A.HANDLE_CASES, A.EXPORT_CASES, A.VIEW_PATIENTS, A.REVEAL, A.IMPORT_PATIENTS,
            A.SUPPRESS_PATIENTS, A.HANDLE_REQUESTS, A.DECIDE_REQUESTS, A.VIEW_PLANS, A.MANAGE_PEOPLE,
            A.MANAGE_SIGNIN, A.MANAGE_TOKENS, A.MANAGE_BRAND, A.VIEW_ONBOARDING, A.GRANT_SUPPORT,
            A.VIEW_AUDIT, A.WITHDRAW_ACCESS,
            A.ACT_AS_AGENT, A.ACT_FOR_DEPARTMENT, A.ACT_FOR_OFFICE, A.CALL_BACK, A.VIEW_DISPUTES,
            A.HANDLE_DISPUTES, A.HAND_OVER_DISPUTES,
            A.CONFIRM_DEATHS, A.MERGE_PATIENTS, A.MANAGE_CONTACTS, A.MANAGE_CONSENT,
        }
    ),
    Role.DEPARTMENT_HEAD: frozenset(
        {A.VIEW_CASES, A.HANDLE_CASES, A.ACT_FOR_DEPARTMENT, A.VIEW_DISPUTES, A.HAND_OVER_DISPUTES}
    ),
    # A medical dispute leaves the firm's hands and is the hospital's own (S4-9).
    Role.MEDICAL_AFFAIRS: frozenset(
        {
            A.VIEW_CASES, A.HANDLE_CASES, A.EXPORT_CASES, A.REVEAL, A.ACT_FOR_OFFICE, A.CALL_BACK,
            A.VIEW_DISPUTES, A.HANDLE_DISPUTES,
        }
    ),
    Role.HOSPITAL_FINANCE: frozenset({A.VIEW_INVOICES}),
    # Whoever watches the records can read and not change; whoever runs the system sees no patient
    # (GB/T 22239-2019, separation of administrators, 三员分立).
    Role.HOSPITAL_AUDITOR: frozenset({A.VIEW_AUDIT}),
    Role.AUDITOR: frozenset({A.VIEW_AUDIT}),
    Role.OPERATOR: frozenset({A.VIEW_OPERATIONS, A.ASK_SUPPORT, A.SUSPEND_FIRM}),
    # Not given to anybody: what an operator may read at one hospital while support access was granted.
    Role.SUPPORT: frozenset({A.VIEW_CASES, A.VIEW_PATIENTS, A.VIEW_PLANS}),
}  # fmt: skip

# What a hospital in this state (阶段) refuses to everybody, whatever their role.
CHANGES: frozenset[Action] = frozenset(
    {
        A.WORK_QUEUE, A.HANDLE_CASES, A.IMPORT_PATIENTS, A.SUPPRESS_PATIENTS, A.RUN_BENCHMARK,
        A.AGREE_PRICES, A.ISSUE_INVOICES, A.MANAGE_HOSPITALS, A.MANAGE_PEOPLE, A.MANAGE_SIGNIN,
        A.MANAGE_TOKENS, A.MANAGE_BRAND, A.MANAGE_ONBOARDING, A.HANDLE_REQUESTS, A.DECIDE_REQUESTS,
        A.CONFIRM_DEATHS, A.MERGE_PATIENTS, A.MANAGE_CONTACTS, A.MANAGE_CONSENT,
    }
)  # fmt: skip
REFUSED_IN: dict[str, frozenset[Action]] = {
    "active": frozenset(),
    # Data may come in and everything may be prepared, its prices too; nobody is called, nothing is billed.
    "onboarding": frozenset({A.WORK_QUEUE, A.RUN_BENCHMARK, A.ISSUE_INVOICES}),
    # Scheduled calls stop; open complaints stay workable, people read and export (journeys.md J6). A call
    # that was going on may be ended and saved: FINISH_CALL.
    "suspended": frozenset({A.WORK_QUEUE, A.IMPORT_PATIENTS, A.RUN_BENCHMARK}),
    "leaving": CHANGES - {A.HANDLE_CASES, A.HANDLE_REQUESTS, A.DECIDE_REQUESTS, A.ISSUE_INVOICES},
    "left": frozenset(Action),
}
# All hospitals of a suspended firm can be read and not changed.
# What suspends a firm's hospitals is ended by the operator alone.
REFUSED_BY_FIRM: dict[str, frozenset[Action]] = {
    "active": frozenset(),
    "suspended": CHANGES | {A.SUSPEND_HOSPITAL, A.OFFBOARD_HOSPITAL, A.MOVE_HOSPITAL},
}

# A second factor (第二因素) is asked of whoever reaches several hospitals or administers one
# (GB/T 22239-2019 8.1.4.1 d).
NEEDS_SECOND_FACTOR = frozenset(
    {
        Role.AGENT, Role.TEAM_LEAD, Role.QA, Role.OPERATIONS, Role.FIRM_GM, Role.AUDITOR, Role.HOSPITAL_GM,
        Role.HOSPITAL_ADMIN, Role.HOSPITAL_AUDITOR, Role.OPERATOR,
    }
)  # fmt: skip

SIDES: dict[Role, Side] = {
    Role.AGENT: "firm",
    Role.TEAM_LEAD: "firm",
    Role.QA: "firm",
    Role.OPERATIONS: "firm",
    Role.FIRM_GM: "firm",
    Role.HOSPITAL_GM: "hospital",
    Role.HOSPITAL_ADMIN: "hospital",
    Role.DEPARTMENT_HEAD: "hospital",
    Role.MEDICAL_AFFAIRS: "hospital",
    Role.HOSPITAL_FINANCE: "hospital",
    Role.HOSPITAL_AUDITOR: "hospital",
    Role.AUDITOR: "firm",
    Role.OPERATOR: "platform",
    Role.SUPPORT: "platform",
}

# Who may give, change and take away which role (授予角色). Nobody gives a role to themselves. A hospital's
# statistics open through its director alone (S4-16), so no colleague names one; and the firm's general
# manager alone appoints who watches the firm's records (三员分立).
HOSPITAL_ROLES = frozenset(role for role, side in SIDES.items() if side == "hospital")
GIVES: dict[Role, frozenset[Role]] = {
    Role.FIRM_GM: frozenset(role for role, side in SIDES.items() if side == "firm") | HOSPITAL_ROLES,
    Role.OPERATIONS: frozenset({Role.AGENT, Role.TEAM_LEAD, Role.QA, Role.OPERATIONS}) | HOSPITAL_ROLES,
    Role.HOSPITAL_ADMIN: HOSPITAL_ROLES - {Role.HOSPITAL_GM},
}

# Reaches only the hospitals assigned to the person; the firm's other roles reach all hospitals of the firm.
ASSIGNED_ONLY = frozenset({Role.AGENT})

NAMES: dict[Role, str] = {
    Role.AGENT: mark("Agent"),
    Role.TEAM_LEAD: mark("Team lead"),
    Role.QA: mark("Quality reviewer"),
    Role.OPERATIONS: mark("Operations and finance"),
    Role.FIRM_GM: mark("General manager"),
    Role.HOSPITAL_GM: mark("Hospital director"),
    Role.HOSPITAL_ADMIN: mark("Patient service director"),
    Role.DEPARTMENT_HEAD: mark("Department head"),
    Role.MEDICAL_AFFAIRS: mark("Medical affairs"),
    Role.HOSPITAL_FINANCE: mark("Hospital finance"),
    Role.HOSPITAL_AUDITOR: mark("Hospital security auditor"),
    Role.AUDITOR: mark("Security auditor"),
    Role.OPERATOR: mark("Platform operator"),
    Role.SUPPORT: mark("Support"),
}

# Where somebody starts: the first of these entries of the rail that the person may open.
HOME: dict[Role, tuple[str, ...]] = {
    Role.AGENT: ("workbench", "cases"),
    Role.TEAM_LEAD: ("cases", "workbench"),
    Role.QA: ("cases",),
    Role.OPERATIONS: ("benchmark", "billing", "settings"),
    Role.FIRM_GM: ("benchmark", "reports", "settings"),
    Role.HOSPITAL_GM: ("reports", "cases"),
    Role.HOSPITAL_ADMIN: ("cases",),
    Role.DEPARTMENT_HEAD: ("cases",),
    Role.MEDICAL_AFFAIRS: ("cases",),
    Role.HOSPITAL_FINANCE: ("billing",),
    Role.HOSPITAL_AUDITOR: ("audit",),
    Role.AUDITOR: ("audit",),
    Role.OPERATOR: ("operations",),
    Role.SUPPORT: ("cases",),
}


def allowed(roles: Iterable[Role], action: Action) -> bool:
    """Whether one of these roles includes the action."""
    return any(action in MATRIX[role] for role in roles)


def gives(roles: Iterable[Role]) -> frozenset[Role]:
    """The roles that somebody of these roles may give and take away."""
    return frozenset().union(*(GIVES.get(role, frozenset()) for role in roles))


def role_name(role: Role) -> str:
    """The role in the current language."""
    return gettext(NAMES[role])
