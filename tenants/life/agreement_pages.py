"""The processing agreement on screen (PIPL 21): what is in force, the draft, its signatures, whom data is
passed on to, and the impact assessments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, MultipartBody, URLEncodedBody
from litestar.response import Redirect

from foundation.calendar import local_date
from foundation.languages import gettext as _
from foundation.web.errors import UserMistake
from foundation.web.pages import page, redirect
from tenants.life import agreement, agreement_drafts
from tenants.models import ProcessingAgreement
from tenants.rights import Action
from tenants.visit import Visit

LARGEST_BODY = agreement_drafts.LARGEST + 1_000_000
LONGEST_NAME = 120
# A form in which one box is ticked brings a text, with several a list.
Codes = str | tuple[str, ...]


class AgreementForm(msgspec.Struct):
    """A draft, as typed; days as `2026-09-15`, an empty last day for none."""

    valid_from: str
    on_end: str
    valid_to: str = ""
    benchmark: str = ""
    purposes: Codes = ()
    fields: Codes = ()
    channels: Codes = ()


class EndForm(msgspec.Struct):
    """Why the hospital ends it."""

    reason: str


class SubProcessorForm(msgspec.Struct):
    """Whom the firm proposes."""

    service: str
    name: str


@dataclass
class DocumentForm:
    """The paper of an agreement."""

    file: UploadFile | None = None


@dataclass
class AssessmentForm:
    """An impact assessment, as typed, with its paper."""

    purpose: str
    assessed_on: str
    assessed_by: str
    summary: str
    file: UploadFile | None = None


@get("/h/{code:str}/agreement", needs=Action.VIEW_ONBOARDING, sync_to_thread=True)
def agreement_page(code: FromPath[str], visit: NamedDependency[Visit]) -> Response[str]:
    """Everything agreed with this hospital."""
    today = local_date(visit.now)
    with visit.hospital(code, Action.VIEW_ONBOARDING) as session:
        terms = agreement.in_force(session, today)
        versions = agreement_drafts.versions(session)
        sub_processors = agreement_drafts.sub_processors(session)
        assessments = agreement_drafts.assessments(session)
    draft = next((row for row in versions if row.signed_at is None), None)
    return page(
        "tenants/agreement.html",
        visit=visit,
        active="agreement",
        code=code,
        words=agreement,
        purposes=[(key, _(text)) for key, text in agreement.PURPOSES.items()],
        services=[(key, _(text)) for key, text in agreement.SERVICES.items()],
        endings=[(key, _(text)) for key, text in agreement.ENDINGS.items()],
        terms=terms,
        draft=draft,
        usual=_offered(draft, versions, today),
        signed=[row for row in versions if row.signed_at is not None],
        sub_processors=sub_processors,
        assessments=assessments,
        unassessed=[one for one in agreement.PURPOSES if one not in {row.purpose for row in assessments}],
        today=today,
        may_write=visit.may(Action.MANAGE_ONBOARDING, code),
        may_sign=visit.may(Action.SIGN_AGREEMENT, code),
    )


@post("/h/{code:str}/agreement", needs=Action.MANAGE_ONBOARDING, sync_to_thread=True)
def write_draft(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[AgreementForm]
) -> Redirect:
    """Write the draft of the next version."""
    draft = agreement_drafts.Draft(
        purposes=_codes(data.purposes),
        fields=_codes(data.fields) | agreement.ALWAYS_FIELDS,
        channels=_codes(data.channels),
        benchmark=data.benchmark == "yes",
        on_end=data.on_end,
        valid_from=_day(data.valid_from),
        valid_to=_day(data.valid_to) if data.valid_to.strip() else None,
    )
    with visit.hospital(code, Action.MANAGE_ONBOARDING) as session:
        agreement_drafts.write(session, draft, now=visit.now)
    return redirect(_address(code), notice=_("The draft was saved; both sides sign it now."))


@post(
    "/h/{code:str}/agreement/{version_id:uuid}/sign-firm", needs=Action.MANAGE_ONBOARDING, sync_to_thread=True
)
def sign_for_firm(code: FromPath[str], version_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """Sign for the firm."""
    with visit.hospital(code, Action.MANAGE_ONBOARDING) as session:
        row = agreement_drafts.sign(session, version_id, side="firm", now=visit.now)
    return redirect(_address(code), notice=_signed(row))


@post("/h/{code:str}/agreement/{version_id:uuid}/sign", needs=Action.SIGN_AGREEMENT, sync_to_thread=True)
def sign_for_hospital(
    code: FromPath[str], version_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Redirect:
    """Sign for the hospital."""
    with visit.hospital(code, Action.SIGN_AGREEMENT) as session:
        row = agreement_drafts.sign(session, version_id, side="hospital", now=visit.now)
    return redirect(_address(code), notice=_signed(row))


@post("/h/{code:str}/agreement/{version_id:uuid}/end", needs=Action.SIGN_AGREEMENT, sync_to_thread=True)
def end_agreement(
    code: FromPath[str],
    version_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[EndForm],
) -> Redirect:
    """The hospital ends it at once."""
    with visit.hospital(code, Action.SIGN_AGREEMENT) as session:
        agreement_drafts.end(session, version_id, reason=data.reason, now=visit.now)
    return redirect(_address(code), notice=_("The agreement has ended; nobody is called any more."))


@post(
    "/h/{code:str}/agreement/{version_id:uuid}/document",
    needs=Action.MANAGE_ONBOARDING,
    sync_to_thread=True,
    request_max_body_size=LARGEST_BODY,
)
def keep_document(
    code: FromPath[str],
    version_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: MultipartBody[DocumentForm],
) -> Redirect:
    """Keep the signed paper."""
    paper = _paper(data.file)
    if paper is None:
        raise UserMistake(_("Choose a file."))
    with visit.hospital(code, Action.MANAGE_ONBOARDING) as session:
        agreement_drafts.attach(session, version_id, *paper, now=visit.now)
    return redirect(_address(code), notice=_("The document was kept."))


@get("/h/{code:str}/agreement/documents/{file_id:uuid}", needs=Action.VIEW_ONBOARDING, sync_to_thread=True)
def read_document(
    code: FromPath[str], file_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[bytes]:
    """The paper of an agreement or of an assessment."""
    with visit.hospital(code, Action.VIEW_ONBOARDING) as session:
        name, content = agreement_drafts.document(session, file_id, now=visit.now)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=agreement_drafts.PDF, headers=headers)


@post("/h/{code:str}/sub-processors", needs=Action.MANAGE_ONBOARDING, sync_to_thread=True)
def propose(
    code: FromPath[str], visit: NamedDependency[Visit], data: URLEncodedBody[SubProcessorForm]
) -> Redirect:
    """Propose somebody to pass data on to."""
    with visit.hospital(code, Action.MANAGE_ONBOARDING) as session:
        agreement_drafts.propose(session, data.service, data.name, now=visit.now)
    return redirect(_address(code), notice=_("Proposed; the hospital decides."))


@post("/h/{code:str}/sub-processors/{sub_id:uuid}/approve", needs=Action.SIGN_AGREEMENT, sync_to_thread=True)
def approve(code: FromPath[str], sub_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """The hospital approves."""
    with visit.hospital(code, Action.SIGN_AGREEMENT) as session:
        agreement_drafts.decide(session, sub_id, approve=True, now=visit.now)
    return redirect(_address(code), notice=_("Approved."))


@post("/h/{code:str}/sub-processors/{sub_id:uuid}/end", needs=Action.SIGN_AGREEMENT, sync_to_thread=True)
def end_sub_processor(code: FromPath[str], sub_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Redirect:
    """The hospital declines, or ends what it had approved."""
    with visit.hospital(code, Action.SIGN_AGREEMENT) as session:
        agreement_drafts.decide(session, sub_id, approve=False, now=visit.now)
    return redirect(_address(code), notice=_("Ended: no data is passed on any more."))


@post(
    "/h/{code:str}/assessments",
    needs=Action.MANAGE_ONBOARDING,
    sync_to_thread=True,
    request_max_body_size=LARGEST_BODY,
)
def assess(
    code: FromPath[str], visit: NamedDependency[Visit], data: MultipartBody[AssessmentForm]
) -> Redirect:
    """Keep an impact assessment."""
    with visit.hospital(code, Action.MANAGE_ONBOARDING) as session:
        agreement_drafts.assess(
            session,
            data.purpose,
            assessed_on=_day(data.assessed_on),
            assessed_by=data.assessed_by,
            summary=data.summary,
            paper=_paper(data.file),
            now=visit.now,
        )
    return redirect(_address(code), notice=_("The assessment was kept."))


def _offered(draft: ProcessingAgreement | None, versions: Any, today: date) -> agreement_drafts.Draft:
    """What the form begins with: the draft, else the latest version from today on, else what is usual."""
    row = draft or next(iter(versions), None)
    if row is None:
        return agreement_drafts.Draft(
            purposes=frozenset(agreement.USUAL_PURPOSES),
            fields=frozenset(agreement.FIELDS),
            channels=frozenset(agreement.CHANNELS),
            benchmark=True,
            on_end="delete",
            valid_from=today,
            valid_to=None,
        )
    return agreement_drafts.Draft(
        purposes=frozenset(row.purposes),
        fields=frozenset(row.fields),
        channels=frozenset(row.channels),
        benchmark=row.benchmark == "full",
        on_end=row.on_end,
        valid_from=row.valid_from if draft else today,
        valid_to=row.valid_to,
    )


def _signed(row: ProcessingAgreement) -> str:
    if row.signed_at is None:
        return _("Signed; the other side signs next.")
    return _("Signed by both sides: version {number} holds.", number=row.version)


def _paper(file: UploadFile | None) -> tuple[str, bytes] | None:
    if file is None or not file.filename:
        return None
    return file.filename.replace("\\", "/").rsplit("/", 1)[-1][-LONGEST_NAME:], file.file.read()


def _codes(chosen: Codes) -> frozenset[str]:
    return frozenset((chosen,) if isinstance(chosen, str) else chosen)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise UserMistake(_("This is not a day: {text}", text=text.strip())) from error


def _address(code: str) -> str:
    return f"/h/{code}/agreement"


handlers = [
    agreement_page,
    write_draft,
    sign_for_firm,
    sign_for_hospital,
    end_agreement,
    keep_document,
    read_document,
    propose,
    approve,
    end_sub_processor,
    assess,
]
