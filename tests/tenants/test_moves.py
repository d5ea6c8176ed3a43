"""A hospital goes to another firm: who must say yes, and what nobody can do any more afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select
from web_client import browsing
from world import NOW, World

from billing import queries, service
from careloop import wiring
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import FirmSession
from foundation.ids import new_id
from foundation.scope import Actor, FirmScope, PlatformScope
from foundation.web.errors import NotFound, UserMistake
from outreach import queue
from outreach.models import ContactTask, PatientHold
from revisits import planning
from tenants import reach
from tenants.arrival import Arrival
from tenants.identity import signin
from tenants.life import moves, moving
from tenants.life.agreement import in_force
from tenants.life.moves import Offer
from tenants.models import ApiToken, DirectoryEntry, Firm, Hospital, HospitalMove, Person, SigninSession
from tenants.rights import Role
from tenants.service import add_member, make_person
from workforce import service as workforce

HOUR = datetime.fromisoformat("2026-09-20T08:00:00+08:00")
OFFER = Offer(1500, "长宁服务", "Changning Service")


@dataclass(frozen=True)
class Other:
    """The other firm, and its director."""

    firm_id: UUID
    gm_id: UUID

    @property
    def gm(self) -> Actor:
        """The director."""
        return Actor("person", self.gm_id, "孙总")


@pytest.fixture
def other(world: World) -> Other:
    wiring.wire()
    firm_id = new_id()
    with world.db.firm(FirmScope(firm_id, (), Actor.system("test"), "test")) as session:
        session.add(Firm(firm_id=firm_id, code="cn", name="长宁客服", name_en="Changning", created_at=NOW))
        session.add(DirectoryEntry(code="cn", kind="firm", firm_id=firm_id, tenant_id=None))
        session.flush()
        gm = make_person(session, email="gm@cn.example.com", name="孙总", language="zh_Hans", now=NOW)
        add_member(session, gm.id, Role.FIRM_GM, firm_id=firm_id, now=NOW)
    return Other(firm_id, gm.id)


@contextmanager
def new_firm(world: World, other: Other) -> Iterator[FirmSession]:
    with world.db.firm(FirmScope(other.firm_id, (), other.gm, "test")) as session:
        yield session


def asked(world: World) -> UUID:
    with world.hospital(world.heqing, Actor("person", world.people["firm_gm"], "郑总")) as session:
        return moves.ask(session, "cn", moves_at=HOUR, now=NOW).id


def agreed(world: World, other: Other) -> UUID:
    move_id = asked(world)
    with new_firm(world, other) as session:
        moves.accept(session, move_id, OFFER, now=NOW)
    with world.hospital(world.heqing, Actor("person", world.people["heqing_gm"], "赵院长")) as session:
        moves.agree(session, now=NOW)
    return move_id


def token_of(world: World, person_id: UUID) -> str:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        return signin.open_session(session, session.get_one(Person, person_id), now=HOUR, address="")


def test_without_all_three_words_nothing_moves_and_the_hour_withdraws_it(world: World, other: Other) -> None:
    move_id = asked(world)
    with world.hospital(world.heqing) as session, pytest.raises(UserMistake):
        moves.agree(session, now=NOW)  # the price is not known yet
    with new_firm(world, other) as session:
        moves.accept(session, move_id, OFFER, now=NOW)
        assert not moving.carry_out(world.db, move_id, now=HOUR)
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as platform:
        assert moves.due(platform, HOUR) == []
        assert platform.get_one(HospitalMove, move_id).withdrawn_at == HOUR


def test_only_the_firm_asked_may_accept_and_each_of_the_three_may_withdraw(
    world: World, other: Other
) -> None:
    move_id = asked(world)
    with world.firm() as session, pytest.raises(NotFound):
        moves.accept(session, move_id, OFFER, now=NOW)
    with world.hospital(world.yunling) as session, pytest.raises(NotFound):
        moves.withdraw(session, move_id, now=NOW)
    with world.hospital(world.heqing) as session:
        with pytest.raises(UserMistake):
            moves.ask(session, "cn", moves_at=HOUR, now=NOW)  # one at a time
        moves.withdraw(session, move_id, now=NOW)
    with new_firm(world, other) as session, pytest.raises(UserMistake):
        moves.accept(session, move_id, OFFER, now=NOW)


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize(
    ("firm", "at"), [("hk", HOUR), ("nobody", HOUR), ("cn", NOW), ("cn", NOW + timedelta(days=400))]
)
def test_what_cannot_be_is_refused(world: World, firm: str, at: datetime) -> None:
    with world.hospital(world.heqing) as session, pytest.raises(UserMistake):
        moves.ask(session, firm, moves_at=at, now=NOW)


def test_the_old_firm_loses_sight_at_the_next_request_and_the_new_one_gains_it(
    world: World, other: Other
) -> None:
    move_id = agreed(world, other)
    with world.firm(world.agent) as session:
        workforce.assign(session, world.people["agent"], world.heqing.tenant_id, NOW)
    old_gm, agent, gm = world.people["firm_gm"], world.people["agent"], world.people["heqing_gm"]
    tokens = {who: token_of(world, who) for who in (old_gm, agent, gm, other.gm_id)}
    with browsing(world.db, clock=SetClock(HOUR)) as browser:
        arrival = Arrival(browser.runtime)

        def reached(who: UUID) -> set[str]:
            visit = arrival.visit(tokens[who], None, "", touch=False)
            assert visit is not None
            return set(visit.reached)

        assert [reached(who) for who in tokens] == [{"heqing", "yunling"}, {"heqing"}, {"heqing"}, set()]
        assert moving.carry_out(world.db, move_id, now=HOUR)
        assert not moving.carry_out(world.db, move_id, now=HOUR)  # once
        # The faces of a firm are kept for a minute; whose hospital it is never is.
        assert [reached(who) for who in tokens] == [{"yunling"}, set(), {"heqing"}, {"heqing"}]
    with world.db.firm(FirmScope(world.firm_id, (), Actor.system("test"), "test")) as old:
        assert old.scalars(select(Hospital.code)).all() == ["yunling"]
        assert reach.hospitals_of_agents(old) == {}
    with world.hospital(world.heqing) as hospital:
        trail = hospital.scalars(
            select(AuditEvent.action).where(AuditEvent.action.like("tenants.move%"))
        ).all()
    assert sorted(trail) == ["tenants.move_agreed", "tenants.move_asked", "tenants.moved"]


def test_the_work_goes_on_the_cards_go_back_and_the_agreement_has_no_gap(world: World, other: Other) -> None:
    move_id = agreed(world, other)
    with world.hospital(world.heqing) as session:
        world.patient(session)
        planning.materialise(session, date(2026, 9, 15), now=NOW)
        planning.open_tasks(session, now=NOW)
        before = in_force(session, date(2026, 9, 20))
    with world.firm(world.agent) as firm:
        assert queue.draw(firm, world.agent, HOUR + timedelta(hours=1)) is not None
    moving.carry_out(world.db, move_id, now=HOUR + timedelta(hours=1))
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(PatientHold)) == 0
        assert session.scalars(select(ContactTask.state)).all() == ["open"]
        after = in_force(session, date(2026, 9, 20))
    assert before is not None
    assert after is not None
    assert (after.purposes, after.version) == (before.purposes, before.version + 1)
    with world.db.firm(FirmScope(other.firm_id, (world.heqing.tenant_id,), other.gm, "test")) as firm:
        assert queue.draw(firm, other.gm, HOUR + timedelta(hours=2)) is not None


def test_keys_and_bounded_sign_ins_of_the_old_firm_end_and_the_hospital_s_own_stay(
    world: World, other: Other
) -> None:
    move_id = agreed(world, other)
    own, foreign = world.people["heqing_admin"], world.people["operations"]
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        for person in (own, foreign):
            session.add(
                ApiToken(
                    token_hash=person.bytes,
                    prefix="x",
                    name="x",
                    person_id=person,
                    tenant_id=world.heqing.tenant_id,
                    actions=[],
                    created_at=NOW,
                    expires_at=NOW + timedelta(days=90),
                )
            )
            token = signin.open_session(session, session.get_one(Person, person), now=NOW, address="")
            row = session.scalars(
                select(SigninSession).where(SigninSession.token_hash == signin.token_hash(token))
            ).one()
            row.tenant_id = world.heqing.tenant_id
    moving.carry_out(world.db, move_id, now=HOUR)
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        keys = dict(session.execute(select(ApiToken.person_id, ApiToken.revoked_at)).all())
        ends = dict(session.execute(select(SigninSession.person_id, SigninSession.ended_at)).all())
    assert (keys[own], keys[foreign]) == (None, HOUR)
    assert (ends[own], ends[foreign]) == (None, HOUR)


def test_invoices_split_at_the_day_and_every_patient_month_is_billed_once(world: World, other: Other) -> None:
    """Until September those enrolled before the 20th by the old firm at 12.50, the one enrolled on the 22nd
    by the new one at 15.00, which bills all of them from October on.
    """
    with world.hospital(world.heqing) as session:
        service.ensure_contract(session, starts_on=date(2026, 7, 1), now=NOW)
        for day in (date(2026, 8, 3), date(2026, 8, 4), date(2026, 9, 10)):
            world.patient(session, discharged_on=day)
    move_id = agreed(world, other)
    moving.carry_out(world.db, move_id, now=HOUR)
    with world.hospital(world.heqing) as session:
        world.patient(session, discharged_on=date(2026, 9, 22))
        for month in (date(2026, 9, 1), date(2026, 10, 1)):
            closed = service.close_month(
                session, month, now=datetime.fromisoformat("2026-11-02T09:00:00+08:00")
            )
            if closed.state == "draft":
                service.issue(session, closed.id, now=datetime.fromisoformat("2026-11-02T09:00:00+08:00"))
        rows = {row.month: row for row in queries.invoices(session)}
        lines = {
            month.month: [(n.kind, n.quantity, n.unit_fen) for n in queries.lines_of(session, row.id)]
            for month, row in rows.items()
        }
        sellers = {
            m.month: queries.statement(session, row).contract.seller["name"] for m, row in rows.items()
        }
    assert lines == {
        8: [("new", 2, 1250)],
        9: [("carried", 2, 1250), ("new", 1, 1250)],
        10: [("new", 4, 1500), ("late", 1, 1500)],
    }
    assert (sellers[9], sellers[10]) == ("", "长宁服务")
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as platform:
        kept = platform.get_one(HospitalMove, move_id).settled
    assert kept is not None
    assert [(one["month"], one["total_fen"]) for one in kept] == [("2026-08-01", 2650), ("2026-09-01", 3975)]


def test_the_new_firm_never_sees_what_the_old_one_charged_and_the_hospital_always_does(
    world: World, other: Other
) -> None:
    with world.hospital(world.heqing) as session:
        service.ensure_contract(session, starts_on=date(2026, 7, 1), now=NOW)
        world.patient(session, discharged_on=date(2026, 8, 3))
    moving.carry_out(world.db, agreed(world, other), now=HOUR)
    seen = {}
    with browsing(world.db, clock=SetClock(HOUR)) as browser:
        for name, who in (("firm", other.gm_id), ("hospital", world.people["heqing_gm"])):
            browser.enter(who, "en")
            page = browser.get("/h/heqing/billing").text
            pdf = browser.get("/h/heqing/billing/2026-08/invoice.pdf").status_code
            seen[name] = ("HEQING-202608-001" in page, "12.50" in page, "15.00" in page, pdf)
    assert seen == {"firm": (False, False, True, 404), "hospital": (True, True, True, 200)}


def test_the_three_pages_lead_through_a_move(world: World, other: Other) -> None:
    with browsing(world.db) as browser:
        browser.enter(world.people["firm_gm"])
        done = browser.post("/firm/hospitals/heqing/move", {"firm": "cn", "day": "2026-09-20", "hour": "8"})
        assert done.headers["location"] == "/firm/hospitals/heqing/move"
        assert browser.get("/firm/hospitals/heqing/move").status_code == 200
        with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
            move = session.scalars(select(HospitalMove)).one()
        assert move.moves_at == HOUR
        browser.enter(other.gm_id)
        assert "河清市第一人民医院" in browser.get("/firm/moves").text
        offer = {"yearly": "180", "name": "长宁服务"}
        assert browser.post(f"/firm/moves/{move.id}/accept", offer).status_code == 303
        browser.enter(world.people["heqing_gm"])
        assert "15.00" in browser.get("/h/heqing/move").text
        assert browser.post("/h/heqing/move").status_code == 303
        with world.hospital(world.heqing) as session:
            found = moves.of_hospital(session)
            assert found is not None
            assert found.agreed_by_name == "赵院长"
        # Who is neither of the two firms' director nor the hospital's has no page for it.
        browser.enter(world.people["operations"])
        assert browser.get("/h/heqing/move").status_code == 403
        assert browser.get("/firm/moves").status_code == 403
