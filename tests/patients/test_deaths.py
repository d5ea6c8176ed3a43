"""A death holds at once, and a second person confirms it or takes it back (S4-15)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from suppression_world import changes, everything, full
from world import NOW, World

from foundation.audit import AuditEvent
from foundation.scope import Actor
from patients import suppression_queries
from patients.importing import import_file
from patients.models import Patient, Suppression
from patients.suppression import SamePerson, UnknownSuppression, active_reasons, confirm_death, lift, suppress

HEAD = "病案号,住院次数,姓名,联系电话,入院日期,出院日期,离院方式\n"
LATER = NOW + timedelta(hours=1)


def test_a_second_person_confirms_and_never_the_one_who_reported_it(world: World) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        patient = world.patient(session)
        row = suppress(session, patient.id, "deceased", note="女儿告知", source="call", now=NOW)
        assert active_reasons(session, patient.id) == ["deceased"]
        with pytest.raises(SamePerson):
            confirm_death(session, row.id, now=LATER)
        assert [line.mine for line in suppression_queries.to_confirm(session)] == [True]
    with world.hospital(world.heqing, world.admin) as session:
        waiting = suppression_queries.to_confirm(session)
        assert [(line.note, line.mine) for line in waiting] == [("女儿告知", False)]
        assert suppression_queries.counts(session) == ({"deceased": 1}, 1)
        confirm_death(session, row.id, now=LATER)
        twice = confirm_death(session, row.id, now=LATER + timedelta(days=1))
        assert (twice.confirmed_at, twice.confirmed_by) == (LATER, "陈静")
        assert suppression_queries.to_confirm(session) == []
        assert session.scalars(select(AuditEvent.action)).all()[-1] == "patients.death_confirmed"


def test_a_change_of_name_makes_nobody_a_second_person(world: World) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        row = suppress(session, world.patient(session).id, "deceased", source="case", now=NOW)
    renamed = Actor("person", world.agent.id, "李小敏")
    with world.hospital(world.heqing, renamed) as session, pytest.raises(SamePerson):
        confirm_death(session, row.id, now=LATER)
    with world.hospital(world.heqing, Actor.system("test")) as session, pytest.raises(SamePerson):
        confirm_death(session, row.id, now=LATER)


def test_only_a_death_that_holds_is_confirmed_and_only_at_home(world: World) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        patient = world.patient(session)
        cured = suppress(session, patient.id, "cured", source="card", now=NOW)
        dead = suppress(session, patient.id, "deceased", source="card", now=NOW)
    with world.hospital(world.yunling) as session, pytest.raises(UnknownSuppression):
        confirm_death(session, dead.id, now=LATER)
    with world.hospital(world.heqing) as session:
        with pytest.raises(UnknownSuppression):
            confirm_death(session, cured.id, now=LATER)
        lift(session, dead.id, now=LATER, reason="在世")
        with pytest.raises(UnknownSuppression):
            confirm_death(session, dead.id, now=LATER)


def test_a_mistake_brings_everything_back(world: World) -> None:
    made = full(world, world.heqing)
    with world.hospital(world.heqing, world.agent) as session:
        before = everything(session)
        row = suppress(session, made.patient_id, "deceased", source="call", now=NOW)
    with world.hospital(world.heqing, world.admin) as session:
        lift(session, row.id, now=LATER, reason="本人接听")
        assert changes(before, everything(session)) == {}


def test_the_hospitals_own_list_confirms_by_itself_also_when_it_says_so_later(world: World) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        for number in ("A1", "A2"):
            line = f"{number},1,王芳,1391234567{number[1]},20260801,20260805,医嘱离院"
            import_file(session, (HEAD + line).encode(), "list.csv", by="李敏", now=NOW)
        first = session.scalars(select(Patient).where(Patient.record_number == "A1")).one()
        reported = suppress(session, first.id, "deceased", source="call", now=NOW)
        assert reported.confirmed_at is None
        dead = "A1,2,王芳,,20260901,20260910,死亡\nA2,2,王芳,,20260901,20260910,死亡"
        import_file(session, (HEAD + dead).encode(), "dead.csv", by="李敏", now=LATER)
        rows = session.execute(
            select(Suppression.source, Suppression.confirmed_at, Suppression.started_at).order_by(
                Suppression.source
            )
        ).all()
        assert rows == [("call", LATER, NOW), ("import", LATER, LATER)]


def test_the_same_list_again_changes_nothing_for_somebody_who_is_stopped(world: World) -> None:
    with world.hospital(world.heqing) as session:
        lines = "A1,1,王芳,13912345678,20260801,20260805,医嘱离院\nA1,2,王芳,,20260901,20260910,死亡"
        import_file(session, (HEAD + lines).encode(), "list.csv", by="陈静", now=NOW)
        before = everything(session)
        report = import_file(session, (HEAD + lines).encode(), "list.csv", by="陈静", now=LATER)
        assert (report.suppressed, report.enrolled) == (0, 0)
        told = set(changes(before, everything(session)))
        assert not told & {"enrolment", "patient", "encounter", "contact_task"}
        assert len(session.scalars(select(Suppression)).all()) == 1
