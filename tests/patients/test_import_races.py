"""Who is restricted, erased or merged while a list is read is not written back by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from imported import HEADER, patient, row, take
from sqlalchemy import func, select, update
from world import NOW, World

from foundation import files
from foundation.database import HospitalSession
from patients import importing, joining, restriction
from patients.import_report import ImportReport
from patients.models import ContactPoint, Encounter, Enrolment, Patient, RecordAlias
from tenants.keys import data_key

Deed = Callable[[HospitalSession], object]


def raced(world: World, deed: Deed, *, phase: str, every_time: bool = False) -> ImportReport:
    """The next list of E001, and beside it in another transaction what somebody does in this phase."""
    done: list[str] = []

    def beside(now: str, at: int, _of: int) -> None:
        if now == phase and (at or phase != "comparing") and (every_time or not done):
            done.append(now)
            with world.hospital(world.heqing) as other:
                deed(other)

    lines = [row("E001", "赵六六", stay=2, left="2026-09-14", phone="13655557777"), row("E002", "孙七")]
    content = "\n".join([HEADER, *lines]).encode()
    with world.hospital(world.heqing) as session:
        return importing.import_file(session, content, "list.csv", by="陈静", now=NOW, progress=beside)


@pytest.fixture
def stored(engine_world: World) -> World:
    with engine_world.hospital(engine_world.heqing) as session:
        take(session, row("E001", "赵六六", phone="13655556666"), row("K001", "赵六六", phone="13655556666"))
    return engine_world


@pytest.mark.parametrize("phase", ["reading", "comparing"])
@pytest.mark.parametrize(
    ("stop", "reason"),
    [(restriction.erase, "erased_on_request"), (restriction.restrict, "restricted_on_request")],
)
def test_nobody_is_written_back_who_was_stopped_meanwhile(
    stored: World, stop: Callable[..., object], reason: str, phase: str
) -> None:
    report = raced(stored, lambda other: stop(other, patient(other, "E001").id, now=NOW), phase=phase)
    assert report.reject_reasons == {reason: 1}
    assert (report.rows, report.created, report.rejected) == (2, 1, 1)
    with stored.hospital(stored.heqing) as session:
        assert session.scalar(select(func.count()).where(Patient.restricted_at.is_not(None))) == 1
        gone = session.scalars(select(Patient.id).where(Patient.restricted_at.is_not(None))).one()
        masks = session.scalars(select(ContactPoint.number_masked).where(ContactPoint.patient_id == gone))
        assert not any(mask.endswith("7777") for mask in masks)
        assert session.scalar(select(func.count()).where(Encounter.patient_id == gone)) == 1
        assert (
            session.scalar(
                select(func.count()).where(Enrolment.patient_id == gone, Enrolment.ended_on.is_(None))
            )
            == 0
        )
        assert report.rejected_file_id is not None
        assert report.verdicts_file_id is not None
        _, returned = files.get(session, data_key(session), report.rejected_file_id)
        assert returned.decode("utf-8-sig").count("not taken in") == 1
        _, verdicts = files.get(session, data_key(session), report.verdicts_file_id)
        assert len(verdicts.decode().splitlines()) == 1 + report.rows


@pytest.mark.parametrize("phase", ["reading", "comparing"])
def test_rows_follow_a_record_that_was_merged_away_meanwhile(stored: World, phase: str) -> None:
    def merge(other: HospitalSession) -> None:
        joining.merge(other, patient(other, "K001").id, patient(other, "E001").id, reason="同一人", now=NOW)

    report = raced(stored, merge, phase=phase)
    assert (report.rows, report.created, report.rejected) == (2, 2, 0)
    with stored.hospital(stored.heqing) as session:
        kept, gone = patient(session, "K001"), patient(session, "E001")
        assert gone.merged_at is not None
        assert session.scalar(select(func.count()).where(Encounter.patient_id == gone.id)) == 0
        assert session.scalar(select(func.count()).where(Encounter.patient_id == kept.id)) == 3
        assert session.scalar(select(RecordAlias.patient_id)) == kept.id


def test_a_hospital_that_never_settles_is_asked_again_later_and_nothing_is_written(stored: World) -> None:
    times = iter(range(99))

    def flicker(other: HospitalSession) -> None:
        at = NOW.replace(microsecond=next(times))
        other.execute(update(Patient).where(Patient.record_number == "K001").values(merged_at=at))

    with pytest.raises(importing.Unsettled):
        raced(stored, flicker, phase="comparing", every_time=True)
    with stored.hospital(stored.heqing) as session:
        assert session.scalar(select(func.count()).where(Encounter.record_number == "E002")) == 0
