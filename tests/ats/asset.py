"""A token of the studio as its issuer and its holders act on it. Amounts are the token's base units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.abi import function_signature_to_4byte_selector
from hexbytes import HexBytes
from web3.contract import Contract
from web3.logs import DISCARD
from web3.types import TxReceipt

from tests.ats.chain import BLOCK_GAS, Chain
from tests.ats.release import CouponTerms, Release
from tests.ats.roles import Roles

# A new holder was measured to cost 0.3 million gas; far from what a block holds.
HOLDERS_PER_ISSUE: Final = 250


@dataclass(frozen=True, slots=True)
class Dividend:
    """What a token tells of a dividend; `snapshot_id` is 0 while it is pending."""

    record: int
    execution: int
    amount: int
    amount_decimals: int
    snapshot_id: int
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class Asset:
    """An equity or a bond. Whatever changes it raises RevertedError if the contract refuses."""

    chain: Chain
    contract: Contract
    release: Release

    @property
    def roles(self) -> Roles:
        """The ids of its roles."""
        return self.release.roles

    @property
    def address(self) -> ChecksumAddress:
        """Where it is."""
        return self.contract.address

    def read(self, function: str, *arguments: Any, block: int | None = None) -> Any:
        """Call a view, at the latest block or at a given one."""
        return self.contract.functions[function](*arguments).call(block_identifier=block or "latest")

    def send(self, function: str, *arguments: Any, sender: ChecksumAddress | None = None) -> TxReceipt:
        """Any function in a transaction of the admin, or of `sender`."""
        return self.chain.transact(self.contract, function, *arguments, sender=sender)

    def events(self, receipt: TxReceipt, name: str) -> list[dict[str, Any]]:
        """The arguments of the receipt's events of this name that the asset emitted."""
        found = self.contract.events[name]().process_receipt(receipt, errors=DISCARD)
        return [dict(log["args"]) for log in found if log["address"] == self.address]

    # ------------------------------------------------------------------------------ holders

    def issue(self, amounts: Mapping[ChecksumAddress, int]) -> None:
        """Issue to many holders, in few transactions."""
        entries = list(amounts.items())
        for start in range(0, len(entries), HOLDERS_PER_ISSUE):
            holders, values = zip(*entries[start : start + HOLDERS_PER_ISSUE], strict=True)
            self.chain.transact(self.contract, "batchMint", holders, values, gas=BLOCK_GAS // 2)

    def transfer(self, sender: ChecksumAddress, to: ChecksumAddress, amount: int) -> TxReceipt:
        """Transfer as the holder."""
        return self.send("transfer", to, amount, sender=sender)

    def freeze(self, holder: ChecksumAddress, amount: int) -> TxReceipt:
        """Freeze a part of a holder's tokens."""
        return self.send("freezePartialTokens", holder, amount)

    def unfreeze(self, holder: ChecksumAddress, amount: int) -> TxReceipt:
        """Undo a part of a freeze."""
        return self.send("unfreezePartialTokens", holder, amount)

    def lock(self, holder: ChecksumAddress, amount: int, until: int) -> TxReceipt:
        """Lock a part of a holder's tokens until a time."""
        return self.send("lock", amount, holder, until)

    def block(self, holder: ChecksumAddress) -> TxReceipt:
        """Put an account on the control list, which is a blacklist."""
        return self.send("addToControlList", holder)

    def unblock(self, holder: ChecksumAddress) -> TxReceipt:
        """Take it off the list."""
        return self.send("removeFromControlList", holder)

    def adjust(self, factor: int, decimals: int) -> TxReceipt:
        """Multiply every balance by `factor` / 10^`decimals`."""
        return self.send("adjustBalances", factor, decimals)

    # ------------------------------------------------------------------------------ administration

    def grant(self, role: HexBytes, account: ChecksumAddress) -> TxReceipt:
        """Give a role."""
        return self.send("grantRole", role, account)

    def pause(self) -> TxReceipt:
        """Pause the asset."""
        return self.send("pause")

    def unpause(self) -> TxReceipt:
        """Unpause it."""
        return self.send("unpause")

    # ------------------------------------------------------------------------------ corporate actions

    def take_snapshot(self, sender: ChecksumAddress) -> int:
        """Take a snapshot as `sender`, who needs the role; its id by the event."""
        (event,) = self.events(self.send("takeSnapshot", sender=sender), "SnapshotTaken")
        return int(event["snapshotID"])

    def set_dividend(self, *, record: int, execution: int, amount: int, amount_decimals: int) -> int:
        """Announce a dividend of `amount` / 10^`amount_decimals` for a whole token; return its id."""
        receipt = self.send(self.release.set_dividend, (record, execution, amount, amount_decimals))
        (event,) = self.events(receipt, "DividendSet")
        return int(event["dividendId"])

    def cancel_dividend(self, dividend_id: int) -> TxReceipt:
        """Cancel before the execution date."""
        return self.send("cancelDividend", dividend_id)

    def set_coupon(self, terms: CouponTerms) -> int:
        """Announce a coupon; return its id."""
        (event,) = self.events(self.send("setCoupon", self.release.coupon_struct(terms)), "CouponSet")
        return int(event["couponId"])

    def cancel_coupon(self, coupon_id: int) -> TxReceipt:
        """Cancel before the execution date."""
        return self.send("cancelCoupon", coupon_id)

    def trigger_pending(self, sender: ChecksumAddress | None = None) -> TxReceipt:
        """Run what is scheduled and due, like a dividend's snapshot after its record date."""
        return self.send("triggerPendingScheduledCrossOrderedTasks", sender=sender)

    def redeem_at_maturity(self, holder: ChecksumAddress, sender: ChecksumAddress) -> TxReceipt:
        """Redeem all of a holder's bonds as `sender`, who needs the role."""
        return self.send("fullRedeemAtMaturity", holder, sender=sender)

    # ------------------------------------------------------------------------------ what it says

    @property
    def matures(self) -> int:
        """A bond's maturity date, in seconds since the epoch."""
        answer = self.read(self.release.maturity_view)
        return int(answer[-1] if isinstance(answer, tuple) else answer)

    def dividend(self, dividend_id: int) -> Dividend:
        """A dividend's terms and state."""
        answer = self.read(self.release.get_dividend, dividend_id)
        (terms, snapshot_id), is_cancelled = answer if self.release.has_cancellation else (answer, False)
        record, execution, amount, amount_decimals = terms
        return Dividend(record, execution, amount, amount_decimals, snapshot_id, is_cancelled)

    def balance_of(self, holder: ChecksumAddress) -> int:
        """The free balance."""
        return int(self.read("balanceOf", holder))

    def amounts(
        self, view: str, accounts: Sequence[ChecksumAddress], block: int | None = None
    ) -> dict[ChecksumAddress, int]:
        """What a view of an account's amount tells of each, by one request, at the latest block or at one."""
        selector = function_signature_to_4byte_selector(f"{view}(address)")
        at = "latest" if block is None else hex(block)
        calls = [
            ({"to": self.address, "data": "0x" + (selector + encode(["address"], [account])).hex()}, at)
            for account in accounts
        ]
        answers = self.chain.rpc_many("eth_call", calls)
        return {account: int(answer, 16) for account, answer in zip(accounts, answers, strict=True)}

    def holders(self) -> Sequence[ChecksumAddress]:
        """The live list of holders."""
        total = self.read("getTotalSecurityHolders")
        return list(self.read("getSecurityHolders", 0, total))
