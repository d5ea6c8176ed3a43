"""Likely duplicates: what makes a pair, what does not, and that a decision stays one."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from world import NOW, World

from foundation.database import HospitalSession
from patients import duplicate_view, duplicates
from patients.models import Patient, PossibleDuplicate
from tenants.keys import data_key

PHONE = "13912345678"


def person(world: World, session: HospitalSession, name: str, **changes: Any) -> Patient:
    born = changes.pop("birth_date", None)
    number = changes.pop("id_number", None)
    index = data_key(session).blind_index(number) if number else None
    return world.patient(session, name=name, birth_date=born, id_number_index=index, **changes)


def pairs(session: HospitalSession) -> list[tuple[set[Any], str]]:
    rows = session.scalars(select(PossibleDuplicate).order_by(PossibleDuplicate.id))
    return [({row.first_id, row.second_id}, row.reason) for row in rows]


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        ({"id_number": "A"}, {"id_number": "A", "name": "陈芳"}, "same_id_number"),
        ({"phone": PHONE}, {"phone": PHONE}, "same_name_phone"),
        ({"birth_date": date(1980, 1, 2)}, {"birth_date": date(1980, 1, 2)}, "same_name_birth"),
        (
            {"phone": PHONE, "birth_date": date(1980, 1, 2)},
            {"phone": PHONE, "birth_date": date(1980, 1, 2)},
            "same_name_phone",
        ),
        ({"phone": PHONE}, {"phone": PHONE, "name": "陈芳"}, None),
        ({"birth_date": date(1980, 1, 2)}, {"birth_date": date(1981, 1, 2)}, None),
        (
            {"birth_date": date(1980, 1, 2), "id_number": "A"},
            {"birth_date": date(1980, 1, 2), "id_number": "B"},
            None,
        ),
        ({"phone": PHONE}, {"phone": PHONE, "contact_type": "company"}, None),
        ({"phone": PHONE}, {"phone": PHONE, "restricted_at": NOW}, None),
        ({"phone": PHONE}, {"phone": PHONE, "merged_at": NOW}, None),
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_the_strongest_reason_makes_a_pair(
    world: World,
    left: dict[str, Any],
    right: dict[str, Any],
    reason: str | None,
    many: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Few or very many are looked for in different ways, with one result."""
    monkeypatch.setattr(duplicates, "MANY", 0 if many else 100)
    with world.hospital(world.heqing) as session:
        first = person(world, session, **({"name": "王芳"} | left))
        second = person(world, session, **({"name": "王芳"} | right))
        person(world, session, "李雷")
        duplicates.find(session, [second.id], now=NOW)
        duplicates.find(session, [first.id], now=NOW)
        assert pairs(session) == ([({first.id, second.id}, reason)] if reason else [])


def test_a_pair_stands_once_and_stays_decided(world: World) -> None:
    with world.hospital(world.heqing) as session:
        two = [person(world, session, "王芳", phone=PHONE).id for _ in range(2)]
        assert duplicates.find(session, two, now=NOW) == 1
        pair = session.scalars(select(PossibleDuplicate)).one()
        duplicates.different(session, pair.id, now=NOW)
        assert duplicates.find(session, two, now=NOW) == 0
        assert duplicate_view.counts(session)["open"] == 0
        duplicates.reconsider(session, pair.id, now=NOW)
        assert duplicate_view.counts(session)["open"] == 1


def test_a_number_typed_for_everybody_says_nothing_of_anybody(world: World) -> None:
    with world.hospital(world.heqing) as session:
        crowd = [person(world, session, "无名", phone=PHONE).id for _ in range(duplicates.CROWD + 2)]
        assert duplicates.find(session, crowd, now=NOW) == 0


def test_nobody_is_compared_with_another_hospitals_people(world: World) -> None:
    with world.hospital(world.heqing) as session:
        person(world, session, "王芳", phone=PHONE)
    with world.hospital(world.yunling) as session:
        only = person(world, session, "王芳", phone=PHONE)
        assert duplicates.find(session, [only.id], now=NOW) == 0


def test_the_nightly_look_sees_what_changed_in_the_last_day(world: World) -> None:
    with world.hospital(world.heqing) as session:
        person(world, session, "王芳", phone=PHONE, updated_at=NOW - timedelta(days=9))
        person(world, session, "王芳", phone=PHONE, updated_at=NOW - timedelta(days=9))
        assert duplicates.find_changed(session, now=NOW) == 0
        third = person(world, session, "王芳", phone=PHONE, updated_at=NOW - timedelta(hours=2))
        assert duplicates.find_changed(session, now=NOW) == 2
        assert all(third.id in found for found, _ in pairs(session))
