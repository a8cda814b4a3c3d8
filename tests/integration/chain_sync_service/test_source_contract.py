"""One suite for the two sources on the same chain: an EVM node, and a mirror node's stand-in beside it.

What only a mirror node does stands in the second half.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest
import pytest_asyncio
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain_sync_service.application.source import (
    ContractCall,
    LogQuery,
    Source,
    StateUnavailableError,
    WindowRefusedError,
)
from chain_sync_service.domain.facts import RawLog
from chain_sync_service.infrastructure.evm_source import EvmSource
from chain_sync_service.infrastructure.mirror_source import MirrorSource
from deploy.devnet.artifacts import compile_contracts
from deploy.devnet.deployer import Devnet
from libs.chain.address import EvmAddress, HederaId
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.evm.interfaces import BALANCE_OF, TRANSFER
from libs.evm.rpc import JsonRpc, Log
from libs.hedera.mirror import MirrorNode, MirrorUnavailableError
from tests.integration.devnet.stage import CHAIN_ID, DAY, Node, running_anvil
from tests.support.mirror_node.canned import Reply, canned_server
from tests.support.mirror_node.server import MirrorStandIn, PageFault
from tests.support.rpc_proxy import RpcProxy
from tests.unit.evm.fake_time import FakeTime

_T = TypeVar("_T")

NOBODY = EvmAddress("0x" + "00" * 19 + "99")
MANY_HOLDERS = 350
MANY_LOGS = 350


@dataclass
class Rig:
    """A source with its clock, and the knobs of what it reads from."""

    source: Source
    time: FakeTime
    answer_too_many_requests: Callable[[int], None]
    go_away: Callable[[], None]


@dataclass(frozen=True)
class World:
    """The chain that both sources read, and those who speak to it directly."""

    node: Node
    devnet: Devnet
    rpc: JsonRpc

    async def head(self) -> int:
        return (await self.rpc.latest_block()).number

    async def mine(self, count: int) -> None:
        await self.rpc.request("anvil_mine", hex(count))

    async def deploy_token(self) -> ChecksumAddress:
        return await self.devnet.deploy_equity_token("Acme Shares", "ACME", "CH0012345678", 2)

    async def logs(self, contract: str, from_block: int, to_block: int) -> list[Log]:
        return await self.rpc.logs(
            contract, [], from_block=BlockNumber(from_block), to_block=BlockNumber(to_block)
        )


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    compile_contracts()
    with running_anvil() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(node: Node) -> Iterator[RpcProxy]:
    started = RpcProxy(node.url)
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def stand_in(node: Node) -> Iterator[MirrorStandIn]:
    started = MirrorStandIn(node.url)
    started.start()
    yield started
    started.stop()


@asynccontextmanager
async def connected(node: Node) -> AsyncIterator[World]:
    rpc = JsonRpc(node.url)
    async with Devnet(node.url, expected_genesis_hash=node.genesis_hash) as devnet:
        yield World(node, devnet, rpc)
    await rpc.close()


@pytest_asyncio.fixture
async def world(node: Node) -> AsyncIterator[World]:
    async with connected(node) as opened:
        yield opened


@pytest_asyncio.fixture
async def evm(proxy: RpcProxy) -> AsyncIterator[Rig]:
    proxy.heal()
    time = FakeTime()
    rpc = JsonRpc(proxy.url, timing=time.timing)
    yield Rig(
        EvmSource(rpc),
        time,
        lambda times: proxy.answer_too_many_requests(times=times),
        proxy.go_away,
    )
    await rpc.close()


@pytest_asyncio.fixture
async def mirror(stand_in: MirrorStandIn) -> AsyncIterator[Rig]:
    stand_in.heal()
    time = FakeTime()
    client = MirrorNode(stand_in.url, timing=time.timing)
    yield Rig(
        MirrorSource(client, CHAIN_ID),
        time,
        lambda times: stand_in.fail(429, times=times),
        lambda: stand_in.fail(503, times=1_000),
    )
    await client.close()


@pytest.fixture(params=["evm", "mirror"])
def rig(request: pytest.FixtureRequest) -> Rig:
    found: Rig = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def source(rig: Rig) -> Source:
    return rig.source


def address(told: str) -> EvmAddress:
    return EvmAddress(told.lower())


def holder(number: int) -> ChecksumAddress:
    return to_checksum_address(f"0x{number + 0xABC0000:040x}")


def query(*contracts: str) -> LogQuery:
    return LogQuery(frozenset(address(contract) for contract in contracts))


def deposits(token: str, *receivers: str) -> LogQuery:
    return LogQuery(frozenset(), {address(token): frozenset(address(receiver) for receiver in receivers)})


def balance_call(token: str, account: str) -> ContractCall:
    return ContractCall(address(token), BALANCE_OF.encode(account))


def facts_of(log: RawLog | Log) -> tuple[object, ...]:
    """A log without its index, which sources count in different ways."""
    contract = log.contract if isinstance(log, RawLog) else log.address
    return contract, log.topics, log.data, log.block_number, log.block_hash, log.transaction_hash


def assert_are(found: Sequence[RawLog], expected: Sequence[Log]) -> None:
    """All of the node's logs and no others, in its order, and keys that are unique."""
    assert [facts_of(log) for log in found] == [facts_of(log) for log in expected]
    assert len({(log.transaction_hash, log.log_index) for log in found}) == len(found)
    assert all(log.has_result for log in found)


