"""One transaction: events go with the commit, the relay is nudged after it and only then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import MetaData

from libs.events import OutgoingEvent
from libs.persistence.tables import define_shared_tables
from libs.persistence.unit_of_work import SqlUnitOfWork

_SHARED = define_shared_tables(MetaData())


class Database:
    """An engine with one connection that notes what happens, in order; a nudge of the relay too."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.stored: list[dict[str, object]] = []
        self.commit_error: Exception | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Database]:
        yield self
        self.done.append("closed")

    async def begin(self) -> None:
        self.done.append("begun")

    async def execute(self, statement: object, rows: list[dict[str, object]]) -> None:
        assert cast(Any, statement).table is _SHARED.outbox
        self.done.append("stored")
        self.stored += rows

    async def commit(self) -> None:
        if self.commit_error is not None:
            raise self.commit_error
        self.done.append("committed")

    def unit_of_work(self) -> SqlUnitOfWork:
        clock = cast(Any, SimpleNamespace(now=lambda: datetime.now(UTC)))
        return SqlUnitOfWork(cast(Any, self), _SHARED, clock, lambda: self.done.append("nudged"))


def _event() -> OutgoingEvent:
    return OutgoingEvent(
        event_id=uuid4(),
        aggregate_id=uuid4(),
        aggregate_version=1,
        context="payout",
        event_name="payout_planned",
        payload=b"payload",
        create_time=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def test_the_relay_is_nudged_after_the_commit() -> None:
    database, events = Database(), [_event(), _event()]
    async with database.unit_of_work() as unit_of_work:
        for event in events:
            unit_of_work.add_event(event)
        await unit_of_work.commit()
        assert database.done == ["begun", "stored", "committed", "nudged"]
        await unit_of_work.commit()
    assert database.done == ["begun", "stored", "committed", "nudged", "committed", "closed"]
    assert [row["event_id"] for row in database.stored] == [event.event_id for event in events]
    assert {row["event_name"] for row in database.stored} == {"payout_planned"}


async def test_without_events_nobody_is_nudged() -> None:
    database = Database()
    async with database.unit_of_work() as unit_of_work:
        await unit_of_work.commit()
    assert database.done == ["begun", "committed", "closed"]


async def test_what_is_not_committed_leaves_no_event() -> None:
    database = Database()
    async with database.unit_of_work() as unit_of_work:
        unit_of_work.add_event(_event())
    assert (database.done, database.stored) == (["begun", "closed"], [])


async def test_a_commit_that_fails_nudges_nobody() -> None:
    database = Database()
    database.commit_error = OSError("away")
    async with database.unit_of_work() as unit_of_work:
        unit_of_work.add_event(_event())
        with pytest.raises(OSError, match="away"):
            await unit_of_work.commit()
    assert "nudged" not in database.done
