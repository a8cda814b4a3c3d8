"""The asset: a security token whose holders can be paid once its lifecycle contract is ready."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from asset_service.domain.readiness import ReadinessCondition
from libs.chain.address import EvmAddress


class AssetState(StrEnum):
    """Where an asset is in its life."""

    IMPORTING = "IMPORTING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"


# The only changes of state there are; docs/architecture.md draws its diagram from it.
LEGAL_TRANSITIONS: Mapping[AssetState, frozenset[AssetState]] = {
    # Owner: payout_service, which reports every change of the lifecycle contract until it is ready or failed.
    AssetState.IMPORTING: frozenset({AssetState.ACTIVE, AssetState.FAILED}),
    AssetState.ACTIVE: frozenset(),
    # Final, but it does not block another import of the token.
    AssetState.FAILED: frozenset(),
}


class SecurityType(StrEnum):
    """Kind of security."""

    EQUITY = "EQUITY"
    BOND = "BOND"


class LifecycleOrigin(StrEnum):
    """How the lifecycle contract came to be."""

    DEPLOYED = "DEPLOYED"
    ATTACHED = "ATTACHED"


class LifecycleState(StrEnum):
    """Where payout_service says the lifecycle contract is."""

    DEPLOYING = "DEPLOYING"
    NOT_READY = "NOT_READY"
    READY = "READY"
    FAILED = "FAILED"


class AssetEvent(StrEnum):
    """What happened to an asset that others need to know; the value is the event's name on the wire."""

    IMPORT_STARTED = "asset_import_started"
    IMPORTED = "asset_imported"
    IMPORT_FAILED = "asset_import_failed"


class IllegalTransitionError(Exception):
    """A change that LEGAL_TRANSITIONS does not have."""


class LifecycleContractMismatchError(Exception):
    """A report names another contract than the one that the asset is bound to."""


@dataclass(frozen=True, slots=True)
class SecurityToken:
    """The security token as the chain describes it."""

    chain_id: int
    address: EvmAddress
    display_name: str
    symbol: str
    isin: str
    decimals: int
    security_type: SecurityType


@dataclass(frozen=True, slots=True)
class PaymentToken:
    """The token that holders are paid in, as the chain describes it."""

    address: EvmAddress
    symbol: str
    decimals: int


@dataclass(frozen=True, slots=True)
class LifecycleReport:
    """The whole state of a lifecycle contract at a version, as payout_service reports it."""

    version: int
    state: LifecycleState
    contract: EvmAddress | None
    readiness: tuple[ReadinessCondition, ...]
    failure_reason: str


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset at a version. Verbs return the next version; `events` are those of the last verb.

    `lifecycle_version` is the version of the last report that was applied, 0 before the first.
    """

    asset_id: UUID
    token: SecurityToken
    payment_token: PaymentToken
    lifecycle_contract: EvmAddress | None
    lifecycle_origin: LifecycleOrigin
    lifecycle_version: int
    readiness: tuple[ReadinessCondition, ...]
    state: AssetState
    failure_reason: str
    version: int
    create_time: datetime
    update_time: datetime
    events: tuple[AssetEvent, ...] = ()

    @classmethod
    def start_import(
        cls,
        asset_id: UUID,
        token: SecurityToken,
        payment_token: PaymentToken,
        lifecycle_contract: EvmAddress | None,
        readiness: tuple[ReadinessCondition, ...],
        now: datetime,
    ) -> Self:
        """A new asset. Without a `lifecycle_contract` payout_service shall deploy one."""
        return cls(
            asset_id=asset_id,
            token=token,
            payment_token=payment_token,
            lifecycle_contract=lifecycle_contract,
            lifecycle_origin=LifecycleOrigin.ATTACHED if lifecycle_contract else LifecycleOrigin.DEPLOYED,
            lifecycle_version=0,
            readiness=readiness,
            state=AssetState.IMPORTING,
            failure_reason="",
            version=1,
            create_time=now,
            update_time=now,
            events=(AssetEvent.IMPORT_STARTED,),
        )

    def apply_lifecycle_report(self, report: LifecycleReport, now: datetime) -> Self:
        """The asset after a report; itself when the report is not newer than the last or the import failed.

        An active asset stays active whatever is reported later: only the conditions shown change. Raises
        LifecycleContractMismatchError when the report names another contract than the asset is bound to, and
        ValueError when it says READY without a contract.
        """
        if report.version <= self.lifecycle_version or self.state is AssetState.FAILED:
            return self
        reported = replace(
            self,
            lifecycle_contract=self._contract_after(report),
            lifecycle_version=report.version,
            readiness=report.readiness,
            version=self.version + 1,
            update_time=now,
            events=(),
        )
        if self.state is not AssetState.IMPORTING:
            return reported
        if report.state is LifecycleState.READY:
            return reported._activate()
        if report.state is LifecycleState.FAILED:
            return reported._fail(report.failure_reason or "the lifecycle contract failed without a reason")
        return reported

    def refuse_lifecycle_contract(self, report: LifecycleReport, reason: str, now: datetime) -> Self:
        """The asset after a report whose contract another asset has: failed, the contract left out.

        Raises IllegalTransitionError unless it is being imported.
        """
        refused = replace(
            self,
            lifecycle_version=report.version,
            readiness=report.readiness,
            version=self.version + 1,
            update_time=now,
        )
        return refused._fail(reason)

    def _contract_after(self, report: LifecycleReport) -> EvmAddress | None:
        if report.state is LifecycleState.READY and report.contract is None:
            raise ValueError(f"asset {self.asset_id}: report {report.version} is READY without a contract")
        if report.contract is None or report.contract == self.lifecycle_contract:
            return self.lifecycle_contract
        is_bound = self.lifecycle_origin is LifecycleOrigin.ATTACHED or self.state is AssetState.ACTIVE
        if is_bound:
            # Payments may stand against the known contract: never follow such a report silently.
            raise LifecycleContractMismatchError(
                f"asset {self.asset_id} is bound to {self.lifecycle_contract}, "
                f"report {report.version} names {report.contract}"
            )
        return report.contract

    def _activate(self) -> Self:
        return replace(self._moved_to(AssetState.ACTIVE), events=(AssetEvent.IMPORTED,))

    def _fail(self, reason: str) -> Self:
        failed = self._moved_to(AssetState.FAILED)
        return replace(failed, failure_reason=reason, events=(AssetEvent.IMPORT_FAILED,))

    def _moved_to(self, state: AssetState) -> Self:
        if state not in LEGAL_TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"asset {self.asset_id} is {self.state}, it cannot become {state}")
        return replace(self, state=state)
