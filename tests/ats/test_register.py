"""What events tell of the register of holders, what they do not, and whom the list of holders leaves out.

Version 2 tells of withheld tokens without a Transfer, and its list of holders goes wrong with them.
"""

from collections import Counter

import pytest
from eth_typing import ChecksumAddress
from web3.logs import DISCARD

from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.scene import AMOUNTS, NEW, SUPPLY, UNIT, A, B, C, D, refused
from tests.ats.studio import ZERO_ADDRESS
from tests.ats.test_events import PARTITION

only_version_2 = pytest.mark.releases("2.0.0")
only_version_8 = pytest.mark.releases("8.0.0")
INSUFFICIENT_BALANCE = "InsufficientBalance(address,uint256,uint256,bytes32)"


def folded(equity: Asset) -> dict[ChecksumAddress, int]:
    """Balances by the Transfer events since the first block."""
    balances: Counter[ChecksumAddress] = Counter()
    for log in equity.contract.events.Transfer().get_logs(from_block=0):
        balances[log["args"]["from"]] -= log["args"]["value"]
        balances[log["args"]["to"]] += log["args"]["value"]
    del balances[ZERO_ADDRESS]
    return {holder: balance for holder, balance in balances.items() if balance}


def free(equity: Asset) -> dict[ChecksumAddress, int]:
    """Free balances by the token."""
    balances = {holder: equity.balance_of(holder) for holder in equity.holders()}
    return {holder: balance for holder, balance in balances.items() if balance}


@only_version_8
def test_transfers_tell_free_balances_but_not_the_supply(chain: Chain, equity: Asset) -> None:
    equity.transfer(A, NEW, UNIT)
    equity.send("burn", B, UNIT)
    expiration = chain.now + 100
    equity.lock(C, 3 * UNIT, expiration)
    equity.freeze(D, 5 * UNIT)
    assert folded(equity) == free(equity)
    assert sum(folded(equity).values()) == SUPPLY - UNIT - 8 * UNIT
    assert equity.read("totalSupply") == SUPPLY - UNIT

    equity.unfreeze(D, 5 * UNIT)
    chain.advance_to(expiration)
    equity.send("release", 1, C)
    assert folded(equity) == free(equity)
    assert sum(free(equity).values()) == equity.read("totalSupply")


@only_version_2
def test_transfers_tell_balances_and_what_is_withheld_together(chain: Chain, equity: Asset) -> None:
    equity.transfer(A, NEW, UNIT)
    equity.send("burn", B, UNIT)
    equity.lock(C, 3 * UNIT, chain.now + 100)
    equity.freeze(D, 5 * UNIT)
    assert folded(equity) == {A: 9 * UNIT, B: 19 * UNIT, C: 30 * UNIT, D: 40 * UNIT, NEW: UNIT}
    assert free(equity) == {A: 9 * UNIT, B: 19 * UNIT, C: 27 * UNIT, D: 35 * UNIT, NEW: UNIT}
    assert equity.read("totalSupply") == 99 * UNIT


@only_version_2
@pytest.mark.parametrize(
    ("function", "arguments", "event"),
    [
        ("issueByPartition", ((PARTITION, A, UNIT, b""),), "IssuedByPartition"),
        ("controllerRedeemByPartition", (PARTITION, A, UNIT, b"", b""), "RedeemedByPartition"),
        ("controllerTransferByPartition", (PARTITION, A, B, UNIT, b"", b""), "TransferByPartition"),
    ],
)
def test_what_is_done_by_partition_has_no_transfer(
    equity: Asset, function: str, arguments: tuple[object, ...], event: str
) -> None:
    receipt = equity.send(function, *arguments)
    assert len(equity.events(receipt, event)) == 1
    assert equity.events(receipt, "Transfer") == []
    assert equity.balance_of(A) in (9 * UNIT, 11 * UNIT)


@only_version_2
def test_who_has_withheld_tokens_alone_and_receives_is_listed_twice(equity: Asset) -> None:
    equity.freeze(A, AMOUNTS[A])
    equity.transfer(B, A, UNIT)
    assert equity.holders() == [A, B, C, D, A]


@only_version_2
def test_who_gives_all_free_tokens_away_leaves_the_list_and_takes_others_with_them(equity: Asset) -> None:
    equity.freeze(A, UNIT)
    equity.transfer(A, B, AMOUNTS[A] - UNIT)
    assert equity.holders() == [D, B, C]
    equity.unfreeze(A, UNIT)
    assert (equity.balance_of(A), equity.holders()) == (UNIT, [D, B, C])
    equity.transfer(A, B, UNIT)
    assert (equity.balance_of(C), equity.holders()) == (AMOUNTS[C], [D, B])


@only_version_8
def test_withheld_tokens_keep_their_holder_listed_once(equity: Asset) -> None:
    equity.freeze(A, AMOUNTS[A])
    equity.transfer(B, A, UNIT)
    equity.transfer(A, B, UNIT)
    assert equity.holders() == [A, B, C, D]