async def patiently(time: FakeTime, ask: Callable[[], Awaitable[_T]], tries: int = 10) -> _T:
    """Asks again, a while after CHAIN_UNAVAILABLE, as the service does."""
    for _ in range(tries):
        time.now += 30
        try:
            return await ask()
        except AppError as error:
            if error.reason is not Reason.CHAIN_UNAVAILABLE:
                raise
    raise AssertionError(f"no answer in {tries} tries")


# ------------------------------------------------------------------------------------------------ blocks


async def test_both_know_the_chain(world: World, source: Source) -> None:
    identity = await source.identity()
    assert (identity.chain_id, identity.genesis_hash) == (CHAIN_ID, world.node.genesis_hash)


async def test_the_head_is_the_newest_block(world: World, source: Source) -> None:
    before = await source.head()
    await world.mine(2)
    header = await world.rpc.latest_block()
    head = await source.head()
    assert (head.number, head.hash) == (header.number, header.hash)
    assert head.number == before.number + 2
    assert int(head.time.timestamp()) == header.timestamp_seconds


async def test_blocks_come_in_the_order_asked_for_and_none_where_there_is_none(
    world: World, source: Source
) -> None:
    await world.mine(260)
    head = await world.head()
    numbers = [head, head + 1, 0, *range(5, 255), 3, 0]
    random.Random(5).shuffle(numbers)
    headers = await world.rpc.blocks(numbers)
    blocks = await source.blocks(numbers)
    assert [block and (block.number, block.hash, int(block.time.timestamp())) for block in blocks] == [
        header and (header.number, header.hash, header.timestamp_seconds) for header in headers
    ]
    assert blocks[numbers.index(head + 1)] is None
    assert await source.blocks([]) == []


async def test_a_reorg_shows_as_another_hash(world: World, source: Source) -> None:
    token = await world.deploy_token()
    await world.devnet.issue(token, {holder(1): 10})
    head = await source.head()
    (log,) = (await source.logs(query(token), from_block=head.number, to_block=head.number))[-1:]
    assert log.block_hash == head.hash
    await world.rpc.request("anvil_reorg", 1, [])
    (again,) = await source.blocks([head.number])
    assert again is not None
    assert again.hash != head.hash
    assert await source.logs(query(token), from_block=head.number, to_block=head.number) == []


# ------------------------------------------------------------------------------------------------ logs


