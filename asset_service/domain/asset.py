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
    """The states of an asset."""

    IMPORTING = "IMPORTING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"


# The only changes of state there are; docs/state-machines.md draws its diagram from it.
LEGAL_TRANSITIONS: Mapping[AssetState, frozenset[AssetState]] = {
    # Owner: payout_service, which reports every change of the lifecycle contract until it is ready or failed.
    AssetState.IMPORTING: frozenset({AssetState.ACTIVE, AssetState.FAILED}),
    AssetState.ACTIVE: frozenset(),
    # Final, but it does not block another import of the token.
    AssetState.FAILED: frozenset(),
}


class SyncState(StrEnum):
    """Whether chain_sync_service follows the asset."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


class PauseState(StrEnum):
    """Whether the lifecycle contract is paused."""

    UNPAUSED = "UNPAUSED"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    UNPAUSING = "UNPAUSING"


# The only changes of the pause state there are; docs/state-machines.md draws its diagram from it.
PAUSE_TRANSITIONS: Mapping[PauseState, frozenset[PauseState]] = {
    # PAUSED without a request of ours: somebody else paused the contract.
    PauseState.UNPAUSED: frozenset({PauseState.PAUSING, PauseState.PAUSED}),
    # Owner: payout_service, which reports when the transaction is final. The operator may change their mind.
    PauseState.PAUSING: frozenset({PauseState.PAUSED, PauseState.UNPAUSING}),
    PauseState.PAUSED: frozenset({PauseState.UNPAUSING, PauseState.UNPAUSED}),
    # Owner: payout_service, likewise.
    PauseState.UNPAUSING: frozenset({PauseState.UNPAUSED, PauseState.PAUSING}),
}


class SecurityType(StrEnum):
    """Kind of security."""

    EQUITY = "EQUITY"
    BOND = "BOND"


class LifecycleOrigin(StrEnum):
    """Whether we deployed the lifecycle contract or it was given."""

    DEPLOYED = "DEPLOYED"
    ATTACHED = "ATTACHED"


class LifecycleState(StrEnum):
    """The states of a lifecycle contract, as payout_service reports them."""

    DEPLOYING = "DEPLOYING"
    NOT_READY = "NOT_READY"
    READY = "READY"
    FAILED = "FAILED"


class AssetEvent(StrEnum):
    """The events of an asset that other services need to know. The value is the event's name on the wire."""

    IMPORT_STARTED = "asset_import_started"
    IMPORTED = "asset_imported"
    IMPORT_FAILED = "asset_import_failed"
    PAUSE_REQUESTED = "asset_pause_requested"
    SYNC_CHANGED = "asset_sync_changed"
    CHANGED = "asset_changed"


class IllegalTransitionError(Exception):
    """A change of state that LEGAL_TRANSITIONS or PAUSE_TRANSITIONS does not allow."""


class NotPausableError(Exception):
    """The asset is in a state in which its lifecycle contract cannot be paused; the message says why."""


class TokenDiffersError(Exception):
    """A description is about another token, or another chain, than the asset's."""


class LifecycleContractMismatchError(Exception):
    """A report names another contract than the one that belongs to the asset."""


@dataclass(frozen=True, slots=True)
class SecurityToken:
    """The security token as the chain describes it.

    `hedera_id` is empty where it is not known. `total_supply_base_units` is None for an asset that was imported
    before the supply was kept, until it is described again.
    """

    chain_id: int
    address: EvmAddress
    display_name: str
    symbol: str
    isin: str
    decimals: int
    security_type: SecurityType
    total_supply_base_units: int | None
    is_paused: bool
    hedera_id: str = ""


@dataclass(frozen=True, slots=True)
class PaymentToken:
    """The token in which holders are paid, as it is on the chain. `hedera_id` is empty where it is unknown."""

    address: EvmAddress
    symbol: str
    decimals: int
    hedera_id: str = ""


@dataclass(frozen=True, slots=True)
class LifecycleReport:
    """The whole state of a lifecycle contract in one version, as payout_service reports it.

    `pause_request_version` is the version of the asset whose request to pause or unpause was carried out last, 0
    before the first; `pause_problem` says why the one that is under way does not get on.
    """

    version: int
    state: LifecycleState
    contract: EvmAddress | None
    readiness: tuple[ReadinessCondition, ...]
    failure_reason: str
    is_paused: bool
    pause_request_version: int
    pause_problem: str


