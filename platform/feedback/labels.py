"""What the codes of this package are called on a screen and in a file."""

from __future__ import annotations

from feedback.tags import CATEGORIES, Label, by_code
from foundation.languages import bilingual, mark
from foundation.languages import gettext as _

CHANNEL_NAMES = {
    "revisit_call": "Follow-up call",
    "survey_call": "Survey call",
    "inbound_call": "Incoming call",
    "hotline": "Complaints line",
    "web": "Website or WeChat",
    "app": "App",
    "desk": "Service desk",
    "box": "Opinion box",
    "letter": "Letter",
    "paper": "Paper form",
}
TIER_NAMES = {"1": "General feedback", "2": "Important feedback", "3": "Complaint"}
PROMISES = {
    "1": "Received. We tell you within a week what will be improved.",
    "2": "The head of the department contacts you within 12 hours.",
    "3": "The complaint officer and the head of the department contact you within an hour.",
}
DISPUTE_PROMISE = "The hospital's medical affairs office contacts you."
STAGE_NAMES = {
    "received": "Newly received",
    "in_hand": "In hand",
    "handled": "Handled, callback due",
    "callback": "Callback",
    "closed": "Case closed",
}
CLOCK_NAMES = {
    "ack": "Acknowledge",
    "direction": "Tell the direction",
    "plan": "Make a plan",
    "confirm": "Confirm the result",
    "emergency": "Emergency process",
    "investigate": "Investigate",
    "resolve": "Resolve and publish",
    "callback": "Call back",
}
OWNER_NAMES = {
    "agent": "Agent",
    "department_head": "Department head",
    "complaint_officer": "Complaint officer",
}
CLOSE_REASONS = {
    "satisfied": "Satisfied",
    "answered": "Answer given",
    "unreachable": "Could not be reached",
    "refused": "Did not wish to answer",
}
EVENT_NAMES = {
    "received": "Taken down",
    "acknowledged": "Taken up",
    "progress": "Progress note",
    "plan": "Plan made",
    "investigate": "Investigation begun",
    "handled": "Handled",
    "callback": "Patient asked",
    "round": "Next round",
    "closed": "Case closed",
    "medical_affairs": "Handed to medical affairs",
    "no_callback_task": "No callback in the queue",
    "callback_ended": "Callback ended without an answer",
    "suppressed": "Patient is not contacted any more",
    "lifted": "Patient may be contacted again",
}
VIEW_NAMES = {
    "open": "Open cases",
    "today": "Due today",
    "overdue": "Overdue cases",
    "complaints": "Complaints",
    "all": "All cases",
}
ACT_NAMES = {
    "acknowledge": "I take this up",
    "progress": "Note progress",
    "plan": "Plan is made",
    "investigate": "Investigation has begun",
    "handled": "Handling is finished",
    "callback": "Record the patient's answer",
    "medical_affairs": "Hand to medical affairs",
}
LEVEL_NAMES = {
    "6": "Very satisfied",
    "5": "Satisfied",
    "4": "Rather satisfied",
    "3": "Rather dissatisfied",
    "2": "Dissatisfied",
    "1": "Very dissatisfied",
}
REFUSAL_TEXTS = {
    "closed": "This case is closed.",
    "medical_affairs": "This is a medical dispute; the hospital's medical affairs office handles it.",
    "not_handled": "This case is not handled yet, so there is nothing to ask the patient about.",
    "already_handled": "This case is handled already; the patient is asked next.",
    "handler": "You handled this case yourself. Somebody else must ask the patient.",
    "two_people": "A complaint is taken up by two people. The other owner must do this.",
    "not_an_owner": "Please choose for whom you take this case up.",
    "no_such_clock": "A case of this tier has no such step.",
    "note_missing": "Please write what was said or done.",
    "callback_level": "Please choose one of the six levels.",
}
NO_CALLBACK_REASONS = {
    "medical_affairs": "A medical dispute is asked by medical affairs.",
    "anonymous": "The report is anonymous.",
    "suppressed": "The patient is not contacted.",
    "no_number": "There is no number that works.",
    "no_guardian_number": "There is no guardian's number.",
    "no_consent": "The patient does not wish to be asked.",
    "consent_withdrawn": "The patient does not wish to be asked.",
    "refused": "The patient does not wish to be asked.",
    "number_blocked": "The number is on the list of numbers not to be called.",
    "hospital_paused": "The hospital is paused.",
    "not_agreed": "The hospital's processing agreement does not cover calls.",
}
UNIT_NAMES = {"hour": mark("hours"), "day": mark("calendar days"), "working_day": mark("working days")}
START_NAMES = {"received": mark("receipt"), "handled": mark("handling")}
HOLIDAY_NAMES = {
    "New Year's Day": "New Year's Day",
    "Spring Festival": "Spring Festival",
    "Tomb-sweeping Day": "Tomb-sweeping Day",
    "Labour Day": "Labour Day",
    "Dragon Boat Festival": "Dragon Boat Festival",
    "National Day": "National Day",
    "Mid-autumn Festival": "Mid-autumn Festival",
}

