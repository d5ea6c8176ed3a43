"""The gate before the first call: what is red blocks, what is amber needs a name; no flood (J6)."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from web_client import browsing
from world import NOW, TODAY, World, agreement_of

from billing.service import Terms, agree
from careloop import wiring
from foundation.audit import AuditEvent
from foundation.database import Database, HospitalSession
from foundation.scope import FirmScope, HospitalScope
from foundation.web.errors import NotFound, UserMistake
from outreach.models import ContactTask
from patients.importing import import_file
from revisits import going_live, jobs, planning
from revisits.models import RevisitStep
from tenants import service
from tenants.life import agreement_drafts, golive, onboarding, stages
from tenants.life.golive import Finding, NotReady
from tenants.models import (
    Department,
    DirectoryEntry,
    FirmEvent,
    Hospital,
    Person,
    SigninEvent,
)
from tenants.rights import Role
from workforce import service as workforce

DAY = timedelta(days=1)
HEADER = "病案号,姓名,联系电话,入院日期,出院日期,出院科室,离院方式"
KEYS = {
    "people", "heads", "second_factors", "agreement", "impact", "calendar", "key", "weights", "tags", "feed",
    "agents", "contract", "benchmark", "walls",
}  # fmt: skip


# Half of the index on the first dimension: the weights sum to more than 100 %.
HEAVY = "UPDATE questionnaire SET content = jsonb_set(content, '{dimensions,0,weight}', '\"0.5\"')"


@pytest.fixture(autouse=True)
def _wired() -> None:
    wiring.wire()


def make(world: World) -> UUID:
    """A hospital in onboarding, prepared, without anything else."""
    new = service.NewHospital("xinyi", "新一医院", "New One", "general", "130100", "2A")
    with world.db.firm(FirmScope(world.firm_id, (), world.agent, "test")) as session:
        tenant_id = service.create_hospital(session, new, now=NOW, state="onboarding").tenant_id
    with world.db.hospital(scope(world, tenant_id)) as session:
        onboarding.prepare(session, now=NOW)
    return tenant_id


def scope(world: World, tenant_id: UUID) -> HospitalScope:
    return HospitalScope(tenant_id, world.admin, "test")


def gate(world: World, tenant_id: UUID) -> dict[str, golive.GateLine]:
    over_firm = over(world, tenant_id)
    with world.db.hospital(scope(world, tenant_id)) as session:
        return {line.check.key: line for line in golive.look(session, over_firm, now=NOW)}


def over(world: World, tenant_id: UUID) -> dict[str, Finding]:
    tenants = (tenant_id, world.heqing.tenant_id, world.yunling.tenant_id)
    with world.db.firm(FirmScope(world.firm_id, tenants, world.agent, "test")) as session:
        return golive.look_over_firm(session, tenant_id, now=NOW)


def reds(world: World, tenant_id: UUID) -> set[str]:
    return {key for key, line in gate(world, tenant_id).items() if line.finding.tone == "red"}


def import_list(session: HospitalSession, *discharged: date) -> None:
    lines = [
        f"R{number:06},王{number},138{number:08},{day - 5 * DAY},{day},骨科,1"
        for number, day in enumerate(discharged, start=1)
    ]
    import_file(session, "\n".join([HEADER, *lines]).encode(), "list.csv", by="陈静", now=NOW)


def ready(world: World, tenant_id: UUID, *discharged: date) -> None:
    """Put everything right that the gate looks at."""
    with world.db.firm(FirmScope(world.firm_id, (tenant_id,), world.agent, "test")) as session:
        workforce.assign(session, world.people["agent"], tenant_id, NOW)
    with world.db.hospital(scope(world, tenant_id)) as session:
        session.add(agreement_of(tenant_id))
        session.flush()
        for purpose in ("care_followup", "satisfaction", "complaint", "benchmark", "marketing"):
            agreement_drafts.assess(
                session, purpose, assessed_on=TODAY, assessed_by="何琳", summary="可控", now=NOW
            )
        agree(session, Terms(), starts_on=TODAY, now=NOW)
        import_list(session, *(discharged or (TODAY - DAY,)))
        department = session.scalars(select(Department.id).where(Department.tenant_id == tenant_id)).one()
        for number, (role, place) in enumerate(
            [(Role.HOSPITAL_GM, None), (Role.DEPARTMENT_HEAD, department)], start=1
        ):
            person = Person(
                email=f"p{number}@xinyi.example", name=f"人{number}", language="zh_Hans", created_at=NOW,
                totp_confirmed_at=NOW,
            )  # fmt: skip
            session.add(person)
            session.flush()
            service.add_member(session, person.id, role, tenant_id=tenant_id, department_id=place, now=NOW)
            session.add(
                SigninEvent(at=NOW, email=person.email, person_id=person.id, result="signed_in", address="")
            )
        session.flush()


def test_a_new_hospital_is_stopped_by_everything_that_is_missing(world: World) -> None:
    tenant_id = make(world)
    found = gate(world, tenant_id)
    assert set(found) == KEYS
    assert {key for key, line in found.items() if line.finding.tone == "red"} == {
        "people", "heads", "second_factors", "agreement", "impact", "feed", "agents", "contract",
    }  # fmt: skip
    with pytest.raises(NotReady) as refused, world.db.hospital(scope(world, tenant_id)) as session:
        golive.go_live(session, over_of(found), now=NOW)
    for key in ("agreement", "feed", "contract"):
        assert found[key].finding.sentence in refused.value.message
    with world.db.hospital(scope(world, tenant_id)) as session:
        assert stages.stage_of(session) == "onboarding"


def over_of(found: dict[str, golive.GateLine]) -> dict[str, Finding]:
    return {key: line.finding for key, line in found.items() if line.check.firm_look is not None}


@pytest.mark.parametrize(
    ("key", "undo"),
    [
        ("agreement", "UPDATE processing_agreement SET valid_to = '2026-09-14'"),
        ("agreement", "UPDATE processing_agreement SET purposes = '[\"care_followup\"]'"),
        ("impact", "DELETE FROM impact_assessment WHERE purpose = 'complaint'"),
        ("contract", "UPDATE contract SET ends_on = '2026-09-14'"),
        ("weights", HEAVY),
        ("key", "UPDATE hospital SET wrapped_key = NULL WHERE code = 'xinyi'"),
        ("people", "UPDATE person SET disabled_at = now() WHERE email = 'p1@xinyi.example'"),
        ("heads", "DELETE FROM membership WHERE role = 'department_head'"),
        ("second_factors", "UPDATE person SET totp_confirmed_at = NULL WHERE email = 'p1@xinyi.example'"),
        ("agents", "DELETE FROM assignment"),
    ],
)  # fmt: skip
def test_each_single_fault_turns_its_check_red(world: World, key: str, undo: str) -> None:
    tenant_id = make(world)
    ready(world, tenant_id)
    assert reds(world, tenant_id) == set()
    tenants = (tenant_id,)
    with world.db.firm(FirmScope(world.firm_id, tenants, world.agent, "test")) as session:
        session.execute(text(undo))
    assert key in reds(world, tenant_id)


def test_amber_passes_under_a_name_and_with_a_reason(world: World) -> None:
    tenant_id = make(world)
    ready(world, tenant_id)
    found = gate(world, tenant_id)
    assert {key for key, line in found.items() if line.finding.tone == "amber"} == {"benchmark"}
    with pytest.raises(NotReady), world.db.hospital(scope(world, tenant_id)) as session:
        golive.go_live(session, over_of(found), now=NOW)
    with world.db.hospital(scope(world, tenant_id)) as session:
        with pytest.raises(UserMistake):
            golive.accept(session, "benchmark", reason=" ", now=NOW)
        with pytest.raises(NotFound):
            golive.accept(session, "weather", reason="晴", now=NOW)
        golive.accept(session, "benchmark", reason="下季度再比较", now=NOW)
    accepted = gate(world, tenant_id)["benchmark"]
    assert accepted.passes
    assert accepted.acceptance is not None
    assert (accepted.acceptance.name, accepted.acceptance.reason) == ("陈静", "下季度再比较")


def test_an_acceptance_does_not_let_red_pass(world: World) -> None:
    tenant_id = make(world)
    with world.db.hospital(scope(world, tenant_id)) as session:
        golive.accept(session, "feed", reason="稍后", now=NOW)
    assert not gate(world, tenant_id)["feed"].passes


def test_go_live_opens_once_and_brings_no_flood(world: World) -> None:
    tenant_id = make(world)
    # Discharged long ago, a week ago, yesterday and today.
    ready(world, tenant_id, TODAY - 30 * DAY, TODAY - 7 * DAY, TODAY - 2 * DAY, TODAY)
    with world.db.hospital(scope(world, tenant_id)) as session:
        jobs.catch_up(session, NOW)
        golive.accept(session, "benchmark", reason="下季度再比较", now=NOW)
        ahead = going_live.calls_ahead(session, TODAY)
        told = golive.go_live(session, over(world, tenant_id), now=NOW)
        assert told is not None
        assert told["steps_left_out"] > 0
    with world.db.hospital(scope(world, tenant_id)) as session:
        assert stages.stage_of(session) == "active"
        assert golive.go_live(session, {}, now=NOW) is None
        planning.materialise(session, TODAY, now=NOW)
        planning.open_tasks(session, now=NOW)
        waiting = session.scalars(
            select(ContactTask.opens_at).where(ContactTask.tenant_id == tenant_id)
        ).all()
        assert waiting == []
        due = session.execute(
            select(RevisitStep.target_on, func.count())
            .where(RevisitStep.tenant_id == tenant_id, RevisitStep.state == "planned")
            .group_by(RevisitStep.target_on)
        )
        planned = {row[0]: row[1] for row in due}
        assert all(planned.get(TODAY + n * DAY, 0) == count for n, count in enumerate(ahead))
        assert min(planned) > TODAY
        line = next(one for one in onboarding.lines(session, TODAY) if one.step.key == onboarding.GO_LIVE)
        assert line.state == "done"
        entry = session.scalars(select(DirectoryEntry.state).where(DirectoryEntry.code == "xinyi")).one()
        assert entry == "active"
        actions = session.scalars(select(AuditEvent.action).where(AuditEvent.tenant_id == tenant_id)).all()
        assert actions.count("golive.opened") == 1


def test_the_gate_opens_on_the_page_and_both_records_say_so(db: Database, world: World) -> None:
    tenant_id = make(world)
    with browsing(db) as browser:
        browser.enter(world.people["operations"])
        page = browser.get("/h/xinyi/go-live").text
        assert "项检查未通过" in page
        assert browser.post("/h/xinyi/go-live").status_code == 422
        ready(world, tenant_id)
        accepted = browser.post("/h/xinyi/go-live/benchmark/accept", {"reason": "下季度再比较"})
        assert accepted.status_code == 303
        assert "下季度再比较" in browser.get("/h/xinyi/go-live").text
        assert browser.post("/h/xinyi/go-live").status_code == 303
        assert browser.get("/h/xinyi/go-live").status_code == 200
        browser.enter(world.people["heqing_gm"])
        assert browser.get("/h/heqing/go-live").status_code == 200
        assert browser.post("/h/heqing/go-live").status_code == 403
    with world.firm() as session:
        events = session.scalars(select(FirmEvent.action).where(FirmEvent.firm_id == world.firm_id)).all()
    assert events.count("tenants.hospital_live") == 1


def test_a_suspended_hospital_is_resumed_and_not_brought_live(world: World) -> None:
    with world.hospital(world.heqing) as session:
        own = Hospital.tenant_id == session.tenant_id
        session.execute(update(Hospital).where(own).values(state="suspended"))
        with pytest.raises(UserMistake):
            golive.go_live(session, {}, now=NOW)
