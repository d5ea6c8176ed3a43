"""The words for this package's codes: English messages, translated when shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta

from foundation.calendar import SHANGHAI
from foundation.languages import format_datetime, format_day, gettext
from foundation.masking import masked_name
from outreach.errors import ContactRefused, OutcomeIncomplete
from outreach.outcomes import EFFECTS, Effect, Outcome

OUTCOMES = {
    "completed": "Completed",
    "partial": "Completed in part",
    "callback_booked": "Callback booked",
    "no_answer": "No answer",
    "busy": "Line busy",
    "voicemail": "Voicemail",
    "hung_up": "Hung up",
    "wrong_number": "Number not in service",
    "someone_else": "A stranger's number",
    "refused_now": "Refused this time",
    "refused_forever": "Wants no more calls",
    "language": "Language problem",
    "too_ill": "Too ill to talk",
    "moved": "Moved or transferred",
    "cured": "Cured, needs no more calls",
    "deceased": "Deceased",
    "expired": "Window closed",
    "withdrawn": "Consent refused or taken back",
}
EFFECT_TEXTS = {
    "completed": "Contact done",
    "partial": "Contact done, in part",
    "callback_booked": "Called at the time booked",
    "other_part": "Again in 3 hours, at another time of day",
    "soon": "This number is not called again; the next number now",
    "day": "Again tomorrow",
    "another_agent": "Again tomorrow, by another agent",
    "week": "Again in 7 days",
    "refused": "Stops all contacts",
    "cured": "Stops all contacts",
    "special": "Stops all contacts",
    "deceased": "Stops all contacts for good",
}
WHY = {
    "appointment": "Your appointment is now",
    "callback_due": "Closing callback with less than 4 hours left",
    "acknowledge_due": "First answer to a complaint, less than 2 hours left",
    "promise": "A call was promised",
    "closes_today": "The revisit window closes today",
    "first_call": "First call after discharge",
    "survey": "Survey sample",
    "rest": "Due by its date",
}
CLASSES = {
    "appointment": "Appointments",
    "callback_due": "Closing callbacks",
    "acknowledge_due": "First answers",
    "promise": "Promised calls",
    "closes_today": "Revisits closing today",
    "first_call": "First calls",
    "survey": "Surveys",
    "rest": "Later follow-ups",
}
KINDS = {
    "revisit": "Revisit",
    "survey": "Survey",
    "callback": "Closing callback",
    "acknowledge": "First answer",
    "promise": "Promised call",
}
CLOSED = {
    "out_of_hours": "It is outside calling hours.",
    "holiday": "Today is a public holiday; only booked callbacks are made.",
    "hospital_paused": "Your hospitals are paused.",
    "no_hospital": "No hospital is assigned to you yet.",
    "calendar_missing": "The holiday calendar of this year is missing, so nobody is called.",
}
REFUSALS = {
    **CLOSED,
    "suppressed": "This patient must not be contacted.",
    "hospital_paused": "This hospital is paused.",
    "not_agreed": "The hospital's processing agreement does not cover this call.",
    "no_consent": "The patient has not agreed to be called for this purpose.",
    "consent_withdrawn": "The patient has taken the consent to this purpose back.",
    "refused": "The patient does not agree to calls for this purpose.",
    "number_blocked": "This number is on the list of numbers not to be called.",
    "no_number": "This number must not be called.",
    "no_guardian_number": "A child is called on the guardian's number only.",
    "survey_cap": "The patient answered a survey in the last 30 days.",
    "attempts_used": "All attempts for this contact are used.",
    "number_capped": "This number was called a short while ago or twice today.",
}
MISSING = {
    "callback_at": "Please give the time of the callback.",
    "callback_past": "The callback must lie in the future.",
    "callback_far": "A callback can be booked for at most 30 days ahead.",
    "callback_night": "Nobody is called between 21:00 and 08:00; please choose another time.",
    "reported_by": "Please say who reported the death.",
    "callback_level": "Please save first how satisfied the patient is with the handling.",
}
SKIPS = {
    "know_the_patient": "I know this patient",
    "language": "Another language or dialect is needed",
    "technical": "Technical trouble",
    "other": "Another reason",
}
OPENINGS = {
    "revisit": "I am calling to ask how you have been since you left hospital. It takes three minutes.",
    "survey": "We would like to hear how satisfied you were with your care. It takes three minutes.",
    "organisation": "We would like to hear how you find working with the hospital. It takes three minutes.",
    "callback": "You told us about a problem. I would like to ask whether it was put right.",
    "acknowledge": "We have received what you told us, and I am calling to tell you what happens next.",
    "promise": "You asked us to call you back.",
}
CONDOLENCE = {
    "first": "I am very sorry to hear this. Please accept our sincere condolences.",
    "second": "We will not call you again about the follow-up.",
    "third": "May I ask whom I am speaking with, and on which day it happened?",
}
SEXES = {"M": "Male", "F": "Female"}
ADDRESSES = {"M": "Mr {name}", "F": "Ms {name}"}
# The family names of two characters (复姓) that are met today.
COMPOUND_NAMES = frozenset(
    (
        "欧阳 上官 司马 诸葛 夏侯 东方 皇甫 尉迟 公孙 慕容 令狐 司徒 端木 南宫 长孙 宇文 独孤 呼延 钟离 闻人"
    ).split()
)
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


def of(texts: Mapping[str, str], code: str | None) -> str:
    """The words for a code in the current language; a code without words stands for itself."""
    if code is None:
        return ""
    text = texts.get(code)
    return gettext(text) if text else code


def address(name: str, sex: str | None, *, minor: bool) -> str:
    """Whom to ask for: the family name with the form of address, a child's guardian by the child's."""
    family = name[: 2 if name[:2] in COMPOUND_NAMES else 1]
    if minor:
        return gettext("the parent or guardian of {name}", name=masked_name(name))
    if sex not in ADDRESSES:
        return masked_name(name)
    return gettext(ADDRESSES[sex], name=family)


def effect(outcome: Outcome) -> str:
    """What an outcome does, as printed beside it."""
    return of(EFFECT_TEXTS, _effect_code(outcome, EFFECTS[outcome]))


def limit(moment: datetime) -> str:
    """A limit as people say it: what ends with a day by that day, anything else by day and time."""
    local = moment.astimezone(SHANGHAI)
    if local.time() == time(0):
        return format_day(local.date() - timedelta(days=1))
    return format_datetime(moment)


def refusal(error: ContactRefused) -> str:
    """Why nobody may be called, in one sentence, and until when if it ends by itself."""
    sentence = of(REFUSALS, error.reason)
    if error.until is None:
        return sentence
    return gettext("{reason} Next possible: {time}.", reason=sentence, time=format_datetime(error.until))


def incomplete(error: OutcomeIncomplete) -> str:
    """What an outcome lacks, in one sentence."""
    return of(MISSING, error.missing)


def _effect_code(outcome: Outcome, does: Effect) -> str:
    if does.suppress is not None:
        return does.suppress
    if does.another_agent:
        return "another_agent"
    if does.retry == "later":
        return "week" if does.delay.days == 7 else "day"
    return does.retry or outcome.value
