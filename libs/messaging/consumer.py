"""Consumes events in order, at least once. An event that cannot be processed becomes a dead letter."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, NotFoundError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs import telemetry
from libs.events import EventNotReadyError, IncomingEvent, event_subject
from libs.messaging.connection import REQUEST_TIMEOUT_SECONDS
from libs.messaging.streams import CONTEXTS, dead_letter_subject, ensure_streams, stream_name
from libs.persistence.advisory_lock import session_lock
from libs.persistence.errors import is_transient

_log = logging.getLogger(__name__)
_BATCH = 100
_FETCH_SECONDS = 1.0
_ACK_WAIT_SECONDS = 30.0
_STANDBY_SECONDS = 1.0
_LONGEST_REDELIVERY_DELAY_SECONDS = 30.0
_LONGEST_ERROR_DELAY_SECONDS = 5.0

EventHandler = Callable[[IncomingEvent], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """The events of one context that a service handles: a handler for each event name."""

    context: str
    handlers: Mapping[str, EventHandler]


class EventConsumer:
    """Passes one context's events to a service's handlers.

    A handler records the event in its inbox in the transaction of its effect, so a redelivery is a no-op. A
    handler that fails because a part is away (database, peer, chain) holds the line until the part is back and
    does not count. Any other failure counts: after `max_deliveries` the event goes to the dead-letter stream.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        client: Client,
        service: str,
        subscription: Subscription,
        max_deliveries: int,
        redelivery_delay_seconds: float,
    ) -> None:
        self._engine = engine
        self._client = client
        self._service = service
        self._subscription = subscription
        self._max_deliveries = max_deliveries
        self._redelivery_delay_seconds = redelivery_delay_seconds
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends the loop after the event that is being processed."""
        self._stopping.set()

    async def run(self) -> None:
        """Consumes until `stop`. No failure ends it."""
        delay_seconds = 0.2
        while not self._stopping.is_set():
            try:
                await self._consume_if_active()
                delay_seconds = 0.2
            except Exception as error:
                # NATS or PostgreSQL is away, or there is a defect: nobody else would consume.
                telemetry.worker_errors.add(1, {"worker": f"consumer of {self._subscription.context}"})
                _log.warning("consumer of %s: %s: %s", self._subscription.context, type(error).__name__, error)
                await self._pause(delay_seconds)
                delay_seconds = min(delay_seconds * 2, _LONGEST_ERROR_DELAY_SECONDS)

    async def _consume_if_active(self) -> None:
        """Consumes as long as this is the one active replica. Two would take turns and break the order."""
        async with session_lock(self._engine, f"consumer of {self._subscription.context}") as lock:
            if lock is None:
                await self._pause(_STANDBY_SECONDS)
                return
            await self._consume(lock)

    async def _consume(self, lock: AsyncConnection) -> None:
        jetstream = self._client.jetstream(timeout=REQUEST_TIMEOUT_SECONDS)
        await ensure_streams(jetstream, CONTEXTS, self._service)
        subscription = await self._subscribe(jetstream)
        await self._take_over(jetstream)
        try:
            while not self._stopping.is_set():
                # Raises when the session, and with it the lock, is gone.
                await lock.execute(text("SELECT 1"))
                try:
                    messages = await subscription.fetch(_BATCH, timeout=_FETCH_SECONDS)
                except TimeoutError:
                    # Nothing new, or the consumer is gone (JetStream lost its data): ask which.
                    await subscription.consumer_info()
                    continue
                except NotFoundError:
                    return
                await self._process_all(messages, jetstream)
        finally:
            await self._unsubscribe(subscription)

    async def _process_all(self, messages: Sequence[Msg], jetstream: JetStreamContext) -> None:
        for message in messages:
            if self._stopping.is_set():
                # The next process need not wait until the server gives up on us.
                await message.nak()
            else:
                await self._process(message, jetstream)

    async def _subscribe(self, jetstream: JetStreamContext) -> JetStreamContext.PullSubscription:
        context = self._subscription.context
        durable = self._service
        await jetstream.add_consumer(
            stream_name(context),
            ConsumerConfig(
                durable_name=durable,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=_ACK_WAIT_SECONDS,
                # Ours is the bound: JetStream's would drop the event without a dead letter.
                max_deliver=-1,
                filter_subjects=[event_subject(context, name, "*") for name in self._subscription.handlers],
            ),
        )
        return await jetstream.pull_subscribe_bind(durable, stream_name(context))

    async def _take_over(self, jetstream: JetStreamContext) -> None:
        """Has all events behind the last acknowledgement without gaps delivered again, at once and in order.

        What a dead predecessor had fetched would otherwise come back only after its ack wait, behind later
        events. The inbox makes what was processed already a no-op.
        """
        try:
            await jetstream.reset_consumer(stream_name(self._subscription.context), self._service)
        except (APIError, NoRespondersError) as error:
            # A server before 2.14 cannot; it then waits for the ack wait.
            _log.warning("consumer of %s cannot be reset: %s", self._subscription.context, error)

    async def _unsubscribe(self, subscription: JetStreamContext.PullSubscription) -> None:
        if self._client.is_connected:
            await subscription.unsubscribe()

    async def _process(self, message: Msg, jetstream: JetStreamContext) -> None:
        """Handles one message until it is acknowledged, to be redelivered, or a dead letter."""
        try:
            event = incoming_event(message.subject, message.headers or {}, message.data)
            handler = self._subscription.handlers[event.event_name]
            await self._handle_when_possible(handler, event, message)
        except _StoppedWhileWaitingError:
            await message.nak()
        except Exception as error:
            await self._failed(message, error, jetstream)
        else:
            await message.ack()

    async def _handle_when_possible(self, handler: EventHandler, event: IncomingEvent, message: Msg) -> None:
        delay_seconds = 0.2
        while True:
            try:
                await handler(event)
            except Exception as error:
                if isinstance(error, EventNotReadyError) or not is_transient(error):
                    raise
                _log.warning("%s waits: %s: %s", event.subject, type(error).__name__, error)
                await message.in_progress()
                await self._pause(delay_seconds)
                if self._stopping.is_set():
                    raise _StoppedWhileWaitingError from error
                delay_seconds = min(delay_seconds * 2, _LONGEST_ERROR_DELAY_SECONDS)
            else:
                return

    async def _failed(self, message: Msg, error: Exception, jetstream: JetStreamContext) -> None:
        deliveries = message.metadata.num_delivered
        reason = f"{type(error).__name__}: {error}"
        if deliveries < self._max_deliveries:
            if not isinstance(error, EventNotReadyError):
                _log.exception("%s: try %d of %d failed", message.subject, deliveries, self._max_deliveries)
            # The same for an event that waits for an earlier one: it must not die before that one has.
            delay_seconds = self._redelivery_delay_seconds * 2 ** (deliveries - 1)
            await message.nak(delay=min(delay_seconds, _LONGEST_REDELIVERY_DELAY_SECONDS))
            return
        await jetstream.publish(
            dead_letter_subject(self._service),
            message.data,
            headers={
                **(message.headers or {}),
                # Its own id: the same event may die in several services.
                "Nats-Msg-Id": f"{self._service}/{message.metadata.stream}/{message.metadata.sequence.stream}",
                "masspayout-subject": message.subject,
                "masspayout-reason": " ".join(reason.split())[:500],
                "masspayout-deliveries": str(deliveries),
            },
        )
        telemetry.dead_letters.add(1, {"service": self._service})
        _log.error("%s is a dead letter after %d tries: %s", message.subject, deliveries, reason)
        await message.ack()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


class _StoppedWhileWaitingError(Exception):
    """The service stopped while a handler was waiting for another part that was unavailable."""


def incoming_event(subject: str, headers: Mapping[str, str], payload: bytes) -> IncomingEvent:
    """Reads an event from its subject, CloudEvents headers and payload. Raises ValueError when malformed."""
    parts = subject.split(".")
    if len(parts) != 5 or (parts[0], parts[2]) != ("masspayout", "v1"):
        raise ValueError(f"subject {subject!r} is not masspayout.<context>.v1.<event>.<aggregate id>")
    try:
        said = (headers["ce-type"], headers["ce-subject"])
        if said != (".".join(parts[:4]), parts[4]):
            raise ValueError(f"subject {subject!r} came with the headers of {' '.join(said)}")
        return IncomingEvent(
            event_id=UUID(headers["ce-id"]),
            subject=subject,
            event_name=parts[3],
            aggregate_id=UUID(parts[4]),
            aggregate_version=int(headers["masspayout-aggregate-version"]),
            payload=payload,
        )
    except KeyError as error:
        raise ValueError(f"header {error} is missing") from None
