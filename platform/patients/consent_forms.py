"""Consent on the patient's page: a yes, a no, a withdrawal, the evidence, a number not to be called."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, MultipartBody, URLEncodedBody
from litestar.response import Redirect

from foundation import audit, files
from foundation.database import HospitalSession
from foundation.languages import gettext as _
from foundation.web.errors import NotFound, UserMistake
from foundation.web.pages import redirect
from patients import consent, consent_texts, number_blocks
from patients.consent_rules import CHANNELS, GIVERS, PURPOSES, SOURCES
from patients.models import Consent, ContactPoint, Patient
from tenants.keys import data_key
from tenants.rights import Action
from tenants.visit import Visit

# What proves a consent is a scan, a photograph or a recording of a few minutes.
LARGEST_FILE = 10_000_000
LARGEST_BODY = LARGEST_FILE + 100_000
MEDIA_TYPES = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "txt": "text/plain",
}
LONGEST_NAME = 120


class ConsentForm(msgspec.Struct):
    """A word for or against a purpose; `shown` when the words in force were read out or handed over."""

    purpose: str = ""
    channel: str = "all"
    given: str = ""
    source: str = ""
    given_by: str = "patient"
    evidence: str = ""
    shown: str = ""
    file: UploadFile | None = None


class WithdrawForm(msgspec.Struct):
    """A withdrawal; without a purpose from all of them."""

    purpose: str = ""
    channel: str = "all"
    source: str = "patient"
    evidence: str = ""


class BlockForm(msgspec.Struct):
    """A number not to be called, for what, and who asked."""

    contact_point_id: UUID | None = None
    scope: str = ""
    source: str = ""
    evidence: str = ""


class ReasonForm(msgspec.Struct):
    """Who asked for it, and how."""

    reason: str = ""


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/consents",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
    request_max_body_size=LARGEST_BODY,
)
def record(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: MultipartBody[ConsentForm],
) -> Redirect:
    """Keep a yes or a no."""
    if data.given not in {"yes", "no"}:
        raise UserMistake(_("Choose yes or no."))
    _known(data.purpose, data.channel, data.source, data.given_by)
    paper = _paper(data.file)
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        _in_use(session, patient_id)
        text_id = None
        if data.shown == "yes":
            text_id = consent_texts.in_use(session, data.purpose, data.channel, visit.now).id
        file_id = None
        if paper is not None:
            name, media_type, content = paper
            key = data_key(session)
            file_id = files.put(
                session, key, name=name, media_type=media_type, content=content, now=visit.now
            )
        consent.record(
            session,
            patient_id,
            data.purpose,
            channel=data.channel,
            given=data.given == "yes",
            source=data.source,
            given_by=data.given_by,
            text_id=text_id,
            evidence=data.evidence,
            evidence_file_id=file_id,
            now=visit.now,
        )
    return _back(code, patient_id, _("Saved."))


@post(
    "/h/{code:str}/patients/{patient_id:uuid}/consents/withdraw",
    needs=Action.SUPPRESS_PATIENTS,
    sync_to_thread=True,
)
def withdraw(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[WithdrawForm],
) -> Redirect:
    """Take consent back, for one purpose or all: one press."""
    _known(data.purpose or PURPOSES[0], data.channel, data.source, GIVERS[0])
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        _in_use(session, patient_id)
        consent.withdraw(
            session,
            patient_id,
            purpose=data.purpose or None,
            channel=data.channel,
            source=data.source,
            evidence=data.evidence,
            now=visit.now,
        )
    return _back(code, patient_id, _("Taken back; it holds at once."))


@get("/h/{code:str}/consents/{consent_id:uuid}/file", needs=Action.REVEAL, sync_to_thread=True)
def read_file(
    code: FromPath[str], consent_id: FromPath[UUID], visit: NamedDependency[Visit]
) -> Response[bytes]:
    """The paper or recording that proves a consent; that it was read is on record."""
    with visit.hospital(code, Action.REVEAL) as session:
        row = session.get(Consent, (session.tenant_id, consent_id))
        if row is None or row.evidence_file_id is None:
            raise NotFound
        _in_use(session, row.patient_id)
        try:
            stored, content = files.get(session, data_key(session), row.evidence_file_id)
        except files.FileMissing as error:
            raise NotFound from error
        audit.record(
            session,
            "patients.consent_evidence_read",
            now=visit.now,
            subject=f"patient:{row.patient_id}",
            detail={"consent": str(row.id)},
        )
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(stored.name)}"}
    return Response(content, media_type=stored.media_type, headers=headers)


@post("/h/{code:str}/patients/{patient_id:uuid}/blocks", needs=Action.SUPPRESS_PATIENTS, sync_to_thread=True)
def block(
    code: FromPath[str],
    patient_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[BlockForm],
) -> Redirect:
    """Put one of the patient's numbers on the list of those not to be called."""
    if data.scope not in number_blocks.SCOPES or data.source not in number_blocks.SOURCES:
        raise UserMistake(_("Choose what the number is not called for, and who asked."))
    if data.contact_point_id is None:
        raise UserMistake(_("Choose a number."))
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        _in_use(session, patient_id)
        point = session.get(ContactPoint, (session.tenant_id, data.contact_point_id))
        if point is None or point.patient_id != patient_id:
            raise NotFound
        number_blocks.block(
            session, point.id, data.scope, source=data.source, evidence=data.evidence, now=visit.now
        )
    return _back(code, patient_id, _("This number is not called any more, whoever it belongs to."))


