"""What the tests of the running service use: chain, calls, events, rows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import grpc
import nats
from eth_typing import ChecksumAddress
from masspayout.asset.v1 import events_pb2 as asset_events
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as pb
from masspayout.chain_sync.v1 import chain_sync_service_pb2_grpc as pb_grpc
from masspayout.chain_sync.v1 import events_pb2
from masspayout.operations.v1 import operations_service_pb2 as operations_pb
from masspayout.operations.v1 import operations_service_pb2_grpc as operations_grpc
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext

from deploy.devnet.deployer import Devnet
from deploy.local.settings import DEVNET_CHAIN_ID
from deploy.local.stack import Stack
from libs.errors import AppError
from libs.events import event_subject
from libs.evm.interfaces import BALANCE_OF
from libs.evm.rpc import JsonRpc
from libs.grpc_kit.errors import from_rpc_error
from tests.integration.chain_sync_service.rpc_proxy import RpcProxy
from tests.support.event_headers import event_headers

SERVICE = "chain_sync_service"
DEADLINE_SECONDS = 30.0
POLL_SECONDS = 0.05
CONFIRMATIONS = 2


@dataclass(frozen=True)
class ServiceUnderTest:
    """The running service with its parts, and the proxy that it reaches the node through."""

    stack: Stack
    proxy: RpcProxy

    async def kill_and_restart(self) -> None:
        """Kill -9, and again."""
        service = self.stack.services[SERVICE]
        service.kill()
        await asyncio.to_thread(service.restart)


async def eventually(
    is_so: Callable[[], Awaitable[bool]], what: str, *, seconds: float = DEADLINE_SECONDS
) -> None:
    """Polls until it is so. Fails after a bound."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await is_so():
        assert asyncio.get_running_loop().time() < deadline, f"not in {seconds} s: {what}"
        await asyncio.sleep(POLL_SECONDS)


