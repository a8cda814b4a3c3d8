"""Runs a service: event loop, gRPC server, relay, consumers and workers, and an orderly shutdown."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from masspayout.operations.v1 import operations_service_pb2, operations_service_pb2_grpc
from nats.aio.client import Client
from nats.errors import Error as NatsError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.clock import SystemClock
from libs.config import ServiceSettings, SettingsError
from libs.grpc_kit.interceptors import ErrorInterceptor
from libs.grpc_kit.operations_servicer import OperationsServicer
from libs.messaging import connection as messaging
from libs.messaging.consumer import EventConsumer, Subscription
from libs.messaging.dead_letters import DeadLetters
from libs.messaging.relay import OutboxRelay
from libs.messaging.streams import CONTEXTS, ensure_streams
from libs.persistence.engine import create_engine
from libs.persistence.errors import is_database_unavailable
from libs.persistence.migrate import migrate
from libs.persistence.tables import SharedTables
from libs.telemetry import configure_logging
from libs.worker import Worker

_log = logging.getLogger(__name__)
Result = TypeVar("Result")
_START_TIMEOUT_SECONDS = 60.0
_HEALTH_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Runtime:
    """What a service's bootstrap gets from the runner. `nudge_relay` signals that the outbox has rows."""

    engine: AsyncEngine
    nudge_relay: Callable[[], None]
    # Closed after everything else has stopped: channels, RPC sessions.
    stack: AsyncExitStack


@dataclass(frozen=True)
class Assembly:
    """What a service's bootstrap returns: its servicer, subscriptions and workers.

    `add_servicer` registers the servicer at a server. `on_stop` is called first when the service drains, so
    that streams can end.
    """

    service_full_name: str
    add_servicer: Callable[[grpc.aio.Server], None]
    subscriptions: Sequence[Subscription] = ()
    workers: Sequence[Worker] = ()
    on_stop: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True)
class ServiceDefinition:
    """A service: its name (`asset`), its tables, its migrations, and the function that builds it."""

    name: str
    shared_tables: SharedTables
    migrations_folder: Path
    build: Callable[[Runtime], Awaitable[Assembly]]


def main(definition: Callable[[], tuple[ServiceSettings, ServiceDefinition]]) -> None:
    """Runs `python -m <service>`. The exit status is 2 for wrong settings, 1 when the service cannot start."""
    # Nothing of what has been imported is garbage; `__main__` has switched the collector off for it.
    gc.freeze()
    gc.enable()
    configure_logging("start")
    try:
        settings, service = definition()
    except SettingsError as error:
        sys.exit(_fail(f"wrong settings: {error}", 2))
    configure_logging(f"{service.name}_service")
    try:
        asyncio.run(run(settings, service))
    except SettingsError as error:
        # Found wrong against the world, for example a chain id that is not the node's.
        sys.exit(_fail(f"wrong settings: {error}", 2))
    except _StartError as error:
        sys.exit(_fail(str(error), 1))


class _StartError(Exception):
    """The service cannot start; the message says why."""


