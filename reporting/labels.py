"""The words of reports: why a number is not shown, levels of comparison, parts of the contacts."""

from foundation.languages import mark

AUDIENCES: dict[str, str] = {
    "inpatient": mark("Inpatients"),
    "outpatient": mark("Outpatients"),
}

WITHHELD: dict[str, str] = {
    "nothing_counted": mark("no data"),
    "too_few_answers": mark("too few"),
    "too_few_hospitals": mark("too few hospitals"),
    "dominant_weight": mark("one hospital outweighs"),
    "dominant_answers": mark("one hospital outweighs"),
    "would_reveal": mark("would reveal a hospital"),
}

CONTACT_PARTS: dict[str, str] = {
    "planned": mark("Contacts due"),
    "attempted": mark("of these tried at least once"),
    "completed": mark("Completed"),
    "partial": mark("Partly completed"),
    "unreachable": mark("Not reached"),
    "refused": mark("Refused"),
    "missed": mark("Window passed"),
    "open": mark("Still open"),
}

CASE_PARTS: dict[str, str] = {
    "opened": mark("Received in the month"),
    "closed": mark("Closed in the month"),
    "open": mark("Open at the end of the month"),
    "overdue": mark("of these overdue"),
    "rounds": mark("Begun again, patient not satisfied"),
}

GROUPS: dict[str, str] = {
    "prefecture": mark("Same city"),
    "province": mark("Same province"),
    "national": mark("National"),
    "class": mark("Same type and grade"),
    "brand": mark("Same brand"),
}

THIRDS: dict[str, str] = {
    "upper": mark("upper third"),
    "middle": mark("middle third"),
    "lower": mark("lower third"),
}

STATES: dict[str, str] = {
    "draft": mark("Draft"),
    "approved": mark("Approved"),
}

MEASURES: dict[str, str] = {
    "index": mark("Satisfaction index, inpatients"),
    "satisfied": mark("Satisfied share, inpatients"),
    "collection": mark("Feedback collected, inpatients"),
    "response24": mark("First response in 24 h"),
}
