"""Dividends: what the getters say around the record date, and what cancelling does not change.

Version 2 has nothing to cancel them with, and does not round what is due.
"""

from collections.abc import Callable

import pytest
from eth_typing import ChecksumAddress
from web3.exceptions import ContractCustomError

from tests.ats.asset import Asset, Dividend
from tests.ats.chain import Chain
from tests.ats.scene import AMOUNTS, NEW, TOKEN_TERMS, UNIT, A, B, C, D, refused
from tests.integration.devnet.stage import error_data

# 1.50 money a token.
AMOUNT = 150
AMOUNT_DECIMALS = 2
SECONDS_TO_RECORD = 10
SECONDS_TO_EXECUTION = 20
only_version_2 = pytest.mark.releases("2.0.0")
only_version_8 = pytest.mark.releases("8.0.0")


@pytest.fixture
def announced_at(chain: Chain, equity: Asset) -> int:
    """When dividend 1 was announced."""
    now = chain.now
    announce(equity, now)
    return now


def announce(equity: Asset, now: int) -> int:
    return equity.set_dividend(
        record=now + SECONDS_TO_RECORD,
        execution=now + SECONDS_TO_EXECUTION,
        amount=AMOUNT,
        amount_decimals=AMOUNT_DECIMALS,
    )


def snapshot_of(equity: Asset, dividend_id: int = 1) -> int:
    snapshot_id = equity.dividend(dividend_id).snapshot_id
    return int(snapshot_id)


def due(equity: Asset, holder: ChecksumAddress, dividend_id: int = 1) -> tuple[int, int, bool]:
    numerator, denominator, is_reached = equity.read("getDividendAmountFor", dividend_id, holder)
    return numerator, denominator, is_reached


def due_of_all(equity: Asset, holder: ChecksumAddress) -> tuple[int, int, bool]:
    """What is due to a holder of AMOUNTS."""
    if equity.release.version == "2.0.0":
        return AMOUNTS[holder] * 150, 10**8, True
    return AMOUNTS[holder] * 150 // UNIT, 100, True


def test_terms_are_read_back(equity: Asset, announced_at: int) -> None:
    record, execution = announced_at + SECONDS_TO_RECORD, announced_at + SECONDS_TO_EXECUTION
    assert equity.dividend(1) == Dividend(record, execution, AMOUNT, AMOUNT_DECIMALS, 0, is_cancelled=False)
    assert equity.read("getDividendsCount") == 1


def test_up_to_the_record_date_nobody_holds(chain: Chain, equity: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + SECONDS_TO_RECORD)
    assert equity.read("getDividendHolders", 1, 0, 10) == []
    assert equity.read("getTotalDividendHolders", 1) == 0
    assert due(equity, A) == (0, 0, False)


@only_version_2
def test_layouts_of_version_2(chain: Chain, equity: Asset, announced_at: int) -> None:
    """A dividend is five words, a holder's seven; version 8 has one more of each, under other selectors."""
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    record, execution = announced_at + SECONDS_TO_RECORD, announced_at + SECONDS_TO_EXECUTION
    assert equity.read("getDividends", 1) == ((record, execution, AMOUNT, AMOUNT_DECIMALS), 0)
    assert equity.read("getDividendsFor", 1, A) == (
        *(AMOUNTS[A], AMOUNT, AMOUNT_DECIMALS, record, execution),
        *(TOKEN_TERMS.decimals, True),
    )


@only_version_2
def test_what_is_due_is_not_rounded(chain: Chain, equity: Asset, announced_at: int) -> None:
    equity.transfer(A, NEW, 2 * UNIT - 1)
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    assert due(equity, NEW) == (1_999_999 * 150, 100_000_000, True)


@only_version_8
def test_what_is_due_is_rounded_down_to_the_decimals_of_the_dividend(
    chain: Chain, equity: Asset, announced_at: int
) -> None:
    """Not to those of the money: a base unit less than two tokens is worth less than two dividends by a cent."""
    equity.transfer(A, NEW, 2 * UNIT - 1)
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    assert due(equity, NEW) == (2 * AMOUNT - 1, 10**AMOUNT_DECIMALS, True)


def test_past_the_record_date_the_live_register_counts_until_it_is_triggered(
    chain: Chain, equity: Asset, announced_at: int, stranger: ChecksumAddress
) -> None:
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    assert snapshot_of(equity) == 0
    assert equity.read("getDividendHolders", 1, 0, 10) == [A, B, C, D]
    assert due(equity, A) == due_of_all(equity, A)

    receipt = equity.trigger_pending(sender=stranger)

    (event,) = equity.events(receipt, "SnapshotTriggered")
    assert snapshot_of(equity) == event["snapshotId"]
    equity.transfer(A, NEW, AMOUNTS[A])
    assert equity.read("getDividendHolders", 1, 0, 10) == [A, B, C, D]
    assert due(equity, A) == due_of_all(equity, A)
    assert due(equity, NEW)[::2] == (0, True)


def test_triggering_what_is_not_due_does_nothing(equity: Asset, announced_at: int) -> None:
    assert equity.trigger_pending()["logs"] == []
    assert snapshot_of(equity) == 0


@pytest.mark.parametrize(
    "touch",
    [
        lambda equity, now: equity.transfer(A, B, 1),
        lambda equity, now: equity.issue({NEW: 1}),
        lambda equity, now: equity.freeze(A, 1),
        # Not in version 2: see below.
        pytest.param(lambda equity, now: equity.lock(A, 1, now + 1000), marks=only_version_8),
    ],
    ids=["transfer", "issue", "freeze", "lock"],
)
def test_whatever_changes_balances_triggers_first(
    chain: Chain, equity: Asset, announced_at: int, touch: Callable[[Asset, int], object]
) -> None:
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    touch(equity, chain.now)
    assert snapshot_of(equity) != 0
    assert due(equity, A) == due_of_all(equity, A)
    assert equity.read("getTotalDividendHolders", 1) == len(AMOUNTS)


