"""An import that is undone has never been: every table is as before, byte for byte, or it says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from world import NOW, TODAY, World

from billing import ledger
from billing.models import Invoice, LedgerEntry
from billing.service import close_month, ensure_contract, issue
from careloop.wiring import wire
from feedback.models import FeedbackCase
from foundation import catalogue
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.web.errors import UserMistake
from outreach.models import Call, ContactTask, PatientHold
from patients import joining, restriction, suppression, undoing
from patients.importing import import_file
from patients.models import (
    ContactPoint,
    DataImport,
    Encounter,
    ImportBefore,
    ImportTrail,
    Patient,
    PossibleDuplicate,
    SubjectRequest,
)
from patients.restriction import Correction
from patients.service import record_consent
from revisits import planning
from revisits.models import RevisitStep
from surveys.models import Response
from surveys.samples import draw_sample
from surveys.service import questionnaire_for
from tenants.keys import seal

ASIDE = {"audit_event", "data_import", "stored_file"}
LATER = NOW + timedelta(hours=3)
HEADER = (
    "病案号,住院次数,姓名,性别,出生日期,身份证号,联系电话,联系人姓名,与患者关系,联系人电话,"
    "入院日期,出院日期,出院科室,离院方式"
)
CLINIC = "门诊号,姓名,性别,出生日期,联系电话,就诊日期,就诊科室"
DIED, HOME = "死亡", "医嘱离院"


@pytest.fixture
def session(world: World) -> Iterator[HospitalSession]:
    wire()
    with world.hospital(world.heqing) as session:
        yield session


def row(number: str, name: str = "李雷", *, stay: int = 1, phone: str = "", **more: str) -> str:
    phone = phone or f"137{number[-4:]:0>8}"
    cells = [number, str(stay), name, "男", more.get("born", "1980-02-03"), "", phone, "", "", ""]
    cells += [more.get("since", "2026-09-01"), more.get("left", "2026-09-12"), more.get("ward", "骨科")]
    return ",".join([*cells, more.get("way", HOME)])


def take(session: HospitalSession, *lines: str, at: datetime = NOW, header: str = HEADER) -> UUID:
    report = import_file(session, "\n".join([header, *lines]).encode(), "list.csv", by="陈静", now=at)
    assert report.rejected == 0, report.reject_reasons
    assert report.import_id is not None
    return report.import_id


def tick(session: HospitalSession) -> None:
    """What follows by itself in a day: the plan, its tasks, the ledger."""
    planning.materialise(session, TODAY, now=LATER)
    planning.open_tasks(session, now=LATER)
    ledger.fill(session, TODAY, now=LATER)


def everything(session: HospitalSession) -> dict[str, dict[str, Any]]:
    """Every row of every table of the hospital, as PostgreSQL writes it."""
    session.flush()
    found: dict[str, dict[str, Any]] = {}
    for table in catalogue.tenant_tables():
        if table.name not in ASIDE and "id" in table.c:
            rows = session.execute(
                select(table.c.id, func.to_jsonb(table.table_valued())).where(
                    table.c.tenant_id == session.tenant_id
                )
            )
            found[table.name] = {str(row_id): image for row_id, image in rows}
    for image in found["patient"].values():
        image["updated_at"] = ""  # when somebody last looked after the record, no part of it
    return found


def changed(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        name: {
            key: (before[name].get(key), after[name].get(key))
            for key in before[name].keys() | after[name].keys()
            if before[name].get(key) != after[name].get(key)
        }
        for name in before
        if before[name] != after[name]
    }


def known(session: HospitalSession) -> None:
    """A hospital at work: people, a plan, tasks, a contract and its ledger."""
    ensure_contract(session, starts_on=date(2026, 1, 1), now=NOW)
    take(session, row("A1001", "王芳"), row("A1002", "陈刚", left="2026-09-10"), at=NOW - timedelta(days=2))
    planning.materialise(session, TODAY, now=NOW)
    planning.open_tasks(session, now=NOW)
    ledger.fill(session, TODAY, now=NOW)


def patient(session: HospitalSession, number: str) -> Patient:
    return session.scalars(select(Patient).where(Patient.record_number == number)).one()


def stay(session: HospitalSession, number: str) -> Encounter:
    return session.scalars(
        select(Encounter).where(Encounter.record_number == number).order_by(Encounter.admission_count.desc())
    ).first()  # type: ignore[return-value]


LISTS: dict[str, list[str]] = {
    "new people": [row("B2001"), row("B2002", "韩梅", ward="新开科室"), row("B2003", "林涛", phone="x")],
    "a new stay of somebody known": [row("A1001", "王芳", stay=2, since="2026-09-13", left="2026-09-14")],
    "other data of somebody known": [row("A1001", "王芳芳", phone="13911112222", left="2026-09-13")],
    "the death of somebody known": [row("A1001", "王芳", stay=2, left="2026-09-14", way=DIED)],
    "the death of somebody new": [row("B2001", way=DIED)],
    "a likely duplicate": [row("B2001", "王芳", phone="13700001001")],
    "all at once": [
        row("A1001", "王芳", stay=2, left="2026-09-14", way=DIED),
        row("A1002", "陈刚", left="2026-09-11", phone="13911112222"),
        row("B2001", "陈刚", born="1980-02-03"),
        row("B2002", way=DIED),
    ],
}


@pytest.mark.parametrize("lines", LISTS.values(), ids=LISTS.keys())
@pytest.mark.parametrize("ticked", [False, True])
def test_an_undone_import_has_never_been(session: HospitalSession, lines: list[str], ticked: bool) -> None:
    known(session)
    before = everything(session)
    import_id = take(session, *lines)
    assert changed(before, everything(session))
    if ticked:
        tick(session)
    assert undoing.blocks(session, import_id, now=LATER) == []
    undoing.undo(session, import_id, now=LATER)
    if ticked:
        tick(session)
    found = changed(before, everything(session))
    if ticked:  # the ledger of an open month is written anew, to the same
        entries = found.pop("ledger_entry", {})
        kept = {"id", "created_at"}
        sides = [
            sorted(str({k: v for k, v in image.items() if k not in kept}) for image in side if image)
            for side in zip(*entries.values(), strict=True)
        ] or [[], []]
        assert sides[0] == sides[1]
    assert found == {}
    done = session.get_one(DataImport, (session.tenant_id, import_id))
    assert (done.state, done.undone_at, done.undone_by) == ("undone", LATER, "陈静")
    assert undoing.undo(session, import_id, now=LATER) == undoing.Undone(0, 0, 0)


def test_the_same_list_can_come_again_after_its_undo(session: HospitalSession) -> None:
    first = take(session, row("B2001"))
    undoing.undo(session, first, now=LATER)
    second = take(session, row("B2001"), at=LATER)
    assert session.get_one(DataImport, (session.tenant_id, second)).created == 1
    undoing.undo(session, second, now=LATER)


def test_two_lists_are_undone_the_last_one_first(session: HospitalSession) -> None:
    empty = everything(session)
    first = take(session, row("B2001"))
    second = take(session, row("B2001", "李雷雷", left="2026-09-13"), at=LATER)
    [told] = undoing.blocks(session, first, now=LATER)
    assert "1" in told
    undoing.undo(session, second, now=LATER)
    assert undoing.blocks(session, first, now=LATER) == []
    undoing.undo(session, first, now=LATER)
    assert {k: v for k, v in changed(empty, everything(session)).items() if k != "department"} == {}


def called(session: HospitalSession) -> None:
    tick(session)
    task = session.scalars(select(ContactTask).where(ContactTask.kind == "revisit")).first()
    assert task is not None
    point = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == task.patient_id)).first()
    assert point is not None
    session.add(
        Call(
            tenant_id=session.tenant_id,
            id=new_id(),
            task_id=task.id,
            patient_id=task.patient_id,
            contact_point_id=point.id,
            number_index=point.number_index,
            agent_id=new_id(),
            agent_name="李敏",
            dialled_at=LATER,
        )
    )


def booked(session: HospitalSession) -> None:
    tick(session)
    session.execute(update(ContactTask).values(appointment_at=LATER + timedelta(days=1)))


def finished(session: HospitalSession) -> None:
    tick(session)
    session.execute(update(ContactTask).values(state="completed"))


def on_a_card(session: HospitalSession) -> None:
    tick(session)
    task = session.scalars(select(ContactTask)).first()
    assert task is not None
    session.add(
        PatientHold(
            tenant_id=session.tenant_id,
            id=task.patient_id,
            task_id=task.id,
            agent_id=new_id(),
            drawn_at=LATER,
            until=LATER + timedelta(minutes=9),
            why="rest",
        )
    )


def visited(session: HospitalSession) -> None:
    tick(session)
    session.execute(update(RevisitStep).values(state="done"))


def answered(session: HospitalSession) -> None:
    encounter = stay(session, "B2001")
    session.add(
        Response(
            tenant_id=session.tenant_id,
            id=new_id(),
            questionnaire_id=questionnaire_for(session, "inpatient", now=LATER).id,
            patient_id=encounter.patient_id,
            encounter_id=encounter.id,
            mode="paper",
            state="in_progress",
            dimension_values={},
            started_at=LATER,
        )
    )


def complained(session: HospitalSession) -> None:
    session.add(
        FeedbackCase(
            tenant_id=session.tenant_id,
            id=new_id(),
            number="FK-2609-0001",
            patient_id=patient(session, "B2001").id,
            channel="call",
            category="service",
            tag="x",
            tier=1,
            medical_dispute=False,
            text_cipher=seal(session, "x") or b"x",
            wish_cipher=b"",
            received_at=LATER,
            first_receiver="x",
            stage="received",
            round=1,
            round_started_at=LATER,
        )
    )


def billed(session: HospitalSession) -> None:
    october = datetime.fromisoformat("2026-10-03T09:00:00+08:00")
    ensure_contract(session, starts_on=date(2026, 1, 1), now=NOW)
    issue(session, close_month(session, TODAY, now=october).id, now=october)


def asked(session: HospitalSession) -> None:
    session.add(
        SubjectRequest(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=patient(session, "B2001").id,
            kind="copy",
            requester="patient",
            channel="phone",
            wish_cipher=b"",
            asked_on=TODAY,
            due_on=TODAY,
            state="open",
            reason="",
            taken_by="x",
            counts={},
            created_at=LATER,
        )
    )


def merged(session: HospitalSession) -> None:
    take(session, row("C3001", "张三"), at=NOW - timedelta(days=9))
    joining.merge(
        session, patient(session, "C3001").id, patient(session, "B2001").id, reason="同一人", now=LATER
    )


def corrected(session: HospitalSession) -> None:
    restriction.correct(session, patient(session, "B2001").id, Correction(name="李雷雷"), now=LATER)


def stopped(session: HospitalSession) -> None:
    suppression.suppress(session, patient(session, "B2001").id, "refused", source="card", now=LATER)


def consented(session: HospitalSession) -> None:
    record_consent(
        session, patient(session, "B2001").id, "satisfaction", given=False, source="paper", now=LATER
    )


def withdrawn(session: HospitalSession) -> None:
    stay(session, "B2001").withdrawn_at = LATER


def again(session: HospitalSession) -> None:
    take(session, row("B2001", left="2026-09-13"), at=LATER)


BUILT: dict[str, tuple[Callable[[HospitalSession], None], str]] = {
    "called": (called, "通话"),
    "booked": (booked, "预约"),
    "finished": (finished, "联系"),
    "on a card": (on_a_card, "坐席"),
    "visited": (visited, "回访"),
    "answered": (answered, "问卷"),
    "complained": (complained, "反馈"),
    "billed": (billed, "账单"),
    "asked": (asked, "个人信息"),
    "merged": (merged, "合并"),
    "corrected": (corrected, "手工"),
    "stopped": (stopped, "停止"),
    "consented": (consented, "同意"),
    "withdrawn": (withdrawn, "撤回"),
    "again": (again, "名单"),
}


@pytest.mark.parametrize("built", BUILT.values(), ids=BUILT.keys())
def test_what_was_built_on_an_import_is_in_the_way_and_is_said(
    session: HospitalSession, built: tuple[Callable[[HospitalSession], None], str]
) -> None:
    build, word = built
    import_id = take(session, row("B2001"), row("B2002"))
    assert undoing.blocks(session, import_id, now=LATER) == []
    build(session)
    session.flush()
    sentences = undoing.blocks(session, import_id, now=LATER)
    assert any(word in sentence for sentence in sentences), sentences
    before = everything(session)
    with pytest.raises(UserMistake):
        undoing.undo(session, import_id, now=LATER)
    assert changed(before, everything(session)) == {}


def test_a_sample_drawn_from_its_visits_is_in_the_way(session: HospitalSession) -> None:
    import_id = take(session, "M1,李雷,男,1980-02-03,13700001111,2026-09-03,骨科", header=CLINIC)
    draw_sample(session, date(2026, 9, 1), now=LATER)
    sentences = undoing.blocks(session, import_id, now=LATER)
    assert any("抽样" in sentence for sentence in sentences), sentences


def test_a_death_that_a_list_took_back_is_not_noted_again_by_an_undo(session: HospitalSession) -> None:
    take(session, row("B2001", way=DIED), at=NOW - timedelta(days=2))
    import_id = take(session, row("B2001"))
    assert any("死亡" in sentence for sentence in undoing.blocks(session, import_id, now=LATER))


@pytest.mark.parametrize(
    ("values", "later"),
    [({"state": "running"}, 0), ({"source": "hl7"}, 0), ({}, 31)],
    ids=["running", "a feed", "too old"],
)
def test_an_import_at_another_point_of_its_life_is_not_undone(
    session: HospitalSession, values: dict[str, str], later: int
) -> None:
    import_id = take(session, row("B2001"))
    if values:
        session.execute(update(DataImport).values(**values))
    with pytest.raises(UserMistake):
        undoing.undo(session, import_id, now=LATER + timedelta(days=later))


def test_what_was_there_before_is_forgotten_after_thirty_days(session: HospitalSession) -> None:
    take(session, row("B2001"))
    again_id = take(session, row("B2001", left="2026-09-13"))
    undoing.drop_old(session, now=NOW + timedelta(days=29))
    assert session.scalar(select(func.count()).select_from(ImportBefore))
    undoing.drop_old(session, now=NOW + timedelta(days=31))
    for table in (ImportBefore, ImportTrail):
        assert session.scalar(select(func.count()).select_from(table)) == 0
    with pytest.raises(UserMistake):
        undoing.undo(session, again_id, now=NOW + timedelta(days=1))


def test_nobody_undoes_another_hospitals_import(world: World, session: HospitalSession) -> None:
    import_id = take(session, row("B2001"))
    with world.hospital(world.yunling) as other, pytest.raises(undoing.UnknownImport):
        undoing.undo(other, import_id, now=LATER)
    assert session.scalar(select(func.count()).select_from(PossibleDuplicate)) == 0
    assert session.scalar(select(func.count()).select_from(LedgerEntry)) == 0
    assert session.scalar(select(func.count()).select_from(Invoice)) == 0
