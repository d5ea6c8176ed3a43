"""What people read of the stage of a hospital or a firm that is in their way (阶段)."""

from __future__ import annotations

from foundation.languages import gettext as _
from foundation.languages import mark
from tenants.faces import HospitalFace

STAGE_SENTENCES = {
    "onboarding": mark("{name} is not live yet; this waits for the go-live gate."),
    "suspended": mark("{name} is suspended; this is possible again once it is resumed."),
    "leaving": mark("{name} is leaving; its data can be read and exported only."),
}
FIRM_SUSPENDED = mark("The firm is suspended; everything can be read and nothing changed.")
BANNERS = {
    "onboarding": mark("{name} is not live yet: data may come in, nobody is called and nothing is billed."),
    "suspended": mark(
        "{name} is suspended: scheduled calls have stopped. Complaints can be worked on, everything can be "
        "read and exported."
    ),
    "leaving": mark("{name} is leaving: its data can be read and exported; complaints can be closed."),
    "active": "",
}


def stage_banner(face: HospitalFace) -> str:
    """What stands on every page of a hospital that is not active."""
    if face.firm_state != "active":
        return _(FIRM_SUSPENDED)
    return _(BANNERS[face.state], name=face.label)


def stage_sentence(face: HospitalFace) -> str:
    """Why nobody can do this here now."""
    if face.firm_state != "active":
        return _(FIRM_SUSPENDED)
    return _(STAGE_SENTENCES[face.state], name=face.label)
