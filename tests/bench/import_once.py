"""One import in a process of its own, as a worker would do it; prints its time and its peak of memory.

The database's address comes in the environment, because it holds a password: CARELOOP_BENCH_URL.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from datetime import datetime
from pathlib import Path
from time import perf_counter
from uuid import UUID

from careloop import wiring
from foundation.database import Database
from foundation.encryption import MasterKey
from foundation.scope import Actor, HospitalScope
from patients.importing import import_file


def peak_bytes() -> int:
    """The most memory this process ever held at once, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # the other measure would count what the starting process held as well
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(tenant_id: UUID, file: Path, now: datetime, master_key: bytes) -> None:
    """Import the file into the hospital and say how it went."""
    wiring.wire()
    db = Database.connect(os.environ["CARELOOP_BENCH_URL"], master_key=MasterKey(master_key))
    scope = HospitalScope(tenant_id, Actor.system("bench"), "bench")
    before = peak_bytes()
    started = perf_counter()
    content = file.read_bytes()
    with db.hospital(scope) as session:
        report = import_file(session, content, file.name, by="bench", now=now)
    seconds = perf_counter() - started
    db.close()
    print(json.dumps({"seconds": seconds, "before": before, "peak": peak_bytes(), **report.as_dict()}))


if __name__ == "__main__":
    main(
        UUID(sys.argv[1]), Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3]), bytes.fromhex(sys.argv[4])
    )
