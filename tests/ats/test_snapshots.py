"""Snapshots: free balances over the whole supply, fixed for good; pending ones are taken first."""

import pytest
from eth_typing import ChecksumAddress
from web3.exceptions import ContractCustomError

from tests.ats import roles
from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.scene import AMOUNTS, NEW, SUPPLY, UNIT, A, B, C, D, refused
from tests.integration.devnet.stage import error_data


@pytest.fixture
def snapshotter(equity: Asset, operator: ChecksumAddress) -> ChecksumAddress:
    """May take snapshots of the equity."""
    equity.grant(roles.SNAPSHOT, operator)
    return operator


def test_needs_the_role(equity: Asset, stranger: ChecksumAddress) -> None:
    with refused("AccountHasNoRole(address,bytes32)", stranger, roles.SNAPSHOT):
        equity.take_snapshot(stranger)


def test_list_and_balances_survive_transfers(equity: Asset, snapshotter: ChecksumAddress) -> None:
    snapshot_id = equity.take_snapshot(snapshotter)
    equity.transfer(A, NEW, AMOUNTS[A])

    assert equity.read("getTokenHoldersAtSnapshot", snapshot_id, 0, 10) == [A, B, C, D]
    assert equity.read("getTokenHoldersAtSnapshot", snapshot_id, 1, 3) == [D]
    assert equity.read("getTokenHoldersAtSnapshot", snapshot_id, 2, 3) == []
    assert equity.read("getTotalTokenHoldersAtSnapshot", snapshot_id) == len(AMOUNTS)
    assert equity.read("balanceOfAtSnapshot", snapshot_id, A) == AMOUNTS[A]
    assert equity.read("balanceOfAtSnapshot", snapshot_id, NEW) == 0


def test_counts_free_balances_over_the_whole_supply(
    chain: Chain, equity: Asset, snapshotter: ChecksumAddress
) -> None:
    equity.freeze(A, AMOUNTS[A])
    equity.freeze(B, UNIT)
    equity.lock(C, 2 * UNIT, chain.now + 1000)
    equity.block(D)
    assert equity.read("isInControlList", D)

    snapshot_id = equity.take_snapshot(snapshotter)

    assert equity.read("getTokenHoldersAtSnapshot", snapshot_id, 0, 10) == [A, B, C, D]
    free = [equity.read("balanceOfAtSnapshot", snapshot_id, holder) for holder in (A, B, C, D)]
    assert free == [0, AMOUNTS[B] - UNIT, AMOUNTS[C] - 2 * UNIT, AMOUNTS[D]]
    assert equity.read("totalSupplyAtSnapshot", snapshot_id) == SUPPLY


def test_takes_what_is_pending_first(chain: Chain, equity: Asset, snapshotter: ChecksumAddress) -> None:
    before = equity.take_snapshot(snapshotter)
    record = chain.now + 10
    for number in range(2):
        equity.set_dividend(record=record + number, execution=record + 20, amount=1, amount_decimals=0)
    chain.advance_to(record + 5)

    receipt = equity.send("takeSnapshot", sender=snapshotter)

    triggered = [event["snapshotId"] for event in equity.events(receipt, "SnapshotTriggered")]
    assert triggered == [before + 1, before + 2]
    (taken,) = equity.events(receipt, "SnapshotTaken")
    assert taken == {"operator": snapshotter, "snapshotID": before + 3}


def test_a_paused_asset_takes_and_triggers_none(equity: Asset, snapshotter: ChecksumAddress) -> None:
    equity.pause()
    assert equity.read("paused")
    with refused("IsPaused()"):
        equity.take_snapshot(snapshotter)
    with refused("IsPaused()"):
        equity.trigger_pending()


@pytest.mark.parametrize(
    ("snapshot_id", "error"),
    [(0, error_data("SnapshotIdNull()")), (99, error_data("SnapshotIdDoesNotExists(uint256)", 99))],
)
def test_unknown_ids_are_refused(equity: Asset, snapshot_id: int, error: str) -> None:
    with pytest.raises(ContractCustomError) as caught:
        equity.read("totalSupplyAtSnapshot", snapshot_id)
    assert caught.value.data == error