async def test_a_window_without_logs(world: World, source: Source) -> None:
    token = await world.deploy_token()
    await world.mine(3)
    head = await world.head()
    assert await source.logs(query(token), from_block=BlockNumber(head - 2), to_block=BlockNumber(head)) == []
    assert await source.logs(query(NOBODY.value), from_block=BlockNumber(0), to_block=BlockNumber(head)) == []
    assert await source.logs(LogQuery(frozenset()), from_block=BlockNumber(0), to_block=BlockNumber(head)) == []
    assert await source.logs(deposits(token), from_block=BlockNumber(0), to_block=BlockNumber(head)) == []


async def test_a_window_is_exactly_its_blocks(world: World, source: Source) -> None:
    token = await world.deploy_token()
    first = await world.head() + 1
    for number in range(3):
        await world.devnet.issue(token, {holder(number): 10 + number})
    for block in range(first, first + 3):
        found = await source.logs(query(token), from_block=BlockNumber(block), to_block=BlockNumber(block))
        assert found
        assert_are(found, await world.logs(token, block, block))
    assert_are(
        await source.logs(query(token), from_block=BlockNumber(first), to_block=BlockNumber(first + 1)),
        await world.logs(token, first, first + 1),
    )


async def test_many_logs_in_few_transactions_and_few_in_many(world: World, source: Source) -> None:
    token = await world.deploy_token()
    first = await world.head() + 1
    await world.devnet.issue(token, {holder(number): 10 for number in range(MANY_HOLDERS)})
    for number in range(30):
        await world.devnet.transfer(token, holder(number), holder(number + 1), 1)
    last = await world.head()
    expected = await world.logs(token, first, last)
    assert len(expected) >= MANY_LOGS
    assert len(expected) > 3 * len({log.transaction_hash for log in expected})
    assert_are(
        await source.logs(query(token), from_block=BlockNumber(first), to_block=BlockNumber(last)), expected
    )


async def test_several_contracts_in_one_query(world: World, source: Source) -> None:
    tokens = [await world.deploy_token() for _ in range(4)]
    first = await world.head() + 1
    for number in range(12):
        await world.devnet.issue(tokens[number % 4], {holder(number): 10, holder(number + 1): 5})
    last = await world.head()
    expected = [log for token in tokens[:3] for log in await world.logs(token, first, last)]
    found = await source.logs(query(*tokens[:3]), from_block=BlockNumber(first), to_block=BlockNumber(last))
    assert {log.contract for log in found} == {token.lower() for token in tokens[:3]}
    assert_are(found, sorted(expected, key=lambda log: (log.block_number, log.log_index)))


async def test_deposits_are_the_transfers_to_the_receivers_alone(world: World, source: Source) -> None:
    money = await world.devnet.deploy_payment_token()
    vaults = [await world.deploy_token() for _ in range(2)]
    first = await world.head() + 1
    for number, receiver in enumerate([vaults[0], holder(1), vaults[1], holder(2)]):
        await world.devnet.mint_payment_token(money, receiver, 100 + number)
    await world.devnet.transfer(money, holder(1), vaults[0], 7)
    await world.devnet.transfer(money, vaults[0], holder(3), 5)
    last = await world.head()
    everything = await world.logs(money, first, last)

    def to(*receivers: str) -> list[Log]:
        words = {bytes.fromhex(receiver[2:]).rjust(32, b"\0") for receiver in receivers}
        return [log for log in everything if log.topics[0] == TRANSFER.topic and log.topics[2] in words]

    assert len(to(vaults[0])) == 2
    assert_are(
        await source.logs(deposits(money, vaults[0]), from_block=BlockNumber(first), to_block=BlockNumber(last)),
        to(vaults[0]),
    )
    assert_are(
        await source.logs(deposits(money, *vaults), from_block=BlockNumber(first), to_block=BlockNumber(last)),
        to(*vaults),
    )
    in_both = LogQuery(frozenset({address(money)}), {address(money): frozenset({address(vaults[0])})})
    assert_are(await source.logs(in_both, from_block=BlockNumber(first), to_block=BlockNumber(last)), everything)


