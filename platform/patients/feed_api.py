"""Interfaces of hospital systems over HTTP: HL7 v2, FHIR R4, and our own JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath, JSONBody, RawBody
from litestar.types import ControllerRouterHandler

from foundation.languages import gettext as _
from foundation.web.api import TROUBLES, Trouble
from foundation.web.errors import UserMistake
from patients import feed_acks, feed_inbox, feed_labels, labels
from patients.adt import hl7_text, json_visits
from patients.adt.events import BadMessage
from patients.adt.json_visits import VisitList
from tenants.rights import Action
from tenants.visit import Visit

HTTP_NAME = "http"
LARGEST_BODY = 10_000_000  # bytes
HL7_TYPE, FHIR_TYPE = "application/hl7-v2", "application/fhir+json"
TOO_LARGE = {413: ResponseSpec(Trouble, generate_examples=False, description="What was sent is too large.")}


@dataclass
class _Hl7Operation(Operation):
    """Says in the description that the body is HL7 text."""

    def __post_init__(self) -> None:
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        self.request_body = RequestBody(content={HL7_TYPE: text, "text/plain": text}, required=True)


@dataclass
class _FhirOperation(Operation):
    """Says in the description that the body is a FHIR bundle."""

    def __post_init__(self) -> None:
        bundle = OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))
        self.request_body = RequestBody(
            content={FHIR_TYPE: bundle, "application/json": bundle}, required=True
        )


class OutcomeIssue(msgspec.Struct):
    """One thing said of a bundle: `severity` information or error, `code` of FHIR's issue types."""

    severity: str
    code: str
    diagnostics: str


class OperationOutcome(msgspec.Struct):
    """FHIR's answer to a bundle: what became of each encounter, in words."""

    resourceType: str  # noqa: N815 - FHIR's own name
    issue: list[OutcomeIssue]


class VisitFate(msgspec.Struct):
    """What became of one visit of the list, in its order: applied, waiting or rejected, with the reason."""

    state: str
    reason: str
    sentence: str


class VisitsTaken(msgspec.Struct):
    """What became of a list of visits: rows = created + updated + unchanged + rejected.

    A visit that waits for its discharge, or was taken back, is no row. `withdrawn` counts encounters that
    were taken back.
    """

    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    waiting: int
    withdrawn: int
    import_id: UUID | None
    visits: list[VisitFate]


@post(
    "/api/v1/h/{code:str}/feeds/hl7",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    status_code=200,
    request_max_body_size=LARGEST_BODY,
    media_type=HL7_TYPE,
    operation_class=_Hl7Operation,
    summary="Send HL7 v2 messages",
    responses={**TROUBLES, **TOO_LARGE},
)
def send_hl7(code: FromPath[str], visit: NamedDependency[Visit], body: RawBody) -> Response[bytes]:
    """ADT messages (A01, A03, A04, A08, A11, A13, A40), one or several, as UTF-8 or as MSH-18 says. Each is
    kept before it is answered; the answers stand in the order of the messages: AA, AE (mend and send again)
    or AR (never as it is), the reason in MSA-3 and ERR. The same message again is answered the same.
    """
    visit.require(code, Action.IMPORT_PATIENTS)
    messages = hl7_text.split(body)
    if not messages:
        raise UserMistake(feed_labels.mistake(BadMessage("empty")))
    if len(messages) > feed_inbox.MOST_MESSAGES:
        raise UserMistake(feed_labels.mistake(BadMessage("too_many", limit=feed_inbox.MOST_MESSAGES)))

    def take(message: bytes) -> feed_inbox.Answer:
        with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
            return feed_inbox.receive(session, "hl7", message, name=HTTP_NAME, now=visit.now)

    answers = [feed_acks.acknowledged(message, take, now=visit.now) for message in messages]
    return Response(b"".join(answers), media_type=HL7_TYPE)


@post(
    "/api/v1/h/{code:str}/feeds/fhir",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    status_code=200,
    request_max_body_size=LARGEST_BODY,
    media_type=FHIR_TYPE,
    operation_class=_FhirOperation,
    summary="Send a FHIR R4 bundle",
    responses={**TROUBLES, **TOO_LARGE},
)
def send_fhir(code: FromPath[str], visit: NamedDependency[Visit], body: RawBody) -> OperationOutcome:
    """A bundle of Patient and Encounter (transaction, batch, message, collection or searchset), at most 1000
    encounters. Each encounter says all there is of the visit as of its `meta.lastUpdated`. 422 with one
    sentence for a bundle that cannot be read; then nothing of it is kept.
    """
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        try:
            answer = feed_inbox.receive(session, "fhir", body, name=HTTP_NAME, now=visit.now)
        except BadMessage as error:
            raise UserMistake(feed_labels.mistake(error)) from error
    return OperationOutcome("OperationOutcome", [_issue(fate) for fate in answer.fates] or [_nothing()])


def _issue(fate: feed_inbox.Fate) -> OutcomeIssue:
    if fate.state == "rejected":
        return OutcomeIssue("error", "business-rule", feed_labels.reason(fate.reason))
    state = labels.of(feed_labels.STATES, fate.state)
    return OutcomeIssue("information", "informational", state)


def _nothing() -> OutcomeIssue:
    return OutcomeIssue("information", "informational", _("The bundle holds no encounter."))


@post(
    "/api/v1/h/{code:str}/feeds/visits",
    needs=Action.IMPORT_PATIENTS,
    sync_to_thread=True,
    status_code=200,
    request_max_body_size=LARGEST_BODY,
    summary="Send visits as JSON",
    responses={**TROUBLES, **TOO_LARGE},
)
def send_visits(code: FromPath[str], visit: NamedDependency[Visit], data: JSONBody[VisitList]) -> VisitsTaken:
    """Visits field by field, at most 1000 at once, by the rules of an imported list. Each object says all
    there is of the visit as of `recorded_at`; the same list again is all unchanged.
    """
    with visit.hospital(code, Action.IMPORT_PATIENTS) as session:
        try:
            heard = json_visits.heard(data.visits, now=visit.now)
            answer = feed_inbox.take(session, "json", heard, name=HTTP_NAME, now=visit.now)
        except BadMessage as error:
            raise UserMistake(feed_labels.mistake(error)) from error
    return VisitsTaken(
        **{name: answer.counts[name] for name in feed_inbox.NOTHING},
        waiting=answer.waiting,
        withdrawn=answer.withdrawn,
        import_id=answer.import_id,
        visits=[
            VisitFate(
                fate.state,
                feed_labels.code_of(fate.reason),
                feed_labels.reason(fate.reason) if fate.reason else "",
            )
            for fate in answer.fates
        ],
    )


handlers: list[ControllerRouterHandler | Any] = [send_hl7, send_fhir, send_visits]
