"""The ports of distribution_service in memory, and makers of what the tests need."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from distribution_service.application.ports import ListPosition, PayoutPreview
from distribution_service.domain.asset import AssetState, KnownAsset
from distribution_service.domain.distribution import Distribution
from distribution_service.domain.events import DomainEvent
from distribution_service.domain.payment_token import PaymentToken
from distribution_service.domain.payout_report import PayoutReport, Progress
from distribution_service.domain.states import PayoutState
from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits
from libs.errors import AppError, Reason
from libs.events import IncomingEvent, event_subject
from libs.idempotency import LoggedRequest, RequestKey, request_hash
from libs.payout_terms.terms import (
    NO_RULES,
    FixedTotal,
    PayeeRules,
    PayoutTerms,
    ShareOfAvailable,
    WhatIsPaid,
)
from payout_service.domain.payee_rules import unsupported_rule

TOKEN = PaymentToken(EvmAddress("0x" + "ab" * 20), "USDC", 6)
LIFECYCLE_CONTRACT = EvmAddress("0x" + "cd" * 20)
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeClock:
    """Goes on by a second each time it is asked."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


@dataclass
class Store:
    """What is committed."""

    assets: dict[UUID, KnownAsset] = field(default_factory=dict)
    distributions: dict[UUID, Distribution] = field(default_factory=dict)
    requests: dict[UUID, LoggedRequest] = field(default_factory=dict)
    inbox: set[UUID] = field(default_factory=set)
    events: list[tuple[DomainEvent, Distribution]] = field(default_factory=list)

    def new_unit_of_work(self) -> "FakeUnitOfWork":
        return FakeUnitOfWork(self)

    def copy(self) -> "Store":
        return Store(
            dict(self.assets),
            dict(self.distributions),
            dict(self.requests),
            set(self.inbox),
            list(self.events),
        )


class FakeAssets:
    """AssetRepository on a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, asset_id: UUID) -> KnownAsset | None:
        return self._store.assets.get(asset_id)

    async def keep_if_newer(self, asset: KnownAsset) -> bool:
        known = self._store.assets.get(asset.asset_id)
        if known and known.version >= asset.version:
            return False
        self._store.assets[asset.asset_id] = asset
        return True


class FakeDistributions:
    """DistributionRepository on a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, distribution: Distribution) -> None:
        self._keep(distribution)

    async def find(self, distribution_id: UUID) -> Distribution | None:
        return self._store.distributions.get(distribution_id)

    async def find_for_update(self, distribution_id: UUID) -> Distribution | None:
        return self._store.distributions.get(distribution_id)

    async def update(self, distribution: Distribution) -> None:
        if distribution.distribution_id not in self._store.distributions:
            raise LookupError(str(distribution.distribution_id))
        self._keep(distribution)

    def _keep(self, distribution: Distribution) -> None:
        self._store.events += [(event, distribution) for event in distribution.recorded_events]
        self._store.distributions[distribution.distribution_id] = replace(distribution, recorded_events=())


class FakeUnitOfWork:
    """A transaction on a copy of the store; `commit` puts the copy in its place. One at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._copy = store.copy()
        self.assets = FakeAssets(self._copy)
        self.distributions = FakeDistributions(self._copy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    async def commit(self) -> None:
        self._store.__dict__.update(self._copy.copy().__dict__)

    async def record_incoming(self, event: IncomingEvent) -> bool:
        if event.event_id in self._copy.inbox:
            return False
        self._copy.inbox.add(event.event_id)
        return True

    async def find_request(self, request_id: UUID) -> LoggedRequest | None:
        return self._copy.requests.get(request_id)

    async def add_request(self, key: RequestKey, resource_id: UUID) -> bool:
        if key.request_id in self._copy.requests:
            return False
        self._copy.requests[key.request_id] = LoggedRequest(key, resource_id)
        return True


class FakeReader:
    """DistributionReader on a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, distribution_id: UUID) -> Distribution | None:
        return self._store.distributions.get(distribution_id)

    async def page(self, asset_id: UUID | None, after: ListPosition | None, limit: int) -> Sequence[Distribution]:
        behind = (after.create_time, after.distribution_id) if after else None
        found = sorted(
            (item.create_time, item.distribution_id)
            for item in self._store.distributions.values()
            if asset_id in (None, item.asset_id)
        )
        wanted = [key for key in found if behind is None or key > behind][:limit]
        return [self._store.distributions[key[1]] for key in wanted]

    async def newer_than(self, versions: Mapping[UUID, int]) -> Sequence[Distribution]:
        known = self._store.distributions
        return [known[key] for key, version in versions.items() if key in known and known[key].version > version]


