"""The processes of the product: web, worker, scheduler, and one that runs all three."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType

import periodiq
import structlog
from dramatiq import Worker
from granian import Granian
from granian.constants import Interfaces

from careloop import jobs as careloop_jobs
from careloop.assemble import Server, assembled, broker_url
from foundation.broker import LOST, declare_actors, make_broker
from foundation.settings import Settings

log = structlog.get_logger()
STOP_SECONDS = 15
RETRY_SECONDS = 5
PR_SET_PDEATHSIG = 1


def server_environment(settings: Settings, server: Server) -> dict[str, str]:
    """The environment in which another process of ours finds the same server."""
    return {
        "CARELOOP_DATABASE_URL": server.endpoints.runtime_url,
        "CARELOOP_OWNER_DATABASE_URL": server.endpoints.owner_url,
        "CARELOOP_BROKER_URL": broker_url(settings, server),
        "CARELOOP_DATA_DIR": str(settings.data_dir),
        "CARELOOP_DEMO": "true" if settings.demo else "false",
    }


def run_web(settings: Settings, server: Server) -> None:
    """Serve pages until stopped. The server's own workers import `careloop.web` and read the environment."""
    os.environ.update(server_environment(settings, server))
    Granian(
        "careloop.web:create",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.web_workers,
        websockets=False,
        respawn_failed_workers=True,
        log_access=False,
    ).serve()


def run_worker(settings: Settings, server: Server) -> None:
    """Work through messages until stopped; a lost broker or database is waited for."""
    careloop_jobs.load()
    with assembled(settings, server, name="worker"):
        broker = make_broker(broker_url(settings, server))
        declare_actors(broker)
        worker = Worker(broker, worker_threads=settings.worker_threads)
        worker.start()
        log.info("worker ready", threads=settings.worker_threads)
        _until_stopped()
        worker.stop()
        broker.close()


def run_scheduler(settings: Settings, server: Server) -> None:
    """Send the ticks of periodic jobs until stopped. Cron lines are in UTC."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    careloop_jobs.load()
    with assembled(settings, server, name="scheduler"):
        broker = make_broker(broker_url(settings, server))
        declare_actors(broker)
        actors = [actor for actor in broker.actors.values() if "periodic" in actor.options]
        log.info("scheduler ready", ticks=len(actors))
        signal.signal(signal.SIGTERM, _leave)
        while True:
            try:
                scheduler = periodiq.Scheduler(actors=actors)
                scheduler.schedule()
                scheduler.loop()
            except LOST as error:
                log.warning("broker lost, trying again", error=type(error).__name__)
                time.sleep(RETRY_SECONDS)
            except (KeyboardInterrupt, SystemExit):
                broker.close()
                return


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _until_stopped() -> None:
    stopped = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.set())
    while not stopped.wait(1):
        pass


@dataclass
class Family:
    """The child processes of one command; one that ends is started again, and all end with their parent."""

    environment: Mapping[str, str]
    commands: tuple[str, ...] = ("serve", "worker", "scheduler")
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Start every child."""
        for command in self.commands:
            self._start(command)

    def _start(self, command: str) -> None:
        self.started[command] = time.monotonic()
        self.children[command] = subprocess.Popen(
            [sys.executable, "-m", "careloop", command],
            env={**os.environ, **self.environment},
            preexec_fn=_die_with_parent,  # noqa: PLW1509  (no threads of ours hold locks at this point)
        )

    def watch(self, on_failure: Callable[[str, int], None]) -> None:
        """Until SIGINT or SIGTERM: start again what ended by itself, at most every few seconds."""
        stopped = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stopped.set())
        while not stopped.wait(0.5):
            for command, child in list(self.children.items()):
                code = child.poll()
                if code is not None and time.monotonic() - self.started[command] > RETRY_SECONDS:
                    on_failure(command, code)
                    self._start(command)

    def stop(self) -> None:
        """End every child: politely, then not."""
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _die_with_parent() -> None:
    """On Linux: the kernel ends this child when its parent is gone, however the parent ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
