"""Lists and replays the events that a service could not process."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from libs.errors import AppError, Reason
from libs.messaging.connection import REQUEST_TIMEOUT_SECONDS
from libs.messaging.consumer import EventHandler, incoming_event
from libs.messaging.streams import dead_letter_stream_name, dead_letter_subject

_log = logging.getLogger(__name__)
REPLAY_LIMIT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a service gave up, with the reason."""

    stream_sequence: int
    event_id: str
    subject: str
    reason: str
    delivery_count: int
    dead_time: datetime | None


class DeadLetters:
    """The dead letters of one service. `handlers` are its handlers by context and name in the event's subject."""

    def __init__(self, client: Client, service: str, handlers: Mapping[tuple[str, str], EventHandler]) -> None:
        self._client = client
        self._service = service
        self._handlers = handlers

    async def page(self, *, after_sequence: int, limit: int) -> list[DeadLetter]:
        """Returns at most `limit` dead letters behind a position, oldest first.

        Raises AppError MESSAGING_UNAVAILABLE.
        """
        letters = []
        async for message in self._messages(after_sequence):
            letters.append(_dead_letter(message))
            if len(letters) == limit:
                break
        return letters

    async def replay(self, sequences: Sequence[int]) -> tuple[int, int]:
        """Processes dead letters again, oldest first, at most 1,000; all of them when `sequences` is empty.

        Returns how many were processed and removed, and how many failed again and stay.
        Raises AppError MESSAGING_UNAVAILABLE.
        """
        wanted = set(sequences)
        replayed, failed = 0, 0
        async for message in self._messages(0):
            if wanted and message.seq not in wanted:
                continue
            if await self._replay_one(message):
                replayed += 1
            else:
                failed += 1
            if replayed + failed == REPLAY_LIMIT:
                break
        return replayed, failed

    async def _replay_one(self, message: RawStreamMsg) -> bool:
        headers = message.headers or {}
        try:
            event = incoming_event(headers["masspayout-subject"], headers, message.data or b"")
            await self._handlers[(event.subject.split(".")[1], event.event_name)](event)
        except Exception:
            # Whatever a handler raises, the letter stays; the reason it died of is still with it.
            _log.exception("dead letter %s failed again", message.seq)
            return False
        await self._jetstream().delete_msg(dead_letter_stream_name(self._service), _sequence(message))
        return True

    async def _messages(self, after_sequence: int) -> AsyncIterator[RawStreamMsg]:
        sequence = after_sequence + 1
        while True:
            try:
                message = await self._jetstream().get_msg(
                    dead_letter_stream_name(self._service),
                    seq=sequence,
                    subject=dead_letter_subject(self._service),
                    next=True,
                )
            except NotFoundError:
                return
            except (NatsError, OSError, TimeoutError) as error:
                raise AppError(Reason.MESSAGING_UNAVAILABLE, "NATS JetStream does not answer") from error
            yield message
            sequence = _sequence(message) + 1

    def _jetstream(self) -> JetStreamContext:
        return self._client.jetstream(timeout=REQUEST_TIMEOUT_SECONDS)


def _sequence(message: RawStreamMsg) -> int:
    if message.seq is None:
        raise ValueError("JetStream returned a message without its sequence")
    return message.seq


def _dead_letter(message: RawStreamMsg) -> DeadLetter:
    headers = message.headers or {}
    return DeadLetter(
        stream_sequence=_sequence(message),
        event_id=headers.get("ce-id", ""),
        subject=headers.get("masspayout-subject", ""),
        reason=headers.get("masspayout-reason", ""),
        delivery_count=int(headers.get("masspayout-deliveries", "0")),
        dead_time=message.time,
    )
