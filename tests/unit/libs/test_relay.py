"""The relay: pages in order, a full one says that there is more, what is not acknowledged stays unpublished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from nats.js.errors import NoStreamResponseError
from sqlalchemy import MetaData, Update
from sqlalchemy.dialects import postgresql

from libs.messaging import relay as module
from libs.messaging.relay import OutboxRelay
from libs.persistence.tables import define_shared_tables

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SHARED = define_shared_tables(MetaData())


def _row(position: int) -> SimpleNamespace:
    return SimpleNamespace(
        event_id=uuid4(),
        aggregate_id=UUID(int=position),
        aggregate_version=3,
        context="payout",
        event_name="payout_planned",
        payload=str(position).encode(),
        create_time=_NOW,
        position=position,
    )


class Outbox:
    """The connection that holds the lock, and JetStream: one world of rows and messages."""

    def __init__(self, rows: int) -> None:
        self.rows = [_row(position) for position in range(rows)]
        self.sent: list[tuple[str, bytes, dict[str, str]]] = []
        self.refusal: Exception | None = None
        self.is_connected = True
        self.has_lock = True
        self.made_streams = 0

    async def execute(self, statement: object) -> Any:
        compiled = cast(Any, statement).compile(dialect=cast(Any, postgresql).dialect())
        if isinstance(statement, Update):
            marked = set(next(value for value in compiled.params.values() if isinstance(value, list)))
            assert _NOW in compiled.params.values()
            self.rows = [row for row in self.rows if row.event_id not in marked]
            return None
        assert "publish_time IS NULL ORDER BY outbox.position" in " ".join(str(compiled).split())
        (limit,) = [value for value in compiled.params.values() if isinstance(value, int)]
        return SimpleNamespace(all=lambda: self.rows[:limit])

    def jetstream(self, **options: object) -> Outbox:
        return self

    async def publish_async(self, subject: str, payload: bytes, headers: dict[str, str]) -> asyncio.Future[None]:
        self.sent.append((subject, payload, headers))
        acknowledgement = asyncio.get_running_loop().create_future()
        if self.refusal is None:
            acknowledgement.set_result(None)
        else:
            acknowledgement.set_exception(self.refusal)
        return acknowledgement

    def relay(self, monkeypatch: pytest.MonkeyPatch) -> OutboxRelay:
        @asynccontextmanager
        async def lock(engine: object, name: str) -> AsyncIterator[Any]:
            yield self if self.has_lock else None

        async def ensure_streams(*arguments: object) -> None:
            self.made_streams += 1

        monkeypatch.setattr(module, "session_lock", lock)
        monkeypatch.setattr(module, "ensure_streams", ensure_streams)
        clock = SimpleNamespace(now=lambda: _NOW)
        return OutboxRelay(cast(Any, None), _SHARED, cast(Any, self), cast(Any, clock), "tested")


@pytest.mark.parametrize(("rows", "steps"), [(0, [False]), (499, [False]), (500, [True, False])])
async def test_a_full_page_says_that_there_may_be_more(
    monkeypatch: pytest.MonkeyPatch, rows: int, steps: list[bool]
) -> None:
    outbox = Outbox(rows)
    relay = outbox.relay(monkeypatch)
    assert [await relay.step() for _ in steps] == steps
    assert len(outbox.sent) == rows


async def test_pages_leave_in_order_each_event_once(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(1201)
    relay = outbox.relay(monkeypatch)
    assert [await relay.step() for _ in range(3)] == [True, True, False]
    assert [payload for _, payload, _ in outbox.sent] == [str(number).encode() for number in range(1201)]
    assert outbox.rows == []


async def test_a_message_is_a_cloud_event(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(1)
    (row,) = outbox.rows
    await outbox.relay(monkeypatch).step()
    assert outbox.sent == [
        (
            f"masspayout.payout.v1.payout_planned.{row.aggregate_id}",
            b"0",
            {
                "Nats-Msg-Id": str(row.event_id),
                "ce-specversion": "1.0",
                "ce-id": str(row.event_id),
                "ce-type": "masspayout.payout.v1.payout_planned",
                "ce-source": "/masspayout/tested",
                "ce-subject": str(row.aggregate_id),
                "ce-time": "2026-01-01T00:00:00+00:00",
                "ce-datacontenttype": "application/protobuf",
                "masspayout-aggregate-version": "3",
            },
        )
    ]


@pytest.mark.parametrize(("refusal", "streams"), [(NoStreamResponseError(), 1), (TimeoutError(), 0)])
async def test_what_is_not_acknowledged_stays_and_missing_streams_are_made(
    monkeypatch: pytest.MonkeyPatch, refusal: Exception, streams: int
) -> None:
    outbox = Outbox(1)
    outbox.refusal = refusal
    relay = outbox.relay(monkeypatch)
    with pytest.raises(type(refusal)):
        await relay.step()
    assert (len(outbox.rows), outbox.made_streams) == (1, streams)
    outbox.refusal = None
    assert not await relay.step()
    assert outbox.rows == []


@pytest.mark.parametrize("missing", ["is_connected", "has_lock"])
async def test_without_nats_or_the_lock_nothing_leaves(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    outbox = Outbox(1)
    setattr(outbox, missing, False)
    assert not await outbox.relay(monkeypatch).step()
    assert (len(outbox.rows), outbox.sent) == (1, [])
