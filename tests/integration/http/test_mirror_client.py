"""The REST client of a mirror node: nothing is lost without an error, and nobody is asked too often."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import Reason
from libs.hedera.mirror import (
    MirrorNode,
    MirrorRefusedError,
    MirrorUnavailableError,
    TooManyPagesError,
    parse_timestamp,
    timestamp_text,
)
from tests.support.mirror_node.canned import CannedServer, Reply, canned_server
from tests.unit.evm.fake_time import FakeTime

NOT_FOUND = b'{"_status": {"messages": [{"message": "Not found"}]}}'
TOO_MANY = b'{"_status": {"messages": [{"message": "Too Many Requests"}]}}'
NEXT = "/api/v1/things?limit=2&id=gt:"


@asynccontextmanager
async def node(
    reply_to: Callable[[str], Reply], prefix: str = "", **options: Any
) -> AsyncIterator[tuple[MirrorNode, CannedServer]]:
    with canned_server(reply_to) as served:
        client = MirrorNode(served.url + prefix, **options)
        try:
            yield client, served
        finally:
            await client.close()


def in_turn(*replies: Reply) -> Callable[[str], Reply]:
    """One reply after the other, whatever is asked."""
    rest: Iterator[Reply] = iter(replies)
    return lambda path: next(rest)


def page(rows: str, link: str) -> Reply:
    return Reply(f'{{"things": {rows}, "links": {{"next": {link}}}}}'.encode())


async def read(client: MirrorNode, most_pages: int = 5) -> list[Any]:
    return [
        row
        async for rows in client.pages("things", [("limit", "2")], "things", most_pages=most_pages)
        for row in rows
    ]


# ------------------------------------------------------------------------------------------------ answers


async def test_a_resource_that_there_is_not() -> None:
    async with node(in_turn(Reply(NOT_FOUND, 404))) as (client, _):
        assert await client.find("things/1") is None


@pytest.mark.parametrize(
    "body", [b"Not Found", b"{}", b'{"_status": 5}', b'{"_status": {"messages": [5]}}', b"[]"]
)
async def test_the_404_of_another_server_does_not_pass_for_there_is_none(body: bytes) -> None:
    async with node(in_turn(Reply(body, 404))) as (client, _):
        with pytest.raises(MirrorUnavailableError, match="HTTP 404"):
            await client.find("things/1")


async def test_a_refusal_has_the_messages() -> None:
    body = b'{"_status": {"messages": [{"message": "Bad", "detail": "very"}, {"message": "Invalid"}]}}'
    async with node(in_turn(*[Reply(body, 400)] * 2)) as (client, _):
        for question in (client.find("things"), client.post("things", {})):
            with pytest.raises(MirrorRefusedError, match=r"Bad; Invalid very \(HTTP 400\)") as caught:
                await question
            assert (caught.value.status, caught.value.messages) == (400, ("Bad", "Invalid"))


@pytest.mark.parametrize("status", [500, 501, 502, 503])
async def test_a_server_error_is_no_answer(status: int) -> None:
    async with node(in_turn(Reply(NOT_FOUND, status))) as (client, _):
        with pytest.raises(MirrorUnavailableError, match=f"HTTP {status}: Not found") as caught:
            await client.find("things")
        assert caught.value.reason is Reason.CHAIN_UNAVAILABLE


async def test_a_redirection_is_not_followed() -> None:
    async with node(lambda path: Reply(b"", 302, {"Location": "/api/v1/elsewhere"})) as (client, served):
        with pytest.raises(MirrorUnavailableError, match="HTTP 302"):
            await client.find("things")
    assert len(served.requests) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"5", b'{"things": [', b"\xff{}"])
async def test_nonsense_is_no_answer(body: bytes) -> None:
    async with node(in_turn(Reply(body))) as (client, _):
        with pytest.raises(MirrorUnavailableError):
            await client.find("things")


async def test_a_server_that_is_away_is_named_without_its_address() -> None:
    with canned_server(in_turn()) as served:
        client = MirrorNode(f"{served.url}/secret-key")
    with pytest.raises(MirrorUnavailableError) as caught:
        await client.find("things")
    await client.close()
    assert "secret-key" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


async def test_a_server_that_does_not_answer_is_not_waited_for_long() -> None:
    ended = threading.Event()

    def reply_late(path: str) -> Reply:
        ended.wait(timeout=20)
        return Reply(b"{}")

    async with node(reply_late, timeout_seconds=0.1) as (client, _):
        with pytest.raises(MirrorUnavailableError, match="TimeoutError"):
            await client.find("things")
        ended.set()


# ------------------------------------------------------------------------------------------------ pages


async def test_pages_are_followed_to_the_end_behind_the_same_prefix() -> None:
    replies = in_turn(page("[1, 2]", f'"{NEXT}2"'), page("[]", f'"{NEXT}3"'), page("[4]", "null"))
    async with node(replies, "/some/prefix/") as (client, served):
        assert await read(client) == [1, 2, 4]
    assert [path for path, _ in served.requests] == [
        f"/some/prefix{path}" for path in ("/api/v1/things?limit=2", NEXT + "2", NEXT + "3")
    ]


@pytest.mark.parametrize(
    ("replies", "complaint"),
    [
        ([page("[1]", f'"{NEXT}1"'), page("[2]", f'"{NEXT}1"')], "circle"),
        ([page("[1]", '"https://elsewhere.invalid/api/v1/"')], "broken"),
        ([page("[1]", '"//elsewhere.invalid"')], "broken"),
        ([page("[1]", '""')], "broken"),
        ([page("[1]", "5")], "broken"),
        ([page("5", "null")], "without rows"),
        ([Reply(b'{"things": [1]}')], "without rows or links"),
        ([Reply(b'{"things": [1], "links": {}}')], "without rows or links"),
        ([Reply(b'{"links": {"next": null}}')], "without rows or links"),
        ([page(str([0] * 100), "null")], "full page"),
        ([page("[1]", f'"{NEXT}1"'), Reply(b'{"things": [2')], "without JSON"),
        ([page("[1]", f'"{NEXT}1"'), Reply(NOT_FOUND, 500)], "HTTP 500"),
    ],
)
async def test_a_list_that_does_not_come_to_its_end_is_an_error(replies: list[Reply], complaint: str) -> None:
    async with node(in_turn(*replies)) as (client, _):
        with pytest.raises(MirrorUnavailableError, match=complaint):
            await read(client)


async def test_a_list_that_is_too_long_is_an_error() -> None:
    replies = [page(f"[{number}]", f'"{NEXT}{number}"') for number in range(9)]
    async with node(in_turn(*replies)) as (client, _):
        with pytest.raises(TooManyPagesError, match="3 pages"):
            await read(client, most_pages=3)


# ------------------------------------------------------------------------------------------------ pauses


async def test_after_429_the_request_is_sent_again_when_the_server_wants_it() -> None:
    time = FakeTime()
    refusal = Reply(TOO_MANY, 429)
    replies = in_turn(Reply(TOO_MANY, 429, {"Retry-After": "7"}), refusal, refusal, Reply(b'{"a": 1}'))
    async with node(replies, timing=time.timing) as (client, _):
        assert await client.find("things") == {"a": 1}
    assert time.slept == [7, 1, 2]


async def test_it_is_not_sent_again_for_ever() -> None:
    time = FakeTime()
    async with node(lambda path: Reply(TOO_MANY, 429), timing=time.timing) as (client, served):
        with pytest.raises(MirrorUnavailableError, match="HTTP 429 4 times"):
            await client.find("things")
    assert len(served.requests) == 4


async def test_a_pause_longer_than_the_timeout_is_not_waited_for() -> None:
    time = FakeTime()
    replies = in_turn(Reply(TOO_MANY, 429, {"Retry-After": "60"}))
    async with node(replies, timing=time.timing, timeout_seconds=10) as (client, served):
        for _ in range(2):
            with pytest.raises(MirrorUnavailableError, match="not sent"):
                await client.find("things")
    assert len(served.requests) == 1
    assert time.slept == []


async def test_no_more_requests_leave_than_are_allowed_in_a_minute() -> None:
    time = FakeTime()
    async with node(lambda path: Reply(b"{}"), timing=time.timing, requests_per_minute=20) as (client, served):
        for _ in range(20):
            await client.find("things")
    assert len(served.requests) == 20
    assert time.now == pytest.approx(60)


async def test_no_more_requests_are_under_way_than_are_allowed() -> None:
    lock, under_way, most = threading.Lock(), 0, 0
    everybody = threading.Barrier(3)

    def reply(path: str) -> Reply:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        # As many as are allowed meet here; one more would break the count.
        everybody.wait(timeout=20)
        with lock:
            under_way -= 1
        return Reply(b"{}")

    async with node(reply, max_concurrency=3) as (client, _):
        await asyncio.gather(*(client.find("things") for _ in range(12)))
    assert most == 3


# ------------------------------------------------------------------------------------------------ timestamps


@given(st.integers(0, 10**19 - 1))
def test_a_timestamp_survives_to_the_nanosecond(nanoseconds: int) -> None:
    assert parse_timestamp(timestamp_text(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "nanoseconds"), [("0", 0), ("5.1", 5_100_000_000), ("5.000000001", 5_000_000_001)]
)
def test_a_timestamp_may_be_shorter(text: str, nanoseconds: int) -> None:
    assert parse_timestamp(text) == nanoseconds


@pytest.mark.parametrize(
    "told", ["", "5.", ".5", "-5.0", "5.0000000001", "1e9", "\u0665.0", " 5.0", "5.0\n", 5.0, 5, None]
)
def test_anything_else_is_no_timestamp(told: object) -> None:
    with pytest.raises(MirrorUnavailableError, match="where a timestamp belongs"):
        parse_timestamp(told)