_TAGS = by_code()


def category_name(code: str) -> str:
    """The category (类别) in the current language."""
    return _both(CATEGORIES.get(code), code)  # type: ignore[call-overload]


def tag_name(code: str) -> str:
    """The tag (标签); a hospital's own code stands for itself."""
    found = _TAGS.get(code)
    return _both(found.label if found else None, code)


def channel_name(code: str) -> str:
    """The channel (渠道)."""
    return _(CHANNEL_NAMES.get(code, code))


def tier_name(tier: int) -> str:
    """The tier (等级)."""
    return _(TIER_NAMES[str(tier)])


def promise(tier: int, *, medical_dispute: bool) -> str:
    """What the agent tells the patient will happen next."""
    return _(DISPUTE_PROMISE if medical_dispute else PROMISES[str(tier)])


def stage_name(stage: str) -> str:
    """The stage (阶段)."""
    return _(STAGE_NAMES[stage])


def clock_name(kind: str) -> str:
    """What a limit asks for (时限)."""
    return _(CLOCK_NAMES[kind])


def owner_names(owners: tuple[str, ...]) -> str:
    """Who must act (责任人), joined where two must."""
    return " + ".join(_(OWNER_NAMES.get(owner, owner)) for owner in owners)


def close_reason(reason: str | None, level: int | None = None) -> str:
    """The result (结果): why the case is closed, with the level of six that the patient gave."""
    if reason is None:
        return ""
    text = _(CLOSE_REASONS[reason])
    return f"{text} {level}/6" if reason == "satisfied" and level is not None else text


def event_name(kind: str) -> str:
    """What happened."""
    return _(EVENT_NAMES.get(kind, kind))


def view_name(view: str) -> str:
    """A saved view of the ledger."""
    return _(VIEW_NAMES[view])


def act_name(act: str) -> str:
    """The button of a step."""
    return _(ACT_NAMES[act])


def level_name(level: int) -> str:
    """One of the six levels of satisfaction with the handling (S0-5)."""
    return _(LEVEL_NAMES[str(level)])


def level_of(typed: str) -> int:
    """The level of a form, 1 to 6; 0, which no service takes, for anything else."""
    return int(typed) if typed in LEVEL_NAMES else 0


def refusal_text(reason: str) -> str:
    """Why a step is not possible, as one sentence."""
    return _(REFUSAL_TEXTS[reason])


def no_callback_reason(reason: str) -> str:
    """Why no callback stands in the queue."""
    return _(NO_CALLBACK_REASONS.get(reason, reason))


def holiday_name(name: str | None) -> str:
    """The holiday, or a weekend."""
    return _(HOLIDAY_NAMES.get(name, name)) if name else _("Weekend")


def unit_name(unit: str) -> str:
    """Hours, calendar days or working days."""
    return _(UNIT_NAMES[unit])


def start_name(start: str) -> str:
    """From what a limit is counted."""
    return _(START_NAMES[start])


def _both(label: Label | None, code: str) -> str:
    return bilingual({"zh": label.zh, "en": label.en}) if label else code
