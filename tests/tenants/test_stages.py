"""A hospital's stages: what may follow what, that three places say the same, and who follows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from world import NOW, World

from foundation.audit import AuditEvent
from foundation.database import HospitalSession
from foundation.scope import Actor, FirmScope, PlatformScope
from foundation.web.errors import UserMistake
from tenants.life import firm_stage, stages
from tenants.models import DirectoryEntry, Firm, FirmEvent, Hospital, HospitalPhase

LATER = NOW + timedelta(days=3)


def said_everywhere(session: HospitalSession) -> set[str]:
    """The stage by the hospital's row, by the directory and by the open phase."""
    own = session.tenant_id
    return {
        session.scalars(select(Hospital.state).where(Hospital.tenant_id == own)).one(),
        session.scalars(select(DirectoryEntry.state).where(DirectoryEntry.tenant_id == own)).one(),
        session.scalars(
            select(HospitalPhase.state).where(
                HospitalPhase.tenant_id == own, HospitalPhase.ended_at.is_(None)
            )
        ).one(),
    }


def test_a_suspension_stands_in_all_three_places_with_its_reason_and_ends_in_all_three(world: World) -> None:
    with world.hospital(world.heqing) as session:
        assert stages.suspend(session, reason=" 机房搬迁 ", now=NOW).changed
        assert said_everywhere(session) == {"suspended"}
        assert not stages.suspend(session, reason="again", now=LATER).changed
    with world.hospital(world.heqing) as session:
        assert stages.resume(session, reason="", now=LATER).changed
        assert said_everywhere(session) == {"active"}
        now, stopped, first = stages.history(session)
        assert (stopped.reason, stopped.by_name, stopped.started_at, stopped.ended_at) == (
            "机房搬迁",
            "陈静",
            NOW,
            LATER,
        )
        assert (now.started_at, now.ended_at, first.ended_at) == (LATER, None, NOW)
        told = session.scalars(
            select(AuditEvent.detail)
            .where(AuditEvent.action == "tenants.stage_changed")
            .order_by(AuditEvent.seq)
        ).all()
    assert [(line["before"], line["after"]) for line in told] == [
        ("active", "suspended"),
        ("suspended", "active"),
    ]


@pytest.mark.parametrize(
    ("path", "refused"),
    [((), "onboarding"), ((), "left"), (("suspended",), "left"), (("leaving", "left"), "active")],
)
def test_a_stage_that_does_not_follow_is_refused(world: World, path: tuple[str, ...], refused: str) -> None:
    with world.hospital(world.heqing) as session:
        for number, stage in enumerate(path):
            stages.change(session, stage, reason="", now=NOW + timedelta(hours=number))
        with pytest.raises(UserMistake):
            stages.change(session, refused, reason="", now=LATER)
        assert said_everywhere(session) == {path[-1] if path else "active"}


def test_higher_floors_hear_of_the_end_and_the_begin_of_the_active_stage_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[object] = []

    def stopped(_session: HospitalSession, now: datetime) -> None:
        heard.append(now)

    def taken_up(_session: HospitalSession, since: datetime, now: datetime) -> None:
        heard.append((since, now))

    monkeypatch.setattr(stages, "_suspended_hooks", [])
    monkeypatch.setattr(stages, "_resumed_hooks", [])
    for _ in range(2):
        stages.on_suspended(stopped)
        stages.on_resumed(taken_up)
    with world.hospital(world.heqing) as session:
        stages.change(session, "suspended", reason="", now=NOW)
        stages.change(session, "leaving", reason="", now=NOW + timedelta(days=1))
        stages.change(session, "active", reason="", now=LATER)
    assert heard == [NOW, (NOW, LATER)]


def test_a_suspension_needs_a_reason_and_only_what_is_suspended_is_resumed(world: World) -> None:
    with world.hospital(world.heqing) as session:
        with pytest.raises(UserMistake):
            stages.suspend(session, reason="  ", now=NOW)
        with pytest.raises(UserMistake):
            stages.resume(session, reason="", now=NOW)


def test_hospitals_follow_their_firm_into_a_suspension_and_out_of_it_except_those_stopped_before(
    world: World,
) -> None:
    operator = Actor("person", None, "吴凡")
    with world.hospital(world.yunling) as session:
        stages.suspend(session, reason="own", now=NOW)
    with world.db.firm(FirmScope(world.firm_id, (), operator, "suspend_firm")) as firm:
        firm_stage.suspend(firm, reason="欠费", now=NOW)
        assert firm.scalars(select(Firm.state)).one() == "suspended"
    for hospital in (world.heqing, world.yunling):
        for _ in range(2):
            with world.hospital(hospital) as session:
                stages.follow_firm(session, now=NOW)
                assert stages.stage_of(session) == "suspended"
    with world.hospital(world.heqing) as session, pytest.raises(UserMistake):
        stages.resume(session, reason="", now=LATER)  # by nobody but the operator
    with world.db.firm(FirmScope(world.firm_id, (), operator, "suspend_firm")) as firm:
        firm_stage.resume(firm, reason="", now=LATER)
        assert [e.action for e in firm.scalars(select(FirmEvent).order_by(FirmEvent.seq))] == [
            "tenants.firm_suspended",
            "tenants.firm_resumed",
        ]
    found = []
    for hospital in (world.heqing, world.yunling):
        with world.hospital(hospital) as session:
            stages.follow_firm(session, now=LATER)
            found.append(stages.stage_of(session))
    assert found == ["active", "suspended"]
    with world.db.platform(PlatformScope(operator, "test")) as platform:
        assert (
            platform.scalars(select(DirectoryEntry.state).where(DirectoryEntry.kind == "firm")).one()
            == "active"
        )
