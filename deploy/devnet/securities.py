"""Operates the devnet's security tokens: issue, transfer, freeze, announce.

Amounts are base units of the token named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3.logs import DISCARD

from deploy.devnet.node import DevnetNode
from deploy.devnet.roles import ASSET_ROLES, AssetRoles
from deploy.devnet.terms import AssetVersion, Coupon, Dividend, GasBurn

EQUITY: Final[Mapping[AssetVersion, str]] = MappingProxyType(
    {AssetVersion.VERSION_7: "EquityToken", AssetVersion.VERSION_8: "EquityTokenVersion8"}
)
BOND: Final[Mapping[AssetVersion, str]] = MappingProxyType(
    {AssetVersion.VERSION_7: "BondToken", AssetVersion.VERSION_8: "BondTokenVersion8"}
)
# What all of them have, or both of a kind, may be asked of any under these names.
SECURITY: Final = EQUITY[AssetVersion.VERSION_7]
_ANY_EQUITY: Final = EQUITY[AssetVersion.VERSION_7]
_ANY_BOND: Final = BOND[AssetVersion.VERSION_7]
PARTITION: Final = (1).to_bytes(32, "big")
SECOND_PARTITION: Final = (2).to_bytes(32, "big")

# Gas to add per holder so that a payment by addresses costs what was measured with real tokens
# (docs/facts-contracts.md#gas) for payees who hold the money already: 60,900, 113,400, 116,200, 99,700 and 565,000
# per holder. The devnet's own contracts were measured to need 44,600, 54,100, 55,800, 45,000 and 123,000.
GAS_BURN_LIKE_REAL: Final[Mapping[GasBurn, int]] = MappingProxyType(
    {
        GasBurn.SNAPSHOT: 16_300,
        GasBurn.DIVIDEND: 59_300,
        GasBurn.COUPON: 60_400,
        GasBurn.CASH_OUT: 53_700,
        GasBurn.CASH_OUT_AFTER_SNAPSHOT: 442_000,
    }
)


class SecurityTokens(DevnetNode):
    """Operations on equities and bonds. The admin sends them unless stated. Errors are those of DevnetNode.

    The admin may issue, freeze, lock, adjust, pause, grant roles, keep the control list and announce
    dividends and coupons.
    """

    async def version_of(self, token: ChecksumAddress) -> AssetVersion:
        """Return the version of the asset that a token imitates."""
        return AssetVersion(await self.contract(SECURITY, token).functions.assetVersion().call())

    async def roles_of(self, token: ChecksumAddress) -> AssetRoles:
        """Return the names that the token uses for its roles."""
        return ASSET_ROLES[await self.version_of(token)]

    # ------------------------------------------------------------------------------ issuing, redeeming

    async def issue(self, token: ChecksumAddress, amounts: Mapping[ChecksumAddress, int]) -> None:
        """Issue to many holders, in as many transactions as blocks require."""
        await self._send_batches(SECURITY, token, "issueBatch", list(amounts.items()))

    async def issue_into_second_partition(
        self, token: ChecksumAddress, holder: ChecksumAddress, amount: int
    ) -> None:
        """Issue into the second partition, so that a holder's tokens may lie in two."""
        await self.transact(SECURITY, token, "issueByPartition", [(SECOND_PARTITION, holder, amount, b"")])

    async def transfer_by_partition(
        self,
        token: ChecksumAddress,
        sender: ChecksumAddress,
        to: ChecksumAddress,
        amount: int,
        partition: bytes = SECOND_PARTITION,
    ) -> None:
        """Transfer free tokens of one partition; the sender is impersonated."""
        arguments = [partition, (to, amount), b""]
        await self.transact(SECURITY, token, "transferByPartition", arguments, sender=sender)

    async def redeem(self, token: ChecksumAddress, holder: ChecksumAddress, amount: int) -> None:
        """Burn free tokens of a holder, who is impersonated."""
        await self.transact(SECURITY, token, "redeem", [amount], sender=holder)

    # ------------------------------------------------------------------------------ roles

    async def grant_snapshot_role(self, token: ChecksumAddress, account: ChecksumAddress) -> None:
        """Allow `account` to take snapshots. Reverts if it may already."""
        await self._grant(token, (await self.roles_of(token)).snapshot, account)

    async def grant_corporate_action_role(self, token: ChecksumAddress, account: ChecksumAddress) -> None:
        """Allow `account` to announce and cancel dividends or coupons. Reverts if it may already."""
        await self._grant(token, (await self.roles_of(token)).corporate_action, account)

    async def grant_maturity_redeemer_role(self, bond: ChecksumAddress, lifecycle: ChecksumAddress) -> None:
        """Allow a lifecycle contract to redeem the bond. Reverts if it may already."""
        await self._grant(bond, (await self.roles_of(bond)).maturity_redeemer, lifecycle)

    # ------------------------------------------------------------------------------ snapshots

    async def take_snapshot(self, token: ChecksumAddress, sender: ChecksumAddress | None = None) -> int:
        """Take a snapshot as `sender` (the admin if none), who needs the role; return its id.

        Scheduled snapshots that are due are taken first and use up ids of their own.
        """
        receipt = await self.transact(SECURITY, token, "takeSnapshot", [], sender=sender)
        taken = self.contract(SECURITY, token).events.SnapshotTaken()
        (event,) = taken.process_receipt(receipt, errors=DISCARD)
        snapshot_id: int = event["args"]["snapshotID"]
        return snapshot_id

    async def trigger_scheduled_snapshots(self, token: ChecksumAddress) -> None:
        """Take the snapshots of all record dates that have come."""
        await self.transact(SECURITY, token, "triggerPendingScheduledCrossOrderedTasks", [])

    # ------------------------------------------------------------------------------ dividends, coupons

    async def set_dividend(self, equity: ChecksumAddress, dividend: Dividend) -> int:
        """Announce a dividend; return its id."""
        return await self._announce(EQUITY, equity, "Dividend", dividend.as_tuple())

    async def cancel_dividend(self, equity: ChecksumAddress, dividend_id: int) -> None:
        """Cancel a dividend before its execution date."""
        await self.transact(_ANY_EQUITY, equity, "cancelDividend", [dividend_id])

    async def set_coupon(self, bond: ChecksumAddress, coupon: Coupon) -> int:
        """Announce a coupon; return its id."""
        return await self._announce(BOND, bond, "Coupon", coupon.as_tuple())

    async def set_coupon_rate(self, bond: ChecksumAddress, coupon_id: int, rate: int, rate_decimals: int) -> None:
        """Set the rate of a coupon that was announced without one."""
        await self.transact(_ANY_BOND, bond, "setRate", [coupon_id, rate, rate_decimals])

    async def cancel_coupon(self, bond: ChecksumAddress, coupon_id: int) -> None:
        """Cancel a coupon before its execution date."""
        await self.transact(_ANY_BOND, bond, "cancelCoupon", [coupon_id])

    # ------------------------------------------------------------------------------ tokens that cannot move

    async def freeze(self, token: ChecksumAddress, holder: ChecksumAddress, amount: int) -> None:
        """Freeze some of a holder's free tokens."""
        await self.transact(SECURITY, token, "freezePartialTokens", [holder, amount])

    async def unfreeze(self, token: ChecksumAddress, holder: ChecksumAddress, amount: int) -> None:
        """Free some of a holder's frozen tokens."""
        await self.transact(SECURITY, token, "unfreezePartialTokens", [holder, amount])

    async def lock(self, token: ChecksumAddress, holder: ChecksumAddress, amount: int, expiration: int) -> int:
        """Lock some of a holder's free tokens until `expiration` (seconds since 1970); return the lock's id."""
        admin = await self.admin()
        call = self.contract(SECURITY, token).functions.lock(amount, holder, expiration)
        lock_id: int = await call.call({"from": admin})
        await self.transact(SECURITY, token, "lock", [amount, holder, expiration])
        return lock_id

    async def release(self, token: ChecksumAddress, holder: ChecksumAddress, lock_id: int) -> None:
        """Free the tokens of an expired lock."""
        await self.transact(SECURITY, token, "release", [lock_id, holder])

    async def block_holder(self, token: ChecksumAddress, holder: ChecksumAddress) -> None:
        """Put a holder on the control list: no transfers, no redemption."""
        await self.transact(SECURITY, token, "addToControlList", [holder])

    async def unblock_holder(self, token: ChecksumAddress, holder: ChecksumAddress) -> None:
        """Take a holder off the control list."""
        await self.transact(SECURITY, token, "removeFromControlList", [holder])

    # ------------------------------------------------------------------------------ adjustments, gas

    async def adjust_balances(self, token: ChecksumAddress, factor: int, more_decimals: int = 0) -> None:
        """Multiply all balances by `factor` and add digits after the point, without a Transfer."""
        await self.transact(SECURITY, token, "adjustBalances", [factor, more_decimals])

    async def list_follows_free_tokens(self, token: ChecksumAddress) -> None:
        """Let the holder list of an asset of version 7 go wrong as the real one's does: see Version7.sol."""
        await self.transact(SECURITY, token, "setListFollowsFreeTokens", [True])

    async def burn_like_package_2(self, bond: ChecksumAddress) -> None:
        """Let burns of a bond of version 7 tell what the npm package 2.0.0 does: RedeemedByPartition alone."""
        await self.transact(_ANY_BOND, bond, "setBurnsLikePackage2", [True])

    async def set_gas_burn(self, token: ChecksumAddress, payment: GasBurn, gas_per_holder: int) -> None:
        """Let each payment of this kind use up so much more gas per holder."""
        await self.transact(SECURITY, token, "setGasBurn", [payment, gas_per_holder])

    async def burn_gas_like_real(self, token: ChecksumAddress) -> None:
        """Let payments cost about as much gas per holder as with the real token."""
        for payment, gas_per_holder in GAS_BURN_LIKE_REAL.items():
            await self.set_gas_burn(token, payment, gas_per_holder)

    # ------------------------------------------------------------------------------ internals

    async def _grant(self, token: ChecksumAddress, role: HexBytes, account: ChecksumAddress) -> None:
        await self.transact(SECURITY, token, "grantRole", [role, account])

    async def _announce(
        self, contracts: Mapping[AssetVersion, str], token: ChecksumAddress, kind: str, terms: Sequence[Any]
    ) -> int:
        """Call set<kind> and read the id from its event, whose layout is that of the token's version."""
        contract = contracts[await self.version_of(token)]
        receipt = await self.transact(contract, token, f"set{kind}", [terms])
        (event,) = self.contract(contract, token).events[f"{kind}Set"]().process_receipt(receipt, errors=DISCARD)
        action_id: int = event["args"][f"{kind.lower()}Id"]
        return action_id
