"""Following an asset, queries, and what the API and events show."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chain_sync_service.application.chain_gate import ChainGate
from chain_sync_service.application.follow_asset import FollowAsset, FollowAssetCommand, WrongAssetError
from chain_sync_service.application.ports import ChainLook
from chain_sync_service.application.queries import Queries
from chain_sync_service.domain.blocks import BlockRef
from chain_sync_service.domain.followed_token import FollowedToken, HolderBalancesChanged
from chain_sync_service.domain.holder_changes import HolderChange
from chain_sync_service.domain.tokens import PaymentTokenDescription, SecurityType, TokenDescription
from chain_sync_service.infrastructure.resource_mapping import (
    holder_balances_changed_message,
    payment_token_description_message,
    sync_status_message,
    token_description_message,
)
from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.messaging.events import IncomingEvent
from tests.unit.chain_sync_service.fakes import CHAIN_ID, NOW, TOKEN, FakeChain, FakeClock, Store, holder

CHECKSUMMED = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"
DESCRIPTION = TokenDescription(CHAIN_ID, TOKEN, "Acme", "ACM", "CH1", 2, SecurityType.EQUITY, 10**30, 3, 77)
PAYMENT_DESCRIPTION = PaymentTokenDescription(CHAIN_ID, TOKEN, "USD", 6)


class FakeTokenReader:
    """Knows one token."""

    async def describe_token(self, token: EvmAddress) -> TokenDescription:
        return replace(DESCRIPTION, token=token)

    async def describe_payment_token(self, token: EvmAddress) -> PaymentTokenDescription:
        return replace(PAYMENT_DESCRIPTION, token=token)


class Service:
    """The use cases on fakes."""

    def __init__(self) -> None:
        self.store = Store()
        self.chain = FakeChain(self.store)
        gate = ChainGate(self.chain, self.store.new_unit_of_work, CHAIN_ID)
        self.queries = Queries(FakeTokenReader(), gate, self.store.new_unit_of_work)
        self.follow_asset = FollowAsset(
            self.store.new_unit_of_work, FakeClock(), chain_id=CHAIN_ID, start_block=5, window_blocks=10
        )


def command(asset_id: UUID, *, token: EvmAddress = TOKEN, chain_id: int = CHAIN_ID) -> FollowAssetCommand:
    cause = IncomingEvent(
        uuid4(), f"masspayout.asset.v1.asset_imported.{asset_id}", "asset_imported", asset_id, 2, b""
    )
    return FollowAssetCommand(asset_id, token, chain_id, cause)


async def test_an_imported_asset_is_followed_from_the_configured_block() -> None:
    service, asset_id = Service(), uuid4()
    await service.follow_asset(command(asset_id))
    followed = service.store.state.tokens[asset_id]
    assert (followed.token, followed.start_block, followed.position) == (TOKEN, 5, None)


async def test_the_same_event_again_or_another_for_the_same_asset_changes_nothing() -> None:
    service, asset_id = Service(), uuid4()
    first = command(asset_id)
    await service.follow_asset(first)
    moved = replace(service.store.state.tokens[asset_id], last_sequence=9)
    service.store.state.tokens[asset_id] = moved
    await service.follow_asset(first)
    await service.follow_asset(command(asset_id))
    assert service.store.state.tokens == {asset_id: moved}
    assert len(service.store.state.inbox) == 2


async def test_an_asset_of_another_chain_or_with_another_token_is_refused() -> None:
    service, asset_id = Service(), uuid4()
    await service.follow_asset(command(asset_id))
    with pytest.raises(WrongAssetError, match="on chain 1"):
        await service.follow_asset(command(uuid4(), chain_id=1))
    with pytest.raises(WrongAssetError, match="is followed as"):
        await service.follow_asset(command(asset_id, token=EvmAddress(holder(7))))
    assert list(service.store.state.tokens) == [asset_id]
    assert len(service.store.state.inbox) == 1


async def test_an_asset_that_is_not_followed_is_not_yet_known() -> None:
    with pytest.raises(AppError) as caught:
        await Service().queries.sync_status(uuid4())
    assert caught.value.reason is Reason.ASSET_NOT_YET_KNOWN
    assert caught.value.field == "asset"


async def test_the_status_tells_the_tokens_error_first_then_the_chains() -> None:
    service, asset_id = Service(), uuid4()
    await service.follow_asset(command(asset_id))
    service.store.state.look = ChainLook(42, "the node is away")
    status = sync_status_message(await service.queries.sync_status(asset_id))
    assert status.asset == f"assets/{asset_id}"
    assert status.token.evm_address == CHECKSUMMED
    assert (status.position_block_number, status.head_block_number) == (-1, 42)
    assert (status.last_error, status.last_sequence) == ("the node is away", 0)
    token = service.store.state.tokens[asset_id]
    service.store.state.tokens[asset_id] = replace(
        token, last_error="odd", position=BlockRef(7, "0x7"), last_sequence=3
    )
    status = sync_status_message(await service.queries.sync_status(asset_id))
    assert (status.last_error, status.position_block_number, status.last_sequence) == ("odd", 7, 3)


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


def test_descriptions_are_mapped_whole() -> None:
    message = token_description_message(DESCRIPTION)
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    assert message.total_supply_base_units == str(10**30)
    assert message.token.evm_address == CHECKSUMMED
    payment = payment_token_description_message(PAYMENT_DESCRIPTION)
    assert {field.name for field, _ in payment.ListFields()} == {field.name for field in payment.DESCRIPTOR.fields}


def test_an_event_is_mapped_whole() -> None:
    asset_id = uuid4()
    event = HolderBalancesChanged(
        asset_id, 4, 10, BlockRef(12, "0xab"), (HolderChange(holder(1), -(2**256 - 1), 11),), True
    )
    message = holder_balances_changed_message(event)
    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    (change,) = message.changes
    assert (change.holder, change.delta_base_units, change.block_number) == (holder(1), str(1 - 2**256), 11)
    assert (message.asset_id, message.to_block_hash) == (str(asset_id), "0xab")


def test_a_new_token_is_due_at_once() -> None:
    assert FollowedToken.begin(uuid4(), TOKEN, 0, 10, NOW).due_time == NOW
