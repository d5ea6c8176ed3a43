"""What a move does not bring back, and what keeps a hospital where it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import pytest
from sqlalchemy import select, update
from web_client import browsing
from world import NOW, World

from careloop import wiring
from foundation import runtime
from foundation.clock import SetClock
from foundation.ids import new_id
from foundation.scope import Actor, FirmScope, PlatformScope
from foundation.web.errors import UserMistake
from tenants.life import agreement, agreement_drafts, departure, firm_stage, moves, moving, stage_jobs, stages
from tenants.life.moves import Offer
from tenants.models import DirectoryEntry, Firm, Hospital, HospitalMove, ProcessingAgreement

HOUR = datetime.fromisoformat("2026-09-20T08:00:00+08:00")
DAY = date(2026, 9, 20)
OFFER = Offer(1500, "长宁服务", "Changning Service")
SYSTEM = Actor.system("test")


@dataclass(frozen=True)
class Agreed:
    """A move that all three have signed, and the firm it goes to."""

    move_id: UUID
    firm_id: UUID


def agreed_for(world: World, code: str, firm_id: UUID) -> UUID:
    hospital = getattr(world, code)
    with world.hospital(hospital) as session:
        move_id = moves.ask(session, "cn", moves_at=HOUR, now=NOW).id
    with world.db.firm(FirmScope(firm_id, (), SYSTEM, "test")) as firm:
        moves.accept(firm, move_id, OFFER, now=NOW)
    with world.hospital(hospital) as session:
        moves.agree(session, now=NOW)
    return move_id


@pytest.fixture
def move(world: World) -> Agreed:
    wiring.wire()
    firm_id = new_id()
    with world.db.firm(FirmScope(firm_id, (), SYSTEM, "test")) as session:
        session.add(Firm(firm_id=firm_id, code="cn", name="长宁客服", name_en="Changning", created_at=NOW))
        session.add(DirectoryEntry(code="cn", kind="firm", firm_id=firm_id, tenant_id=None))
    return Agreed(agreed_for(world, "heqing", firm_id), firm_id)


def at_the_hour(world: World, move: Agreed) -> agreement.Terms | None:
    assert moving.carry_out(world.db, move.move_id, now=HOUR)
    with world.hospital(world.heqing) as session:
        assert session.get_one(Hospital, session.tenant_id).firm_id == move.firm_id
        return agreement.in_force(session, DAY)


def row_of(world: World, move: Agreed) -> HospitalMove:
    with world.db.platform(PlatformScope(SYSTEM, "test")) as session:
        return session.get_one(HospitalMove, move.move_id)


def narrowed(valid_to: date | None) -> agreement_drafts.Draft:
    fields = agreement.ALWAYS_FIELDS | {"phone"}
    return agreement_drafts.Draft(
        frozenset({"care_followup", "marketing"}),
        fields,
        frozenset({"telephone"}),
        False,
        "return",
        date(2026, 9, 16),
        valid_to,
    )


def test_an_agreement_that_the_hospital_ended_does_not_come_back(world: World, move: Agreed) -> None:
    with world.hospital(world.heqing) as session:
        row = agreement.row_in_force(session, date(2026, 9, 15))
        assert row is not None
        agreement_drafts.end(session, row.id, reason="够了", now=NOW)
    assert at_the_hour(world, move) is None
    with world.hospital(world.heqing) as session:
        assert stages.stage_of(session) == "active"
        with pytest.raises(agreement.NotAgreed):
            agreement.require(session, "care_followup", doing="test", now=HOUR)


def test_an_agreement_that_ran_out_before_the_hour_does_not_come_back(world: World, move: Agreed) -> None:
    with world.hospital(world.heqing) as session:
        session.execute(update(ProcessingAgreement).values(valid_to=date(2026, 9, 19)))
    assert at_the_hour(world, move) is None


def test_what_was_narrowed_stays_narrow_and_what_was_widened_was_not_agreed(
    world: World, move: Agreed
) -> None:
    with world.hospital(world.heqing) as session:
        row = agreement_drafts.write(session, narrowed(date(2026, 12, 31)), now=NOW)
        for side in ("firm", "hospital"):
            agreement_drafts.sign(session, row.id, side=side, now=NOW)
    with world.db.platform(PlatformScope(SYSTEM, "test")) as platform:
        signed = platform.get_one(HospitalMove, move.move_id)
        signed.agreement = signed.agreement | {"purposes": ["care_followup", "satisfaction"]}
    terms = at_the_hour(world, move)
    assert terms is not None
    assert terms.purposes == {"care_followup"}  # offers were not in what the new firm has signed
    assert terms.channels == {"telephone"}
    assert terms.fields == agreement.ALWAYS_FIELDS | {"phone"}
    assert (terms.benchmark, terms.valid_to) == (False, date(2026, 12, 31))


def test_the_old_firms_name_on_a_draft_does_not_bind_the_new_one(world: World, move: Agreed) -> None:
    with world.hospital(world.heqing) as session:
        row = agreement_drafts.write(session, narrowed(None), now=NOW)
        agreement_drafts.sign(session, row.id, side="firm", now=NOW)
    at_the_hour(world, move)
    with world.hospital(world.heqing) as session:
        signed = agreement_drafts.sign(session, row.id, side="hospital", now=HOUR)
        assert (signed.signed_for_firm, signed.signed_at) == ("", None)


def test_a_hospital_with_an_open_move_is_not_let_go(world: World, move: Agreed) -> None:
    with world.hospital(world.heqing) as session, pytest.raises(UserMistake, match="cn"):
        departure.stop_hospital(session, reason="合同到期", now=NOW)
    with world.hospital(world.heqing) as session:
        moves.withdraw(session, move.move_id, now=NOW)
        departure.stop_hospital(session, reason="合同到期", now=NOW)
        assert stages.stage_of(session) == "leaving"


def test_a_hospital_that_is_leaving_is_not_moved(world: World, move: Agreed) -> None:
    with world.hospital(world.heqing) as session:
        stages.change(session, "leaving", reason="", now=NOW)
    assert not moving.carry_out(world.db, move.move_id, now=HOUR)
    assert row_of(world, move).withdrawn_at == HOUR
    with world.hospital(world.heqing) as session:
        assert session.get_one(Hospital, session.tenant_id).firm_id == world.firm_id
        assert agreement.in_force(session, DAY) is not None


def test_a_suspended_firm_takes_a_hospital_on_suspended(world: World, move: Agreed) -> None:
    with world.db.firm(FirmScope(move.firm_id, (), SYSTEM, "test")) as session:
        firm_stage.suspend(session, reason="欠费", now=NOW)
    at_the_hour(world, move)
    with world.hospital(world.heqing) as session:
        assert stages.stage_of(session) == "suspended"


@pytest.mark.parametrize(
    "offer", [Offer(moves.MOST_UNIT_FEN + 1, "长宁服务"), Offer(1500, "长" * 5000), Offer(0, "长宁服务")]
)
def test_a_price_that_no_contract_takes_is_refused_when_it_is_offered(
    world: World, move: Agreed, offer: Offer
) -> None:
    with world.db.firm(FirmScope(move.firm_id, (), SYSTEM, "test")) as session, pytest.raises(UserMistake):
        moves.accept(session, move.move_id, offer, now=NOW)


def test_a_move_that_fails_does_not_keep_the_others(world: World, move: Agreed) -> None:
    other = agreed_for(world, "yunling", move.firm_id)
    with world.db.platform(PlatformScope(SYSTEM, "test")) as session:
        spoilt = session.get_one(HospitalMove, move.move_id)
        spoilt.offer = {"unit_fen": 1500}
    with browsing(world.db, clock=SetClock(HOUR)) as browser:
        runtime.install(browser.runtime)
        with pytest.raises(ExceptionGroup):
            stage_jobs.carry_out_moves(PlatformScope(SYSTEM, "test"), HOUR)
    with world.db.platform(PlatformScope(SYSTEM, "test")) as session:
        done = dict(session.execute(select(HospitalMove.id, HospitalMove.done_at)).all())
    assert done == {move.move_id: None, other: HOUR}
