"""A worker in a process of its own that dies in the middle of an import: it says where it is, and hangs.

The database's address comes in the environment, because it holds a password: CARELOOP_TEST_URL.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime
from uuid import UUID

from careloop import wiring
from foundation.clock import SetClock
from foundation.database import Database
from foundation.encryption import MasterKey
from foundation.scope import Actor, HospitalScope
from patients import intake_run


def hang(phase: str, _done: int, _of: int) -> None:
    """Say that rows are being written, and wait to be killed."""
    if phase == "writing":
        sys.stdout.write("writing\n")
        sys.stdout.flush()
        time.sleep(600)


def main(tenant_id: UUID, import_id: UUID, now: datetime, master_key: bytes) -> None:
    """Begin the import."""
    wiring.wire()
    database = Database.connect(os.environ["CARELOOP_TEST_URL"], master_key=MasterKey(master_key))
    scope = HospitalScope(tenant_id, Actor.system("test"), "test")
    intake_run.run(database, scope, import_id, clock=SetClock(now), listen=hang)


if __name__ == "__main__":
    main(
        UUID(sys.argv[1]), UUID(sys.argv[2]), datetime.fromisoformat(sys.argv[3]), bytes.fromhex(sys.argv[4])
    )
