"""The run's own judgement of redemptions and deferrals: good ones pass, each kind of damage is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos import checks, kind_checks
from tests.chaos.final import LedgerEntry, at_the_end
from tests.chaos.found import (
    Batch,
    Before,
    Bond,
    Books,
    Chain,
    Found,
    Move,
    Payment,
    Payout,
    Transfer,
)

_ALICE, _BOB, _CAROL, _DUST = ("0x" + each * 20 for each in ("a1", "b0", "ca", "d0"))
_NOBODY = "0x" + "0" * 40
_BOND = Bond({_ALICE: 70_000, _BOB: 30_050, _DUST: 99}, 100)
_OWED = {_ALICE: 700, _BOB: 300, _DUST: 0}
_PAYOUT = Payout("EXECUTING", 7, 0, 3, 3, "hash", 1_000, 0, 0, 0, 0, 1, 3)


def _payment(holder: str, amount: int, state: str, round_number: int = 1, transaction_hash: str = "") -> Payment:
    return Payment(holder, amount, state, None, transaction_hash, round_number)


# ---------------------------------------------------------------------------------------------- a whole redemption

# Alice is redeemed; Bob has sold to Carol and, in part, to Alice, who is redeemed once more.
_MOVES = (
    Move(_ALICE, _NOBODY, 70_000, "0x1"),
    Move(_BOB, _CAROL, 20_000, "0x2"),
    Move(_BOB, _ALICE, 10_050, "0x3"),
    Move(_CAROL, _NOBODY, 20_000, "0x4"),
    Move(_ALICE, _NOBODY, 10_050, "0x4"),
)
_TRANSFERS = (Transfer(_ALICE, 700, "0x1"), Transfer(_CAROL, 200, "0x4"), Transfer(_ALICE, 100, "0x4"))
_REDEEMED = Found(
    Before(5),
    1_000,
    _OWED,
    Books(payout=None, contract_state="READY", next_nonce=5),
    Chain(
        sent={},
        received={_ALICE: 800, _BOB: 0, _CAROL: 200, _DUST: 0},
        transfers=_TRANSFERS,
        snapshots={},
        contract_change_base_units=-1_000,
        moves=_MOVES,
        live_balances={_DUST: 99},
    ),
    snapshots_due=0,
    bond=_BOND,
)
_REDEEMED_LEDGER = [
    LedgerEntry(_ALICE, 700, "PAID", "0x1"),
    LedgerEntry(_BOB, 0, "ZERO_DUE", "0x4"),
    LedgerEntry(_DUST, 0, "ZERO_DUE", ""),
    LedgerEntry(_CAROL, 200, "PAID", "0x4"),
    LedgerEntry(_ALICE, 100, "PAID", "0x4"),
]


def test_a_redemption_in_which_tokens_moved_is_good() -> None:
    assert checks.always(_REDEEMED) == []
    assert at_the_end(_REDEEMED, [_REDEEMED_LEDGER], 5) == []


def _chain(**changes: Any) -> Found:
    return replace(_REDEEMED, chain=replace(_REDEEMED.chain, **changes))


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(_chain(transfers=(*_TRANSFERS, _TRANSFERS[0])), id="paid twice for one burn"),
        pytest.param(_chain(transfers=_TRANSFERS[1:]), id="burned and not paid"),
        pytest.param(_chain(transfers=(*_TRANSFERS[1:], Transfer(_ALICE, 701, "0x1"))), id="paid too much"),
        pytest.param(_chain(transfers=(*_TRANSFERS[1:], Transfer(_ALICE, 700, "0x9"))), id="paid elsewhere"),
        pytest.param(
            _chain(moves=(*_MOVES, Move(_DUST, _NOBODY, 99, "0x5")), live_balances={}), id="burned for nothing"
        ),
        pytest.param(
            _chain(
                moves=(Move(_ALICE, _NOBODY, 69_900, "0x1"), *_MOVES[1:]),
                transfers=(Transfer(_ALICE, 699, "0x1"), *_TRANSFERS[1:]),
            ),
            id="not all burned",
        ),
    ],
)
def test_payments_and_burns_that_do_not_match_are_seen_at_every_kill(damaged: Found) -> None:
    assert checks.always(damaged)
    assert at_the_end(damaged, [_REDEEMED_LEDGER], 5)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(_chain(moves=_MOVES[:3], transfers=_TRANSFERS[:1]), id="tokens are left"),
        pytest.param(_chain(live_balances={_DUST: 99, _BOB: 1}), id="the asset's list is longer"),
        pytest.param(_chain(received={**_REDEEMED.chain.received, _BOB: 1}), id="money from nowhere"),
        pytest.param(_chain(contract_change_base_units=-1_001), id="money has left"),
    ],
)
def test_what_a_redemption_leaves_behind_is_seen(damaged: Found) -> None:
    assert at_the_end(damaged, [_REDEEMED_LEDGER], 5)


@pytest.mark.parametrize(
    "ledger",
    [
        pytest.param(_REDEEMED_LEDGER[1:], id="a payment is missing"),
        pytest.param([*_REDEEMED_LEDGER, _REDEEMED_LEDGER[0]], id="a payment too many"),
        pytest.param(
            [replace(_REDEEMED_LEDGER[0], amount_base_units=1), *_REDEEMED_LEDGER[1:]], id="another amount"
        ),
        pytest.param(
            [each for each in _REDEEMED_LEDGER if each.holder != _DUST], id="who keeps tokens is not named"
        ),
        pytest.param([*_REDEEMED_LEDGER, LedgerEntry(_BOB, 300, "FAILED", "")], id="one failed"),
    ],
)
def test_the_ledger_of_a_redemption_has_to_say_what_the_chain_says(ledger: list[LedgerEntry]) -> None:
    assert at_the_end(_REDEEMED, [ledger], 5)


# ------------------------------------------------------------------------------------------- a redemption's places


def _found(payout: Payout, *payments: Payment, **more: Any) -> Found:
    """A redemption under way: nobody is paid, all tokens where they were."""
    committed = more.pop("committed", None)
    batches = more.pop("batches", ())
    chain = replace(
        _REDEEMED.chain,
        received=dict.fromkeys(_OWED, 0),
        transfers=(),
        contract_change_base_units=0,
        **({"moves": (), "live_balances": _BOND.balances} | more),
    )
    books = Books(
        payout=payout,
        contract_state="READY",
        next_nonce=5,
        batches=batches,
        payments=payments,
        committed_base_units=committed,
        events={7: "payout_progressed"},
    )
    return replace(_REDEEMED, books=books, chain=chain)


_PLANNED = (_payment(_ALICE, 700, "PLANNED"), _payment(_BOB, 300, "PLANNED"), _payment(_DUST, 0, "ZERO_DUE"))
_FIRST_ROUND = (_payment(_ALICE, 700, "PAID"), _payment(_BOB, 0, "ZERO_DUE"), _payment(_DUST, 0, "ZERO_DUE"))
_SOLD = {"moves": _MOVES[:3], "live_balances": {_ALICE: 10_050, _CAROL: 20_000, _DUST: 99}}
_REQUESTED = _found(replace(_PAYOUT, state="REQUESTED", snapshot_id=None, holder_count=0))
_LISTED = _found(replace(_PAYOUT, state="PLANNING"))
_ROUND_OVER = _found(_PAYOUT, *_FIRST_ROUND, committed=0, **_SOLD)
_ROUND_BEGUN = _found(
    replace(_PAYOUT, state="PLANNING", round_number=2, listed_count=0), *_FIRST_ROUND, committed=0, **_SOLD
)
_MOVED = _found(
    _PAYOUT, *_PLANNED, committed=1_000, moves=(Move(_BOB, _CAROL, 20_000, "0x2"),), live_balances={_DUST: 99}
)
_REPRICED = _found(
    _PAYOUT,
    _PLANNED[0],
    _payment(_BOB, 100, "PLANNED"),
    _PLANNED[2],
    committed=800,
    moves=(Move(_BOB, _CAROL, 20_000, "0x2"),),
)
_PLACES = [_REQUESTED, _LISTED, _ROUND_OVER, _ROUND_BEGUN, _MOVED, _REPRICED]


@pytest.mark.parametrize(
    ("check", "named"),
    [
        (kind_checks.listing_not_stored, _REQUESTED),
        (kind_checks.listed, _LISTED),
        (kind_checks.round_not_begun, _ROUND_OVER),
        (kind_checks.round_begun, _ROUND_BEGUN),
        (kind_checks.not_repriced, _MOVED),
    ],
)
def test_a_check_of_a_redemption_accepts_the_state_that_it_names_and_no_other(
    check: checks.Check, named: Found
) -> None:
    assert [place for place in _PLACES if not check(place)] == [named]


@pytest.mark.parametrize(
    ("check", "damaged"),
    [
        pytest.param(kind_checks.round_not_begun, replace(_ROUND_OVER, bond=None), id="no bond"),
        pytest.param(
            kind_checks.round_not_begun,
            _found(_PAYOUT, *_FIRST_ROUND, committed=0, batches=(Batch(1, 1, 700, "key", None),), **_SOLD),
            id="a batch is open",
        ),
        pytest.param(
            kind_checks.round_not_begun, _found(_PAYOUT, *_FIRST_ROUND, committed=1, **_SOLD), id="still committed"
        ),
        pytest.param(
            kind_checks.round_not_begun,
            _found(_PAYOUT, *_FIRST_ROUND, committed=0, moves=_MOVES, live_balances={_DUST: 99}),
            id="nobody to pay",
        ),
        pytest.param(kind_checks.not_repriced, _found(_PAYOUT, *_PLANNED, committed=1_000), id="nothing moved"),
        pytest.param(
            kind_checks.listed, _found(replace(_PAYOUT, state="PLANNING"), *_PLANNED), id="planned already"
        ),
    ],
)
def test_a_check_of_a_redemption_sees_what_is_not_as_named(
    check: Callable[[Found], list[str]], damaged: Found
) -> None:
    assert check(damaged)


# ------------------------------------------------------------------------------------------------------- deferrals

_DEFERRED_OWED = {_ALICE: 700, _BOB: 3}
_EARLIER = (_payment(_ALICE, 700, "PAID", transaction_hash="0x1"), _payment(_BOB, 3, "DEFERRED"))
_DEFERRED = Found(
    Before(5),
    704,
    _DEFERRED_OWED,
    Books(
        payout=_PAYOUT,
        contract_state="READY",
        next_nonce=5,
        payments=(_payment(_ALICE, 700, "PAID", transaction_hash="0x2"), _payment(_BOB, 3, "DEFERRED")),
        earlier_payments=_EARLIER,
        committed_base_units=3,
        events={7: "payout_progressed"},
    ),
    Chain(
        sent={},
        received={_ALICE: 1_400, _BOB: 0},
        transfers=(Transfer(_ALICE, 700, "0x1"), Transfer(_ALICE, 700, "0x2")),
        snapshots={"0x7": 1, "0x8": 2},
        contract_change_base_units=-1_400,
    ),
    snapshots_due=2,
    payout_count=2,
    minimum_base_units=6,
)


def _released(*payments: tuple[Payment, ...]) -> list[tuple[Payment, ...]]:
    return [
        tuple(replace(each, state="PLANNED") if each.state == "DEFERRED" else each for each in of_payout)
        for of_payout in payments
    ]


_OF_EARLIER, _OF_THIS = _released(_DEFERRED.books.earlier_payments, _DEFERRED.books.payments)
_RELEASED = replace(_DEFERRED, books=replace(_DEFERRED.books, earlier_payments=_OF_EARLIER, payments=_OF_THIS))
_HALF_RELEASED = replace(_DEFERRED, books=replace(_DEFERRED.books, payments=_OF_THIS))


def test_deferrals_are_released_together_or_not_at_all() -> None:
    states = [_DEFERRED, _RELEASED, _HALF_RELEASED]
    assert [checks.always(state) for state in states] == [[], [], []]
    assert [state for state in states if not kind_checks.deferred_not_released(state)] == [_DEFERRED]
    assert [state for state in states if not kind_checks.deferred_released(state)] == [_RELEASED]


def test_each_of_two_payouts_pays_once() -> None:
    paid = replace(
        _DEFERRED,
        chain=replace(
            _DEFERRED.chain,
            received={_ALICE: 1_400, _BOB: 6},
            transfers=(*_DEFERRED.chain.transfers, Transfer(_BOB, 3, "0x3"), Transfer(_BOB, 3, "0x4")),
            contract_change_base_units=-1_406,
        ),
    )
    first = [LedgerEntry(_ALICE, 700, "PAID", "0x1"), LedgerEntry(_BOB, 3, "PAID", "0x3")]
    second = [LedgerEntry(_ALICE, 700, "PAID", "0x2"), LedgerEntry(_BOB, 3, "PAID", "0x4")]
    assert at_the_end(paid, [first, second], 5) == []
    assert at_the_end(paid, [first, first], 5)
    assert at_the_end(paid, [first], 5)
    assert at_the_end(_DEFERRED, [first, second], 5)
    in_one = (*_DEFERRED.chain.transfers, Transfer(_BOB, 6, "0x3"))
    assert at_the_end(replace(paid, chain=replace(paid.chain, transfers=in_one)), [first, second], 5)
    thrice = {_ALICE: 2_100, _BOB: 6}
    assert checks.always(replace(paid, chain=replace(paid.chain, received=thrice)))
