"""Making firms, hospitals and people: what is accepted, what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from world import NOW, World

from foundation.database import Database, FirmSession
from foundation.ids import new_id
from foundation.languages import speaking
from foundation.scope import Actor, FirmScope, HospitalScope
from foundation.web.errors import UserMistake
from tenants import queries, service
from tenants.identity import invitations, people_list
from tenants.keys import data_key
from tenants.models import Department, DirectoryEntry, FirmEvent, Membership, Person
from tenants.rights import SIDES, Role

NEW = service.NewHospital("lakeside", "湖滨医院", "Lakeside Hospital", "general", "330100", "3B", beds=600)


@pytest.fixture
def session(world: World) -> Iterator[FirmSession]:
    with world.firm(world.admin) as opened:
        yield opened


def test_a_firm_and_its_first_hospital(db: Database) -> None:
    scope = FirmScope(new_id(), (), Actor.system("careloop"), "set up")
    with db.firm(scope) as session:
        firm = service.create_firm(session, code="newfirm", name="新客服", name_en="New Care", now=NOW)
        hospital = service.create_hospital(session, NEW, now=NOW)
        assert firm.firm_id == hospital.firm_id == scope.firm_id
        assert queries.hospital_by_code(session, "lakeside") is hospital
    with db.hospital(HospitalScope(hospital.tenant_id, scope.actor, "test")) as own:
        key = data_key(own)
        assert key.decrypt(key.encrypt("13812345678")) == "13812345678"
    entry = queries.hospital_entry(db, "lakeside")
    assert entry is not None
    assert entry.tenant_id == hospital.tenant_id


def test_two_hospitals_have_different_keys_and_colours(db: Database, session: FirmSession) -> None:
    first = service.create_hospital(session, NEW, now=NOW)
    second = service.create_hospital(session, replace(NEW, code="hillside"), now=NOW)
    assert first.wrapped_key != second.wrapped_key
    assert first.colour != second.colour


def test_a_taken_code_is_refused_in_one_sentence(session: FirmSession) -> None:
    with speaking("zh_Hans"), pytest.raises(UserMistake, match="代码 heqing 已被占用"):
        service.create_hospital(session, replace(NEW, code="heqing"), now=NOW)
    with speaking("en"), pytest.raises(UserMistake, match="The code hk is taken"):
        service.create_hospital(session, replace(NEW, code="hk"), now=NOW)
    assert session.scalar(select(func.count()).select_from(DirectoryEntry)) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "X"}, {"code": "1abc"}, {"code": "a/b"}, {"code": "河清"}, {"code": "ab-"},
        {"hospital_type": "zoo"}, {"grade": "4A"}, {"region": "990100"}, {"region": "13010"},
        {"region": "１３０１００"}, {"beds": -1}, {"name": "  "}, {"outpatient_rate": Decimal("1.5")},
        {"outpatient_rate": Decimal(0)}, {"colour": "plaid"},
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(session: FirmSession, wrong: dict[str, object]) -> None:
    with pytest.raises(UserMistake):
        service.create_hospital(session, replace(NEW, **wrong), now=NOW)  # type: ignore[arg-type]


def test_departments_are_made_once_and_in_their_own_hospital(world: World, session: FirmSession) -> None:
    made = service.add_departments(session, world.heqing.tenant_id, ["骨科", " 急诊科 ", "急诊科", ""])
    assert made["骨科"] == world.heqing.departments["骨科"]
    assert set(made) == {"骨科", "急诊科"}
    elsewhere = select(func.count()).where(
        Department.tenant_id == world.yunling.tenant_id, Department.name == "急诊科"
    )
    assert session.scalar(elsewhere) == 0


def test_somebody_known_gets_the_second_role_beside_the_first(world: World, session: FirmSession) -> None:
    first = service.invite_person(session, email="a@example.com", name="甲", role=Role.QA, now=NOW)
    assert first.token is not None
    invitations.accept(session, first.token, "Riverside-42", now=NOW, address="")
    second = service.invite_person(
        session, email="A@example.com", name="another name", role=Role.HOSPITAL_GM,
        tenant_id=world.heqing.tenant_id, now=NOW,
    )  # fmt: skip
    assert second.token is None
    assert second.person.id == first.person.id
    assert second.person.name == "甲"
    roles = session.scalars(select(Membership.role).where(Membership.person_id == first.person.id))
    assert set(roles) == {"qa", "hospital_gm"}


def test_a_role_is_held_on_its_own_side(world: World, session: FirmSession) -> None:
    for role in Role:
        at_hospital, at_firm = world.heqing.tenant_id, None
        wrong = at_firm if SIDES[role] == "hospital" else at_hospital
        with pytest.raises(UserMistake):
            service.invite_person(
                session, email="x@example.com", name="某", role=role, tenant_id=wrong, now=NOW
            )


def test_nobody_is_invited_into_another_firms_hospital(db: Database, world: World) -> None:
    with db.firm(FirmScope(new_id(), (), Actor.system("test"), "test")) as other:
        service.create_firm(other, code="other", name="别家", name_en="Other", now=NOW)
        with speaking("en"), pytest.raises(UserMistake, match="There is no such hospital"):
            service.invite_person(
                other, email="x@example.com", name="某", role=Role.HOSPITAL_GM,
                tenant_id=world.heqing.tenant_id, now=NOW,
            )  # fmt: skip


def test_the_firms_record_names_ids_and_no_people(session: FirmSession) -> None:
    service.invite_person(session, email="secret@example.com", name="张秘密", role=Role.QA, now=NOW)
    session.flush()
    event = session.scalars(select(FirmEvent)).one()
    assert event.action == "tenants.person_invited"
    assert "secret" not in str(event.detail) + event.subject
    assert "张秘密" not in str(event.detail) + event.subject


def test_people_are_listed_by_pinyin_with_their_state(world: World, session: FirmSession) -> None:
    session.get_one(Person, world.people["heqing_gm"]).disabled_at = NOW
    locked = session.get_one(Person, world.people["operations"])
    locked.password_hash, locked.locked_until = "x", NOW + timedelta(minutes=1)
    lines = people_list.people_of(session, session.tenant_ids, NOW)
    assert [line.name for line in lines] == ["陈静", "高飞", "何琳", "李敏", "吴芳", "赵院长", "郑总"]
    states = {line.name: line.state for line in lines}
    assert states["赵院长"] == "closed"
    assert states["何琳"] == "locked"
    assert states["李敏"] == "invited"