@only_version_2
def test_tokens_that_are_locked_after_the_snapshot_are_missing(
    chain: Chain, equity: Asset, announced_at: int
) -> None:
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    equity.trigger_pending()
    equity.lock(A, UNIT, chain.now + 1000)
    assert due(equity, A) == (9_000_000 * 150, 100_000_000, True)


def test_frozen_and_locked_tokens_count(chain: Chain, equity: Asset, announced_at: int) -> None:
    equity.freeze(A, AMOUNTS[A])
    equity.lock(B, 1, chain.now + 1000)
    assert (equity.balance_of(A), equity.balance_of(B)) == (0, AMOUNTS[B] - 1)
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    equity.trigger_pending()
    for holder in (A, B):
        assert due(equity, holder) == due_of_all(equity, holder)


@only_version_8
def test_a_trigger_names_the_corporate_action_which_is_not_the_dividend(chain: Chain, equity: Asset) -> None:
    equity.send("setScheduledBalanceAdjustment", (chain.now + 10_000, 2, 0))
    now = chain.now
    dividend_id = announce(equity, now)
    chain.advance_to(now + SECONDS_TO_RECORD + 1)
    (event,) = equity.events(equity.trigger_pending(), "SnapshotTriggered")
    assert dividend_id == 1
    assert int.from_bytes(event["metadata"], "big") == 2


@only_version_2
def test_a_trigger_names_who_triggered_and_no_action(
    chain: Chain, equity: Asset, announced_at: int, stranger: ChecksumAddress
) -> None:
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    (event,) = equity.events(equity.trigger_pending(sender=stranger), "SnapshotTriggered")
    assert event == {"operator": stranger, "snapshotId": 1}


@only_version_8
def test_a_cancelled_dividend_says_so_and_still_names_its_amounts(
    chain: Chain, equity: Asset, announced_at: int
) -> None:
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    equity.trigger_pending()
    receipt = equity.cancel_dividend(1)

    (event,) = equity.events(receipt, "DividendCancelled")
    assert event == {"dividendId": 1, "operator": chain.admin}
    assert equity.dividend(1).is_cancelled
    assert equity.read("getDividendHolders", 1, 0, 10) == [A, B, C, D]
    assert due(equity, A) == due_of_all(equity, A)


@only_version_8
def test_a_dividend_cancelled_while_pending_never_has_a_snapshot(
    chain: Chain, equity: Asset, announced_at: int
) -> None:
    chain.advance_to(announced_at + SECONDS_TO_RECORD + 1)
    equity.cancel_dividend(1)
    assert equity.trigger_pending()["logs"] == []
    assert snapshot_of(equity) == 0


@only_version_8
def test_after_the_execution_date_only_force_cancels(chain: Chain, equity: Asset, announced_at: int) -> None:
    chain.advance_to(announced_at + SECONDS_TO_EXECUTION)
    with refused("DividendAlreadyExecuted(bytes32,uint256)", (1).to_bytes(32, "big"), 1):
        equity.cancel_dividend(1)
    receipt = equity.send("forceCancelDividend", 1)
    assert len(equity.events(receipt, "DividendForceCancelled")) == 1
    assert equity.events(receipt, "DividendCancelled") == []
    assert equity.dividend(1).is_cancelled


@only_version_2
def test_the_same_terms_make_a_second_dividend(equity: Asset, announced_at: int) -> None:
    assert announce(equity, announced_at) == 2


@only_version_8
def test_the_same_terms_are_refused_for_ever(equity: Asset, announced_at: int) -> None:
    with refused("DividendCreationFailed()"):
        announce(equity, announced_at)
    equity.cancel_dividend(1)
    assert equity.dividend(1).is_cancelled
    with refused("DividendCreationFailed()"):
        announce(equity, announced_at)
    assert announce(equity, announced_at + 1) == 2


@only_version_8
def test_a_record_date_may_lie_in_the_past(chain: Chain, equity: Asset) -> None:
    now = chain.now
    equity.set_dividend(record=now - 100, execution=now - 50, amount=AMOUNT, amount_decimals=AMOUNT_DECIMALS)
    assert equity.read("getTotalDividendHolders", 1) == len(AMOUNTS)


@only_version_2
def test_a_record_date_in_the_past_is_refused(chain: Chain, equity: Asset) -> None:
    now = chain.now
    with refused("WrongTimestamp(uint256)", now - 1):
        equity.set_dividend(record=now - 1, execution=now + 1, amount=AMOUNT, amount_decimals=AMOUNT_DECIMALS)


def test_what_is_refused(chain: Chain, equity: Asset, stranger: ChecksumAddress) -> None:
    now = chain.now
    with refused("WrongDates(uint256,uint256)", now + 20, now + 10):
        equity.set_dividend(record=now + 20, execution=now + 10, amount=1, amount_decimals=0)
    with refused("AccountHasNoRole(address,bytes32)", stranger, equity.roles.corporate_action):
        equity.send(equity.release.set_dividend, (now + 10, now + 20, 1, 0), sender=stranger)
    with pytest.raises(ContractCustomError) as caught:
        equity.dividend(1)
    assert str(caught.value.data).startswith(error_data("WrongIndexForAction(uint256,bytes32)", 0, bytes(32))[:10])
