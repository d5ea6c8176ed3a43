"""What the records of the audit trail are called (审计事项), and which group an auditor finds them in.

Every action that the product records stands here with a label; a test reads the sources for one that does
not. Only words: this floor knows no tables of the floors above.
"""

from __future__ import annotations

from foundation.languages import gettext, mark
from tenants.labels import SIGNIN_RESULTS

# In the order of the choice on the page; the first ones are what an audit of compliance counts (PIPL 54).
GROUPS: dict[str, str] = {
    "access": mark("Looked at"),
    "export": mark("Downloads and exports"),
    "consent": mark("Consent and objection"),
    "deletion": mark("Deletion and restriction"),
    "refusal": mark("Refusals"),
    "signin": mark("Sign-in"),
    "grant": mark("Grants and support access"),
    "people": mark("People and keys"),
    "data": mark("Data taken in and corrected"),
    "care": mark("Calls and cases"),
    "report": mark("Reports and comparison"),
    "billing": mark("Billing"),
    "hospital": mark("Hospital and agreement"),
    "audit": mark("Audit"),
    "other": mark("Other"),
}

# Action: group and label.
ACTIONS: dict[str, tuple[str, str]] = {
    "patients.viewed": ("access", mark("Patient's page opened")),
    "patients.number_revealed": ("access", mark("Number shown in full")),
    "feedback.words_revealed": ("access", mark("Words of a case shown in full")),
    "patients.name_revealed": ("access", mark("Name shown in full")),
    "patients.id_number_revealed": ("access", mark("Identity number shown in full")),
    "patients.request_viewed": ("access", mark("Patient's request opened")),
    "feedback.read": ("access", mark("Case opened")),
    "outreach.card_read": ("access", mark("Call card opened")),
    "billing.patients_listed": ("access", mark("Billed patients looked at")),
    "reporting.months_read": ("access", mark("List of monthly reports opened")),
    "reporting.benchmarks_read": ("access", mark("List of comparisons opened")),
    "surveys.index_read": ("access", mark("Index of the questionnaires read")),
    "reporting.month_read": ("access", mark("Monthly report opened")),
    "reporting.benchmark_read": ("access", mark("Comparison opened")),
    "benchmark.read": ("access", mark("Comparison of all hospitals opened")),
    "agreement.document_read": ("export", mark("Signed document downloaded")),
    "feedback.exported": ("export", mark("Cases exported")),
    "patients.rejected_exported": ("export", mark("Rejected rows downloaded")),
    "patients.verdicts_exported": ("export", mark("Verdicts of a list downloaded")),
    "patients.request_copy_handed_out": ("export", mark("Copy of a patient's data handed out")),
    "billing.downloaded": ("export", mark("Billing file downloaded")),
    "reporting.month_downloaded": ("export", mark("Monthly report downloaded")),
    "reporting.benchmark_downloaded": ("export", mark("Comparison downloaded")),
    "benchmark.downloaded": ("export", mark("Comparison of all hospitals downloaded")),
    "audit.exported": ("export", mark("Audit records exported")),
    "tenants.departure_exported": ("export", mark("Departing hospital's data prepared")),
    "tenants.departure_downloaded": ("export", mark("Departing hospital's data downloaded")),
    "tenants.certificate_downloaded": ("export", mark("Certificate of erasure downloaded")),
    "patients.consent_given": ("consent", mark("Consent given")),
    "patients.consent_refused": ("consent", mark("Consent refused or withdrawn")),
    "patients.consent_text_added": ("consent", mark("New words of asking")),
    "patients.basis_set": ("consent", mark("Legal basis of a purpose set")),
    "patients.number_blocked": ("consent", mark("Number put on the list of numbers not to be called")),
    "patients.number_unblocked": ("consent", mark("Number taken off the list of numbers not to be called")),
    "patients.consents_exported": ("export", mark("Consents exported")),
    "patients.consent_evidence_read": ("export", mark("Evidence of a consent opened")),
    "patients.suppressed": ("consent", mark("Contact stopped")),
    "patients.death_confirmed": ("consent", mark("Death confirmed by a second person")),
    "patients.suppression_broken": ("consent", mark("Stopped contacts found not to be stopped")),
    "patients.suppression_lifted": ("consent", mark("Contact allowed again")),
    "patients.restriction_lifted": ("consent", mark("Restriction lifted")),
    "access.refused": ("refusal", mark("Access refused")),
    "agreement.refused": ("refusal", mark("Refused: the agreement does not cover it")),
    "patients.request_refused": ("refusal", mark("Patient's request refused")),
    "statistics.granted": ("grant", mark("Statistics opened to somebody")),
    "statistics.withdrawn": ("grant", mark("Statistics closed again")),
    "support.asked": ("grant", mark("Support access asked for")),
    "support.granted": ("grant", mark("Support access granted")),
    "support.refused": ("grant", mark("Support access refused")),
    "support.ended": ("grant", mark("Support access ended")),
    "support.viewed": ("grant", mark("Looked at under support access")),
    "tenants.hospitals_assigned": ("people", mark("Hospitals assigned to an agent")),
    "tenants.person_invited": ("people", mark("Somebody invited")),
    "tenants.role_changed": ("people", mark("Role changed")),
    "tenants.role_removed": ("people", mark("Role taken away")),
    "tenants.access_closed": ("people", mark("Account closed")),
    "tenants.access_opened": ("people", mark("Account opened again")),
    "tenants.account_unlocked": ("people", mark("Account unlocked")),
    "tenants.second_factor_reset": ("people", mark("Second factor reset")),
    "tenants.identity_unlinked": ("people", mark("External identity unlinked")),
    "tenants.token_made": ("people", mark("Key for programs made")),
    "tenants.token_revoked": ("people", mark("Key for programs revoked")),
    "tenants.provider_saved": ("people", mark("Company sign-in set up")),
    "tenants.provider_switched": ("people", mark("Company sign-in switched")),
    "tenants.departments_added": ("people", mark("Departments added")),
    "patients.imported": ("data", mark("Patient list imported")),
    "patients.import_confirmed": ("data", mark("Import of a patient list confirmed")),
    "patients.import_stopped": ("data", mark("Import of a patient list stopped")),
    "patients.columns_chosen": ("data", mark("Columns of a list chosen")),
    "patients.columns_forgotten": ("data", mark("Columns of a list forgotten")),
    "patients.enrolled_by_hand": ("data", mark("Patient enrolled by hand")),
    "patients.enrolment_cancelled": ("data", mark("Enrolment taken back")),
    "patients.number_wrong": ("data", mark("Number marked as wrong")),
    "patients.problem_resolved": ("data", mark("Data problem resolved")),
    "patients.preferences_changed": ("data", mark("How a patient is best reached changed")),
    "patients.quality_exported": ("export", mark("List of faulty data downloaded")),
    "patients.department_assigned": ("data", mark("Missing department filled in")),
    "patients.must_not_say_changed": ("data", mark("Words to avoid changed")),
    "patients.duplicate_decided": ("data", mark("Likely duplicate decided")),
    "patients.merged": ("data", mark("Two records of a patient merged")),
    "patients.merge_undone": ("data", mark("Merge of two records undone")),
    "patients.import_undone": ("data", mark("Import undone")),
    "patients.import_undo_asked": ("data", mark("Undo of an import asked for")),
    "patients.encounter_withdrawn": ("data", mark("Discharge taken back by the hospital")),
    "patients.encounter_reinstated": ("data", mark("Discharge given again by the hospital")),
    "patients.feed_changed": ("data", mark("Expectation of a data feed changed")),
    "patients.feed_tried_again": ("data", mark("Rejected message tried again")),
    "patients.corrected": ("data", mark("Patient's data corrected")),
    "patients.request_registered": ("data", mark("Patient's request registered")),
    "patients.request_identity_checked": ("data", mark("Identity of the requester checked")),
    "patients.request_copy_ordered": ("data", mark("Copy of a patient's data ordered")),
    "patients.request_copy_made": ("data", mark("Copy of a patient's data made")),
    "patients.request_done": ("data", mark("Patient's request answered")),
    "patients.request_overdue": ("data", mark("Patient's request overdue")),
    "surveys.sample_drawn": ("data", mark("Sample drawn")),
    "surveys.sample_repeated": ("data", mark("Draw repeated and compared")),
    "surveys.sample_exported": ("export", mark("List of a sample exported")),
    "surveys.rate_changed": ("data", mark("Share of outpatients changed")),
    "surveys.wave_started": ("data", mark("Wave of organisations started")),
    "patients.organisation_added": ("data", mark("Organisation added")),
    "patients.organisation_changed": ("data", mark("Organisation changed")),
    "outreach.exempt_call": ("care", mark("Call outside calling hours")),
    "outreach.skipped": ("care", mark("Contact skipped")),
    "feedback.opened": ("care", mark("Case recorded")),
    "feedback.acknowledged": ("care", mark("Case acknowledged")),
    "feedback.progress": ("care", mark("Progress noted")),
    "feedback.plan": ("care", mark("Plan told to the patient")),
    "feedback.investigate": ("care", mark("Investigation begun")),
    "feedback.handled": ("care", mark("Case handled")),
    "feedback.callback": ("care", mark("Callback recorded")),
    "feedback.closed": ("care", mark("Case closed")),
    "feedback.handed_to_medical_affairs": ("care", mark("Handed to medical affairs")),
    "reporting.month_made": ("report", mark("Monthly report made")),
    "reporting.benchmark_released": ("report", mark("Comparison released")),
    "benchmark.run": ("report", mark("Comparison run")),
    "benchmark.approved": ("report", mark("Comparison approved")),
    "billing.contract_agreed": ("billing", mark("Contract agreed")),
    "billing.month_closed": ("billing", mark("Month closed")),
    "billing.invoice_issued": ("billing", mark("Invoice issued")),
    "billing.invoice_paid": ("billing", mark("Invoice paid")),
    "billing.invoice_void": ("billing", mark("Invoice voided")),
    "tenants.hospital_created": ("hospital", mark("Hospital created")),
    "agreement.signed": ("hospital", mark("Agreement signed")),
    "agreement.drafted": ("hospital", mark("Agreement drafted")),
    "agreement.document_kept": ("hospital", mark("Signed agreement kept")),
    "agreement.assessed": ("hospital", mark("Impact assessment recorded")),
    "agreement.ended": ("hospital", mark("Agreement ended")),
    "tenants.brand_changed": ("hospital", mark("Name and colours changed")),
    "tenants.hospital_live": ("hospital", mark("Hospital went live")),
    "agreement.sub_processor": ("hospital", mark("Sub-processor decided")),
    "onboarding.step": ("hospital", mark("Onboarding step changed")),
    "golive.accepted": ("hospital", mark("Amber check accepted")),
    "golive.opened": ("hospital", mark("Hospital went live")),
    "tenants.stage_changed": ("hospital", mark("Stage changed")),
    "tenants.move_asked": ("hospital", mark("Move to another firm asked for")),
    "tenants.move_accepted": ("hospital", mark("Move accepted by the new firm")),
    "tenants.move_agreed": ("hospital", mark("Move agreed by the hospital")),
    "tenants.move_withdrawn": ("hospital", mark("Move withdrawn")),
    "tenants.moved": ("hospital", mark("Hospital moved to another firm")),
    "tenants.hospital_left": ("hospital", mark("Hospital went to another firm")),
    "tenants.hospital_arrived": ("hospital", mark("Hospital came from another firm")),
    "tenants.firm_suspended": ("hospital", mark("Firm suspended")),
    "tenants.firm_resumed": ("hospital", mark("Firm resumed")),
    "tenants.departure_begun": ("hospital", mark("Departure begun")),
    "tenants.departure_withdrawn": ("hospital", mark("Departure withdrawn")),
    "tenants.departure_signed": ("hospital", mark("Departure signed")),
    "tenants.departure_void": ("hospital", mark("Departure's signature void: data changed since the export")),
    "tenants.departure_erasing": ("deletion", mark("Erasure of a hospital begun")),
    "patients.erased": ("deletion", mark("Patient's data erased")),
    "patients.restricted": ("deletion", mark("Patient's data restricted")),
    "patients.request_restricted": ("deletion", mark("Restricted on request")),
    "tenants.departure_key_destroyed": ("deletion", mark("Hospital's key destroyed")),
    "tenants.departure_erased": ("deletion", mark("Hospital's data erased")),
    "audit.verified": ("audit", mark("Chain verified")),
}
SIGNIN = "signin."
# What a record is about: the word before the colon of its subject.
SUBJECTS: dict[str, str] = {
    "patient": mark("Patient"),
    "case": mark("Case"),
    "call": mark("Call"),
    "contact_task": mark("Contact"),
    "import": mark("Import"),
    "invoice": mark("Invoice"),
    "person": mark("Account"),
    "request": mark("Request"),
    "agreement": mark("Agreement"),
    "hospital": mark("Hospital"),
    "monthly_report": mark("Monthly report"),
    "benchmark_report": mark("Comparison"),
    "benchmark_run": mark("Run of a comparison"),
    "statistics_grant": mark("Statistics access"),
    "support": mark("Support access"),
    "check": mark("Go-live check"),
    "contract": mark("Contract"),
    "firm": mark("Firm"),
    "impact_assessment": mark("Impact assessment"),
    "move": mark("Move to another firm"),
    "onboarding_step": mark("Onboarding step"),
    "stored_file": mark("File"),
    "sub_processor": mark("Sub-processor"),
    "consent_text": mark("Words of asking"),
    "purpose_basis": mark("Legal basis"),
    "survey_sample": mark("Sample"),
}

