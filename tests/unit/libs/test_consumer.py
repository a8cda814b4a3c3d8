"""The consumer of events: its pauses grow, what cannot be processed dies, a part that is away is waited for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from libs.errors import AppError, Reason
from libs.events import EventNotReadyError, IncomingEvent
from libs.messaging import consumer as module
from libs.messaging.consumer import EventConsumer, Subscription

_SUBJECT = f"masspayout.asset.v1.asset_changed.{uuid4()}"


class Message:
    """A message of JetStream that has been delivered so many times."""

    def __init__(self, deliveries: int = 1) -> None:
        self.subject = _SUBJECT
        self.data = b"payload"
        self.headers = {
            "ce-id": str(uuid4()),
            "ce-type": "masspayout.asset.v1.asset_changed",
            "ce-subject": _SUBJECT.rpartition(".")[2],
            "masspayout-aggregate-version": "1",
        }
        sequence = SimpleNamespace(stream=7)
        self.metadata = SimpleNamespace(num_delivered=deliveries, stream="MASSPAYOUT_ASSET", sequence=sequence)
        self.done: list[tuple[str, float | None]] = []

    async def ack(self) -> None:
        self.done.append(("ack", None))

    async def nak(self, delay: float | None = None) -> None:
        self.done.append(("nak", delay))

    async def in_progress(self) -> None:
        self.done.append(("in progress", None))


class JetStream:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, dict[str, str]]] = []

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        self.published.append((subject, payload, headers))


class Pausing(EventConsumer):
    """Notes its pauses in the place of waiting."""

    pauses: list[float]
    ends_after = 1000

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) >= self.ends_after:
            self.stop()


class Handler:
    """Fails as it is told, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.events: list[IncomingEvent] = []

    async def __call__(self, event: IncomingEvent) -> None:
        self.events.append(event)
        if self._errors:
            raise self._errors.pop(0)


def consumer_of(handler: Callable[..., Any], *, max_deliveries: int = 10) -> Pausing:
    nobody = cast(Any, None)
    made = Pausing(
        nobody, nobody, "tested", Subscription("asset", {"asset_changed": handler}), max_deliveries, 0.5
    )
    made.pauses = []
    return made


async def processed(consumer: EventConsumer, message: Message) -> JetStream:
    jetstream = JetStream()
    await consumer._process(cast(Any, message), cast(Any, jetstream))
    return jetstream


def _away() -> AppError:
    return AppError(Reason.DATABASE_UNAVAILABLE, "away")


async def test_what_is_handled_is_acknowledged() -> None:
    handler, message = Handler(), Message()
    jetstream = await processed(consumer_of(handler), message)
    assert [(event.event_name, event.payload) for event in handler.events] == [("asset_changed", b"payload")]
    assert message.done == [("ack", None)]
    assert jetstream.published == []


@pytest.mark.parametrize("error", [RuntimeError("defect"), EventNotReadyError("too early")])
async def test_each_failure_waits_twice_as_long_up_to_a_bound(error: Exception) -> None:
    delays = []
    for deliveries in range(1, 10):
        handler, message = Handler(error), Message(deliveries)
        await processed(consumer_of(handler), message)
        assert len(handler.events) == 1
        ((what, delay),) = message.done
        assert what == "nak"
        delays.append(delay)
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


async def test_after_the_last_delivery_it_is_a_dead_letter() -> None:
    message = Message(deliveries=3)
    jetstream = await processed(consumer_of(Handler(RuntimeError("a\n defect")), max_deliveries=3), message)
    assert message.done == [("ack", None)]
    ((subject, payload, headers),) = jetstream.published
    assert (subject, payload) == ("masspayout_dead_letter.tested", b"payload")
    assert headers == {
        **message.headers,
        "Nats-Msg-Id": "tested/MASSPAYOUT_ASSET/7",
        "masspayout-subject": _SUBJECT,
        "masspayout-reason": "RuntimeError: a defect",
        "masspayout-deliveries": "3",
    }


async def test_a_part_that_is_away_holds_the_line_and_does_not_count() -> None:
    consumer = consumer_of(Handler(*(_away() for _ in range(7))), max_deliveries=1)
    message = Message()
    jetstream = await processed(consumer, message)
    assert consumer.pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
    # The server is told each time, or it would give the event to another.
    assert message.done == [("in progress", None)] * 7 + [("ack", None)]
    assert jetstream.published == []


async def test_who_stops_while_waiting_gives_the_event_back_at_once() -> None:
    consumer = consumer_of(Handler(*(_away() for _ in range(7))))
    consumer.ends_after = 2
    message = Message()
    await processed(consumer, message)
    assert message.done == [("in progress", None), ("in progress", None), ("nak", None)]


async def test_what_is_left_of_a_batch_is_given_back_when_stopping() -> None:
    handler = Handler()
    consumer = consumer_of(handler)
    consumer.stop()
    message = Message()
    await consumer._process_all([cast(Any, message)], cast(Any, JetStream()))
    assert (message.done, handler.events) == ([("nak", None)], [])


async def test_pauses_between_errors_grow_up_to_a_bound_and_begin_anew_after_a_success() -> None:
    failing = [True] * 7 + [False] + [True] * 2

    class Failing(Pausing):
        async def _consume_if_active(self) -> None:
            if failing.pop(0):
                raise OSError

    nobody = cast(Any, None)
    consumer = Failing(nobody, nobody, "tested", Subscription("asset", {}), 3, 0.5)
    consumer.pauses, consumer.ends_after = [], 9
    await consumer.run()
    assert consumer.pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 0.2, 0.4])
    assert module._LONGEST_ERROR_DELAY_SECONDS == 5
