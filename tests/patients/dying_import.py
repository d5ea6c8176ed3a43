"""An import in a process of its own that kills itself in the middle; run by `test_import_killed`.

Arguments: hospital, file, now, master key in hexadecimal, and at which call of the progress it dies.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from itertools import count
from pathlib import Path
from uuid import UUID

from foundation.database import Database
from foundation.encryption import MasterKey
from foundation.scope import Actor, HospitalScope
from patients.importing import import_file


def main(tenant_id: UUID, file: Path, now: datetime, master_key: bytes, dies_at: int) -> None:
    """Import the file, and die before it is done."""
    calls = count(1)

    def die(_phase: str, _done: int, _of: int) -> None:
        if next(calls) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    db = Database.connect(os.environ["CARELOOP_TEST_URL"], master_key=MasterKey(master_key))
    scope = HospitalScope(tenant_id, Actor.system("test"), "test")
    with db.hospital(scope) as session:
        import_file(session, file.read_bytes(), file.name, by="陈静", now=now, progress=die)


if __name__ == "__main__":
    main(
        UUID(sys.argv[1]),
        Path(sys.argv[2]),
        datetime.fromisoformat(sys.argv[3]),
        bytes.fromhex(sys.argv[4]),
        int(sys.argv[5]),
    )