@dataclass(frozen=True, slots=True)
class PauseSeen:
    """A contract of the asset was seen to be paused, or unpaused, on the chain.

    `sequence` is the place among what chain_sync_service tells of the asset.
    """

    sequence: int
    contract: EvmAddress
    is_paused: bool


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset in one version. Each verb returns the next version; `events` are those of the last verb.

    `lifecycle_version` is the version of the last report that was applied, 0 before the first. `pause_request`
    is the version at which the pausing or unpausing that is under way was asked for; None when none is.
    `pause_seen_sequence` is the `sequence` of the last PauseSeen that was applied, 0 before the first;
    `is_reported_paused` is what the last report said of the lifecycle contract.
    `sync_time` is when the token was last described; None for an asset that was imported before this was kept.
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
    sync_state: SyncState
    sync_time: datetime | None
    pause_state: PauseState
    pause_request: int | None
    pause_problem: str
    pause_seen_sequence: int
    is_reported_paused: bool
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
        """Returns a new asset. Without a `lifecycle_contract`, payout_service deploys one."""
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
            sync_state=SyncState.ENABLED,
            sync_time=now,
            # payout_service reports what it is in truth.
            pause_state=PauseState.UNPAUSED,
            pause_request=None,
            pause_problem="",
            pause_seen_sequence=0,
            is_reported_paused=False,
            version=1,
            create_time=now,
            update_time=now,
            events=(AssetEvent.IMPORT_STARTED,),
        )

    def apply_lifecycle_report(self, report: LifecycleReport, now: datetime) -> Self:
        """Returns the asset after a report. It is unchanged when the report is not newer or the import has failed.

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
            is_reported_paused=report.is_paused,
            version=self.version + 1,
            update_time=now,
            events=(),
        )._with_reported_pause(report)
        if self.state is not AssetState.IMPORTING:
            return reported
        if report.state is LifecycleState.READY:
            return reported._activate()
        if report.state is LifecycleState.FAILED:
            return reported._fail(report.failure_reason or "the lifecycle contract failed without a reason")
        return reported

    def refuse_lifecycle_contract(self, report: LifecycleReport, reason: str, now: datetime) -> Self:
        """Returns the asset as failed and without a contract: the reported one belongs to another asset.

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

    def sync(self, described: SecurityToken, now: datetime) -> Self:
        """Returns the asset after its token was described again. The version rises only when the description
        differs.

        Kind and address of a token do not change; a Hedera id, once known, is kept. Raises TokenDiffersError.
        """
        if (described.chain_id, described.address) != (self.token.chain_id, self.token.address):
            raise TokenDiffersError(
                f"asset {self.asset_id} is {self.token.address} on chain {self.token.chain_id}, described was "
                f"{described.address} on chain {described.chain_id}"
            )
        hedera_id = described.hedera_id or self.token.hedera_id
        token = replace(described, security_type=self.token.security_type, hedera_id=hedera_id)
        synced = replace(self, sync_time=now, events=())
        return synced if token == self.token else replace(synced, token=token)._changed(now)

    def change_sync(self, state: SyncState, now: datetime) -> Self:
        """Returns the asset with following turned on or off. It is unchanged when that is so already."""
        if state is self.sync_state:
            return self
        return replace(self, sync_state=state)._changed(now, AssetEvent.SYNC_CHANGED)

    def request_pause(self, now: datetime) -> Self:
        """Returns the asset in state PAUSING. It is unchanged when its contract is paused or is being paused.

        Raises NotPausableError when the import failed or the contract does not exist yet.
        """
        return self._request(PauseState.PAUSING, PauseState.PAUSED, now)

    def request_unpause(self, now: datetime) -> Self:
        """Returns the asset in state UNPAUSING. It is unchanged when its contract is unpaused or is being
        unpaused.

        Raises NotPausableError as `request_pause`.
        """
        return self._request(PauseState.UNPAUSING, PauseState.UNPAUSED, now)

    def see_pause(self, seen: PauseSeen, now: datetime) -> Self:
        """Returns the asset after its token or lifecycle contract was seen paused or unpaused.

        While a request is open only payout_service's report ends it. What an earlier or repeated event saw, or
        one of another contract, changes nothing.
        """
        if seen.sequence <= self.pause_seen_sequence:
            return self
        noted = replace(self, pause_seen_sequence=seen.sequence, events=())
        if seen.contract == self.token.address and seen.is_paused != self.token.is_paused:
            return replace(noted, token=replace(self.token, is_paused=seen.is_paused))._changed(now)
        if seen.contract == self.lifecycle_contract and self.pause_request is None:
            return noted._followed_pause(seen.is_paused, now)
        return noted

    def forget_pause_seen(self, now: datetime) -> Self:
        """Returns the asset after a pause that was seen left the chain. The pause state is then that of the last
        report.

        If the report is behind the chain, payout_service's next look tells. An open request stays open.
        """
        if self.pause_request is not None:
            return self
        return self._followed_pause(self.is_reported_paused, now)

    def _request(self, asked: PauseState, reached: PauseState, now: datetime) -> Self:
        if self.state is AssetState.FAILED:
            raise NotPausableError(f"the import of assets/{self.asset_id} failed")
        if self.lifecycle_contract is None:
            raise NotPausableError(f"the lifecycle contract of assets/{self.asset_id} is not deployed yet")
        if self.pause_state in (asked, reached):
            return self
        requested = replace(self._pause_moved_to(asked), pause_request=self.version + 1, pause_problem="")
        return requested._changed(now, AssetEvent.PAUSE_REQUESTED)

    def _with_reported_pause(self, report: LifecycleReport) -> Self:
        """Returns the asset with the pause state of a report. The caller raises the version."""
        if self.pause_request is None or self._is_answered_by(report):
            after = self._following_pause(report.is_paused)
        else:
            after = replace(self, pause_problem=self._open_problem(report))
        is_changed = (after.pause_state, after.pause_problem) != (self.pause_state, self.pause_problem)
        return replace(after, events=(AssetEvent.CHANGED,)) if is_changed else after

    def _is_answered_by(self, report: LifecycleReport) -> bool:
        """Returns True if the last request was carried out and its effect still stands.

        The version alone is not enough: somebody else may have undone it since.
        """
        is_pause_asked = self.pause_state is PauseState.PAUSING
        return report.pause_request_version >= (self.pause_request or 0) and report.is_paused == is_pause_asked

    def _open_problem(self, report: LifecycleReport) -> str:
        """Returns why the current request is still open, after a report that does not end it."""
        is_carried_out = report.pause_request_version >= (self.pause_request or 0)
        if report.pause_problem or not is_carried_out:
            return report.pause_problem
        return f"carried out, but the contract is {'' if report.is_paused else 'not '}paused: somebody undid it"

    def _followed_pause(self, is_paused: bool, now: datetime) -> Self:
        followed = self._following_pause(is_paused)
        return self if followed.pause_state is self.pause_state else followed._changed(now)

    def _following_pause(self, is_paused: bool) -> Self:
        state = PauseState.PAUSED if is_paused else PauseState.UNPAUSED
        moved = self if state is self.pause_state else self._pause_moved_to(state)
        return replace(moved, pause_request=None, pause_problem="")

    def _pause_moved_to(self, state: PauseState) -> Self:
        if state not in PAUSE_TRANSITIONS[self.pause_state]:
            raise IllegalTransitionError(f"asset {self.asset_id} is {self.pause_state}, it cannot become {state}")
        return replace(self, pause_state=state)

    def _changed(self, now: datetime, *events: AssetEvent) -> Self:
        return replace(self, version=self.version + 1, update_time=now, events=(*events, AssetEvent.CHANGED))

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
        return replace(self._moved_to(AssetState.ACTIVE), events=(AssetEvent.IMPORTED, *self.events))

    def _fail(self, reason: str) -> Self:
        failed = self._moved_to(AssetState.FAILED)
        # Nobody looks at the contract of a failed import any more: an open request stays open, and says so.
        pause_problem = self.pause_problem if self.pause_request is None else "the import failed"
        return replace(
            failed, failure_reason=reason, pause_problem=pause_problem, events=(AssetEvent.IMPORT_FAILED,)
        )

    def _moved_to(self, state: AssetState) -> Self:
        if state not in LEGAL_TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"asset {self.asset_id} is {self.state}, it cannot become {state}")
        return replace(self, state=state)
