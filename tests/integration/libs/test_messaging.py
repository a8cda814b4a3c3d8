"""Relay, consumer, dead letters and replays on real PostgreSQL and NATS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from masspayout.operations.v1 import operations_service_pb2 as operations
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError, NotFoundError
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.clock import SystemClock
from libs.errors import AppError, Reason
from libs.events import EventNotReadyError, IncomingEvent, OutgoingEvent
from libs.grpc_kit.operations_servicer import OperationsServicer
from libs.messaging.consumer import EventConsumer, Subscription
from libs.messaging.dead_letters import DeadLetters
from libs.messaging.relay import OutboxRelay
from libs.messaging.streams import stream_name
from libs.persistence.tables import SharedTables
from libs.persistence.unit_of_work import SqlUnitOfWork
from tests.integration.libs.conftest import SERVICE
from tests.support.sent_events import event_headers

CLOCK = SystemClock()
_DEADLINE_SECONDS = 60.0
_POLL_SECONDS = 0.02


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    """Polls, with a bound."""
    async with asyncio.timeout(_DEADLINE_SECONDS):
        while True:
            result = condition()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(_POLL_SECONDS)


def outgoing(aggregate_id: UUID | None = None, version: int = 1) -> OutgoingEvent:
    return OutgoingEvent(
        event_id=uuid4(),
        context="asset",
        event_name="asset_imported",
        aggregate_id=aggregate_id or uuid4(),
        aggregate_version=version,
        payload=f"version {version}".encode(),
        create_time=CLOCK.now(),
    )


async def emit(engine: AsyncEngine, shared: SharedTables, *events: OutgoingEvent) -> None:
    async with SqlUnitOfWork(engine, shared, CLOCK, lambda: None) as work:
        for event in events:
            work.add_event(event)
        await work.commit()


async def unpublished(engine: AsyncEngine, shared: SharedTables) -> int:
    async with engine.connect() as connection:
        statement = select(func.count()).where(shared.outbox.c.publish_time.is_(None))
        return int((await connection.execute(statement)).scalar_one())


def relay(engine: AsyncEngine, shared: SharedTables, client: Client) -> OutboxRelay:
    return OutboxRelay(engine, shared, client, CLOCK, SERVICE)


async def stored(jetstream: JetStreamContext) -> list[tuple[str, str]]:
    """Event id and payload of every message in the stream, in its order."""
    info = await jetstream.stream_info(stream_name("asset"))
    found: list[tuple[str, str]] = []
    if not info.state.messages:
        return found
    for sequence in range(info.state.first_seq, info.state.last_seq + 1):
        message = await jetstream.get_msg(stream_name("asset"), seq=sequence)
        assert message.headers
        assert message.data is not None
        found.append((message.headers["ce-id"], message.data.decode()))
    return found


# ------------------------------------------------------------------------------------------------ relay


async def test_events_leave_in_the_order_of_their_commits_and_once(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    aggregate_id = uuid4()
    events = [outgoing(aggregate_id, version) for version in range(1, 6)]
    for event in events:
        await emit(engine, shared, event)
    await relay(engine, shared, client).step()
    assert await stored(jetstream) == [(str(each.event_id), each.payload.decode()) for each in events]
    assert await unpublished(engine, shared) == 0
    await relay(engine, shared, client).step()
    assert len(await stored(jetstream)) == 5


async def test_what_is_rolled_back_never_leaves(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    async with SqlUnitOfWork(engine, shared, CLOCK, lambda: None) as work:
        work.add_event(outgoing())
    await relay(engine, shared, client).step()
    assert await stored(jetstream) == []


async def test_a_crash_between_publishing_and_marking_publishes_the_same_id_again(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    event = outgoing()
    await emit(engine, shared, event)
    await relay(engine, shared, client).step()
    async with engine.begin() as connection:
        await connection.execute(update(shared.outbox).values(publish_time=None))
    await relay(engine, shared, client).step()
    assert await stored(jetstream) == [(str(event.event_id), "version 1")], "JetStream drops the duplicate"


async def test_of_two_relays_one_is_active(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    aggregate_id = uuid4()
    for version in range(1, 31):
        await emit(engine, shared, outgoing(aggregate_id, version))
    relays = [relay(engine, shared, client) for _ in range(3)]

    async def finished() -> bool:
        await asyncio.gather(*(each.step() for each in relays))
        return await unpublished(engine, shared) == 0

    await until(finished)
    assert [text for _, text in await stored(jetstream)] == [f"version {version}" for version in range(1, 31)]


async def test_streams_are_made_again_after_jetstream_lost_its_data(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    await emit(engine, shared, outgoing())
    await jetstream.delete_stream(stream_name("asset"))

    await published_after_trouble(engine, shared, client)
    assert len(await stored(jetstream)) == 1


async def test_the_outbox_fills_an_emptied_jetstream_again(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    events = [outgoing() for _ in range(3)]
    await emit(engine, shared, *events)
    await relay(engine, shared, client).step()
    await jetstream.delete_stream(stream_name("asset"))
    servicer = OperationsServicer(DeadLetters(client, SERVICE, {}), engine, shared)
    request = operations.ReplayOutboxRequest(request_id=str(uuid4()))
    answer = await servicer.ReplayOutbox(request, None)  # type: ignore[arg-type]
    assert answer.queued_count == 3

    await published_after_trouble(engine, shared, client)
    assert {event_id for event_id, _ in await stored(jetstream)} == {str(each.event_id) for each in events}


async def published_after_trouble(engine: AsyncEngine, shared: SharedTables, client: Client) -> None:
    """The first step finds no stream, makes it and fails, as a worker's step may."""
    with pytest.raises((NoStreamResponseError, TimeoutError)):
        await relay(engine, shared, client).step()

    async def published() -> bool:
        await relay(engine, shared, client).step()
        return await unpublished(engine, shared) == 0

    await until(published)


