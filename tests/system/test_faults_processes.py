"""payout_service twice, one of them killed, and its database set back to a backup: every holder is paid once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.stack import Stack
from libs.errors import AppError, Reason
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import (
    ListSignersRequest,
    PayoutState,
    ReconcilePayoutRequest,
    ReconcileSignerRequest,
    ReconcileSignerResponse,
    Signer,
)
from tests.support.rpc_proxy import RpcProxy
from tests.system.backup import dump_schema, restore_schema
from tests.system.harness import ONE_OF_FIVE_AT_A_TIME, PAYOUT_SERVICE, Harness, eventually, kill
from tests.system.mining import Ticker

_TOTAL = 1_000_000_007


@pytest.fixture
def second_proxy(infrastructure: Stack) -> Iterator[RpcProxy]:
    """What a second process asks the node through."""
    assert infrastructure.endpoints.rpc_url
    proxy = RpcProxy(infrastructure.endpoints.rpc_url)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("one_is_killed", [False, True], ids=["both live", "one is killed"])
async def test_two_processes_on_one_payout_pay_once(
    faulty: Harness, proxy: RpcProxy, second_proxy: RpcProxy, one_is_killed: bool
) -> None:
    await faulty.run_payout_service(
        {"RPC_URL": proxy.url, **ONE_OF_FIVE_AT_A_TIME, "MAX_IN_FLIGHT_TRANSACTIONS": "2"}
    )
    nonce = await faulty.signer_nonce()
    await asyncio.to_thread(
        faulty.stack.start_replica, PAYOUT_SERVICE, environment={"PAYOUT_SERVICE_RPC_URL": second_proxy.url}
    )
    # Time enough for both to look at the same thing before either has done it.
    for each in (proxy, second_proxy):
        each.delay(0.1, "eth_sendRawTransaction", "eth_estimateGas")
    stage, distribution = await faulty.unfunded(_TOTAL)
    await faulty.deposit(stage, _TOTAL)
    payout = await faulty.payout_when(
        distribution.payout, lambda payout: payout.final_batch_count >= 1, "one batch is final"
    )
    # Both have had a hand in the signer's transactions.
    assert proxy.count("eth_getTransactionCount") > 0
    assert second_proxy.count("eth_getTransactionCount") > 0
    if one_is_killed:
        assert payout.state is PayoutState.EXECUTING
        kill(faulty.stack.services[PAYOUT_SERVICE])

    await faulty.in_state(distribution.name, DistributionState.COMPLETED)
    if one_is_killed:
        await faulty.run_payout_service()
    await faulty.assert_paid_once(stage, distribution.payout, _TOTAL)
    batches = await faulty.batches(distribution.payout)
    assert len(batches) >= 5
    assert len({batch.nonce for batch in batches}) == len(batches)
    assert await faulty.signer_nonce() == nonce + 1 + len(batches)


async def test_a_database_set_back_to_a_backup_stops_signing_until_the_chain_is_accounted_for(
    faulty: Harness, ticker: Ticker, tmp_path: Path
) -> None:
    await faulty.run_payout_service(ONE_OF_FIVE_AT_A_TIME)
    stage, distribution = await faulty.unfunded(_TOTAL)
    await faulty.deposit(stage, _TOTAL)
    await faulty.payout_when(distribution.payout, lambda payout: payout.final_batch_count >= 1, "one is final")
    ticker.pause()
    backup = tmp_path / "payout.dump"
    await asyncio.to_thread(dump_schema, faulty.stack, "payout", backup)
    at_dump = await faulty.payout(distribution.payout)
    ticker.resume()
    later = await faulty.payout_when(
        distribution.payout,
        lambda payout: payout.final_batch_count >= at_dump.final_batch_count + 2,
        "two more are final",
    )
    lost = {batch.nonce: batch.transaction_hash for batch in await faulty.batches(distribution.payout)}
    await asyncio.to_thread(faulty.stack.stop_services, [PAYOUT_SERVICE])
    await asyncio.to_thread(restore_schema, faulty.stack, "payout", backup)

    await faulty.run_payout_service(ONE_OF_FIVE_AT_A_TIME)
    restored = await faulty.payout(distribution.payout)
    assert restored.final_batch_count < later.final_batch_count
    await faulty.payout_when(
        distribution.payout,
        lambda payout: payout.waiting_for.startswith("SIGNER_NEEDS_RECONCILIATION: "),
        "stops by name",
    )
    signer = await _signer(faulty)
    assert signer.halted_because.startswith("SIGNER_NEEDS_RECONCILIATION: JOURNAL_BEHIND_CHAIN")
    nonce = await faulty.signer_nonce()
    assert signer.next_nonce < nonce
    await faulty.blocks_pass()
    assert await faulty.signer_nonce() == nonce

    account = await _reconcile(faulty, signer)
    unknown = {each.nonce: each for each in account.transactions}
    assert list(unknown) == list(range(signer.next_nonce, nonce))
    assert len(unknown) >= 2
    assert all(each.payout == distribution.payout for each in account.transactions)
    told = {number: hash_ for number, hash_ in lost.items() if number in unknown}
    assert len(told) >= 2
    assert told == {number: unknown[number].transaction_hash for number in told}
    assert account.signer
    assert (account.signer.halted_because, account.signer.next_nonce) == ("", nonce)

    await faulty.payout_when(
        distribution.payout, lambda payout: payout.state is PayoutState.COMPLETED, "all are paid"
    )
    await faulty.in_state(distribution.name, DistributionState.COMPLETED)
    await faulty.assert_paid_once(stage, distribution.payout, _TOTAL)
    named = {payment.transaction_hash for payment in await faulty.payments(distribution.payout)}
    assert {each.transaction_hash for each in account.transactions} <= named
    looked = await faulty.call(
        faulty.client.payouts.reconcile_payout, ReconcilePayoutRequest(name=distribution.payout)
    )
    assert looked.discrepancies == []


async def _signer(harness: Harness) -> Signer:
    answer = await harness.call(harness.client.payouts.list_signers, ListSignersRequest())
    (signer,) = answer.signers
    return signer


async def _reconcile(harness: Harness, signer: Signer) -> ReconcileSignerResponse:
    """ReconcileSigner, once all that the chain has is final."""
    answers: list[ReconcileSignerResponse] = []

    async def is_done() -> bool:
        request = ReconcileSignerRequest(request_id=str(uuid4()), name=signer.name)
        try:
            answers.append(await harness.call(harness.client.payouts.reconcile_signer, request))
        except AppError as error:
            if error.reason is not Reason.SIGNER_STILL_MOVING:
                raise
            return False
        return True

    await eventually(is_done, f"{signer.name} is reconciled")
    return answers[-1]
