"""What a mirror node answers over HTTP: wrong blocks are refused, many receivers are searched in pieces."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from chain_sync_service.application.source import LogQuery
from chain_sync_service.infrastructure.mirror_source import MirrorSource
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.hedera.mirror import MirrorNode, MirrorUnavailableError
from tests.support.mirror_node.canned import CannedServer, Reply, canned_server

TOKEN = EvmAddress("0x" + "ab" * 20)


def block(number: int, seconds: int) -> dict[str, object]:
    times = {"from": f"{seconds}.0", "to": f"{seconds}.9"}
    return {"number": number, "hash": f"0x{number:064x}", "timestamp": times}


@asynccontextmanager
async def source_of(answer: Callable[[str], dict[str, Any]]) -> AsyncIterator[tuple[MirrorSource, CannedServer]]:
    """Answers by the path."""

    def reply_to(path: str) -> Reply:
        return Reply(json.dumps(answer(urlsplit(path).path)).encode())

    with canned_server(reply_to) as served:
        client = MirrorNode(served.url)
        try:
            yield MirrorSource(client, 296), served
        finally:
            await client.close()


@pytest.mark.parametrize("numbers", [[2, 1], [1, 1], [1, 2, 4], [0, 1]])
async def test_other_blocks_than_those_asked_for_are_refused(numbers: list[int]) -> None:
    rows = [block(number, number) for number in numbers]
    async with source_of(lambda path: {"blocks": rows, "links": {"next": None}}) as (source, _):
        with pytest.raises(MirrorUnavailableError, match="answered blocks 1 to 3"):
            await source.blocks([BlockNumber(1), BlockNumber(2), BlockNumber(3)])


async def test_blocks_whose_times_go_backwards_are_refused() -> None:
    rows = [block(1, 50), block(2, 40)]
    async with source_of(lambda path: {"blocks": rows, "links": {"next": None}}) as (source, _):
        with pytest.raises(MirrorUnavailableError, match="block 1 came after 2"):
            await source.logs(LogQuery(frozenset({TOKEN})), from_block=BlockNumber(1), to_block=BlockNumber(2))


async def test_many_receivers_are_searched_in_pieces() -> None:
    receivers = [EvmAddress(f"0x{number + 10**6:040x}") for number in range(60)]

    def answer(path: str) -> dict[str, Any]:
        if path.endswith("/blocks"):
            return {"blocks": [block(1, 1)], "links": {"next": None}}
        if path.endswith("/logs"):
            return {"logs": [], "links": {"next": None}}
        return {"contract_id": f"0.0.{int(path[-40:], 16)}"}

    async with source_of(answer) as (source, served):
        for _ in range(2):
            assert (
                await source.logs(
                    LogQuery(frozenset(), {TOKEN: frozenset(receivers)}),
                    from_block=BlockNumber(1),
                    to_block=BlockNumber(1),
                )
                == []
            )
    searches = [parse_qsl(urlsplit(path).query) for path, _ in served.requests if "/results/logs" in path]
    asked = [[value for name, value in search if name == "topic2"] for search in searches]
    assert sorted(len(topics) for topics in asked) == [10, 10, 50, 50]
    assert {topic for topics in asked for topic in topics} == {f"0x{number + 10**6:064x}" for number in range(60)}
    # Their ids are asked for once.
    assert len([path for path, _ in served.requests if path.startswith("/api/v1/contracts/0x000")]) == 60
