"""Lets the issuer and the holders of an asset act on the chain in memory. It takes effect with the next block.

A reorg does it again. Times are in seconds since 1970; amounts per token are base units of the payment token for
each base unit of the asset.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from libs.chain.quantities import HolderAddress
from tests.support.payout.memory_asset import Action, Bond
from tests.support.payout.memory_node import Block, MemoryNode


class MemoryIssuer(MemoryNode):
    """The issuer of an equity that announces dividends, until it becomes a bond that announces coupons."""

    _announced = 0

    @property
    def timestamp(self) -> int:
        """The time of the newest block."""
        return self.blocks[-1].timestamp

    def stand_at(self, timestamp: int) -> None:
        """Stops the clock of future blocks at a time."""
        self.now = lambda: datetime.fromtimestamp(timestamp, UTC)

    def become_bond(
        self, maturity_time: int, principal_per_token: Fraction | int, *, pays_for_frozen: bool = False
    ) -> None:
        """Makes the asset a bond, at once and for all blocks.

        With `pays_for_frozen` it pays principals as version 8 does.
        """
        self.bond = Bond(maturity_time, Fraction(principal_per_token), pays_for_frozen)

    # ------------------------------------------------------------------------------------ dividends and coupons

    def announce(self, record_time: int, execution_time: int, per_token: Fraction | int | None) -> int:
        """Announces a dividend or, for a bond, a coupon, whose rate is pending without `per_token`.

        Returns its id.
        """
        self._announced += 1
        action_id = self._announced
        rate = None if per_token is None else Fraction(per_token)
        action = Action(record_time, execution_time, rate)
        self.happen(lambda block, _: block.state.actions.update({action_id: action}))
        return action_id

    def set_rate(self, action_id: int, per_token: Fraction | int) -> None:
        """Sets the rate of a coupon whose rate was pending."""
        rate = Fraction(per_token)
        self._change(action_id, lambda action: replace(action, per_token=rate))

    def cancel(self, action_id: int) -> None:
        """Cancels a dividend or coupon. Its snapshot is not taken any more."""
        self._change(action_id, lambda action: replace(action, is_cancelled=True))

    def _change(self, action_id: int, changed: Callable[[Action], Action]) -> None:
        def act(block: Block, _: str) -> None:
            block.state.actions[action_id] = changed(block.state.actions[action_id])

        self.happen(act)

    def trigger_elsewhere(self) -> None:
        """Lets somebody else take the scheduled snapshots that are due."""
        self.happen(lambda block, _: block.state.trigger())

    # ------------------------------------------------------------------------------------ balances

    def transfer(self, sender: HolderAddress, to: HolderAddress, amount: int) -> None:
        """Transfers at most as many free tokens as there are. The asset refuses listed holders."""

        def act(block: Block, _: str) -> None:
            if self.listed_holders.isdisjoint((sender, to)):
                self.happened["token_transfer"] += 1
                block.state.transfer(sender, to, amount)

        self.happen(act)

    def freeze(self, holder: HolderAddress, amount: int) -> None:
        """Freezes at most as many free tokens as there are."""
        self.happen(lambda block, _: block.state.freeze(holder, amount))

    def unfreeze(self, holder: HolderAddress, amount: int) -> None:
        """Frees at most as many frozen tokens as there are."""
        self.happen(lambda block, _: block.state.unfreeze(holder, amount))

    def list_holder(self, holder: HolderAddress) -> None:
        """Puts a holder on the control list, at once. They can then neither transfer nor be redeemed."""
        self.listed_holders.add(holder)

    def unlist_holder(self, holder: HolderAddress) -> None:
        """Takes a holder off the control list, at once."""
        self.listed_holders.discard(holder)