@only_version_8
@pytest.mark.parametrize("withhold", ["freeze", "lock"])
def test_withholding_tokens_looks_like_burning_them(chain: Chain, equity: Asset, withhold: str) -> None:
    receipt = equity.freeze(A, UNIT) if withhold == "freeze" else equity.lock(A, UNIT, chain.now + 100)
    assert equity.events(receipt, "Transfer") == [{"from": A, "to": ZERO_ADDRESS, "value": UNIT}]
    assert equity.read("totalSupply") == SUPPLY
    assert equity.read("getTotalBalanceFor", A) == AMOUNTS[A]


def test_an_adjustment_changes_balances_supply_and_decimals_without_a_transfer(equity: Asset) -> None:
    receipt = equity.adjust(15, 1)
    (event,) = equity.contract.events.AdjustmentBalanceSet().process_receipt(receipt, errors=DISCARD)
    assert (event["args"]["factor"], event["args"]["decimals"]) == (15, 1)
    assert equity.events(receipt, "Transfer") == []
    assert equity.balance_of(A) == 15 * AMOUNTS[A]
    assert equity.read("totalSupply") == 15 * SUPPLY
    (_, _, _, decimals), _ = equity.read("getERC20Metadata")
    assert decimals == 7


@only_version_2
def test_after_an_adjustment_transfers_are_transfers(equity: Asset) -> None:
    equity.adjust(3, 0)
    assert equity.events(equity.transfer(A, B, 1), "Transfer") == [{"from": A, "to": B, "value": 1}]
    equity.transfer(A, A, 3 * AMOUNTS[A] - 1)
    assert equity.balance_of(A) == equity.read("balanceOfByPartition", PARTITION, A) == 3 * AMOUNTS[A] - 1


@only_version_8
def test_the_first_transfer_after_an_adjustment_comes_with_one_from_nobody_to_nobody(equity: Asset) -> None:
    equity.adjust(3, 0)
    events = equity.events(equity.transfer(A, B, 1), "Transfer")
    catching_up = [event for event in events if event["from"] == event["to"] == ZERO_ADDRESS]
    assert sorted(event["value"] for event in catching_up) == [2 * AMOUNTS[A], 2 * AMOUNTS[B]]
    assert [event for event in events if event not in catching_up] == [{"from": A, "to": B, "value": 1}]
    assert equity.balance_of(A) == 3 * AMOUNTS[A] - 1


@only_version_8
def test_what_an_adjustment_added_cannot_be_passed_to_oneself(equity: Asset) -> None:
    equity.adjust(3, 0)
    with refused(INSUFFICIENT_BALANCE, A, AMOUNTS[A], 3 * AMOUNTS[A], PARTITION):
        equity.transfer(A, A, 3 * AMOUNTS[A])


@only_version_8
def test_passing_the_balance_before_an_adjustment_to_oneself_blocks_what_was_added(equity: Asset) -> None:
    """The balance stays right, that of the partition does not follow: the register is right, the holder stuck."""
    equity.adjust(3, 0)
    equity.transfer(A, A, AMOUNTS[A])
    assert equity.balance_of(A) == 3 * AMOUNTS[A]
    assert equity.read("balanceOfByPartition", PARTITION, A) == AMOUNTS[A]
    with refused(INSUFFICIENT_BALANCE, A, AMOUNTS[A], 3 * AMOUNTS[A], PARTITION):
        equity.transfer(A, B, 3 * AMOUNTS[A])


def test_a_scheduled_adjustment_needs_nothing_but_time(chain: Chain, equity: Asset) -> None:
    execution = chain.now + 10
    equity.send("setScheduledBalanceAdjustment", (execution, 2, 0))
    chain.advance_to(execution + 1)
    assert equity.balance_of(A) == 2 * AMOUNTS[A]
    assert equity.read("totalSupply") == 2 * SUPPLY


def test_a_listed_holder_stays_in_the_register_and_can_neither_send_nor_receive(equity: Asset) -> None:
    equity.block(A)
    assert equity.holders() == [A, B, C, D]
    with refused("AccountIsBlocked(address)", A):
        equity.transfer(A, B, 1)
    with refused("AccountIsBlocked(address)", A):
        equity.transfer(B, A, 1)
    equity.unblock(A)
    equity.transfer(B, A, 1)


def test_locked_tokens_are_released_by_anyone_but_not_early(
    chain: Chain, equity: Asset, stranger: ChecksumAddress
) -> None:
    expiration = chain.now + 100
    equity.lock(A, UNIT, expiration)
    with refused("LockExpirationNotReached()"):
        equity.send("release", 1, A, sender=stranger)
    chain.advance_to(expiration)
    equity.send("release", 1, A, sender=stranger)
    assert equity.balance_of(A) == AMOUNTS[A]


def test_a_recovered_account_passes_its_tokens_on(equity: Asset) -> None:
    receipt = equity.send("recoveryAddress", A, NEW, NEW)
    assert equity.events(receipt, "Transfer") == [{"from": A, "to": NEW, "value": AMOUNTS[A]}]
    assert A not in equity.holders()
    assert NEW in equity.holders()
