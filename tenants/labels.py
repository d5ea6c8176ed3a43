"""Names of the hospital's types and grades (医院类型, 医院等级), and of what a sign-in attempt came to."""

from __future__ import annotations

from foundation.languages import mark

HOSPITAL_TYPES = {
    "general": "General hospital",
    "specialist": "Specialist hospital",
    "tcm": "Chinese medicine hospital",
    "maternal": "Maternal and child hospital",
    "checkup": "Check-up centre",
}

# 医院分级管理办法: three levels of three grades, and the special grade of the third.
GRADES = {
    "3S": "Level 3, special grade",
    "3A": "Level 3, grade A",
    "3B": "Level 3, grade B",
    "3C": "Level 3, grade C",
    "2A": "Level 2, grade A",
    "2B": "Level 2, grade B",
    "2C": "Level 2, grade C",
    "1A": "Level 1, grade A",
    "1B": "Level 1, grade B",
    "1C": "Level 1, grade C",
    "none": "Not graded",
}

# The classes of careloop.css that colour the hospital's chip.
COLOURS = (
    "teal", "blue", "orange", "purple", "green", "pink", "indigo", "yellow", "red", "cyan", "lime", "azure",
)  # fmt: skip

COLOUR_NAMES = {
    "teal": mark("Teal"),
    "blue": mark("Blue"),
    "orange": mark("Orange"),
    "purple": mark("Purple"),
    "green": mark("Green"),
    "pink": mark("Pink"),
    "indigo": mark("Indigo"),
    "yellow": mark("Yellow"),
    "red": mark("Red"),
    "cyan": mark("Cyan"),
    "lime": mark("Lime"),
    "azure": mark("Azure"),
}

SIGNIN_RESULTS = {
    "signed_in": "Signed in",
    "signed_out": "Signed out",
    "wrong_password": "Wrong password",
    "locked": "Refused: locked",
    "disabled": "Refused: account closed",
    "unknown": "Unknown account",
    "password_set": "Password set",
    "password_right": "Password accepted, next step asked",
    "wrong_code": "Wrong code",
    "code_reused": "Refused: a code used before",
    "recovery_code": "Recovery code used",
    "factor_enrolled": "Second factor set up",
    "factor_removed": "Second factor taken away",
    "factor_reset": "Second factor reset by an administrator",
    "recovery_codes_made": "New recovery codes",
    "session_ended": "Refused: a session that was ended",
    "invitation_refused": "Refused: an invitation that was used or too old",
    "closed_unused": "Account closed: not used for 90 days",
    "account_closed": "Account closed",
    "account_opened": "Account opened again",
    "provider_state": "Refused: an unknown or used company sign-in",
    "provider_expired": "Refused: a company sign-in that took too long",
    "provider_browser": "Refused: a company sign-in from another browser",
    "provider_answer": "Refused: the company sign-in did not confirm",
    "provider_unknown": "Refused: nobody here by that company sign-in",
    "provider_offer": "Refused: the role was only offered",
    "provider_enrolment": "Refused: the second factor is not set up",
    "provider_other": "Refused: linked with another identity there",
    "provider_disabled": "Refused: the company sign-in is switched off",
    "provider_required": "Refused: only through the company sign-in",
    "provider_linked": "Linked with the company sign-in",
}
# What is nothing to worry about, and what went wrong by itself or by somebody; the others are changes.
SIGNIN_TONES = {
    "signed_in": "good",
    "wrong_password": "warn",
    "wrong_code": "warn",
    "code_reused": "warn",
    "locked": "warn",
    "disabled": "warn",
    "unknown": "warn",
    "session_ended": "warn",
    "invitation_refused": "warn",
    "recovery_code": "info",
    "factor_enrolled": "info",
    "factor_removed": "info",
    "factor_reset": "info",
}
# What somebody reads whose code was refused.
REFUSED_CODES = {
    "wrong_code": "The code is not right. Take the one that the app shows now.",
    "code_reused": "This code was used before. Wait for the next one.",
    "locked": "Too many wrong attempts: nothing is taken for 30 minutes.",
}
# How a session was opened (登录方式).
STRENGTHS = {
    "password": "Password",
    "second_factor": "Password and second factor",
    "provider": "Single sign-on",
    "demo": "Demonstration",
}

# What the hospital's director opens to others (统计授权, S4-16).
STATISTICS = {
    "report": "Monthly report",
    "benchmark": "Benchmark",
}

# The rights (权限) as a key for programs names them; the keys are those of `tenants.rights.Action`.
ACTIONS = {
    "work_queue": "Call patients",
    "finish_call": "Finish a call",
    "view_cases": "Read cases",
    "handle_cases": "Work on cases",
    "export_cases": "Export cases",
    "act_as_agent": "Answer for the agent on a case",
    "act_for_department": "Answer for the department on a case",
    "act_for_office": "Answer for the complaint officer on a case",
    "call_back": "Ask patients how their case was handled",
    "view_disputes": "Read medical disputes",
    "handle_disputes": "Handle medical disputes",
    "hand_over_disputes": "Hand a case to medical affairs",
    "view_patients": "Read patients, masked",
    "reveal": "Reveal a number or name",
    "import_patients": "Import patients",
    "suppress_patients": "Stop contacting patients",
    "confirm_deaths": "Confirm a reported death",
    "merge_patients": "Merge records of one patient",
    "manage_contacts": "Manage organisations as contacts",
    "manage_consent": "Manage consent texts and legal bases",
    "handle_requests": "Take patients' requests",
    "decide_requests": "Decide patients' requests",
    "view_plans": "Read plans",
    "view_reports": "Read reports",
    "view_benchmark": "Read the benchmark",
    "run_benchmark": "Run the benchmark",
    "grant_statistics": "Grant statistics",
    "view_invoices": "Read invoices",
    "agree_prices": "Agree prices with a hospital",
    "issue_invoices": "Issue invoices",
    "manage_hospitals": "Manage hospitals",
    "manage_people": "Manage people",
    "manage_signin": "Manage the company sign-in",
    "manage_tokens": "Manage keys for programs",
    "withdraw_access": "Take away roles, access and keys",
    "manage_brand": "Manage name and logo",
    "view_onboarding": "Read the onboarding",
    "manage_onboarding": "Manage the onboarding",
    "sign_agreement": "Sign the agreement",
    "suspend_hospital": "Suspend a hospital",
    "move_hospital": "Move a hospital",
    "offboard_hospital": "Let a hospital leave",
    "sign_departure": "Sign a departure",
    "ask_support": "Ask for support access",
    "grant_support": "Grant support access",
    "suspend_firm": "Suspend a firm",
    "view_operations": "Read operations",
    "view_audit": "Read the audit trail",
}

# How far a hospital's departure is (退出), and the tone of its badge.
DEPARTURE_STATES = {
    "begun": (mark("Begun"), "info"),
    "exporting": (mark("Data being exported"), "info"),
    "exported": (mark("Data ready"), "warn"),
    "signed": (mark("Signed by the hospital"), "warn"),
    "erasing": (mark("Being erased"), "bad"),
    "erased": (mark("Erased"), "neutral"),
}