async def run(settings: ServiceSettings, service: ServiceDefinition) -> None:
    """Runs the service until SIGTERM or SIGINT, then lets running work finish."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        engine = create_engine(settings, f"{service.name}_service")
        stack.push_async_callback(engine.dispose)
        await _when_up("PostgreSQL", lambda: migrate(engine, service.migrations_folder, service.name), stopping)
        client = await _when_up("NATS", lambda: messaging.connect(settings, f"{service.name}_service"), stopping)
        stack.push_async_callback(client.close)
        await ensure_streams(client.jetstream(), CONTEXTS, service.name)
        relay = OutboxRelay(engine, service.shared_tables, client, SystemClock(), service.name)
        relay_worker = Worker("outbox relay", relay.step, settings.outbox_poll_seconds)
        assembly = await service.build(Runtime(engine, relay_worker.nudge, stack))
        await _serve(settings, service, assembly, engine, client, relay_worker, stopping)


async def _serve(
    settings: ServiceSettings,
    service: ServiceDefinition,
    assembly: Assembly,
    engine: AsyncEngine,
    client: Client,
    relay_worker: Worker,
    stopping: asyncio.Event,
) -> None:
    handlers = {
        (subscription.context, name): handler
        for subscription in assembly.subscriptions
        for name, handler in subscription.handlers.items()
    }
    dead_letters = DeadLetters(client, service.name, handlers)
    operations = OperationsServicer(dead_letters, engine, service.shared_tables)
    server, health_servicer = _server(assembly, operations)
    try:
        server.add_insecure_port(settings.listen_address)
    except RuntimeError:
        raise _StartError(f"cannot listen on {settings.listen_address}: is the port taken?") from None
    names = ("", assembly.service_full_name, _OPERATIONS)

    async def watch_health() -> bool:
        is_up = client.is_connected and await _database_answers(engine)
        status = health_pb2.HealthCheckResponse.SERVING if is_up else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in names:
            await health_servicer.set(name, status)
        return False

    workers = [
        *assembly.workers,
        relay_worker,
        Worker("health", watch_health, _HEALTH_POLL_SECONDS),
    ]
    consumers = [
        EventConsumer(
            engine, client, service.name, subscription, settings.max_deliveries, settings.redelivery_delay_seconds
        )
        for subscription in assembly.subscriptions
    ]
    await server.start()
    runners: list[Worker | EventConsumer] = [*workers, *consumers]
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    _log.info("serving on %s", settings.listen_address)
    stop_wait = asyncio.create_task(stopping.wait())
    ended, _ = await asyncio.wait({stop_wait, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    _log.info("draining")
    await health_servicer.enter_graceful_shutdown()
    assembly.on_stop()
    await server.stop(settings.drain_seconds)
    for runner in runners:
        runner.stop()
    _, unfinished = await asyncio.wait(tasks, timeout=settings.drain_seconds)
    for task in (*unfinished, stop_wait):
        # Work that is cut off is taken up again by the next process: its state is in the database.
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)
    _log.info("stopped")
    for task in ended - {stop_wait}:
        # A loop that ends by itself is a defect: end with its error, the supervisor starts us again.
        task.result()


_SERVER_OPTIONS = [
    # Otherwise two processes would share a port by mistake and each answer half of the calls.
    ("grpc.so_reuseport", 0),
    # A client that vanished is noticed, and what serves it ends.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Clients may ping while they wait for a stream's next message.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]
_OPERATIONS = operations_service_pb2.DESCRIPTOR.services_by_name["OperationsService"].full_name


def _server(
    assembly: Assembly, operations: OperationsServicer
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=_SERVER_OPTIONS)
    assembly.add_servicer(server)
    operations_service_pb2_grpc.add_OperationsServiceServicer_to_server(operations, server)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection(
        (assembly.service_full_name, _OPERATIONS, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    return server, health_servicer


async def _database_answers(engine: AsyncEngine) -> bool:
    try:
        async with asyncio.timeout(_HEALTH_POLL_SECONDS * 2), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except Exception as error:
        if not is_database_unavailable(error):
            raise
        return False
    return True


async def _when_up(part: str, attempt: Callable[[], Awaitable[Result]], stopping: asyncio.Event) -> Result:
    """Tries until the part is available. Raises _StartError after a minute or when told to stop."""
    deadline = asyncio.get_running_loop().time() + _START_TIMEOUT_SECONDS
    while True:
        try:
            return await attempt()
        except Exception as error:
            is_away = isinstance(error, NatsError | OSError | TimeoutError) or is_database_unavailable(error)
            if not is_away:
                raise
            if stopping.is_set() or asyncio.get_running_loop().time() > deadline:
                raise _StartError(f"{part} does not answer: {type(error).__name__}: {error}") from error
            _log.info("waiting for %s", part)
            await asyncio.sleep(0.5)


def _fail(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status
