"""What surveys brings to a new hospital, and what it sees before a go-live: questionnaires (S0-8, S3-6)."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.languages import current, mark
from foundation.languages import gettext as _
from surveys import service
from surveys.instrument import Instrument, WeightsError, load
from surveys.models import Questionnaire
from tenants.life import golive, templates_by_type
from tenants.life.golive import Finding

# A check-up centre has no inpatients (体检 is asked like a visit).
AUDIENCES = {"checkup": ("outpatient", "organisation")}
EVERY_AUDIENCE = ("inpatient", "outpatient", "organisation")


def register() -> None:
    """Register both; harmless twice."""
    templates_by_type.on_created(
        templates_by_type.Room("questionnaires", mark("Questionnaires"), told, put_in_place)
    )
    golive.check("weights", mark("Questionnaire and weights"), weights)


def audiences_of(hospital_type: str) -> tuple[str, ...]:
    """Who is asked at a hospital of this type; one version of each questionnaire serves every type."""
    return AUDIENCES.get(hospital_type, EVERY_AUDIENCE)


def told(hospital_type: str) -> str:
    """Which questionnaires a hospital of this type gets."""
    named = "、" if current() == "zh_Hans" else "; "
    return named.join(_named(load(audience)) for audience in audiences_of(hospital_type))


def put_in_place(session: HospitalSession, hospital_type: str, now: datetime) -> None:
    """Freeze the present version of each into the hospital's own rows; again is the same."""
    for audience in audiences_of(hospital_type):
        service.questionnaire_for(session, audience, now=now)


def weights(session: HospitalSession, _now: datetime) -> Finding:
    """Weights of dimensions and of questions sum to 100 % (S3-6, benchmarking D4)."""
    rows = session.scalars(
        select(Questionnaire)
        .where(Questionnaire.tenant_id == session.tenant_id, Questionnaire.active)
        .order_by(Questionnaire.audience, Questionnaire.version)
    ).all()
    if not rows:
        return Finding("red", _("The hospital has no questionnaire."))
    for row in rows:
        try:
            service.instrument_of(row)
        except (WeightsError, msgspec.ValidationError) as error:
            return Finding(
                "red",
                _("The weights of {code} do not sum to 100%: {error}", code=row.code, error=error),
            )
    count = sum(len(list(service.instrument_of(row).questions())) for row in rows)
    return Finding(
        "green",
        _("{count} questionnaires, {questions} questions, all weights sum to 100%.",
          count=len(rows), questions=count),
    )  # fmt: skip


def _named(instrument: Instrument) -> str:
    return _(
        "{title}, version {version}, {count} questions",
        title=instrument.title.in_language(current()),
        version=instrument.version,
        count=len(list(instrument.questions())),
    )