class Harness:
    """One test's connections."""

    def __init__(
        self,
        service: ServiceUnderTest,
        devnet: Devnet,
        rpc: JsonRpc,
        channel: grpc.aio.Channel,
        database: "asyncpg.Connection[asyncpg.Record]",
        jetstream: JetStreamContext,
    ) -> None:
        self.service = service
        self.proxy = service.proxy
        self.devnet = devnet
        self.rpc = rpc
        self.chain_sync = pb_grpc.ChainSyncServiceStub(channel)
        self.operations = operations_grpc.OperationsServiceStub(channel)
        self.database = database
        self.jetstream = jetstream

    async def deploy_token(self) -> ChecksumAddress:
        """A security token of its own."""
        return await self.devnet.deploy_equity_token("Acme Shares", "ACME", "CH0012345678", 2)

    async def follow(
        self,
        token: str,
        *,
        chain_id: int = DEVNET_CHAIN_ID,
        asset_id: UUID | None = None,
        lifecycle_contract: str = "",
        payment_token: str = "",
    ) -> UUID:
        """Publishes that an asset was imported, as asset_service does; returns its id."""
        asset_id = asset_id or uuid4()
        event = asset_events.AssetImported(asset_id=str(asset_id), version=2)
        event.asset.name = f"assets/{asset_id}"
        event.asset.chain_id = chain_id
        event.asset.token.evm_address = token
        event.asset.lifecycle_contract.evm_address = lifecycle_contract
        event.asset.payment_token.evm_address = payment_token
        subject = event_subject("asset", "asset_imported", str(asset_id))
        await self.jetstream.publish(subject, event.SerializeToString(), headers=event_headers(subject, 2))
        return asset_id

    async def mine(self, count: int) -> None:
        """Mines blocks."""
        await self.rpc.request("anvil_mine", hex(count))

    async def head(self) -> int:
        """Number of the newest block."""
        return (await self.rpc.latest_block()).number

    async def status(self, asset_id: UUID) -> pb.SyncStatus:
        """What GetSyncStatus answers."""
        answer: pb.SyncStatus = await self.chain_sync.GetSyncStatus(
            pb.GetSyncStatusRequest(asset=f"assets/{asset_id}")
        )
        return answer

    async def status_or_none(self, asset_id: UUID) -> pb.SyncStatus | None:
        """The status; None while the service is away or does not know the asset."""
        try:
            return await self.status(asset_id)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return None

    async def caught_up(self, asset_id: UUID, *, seconds: float = DEADLINE_SECONDS) -> pb.SyncStatus:
        """Waits until everything that is confirmed is read."""

        async def is_caught_up() -> bool:
            status = await self.status_or_none(asset_id)
            return (
                status is not None
                and status.state == pb.Listener.STATE_FOLLOWING
                and status.position_block_number == await self.head() - CONFIRMATIONS
            )

        await eventually(is_caught_up, f"{asset_id} caught up", seconds=seconds)
        return await self.status(asset_id)

    async def events(self, asset_id: UUID) -> list[events_pb2.HolderBalancesChanged]:
        """The asset's events on the stream, all that the status tells of, each exactly once and in order."""
        count = (await self.status(asset_id)).last_sequence
        messages = await self.messages(asset_id, "holder_balances_changed", count)
        found = [events_pb2.HolderBalancesChanged.FromString(message) for message in messages]
        assert [event.sequence for event in found] == list(range(1, count + 1))
        return found

    async def messages(self, asset_id: UUID, event_name: str, count: int) -> list[bytes]:
        """The asset's events of one kind on the stream, in order. Fails unless there are exactly so many."""
        subscription = await self.jetstream.subscribe(
            event_subject("chain_sync", event_name, str(asset_id)), ordered_consumer=True
        )
        found = [(await subscription.next_msg(timeout=DEADLINE_SECONDS)).data for _ in range(count)]
        await assert_nothing_more(subscription)
        await subscription.unsubscribe()
        return found

    async def holdings(self, asset_id: UUID) -> dict[str, pb.Holding]:
        """What a consumer's register holds after all events: it sets what it is told, and the deltas sum to it."""
        holdings: dict[str, pb.Holding] = {}
        balances: dict[str, int] = {}
        for event in await self.events(asset_id):
            assert len(event.changes) <= 1000
            for change in event.changes:
                holdings[change.holder] = change.holding
                balances[change.holder] = balances.get(change.holder, 0) + int(change.delta_base_units)
                assert balances[change.holder] == int(change.holding.balance_base_units)
        return holdings

    async def register(self, asset_id: UUID) -> dict[str, int]:
        """The balances of everybody who has something that can be moved."""
        balances = {holder: int(has.balance_base_units) for holder, has in (await self.holdings(asset_id)).items()}
        return {holder: balance for holder, balance in balances.items() if balance}

    async def chain_events(self, asset_id: UUID) -> list[pb.ChainEvent]:
        """What was seen, as it is listed."""
        answer = await self.chain_sync.ListChainEvents(pb.ListChainEventsRequest(asset=f"assets/{asset_id}"))
        return list(answer.events)

    async def balances_on_chain(self, token: str, holders: Sequence[str]) -> dict[str, int]:
        """What balanceOf answers, for everybody who has something."""
        answers = await self.rpc.call_many(token, BALANCE_OF, [(holder,) for holder in holders], "latest")
        return {holder.lower(): balance for holder, (balance,) in zip(holders, answers, strict=True) if balance}

    async def refused(self, call: Awaitable[object]) -> tuple[grpc.StatusCode, AppError]:
        """How a call was refused."""
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            return error.code(), from_rpc_error(error, SERVICE)
        raise AssertionError(f"not refused: {answer}")

    async def dead_letters(self) -> list[operations_pb.DeadLetter]:
        """What the service gave up."""
        answer = await self.operations.ListDeadLetters(operations_pb.ListDeadLettersRequest())
        return list(answer.dead_letters)


async def assert_nothing_more(subscription: JetStreamContext.PushSubscription) -> None:
    """Fails when another event follows."""
    try:
        message = await subscription.next_msg(timeout=0.3)
    except NatsTimeoutError:
        return
    raise AssertionError(f"one event too many: {message.subject}")


@asynccontextmanager
async def open_harness(service: ServiceUnderTest) -> AsyncIterator[Harness]:
    """Connects to everything."""
    endpoints = service.stack.endpoints
    assert endpoints.rpc_url
    assert endpoints.genesis_hash
    assert endpoints.nats_url
    async with AsyncExitStack() as stack:
        devnet = Devnet(endpoints.rpc_url, expected_genesis_hash=endpoints.genesis_hash)
        await stack.enter_async_context(devnet)
        rpc = JsonRpc(endpoints.rpc_url, timeout_seconds=30)
        stack.push_async_callback(rpc.close)
        channel = grpc.aio.insecure_channel(endpoints.services[SERVICE])
        stack.push_async_callback(channel.close)
        database = await asyncpg.connect(endpoints.database_urls["chain_sync"])
        stack.push_async_callback(database.close)
        client = await nats.connect(endpoints.nats_url)
        stack.push_async_callback(client.close)
        yield Harness(service, devnet, rpc, channel, database, client.jetstream())