# Reasons that the product gives itself; what people write is shown as it is.
REASONS: dict[str, str] = {
    "care_followup": mark("Follow-up after discharge"),
    "satisfaction": mark("Satisfaction surveys"),
    "complaint": mark("Complaints and praise"),
    "benchmark": mark("Comparison with other hospitals"),
    "marketing": mark("Offers and health events"),
    "deceased": mark("Deceased"),
    "cured": mark("Cured"),
    "special": mark("Special circumstances"),
    "refused": mark("Wants no more calls"),
    "hospital": mark("The hospital's wish"),
    "dispute": mark("Medical dispute"),
    "restricted": mark("Restricted at the patient's request"),
    "no_phone_at_all": mark("No phone number at all"),
    "no_guardian_phone": mark("Under 14 without a guardian's phone number"),
    "phone_damaged": mark("Phone number damaged by a spreadsheet"),
    "bad_id": mark("Wrong ID number"),
    "wrong_number": mark("A stranger answers this number"),
    "know_the_patient": mark("I know this patient"),
    "language": mark("Another language or dialect is needed"),
    "technical": mark("Technical trouble"),
    "other": mark("Another reason"),
    "call": mark("Telephone call"),
    "revisit": mark("Revisit"),
    "survey": mark("Survey"),
    "callback": mark("Closing callback"),
    "acknowledge": mark("First answer"),
    "promise": mark("Promised call"),
    "beyond_reach": mark("Beyond this person's reach"),
    "unknown": mark("No such thing here"),
    "role": mark("Not part of this role"),
    "form": mark("Form without its token"),
    "token_revoked": mark("Key was revoked"),
    "token_expired": mark("Key has expired"),
    "token_owner": mark("Owner's account is closed"),
}


