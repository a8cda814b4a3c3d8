"""What has to hold in the end: everybody paid exactly once, and the ledger agrees. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from tests.chaos.checks import differs
from tests.chaos.found import Found


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


def at_the_end(found: Found, ledger: Iterable[LedgerEntry], next_nonce: int) -> list[str]:
    """Differences, as sentences. `next_nonce`: the signer's, by the newest block."""
    return [
        *_everyone_is_paid_once(found),
        *_ledger_agrees(found, list(ledger)),
        *_journal_agrees(found, next_nonce),
        *differs("the number of snapshots taken", len(found.chain.snapshots), found.snapshots_due),
    ]


def _everyone_is_paid_once(found: Found) -> list[str]:
    due = dict.fromkeys(found.owed, 0) if found.is_given_up else dict(found.owed)
    counts = Counter(transfer.to for transfer in found.chain.transfers)
    differences = [
        f"{holder} received {found.chain.received.get(holder, 0)} base units in {counts[holder]} transfers, "
        f"due are {owed}, once"
        for holder, owed in due.items()
        if (found.chain.received.get(holder, 0), counts[holder]) != (owed, 1 if owed else 0)
    ]
    strangers = sorted(set(counts) - set(found.owed))
    differences += [f"{stranger} was paid and holds nothing" for stranger in strangers]
    return differences + differs(
        "what left the contract", -(found.chain.contract_change_base_units or 0), sum(due.values())
    )


def _ledger_agrees(found: Found, ledger: list[LedgerEntry]) -> list[str]:
    state = "CANCELLED" if found.is_given_up else "PAID"
    paid_in = {transfer.to: transfer.transaction_hash for transfer in found.chain.transfers}
    expected = {
        holder: LedgerEntry(holder, owed, state if owed else "ZERO_DUE", paid_in.get(holder, ""))
        for holder, owed in found.owed.items()
    }
    told = {entry.holder: entry for entry in ledger}
    differences = differs("the number of payments in the ledger", len(ledger), len(expected))
    for holder, entry in expected.items():
        differences += differs(f"the ledger's payment of {holder}", told.get(holder), entry)
    return differences


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
