"""The port to the asset: its snapshots, holders, dividends and coupons, and what it says that holders are owed.

Methods raise AppError CHAIN_UNAVAILABLE when the node does not answer; what is named besides is listed at the
method. Addresses in bulk are lower-case strings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, HolderAddress, SnapshotId, TokenUnits
from libs.payout_terms.terms import PayoutKind
from payout_service.domain.plan import Entitlement
from payout_service.domain.transaction import ContractCall


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementSource:
    """Where the asset computes amounts from: a dividend or coupon, or the principal of live balances."""

    token: EvmAddress
    kind: PayoutKind
    # 0 for a redemption.
    action_id: int
    payment_token_decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporateAction:
    """A dividend or coupon as the asset reports it; times in seconds since 1970."""

    record_time: int
    execution_time: int
    # 0 until something triggers the scheduled snapshot (docs/contract-surprises.md#16).
    snapshot_id: SnapshotId
    is_cancelled: bool
    # False while a coupon's rate is pending.
    is_rate_set: bool = True


class SecurityToken(Protocol):
    """Makes calls to send to the asset, and reads it for payouts."""

    def take_snapshot(self, token: EvmAddress) -> ContractCall:
        """Returns the call of the asset's takeSnapshot()."""
        ...

    def trigger_snapshots(self, token: EvmAddress) -> ContractCall:
        """Returns the call of triggerPendingScheduledCrossOrderedTasks(), which anyone may send."""
        ...

    async def holds_redeemer_role(self, token: EvmAddress, contract: EvmAddress) -> bool:
        """Returns True if the lifecycle contract may redeem the bond's tokens, by version 7's or 8's role."""
        ...

    async def holds_snapshot_role(self, token: EvmAddress, signer: EvmAddress) -> bool:
        """Returns True if the signer may take snapshots of the asset, by version 7's or 8's role."""
        ...

    async def snapshot_id_in(self, transaction_hash: str, token: EvmAddress) -> SnapshotId | None:
        """Returns the snapshot id in the asset's SnapshotTaken event of a receipt; None without such an event."""
        ...

    async def snapshot_balances(
        self,
        token: EvmAddress,
        snapshot_id: SnapshotId,
        holders: Sequence[HolderAddress],
        block_number: BlockNumber,
    ) -> dict[HolderAddress, TokenUnits]:
        """Returns free balances of these holders at a snapshot, by holder; 0 for one who held nothing."""
        ...

    async def snapshot_totals(
        self, token: EvmAddress, snapshot_id: SnapshotId, block_number: BlockNumber
    ) -> tuple[int, TokenUnits]:
        """Returns the number of holders and the total supply at a snapshot, read at a block."""
        ...

    async def snapshot_page(
        self, token: EvmAddress, snapshot_id: SnapshotId, *, page: int, length: int, block_number: BlockNumber
    ) -> list[tuple[HolderAddress, TokenUnits]]:
        """Returns holders and free balances of one page of a snapshot's list, in the list's order."""
        ...

    async def live_totals(self, token: EvmAddress, block_number: BlockNumber) -> tuple[int, TokenUnits]:
        """Returns the number of live holders and the total supply at a block."""
        ...

    async def live_page(
        self, token: EvmAddress, *, page: int, length: int, block_number: BlockNumber
    ) -> list[tuple[HolderAddress, TokenUnits]]:
        """Returns live holders and balances of one page of the list, at a block."""
        ...

    async def live_balances(
        self, token: EvmAddress, holders: Sequence[HolderAddress], block_number: BlockNumber
    ) -> dict[HolderAddress, TokenUnits]:
        """Returns free live balances of these holders at a block, by holder; 0 for one who holds nothing."""
        ...

    async def corporate_action(
        self, token: EvmAddress, kind: PayoutKind, action_id: int, block_number: BlockNumber | None = None
    ) -> CorporateAction | None:
        """Returns a dividend or coupon at a block (None: the newest); None when there is none with this id.

        Raises AppError ASSET_VERSION_NOT_SUPPORTED: the asset has it as the lifecycle contract cannot read it.
        """
        ...

    async def maturity_time(self, token: EvmAddress) -> int | None:
        """Returns when a bond matures, in seconds since 1970; None when the asset is no bond."""
        ...

    async def entitled_count(self, source: EntitlementSource, block_number: BlockNumber) -> int:
        """Returns the number of the action's holders, or of live holders, at a block; 0 before the record date."""
        ...

    async def entitled_page(
        self, source: EntitlementSource, *, page: int, length: int, block_number: BlockNumber
    ) -> list[Entitlement]:
        """Returns one page of that list in its order, with what the contract computes for each (rounded down)."""
        ...

    async def entitlements(
        self, source: EntitlementSource, holders: Sequence[HolderAddress], block_number: BlockNumber | None = None
    ) -> list[Entitlement]:
        """Returns what these holders are owed at a block (None: the newest), in their order."""
        ...
