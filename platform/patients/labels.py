"""The words for this package's codes: English messages, translated when shown."""

from __future__ import annotations

from collections.abc import Mapping

from foundation.languages import gettext
from patients.feeds.messages import REJECTION_TEXTS, TEMPLATES, WARNING_TEXTS, UnreadableFile

SEXES = {"M": "Male", "F": "Female"}
KINDS = {
    "inpatient": "Inpatient stay",
    "outpatient": "Outpatient visit",
    "checkup": "Check-up",
    "cooperation": "Cooperation",
}
DISPOSITIONS = {
    "home": "Went home",
    "transferred": "Transferred to another hospital",
    "community": "Transferred to community care",
    "against_advice": "Left against advice",
    "died": "Died",
    "other": "Left otherwise",
}
REVEALED = {"name": "Full name", "id_number": "ID number"}
RELATIONS = {
    "self": "Self",
    "spouse": "Spouse",
    "child": "Child",
    "grandchild": "Grandchild",
    "parent": "Parent",
    "grandparent": "Grandparent",
    "sibling": "Sibling",
    "other": "Other relation",
    "": "Relation unknown",
}
# Who a contact is (S1-1); all but the first are organisations, with a cooperation instead of stays.
CONTACT_TYPES = {
    "patient": "Patient",
    "partner_hospital": "Partner hospital",
    "community_centre": "Community health centre",
    "company": "Company or institution",
    "government": "Government department",
    "ngo": "Social organisation",
}
HOLDERS = {"patient": "Patient's own number", "contact": "Contact person's number"}
CONTACT_STATES = {
    "reachable": "Can be reached",
    "no_number": "No number",
    "no_guardian_number": "No guardian's number",
}
SUPPRESSION_REASONS = {
    "deceased": "Deceased",
    "cured": "Cured",
    "special": "Special circumstances",
    "refused": "Wants no more calls",
    "hospital": "The hospital's wish",
    "dispute": "Medical dispute",
    "restricted": "Restricted at the patient's request",
    "merged": "Taken into another record",
}
END_REASONS = {**SUPPRESSION_REASONS, "cancelled": "Cancelled"}
SOURCES = {
    "import": "Imported list",
    "feed": "Hospital's system",
    "card": "Patient's page",
    "call": "Telephone call",
    "case": "Feedback case",
    "request": "Request about own data",
    "merge": "Merge of two records",
}
DUPLICATE_REASONS = {
    "same_id_number": "Same ID number",
    "same_name_phone": "Same name and telephone number",
    "same_name_birth": "Same name and birth date",
}
REQUEST_KINDS = {
    "copy": "Copy of all data",
    "correction": "Correction",
    "erasure": "Erasure",
    "restriction": "Restriction",
}
REQUESTERS = {
    "patient": "The patient",
    "guardian": "Guardian",
    "relative": "Near relative of the deceased",
}
REQUEST_CHANNELS = {
    "telephone": "Telephone",
    "counter": "At the counter",
    "letter": "Letter",
    "online": "Online",
}
PROOFS = {
    "id_card": "Identity card",
    "known_number": "Called back on the number on file",
    "household": "Proof of kinship or guardianship",
    "authorisation": "Authorisation with both identity cards",
}
REQUEST_STATES = {"open": "Undecided", "done": "Done", "refused": "Declined"}
PROBLEMS = {
    "no_phone_at_all": "No phone number at all",
    "no_guardian_phone": "Under 14 without a guardian's phone number",
    "phone_damaged": "Phone number damaged by a spreadsheet",
    "bad_id": "Wrong ID number",
    "wrong_number": "A stranger answers this number",
}
LAYOUTS = {
    "hqms41": "National inpatient front page (4-1)",
    "inpatient_zh": "Inpatient list with Chinese headings",
    "outpatient_zh": "Outpatient list with Chinese headings",
    "by_hand": "Columns chosen by hand",
    "fields": "Fields by name",
    "hl7v2": "HL7 v2 messages",
    "fhir_r4": "FHIR R4 bundle",
    "json": "JSON visits",
}
WARNINGS = {**WARNING_TEXTS, "superseded": "Replaced by a later row for the same encounter"}
REJECTIONS = REJECTION_TEXTS
UNREADABLE = TEMPLATES


def of(texts: Mapping[str, str], code: str | None) -> str:
    """The words for a code in the current language; a code without words stands for itself."""
    if code is None:
        return ""
    text = texts.get(code)
    return gettext(text) if text else code


def sentence(error: UnreadableFile) -> str:
    """Why a file cannot be read, in one sentence in the current language."""
    return gettext(error.template) % error.params
