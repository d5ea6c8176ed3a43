"""What somebody types that cannot be, or that must not be kept as it is."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select
from world import NOW, TODAY, World

from foundation.audit import AuditEvent
from foundation.ids import new_id
from foundation.scope import Actor, FirmScope
from foundation.web.errors import UserMistake
from tenants import service
from tenants.life import agreement, agreement_drafts, firm_stage, stages
from tenants.models import FirmEvent
from tenants.oversight import support

TYPED = "看王小明 13812345678 的电话"
KEPT = "看王小明 138****5678 的电话"


@pytest.mark.parametrize("code", sorted(service.RESERVED))
def test_a_code_that_is_a_word_of_the_addresses_is_taken(world: World, code: str) -> None:
    with (
        world.db.firm(FirmScope(new_id(), (), Actor.system("test"), "test")) as session,
        pytest.raises(UserMistake, match=code),
    ):
        service.create_firm(session, code=code, name="长宁客服", name_en="", now=NOW)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(1, 1, 1), None),
        (date(1999, 12, 31), None),
        (TODAY, date(9999, 12, 31)),
        (date(2201, 1, 1), None),
    ],
)
def test_an_agreement_lies_within_the_years_that_can_be(world: World, first: date, last: date | None) -> None:
    draft = agreement_drafts.Draft(
        frozenset({"care_followup"}),
        agreement.ALWAYS_FIELDS,
        frozenset({"telephone"}),
        False,
        "delete",
        first,
        last,
    )
    with world.hospital(world.heqing) as session, pytest.raises(UserMistake):
        agreement_drafts.write(session, draft, now=NOW)


def test_no_number_of_a_person_is_kept_in_the_reason_of_a_look_or_a_stage(world: World) -> None:
    operator = Actor("person", world.people["yunling_admin"], "吴凡")
    with world.hospital(world.heqing, operator) as session:
        assert support.ask(session, reason=TYPED, minutes=60, now=NOW).reason == KEPT
        stages.suspend(session, reason=TYPED, now=NOW)
        phase = stages.open_phase(session)
        assert phase is not None
        assert phase.reason == KEPT
        assert TYPED not in session.scalars(select(AuditEvent.reason)).all()
    with world.firm() as firm:
        firm_stage.suspend(firm, reason=TYPED, now=NOW)
        assert KEPT in firm.scalars(select(FirmEvent.reason)).all()