# ------------------------------------------------------------------------------------------------ contracts


async def test_calls_are_answered_in_order_and_at_their_block(world: World, source: Source) -> None:
    token = await world.deploy_token()
    await world.devnet.issue(token, {holder(1): 100})
    before = await world.head()
    await world.devnet.transfer(token, holder(1), holder(2), 30)
    after = await world.head()
    calls = [balance_call(token, holder(number)) for number in (2, 1, 3)]
    for block, balances in ((before, [0, 100, 0]), (after, [30, 70, 0])):
        answers = await source.call_many(calls, BlockNumber(block))
        assert [int.from_bytes(answer or b"", "big") for answer in answers] == balances
    assert await source.call_many([], BlockNumber(after)) == []


async def test_a_call_without_an_answer_is_none(world: World, source: Source) -> None:
    token = await world.deploy_token()
    reverts = ContractCall(address(token), bytes.fromhex("deadbeef"))
    calls = [reverts, balance_call(token, holder(1)), balance_call(NOBODY.value, holder(1))]
    answers = await source.call_many(calls, BlockNumber(await world.head()))
    assert answers == [None, bytes(32), None]


async def test_a_call_at_a_block_that_is_not_there(world: World, source: Source) -> None:
    token = await world.deploy_token()
    with pytest.raises(StateUnavailableError):
        await source.call_many([balance_call(token, holder(1))], BlockNumber(await world.head() + 50))


async def test_code_is_known(world: World, source: Source) -> None:
    assert await source.has_code(address(await world.deploy_token()))
    assert not await source.has_code(NOBODY)


# ------------------------------------------------------------------------------------------------ faults


async def test_too_many_requests_lose_nothing(world: World, rig: Rig) -> None:
    token = await world.deploy_token()
    first = await world.head() + 1
    await world.devnet.issue(token, {holder(number): 10 for number in range(250)})
    last = await world.head()
    rig.answer_too_many_requests(6)
    found = await patiently(
        rig.time, lambda: rig.source.logs(query(token), from_block=BlockNumber(first), to_block=BlockNumber(last))
    )
    assert_are(found, await world.logs(token, first, last))


async def test_a_source_that_is_away_says_so(world: World, rig: Rig) -> None:
    token = await world.deploy_token()
    head = await world.head()
    rig.go_away()
    questions: list[Callable[[], Awaitable[object]]] = [
        rig.source.identity,
        rig.source.head,
        lambda: rig.source.blocks([BlockNumber(0)]),
        lambda: rig.source.logs(query(token), from_block=BlockNumber(0), to_block=BlockNumber(head)),
        lambda: rig.source.call_many([balance_call(token, holder(1))], BlockNumber(head)),
        lambda: rig.source.has_code(address(token)),
    ]
    for question in questions:
        with pytest.raises(AppError, match="503") as caught:
            await question()
        assert caught.value.reason is Reason.CHAIN_UNAVAILABLE


_NONSENSE = [
    b"",
    b"away",
    b"[]",
    b"{}",
    b"[1, 2]",
    b'"text"',
    b'{"result": {"number": "?"}, "blocks": [5], "links": {"next": null}, "evm_address": 5}',
]


