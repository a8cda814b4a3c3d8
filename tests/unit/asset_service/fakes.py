"""In-memory implementations of our ports."""

from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from asset_service.application.ports import (
    Account,
    LifecycleContractInUseError,
    TokenAlreadyImportedError,
    TokenDescription,
)
from asset_service.domain.asset import Asset, AssetEvent, AssetState, PaymentToken, SecurityToken, SecurityType
from asset_service.domain.readiness import ConditionKind, ReadinessCondition
from libs.chain.address import EvmAddress, HederaId
from libs.errors import AppError
from libs.events import IncomingEvent
from libs.idempotency import LoggedRequest, RequestKey
from tests.unit.asset_service.register_fakes import MemoryDiscrepancies, MemoryRegisters, RegisterState

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
class MemoryState(RegisterState):
    """What is committed."""

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
        self.discrepancies = MemoryDiscrepancies(self._state)

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


class FakeChain:
    """The ports TokenDescriber and ReadinessChecker."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusals: dict[str, AppError] = {}
        # What the mirror node knows.
        self.hedera_ids: dict[HederaId, EvmAddress] = {}
        self.decimals = 6
        self.total_supply_base_units = 1_000
        self.is_token_paused = False

    async def describe_token(self, token: Account) -> TokenDescription:
        self._enter("describe_token")
        address, hedera_id = self._resolve(token)
        described = SecurityToken(
            CHAIN_ID,
            address,
            "Acme Shares",
            "ACME",
            "CH0000000001",
            self.decimals,
            SecurityType.EQUITY,
            self.total_supply_base_units,
            self.is_token_paused,
            hedera_id,
        )
        return TokenDescription(described, holder_count=3, block_number=7)

    async def describe_payment_token(self, payment_token: Account) -> PaymentToken:
        self._enter("describe_payment_token")
        address, hedera_id = self._resolve(payment_token)
        return PaymentToken(address, "USDX", 6, hedera_id)

    async def check_readiness(
        self, token: EvmAddress, payment_token: EvmAddress, lifecycle_contract: EvmAddress | None
    ) -> tuple[ReadinessCondition, ...]:
        self._enter("check_readiness")
        return (OPEN_CONDITION,)

    def _resolve(self, account: Account) -> tuple[EvmAddress, str]:
        if isinstance(account, HederaId):
            return self.hedera_ids[account], str(account)
        return account, ""

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        if call in self.refusals:
            raise self.refusals[call]
