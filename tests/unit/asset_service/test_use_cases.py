"""The use cases, on in-memory ports."""

from uuid import UUID, uuid4

import pytest

from asset_service.application.apply_lifecycle_report import ApplyLifecycleReport, ApplyLifecycleReportCommand
from asset_service.application.import_asset import ImportAsset, ImportAssetCommand
from asset_service.application.ports import Account
from asset_service.domain.asset import AssetEvent, AssetState, LifecycleState, PaymentToken
from libs.chain.address import EvmAddress, HederaId
from libs.errors import AppError, Reason
from libs.events import EventNotReadyError
from libs.idempotency import RequestKey
from tests.unit.asset_service.fakes import OPEN_CONDITION, FakeChain, FakeClock, MemoryDatabase
from tests.unit.asset_service.samples import (
    CONTRACT,
    OTHER_CONTRACT,
    PAYMENT_TOKEN,
    TOKEN,
    address,
    incoming,
    report,
)


class World:
    """The use cases on one in-memory database."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.chain = FakeChain()
        clock = FakeClock()
        uow = self.database.unit_of_work
        self.import_asset = ImportAsset(uow, self.chain, self.chain, clock, uuid4)
        self.apply_report = ApplyLifecycleReport(uow, clock)

    async def imported(self, token: EvmAddress = TOKEN, contract: EvmAddress | None = None) -> UUID:
        return await self.import_asset(command(token, contract))


@pytest.fixture
def world() -> World:
    return World()


def command(
    token: Account = TOKEN,
    contract: EvmAddress | None = None,
    payment_token: Account = PAYMENT_TOKEN,
    key: RequestKey | None = None,
) -> ImportAssetCommand:
    return ImportAssetCommand(key or request_key(), token, payment_token, contract)


def request_key(request_id: UUID | None = None, content: bytes = b"1") -> RequestKey:
    return RequestKey(request_id or uuid4(), "ImportAsset", content, "anonymous")


async def refusal(world: World, refused: ImportAssetCommand) -> AppError:
    before = world.database.state
    with pytest.raises(AppError) as caught:
        await world.import_asset(refused)
    assert world.database.state is before
    return caught.value


async def test_import_makes_asset_register_request_and_event(world: World) -> None:
    wanted = command()
    asset_id = await world.import_asset(wanted)
    state = world.database.state
    assert state.assets[asset_id].readiness == (OPEN_CONDITION,)
    assert state.registers[asset_id].last_sequence == 0
    assert state.requests[wanted.key.request_id].resource_id == asset_id
    assert state.events == [(asset_id, AssetEvent.IMPORT_STARTED, 1)]


async def test_import_is_repeated_without_asking_the_chain_again(world: World) -> None:
    wanted = command()
    asset_id = await world.import_asset(wanted)
    asked = len(world.chain.calls)
    assert await world.import_asset(wanted) == asset_id
    assert len(world.chain.calls) == asked


class RacedChain(FakeChain):
    """While it is asked, a call with the same request id goes through."""

    def __init__(self, rival: ImportAsset, wanted: ImportAssetCommand) -> None:
        super().__init__()
        self._rival = rival
        self._wanted = wanted

    async def describe_payment_token(self, payment_token: Account) -> PaymentToken:
        await self._rival(self._wanted)
        return await super().describe_payment_token(payment_token)


async def test_import_that_loses_the_race_returns_the_winners_asset(world: World) -> None:
    wanted = command()
    raced = RacedChain(world.import_asset, wanted)
    late = ImportAsset(world.database.unit_of_work, raced, raced, FakeClock(), uuid4)
    asset_id = await late(wanted)
    assert list(world.database.state.assets) == [asset_id]
    assert world.database.state.events == [(asset_id, AssetEvent.IMPORT_STARTED, 1)]


async def test_import_refuses_a_reused_request_id(world: World) -> None:
    first = command()
    await world.import_asset(first)
    error = await refusal(world, command(key=request_key(first.key.request_id, b"2")))
    assert (error.reason, error.field) == (Reason.REQUEST_ID_REUSED, "request_id")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (command(payment_token=TOKEN), "payment_token"),
        (command(contract=TOKEN), "lifecycle_contract"),
        (command(contract=PAYMENT_TOKEN), "lifecycle_contract"),
    ],
)
async def test_import_refuses_one_address_for_two_contracts(
    world: World, wanted: ImportAssetCommand, field: str
) -> None:
    error = await refusal(world, wanted)
    assert (error.reason, error.field) == (Reason.INVALID_ADDRESS, field)
    assert world.chain.calls == []


HEDERA_TOKEN, HEDERA_PAYMENT_TOKEN = HederaId(0, 0, 7), HederaId(0, 0, 8)


async def test_import_by_hedera_ids_keeps_both_notations(world: World) -> None:
    world.chain.hedera_ids = {HEDERA_TOKEN: TOKEN, HEDERA_PAYMENT_TOKEN: PAYMENT_TOKEN}
    asset_id = await world.import_asset(command(HEDERA_TOKEN, payment_token=HEDERA_PAYMENT_TOKEN))
    asset = world.database.state.assets[asset_id]
    assert (asset.token.address, asset.token.hedera_id) == (TOKEN, "0.0.7")
    assert (asset.payment_token.address, asset.payment_token.hedera_id) == (PAYMENT_TOKEN, "0.0.8")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (command(HEDERA_TOKEN, payment_token=HEDERA_TOKEN), "payment_token"),
        (command(HEDERA_TOKEN, payment_token=TOKEN), "payment_token"),
        (command(TOKEN, payment_token=HEDERA_TOKEN), "payment_token"),
        (command(HEDERA_TOKEN, contract=TOKEN), "lifecycle_contract"),
    ],
)
async def test_import_refuses_one_address_in_two_notations(
    world: World, wanted: ImportAssetCommand, field: str
) -> None:
    world.chain.hedera_ids = {HEDERA_TOKEN: TOKEN}
    error = await refusal(world, wanted)
    assert (error.reason, error.field) == (Reason.INVALID_ADDRESS, field)
    assert "check_readiness" not in world.chain.calls


@pytest.mark.parametrize("call", ["describe_token", "describe_payment_token", "check_readiness"])
async def test_import_writes_nothing_when_a_peer_refuses(world: World, call: str) -> None:
    world.chain.refusals[call] = AppError(Reason.CHAIN_UNAVAILABLE, "away")
    assert (await refusal(world, command())).reason is Reason.CHAIN_UNAVAILABLE


async def test_import_refuses_a_token_or_contract_in_use(world: World) -> None:
    owner = await world.imported(contract=CONTRACT)
    error = await refusal(world, command())
    assert (error.reason, error.field) == (Reason.ASSET_ALREADY_IMPORTED, "token")
    assert error.metadata == {"asset": f"assets/{owner}"}
    error = await refusal(world, command(address(9), CONTRACT))
    assert (error.reason, error.field) == (Reason.LIFECYCLE_CONTRACT_IN_USE, "lifecycle_contract")
    assert error.metadata == {"asset": f"assets/{owner}"}


async def test_a_report_is_applied_once(world: World) -> None:
    asset_id = await world.imported()
    ready = ApplyLifecycleReportCommand(incoming(asset_id), asset_id, report(1, LifecycleState.READY))
    await world.apply_report(ready)
    await world.apply_report(ready)
    again = ApplyLifecycleReportCommand(incoming(asset_id), asset_id, ready.report)
    await world.apply_report(again)
    state = world.database.state
    assert state.assets[asset_id].state is AssetState.ACTIVE
    assert [event for _, event, _ in state.events] == [AssetEvent.IMPORT_STARTED, AssetEvent.IMPORTED]
    assert state.inbox == {ready.event.event_id, again.event.event_id}


async def test_a_report_with_a_contract_in_use_fails_the_import(world: World) -> None:
    owner = await world.imported(contract=CONTRACT)
    asset_id = await world.imported(address(9))
    event = incoming(asset_id)
    await world.apply_report(
        ApplyLifecycleReportCommand(event, asset_id, report(1, LifecycleState.READY, CONTRACT))
    )
    state = world.database.state
    assert state.assets[asset_id].state is AssetState.FAILED
    assert f"assets/{owner}" in state.assets[asset_id].failure_reason
    assert state.events[-1] == (asset_id, AssetEvent.IMPORT_FAILED, 2)
    assert event.event_id in state.inbox
    assert state.assets[owner].lifecycle_contract == CONTRACT


async def test_a_report_of_an_unknown_asset_waits(world: World) -> None:
    event = incoming(uuid4())
    wanted = ApplyLifecycleReportCommand(
        event, event.aggregate_id, report(1, LifecycleState.READY, OTHER_CONTRACT)
    )
    with pytest.raises(EventNotReadyError):
        await world.apply_report(wanted)
    assert not world.database.state.inbox
