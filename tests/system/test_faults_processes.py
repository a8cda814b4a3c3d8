"""payout_service twice, one of them killed, and its database set back to a backup: every holder is paid once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.stack import Stack
from libs.client.client import progress_of
from libs.errors import AppError, Reason
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import (
    BatchState,
    ListSignersRequest,
    PausePayoutRequest,
    PayoutState,
    ReconcilePayoutRequest,
    ReconcileSignerRequest,
    ReconcileSignerResponse,
    ResumePayoutRequest,
    Signer,
)
from tests.support.rpc_proxy import RpcProxy
from tests.system.backup import dump_schema, restore_schema
from tests.system.harness import ONE_OF_FIVE_AT_A_TIME, PAYOUT_SERVICE, Harness, eventually, kill
from tests.system.mining import Ticker, pay_first_batch

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
    faulty: Harness, proxy: RpcProxy, second_proxy: RpcProxy, ticker: Ticker, one_is_killed: bool
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
    # The chain stands still then, and both look after what waits for a block.
    payout = await pay_first_batch(faulty, ticker, stage, distribution.payout, _TOTAL)

    async def both_have_looked() -> bool:
        return all(each.count("eth_getTransactionCount") > 0 for each in (proxy, second_proxy))

    await eventually(both_have_looked, "both have had a hand in the signer's transactions")
    assert payout.state is PayoutState.EXECUTING
    if one_is_killed:
        kill(faulty.stack.services[PAYOUT_SERVICE])
    ticker.resume()

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
    # The chain stands still, so enough batches are left however long the dump takes.
    await pay_first_batch(faulty, ticker, stage, distribution.payout, _TOTAL)
    backup = tmp_path / "payout.dump"
    await asyncio.to_thread(dump_schema, faulty.stack, "payout", backup)
    # Read after the dump, which therefore knows no nonce from this one on; the batch under way may be below it.
    first_lost = (await _signer(faulty)).next_nonce
    lost = await _two_final_from(faulty, ticker, distribution.payout, first_lost)
    later = await faulty.payout(distribution.payout)
    assert later.state is PayoutState.EXECUTING
    await asyncio.to_thread(faulty.stack.stop_services, [PAYOUT_SERVICE])
    last_version = await _version(faulty, distribution.payout)
    ticker.resume()
    await faulty.nothing_pending()
    await asyncio.to_thread(restore_schema, faulty.stack, "payout", backup)

    await faulty.run_payout_service(ONE_OF_FIVE_AT_A_TIME)
    restored = await faulty.payout(distribution.payout)
    assert progress_of(restored).final_batch_count < progress_of(later).final_batch_count
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

    await _pass_version(faulty, distribution.payout, last_version)
    account = await _reconcile(faulty, signer)
    unknown = {each.nonce: each for each in account.transactions}
    assert list(unknown) == list(range(signer.next_nonce, nonce))
    assert len(unknown) >= 2
    assert all(each.payout == distribution.payout for each in account.transactions)
    assert len(lost) >= 2
    assert lost == {number: unknown[number].transaction_hash for number in lost}
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


async def _two_final_from(harness: Harness, ticker: Ticker, payout: str, nonce: int) -> dict[int, str]:
    """The transactions of two batches with this nonce or a higher one, mined block by block until they are final.

    With one under way at a time the payout is not complete then.
    """
    found: dict[int, str] = {}

    async def is_so() -> bool:
        found.update(
            (batch.nonce, batch.transaction_hash)
            for batch in await harness.batches(payout)
            if batch.state is BatchState.SETTLED and batch.nonce is not None and batch.nonce >= nonce
        )
        if len(found) < 2:
            ticker.mine()
        return len(found) >= 2

    await eventually(is_so, f"two batches are final, of nonce {nonce} and above", lambda: found)
    return found


async def _version(harness: Harness, payout: str) -> int:
    """The version of a payout that is in the database."""
    connection = await asyncpg.connect(harness.stack.endpoints.database_urls["payout"])
    try:
        version = await connection.fetchval(
            "SELECT version FROM payout WHERE payout_id = $1", payout.removeprefix("payouts/")
        )
    finally:
        await connection.close()
    assert isinstance(version, int)
    return version


async def _pass_version(harness: Harness, payout: str, version: int) -> None:
    """Pauses and resumes a payout that stands still until its version is above this one.

    Versions that were published before the backup was restored come again with other contents: JetStream drops
    them, their ids are known, and distribution_service knows something newer. Whether the last version of the
    restored payout is above the last lost one must not depend on where the lost one was stopped.
    """
    payouts = harness.client.payouts
    while await _version(harness, payout) <= version:
        await harness.call(payouts.pause_payout, PausePayoutRequest(request_id=str(uuid4()), name=payout))
        await harness.call(payouts.resume_payout, ResumePayoutRequest(request_id=str(uuid4()), name=payout))


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