@pytest.mark.parametrize("kind", ["evm", "mirror"])
@pytest.mark.parametrize("nonsense", _NONSENSE)
async def test_nonsense_is_no_answer(kind: str, nonsense: bytes) -> None:
    async with AsyncExitStack() as stack:
        url = stack.enter_context(canned_server(lambda path: Reply(nonsense))).url
        client = JsonRpc(url) if kind == "evm" else MirrorNode(url)
        stack.push_async_callback(client.close)
        source: Source = EvmSource(client) if isinstance(client, JsonRpc) else MirrorSource(client, CHAIN_ID)
        questions: list[Callable[[], Awaitable[object]]] = [
            source.identity,
            source.head,
            lambda: source.blocks([BlockNumber(0), BlockNumber(1)]),
            lambda: source.logs(query(NOBODY.value), from_block=BlockNumber(0), to_block=BlockNumber(1)),
            lambda: source.call_many([balance_call(NOBODY.value, holder(1))], BlockNumber(1)),
            lambda: source.has_code(NOBODY),
        ]
        for question in questions:
            with pytest.raises(AppError) as caught:
                await question()
            assert caught.value.reason is Reason.CHAIN_UNAVAILABLE


# ------------------------------------------------------------------------------------------------ Hedera ids


async def test_an_evm_node_knows_no_ids(world: World, evm: Rig) -> None:
    with pytest.raises(AppError) as caught:
        await evm.source.resolve(HederaId(0, 0, 5), "token")
    assert (caught.value.reason, caught.value.field) == (Reason.HEDERA_ID_NEEDS_MIRROR_NODE, "token")
    assert await evm.source.hedera_id(address(await world.deploy_token())) == ""


async def test_a_mirror_node_knows_ids(world: World, mirror: Rig, stand_in: MirrorStandIn) -> None:
    token = address(await world.deploy_token())
    told = await mirror.source.hedera_id(token)
    hedera_id = HederaId.parse(told)
    assert hedera_id is not None
    assert await mirror.source.resolve(hedera_id, "token") == token
    assert await mirror.source.hedera_id(NOBODY) == ""
    native = address(stand_in.add_native_token(4_242, "USDC", 6))
    assert await mirror.source.hedera_id(native) == "0.0.4242"
    assert await mirror.source.resolve(HederaId(0, 0, 4_242), "token") == native
    assert await mirror.source.has_code(native)
    with pytest.raises(AppError) as caught:
        await mirror.source.resolve(HederaId(0, 0, 999_999), "token")
    assert (caught.value.reason, caught.value.field) == (Reason.NOT_A_CONTRACT, "token")


# ------------------------------------------------------------------------------------------------ mirror: lag


@dataclass(frozen=True)
class Issue:
    """A token, the blocks in which it was issued, and its logs there."""

    token: ChecksumAddress
    first: int
    last: int
    logs: list[Log]


@pytest.fixture(scope="module")
def issue(node: Node) -> Issue:
    """Three pages of logs: an issue makes three, a transfer two."""
    return asyncio.run(make_issue(node))


async def make_issue(node: Node) -> Issue:
    async with connected(node) as world:
        token = await world.deploy_token()
        first = await world.head() + 1
        await world.devnet.issue(token, {holder(number): 10 for number in range(80)})
        for number in range(10):
            await world.devnet.transfer(token, holder(number), holder(number + 1), 1)
        last = await world.head()
        logs = await world.logs(token, first, last)
    assert 200 < len(logs) < 300
    return Issue(token, first, last, logs)


async def test_what_a_mirror_node_does_not_have_yet_is_refused(
    world: World, issue: Issue, mirror: Rig, stand_in: MirrorStandIn
) -> None:
    stand_in.lag_behind(await world.head() - issue.last + 3)
    assert (await mirror.source.head()).number == issue.last - 3
    assert await mirror.source.blocks([BlockNumber(issue.last - 2), BlockNumber(issue.last)]) == [None, None]
    with pytest.raises(MirrorUnavailableError, match=f"does not have block {issue.last}"):
        await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        )
    with pytest.raises(StateUnavailableError):
        await mirror.source.call_many([balance_call(issue.token, holder(1))], BlockNumber(issue.last))
    shown = [log for log in issue.logs if log.block_number <= issue.last - 3]
    assert_are(
        await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last - 3)
        ),
        shown,
    )
    stand_in.lag_behind(0)
    assert_are(
        await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        ),
        issue.logs,
    )


