"""Dramatiq put together: a broker by URL, one actor per registered job, one periodic actor per tick.

The code above knows no broker. PostgreSQL is the default (one server to run); RabbitMQ or Redis where the
load outgrows it.
"""

from __future__ import annotations

from typing import Any

import dramatiq
import pika
import psycopg
import redis
from dramatiq import Broker, Message
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerError
from dramatiq_postgres import PostgresBroker
from periodiq import PeriodiqMiddleware, cron
from pika.exceptions import AMQPError
from redis.exceptions import RedisError

from foundation.work import JOBS, Job, fan_out, run_job

QUEUE = "careloop"
MAX_RETRIES = 8
MIN_BACKOFF_MS = 5_000
MAX_BACKOFF_MS = 600_000
PROBE_SECONDS = 5


class UnknownBroker(ValueError):
    """The broker URL names no broker that we speak to."""


def make_broker(url: str) -> Broker:
    """A broker by URL: `postgresql://`, `amqp://` or `redis://`."""
    scheme = url.split(":", 1)[0]
    broker: Broker
    if scheme in {"postgresql", "postgres"}:
        broker = PostgresBroker(url=url, results=False)
    elif scheme in {"amqp", "amqps"}:
        broker = RabbitmqBroker(url=url)
    elif scheme in {"redis", "rediss"}:
        broker = RedisBroker(url=url)  # type: ignore[no-untyped-call]
    else:
        raise UnknownBroker(scheme)
    broker.add_middleware(PeriodiqMiddleware(skip_delay=300))
    return broker


def probe(url: str) -> None:
    """Reach the broker once, within seconds. Raises `UnknownBroker`, and `BrokerAway` with the reason.

    Making a broker connects to nothing, so that a process can start without one: whether it is there is asked
    here.
    """
    broker = make_broker(url)
    try:
        if isinstance(broker, PostgresBroker):
            with psycopg.connect(url, connect_timeout=PROBE_SECONDS) as connection:
                connection.execute("SELECT 1 FROM dramatiq.queue LIMIT 1")
        elif isinstance(broker, RabbitmqBroker):
            parameters = pika.URLParameters(url)
            parameters.connection_attempts, parameters.socket_timeout = 1, PROBE_SECONDS
            pika.BlockingConnection(parameters).close()
        else:
            redis.Redis.from_url(url, socket_connect_timeout=PROBE_SECONDS).ping()
    except (*LOST, AMQPError, psycopg.Error) as error:
        lines = str(error).strip().splitlines()
        raise BrokerAway(lines[0] if lines else type(error).__name__) from error
    finally:
        broker.close()


def declare_actors(broker: Broker) -> None:
    """Make one actor per job and one `tick.` actor per periodic job."""
    dramatiq.set_broker(broker)
    for found in JOBS.values():
        _declare_job(broker, found)
        if found.every is not None:
            _declare_tick(broker, found)


def _declare_job(broker: Broker, found: Job) -> None:
    def perform(**arguments: Any) -> None:
        run_job(found.name, arguments)

    decorate = dramatiq.actor(
        broker=broker,
        actor_name=found.name,
        queue_name=QUEUE,
        max_retries=MAX_RETRIES,
        min_backoff=MIN_BACKOFF_MS,
        max_backoff=MAX_BACKOFF_MS,
        time_limit=found.time_limit_ms,
    )
    decorate(perform)


def _declare_tick(broker: Broker, found: Job) -> None:
    def tick() -> None:
        fan_out(found.name)

    decorate = dramatiq.actor(
        broker=broker,
        actor_name=f"tick.{found.name}",
        queue_name=QUEUE,
        max_retries=0,  # the next tick is the retry
        periodic=cron(found.every),
    )
    decorate(tick)


# What the brokers raise when they cannot be reached.
LOST = (BrokerError, RedisError, OSError)


class BrokerAway(ConnectionError):
    """The broker cannot be reached, whichever it is: each names this differently."""


class BrokerSender:
    """Sends outbox messages (foundation.outbox.Sender) to a broker. A broker that is away
    when a process starts is asked again at each message.
    """

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def send(self, job: str, arguments: dict[str, Any]) -> None:
        """Hand over one message; the actor is found by name in whichever worker takes it. Raises
        `BrokerAway`.
        """
        message: Message[Any] = Message(
            queue_name=QUEUE, actor_name=job, args=(), kwargs=arguments, options={}
        )
        try:
            self.broker.declare_queue(QUEUE)
            self.broker.enqueue(message)
        except LOST as error:
            raise BrokerAway(type(error).__name__) from error
