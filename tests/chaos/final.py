"""What has to hold in the end: everybody paid exactly once, and the ledger agrees. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from tests.chaos.checks import differs
from tests.chaos.found import Bond, Found, Transfer
from tests.chaos.replay import every_token_is_paid_once, nothing_is_left, replayed


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A payment as ListPayments tells it."""

    holder: str
    amount_base_units: int
    state: str
    transaction_hash: str


def amounts_owed(total_base_units: int, issued: Mapping[ChecksumAddress, int]) -> dict[ChecksumAddress, int]:
    """By holder: floor(total x balance / supply), from the balances that the run itself has issued."""
    supply = sum(issued.values())
    return {holder: total_base_units * balance // supply for holder, balance in issued.items()}


def at_the_end(found: Found, ledgers: Sequence[Sequence[LedgerEntry]], next_nonce: int) -> list[str]:
    """Differences, as sentences. `ledgers`: one per payout; `next_nonce`: the signer's, by the newest block."""
    return [
        *(_bond_is_redeemed(found, found.bond, ledgers) if found.bond else _everyone_is_paid(found, ledgers)),
        *_journal_agrees(found, next_nonce),
        *differs("the number of snapshots taken", len(found.chain.snapshots), found.snapshots_due),
        *differs("the contract's pauses (True) and unpauses", found.chain.pauses, found.pauses_due),
    ]


def _everyone_is_paid(found: Found, ledgers: Sequence[Sequence[LedgerEntry]]) -> list[str]:
    """Once by each payout of the case, as much as is owed, whatever became of the tokens since."""
    times = 0 if found.is_given_up else found.payout_count
    transfers = Counter((transfer.to, transfer.amount_base_units) for transfer in found.chain.transfers)
    due = Counter({(holder, owed): times for holder, owed in found.owed.items() if owed and times})
    differences = [
        *(f"{holder} was paid {amount} base units, not owed" for holder, amount in (transfers - due).elements()),
        *(f"{holder} was not paid {amount} base units" for holder, amount in (due - transfers).elements()),
        *(
            f"{holder} received {amount} base units, due are {times} times {found.owed.get(holder, 0)}"
            for holder, amount in found.chain.received.items()
            if amount != times * found.owed.get(holder, 0)
        ),
        *differs("what left the contract", _left_the_contract(found), times * sum(found.owed.values())),
        *differs("the number of payouts", len(ledgers), found.payout_count),
    ]
    for ledger in ledgers:
        differences += _ledger_lists_everyone(found, ledger)
    return differences + _ledger_names_the_transfers(found, ledgers)


def _ledger_lists_everyone(found: Found, ledger: Sequence[LedgerEntry]) -> list[str]:
    """By holder, amount and state, and whether a transaction is named."""
    state = "CANCELLED" if found.is_given_up else "PAID"
    expected = Counter(
        (holder, owed, state if owed else "ZERO_DUE", bool(owed) and not found.is_given_up)
        for holder, owed in found.owed.items()
    )
    told = Counter(
        (entry.holder, entry.amount_base_units, entry.state, bool(entry.transaction_hash)) for entry in ledger
    )
    return [
        *(f"the ledger has {each}, which was not expected" for each in (told - expected).elements()),
        *(f"the ledger lacks {each}" for each in (expected - told).elements()),
    ]


def _ledger_names_the_transfers(found: Found, ledgers: Sequence[Sequence[LedgerEntry]]) -> list[str]:
    """Each payment that is told as made names the transaction whose Transfer log made it; none is left untold."""
    told = Counter(
        Transfer(entry.holder, entry.amount_base_units, entry.transaction_hash)
        for ledger in ledgers
        for entry in ledger
        if entry.state == "PAID"
    )
    made = Counter(found.chain.transfers)
    return [
        *(f"the ledger says {each}, which the chain does not" for each in (told - made).elements()),
        *(f"the chain says {each}, which the ledger does not" for each in (made - told).elements()),
    ]


def _bond_is_redeemed(found: Found, bond: Bond, ledgers: Sequence[Sequence[LedgerEntry]]) -> list[str]:
    """Every token was paid for once, by whoever held it then; who is left is named and has nothing to get."""
    received: Counter[str] = Counter()
    for transfer in found.chain.transfers:
        received[transfer.to] += transfer.amount_base_units
    entries = [entry for ledger in ledgers for entry in ledger]
    not_due = {entry.holder for entry in entries if (entry.state, entry.amount_base_units) == ("ZERO_DUE", 0)}
    return [
        *every_token_is_paid_once(found, bond),
        *nothing_is_left(found, bond),
        *differs("what left the contract", _left_the_contract(found), received.total()),
        *(
            f"{holder} received {amount} base units, its Transfer logs say {received[holder]}"
            for holder, amount in found.chain.received.items()
            if amount != received[holder]
        ),
        *(
            f"{entry} is neither paid nor due nothing"
            for entry in entries
            if entry.state != "PAID" and (entry.state, entry.amount_base_units) != ("ZERO_DUE", 0)
        ),
        *(
            f"{holder} is left with tokens, and no payment of nothing names it"
            for holder in replayed(found, bond).left
            if holder not in not_due
        ),
        *_ledger_names_the_transfers(found, ledgers),
    ]


def _left_the_contract(found: Found) -> int:
    return -(found.chain.contract_change_base_units or 0)


def _journal_agrees(found: Found, next_nonce: int) -> list[str]:
    """Each of the signer's transactions is the outcome of one intent, nonce by nonce."""
    intents = [intent for intent in found.books.intents if intent.nonce is not None]
    outcomes = {intent.nonce: intent.outcome_hash for intent in intents}
    mined = {
        sent.nonce: sent_hash
        for sent_hash, sent in found.chain.sent.items()
        if sent.block is not None and sent_hash not in found.foreign
    }
    return [
        *differs("the journal's outcomes by nonce", outcomes, mined),
        *differs("the signer's next nonce", next_nonce, found.before.nonce + len(intents) + len(found.foreign)),
        *differs("the lane's next nonce", found.books.next_nonce, next_nonce),
    ]