def add_ghost(stand_in: MirrorStandIn, issue: Issue, number: int, hidden_for: int | None) -> str:
    """A log of the issued token whose transaction is not there."""
    transaction_hash = f"0x{number + 0xDEAD:064x}"
    stand_in.add_log(
        issue.token,
        issue.first,
        ["0x" + topic.hex() for topic in issue.logs[0].topics],
        "0x" + issue.logs[0].data.hex(),
        transaction_hash,
        hidden_for=hidden_for,
    )
    return transaction_hash


async def test_a_log_whose_transaction_does_not_resolve_is_marked(
    issue: Issue, mirror: Rig, stand_in: MirrorStandIn
) -> None:
    late = add_ghost(stand_in, issue, 1, hidden_for=2)
    ghost = add_ghost(stand_in, issue, 2, hidden_for=None)
    marked = []
    for _ in range(4):
        found = await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        )
        assert len(found) == len(issue.logs) + 2
        marked.append({log.transaction_hash for log in found if not log.has_result})
    assert marked == [{late, ghost}, {late, ghost}, {ghost}, {ghost}]


async def test_what_resolved_once_is_not_asked_for_again(
    issue: Issue, mirror: Rig, stand_in: MirrorStandIn
) -> None:
    await mirror.source.logs(
        query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
    )
    asked = stand_in.requests("/contracts/results/0x")
    assert len(asked) == len(set(asked)) == len({log.transaction_hash for log in issue.logs})
    await mirror.source.logs(
        query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
    )
    assert stand_in.requests("/contracts/results/0x") == asked


# ------------------------------------------------------------------------------------------------ mirror: pages


async def test_pages_are_as_long_as_may_be_and_followed_to_the_end(
    issue: Issue, mirror: Rig, stand_in: MirrorStandIn
) -> None:
    assert_are(
        await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        ),
        issue.logs,
    )
    pages = stand_in.requests(f"{issue.token.lower()}/results/logs")
    assert len(pages) == 3
    assert all("limit=100" in page for page in pages)
    numbers = [BlockNumber(number) for number in range(issue.last)]
    blocks = await mirror.source.blocks(numbers)
    stand_in.most_rows = 25
    assert_are(
        await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        ),
        issue.logs,
    )
    assert await mirror.source.blocks(numbers) == blocks
    assert None not in blocks


async def test_rows_repeated_at_the_edge_of_a_page_count_once(
    issue: Issue, mirror: Rig, stand_in: MirrorStandIn
) -> None:
    stand_in.page_fault = PageFault.REPEATED_EDGE
    stand_in.most_rows = 25
    assert_are(
        await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        ),
        issue.logs,
    )


_WRONG_PAGES = {
    PageFault.SAME_PAGE: "same page",
    PageFault.SAME_PAGE_NEW_LINK: "same page",
    PageFault.SAME_PAGE_AT_THE_END: "same page",
    PageFault.OUT_OF_ORDER: "out of order",
    PageFault.NO_LINK: "without a link",
    PageFault.HALF_PAGE_BROKEN_LINK: "broken",
    PageFault.ROW_OF_BEFORE: "not asked for",
    PageFault.ROW_OF_ANOTHER_BLOCK: "not asked for",
    PageFault.ROW_OF_ANOTHER_CONTRACT: "not asked for",
    PageFault.TWINS_THAT_DIFFER: "two different logs",
    PageFault.TWINS_OF_TWO_TIMES: "two different logs",
    PageFault.MALFORMED_ROW: "malformed",
    PageFault.ROW_WITHOUT_BLOCK: "where there should be",
    PageFault.ROWS_MISSING: "without rows",
}


def test_every_fault_of_pages_is_tried() -> None:
    assert _WRONG_PAGES.keys() | {PageFault.REPEATED_EDGE} == set(PageFault)


