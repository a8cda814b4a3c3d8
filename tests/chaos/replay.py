"""Follows a bond's tokens through a redemption, transfer by transfer, in integers of its own. Pure functions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.chaos.found import Bond, Found, Transfer

_NOBODY = "0x" + "0" * 40


@dataclass(frozen=True, slots=True)
class Replay:
    """What transfers and burns of the tokens lead to: balances that are left, and who has to have been paid."""

    left: dict[str, int]
    payments: list[Transfer]
    differences: list[str]


def replayed(found: Found, bond: Bond) -> Replay:
    """From the balances before the redemption on. Each burn is of all that its holder has, and worth a payment."""
    balances = Counter(bond.balances)
    payments: list[Transfer] = []
    differences: list[str] = []
    for move in found.chain.moves:
        had = balances[move.sender]
        balances[move.sender] -= move.tokens
        if move.to != _NOBODY:
            balances[move.to] += move.tokens
            continue
        principal = bond.principal(move.tokens)
        payments.append(Transfer(move.sender, principal, move.transaction_hash))
        if move.tokens != had:
            differences.append(f"{move.tokens} tokens of {move.sender} were burned, who had {had}")
        if principal == 0:
            differences.append(f"{move.tokens} tokens of {move.sender} were burned for nothing")
    left = {holder: tokens for holder, tokens in balances.items() if tokens}
    return Replay(left, payments, differences)


def every_token_is_paid_once(found: Found, bond: Bond) -> list[str]:
    """Each burn is paid by a transfer of its principal in the same transaction, and nothing else is paid."""
    replay = replayed(found, bond)
    # A burn for nothing is told above.
    due = Counter(payment for payment in replay.payments if payment.amount_base_units)
    paid = Counter(found.chain.transfers)
    return [
        *replay.differences,
        *(f"{each} was paid without a burn that is worth it" for each in (paid - due).elements()),
        *(f"{each} was not paid for the tokens that were burned" for each in (due - paid).elements()),
    ]


def nothing_is_left(found: Found, bond: Bond) -> list[str]:
    """Nobody holds tokens that are worth a base unit, and the chain's own list of holders says the same."""
    left = replayed(found, bond).left
    live = {holder: tokens for holder, tokens in found.chain.live_balances.items() if tokens}
    return [
        *(f"{holder} still holds {tokens} tokens" for holder, tokens in left.items() if bond.principal(tokens)),
        *([] if live == left else [f"the asset's holders are {live}, {left} were expected"]),
    ]
