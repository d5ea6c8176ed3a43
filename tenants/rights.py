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
    OPERATOR = "operator"


class Action(StrEnum):
    """What somebody does."""

    WORK_QUEUE = "work_queue"
    VIEW_CASES = "view_cases"
    HANDLE_CASES = "handle_cases"
    VIEW_PATIENTS = "view_patients"
    IMPORT_PATIENTS = "import_patients"
    SUPPRESS_PATIENTS = "suppress_patients"
    VIEW_PLANS = "view_plans"
    VIEW_REPORTS = "view_reports"
    VIEW_BENCHMARK = "view_benchmark"
    RUN_BENCHMARK = "run_benchmark"
    VIEW_INVOICES = "view_invoices"
    ISSUE_INVOICES = "issue_invoices"
    MANAGE_HOSPITALS = "manage_hospitals"
    VIEW_OPERATIONS = "view_operations"
    VIEW_AUDIT = "view_audit"


A = Action

MATRIX: dict[Role, frozenset[Action]] = {
    Role.AGENT: frozenset(
        {A.WORK_QUEUE, A.VIEW_CASES, A.HANDLE_CASES, A.VIEW_PATIENTS, A.SUPPRESS_PATIENTS, A.VIEW_PLANS}
    ),
    Role.TEAM_LEAD: frozenset(
        {
            A.WORK_QUEUE, A.VIEW_CASES, A.HANDLE_CASES, A.VIEW_PATIENTS, A.IMPORT_PATIENTS,
            A.SUPPRESS_PATIENTS, A.VIEW_PLANS, A.VIEW_REPORTS,
        }
    ),
    Role.QA: frozenset({A.VIEW_CASES, A.VIEW_PATIENTS, A.VIEW_PLANS}),
    Role.OPERATIONS: frozenset(
        {
            A.VIEW_CASES, A.VIEW_PATIENTS, A.IMPORT_PATIENTS, A.VIEW_PLANS, A.VIEW_REPORTS, A.VIEW_BENCHMARK,
            A.RUN_BENCHMARK, A.VIEW_INVOICES, A.ISSUE_INVOICES, A.MANAGE_HOSPITALS, A.VIEW_AUDIT,
        }
    ),
    Role.FIRM_GM: frozenset(
        {
            A.VIEW_CASES, A.HANDLE_CASES, A.VIEW_PATIENTS, A.IMPORT_PATIENTS, A.SUPPRESS_PATIENTS,
            A.VIEW_PLANS, A.VIEW_REPORTS, A.VIEW_BENCHMARK, A.RUN_BENCHMARK, A.VIEW_INVOICES,
            A.ISSUE_INVOICES, A.MANAGE_HOSPITALS, A.VIEW_AUDIT,
        }
    ),
    # Statistics go to the hospital's GM; others only through the GM (S4-16).
    Role.HOSPITAL_GM: frozenset(
        {
            A.VIEW_CASES, A.VIEW_PATIENTS, A.VIEW_PLANS, A.VIEW_REPORTS, A.VIEW_BENCHMARK, A.VIEW_INVOICES,
            A.VIEW_AUDIT,
        }
    ),
    Role.HOSPITAL_ADMIN: frozenset(
        {
            A.VIEW_CASES, A.HANDLE_CASES, A.VIEW_PATIENTS, A.IMPORT_PATIENTS, A.SUPPRESS_PATIENTS,
            A.VIEW_PLANS, A.VIEW_AUDIT,
        }
    ),
    Role.DEPARTMENT_HEAD: frozenset({A.VIEW_CASES, A.HANDLE_CASES}),
    # A medical dispute leaves the firm's hands and is the hospital's own (S4-9).
    Role.MEDICAL_AFFAIRS: frozenset({A.VIEW_CASES, A.HANDLE_CASES}),
    Role.HOSPITAL_FINANCE: frozenset({A.VIEW_INVOICES}),
    # The platform's own people see health and counts, never a patient.
    Role.OPERATOR: frozenset({A.VIEW_OPERATIONS}),
}  # fmt: skip

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
    Role.OPERATOR: "platform",
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
    Role.OPERATOR: mark("Platform operator"),
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
    Role.OPERATOR: ("operations",),
}


def allowed(roles: Iterable[Role], action: Action) -> bool:
    """Whether one of these roles includes the action."""
    return any(action in MATRIX[role] for role in roles)


def role_name(role: Role) -> str:
    """The role in the current language."""
    return gettext(NAMES[role])