def group_of(action: str) -> str:
    """The group of an action; `other` for one that this version does not know."""
    if action.startswith(SIGNIN):
        return "signin"
    found = ACTIONS.get(action)
    return found[0] if found else "other"


def label_of(action: str) -> str:
    """The action in the current language; its code, when this version does not know it."""
    if action.startswith(SIGNIN):
        result = SIGNIN_RESULTS.get(action.removeprefix(SIGNIN))
        return gettext(result) if result else action
    found = ACTIONS.get(action)
    return gettext(found[1]) if found else action


def known(action: str) -> bool:
    """Whether the action has a label."""
    return action in ACTIONS or action.removeprefix(SIGNIN) in SIGNIN_RESULTS


def actions_of(group: str) -> list[str]:
    """All actions of a group."""
    signins = [SIGNIN + result for result in SIGNIN_RESULTS] if group == "signin" else []
    return signins + [action for action, (its, _label) in ACTIONS.items() if its == group]


def choices() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Groups with their actions, as a choice: group, label, its actions with labels."""
    return [
        (group, gettext(label), [(action, label_of(action)) for action in actions_of(group)])
        for group, label in GROUPS.items()
        if actions_of(group)
    ]


def subject_text(subject: str) -> str:
    """What was touched: its kind in words, and the end of its id."""
    kind, colon, key = subject.partition(":")
    if not colon:
        return subject
    label = SUBJECTS.get(kind)
    return f"{gettext(label) if label else kind} {key[-8:]}"


def reason_text(reason: str) -> str:
    """The reason in words: a code of ours in the current language, what somebody wrote as it is."""
    label = REASONS.get(reason)
    return gettext(label) if label else reason
