"""The audit chain: what is in it, in which order, and that a change is named."""

from sqlalchemy import Engine, select, text
from world import NOW, World

from foundation.audit import AuditEvent, first_broken, record


def test_a_whole_chain_has_no_broken_event(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for action in ("patients.imported", "phone.revealed", "report.exported"):
            record(session, action, now=NOW, subject="patient:1", detail={"rows": 3, "names": ["a", "b"]})
        assert first_broken(session) is None


def test_each_hospital_has_a_chain_of_its_own(world: World) -> None:
    with world.hospital(world.heqing) as session:
        for _ in range(3):
            record(session, "one", now=NOW)
        assert session.scalars(select(AuditEvent.seq).order_by(AuditEvent.seq)).all() == [1, 2, 3]
    with world.hospital(world.yunling) as session:
        record(session, "one", now=NOW)
        assert session.scalars(select(AuditEvent.seq)).all() == [1]


def test_one_changed_byte_is_named(engine_world: World, owner_engine: Engine) -> None:
    with engine_world.hospital(engine_world.heqing) as session:
        for number in range(5):
            record(session, "phone.revealed", now=NOW, subject=f"patient:{number}")
    damage(owner_engine, engine_world, "UPDATE audit_event SET subject = 'patient:9' WHERE seq = 3")
    with engine_world.hospital(engine_world.heqing) as session:
        assert first_broken(session) == 3


def test_a_removed_event_is_named(engine_world: World, owner_engine: Engine) -> None:
    with engine_world.hospital(engine_world.heqing) as session:
        for _ in range(4):
            record(session, "phone.revealed", now=NOW)
    damage(owner_engine, engine_world, "DELETE FROM audit_event WHERE seq = 2")
    with engine_world.hospital(engine_world.heqing) as session:
        assert first_broken(session) == 2


def damage(owner_engine: Engine, world: World, statement: str) -> None:
    """As the owner, whom the policies bind too: inside the hospital's scope."""
    with owner_engine.begin() as owner:
        owner.execute(
            text("SELECT set_config('careloop.tenant_ids', :ids, true)"),
            {"ids": f"{{{world.heqing.tenant_id}}}"},
        )
        assert owner.execute(text(statement)).rowcount == 1