@post("/h/{code:str}/blocks/{block_id:uuid}/remove", needs=Action.SUPPRESS_PATIENTS, sync_to_thread=True)
def remove_block(
    code: FromPath[str],
    block_id: FromPath[UUID],
    visit: NamedDependency[Visit],
    data: URLEncodedBody[ReasonForm],
) -> Redirect:
    """Take a number off the list, at the recorded request."""
    with visit.hospital(code, Action.SUPPRESS_PATIENTS) as session:
        try:
            row = number_blocks.remove(session, block_id, reason=data.reason, now=visit.now)
        except number_blocks.UnknownBlock as error:
            raise NotFound from error
        patient_id = row.patient_id
        _in_use(session, patient_id)
    return _back(code, patient_id, _("This number may be called again."))


def _known(purpose: str, channel: str, source: str, given_by: str) -> None:
    if purpose not in PURPOSES or channel not in CHANNELS:
        raise UserMistake(_("Choose a purpose and a channel."))
    if source not in SOURCES or given_by not in GIVERS:
        raise UserMistake(_("Choose where it was said, and by whom."))


def _paper(file: UploadFile | None) -> tuple[str, str, bytes] | None:
    """Name, kind and content of what was handed in; the kind is that of the name's ending."""
    if file is None or not file.filename:
        return None
    name = file.filename.replace("\\", "/").rsplit("/", 1)[-1][-LONGEST_NAME:]
    media_type = MEDIA_TYPES.get(name.rpartition(".")[2].lower())
    content = file.file.read(LARGEST_FILE + 1)
    if media_type is None:
        raise UserMistake(_("A PDF, a picture, a recording or a text, please."))
    if not content or len(content) > LARGEST_FILE:
        raise UserMistake(_("The file is empty or larger than 10 MB."))
    return name, media_type, content


def _in_use(session: HospitalSession, patient_id: UUID) -> None:
    """Neither restricted (PIPL 47) nor taken into another record."""
    patient = session.get(Patient, (session.tenant_id, patient_id))
    if patient is None or patient.restricted_at is not None or patient.merged_at is not None:
        raise NotFound


def _back(code: str, patient_id: UUID, notice: str) -> Redirect:
    return redirect(f"/h/{code}/patients/{patient_id}#consent", notice=notice)


handlers: list[Any] = [record, withdraw, read_file, block, remove_block]
