"""In-memory implementations of our ports."""

from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from asset_service.application.ports import LifecycleContractInUseError, TokenAlreadyImportedError
from asset_service.domain.asset import Asset, AssetEvent, AssetState, PaymentToken, SecurityToken, SecurityType
from asset_service.domain.readiness import ConditionKind, ReadinessCondition
from asset_service.domain.register import BalanceChanges, HolderCountChange, NegativeBalanceError, Register
from libs.chain.address import EvmAddress
from libs.errors import AppError
from libs.idempotency import LoggedRequest, RequestKey
from libs.messaging.events import IncomingEvent

CHAIN_ID = 298
OPEN_CONDITION = ReadinessCondition(
    ConditionKind.SNAPSHOT_ROLE_HELD, is_satisfied=False, detail="lacks the role", remedy="grant it"
)


class FakeClock:
    """A second passes with every look."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


@dataclass
class MemoryState:
    """What is committed."""

    assets: dict[UUID, Asset] = field(default_factory=dict)
    registers: dict[UUID, Register] = field(default_factory=dict)
    balances: dict[tuple[UUID, str], int] = field(default_factory=dict)
    requests: dict[UUID, LoggedRequest] = field(default_factory=dict)
    inbox: set[UUID] = field(default_factory=set)
    events: list[tuple[UUID, AssetEvent, int]] = field(default_factory=list)

    def fork(self) -> "MemoryState":
        return MemoryState(**{name: copy(value) for name, value in vars(self).items()})


class MemoryDatabase:
    """Makes units of work on one state; a unit of work sees what was committed when it was opened."""

    def __init__(self) -> None:
        self.state = MemoryState()

    def unit_of_work(self) -> "MemoryUnitOfWork":
        return MemoryUnitOfWork(self)


class MemoryUnitOfWork:
    """The port UnitOfWork, for one task at a time."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._state = database.state.fork()
        self.assets = MemoryAssets(self._state)
        self.registers = MemoryRegisters(self._state)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """What was not committed is forgotten with this object."""

    async def find_request(self, request_id: UUID) -> LoggedRequest | None:
        return self._state.requests.get(request_id)

    async def add_request(self, key: RequestKey, resource_id: UUID) -> bool:
        if key.request_id in self._state.requests:
            return False
        self._state.requests[key.request_id] = LoggedRequest(key, resource_id)
        return True

    async def record_incoming(self, event: IncomingEvent) -> bool:
        if event.event_id in self._state.inbox:
            return False
        self._state.inbox.add(event.event_id)
        return True

    async def commit(self) -> None:
        self._database.state = self._state.fork()


class MemoryAssets:
    """The port Assets."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def add(self, asset: Asset) -> None:
        for other in self._others(asset):
            if other.token.address == asset.token.address:
                raise TokenAlreadyImportedError(other.asset_id)
        self._refuse_shared_contract(asset)
        self._put(asset)

    async def get(self, asset_id: UUID) -> Asset | None:
        return self._state.assets.get(asset_id)

    async def lock(self, asset_id: UUID) -> Asset | None:
        return self._state.assets.get(asset_id)

    async def save(self, asset: Asset) -> None:
        if asset.state is not AssetState.FAILED:
            self._refuse_shared_contract(asset)
        self._put(asset)

    def _refuse_shared_contract(self, asset: Asset) -> None:
        for other in self._others(asset):
            if asset.lifecycle_contract and other.lifecycle_contract == asset.lifecycle_contract:
                raise LifecycleContractInUseError(other.asset_id)

    def _others(self, asset: Asset) -> list[Asset]:
        return [
            other
            for other in self._state.assets.values()
            if other.state is not AssetState.FAILED
            and other.asset_id != asset.asset_id
            and other.token.chain_id == asset.token.chain_id
        ]

    def _put(self, asset: Asset) -> None:
        self._state.events += [(asset.asset_id, event, asset.version) for event in asset.events]
        self._state.assets[asset.asset_id] = replace(asset, events=())


class MemoryRegisters:
    """The port Registers."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def add(self, register: Register) -> None:
        self._state.registers[register.asset_id] = register

    async def get(self, asset_id: UUID) -> Register | None:
        return self._state.registers.get(asset_id)

    async def lock(self, asset_id: UUID) -> Register | None:
        return self._state.registers.get(asset_id)

    async def apply(self, asset_id: UUID, changes: BalanceChanges) -> HolderCountChange:
        balances = self._state.balances
        came = went = 0
        for holder, delta in zip(changes.holders, changes.deltas_base_units, strict=True):
            before = balances.pop((asset_id, holder), 0)
            after = before + delta
            if after < 0:
                raise NegativeBalanceError(holder)
            if after:
                balances[asset_id, holder] = after
            came += not before and bool(after)
            went += bool(before) and not after
        return HolderCountChange(came, went)

    async def save(self, register: Register) -> None:
        self._state.registers[register.asset_id] = register


class FakeChain:
    """The ports TokenDescriber and ReadinessChecker."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusals: dict[str, AppError] = {}

    async def describe_token(self, token: EvmAddress) -> SecurityToken:
        self._enter("describe_token")
        return SecurityToken(CHAIN_ID, token, "Acme Shares", "ACME", "CH0000000001", 6, SecurityType.EQUITY)

    async def describe_payment_token(self, payment_token: EvmAddress) -> PaymentToken:
        self._enter("describe_payment_token")
        return PaymentToken(payment_token, "USDX", 6)

    async def check_readiness(
        self, token: EvmAddress, payment_token: EvmAddress, lifecycle_contract: EvmAddress | None
    ) -> tuple[ReadinessCondition, ...]:
        self._enter("check_readiness")
        return (OPEN_CONDITION,)

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        if call in self.refusals:
            raise self.refusals[call]
