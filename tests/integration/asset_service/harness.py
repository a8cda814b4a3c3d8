"""What the tests of the running service use: calls, events, rows."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import nats
from masspayout.asset.v1 import asset_service_pb2 as pb
from masspayout.asset.v1 import asset_service_pb2_grpc as pb_grpc
from masspayout.chain_sync.v1 import chain_sync_service_pb2 as chain_sync_pb
from masspayout.chain_sync.v1 import events_pb2 as chain_sync_events
from masspayout.operations.v1 import operations_service_pb2 as operations_pb
from masspayout.operations.v1 import operations_service_pb2_grpc as operations_grpc
from masspayout.payout.v1 import events_pb2 as payout_events
from masspayout.type.v1 import readiness_pb2
from nats.js import JetStreamContext

from asset_service.domain.register import Holding
from libs.chain.address import EvmAddress
from libs.errors import AppError
from libs.events import event_subject
from libs.grpc_kit.accounts import account_message
from libs.grpc_kit.errors import from_rpc_error
from tests.support.event_headers import event_headers

DEADLINE_SECONDS = 20.0
POLL_SECONDS = 0.03
BLOCK_HASH = "0x" + "ab" * 32
SeenOnChain = (
    chain_sync_events.PauseChanged | chain_sync_events.BalancesAdjusted | chain_sync_events.ChainEventRetracted
)


@dataclass(frozen=True)
class ServiceUnderTest:
    """Where the running service and its parts are."""

    address: str
    database_url: str = field(repr=False)
    admin_database_url: str = field(repr=False)
    nats_url: str = field(repr=False)
    kill: Callable[[], None]
    start: Callable[[], None]


def new_address() -> EvmAddress:
    return EvmAddress("0x" + secrets.token_hex(20))


def import_request(
    token: EvmAddress | str | None = None,
    payment_token: EvmAddress | str | None = None,
    lifecycle_contract: EvmAddress | str = "",
    request_id: str | None = None,
) -> pb.ImportAssetRequest:
    return pb.ImportAssetRequest(
        request_id=str(uuid4()) if request_id is None else request_id,
        token=str(new_address() if token is None else token),
        payment_token=str(new_address() if payment_token is None else payment_token),
        lifecycle_contract=str(lifecycle_contract),
    )


class Harness:
    """One test's connections."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        database: "asyncpg.Connection[asyncpg.Record]",
        jetstream: JetStreamContext,
    ) -> None:
        self.assets = pb_grpc.AssetServiceStub(channel)
        self.operations = operations_grpc.OperationsServiceStub(channel)
        self.database = database
        self.jetstream = jetstream

    async def import_asset(self, request: pb.ImportAssetRequest | None = None) -> pb.Asset:
        answer: pb.Asset = await self.assets.ImportAsset(request or import_request())
        return answer

    async def get(self, asset_id: UUID) -> pb.Asset:
        answer: pb.Asset = await self.assets.GetAsset(pb.GetAssetRequest(name=f"assets/{asset_id}"))
        return answer

    async def refused(self, call: Awaitable[object]) -> tuple[grpc.StatusCode, AppError]:
        """How a call was refused."""
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            return error.code(), from_rpc_error(error, "asset_service")
        raise AssertionError(f"not refused: {answer}")

    async def publish(self, subject: str, payload: bytes, version: int, event_id: UUID | None = None) -> UUID:
        """Publishes as another service's relay does, but without the id by which JetStream drops duplicates."""
        event_id = event_id or uuid4()
        headers = event_headers(subject, version, event_id)
        await self.jetstream.publish(subject, payload, headers=headers)
        return event_id

    async def publish_lifecycle(
        self,
        asset_id: UUID,
        version: int,
        state: str,
        contract: EvmAddress | None = None,
        *,
        failure_reason: str = "",
        event_id: UUID | None = None,
        **fields: Any,
    ) -> UUID:
        message = payout_events.LifecycleContractChanged(
            asset_id=str(asset_id),
            version=version,
            state=f"STATE_{state}",
            lifecycle_contract=account_message(contract) if contract else None,
            readiness=[
                readiness_pb2.ReadinessCondition(
                    kind="KIND_PAYOUT_ROLE_HELD", satisfied=state == "READY", detail=f"version {version}"
                )
            ],
            failure_reason=failure_reason,
            **fields,
        )
        subject = event_subject("payout", "lifecycle_contract_changed", str(asset_id))
        return await self.publish(subject, message.SerializeToString(), version, event_id)

    async def publish_seen(self, name: str, asset_id: UUID, message: SeenOnChain) -> UUID:
        """Publishes what chain_sync_service saw besides changes of holdings."""
        subject = event_subject("chain_sync", name, str(asset_id))
        return await self.publish(subject, message.SerializeToString(), message.sequence)

    async def publish_changes(
        self,
        asset_id: UUID,
        sequence: int,
        deltas: Iterable[tuple[EvmAddress, int]],
        *,
        complete: bool = True,
        event_id: UUID | None = None,
    ) -> UUID:
        """Publishes deltas alone, as before events told holdings."""
        changes = [
            chain_sync_events.HolderBalanceChange(
                holder=str(holder), delta_base_units=str(delta), block_number=sequence * 10
            )
            for holder, delta in deltas
        ]
        return await self._publish_changes(asset_id, sequence, changes, complete=complete, event_id=event_id)

    async def publish_holdings(
        self,
        asset_id: UUID,
        sequence: int,
        holdings: Iterable[tuple[EvmAddress, int, Holding]],
        *,
        complete: bool = True,
    ) -> UUID:
        """Publishes what holders have now, each with the change of the balance."""
        changes = [
            chain_sync_events.HolderBalanceChange(
                holder=str(holder),
                delta_base_units=str(delta),
                block_number=sequence * 10,
                holding=wire_holding(holding),
            )
            for holder, delta, holding in holdings
        ]
        return await self._publish_changes(asset_id, sequence, changes, complete=complete)

    async def _publish_changes(
        self,
        asset_id: UUID,
        sequence: int,
        changes: list[chain_sync_events.HolderBalanceChange],
        *,
        complete: bool,
        event_id: UUID | None = None,
    ) -> UUID:
        message = chain_sync_events.HolderBalancesChanged(
            asset_id=str(asset_id),
            sequence=sequence,
            from_block=sequence * 10,
            to_block=sequence * 10 + 9,
            to_block_hash=BLOCK_HASH,
            changes=changes,
            range_complete=complete,
        )
        subject = event_subject("chain_sync", "holder_balances_changed", str(asset_id))
        return await self.publish(subject, message.SerializeToString(), sequence, event_id)

    async def processed(self, event_id: UUID, *, seconds: float = DEADLINE_SECONDS) -> None:
        """Waits until the service has processed an event."""

        async def is_processed() -> bool:
            return bool(await self.database.fetchval("SELECT 1 FROM inbox WHERE event_id = $1", event_id))

        await eventually(is_processed, f"event {event_id} processed", seconds=seconds)

    async def published_events(self, asset_id: UUID, count: int) -> list[tuple[str, bytes]]:
        """The names and payloads of an asset's first `count` events on the real stream, in order."""
        subscription = await self.jetstream.subscribe(
            event_subject("asset", "*", str(asset_id)), ordered_consumer=True
        )
        try:
            messages = [await subscription.next_msg(timeout=DEADLINE_SECONDS) for _ in range(count)]
        finally:
            await subscription.unsubscribe()
        return [(message.subject.split(".")[3], message.data) for message in messages]

    async def event_names(self, asset_id: UUID) -> list[str]:
        """The names of an asset's events in the outbox, in order: all that will ever be published."""
        rows = await self.database.fetch(
            "SELECT event_name FROM outbox WHERE aggregate_id = $1 ORDER BY position", asset_id
        )
        return [row[0] for row in rows]

    async def holders(self, asset_id: UUID, page_size: int = 1000) -> tuple[dict[str, int], pb.RegisterPosition]:
        """All holders in lower case with their balances, and the register of the last page."""
        found: dict[str, int] = {}
        token = ""
        while True:
            request = pb.ListHoldersRequest(parent=f"assets/{asset_id}", page_size=page_size, page_token=token)
            page: pb.ListHoldersResponse = await self.assets.ListHolders(request)
            for holder in page.holders:
                found[holder.account.evm_address.lower()] = int(holder.balance_base_units)
            token = page.next_page_token
            if not token:
                return found, page.register

    async def dead_letters(self, asset_id: UUID) -> list[operations_pb.DeadLetter]:
        answer = await self.operations.ListDeadLetters(operations_pb.ListDeadLettersRequest(page_size=1000))
        return [letter for letter in answer.dead_letters if letter.subject.endswith(str(asset_id))]


def wire_holding(holding: Holding) -> chain_sync_pb.Holding:
    return chain_sync_pb.Holding(
        balance_base_units=str(holding.balance),
        frozen_base_units=str(holding.frozen),
        locked_base_units=str(holding.locked),
        held_base_units=str(holding.held),
        cleared_base_units=str(holding.cleared),
    )


def id_of(asset: pb.Asset) -> UUID:
    return UUID(asset.name.removeprefix("assets/"))


async def eventually(
    condition: Callable[[], Awaitable[bool]], what: str, *, seconds: float = DEADLINE_SECONDS
) -> None:
    """Polls until a condition holds; fails after a bound."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def open_harness(service: ServiceUnderTest) -> AsyncIterator[Harness]:
    database = await asyncpg.connect(service.database_url)
    client = await nats.connect(service.nats_url)
    try:
        async with grpc.aio.insecure_channel(service.address) as channel:
            yield Harness(channel, database, client.jetstream())
    finally:
        await client.close()
        await database.close()