# ------------------------------------------------------------------------------------------------ consumer


class Handler:
    """A handler with an inbox, as the services' are, that can be made to fail."""

    def __init__(self, engine: AsyncEngine, shared: SharedTables) -> None:
        self._engine = engine
        self._shared = shared
        self.effects: list[str] = []
        self.calls: list[str] = []
        self.fails: Callable[[str], Exception | None] = lambda payload: None

    async def handle(self, event: IncomingEvent) -> None:
        payload = event.payload.decode()
        self.calls.append(payload)
        error = self.fails(payload)
        if error:
            raise error
        async with SqlUnitOfWork(self._engine, self._shared, CLOCK, lambda: None) as work:
            if not await work.record_incoming(event):
                return
            await work.commit()
            self.effects.append(payload)


@asynccontextmanager
async def consuming(
    engine: AsyncEngine, client: Client, handler: Handler, max_deliveries: int = 3
) -> AsyncIterator[None]:
    subscription = Subscription("asset", {"asset_imported": handler.handle})
    consumer = EventConsumer(engine, client, SERVICE, subscription, max_deliveries, 0.05)
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        consumer.stop()
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await task


async def publish(jetstream: JetStreamContext, event: OutgoingEvent, payload: str) -> None:
    """Without the id by which JetStream drops duplicates."""
    headers = event_headers(event.subject, 1, event.event_id)
    await jetstream.publish(event.subject, payload.encode(), headers=headers)


