"""The chain gives trouble: no blocks and dearer gas, and blocks that are taken back. Every holder is paid once."""

from __future__ import annotations

import asyncpg
from hexbytes import HexBytes
from web3.exceptions import TransactionNotFound

from libs.client.client import progress_of
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import Batch
from tests.system.harness import Harness, eventually
from tests.system.mining import Ticker

_TOTAL = 1_000_000_007
_GWEI = 10**9
# More than twice what any block of these tests asks for by itself, and than what is offered then.
_DEAR_BASE_FEE_WEI = 100 * _GWEI
_CONFIRMATIONS = 5


async def test_what_is_signed_too_cheap_is_replaced_with_the_same_nonce_and_paid_once(
    faulty: Harness, ticker: Ticker
) -> None:
    await faulty.run_payout_service({"REPLACE_AFTER_SECONDS": "2", "REBROADCAST_SECONDS": "1"})
    stage, distribution = await faulty.unfunded(_TOTAL)
    nonce = await faulty.signer_nonce()
    ticker.pause()
    await ticker.mine_one_with(faulty.deposit(stage, _TOTAL))
    first_offers = {batch.name: batch.attempts[0] for batch in await _all_sent(faulty, distribution.payout)}
    assert all(int(offer.max_fee_per_gas_wei) < _DEAR_BASE_FEE_WEI for offer in first_offers.values())

    ticker.keep_base_fee(_DEAR_BASE_FEE_WEI)
    await faulty.in_state(distribution.name, DistributionState.COMPLETED)

    await faulty.assert_paid_once(stage, distribution.payout, _TOTAL)
    batches = await faulty.batches(distribution.payout)
    assert first_offers.keys() <= {batch.name for batch in batches}
    for batch in batches:
        hashes = [attempt.transaction_hash for attempt in batch.attempts]
        offers = [int(attempt.max_fee_per_gas_wei) for attempt in batch.attempts]
        mined = await faulty.devnet.web3.eth.get_transaction(HexBytes(batch.transaction_hash))
        assert mined["nonce"] == batch.nonce
        assert offers == sorted(set(offers))
        if batch.name in first_offers:
            assert hashes[0] == first_offers[batch.name].transaction_hash
            assert hashes.index(batch.transaction_hash) > 0
            assert not await _is_mined(faulty, hashes[0])
    assert len({batch.nonce for batch in batches}) == len(batches)
    assert await faulty.signer_nonce() == nonce + len(batches)


async def test_batches_that_a_reorg_takes_back_are_sent_again_and_paid_once(
    faulty: Harness, ticker: Ticker
) -> None:
    await faulty.run_payout_service({"CONFIRMATIONS": str(_CONFIRMATIONS), "REBROADCAST_SECONDS": "1"})
    stage, distribution = await faulty.unfunded(_TOTAL)
    ticker.pause()
    await ticker.mine_one_with(faulty.deposit(stage, _TOTAL))
    sent = [batch.transaction_hash for batch in await _all_sent(faulty, distribution.payout)]
    ticker.mine(_CONFIRMATIONS - 2)
    await _all_in_state(faulty, distribution.payout, "MINED")
    paid_before = sum((await faulty.balances(stage)).values())
    assert paid_before > 0

    ticker.reorganise(_CONFIRMATIONS - 2)
    assert sum((await faulty.balances(stage)).values()) == 0
    assert not any([await _is_mined(faulty, transaction_hash) for transaction_hash in sent])
    # Nothing was final, so nothing was told as paid; the engine has seen that the receipts are gone.
    await _all_in_state(faulty, distribution.payout, "BROADCAST")
    assert progress_of(await faulty.payout(distribution.payout)).paid_count == 0

    ticker.resume()
    await faulty.in_state(distribution.name, DistributionState.COMPLETED)
    await faulty.assert_paid_once(stage, distribution.payout, _TOTAL)
    batches = await faulty.batches(distribution.payout)
    assert set(sent) <= {attempt.transaction_hash for batch in batches for attempt in batch.attempts}
    for batch in batches:
        receipt = await faulty.devnet.web3.eth.get_transaction_receipt(HexBytes(batch.transaction_hash))
        assert receipt["blockNumber"] == batch.block_number


async def _all_sent(harness: Harness, payout: str) -> list[Batch]:
    """The batches once there are as many as may be under way, or all, and the node has taken each."""
    found: list[Batch] = []

    async def is_so() -> bool:
        # In this order: a batch whose state says that it was sent is then listed with what was sent.
        states = await _journal_states(harness, payout)
        found[:] = await harness.batches(payout)
        is_complete = sum(batch.holder_count for batch in found) == await _payable_count(harness, payout)
        return (is_complete or len(found) == 4) and len(states) == len(found) and set(states) == {"BROADCAST"}

    await eventually(is_so, "all batches are sent", lambda: found)
    return found


async def _payable_count(harness: Harness, payout: str) -> int:
    found = progress_of(await harness.payout(payout))
    return found.holder_count - found.zero_due_count


async def _all_in_state(harness: Harness, payout: str, state: str) -> None:
    """Waits until the journal has all sent batches in this state."""
    states: list[str] = []

    async def is_so() -> bool:
        states[:] = await _journal_states(harness, payout)
        return set(states) == {state}

    await eventually(is_so, f"all {state} in the journal", lambda: states)


async def _journal_states(harness: Harness, payout: str) -> list[str]:
    """The states of a payout's batches in the journal: between sent and final no answer tells them."""
    connection = await asyncpg.connect(harness.stack.endpoints.database_urls["payout"])
    try:
        rows = await connection.fetch(
            "SELECT state FROM transaction_intent WHERE owner_id = $1 AND purpose = 'BATCH' AND nonce IS NOT NULL "
            "ORDER BY nonce",
            payout.removeprefix("payouts/"),
        )
    finally:
        await connection.close()
    return [row["state"] for row in rows]


async def _is_mined(harness: Harness, transaction_hash: str) -> bool:
    try:
        await harness.devnet.web3.eth.get_transaction_receipt(HexBytes(transaction_hash))
    except TransactionNotFound:
        return False
    return True
