"""Whether the work is in the state that a failpoint of a redemption or of deferrals names; as in checks.py."""

from __future__ import annotations

from collections import Counter

from tests.chaos.checks import differs, payable, payout_is
from tests.chaos.found import Found, Payment
from tests.chaos.replay import replayed

# ------------------------------------------------------------------------------------------------- redemption


def listing_not_stored(found: Found) -> list[str]:
    """The live holders are listed in memory only; the payout has not begun."""
    payout = found.books.payout
    return [
        *payout_is(found, "REQUESTED"),
        *differs("the number of listed holders", payout.holder_count if payout else None, 0),
        *_nothing_is_planned(found),
    ]


def listed(found: Found) -> list[str]:
    """The payout knows how many live holders it has to plan; the plan is empty, and nothing is sent for it."""
    payout = found.books.payout
    return [
        *payout_is(found, "PLANNING"),
        *differs("the snapshot id", payout.snapshot_id if payout else None, 0),
        *differs("the number of listed holders", payout.holder_count if payout else None, len(found.owed)),
        *differs("the round", payout.round_number if payout else None, 1),
        *differs("the number of intents", len(found.books.intents), 0),
        *_nothing_is_planned(found),
    ]


def round_not_begun(found: Found) -> list[str]:
    """The first round is paid and tokens have moved meanwhile; the payout does not know of another round."""
    payout = found.books.payout
    return [
        *payout_is(found, "EXECUTING"),
        *differs("the round", payout.round_number if payout else None, 1),
        *_round_is_over(found),
    ]


def round_begun(found: Found) -> list[str]:
    """The second listing is stored: as many holders as are live, none of them looked at yet."""
    payout = found.books.payout
    return [
        *payout_is(found, "PLANNING"),
        *differs("the round", payout.round_number if payout else None, 2),
        *differs(
            "the number of listed holders", payout.holder_count if payout else None, len(found.chain.live_balances)
        ),
        *differs("the number of holders looked at", payout.listed_count if payout else None, 0),
        *_round_is_over(found),
    ]


def not_repriced(found: Found) -> list[str]:
    """Tokens have moved since the plan: the payments and the commitment still say what the plan said."""
    bond = found.bond
    if bond is None:
        return ["no bond is redeemed"]
    live = replayed(found, bond).left
    open_payments = [payment for payment in found.books.payments if payment.state in ("PLANNED", "IN_FLIGHT")]
    planned = {payment.holder: payment.amount_base_units for payment in open_payments}
    moved = [holder for holder, amount in planned.items() if bond.principal(live.get(holder, 0)) != amount]
    return [
        *payout_is(found, "EXECUTING"),
        *([] if moved else ["every payment is what its holder's tokens are worth"]),
        *(
            f"{holder} is to be paid {amount}, {found.owed.get(holder)} were planned"
            for holder, amount in planned.items()
            if found.owed.get(holder) != amount
        ),
        *differs("the commitment", found.books.committed_base_units, sum(planned.values())),
    ]


def _round_is_over(found: Found) -> list[str]:
    """Nothing of the first round is open or promised any more, and somebody holds tokens that are worth money."""
    bond = found.bond
    if bond is None:
        return ["no bond is redeemed"]
    return [
        *(
            f"{payment.holder} of round {payment.round_number} is {payment.state}"
            for payment in found.books.payments
            if payment.state not in ("PAID", "ZERO_DUE") or payment.round_number != 1
        ),
        *(f"batch {batch.number} is open" for batch in found.books.batches if batch.settled_state is None),
        *differs("the commitment", found.books.committed_base_units, 0),
        *(
            []
            if any(bond.principal(tokens) for tokens in found.chain.live_balances.values())
            else ["no live holder is owed anything"]
        ),
    ]


def _nothing_is_planned(found: Found) -> list[str]:
    return [
        *differs("the number of planned payments", len(found.books.payments), 0),
        *differs("the commitment", found.books.committed_base_units, None),
    ]


# --------------------------------------------------------------------------------------------------- deferrals


def deferred_not_released(found: Found) -> list[str]:
    """What both payouts owe together reaches the minimum; the payments of both still wait."""
    return _deferrals_are(found, "DEFERRED")


def deferred_released(found: Found) -> list[str]:
    """The payments of both payouts are in their plans again, all with one commit."""
    return _deferrals_are(found, "PLANNED")


def _deferrals_are(found: Found, state: str) -> list[str]:
    below = {holder: owed for holder, owed in found.owed.items() if 0 < owed < found.minimum_base_units}
    payments: tuple[Payment, ...] = (*found.books.earlier_payments, *found.books.payments)
    states = Counter((payment.holder, payment.state) for payment in payments if payment.holder in below)
    others = {
        payment.state
        for payment in found.books.earlier_payments
        if payment.holder not in below and payment.amount_base_units
    }
    of_this = sum(
        each.amount_base_units for each in found.books.payments if each.state not in ("PAID", "ZERO_DUE")
    )
    return [
        *payout_is(found, "EXECUTING"),
        *([] if below else ["nobody is owed less than the minimum"]),
        *differs("the payments below the minimum", states, Counter(dict.fromkeys([(h, state) for h in below], 2))),
        *differs("the other payments of the earlier payout", others, {"PAID"}),
        *(
            f"{holder} has received {found.chain.received[holder]} base units already"
            for holder in below
            if found.chain.received.get(holder)
        ),
        *differs("the commitment", found.books.committed_base_units, of_this),
        *([] if of_this < payable(found) else ["nobody was paid by this payout"]),
    ]