@pytest.mark.parametrize("fault", list(_WRONG_PAGES))
async def test_pages_that_do_not_fit_together_are_refused(
    issue: Issue, mirror: Rig, stand_in: MirrorStandIn, fault: PageFault
) -> None:
    stand_in.page_fault = fault
    with pytest.raises((WindowRefusedError, MirrorUnavailableError), match=_WRONG_PAGES[fault]):
        await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        )
    stand_in.page_fault = None
    assert_are(
        await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        ),
        issue.logs,
    )


async def test_an_answer_that_breaks_off_is_no_answer(issue: Issue, mirror: Rig, stand_in: MirrorStandIn) -> None:
    for path in ("/blocks", "/results/logs", "/contracts/results/0x"):
        stand_in.break_off(times=1, path=path)
        with pytest.raises(MirrorUnavailableError, match="without JSON"):
            await mirror.source.logs(
                query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
            )
    assert_are(
        await mirror.source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        ),
        issue.logs,
    )


async def test_a_window_with_too_many_logs_is_refused(issue: Issue, stand_in: MirrorStandIn) -> None:
    stand_in.heal()
    client = MirrorNode(stand_in.url)
    source = MirrorSource(client, CHAIN_ID, most_pages=2)
    with pytest.raises(WindowRefusedError, match="2 pages"):
        await source.logs(
            query(issue.token), from_block=BlockNumber(issue.first), to_block=BlockNumber(issue.last)
        )
    await client.close()


async def test_a_window_of_weeks_is_asked_for_in_pieces_of_seven_days(
    world: World, mirror: Rig, stand_in: MirrorStandIn
) -> None:
    money = await world.devnet.deploy_payment_token()
    first = await world.head() + 1
    for number in range(5):
        await world.devnet.mint_payment_token(money, holder(1), 10 + number)
        await world.devnet.advance_to(await world.devnet.chain_time() + 6 * DAY)
    last = await world.head()
    expected = await world.logs(money, first, last)
    assert_are(
        await mirror.source.logs(query(money), from_block=BlockNumber(first), to_block=BlockNumber(last)), expected
    )
    assert_are(
        await mirror.source.logs(
            deposits(money, holder(1)), from_block=BlockNumber(first), to_block=BlockNumber(last)
        ),
        expected,
    )
    assert len(stand_in.requests("/results/logs?")) == 2 * 5


# ------------------------------------------------------------------------------------------------ native tokens


async def test_a_native_transfer_counts_by_its_hash_and_names_the_receiver_as_it_is_known(
    world: World, mirror: Rig, stand_in: MirrorStandIn
) -> None:
    vault = await world.deploy_token()
    money = stand_in.add_native_token(4_242, "USDC", 6)
    told = HederaId.parse(await mirror.source.hedera_id(address(vault)))
    assert told is not None
    head = await world.head()
    transfer = "0x" + TRANSFER.topic.hex()
    word_of_vault, word_of_number = f"0x{vault[2:].lower():0>64}", f"0x{told.num:064x}"
    for number, receiver in enumerate((word_of_vault, word_of_number, f"0x{0x777:064x}")):
        stand_in.add_log(
            money,
            head,
            [transfer, f"0x{5:064x}", receiver],
            f"0x{number:064x}",
            # 48 bytes, as the hashes of transactions that are not Ethereum's have.
            f"0x{number + 0xBEEF:x}".ljust(98, "7"),
            is_native=True,
        )
    stand_in.add_log(
        money,
        head,
        [transfer, f"0x{5:064x}", word_of_vault],
        "0x",
        "0x" + "9" * 64,
        hidden_for=None,
        is_native=True,
    )
    found = await mirror.source.logs(
        deposits(money, vault), from_block=BlockNumber(head), to_block=BlockNumber(head)
    )
    assert [(log.contract, log.topics[2].hex(), log.has_result) for log in found] == [
        (money, word_of_vault[2:], True),
        (money, word_of_vault[2:], True),
        (money, word_of_vault[2:], False),
    ]