@dataclass
class FakePayouts:
    """Answers with `preview_answer` or raises `error`; `before_answer` runs while the caller waits.

    It judges rules as payout_service does: nobody else judges them.
    """

    preview_answer: PayoutPreview
    error: AppError | None = None
    before_answer: Callable[[], Awaitable[object]] | None = None
    asked: list[tuple[UUID, PayoutTerms, bool]] = field(default_factory=list)

    async def preview(self, asset_id: UUID, terms: PayoutTerms, *, with_amounts: bool) -> PayoutPreview:
        self.asked.append((asset_id, terms, with_amounts))
        unsupported = unsupported_rule(terms)
        if unsupported:
            raise AppError(Reason.RULE_NOT_SUPPORTED, unsupported.why, field=f"terms.rules.{unsupported.field}")
        if self.before_answer:
            before_answer, self.before_answer = self.before_answer, None
            await before_answer()
        if self.error:
            raise self.error
        return self.preview_answer


def preview(
    holder_count: int = 3, available: int = 10_000_000, shortfall: int = 0, total: int = 1_000_000
) -> PayoutPreview:
    return PayoutPreview(
        total_base_units=total,
        holder_count=holder_count,
        zero_due_count=1,
        payable_base_units=available + shortfall,
        rounding_dust_base_units=2,
        frozen_share_base_units=0,
        gross_base_units=available + shortfall,
        withheld_base_units=0,
        excluded_base_units=0,
        excluded_count=0,
        deferred_base_units=0,
        deferred_count=0,
        available_base_units=available,
        shortfall_base_units=shortfall,
        block_number=42,
        is_pending=False,
        readiness=(),
        largest_payments=(),
    )


def asset(state: AssetState = AssetState.ACTIVE, version: int = 3, asset_id: UUID | None = None) -> KnownAsset:
    return KnownAsset(asset_id or uuid4(), version, 298, TOKEN, LIFECYCLE_CONTRACT, state)


def request_key(content: str = "content", request_id: UUID | None = None) -> RequestKey:
    return RequestKey(request_id or uuid4(), "CreateDistribution", request_hash(content.encode()), "anonymous")


def released(total_base_units: int = 1_000_000) -> Distribution:
    return released_on(FixedTotal(BaseUnits(total_base_units)))


def released_share(basis_points: int = 1_250) -> Distribution:
    return released_on(ShareOfAvailable(basis_points))


def released_on(pays: WhatIsPaid, rules: PayeeRules = NO_RULES) -> Distribution:
    return Distribution.release(
        distribution_id=uuid4(),
        asset_id=uuid4(),
        terms=PayoutTerms(pays, rules),
        payment_token=TOKEN,
        allow_unfunded=False,
        now=START,
    )


def progress(
    holders: int = 4,
    paid: int = 0,
    failed: int = 0,
    zero_due: int = 0,
    waiting: int = 0,
    cancelled: int = 0,
    excluded: int = 0,
    deferred: int = 0,
    paid_base_units: int = 0,
    cancelled_base_units: int = 0,
    excluded_base_units: int = 0,
    withheld_base_units: int = 0,
    deferred_base_units: int = 0,
) -> Progress:
    return Progress(
        holder_count=holders,
        paid_count=paid,
        failed_count=failed,
        zero_due_count=zero_due,
        waiting_count=waiting,
        cancelled_count=cancelled,
        excluded_count=excluded,
        deferred_count=deferred,
        paid_base_units=paid_base_units,
        cancelled_base_units=cancelled_base_units,
        excluded_base_units=excluded_base_units,
        withheld_base_units=withheld_base_units,
        deferred_base_units=deferred_base_units,
        batch_count=1,
        final_batch_count=1,
    )


def report(
    distribution: Distribution,
    version: int,
    state: PayoutState,
    told: Progress | None = None,
    waiting_for: str = "",
    failure_reason: str = "",
    total_base_units: int | None = None,
    has_plan: bool = True,
) -> PayoutReport:
    """What payout_service would tell of this distribution; by default with figures that fit the state."""
    if told is None:
        fitting = {
            PayoutState.COMPLETED: progress(paid=4),
            PayoutState.CANCELLED: progress(paid=1, failed=1, cancelled=2),
            PayoutState.DEFERRED: progress(paid=3, deferred=1),
        }
        told = fitting.get(state, progress())
    return PayoutReport(
        distribution_id=distribution.distribution_id,
        asset_id=distribution.asset_id,
        version=version,
        state=state,
        total_base_units=distribution.total_base_units if total_base_units is None else total_base_units,
        terms=distribution.terms,
        payment_token=distribution.payment_token.address,
        has_plan=has_plan,
        progress=told,
        waiting_for=waiting_for,
        failure_reason=failure_reason,
    )


def incoming(aggregate_id: UUID, event_name: str, version: int = 1, payload: bytes = b"") -> IncomingEvent:
    context = "asset" if event_name.startswith("asset_") else "payout"
    return IncomingEvent(
        event_id=uuid4(),
        subject=event_subject(context, event_name, str(aggregate_id)),
        event_name=event_name,
        aggregate_id=aggregate_id,
        aggregate_version=version,
        payload=payload,
    )
