"""The gRPC servicer of OperationsService, which is the same in all four services."""

import logging
from datetime import UTC, datetime

from masspayout.operations.v1 import operations_service_pb2 as pb
from masspayout.operations.v1 import operations_service_pb2_grpc as pb_grpc
from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.errors import AppError, Reason
from libs.grpc_kit.context import Context
from libs.grpc_kit.requests import next_page_token, parse_number_page, parse_request_key
from libs.messaging.dead_letters import DeadLetter, DeadLetters
from libs.persistence.tables import SharedTables

_log = logging.getLogger(__name__)
_SCOPE = "ListDeadLetters"


class OperationsServicer(pb_grpc.OperationsServiceServicer):
    """Lists and replays the dead letters of one service, and replays its outbox."""

    def __init__(self, dead_letters: DeadLetters, engine: AsyncEngine, shared: SharedTables) -> None:
        self._dead_letters = dead_letters
        self._engine = engine
        self._outbox = shared.outbox

    async def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: Context
    ) -> pb.ListDeadLettersResponse:
        size, after = parse_number_page(request, _SCOPE)
        letters = await self._dead_letters.page(after_sequence=after, limit=size + 1)
        has_more = len(letters) > size
        letters = letters[:size]
        return pb.ListDeadLettersResponse(
            dead_letters=[_message(letter) for letter in letters],
            next_page_token=next_page_token(_SCOPE, str(letters[-1].stream_sequence)) if has_more else "",
        )

    async def ReplayDeadLetters(
        self, request: pb.ReplayDeadLettersRequest, context: Context
    ) -> pb.ReplayDeadLettersResponse:
        key = parse_request_key(request, "ReplayDeadLetters")
        replayed, failed = await self._dead_letters.replay(request.stream_sequences)
        _log.info(
            "request %s by %s replayed %d dead letters, %d failed",
            key.request_id,
            key.caller,
            replayed,
            failed,
        )
        return pb.ReplayDeadLettersResponse(replayed_count=replayed, failed_count=failed)

    async def ReplayOutbox(self, request: pb.ReplayOutboxRequest, context: Context) -> pb.ReplayOutboxResponse:
        key = parse_request_key(request, "ReplayOutbox")
        from_time = datetime.min.replace(tzinfo=UTC)
        if request.HasField("from_time"):
            from_time = request.from_time.ToDatetime(tzinfo=UTC)
            if from_time > datetime.now(UTC):
                raise AppError(Reason.INVALID_TIME_RANGE, "from_time lies in the future", field="from_time")
        published = and_(self._outbox.c.publish_time.is_not(None), self._outbox.c.create_time >= from_time)
        async with self._engine.begin() as connection:
            # The relay publishes what has no publish time, in the order of the outbox.
            count = await connection.scalar(select(func.count()).select_from(self._outbox).where(published))
            await connection.execute(update(self._outbox).where(published).values(publish_time=None))
        _log.info(
            "request %s by %s replays %d outbox events from %s", key.request_id, key.caller, count, from_time
        )
        return pb.ReplayOutboxResponse(queued_count=count or 0)


def _message(letter: DeadLetter) -> pb.DeadLetter:
    return pb.DeadLetter(
        stream_sequence=letter.stream_sequence,
        event_id=letter.event_id,
        subject=letter.subject,
        reason=letter.reason,
        delivery_count=letter.delivery_count,
        dead_time=letter.dead_time,
    )
