"""`careloop audit`: walks every chain, names the record that does not hold, and forgets only what it may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from web_client import MASTER
from world import NOW, World

from foundation.audit import AuditEvent, record
from foundation.ids import new_id
from foundation.scope import Actor, PlatformScope
from tenants.models import SigninEvent
from tenants.oversight.firm_audit import note

SYSTEM = PlatformScope(Actor.system("test"), "test")


class Shell:
    """The command line on the test's own database."""

    def __init__(self, urls: Any, folder: Path) -> None:
        self.kept = {name: value for name, value in os.environ.items() if not name.startswith("CARELOOP_")}
        self.given = {
            "CARELOOP_DATABASE_URL": urls.runtime,
            "CARELOOP_OWNER_DATABASE_URL": urls.owner,
            "CARELOOP_MASTER_KEY": MASTER,
            "CARELOOP_DATA_DIR": str(folder / "data"),
        }

    def __call__(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "careloop", *words],
            env={**self.kept, **self.given, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def careloop(engine_world: World, fresh_urls: Any, tmp_path: Path) -> Shell:
    """Two hospitals of which one has five records, and a firm with two."""
    with engine_world.hospital(engine_world.heqing) as session:
        for number in range(5):
            record(session, "patients.viewed", now=NOW, subject=f"patient:{number}")
    with engine_world.firm() as session:
        for number in range(2):
            note(session, "tenants.person_invited", now=NOW, subject=f"person:{number}")
    return Shell(fresh_urls, tmp_path)


def damage(owner_engine: Engine, world: World, statement: str) -> None:
    with owner_engine.begin() as owner:
        for name, value in (
            ("careloop.tenant_ids", f"{{{world.heqing.tenant_id}}}"),
            ("careloop.firm_id", str(world.firm_id)),
        ):
            owner.execute(text("SELECT set_config(:n, :v, true)"), {"n": name, "v": value})
        assert owner.execute(text(statement)).rowcount == 1


def test_a_whole_installation_holds_and_a_flipped_byte_is_named(
    careloop: Shell, engine_world: World, owner_engine: Engine, tmp_path: Path
) -> None:
    whole = careloop("audit", "verify", "--json")
    assert whole.returncode == 0, whole.stderr
    told = json.loads(whole.stdout)
    assert told["holds"]
    assert {name: one["rows"] for name, one in told["chains"].items()} == {
        "firm:hk": 2, "hospital:heqing": 5, "hospital:yunling": 0,
    }  # fmt: skip
    heads = tmp_path / "heads.json"
    heads.write_text(careloop("audit", "head", "--json").stdout)
    assert careloop("audit", "verify", "--heads", str(heads)).returncode == 0

    with engine_world.hospital(engine_world.heqing) as session:
        third, last = session.scalars(
            select(AuditEvent).where(AuditEvent.seq.in_([3, 5])).order_by(AuditEvent.seq)
        ).all()
    damage(owner_engine, engine_world, "DELETE FROM audit_event WHERE seq = 5")
    assert careloop("audit", "verify").returncode == 0, "a chain alone does not show a cut end"
    cut = careloop("audit", "verify", "--heads", str(heads))
    assert cut.returncode == 1
    assert "BROKEN at record 5: records behind it are gone" in cut.stdout

    damage(owner_engine, engine_world, "UPDATE audit_event SET actor_name = 'Y' WHERE seq = 3")
    broken = careloop("audit", "verify", "--hospital", "heqing", "--json")
    assert broken.returncode == 1
    fault = json.loads(broken.stdout)["chains"]["hospital:heqing"]["fault"]
    assert (fault["expected"], fault["what"], fault["id"]) == (3, "changed", str(third.id))
    assert datetime.fromisoformat(fault["at"]) == third.at
    assert last.seq == 5
    only = careloop("audit", "verify", "--firm", "hk")
    assert only.returncode == 0
    assert "hospital" not in only.stdout
    doctor = careloop("doctor", "--json")
    assert "broken: hospital:heqing" in json.loads(doctor.stdout)["audit chains"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("audit", "verify", "--hospital", "nowhere"), "no hospital with the code nowhere"),
        (("audit", "verify", "--heads", "/nowhere.json"), "cannot be read"),
        (("audit", "verify", "--heads", __file__), "is not what careloop audit head --json prints"),
    ],
)
def test_a_mistake_gets_one_sentence(careloop: Shell, words: tuple[str, ...], told: str) -> None:
    result = careloop(*words)
    assert result.returncode == 2
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_old_sign_ins_are_dropped_and_180_days_cannot_be_undercut(
    careloop: Shell, engine_world: World
) -> None:
    now = datetime.now(UTC)
    with engine_world.db.platform(SYSTEM) as session:
        for days in (1, 200, 1200):
            session.add(
                SigninEvent(
                    id=new_id(), at=now - timedelta(days=days), email="", person_id=None,
                    result=str(days), address="",
                )
            )  # fmt: skip
    refused = careloop("audit", "prune", CARELOOP_LOG_DAYS="90")
    assert refused.returncode == 2
    assert "CARELOOP_LOG_DAYS" in refused.stderr
    assert "网络安全法 21(3)" in refused.stderr
    usual = careloop("audit", "prune", "--json")
    assert usual.returncode == 0, usual.stderr
    assert json.loads(usual.stdout)["signin_event"] == 1
    assert (
        json.loads(careloop("audit", "prune", "--json", CARELOOP_LOG_DAYS="180").stdout)["signin_event"] == 1
    )
    with engine_world.db.platform(SYSTEM) as session:
        assert session.scalars(select(SigninEvent.result)).all() == ["1"]
    with engine_world.hospital(engine_world.heqing) as session:
        assert len(session.scalars(select(AuditEvent.id)).all()) == 5
