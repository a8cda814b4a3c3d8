"""What a payee is due by the chain and the rules alone: computed here once more, with nothing of the engine's."""

from dataclasses import dataclass

from libs.chain.quantities import HolderAddress
from libs.payout_terms.terms import ExcludedShare, PayeeRules, PayoutKind
from tests.support.payout.memory_asset import HeldSnapshot
from tests.support.payout.memory_contract import MemoryContracts, State
from tests.support.payout.memory_node import MemoryNode

_WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class Due:
    """Base units of the payment token; net is what is paid."""

    gross: int
    net: int


def call_total(total: int, snapshot: HeldSnapshot, rules: PayeeRules) -> int:
    """What a snapshot payout's calls split before anything is withheld."""
    if not rules.excluded or rules.excluded_share is ExcludedShare.KEEP:
        return total
    excluded = sum(snapshot.balances.get(each, 0) for each in rules.excluded)
    return total * snapshot.supply // (snapshot.supply - excluded)


def total_for(payee: HolderAddress, total: int, snapshot: HeldSnapshot, rules: PayeeRules) -> int:
    """What the call that pays a payee of a snapshot payout splits."""
    rate = rules.withholding_by_holder.get(payee, rules.withholding_basis_points)
    return call_total(total, snapshot, rules) * (_WHOLE - rate) // _WHOLE


def dues_of_snapshot(total: int, snapshot: HeldSnapshot, rules: PayeeRules) -> dict[str, Due]:
    """By holder of the snapshot. An excluded one is due nothing; its gross is what stays in the contract."""
    dues: dict[str, Due] = {}
    for holder, balance in snapshot.rows:
        gross = call_total(total, snapshot, rules) * balance // snapshot.supply
        net = total_for(holder, total, snapshot, rules) * balance // snapshot.supply
        if holder in rules.excluded:
            gross, net = gross if rules.excluded_share is ExcludedShare.KEEP else 0, 0
        dues[holder] = Due(gross, net)
    return dues


def dues_of_action(action_id: int, state: State, rules: PayeeRules) -> dict[str, Due]:
    """By holder at the record date, by the snapshot that was taken for it. Raises KeyError before that."""
    action = state.actions[action_id]
    dues: dict[str, Due] = {}
    for holder, balance in state.snapshots[action.snapshot_id].whole_balances.items():
        rate = action.per_token or 0
        gross = int(balance * rate // 1)
        dues[holder] = Due(gross, 0 if holder in rules.excluded else gross)
    return dues


def free_principal(contracts: MemoryContracts, state: State, holder: HolderAddress) -> int:
    """Of the tokens that a redemption would burn; 0 of an equity."""
    return principal_of(contracts, state.free(holder))


def principal_of(contracts: MemoryContracts, tokens: int) -> int:
    """Base units, rounded down; 0 of an equity."""
    return int(tokens * contracts.bond.principal_per_token // 1) if contracts.bond else 0


def principal_told(chain: MemoryNode, holder: HolderAddress) -> int:
    """What the bond tells now that a holder is owed; version 8 counts frozen tokens."""
    return chain.state.principal(chain.bond, holder) if chain.bond else 0


def was_paid(state: State, kind: PayoutKind, reference_id: int, holder: HolderAddress) -> int | None:
    """What the token moved from a snapshot, a dividend or a coupon; None without a paid flag."""
    flags = state.paid if kind is PayoutKind.SNAPSHOT else state.distributed
    return flags.get((reference_id, holder))