async def test_a_redelivered_event_has_no_second_effect(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    handler, event = Handler(engine, shared), outgoing()
    for _ in range(3):
        await publish(jetstream, event, "same")
    await publish(jetstream, outgoing(), "last")
    async with consuming(engine, client, handler):
        await until(lambda: "last" in handler.effects)
    assert handler.calls == ["same", "same", "same", "last"]
    assert handler.effects == ["same", "last"]


async def test_a_poison_event_becomes_a_dead_letter_with_its_reason_and_can_be_replayed(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    handler, poison = Handler(engine, shared), outgoing()
    handler.fails = lambda payload: ValueError("cannot be read") if payload == "poison" else None
    letters = DeadLetters(client, SERVICE, {("asset", "asset_imported"): handler.handle})
    await publish(jetstream, poison, "poison")
    await publish(jetstream, outgoing(), "behind")
    async with consuming(engine, client, handler):
        await until(lambda: "behind" in handler.effects)

        async def is_dead() -> bool:
            return bool(await letters.page(after_sequence=0, limit=10))

        await until(is_dead)
    (letter,) = await letters.page(after_sequence=0, limit=10)
    assert (letter.event_id, letter.subject) == (str(poison.event_id), poison.subject)
    assert (letter.reason, letter.delivery_count) == ("ValueError: cannot be read", 3)
    assert handler.calls.count("poison") == 3
    assert await letters.replay([]) == (0, 1), "it fails again and stays"
    handler.fails = lambda payload: None
    assert await letters.replay([letter.stream_sequence + 1]) == (0, 0)
    assert await letters.replay([letter.stream_sequence]) == (1, 0)
    assert handler.effects[-1] == "poison"
    assert await letters.page(after_sequence=0, limit=10) == []


async def test_a_part_that_is_away_holds_the_line_and_does_not_count(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    handler = Handler(engine, shared)
    away = AppError(Reason.CHAIN_UNAVAILABLE, "the node does not answer")
    handler.fails = lambda payload: away if payload == "first" and len(handler.calls) < 4 else None
    await publish(jetstream, outgoing(), "first")
    await publish(jetstream, outgoing(), "second")
    async with consuming(engine, client, handler, max_deliveries=1):
        await until(lambda: "second" in handler.effects)
    assert handler.calls == ["first"] * 4 + ["second"]
    assert handler.effects == ["first", "second"]
    assert await DeadLetters(client, SERVICE, {}).page(after_sequence=0, limit=10) == []


async def test_an_event_that_is_early_lets_others_pass_and_comes_again(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    handler = Handler(engine, shared)
    handler.fails = lambda payload: (
        EventNotReadyError("no asset yet") if payload == "early" and "asset" not in handler.effects else None
    )
    await publish(jetstream, outgoing(), "early")
    await publish(jetstream, outgoing(), "asset")
    async with consuming(engine, client, handler):
        await until(lambda: len(handler.effects) == 2)
    assert handler.effects == ["asset", "early"]


async def test_a_malformed_event_becomes_a_dead_letter(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    handler = Handler(engine, shared)
    await jetstream.publish(outgoing().subject, b"no headers")
    letters = DeadLetters(client, SERVICE, {})
    async with consuming(engine, client, handler, max_deliveries=1):

        async def is_dead() -> bool:
            return bool(await letters.page(after_sequence=0, limit=10))

        await until(is_dead)
    (letter,) = await letters.page(after_sequence=0, limit=10)
    assert letter.reason == "ValueError: header 'ce-type' is missing"
    assert handler.calls == []


async def test_consuming_goes_on_after_jetstream_lost_its_data(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    handler = Handler(engine, shared)
    async with consuming(engine, client, handler):
        await publish(jetstream, outgoing(), "before")
        await until(lambda: "before" in handler.effects)
        await jetstream.delete_stream(stream_name("asset"))

        async def is_made_again() -> bool:
            try:
                await jetstream.stream_info(stream_name("asset"))
            except NotFoundError:
                return False
            return True

        await until(is_made_again)
        await publish(jetstream, outgoing(), "after")
        await until(lambda: "after" in handler.effects)
    assert handler.effects == ["before", "after"]


async def test_of_two_consumers_one_is_active(
    engine: AsyncEngine, shared: SharedTables, client: Client, jetstream: JetStreamContext
) -> None:
    first, second = Handler(engine, shared), Handler(engine, shared)
    async with consuming(engine, client, first):
        await publish(jetstream, outgoing(), "0")
        await until(lambda: len(first.effects) == 1)
        async with consuming(engine, client, second):
            for number in range(1, 20):
                await publish(jetstream, outgoing(), str(number))
            await until(lambda: len(first.effects) == 20)
            assert second.calls == []
    assert first.effects == [str(number) for number in range(20)], "in order"
