"""What the patient's page shows of consent: the matrix of purposes and channels, the words said, the numbers
not to be called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from foundation.database import HospitalSession
from patients import consent, consent_labels, number_blocks
from patients.consent_rules import GIVERS, PURPOSES, REACHING
from patients.models import Consent
from patients.number_blocks import Blocked

HISTORY = 30


@dataclass(frozen=True, slots=True)
class Said:
    """One word of the history, with the version of the words that it answered."""

    row: Consent
    version: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What the forms of the panel offer, in the current language."""

    purposes: list[tuple[str, str]]
    channels: list[tuple[str, str]]
    sources: list[tuple[str, str]]
    givers: list[tuple[str, str]]
    scopes: list[tuple[str, str]]
    blockers: list[tuple[str, str]]
    numbers: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ConsentPanel:
    """Everything `patients/_consent.html` needs; there it is called `consents`."""

    patient_id: UUID
    lines: list[tuple[str, list[tuple[consent.Cell, str]]]]
    history: list[Said]
    more: int
    blocks: list[Blocked]
    choices: Choices

    labels = consent_labels


def of(session: HospitalSession, patient_id: UUID, now: datetime) -> ConsentPanel:
    """The panel of one patient, in the current language."""
    known = consent.of(session, patient_id, now)
    versions = {text_id: _version(text.channel, text.version) for text_id, text in known.versions.items()}
    numbers = number_blocks.numbers_of(session, patient_id)

    def version_of(row: Consent | None) -> str:
        return "" if row is None or row.text_id is None else versions.get(row.text_id, "")

    cells = known.cells
    return ConsentPanel(
        patient_id=patient_id,
        lines=[
            (
                purpose,
                [(cells[purpose, channel], version_of(cells[purpose, channel].row)) for channel in REACHING],
            )
            for purpose in PURPOSES
        ],
        history=[Said(row, version_of(row)) for row in known.history[:HISTORY]],
        more=max(0, len(known.history) - HISTORY),
        blocks=number_blocks.of_patient(session, patient_id),
        choices=Choices(
            purposes=consent_labels.choices(consent_labels.PURPOSES),
            channels=consent_labels.choices(consent_labels.CHANNELS),
            sources=consent_labels.choices(consent_labels.SOURCES, *consent_labels.TYPED_SOURCES),
            givers=consent_labels.choices(consent_labels.GIVERS, *GIVERS),
            scopes=consent_labels.choices(consent_labels.SCOPES),
            blockers=consent_labels.choices(consent_labels.BLOCKED_BY),
            numbers=[(str(point.id), point.number_masked) for point in numbers],
        ),
    )


def _version(channel: str, number: int) -> str:
    return f"{consent_labels.of(consent_labels.CHANNELS, channel)} v{number}"
