"""Tables of the package, by what they are about: people, wishes, intake."""

from patients.models.intake import (
    ColumnLayout,
    DataImport,
    Feed,
    FeedMessage,
    ImportBefore,
    ImportTrail,
)
from patients.models.people import (
    ContactPoint,
    DataProblem,
    Encounter,
    Enrolment,
    Patient,
    PatientMerge,
    PossibleDuplicate,
    RecordAlias,
)
from patients.models.wishes import (
    Consent,
    ConsentText,
    NumberBlock,
    PurposeBasis,
    SubjectRequest,
    Suppression,
    SuppressionCheck,
)

__all__ = [
    "ColumnLayout",
    "Consent",
    "ConsentText",
    "ContactPoint",
    "DataImport",
    "DataProblem",
    "Encounter",
    "Enrolment",
    "Feed",
    "FeedMessage",
    "ImportBefore",
    "ImportTrail",
    "NumberBlock",
    "Patient",
    "PatientMerge",
    "PossibleDuplicate",
    "PurposeBasis",
    "RecordAlias",
    "SubjectRequest",
    "Suppression",
    "SuppressionCheck",
]
