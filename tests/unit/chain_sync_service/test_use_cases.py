"""Following an asset, operators' calls, queries, and what the API and events show."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chain_sync_service.api.watches import StatusWatches
from chain_sync_service.application.administer import RefreshScope, UpsertListenerCommand
from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.follow_asset import FollowAsset, FollowAssetCommand, WrongAssetError
from chain_sync_service.application.ports import ChainLook
from chain_sync_service.application.queries import Queries
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.holdings import Holding, HoldingChange
from chain_sync_service.domain.listener import Contracts, HolderBalancesChanged, HolderSource
from chain_sync_service.messages.events import holder_balances_changed_message
from chain_sync_service.messages.resources import (
    listener_message,
    payment_token_description_message,
    sync_status_message,
    token_description_message,
)
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.events import IncomingEvent
from libs.idempotency import RequestKey
from tests.unit.chain_sync_service.fake_chain import CHAIN_ID, CONTRACTS, TOKEN, freeze, holder, issue
from tests.unit.chain_sync_service.fakes import Follower

CHECKSUMMED = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"


class Service(Follower):
    """The use cases on fakes."""

    def __init__(self) -> None:
        super().__init__(start_block=5)
        new_unit_of_work = self.store.new_unit_of_work
        gate = ChainGate(self.chain, new_unit_of_work, CHAIN_ID)
        self.queries = Queries(self.chain, self.tokens, gate, new_unit_of_work, self.clock)
        self.follow_asset = FollowAsset(new_unit_of_work, self.clock, self.new_listeners)


def command(
    asset_id: UUID,
    *,
    contracts: Contracts = CONTRACTS,
    chain_id: int = CHAIN_ID,
    is_enabled: bool = True,
    version: int = 2,
) -> FollowAssetCommand:
    subject = f"masspayout.asset.v1.asset_imported.{asset_id}"
    cause = IncomingEvent(uuid4(), subject, "asset_imported", asset_id, version, b"")
    return FollowAssetCommand(asset_id, contracts, chain_id, is_enabled, cause)


def key(content: bytes = b"hash") -> RequestKey:
    return RequestKey(uuid4(), "Method", content, "caller")


async def test_an_imported_asset_is_followed_from_the_configured_block() -> None:
    service, asset_id = Service(), uuid4()
    await service.follow_asset(command(asset_id))
    followed = service.listener(asset_id)
    assert (followed.contracts, followed.start_block, followed.position) == (CONTRACTS, 5, None)
    assert followed.due_time == service.clock.now()


async def test_events_of_the_asset_stop_and_start_it_in_their_order() -> None:
    service, asset_id = Service(), uuid4()
    first = command(asset_id)
    await service.follow_asset(first)
    await service.follow_asset(command(asset_id, is_enabled=False, version=4))
    await service.follow_asset(command(asset_id, version=3))
    await service.follow_asset(first)
    assert service.listener(asset_id).is_stopped
    await service.follow_asset(command(asset_id, version=5))
    assert not service.listener(asset_id).is_stopped
    assert len(service.store.state.inbox) == 4


async def test_an_asset_of_another_chain_or_with_another_token_is_refused() -> None:
    service, asset_id = Service(), uuid4()
    await service.follow_asset(command(asset_id))
    with pytest.raises(WrongAssetError, match="on chain 1"):
        await service.follow_asset(command(uuid4(), chain_id=1))
    with pytest.raises(WrongAssetError, match="is followed as"):
        await service.follow_asset(command(asset_id, contracts=Contracts(EvmAddress(holder(7)))))
    assert list(service.store.state.listeners) == [asset_id]
    assert len(service.store.state.inbox) == 1


async def test_an_operators_call_is_carried_out_once_per_request_id() -> None:
    service, asset_id = Service(), uuid4()
    upsert = UpsertListenerCommand(key(), asset_id, CONTRACTS, BlockNumber(9), HolderSource.LIST)
    await service.administer.upsert(upsert)
    made = service.listener(asset_id)
    assert (made.start_block, made.holder_source) == (9, HolderSource.LIST)
    await service.administer.upsert(upsert)
    assert service.listener(asset_id) == made
    with pytest.raises(AppError) as caught:
        await service.administer.upsert(replace(upsert, key=replace(upsert.key, request_hash=b"other")))
    assert caught.value.reason is Reason.REQUEST_ID_REUSED
    with pytest.raises(AppError) as caught:
        await service.administer.upsert(replace(upsert, key=key(), contracts=Contracts(EvmAddress(holder(7)))))
    assert caught.value.reason is Reason.LISTENER_TOKEN_DIFFERS


async def test_what_operators_ask_of_unknown_listeners_is_refused() -> None:
    service = Service()
    service.chain.mine_empty(3)
    calls = {
        Reason.LISTENER_NOT_FOUND: [
            service.administer.start(key(), uuid4()),
            service.administer.stop(key(), uuid4()),
            service.administer.replay(key(), uuid4(), BlockNumber(1)),
        ],
        Reason.ASSET_NOT_YET_KNOWN: [service.administer.refresh(key(), uuid4(), RefreshScope.ALL_KNOWN, [])],
    }
    for reason, refused in calls.items():
        for call in refused:
            with pytest.raises(AppError) as caught:
                await call
            assert caught.value.reason is reason


async def test_an_asset_that_is_not_followed_is_not_yet_known() -> None:
    with pytest.raises(AppError) as caught:
        await Service().queries.sync_status(uuid4())
    assert (caught.value.reason, caught.value.field) == (Reason.ASSET_NOT_YET_KNOWN, "asset")
    assert "GetAsset of asset_service tells whether the asset exists" in caught.value.message


async def test_the_status_tells_the_listeners_error_first_then_the_chains() -> None:
    service, asset_id = Service(), uuid4()
    await service.follow_asset(command(asset_id))
    service.store.state.look = ChainLook(BlockNumber(42), "the node is away")
    status = sync_status_message(await service.queries.sync_status(asset_id))
    assert (status.asset, status.token.evm_address) == (f"assets/{asset_id}", CHECKSUMMED)
    assert (status.position_block_number, status.head_block_number) == (-1, 42)
    assert (status.last_error, status.last_sequence) == ("the node is away", 0)
    service.store.state.listeners[asset_id] = replace(
        service.listener(asset_id), last_error="odd", position=BlockRef(BlockNumber(7), "0x7"), last_sequence=3
    )
    view = await service.queries.get_listener(asset_id)
    status, listener = sync_status_message(view), listener_message(view)
    assert (status.last_error, status.position_block_number, status.last_sequence) == ("odd", 7, 3)
    assert (listener.last_error, listener.lag_blocks, listener.source) == ("odd", 35, "fake")


async def test_holdings_are_read_with_their_parts_at_a_block_that_stays() -> None:
    service, asset_id = Service(), uuid4()
    await service.follow_asset(command(asset_id))
    service.chain.mine(issue(holder(1), 10), freeze(holder(1), 4))
    read = await service.queries.read_holdings(asset_id, [holder(1), holder(2)], BlockNumber(1))
    assert (read.supply, read.holdings) == (10, [Holding(6, frozen=4), Holding()])
    assert read.block_hash == service.chain.blocks_now[1].hash
    with pytest.raises(AppError) as caught:
        await service.queries.read_holdings(asset_id, [], BlockNumber(2))
    assert caught.value.reason is Reason.INVALID_BLOCK

    def fork(request: str) -> None:
        if request == "holdings":
            service.chain.drop(1)
            service.chain.mine()

    service.chain.before = fork
    with pytest.raises(AppError, match="left the chain"):
        await service.queries.read_holdings(asset_id, [holder(1)], BlockNumber(1))


async def test_watches_tell_the_status_at_once_and_are_bounded() -> None:
    service, asset_id = Service(), uuid4()
    await service.follow_asset(command(asset_id))
    watches = StatusWatches(service.queries, max_watches=1, poll_seconds=0.001)
    watch = watches.follow(asset_id)
    assert (await anext(watch)).listener == service.listener(asset_id)
    with pytest.raises(AppError) as caught:
        await anext(watches.follow(asset_id))
    assert caught.value.reason is Reason.TOO_MANY_WATCHES
    await service.administer.stop(key(), asset_id)
    assert (await anext(watch)).listener.is_stopped
    watches.stop()
    with pytest.raises(AppError) as caught:
        await anext(watch)
    assert caught.value.reason is Reason.SERVICE_STOPPING


async def test_tokens_are_described_only_on_the_right_chain() -> None:
    service = Service()
    assert (await service.queries.describe_token(TOKEN)).symbol == "ACM"
    assert (await service.queries.describe_payment_token(TOKEN)).symbol == "USD"
    service.chain.blocks_now = service.chain.blocks_now[:0]
    service.chain.mine()
    for describe in (service.queries.describe_token, service.queries.describe_payment_token):
        with pytest.raises(AppError, match="CHAIN_CHANGED") as caught:
            await describe(TOKEN)
        assert caught.value.reason is Reason.CHAIN_UNAVAILABLE


async def test_descriptions_are_mapped_whole() -> None:
    service = Service()
    service.chain.mine()
    message = token_description_message(await service.chain.describe_token(TOKEN))
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    assert (message.total_supply_base_units, message.token.evm_address) == (str(10**30), CHECKSUMMED)
    payment = payment_token_description_message(await service.chain.describe_payment_token(TOKEN))
    assert {field.name for field, _ in payment.ListFields()} == {field.name for field in payment.DESCRIPTOR.fields}


def test_an_event_is_mapped_whole() -> None:
    asset_id = uuid4()
    change = HoldingChange(holder(1), Holding(2**256 - 1), Holding(0, 1, 2, 3, 4), BlockNumber(11))
    message = holder_balances_changed_message(
        HolderBalancesChanged(
            asset_id, 4, BlockNumber(10), BlockRef(BlockNumber(12), "0xab"), (change,), is_range_complete=True
        )
    )
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    (told,) = message.changes
    assert (told.holder, told.delta_base_units, told.block_number) == (holder(1), str(1 - 2**256), 11)
    has = told.holding
    assert (has.balance_base_units, has.frozen_base_units, has.locked_base_units) == ("0", "1", "2")
    assert (has.held_base_units, has.cleared_base_units) == ("3", "4")
