"""Snapshots: free balances over the whole supply, fixed for good; pending ones are taken first."""

import pytest
from eth_typing import ChecksumAddress
from web3.exceptions import ContractCustomError

from tests.ats.asset import Asset
from tests.ats.chain import Chain
from tests.ats.scene import AMOUNTS, NEW, SUPPLY, UNIT, A, B, C, D, refused
from tests.integration.devnet.stage import error_data


@pytest.fixture
def snapshotter(equity: Asset, operator: ChecksumAddress) -> ChecksumAddress:
    """May take snapshots of the equity."""
    equity.grant(equity.roles.snapshot, operator)
    return operator


def test_needs_the_role(equity: Asset, stranger: ChecksumAddress) -> None:
    with refused("AccountHasNoRole(address,bytes32)", stranger, equity.roles.snapshot):
        equity.take_snapshot(stranger)


def test_list_and_balances_survive_transfers(equity: Asset, snapshotter: ChecksumAddress) -> None:
    snapshot_id = equity.take_snapshot(snapshotter)
    equity.transfer(A, NEW, AMOUNTS[A])

    assert equity.read("getTokenHoldersAtSnapshot", snapshot_id, 0, 10) == [A, B, C, D]
    assert equity.read("getTotalTokenHoldersAtSnapshot", snapshot_id) == len(AMOUNTS)
    assert equity.read("balanceOfAtSnapshot", snapshot_id, A) == AMOUNTS[A]
    assert equity.read("balanceOfAtSnapshot", snapshot_id, NEW) == 0


def test_a_snapshot_taken_on_request_pages_its_holders(equity: Asset, snapshotter: ChecksumAddress) -> None:
    snapshot_id = equity.take_snapshot(snapshotter)
    pages = [equity.read("getTokenHoldersAtSnapshot", snapshot_id, page, 3) for page in range(3)]
    # Version 2 begins every page with the first holder: only a page as long as the list has everybody.
    second = [A] if equity.release.version == "2.0.0" else [D]
    assert pages == [[A, B, C], second, []]
    assert [equity.read("getSecurityHolders", page, 3) for page in range(3)] == [[A, B, C], [D], []]


def test_a_lock_after_the_snapshot(chain: Chain, equity: Asset, snapshotter: ChecksumAddress) -> None:
    """Version 2 takes the locked tokens away from the snapshot, too, unless it has noted the holder before."""
    snapshot_id = equity.take_snapshot(snapshotter)
    equity.transfer(B, A, 1)
    for holder in (B, C):
        equity.lock(holder, UNIT, chain.now + 1000)
    of_c = 29 * UNIT if equity.release.version == "2.0.0" else 30 * UNIT
    assert equity.read("balanceOfAtSnapshot", snapshot_id, B) == 20 * UNIT
    assert equity.read("balanceOfAtSnapshot", snapshot_id, C) == of_c


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
    # Version 2 tells of every snapshot that it was triggered, also of one on request.
    on_request = [before + 3] if equity.release.version == "2.0.0" else []
    assert triggered == [before + 1, before + 2, *on_request]
    (taken,) = equity.events(receipt, "SnapshotTaken")
    assert taken == {"operator": snapshotter, "snapshotID": before + 3}


def test_a_paused_asset_takes_and_triggers_none(equity: Asset, snapshotter: ChecksumAddress) -> None:
    equity.pause()
    assert equity.read(equity.release.paused_view)
    with refused(equity.release.paused_error):
        equity.take_snapshot(snapshotter)
    with refused(equity.release.paused_error):
        equity.trigger_pending()


@pytest.mark.parametrize(
    ("snapshot_id", "error"),
    [(0, error_data("SnapshotIdNull()")), (99, error_data("SnapshotIdDoesNotExists(uint256)", 99))],
)
def test_unknown_ids_are_refused(equity: Asset, snapshot_id: int, error: str) -> None:
    with pytest.raises(ContractCustomError) as caught:
        equity.read("totalSupplyAtSnapshot", snapshot_id)
    assert caught.value.data == error
