"""The list of likely duplicates: masked, side by side, decided by whoever may, and taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from careloop.wiring import wire
from foundation.audit import AuditEvent
from foundation.database import Database
from patients import duplicates, joining
from patients.models import Patient, PatientMerge, PossibleDuplicate

PHONE = "13977778888"
LIST = "/h/heqing/duplicates"


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    wire()
    with browsing(db) as made:
        yield made


@pytest.fixture
def pair(world: World) -> tuple[UUID, UUID, UUID]:
    """A pair that waits: (pair, left, right)."""
    with world.hospital(world.heqing) as session:
        for number in ("D1", "D2"):
            world.patient(session, name="欧阳建国", phone=PHONE, record_number=number)
        ids = sorted(session.scalars(select(Patient.id)))
        duplicates.find(session, list(ids), now=NOW)
        row = session.scalars(select(PossibleDuplicate)).one()
        return row.id, row.first_id, row.second_id


def test_a_pair_is_shown_by_masks_and_decided(
    world: World, browser: Browser, pair: tuple[UUID, UUID, UUID]
) -> None:
    pair_id, left, right = pair
    browser.enter(world.people["heqing_admin"])
    shown = browser.get(LIST).text
    assert "姓名和电话相同" in shown
    assert "139****8888" in shown
    assert PHONE not in shown
    assert "欧阳建国" not in shown
    assert re.search(r"<mark>D1</mark>", shown)
    assert not re.search(r"<mark>139", shown)
    answer = browser.post(f"{LIST}/{pair_id}/merge", {"keep": "right"})
    assert answer.status_code == 303
    assert "没有待判定的档案" in browser.get(LIST).text
    with world.hospital(world.heqing) as session:
        assert joining.kept_of(session, left) == right
        merge = session.scalars(select(PatientMerge)).one()
        assert merge.reason == "姓名和电话相同"
        actions = [event.action for event in session.scalars(select(AuditEvent))]
        assert "patients.merged" in actions
    decided = browser.get(f"{LIST}?show=merged").text
    assert f"/h/heqing/merges/{merge.id}/undo" in decided
    assert (
        browser.get(f"/h/heqing/patients/{left}")
        .headers["location"]
        .startswith(f"/h/heqing/patients/{right}")
    )
    assert browser.post(f"/h/heqing/merges/{merge.id}/undo").status_code == 303
    assert f"{LIST}/{pair_id}/merge" in browser.get(LIST).text


def test_two_people_stay_two_until_it_is_decided_again(
    world: World, browser: Browser, pair: tuple[UUID, UUID, UUID]
) -> None:
    pair_id = pair[0]
    browser.enter(world.people["heqing_admin"])
    assert browser.post(f"{LIST}/{pair_id}/different").status_code == 303
    assert f"{pair_id}/reconsider" in browser.get(f"{LIST}?show=different").text
    assert browser.post(f"{LIST}/{pair_id}/merge", {"keep": "both"}).status_code == 422
    assert browser.post(f"{LIST}/{pair_id}/reconsider").status_code == 303
    assert f"{pair_id}/merge" in browser.get(LIST).text


def test_an_agent_and_another_hospital_decide_nothing(
    world: World, browser: Browser, pair: tuple[UUID, UUID, UUID]
) -> None:
    browser.enter(world.people["agent"])
    assert browser.get(LIST).status_code in {403, 404}
    assert browser.post(f"{LIST}/{pair[0]}/merge", {"keep": "left"}).status_code in {403, 404}
    browser.enter(world.people["yunling_admin"])
    for path in (f"duplicates/{pair[0]}/merge", f"duplicates/{pair[0]}/different", f"merges/{pair[0]}/undo"):
        assert browser.post(f"/h/yunling/{path}", {"keep": "left"}).status_code == 404
    assert browser.get(f"/h/yunling/duplicates?after={pair[0]}").status_code == 404


def test_whoever_is_restricted_is_in_no_pair_on_the_page(
    world: World, browser: Browser, pair: tuple[UUID, UUID, UUID]
) -> None:
    with world.hospital(world.heqing) as session:
        session.get_one(Patient, (session.tenant_id, pair[1])).restricted_at = NOW
    browser.enter(world.people["heqing_admin"])
    assert str(pair[0]) not in browser.get(LIST).text
