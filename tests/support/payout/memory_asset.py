"""The asset of the chain in memory: holders, snapshots, dividends or coupons, and principal.

It is an equity with dividends, or a bond with coupons. Its rules are those of docs/facts-contracts.md and
docs/contract-surprises.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from libs.chain.quantities import BaseUnits, HolderAddress, SnapshotId, TokenUnits


@dataclass(frozen=True, slots=True)
class HeldSnapshot:
    """A snapshot of the asset: holders with their free balances, and the total supply."""

    rows: tuple[tuple[HolderAddress, TokenUnits], ...]
    balances: dict[HolderAddress, TokenUnits]
    supply: TokenUnits
    # With frozen tokens, which count in dividends and coupons.
    whole_balances: dict[HolderAddress, TokenUnits] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """A dividend or a coupon; times in seconds since 1970.

    `per_token` is in base units of the payment token for each base unit of the asset; None while the rate of a
    coupon is pending.
    """

    record_time: int
    execution_time: int
    per_token: Fraction | None
    # 0 until something triggers the scheduled snapshot.
    snapshot_id: SnapshotId = SnapshotId(0)
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Bond:
    """What makes the asset a bond; the principal in the units of Action."""

    maturity_time: int
    principal_per_token: Fraction
    # Version 8 of the asset pays for frozen tokens too, and burns the free ones only.
    pays_for_frozen: bool = False


@dataclass(slots=True)
class AssetState:
    """The part of the asset that blocks change. `timestamp` is that of the block being made or read."""

    timestamp: int = 0
    # Free balances in the order of the asset's list. Who has frozen tokens alone stands there with 0.
    holdings: list[tuple[HolderAddress, TokenUnits]] = field(default_factory=list)
    frozen: dict[str, int] = field(default_factory=dict)
    # Tokens that count in the supply and in nobody's balance.
    unlisted: int = 0
    snapshots: dict[int, HeldSnapshot] = field(default_factory=dict)
    actions: dict[int, Action] = field(default_factory=dict)

    @property
    def supply(self) -> TokenUnits:
        return TokenUnits(sum(free for _, free in self.holdings) + sum(self.frozen.values()) + self.unlisted)

    def free(self, holder: HolderAddress) -> TokenUnits:
        return dict(self.holdings).get(holder, TokenUnits(0))

    def whole(self, holder: HolderAddress) -> TokenUnits:
        """Returns the free and frozen tokens of a holder together."""
        return TokenUnits(self.free(holder) + self.frozen.get(holder, 0))

    # ------------------------------------------------------------------------------------ what changes balances

    def transfer(self, sender: HolderAddress, to: HolderAddress, amount: int) -> None:
        """Transfers free tokens, at most as many as there are."""
        self.trigger()
        amount = min(amount, self.free(sender))
        self._set_free(sender, self.free(sender) - amount)
        self._set_free(to, self.free(to) + amount)

    def burn(self, holder: HolderAddress) -> TokenUnits:
        """Burns all free tokens of a holder. Returns how many."""
        burned = self.free(holder)
        if burned:
            self.trigger()
            self._set_free(holder, 0)
        return burned

    def freeze(self, holder: HolderAddress, amount: int) -> None:
        """Freezes free tokens, at most as many as there are."""
        self.trigger()
        amount = min(amount, self.free(holder))
        self.frozen[holder] = self.frozen.get(holder, 0) + amount
        self._set_free(holder, self.free(holder) - amount)

    def unfreeze(self, holder: HolderAddress, amount: int) -> None:
        """Frees frozen tokens, at most as many as there are."""
        self.trigger()
        amount = min(amount, self.frozen.get(holder, 0))
        self._set_free(holder, self.free(holder) + amount)
        self.frozen[holder] = self.frozen.get(holder, 0) - amount

    def _set_free(self, holder: HolderAddress, amount: int) -> None:
        """Sets a holder's free tokens.

        The last of the list takes the place of one who leaves it (docs/contract-surprises.md#14).
        """
        places = [index for index, (each, _) in enumerate(self.holdings) if each == holder]
        stays = bool(amount or self.frozen.get(holder))
        if not places and stays:
            self.holdings.append((holder, TokenUnits(amount)))
        elif places and stays:
            self.holdings[places[0]] = (holder, TokenUnits(amount))
        elif places:
            self.holdings[places[0]] = self.holdings[-1]
            self.holdings.pop()

    # ------------------------------------------------------------------------------------ snapshots

    def take_snapshot(self) -> SnapshotId:
        """Takes a snapshot after the scheduled ones that are due, which use up ids too
        (docs/contract-surprises.md#13).
        """
        self.trigger()
        return self._new_snapshot()

    def trigger(self) -> None:
        """Takes the scheduled snapshots whose record date has come, in the order of their dates."""
        due = [each for each in self.actions.items() if self._is_due(each[1])]
        for action_id, action in sorted(due, key=lambda each: (each[1].record_time, each[0])):
            self.actions[action_id] = replace(action, snapshot_id=self._new_snapshot())

    def _is_due(self, action: Action) -> bool:
        return not action.snapshot_id and not action.is_cancelled and action.record_time <= self.timestamp

    def _new_snapshot(self) -> SnapshotId:
        snapshot_id = SnapshotId(len(self.snapshots) + 1)
        rows = tuple(self.holdings)
        whole_balances = {holder: TokenUnits(free + self.frozen.get(holder, 0)) for holder, free in rows}
        self.snapshots[snapshot_id] = HeldSnapshot(rows, dict(rows), self.supply, whole_balances)
        return snapshot_id

    # ------------------------------------------------------------------------------------ who is owed what

    def has_reached(self, action: Action) -> bool:
        """Returns True after the record date, but not yet at it."""
        return action.record_time < self.timestamp

    def entitled(self, action: Action) -> Sequence[HolderAddress]:
        """Returns the holders at the record date: none before it, the live ones until the snapshot is
        triggered.
        """
        if not self.has_reached(action):
            return ()
        rows = self.snapshots[action.snapshot_id].rows if action.snapshot_id else self.holdings
        return [holder for holder, _ in rows]

    def balance_for(self, action: Action, holder: HolderAddress) -> TokenUnits:
        """Returns free and frozen tokens at the record date; 0 before it."""
        if not self.has_reached(action):
            return TokenUnits(0)
        if action.snapshot_id:
            return self.snapshots[action.snapshot_id].whole_balances.get(holder, TokenUnits(0))
        return self.whole(holder)

    def owed(self, action: Action, holder: HolderAddress) -> BaseUnits:
        """Returns base units of the payment token, rounded down; 0 while the rate is pending."""
        return floor_of(action.per_token or Fraction(0), self.balance_for(action, holder))

    def principal(self, bond: Bond, holder: HolderAddress) -> BaseUnits:
        """Returns the principal in base units of the payment token, rounded down."""
        balance = self.whole(holder) if bond.pays_for_frozen else self.free(holder)
        return floor_of(bond.principal_per_token, balance)


def floor_of(per_token: Fraction, balance: TokenUnits) -> BaseUnits:
    return BaseUnits(balance * per_token.numerator // per_token.denominator)
