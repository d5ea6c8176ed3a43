"""The words for the codes of consent: English messages, translated when shown."""

from __future__ import annotations

from collections.abc import Mapping

from foundation.languages import gettext, mark

PURPOSES = {
    "care_followup": mark("Follow-up of care"),
    "satisfaction": mark("Satisfaction survey"),
    "complaint": mark("Complaint handling"),
    "marketing": mark("Marketing"),
}
CHANNELS = {
    "all": mark("All channels"),
    "telephone": mark("Telephone"),
    "sms": mark("Text message"),
    "wechat": mark("WeChat"),
    "email": mark("E-mail"),
}
STANDINGS = {
    "given": mark("Agrees"),
    "outdated": mark("Must be asked again"),
    "none": mark("Nothing said"),
    "refused": mark("Refuses"),
    "withdrawn": mark("Took it back"),
}
TONES = {"given": "good", "outdated": "warn", "none": "neutral", "refused": "bad", "withdrawn": "bad"}
SOURCES = {
    "patient": mark("Offered by the patient unasked"),
    "call": mark("Asked in a call"),
    "card": mark("Patient's page"),
    "counter": mark("At the counter"),
    "paper": mark("Signed paper"),
    "sms": mark("Answer to a text message"),
    "wechat": mark("In WeChat"),
    "web": mark("Web form"),
    "import": mark("Hospital's list"),
    "request": mark("Request about own data"),
    "api": mark("From another system"),
}
GIVERS = {"patient": mark("The patient"), "guardian": mark("Guardian")}
BASES = {
    "consent": mark("The patient's consent"),
    "contract": mark("The care that was agreed on"),
    "legal_duty": mark("A duty by law"),
}
REFUSALS = {
    "no_consent": mark("Not contacted: no consent"),
    "consent_withdrawn": mark("Not contacted: consent taken back"),
    "refused": mark("Not contacted: refused"),
}
SCOPES = {
    "all": mark("Never call this number"),
    "marketing": mark("No offers on this number"),
    "survey": mark("No surveys on this number"),
}
BLOCKED_BY = {
    "patient": mark("Patient or family"),
    "hospital": mark("The hospital"),
    "carrier": mark("List of the carrier"),
}
# Whoever sits before the page chooses among these; the others come from programs.
TYPED_SOURCES = ("patient", "call", "counter", "paper")

__all__ = ["PURPOSES"]


def of(texts: Mapping[str, str], code: str | None) -> str:
    """The words for a code in the current language; a code without words stands for itself."""
    if code is None:
        return ""
    return gettext(texts[code]) if code in texts else code


def choices(texts: Mapping[str, str], *only: str) -> list[tuple[str, str]]:
    """What a form offers."""
    return [(code, of(texts, code)) for code in only or texts]
