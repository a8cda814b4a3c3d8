"""Holdings of security tokens, and how the logs of a window of blocks change them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chain_sync_service.domain.facts import (
    ZERO_ADDRESS,
    Fact,
    FactKind,
    PartitionTransfer,
    SupplyChange,
    Transfer,
)
from libs.chain.quantities import BlockNumber

_NOBODY = ZERO_ADDRESS.value


@dataclass(frozen=True, slots=True)
class Holding:
    """What one holder has, in base units.

    `balance` is what can be moved; the other parts are not included in it.
    """

    balance: int = 0
    frozen: int = 0
    locked: int = 0
    held: int = 0
    cleared: int = 0

    @property
    def total(self) -> int:
        """The sum of balance and parts."""
        return self.balance + self.restricted

    @property
    def restricted(self) -> int:
        """The sum of the parts that cannot be moved."""
        return self.frozen + self.locked + self.held + self.cleared


@dataclass(frozen=True, slots=True)
class HoldingChange:
    """A holder's present holding, the one last published, and the block of the change."""

    holder: str
    before: Holding
    after: Holding
    block_number: BlockNumber

    @property
    def balance_delta(self) -> int:
        """By how much the balance changed."""
        return self.after.balance - self.before.balance

    @property
    def total_delta(self) -> int:
        """By how much balance and parts together changed."""
        return self.after.total - self.before.total


@dataclass(frozen=True, slots=True)
class Fold:
    """The net change of one holder's balance by transfers, and the last block that changed it."""

    holder: str
    delta: int
    block_number: BlockNumber


@dataclass(frozen=True, slots=True)
class WindowEffects:
    """The effects of a window's logs on holdings: balances to adjust by transfers, and holdings to read."""

    folds: tuple[Fold, ...]
    to_read: frozenset[str]
    reads_everybody: bool


def window_effects(
    transfers: Sequence[Transfer],
    supply_changes: Sequence[SupplyChange],
    partition_transfers: Sequence[PartitionTransfer],
    facts: Sequence[Fact],
    *,
    trusts_folding: bool,
) -> WindowEffects:
    """Adds up transfers. Holders whose parts may have changed are read instead, as their transfers may not be real
    ones.

    Locking and freezing tell a transfer to nobody though the supply stays (docs/contract-surprises.md#15). A
    transfer from or to nobody is believed only if the token tells of an issue or a redemption in the same
    transaction. What the token tells by partition and by no transfer, as version 7 does
    (docs/contract-surprises.md#20), is not folded either: who is named is read. Without trust (a replay, whose
    transfers were folded before) everybody whom a log names is read.
    """
    touched = {holder for fact in facts for holder in fact.touched}
    if trusts_folding:
        touched |= _without_counterpart(transfers, supply_changes)
        touched |= _told_by_partition_alone(transfers, partition_transfers)
    else:
        touched |= {party for transfer in transfers for party in (transfer.sender, transfer.receiver)}
        touched |= {party for moved in partition_transfers for party in (moved.sender, moved.receiver)}
        touched |= {each.holder for each in supply_changes}
    touched.discard(_NOBODY)
    return WindowEffects(
        folds=tuple(fold for fold in _net(transfers) if fold.holder not in touched),
        to_read=frozenset(touched),
        reads_everybody=any(fact.touches_everybody for fact in facts),
    )


def _without_counterpart(transfers: Sequence[Transfer], supply_changes: Sequence[SupplyChange]) -> set[str]:
    """Returns holders whose transfers from or to nobody do not match their issues and redemptions one to one."""
    told = Counter((each.log.transaction_hash, each.holder, each.amount) for each in supply_changes)
    without = set()
    for transfer in transfers:
        if (transfer.sender == _NOBODY) == (transfer.receiver == _NOBODY):
            # Between two holders; or by nobody to nobody, which tells that an account was adjusted.
            continue
        holder = transfer.receiver if transfer.sender == _NOBODY else transfer.sender
        counterpart = (transfer.log.transaction_hash, holder, transfer.amount)
        if told[counterpart]:
            told[counterpart] -= 1
        else:
            without.add(holder)
    return without | {holder for (_, holder, _), count in told.items() if count}


def _told_by_partition_alone(
    transfers: Sequence[Transfer], partition_transfers: Sequence[PartitionTransfer]
) -> set[str]:
    """Returns the parties of movements that a partition's log tells but no transfer does."""
    told = Counter(_movement(each) for each in transfers)
    alone = set()
    for each in partition_transfers:
        movement = _movement(each)
        if told[movement]:
            told[movement] -= 1
        else:
            alone |= {each.sender, each.receiver}
    return alone


def _movement(told: Transfer | PartitionTransfer) -> tuple[str, str, str, int]:
    return (told.log.transaction_hash, told.sender, told.receiver, told.amount)


def without_repeated_snapshots(facts: Sequence[Fact]) -> list[Fact]:
    """Returns each snapshot once. Version 2 of the asset also reports a requested snapshot as a triggered one."""
    taken = {_snapshot(fact) for fact in facts if _is_snapshot(fact, scheduled="false")}
    return [fact for fact in facts if not (_is_snapshot(fact, scheduled="true") and _snapshot(fact) in taken)]


def _is_snapshot(fact: Fact, *, scheduled: str) -> bool:
    return fact.kind is FactKind.SNAPSHOT_TAKEN and fact.details["scheduled"] == scheduled


def _snapshot(fact: Fact) -> tuple[str, str]:
    return fact.log.transaction_hash, fact.details["snapshot_id"]


def _net(transfers: Iterable[Transfer]) -> list[Fold]:
    """Returns the net change of every holder, ordered by holder. Holders without a change are left out.

    Issues and redemptions change one holder only: the zero address is nobody. Every other transfer takes from
    one what it gives to another, so without issues and redemptions the changes sum to zero.
    """
    deltas: dict[str, int] = {}
    last_blocks: dict[str, BlockNumber] = {}
    for transfer in transfers:
        for holder, delta in ((transfer.sender, -transfer.amount), (transfer.receiver, transfer.amount)):
            if holder != _NOBODY:
                deltas[holder] = deltas.get(holder, 0) + delta
                last_blocks[holder] = max(
                    last_blocks.get(holder, transfer.log.block_number), transfer.log.block_number
                )
    return [Fold(holder, delta, last_blocks[holder]) for holder, delta in sorted(deltas.items()) if delta]
