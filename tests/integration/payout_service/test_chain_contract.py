"""What the engine may rely on: the chain in memory and a real node with the devnet contracts do the same.

Blocks, transactions and snapshot payouts; the other kinds of payout are in test_chain_kinds.py.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from eth_account.signers.local import LocalAccount

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, Nonce, SnapshotId, Wei
from libs.evm.interfaces import LIFECYCLE_IS_PAUSED
from libs.evm.rpc import JsonRpc
from payout_service.application.ports.lifecycle_contract import CallKind, RecognisedCall
from payout_service.application.ports.rail import CallWouldRevertError
from payout_service.application.ports.sender import BroadcastAnswer
from payout_service.domain.fees import Fees
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.transaction import ContractCall, no_op
from tests.integration.devnet.stage import Stage
from tests.integration.payout_service.chain_venues import (
    BALANCES,
    BIG,
    GAS,
    MIDDLE,
    SMALL,
    STRANGER,
    MemoryVenue,
    NodeVenue,
    Venue,
    balance,
    evidence_of,
    mined,
    opened,
    pay,
    sent,
    share,
    signed,
    snapshot,
)
from tests.support.payout.memory_chain import CHAIN_ID


@pytest_asyncio.fixture
async def node_venue(stage: Stage, rpc: JsonRpc, account: LocalAccount) -> AsyncIterator[NodeVenue]:
    async with opened(NodeVenue(stage, rpc, account)) as venue:
        yield venue


@pytest.fixture(params=["memory", "anvil"])
def venue(request: pytest.FixtureRequest) -> Venue:
    if request.param == "memory":
        return MemoryVenue()
    node: NodeVenue = request.getfixturevalue("node_venue")
    return node


async def test_a_snapshot_holds_every_holder(venue: Venue) -> None:
    first = await snapshot(venue)
    block = (await venue.rail.head()).number
    assert await venue.contracts.snapshot_totals(venue.token, SnapshotId(first), block) == (3, 100)
    pages = [
        await venue.contracts.snapshot_page(
            venue.token, SnapshotId(first), page=page, length=2, block_number=block
        )
        for page in range(3)
    ]
    assert [len(page) for page in pages] == [2, 1, 0]
    assert dict(pages[0] + pages[1]) == BALANCES
    balances = await venue.contracts.snapshot_balances(
        venue.token, SnapshotId(first), [SMALL, STRANGER, BIG], block
    )
    assert balances == {SMALL: 10, STRANGER: 0, BIG: 60}
    assert await venue.contracts.live_totals(venue.token, block) == (3, 100)
    live = await venue.contracts.live_balances(venue.token, [STRANGER, MIDDLE], block)
    assert live == {STRANGER: 0, MIDDLE: 30}
    assert dict(await venue.contracts.live_page(venue.token, page=0, length=9, block_number=block)) == BALANCES
    assert await snapshot(venue) == first + 1


async def test_a_batch_pays_each_payee_its_share_once(venue: Venue) -> None:
    await venue.deposit(5_000)
    first = await snapshot(venue)
    receipt, batch = await pay(venue, share(first, [BIG, SMALL]))
    assert receipt.succeeded
    evidence = await evidence_of(venue, batch)
    assert evidence.event
    assert evidence.event.execution == share(first, [BIG, SMALL])
    assert evidence.event.paid == dict(evidence.transferred) == {BIG: 600, SMALL: 100}
    assert evidence.event.failed == ()
    again, second = await pay(venue, share(first, [SMALL, MIDDLE]))
    assert again.succeeded, "who was paid already does not make the call revert"
    evidence = await evidence_of(venue, second)
    assert evidence.event
    assert (evidence.event.failed, dict(evidence.event.paid)) == ((SMALL,), {MIDDLE: 300})
    assert [await balance(venue, each) for each in BALANCES] == [600, 300, 100]
    flags = await venue.contracts.paid_flags(
        venue.lifecycle, ExecutionKind.AMOUNT_SNAPSHOT, first, [BIG, MIDDLE], receipt.outcome.block_number
    )
    assert flags == {BIG: True, MIDDLE: False}, "at the block that is asked for"


async def test_another_snapshot_would_pay_again(venue: Venue) -> None:
    await venue.deposit(5_000)
    for expected in (600, 1_200):
        await pay(venue, share(await snapshot(venue), [BIG]))
        assert await balance(venue, BIG) == expected


async def test_a_payee_twice_in_one_call_is_paid_once(venue: Venue) -> None:
    await venue.deposit(5_000)
    _, batch = await pay(venue, share(await snapshot(venue), [BIG, BIG]))
    evidence = await evidence_of(venue, batch)
    assert evidence.event
    assert (evidence.event.failed, dict(evidence.event.paid)) == ((BIG,), {BIG: 600})
    assert await balance(venue, BIG) == 600


async def test_who_is_due_nothing_succeeds_with_nothing(venue: Venue) -> None:
    await venue.deposit(5_000)
    first = await snapshot(venue)
    _, batch = await pay(venue, share(first, [STRANGER, SMALL], 9))
    evidence = await evidence_of(venue, batch)
    assert evidence.event
    assert dict(evidence.event.paid) == {STRANGER: 0, SMALL: 0}
    _, right_amount = await pay(venue, share(first, [SMALL]))
    evidence = await evidence_of(venue, right_amount)
    assert evidence.event
    assert evidence.event.failed == (SMALL,), "too small an amount has used up its flag"


async def test_funds_that_run_out_fail_payees_and_not_the_call(venue: Venue) -> None:
    await venue.deposit(450)
    first = await snapshot(venue)
    receipt, batch = await pay(venue, share(first, [BIG, MIDDLE, SMALL]))
    assert receipt.succeeded
    evidence = await evidence_of(venue, batch)
    assert evidence.event
    assert (evidence.event.failed, dict(evidence.event.paid)) == ((BIG,), {MIDDLE: 300, SMALL: 100})
    why = await venue.contracts.why_refused(venue.lifecycle, venue.money, BIG, BaseUnits(600))
    assert why == f"InsufficientBalance({venue.lifecycle}, 50, 600)"
    await venue.deposit(550)
    assert await venue.contracts.why_refused(venue.lifecycle, venue.money, BIG, BaseUnits(600)) == ""
    _, rest = await pay(venue, share(first, [BIG]))
    evidence = await evidence_of(venue, rest)
    assert evidence.event
    assert dict(evidence.event.paid) == {BIG: 600}


async def test_a_blocked_payee_fails_alone(venue: Venue) -> None:
    await venue.deposit(5_000)
    first = await snapshot(venue)
    await venue.block_payee(MIDDLE)
    _, batch = await pay(venue, share(first, [BIG, MIDDLE]))
    evidence = await evidence_of(venue, batch)
    assert evidence.event
    assert (evidence.event.failed, dict(evidence.event.paid)) == ((MIDDLE,), {BIG: 600})
    block = (await venue.rail.head()).number
    flags = await venue.contracts.paid_flags(
        venue.lifecycle, ExecutionKind.AMOUNT_SNAPSHOT, first, [BIG, MIDDLE], block
    )
    assert flags == {BIG: True, MIDDLE: False}
    why = await venue.contracts.why_refused(venue.lifecycle, venue.money, MIDDLE, BaseUnits(300))
    assert why == f"AccountBlacklisted({MIDDLE})"
    await venue.unblock_payee(MIDDLE)
    await pay(venue, share(first, [MIDDLE]))
    assert await balance(venue, MIDDLE) == 300


async def test_a_call_that_would_revert_is_named(venue: Venue) -> None:
    contracts, rail = venue.contracts, venue.rail
    for missing in (0, 7):
        call = contracts.pay_batch(venue.lifecycle, venue.token, share(missing, [BIG]))
        with pytest.raises(CallWouldRevertError, match="SnapshotId"):
            await rail.estimate_gas(venue.signer, call)
    first = await snapshot(venue)
    call = contracts.pay_batch(venue.lifecycle, venue.token, share(first, [BIG]))
    assert await rail.estimate_gas(venue.signer, call) > 50_000
    with pytest.raises(CallWouldRevertError, match="NotEnoughBalance") as lacking:
        await rail.estimate_gas(venue.signer, contracts.sweep(venue.lifecycle, EvmAddress(BIG), BaseUnits(1)))
    await venue.pause()
    assert await contracts.is_paused(venue.lifecycle)
    with pytest.raises(CallWouldRevertError, match=f"^{LIFECYCLE_IS_PAUSED.name}") as paused:
        await rail.estimate_gas(venue.signer, call)
    assert (lacking.value.is_by_pause, paused.value.is_by_pause) == (False, True)


async def test_a_pause_and_its_end_are_seen_by_block(venue: Venue) -> None:
    contracts, rail, lifecycle = venue.contracts, venue.rail, venue.lifecycle
    assert await contracts.holds_pauser_role(lifecycle, venue.signer)
    with pytest.raises(CallWouldRevertError, match="LifeCycleCashFlowIsUnpaused"):
        await rail.estimate_gas(venue.signer, contracts.set_paused(lifecycle, False))
    blocks = []
    for paused in (True, False):
        receipt = await mined(venue, await sent(venue, contracts.set_paused(lifecycle, paused)))
        assert receipt.succeeded
        assert await contracts.is_paused(lifecycle) is paused
        blocks.append(receipt.outcome.block_number)
        if paused:
            with pytest.raises(CallWouldRevertError, match=LIFECYCLE_IS_PAUSED.name):
                await rail.estimate_gas(venue.signer, contracts.set_paused(lifecycle, True))
    paused_at, unpaused_at = blocks
    around = (paused_at - 1, paused_at, unpaused_at - 1, unpaused_at)
    assert [await contracts.was_paused(lifecycle, BlockNumber(number)) for number in around] == [
        False,
        True,
        True,
        False,
    ]
    assert await contracts.was_paused(lifecycle, BlockNumber(unpaused_at + 1_000)) is None, (
        "no node knows that block"
    )


async def test_too_little_gas_reverts_and_pays_nobody(venue: Venue) -> None:
    await venue.deposit(5_000)
    first = await snapshot(venue)
    call = venue.contracts.pay_batch(venue.lifecycle, venue.token, share(first, list(BALANCES)))
    transaction = await sent(venue, call, gas=60_000)
    receipt = await mined(venue, transaction)
    assert not receipt.succeeded
    evidence = await evidence_of(venue, transaction.transaction_hash)
    assert (evidence.event, dict(evidence.transferred)) == (None, {})
    assert await balance(venue, BIG) == 0
    seen = await venue.rail.transaction_with_nonce(venue.signer, Nonce(1))
    assert seen
    assert not seen.succeeded


async def test_every_answer_to_a_broadcast(venue: Venue) -> None:
    call = venue.contracts.take_snapshot(venue.token)
    first = await sent(venue, call)
    assert (await venue.rail.broadcast(first.raw)).answer is BroadcastAnswer.ALREADY_KNOWN
    assert await venue.rail.find_receipt(first.transaction_hash) is None
    other = await signed(venue, call, gas=GAS + 1)
    assert (await venue.rail.broadcast(other.raw)).answer is BroadcastAnswer.FEE_TOO_LOW
    never = await signed(venue, call, gas=40_000_000, nonce=1)
    assert (await venue.rail.broadcast(never.raw)).answer is BroadcastAnswer.NEVER_FITS
    receipt = await mined(venue, first)
    assert receipt.outcome.transaction_hash == first.transaction_hash
    assert await venue.rail.block_hash(receipt.outcome.block_number) == receipt.outcome.block_hash
    assert (await venue.rail.broadcast(other.raw)).answer is BroadcastAnswer.NONCE_USED


async def test_a_replacement_takes_the_place_of_the_first(venue: Venue) -> None:
    call = venue.contracts.take_snapshot(venue.token)
    first = await sent(venue, call)
    same = await signed(venue, no_op(venue.signer), nonce=0)
    assert (await venue.rail.broadcast(same.raw)).answer is BroadcastAnswer.FEE_TOO_LOW
    second = await sent(venue, no_op(venue.signer), percent=113, nonce=0)
    assert (await mined(venue, second)).succeeded
    assert await venue.rail.find_receipt(first.transaction_hash) is None
    assert await venue.rail.nonce_at(venue.signer, None) == 1
    seen = await venue.rail.transaction_with_nonce(venue.signer, Nonce(0))
    assert seen
    assert (seen.transaction_hash, seen.call) == (second.transaction_hash, no_op(venue.signer))


async def test_a_transaction_behind_a_gap_waits_for_it(venue: Venue) -> None:
    later = await sent(venue, no_op(venue.signer), nonce=1)
    await venue.mine(2)
    assert await venue.rail.find_receipt(later.transaction_hash) is None
    assert await venue.rail.nonce_at(venue.signer, None) == 0
    await sent(venue, no_op(venue.signer), nonce=0)
    await mined(venue, later)
    assert await venue.rail.nonce_at(venue.signer, None) == 2


async def test_the_nonce_is_that_of_a_block(venue: Venue) -> None:
    before = (await venue.rail.head()).number
    first = await sent(venue, no_op(venue.signer))
    block = (await mined(venue, first)).outcome.block_number
    assert await venue.rail.nonce_at(venue.signer, before) == 0
    assert await venue.rail.nonce_at(venue.signer, block) == 1
    assert await venue.rail.nonce_at(venue.signer, BlockNumber(block - 1)) == 0
    assert await venue.rail.block_hash(BlockNumber(block + 1_000)) is None
    assert await venue.rail.transaction_with_nonce(venue.signer, Nonce(1)) is None


async def test_a_reorg_takes_everything_back(venue: Venue) -> None:
    await venue.deposit(5_000)
    first = await snapshot(venue)
    call = venue.contracts.pay_batch(venue.lifecycle, venue.token, share(first, [BIG]))
    batch = await sent(venue, call)
    receipt = await mined(venue, batch)
    await venue.mine()
    await venue.reorg(2)
    assert await venue.rail.find_receipt(batch.transaction_hash) is None
    assert await venue.rail.nonce_at(venue.signer, None) == 1
    assert await venue.rail.block_hash(receipt.outcome.block_number) != receipt.outcome.block_hash
    assert await balance(venue, BIG) == 0
    await venue.mine()
    assert await venue.rail.find_receipt(batch.transaction_hash) is None, "the pool is empty"
    assert (await venue.rail.broadcast(batch.raw)).answer is BroadcastAnswer.ACCEPTED, "the same bytes again"
    again = await mined(venue, batch)
    assert again.succeeded
    assert again.outcome.block_hash != receipt.outcome.block_hash
    assert await balance(venue, BIG) == 600


async def test_what_offers_less_than_the_base_fee_is_not_taken(venue: Venue) -> None:
    await venue.mine()
    quote = await venue.rail.fee_quote()
    assert quote.base_fee_wei
    assert quote.gas_price_wei == quote.base_fee_wei + quote.priority_fee_wei
    await venue.set_base_fee(100 * quote.base_fee_wei)
    await venue.mine()
    dearer = await venue.rail.fee_quote()
    assert dearer.base_fee_wei
    assert dearer.base_fee_wei > 50 * quote.base_fee_wei
    poor = await venue.rail.sign(
        venue.signer,
        no_op(venue.signer),
        chain_id=CHAIN_ID,
        nonce=Nonce(0),
        gas_limit=21_000,
        fees=Fees(max_fee_per_gas_wei=quote.base_fee_wei, max_priority_fee_per_gas_wei=Wei(1)),
    )
    assert (await venue.rail.broadcast(poor.raw)).answer is BroadcastAnswer.FEE_TOO_LOW
    assert (await mined(venue, await sent(venue, no_op(venue.signer)))).succeeded


async def test_the_memory_pool_is_as_strict_as_a_network() -> None:
    """Anvil takes any higher offer for a replacement, and mines what offers less than the base fee."""
    venue = MemoryVenue()
    first = await sent(venue, venue.contracts.take_snapshot(venue.token))
    shy = await signed(venue, no_op(venue.signer), percent=109, nonce=0)
    assert (await venue.rail.broadcast(shy.raw)).answer is BroadcastAnswer.FEE_TOO_LOW
    await venue.set_base_fee(100 * venue.chain.base_fee)
    await venue.mine()
    assert await venue.rail.find_receipt(first.transaction_hash) is None
    second = await sent(venue, no_op(venue.signer), nonce=0, percent=113)
    assert (await mined(venue, second)).succeeded
    assert await venue.rail.find_receipt(first.transaction_hash) is None


async def test_a_relay_keeps_no_pool() -> None:
    """A Hedera relay: gaps are refused, success may come to nothing (docs/facts-hedera.md#relay-nonces)."""
    venue = MemoryVenue()
    venue.chain.is_relay = True
    gap = await signed(venue, no_op(venue.signer), nonce=1)
    assert (await venue.rail.broadcast(gap.raw)).answer is BroadcastAnswer.NONCE_GAP
    first = await sent(venue, no_op(venue.signer))
    other = await sent(venue, no_op(venue.signer), nonce=0)
    assert await venue.rail.nonce_at(venue.signer, None) == 0, "success precedes the nonce's advance"
    assert (await mined(venue, first)).succeeded
    assert await venue.rail.find_receipt(other.transaction_hash) is None
    await sent(venue, no_op(venue.signer), nonce=1)


async def test_executions_and_transfers_are_found_by_their_blocks(venue: Venue) -> None:
    await venue.deposit(1_000)
    first = await snapshot(venue)
    one, one_hash = await pay(venue, share(first, [BIG]))
    two, two_hash = await pay(venue, share(first, [BIG, SMALL]))
    sweep = await sent(venue, venue.contracts.sweep(venue.lifecycle, EvmAddress(STRANGER), BaseUnits(250)))
    assert (await mined(venue, sweep)).succeeded
    head = (await venue.rail.head()).number
    executions = await venue.contracts.executions(venue.lifecycle, from_block=BlockNumber(0), to_block=head)
    assert [(each.transaction_hash, each.block_number) for each in executions] == [
        (one_hash, one.outcome.block_number),
        (two_hash, two.outcome.block_number),
    ]
    evidence = await evidence_of(venue, two_hash)
    assert executions[1].event == evidence.event
    transfers = await venue.contracts.outgoing_transfers(
        venue.money, venue.lifecycle, from_block=BlockNumber(0), to_block=head
    )
    assert [(each.transaction_hash, each.to, each.amount_base_units) for each in transfers] == [
        (one_hash, BIG, 600),
        (two_hash, SMALL, 100),
        (sweep.transaction_hash, STRANGER, 250),
    ]
    later = one.outcome.block_number + 1
    assert (
        await venue.contracts.executions(venue.lifecycle, from_block=BlockNumber(later), to_block=head)
        == executions[1:]
    )
    assert (
        await venue.contracts.outgoing_transfers(
            venue.money, venue.lifecycle, from_block=BlockNumber(later), to_block=head
        )
        == transfers[1:]
    )
    assert await venue.contracts.executions(venue.lifecycle, from_block=BlockNumber(head + 1), to_block=head) == []
    assert await balance(venue, venue.lifecycle.value) == 50
    assert await balance(venue, STRANGER) == 250


async def test_a_transaction_is_found_by_its_nonce_and_recognised(venue: Venue) -> None:
    contracts = venue.contracts
    await venue.deposit(1_000)
    first = await snapshot(venue)
    receipt, batch = await pay(venue, share(first, [BIG, SMALL]))
    seen = await venue.rail.transaction_with_nonce(venue.signer, Nonce(1))
    assert seen
    assert (seen.transaction_hash, seen.succeeded) == (batch, True)
    assert (seen.block_number, seen.block_hash) == (receipt.outcome.block_number, receipt.outcome.block_hash)
    assert seen.gas_used == receipt.outcome.gas_used > 21_000
    pays = RecognisedCall(CallKind.PAY_BATCH, share(first, [BIG, SMALL]))
    assert contracts.recognise(seen.call) == pays
    taken = await venue.rail.transaction_with_nonce(venue.signer, Nonce(0))
    assert taken
    assert contracts.recognise(taken.call) == RecognisedCall(CallKind.TAKE_SNAPSHOT)
    sweep = contracts.sweep(venue.lifecycle, EvmAddress(STRANGER), BaseUnits(25))
    assert contracts.recognise(sweep) == RecognisedCall(
        CallKind.SWEEP, sweep_to=STRANGER, sweep_base_units=BaseUnits(25)
    )
    for paused in (True, False):
        call = contracts.set_paused(venue.lifecycle, paused)
        assert contracts.recognise(call) == RecognisedCall(CallKind.SET_PAUSED)
    assert contracts.recognise(no_op(venue.signer)) == RecognisedCall(CallKind.OTHER)
    assert contracts.recognise(ContractCall(None, b"\x60\x80")) == RecognisedCall(CallKind.OTHER)
    assert contracts.recognise(ContractCall(venue.lifecycle, b"\xff")) == RecognisedCall(CallKind.OTHER)


async def test_identity_roles_and_the_contract(venue: Venue) -> None:
    contracts = venue.contracts
    assert await venue.rail.chain_id() == CHAIN_ID
    assert await venue.rail.genesis_hash() == await venue.rail.block_hash(BlockNumber(0))
    assert await contracts.has_code(venue.lifecycle)
    assert not await contracts.has_code(venue.signer)
    assert await contracts.payment_token_of(venue.lifecycle) == venue.money
    assert await contracts.is_contract_of(venue.lifecycle, venue.token, venue.signer) is True
    assert await contracts.holds_payout_role(venue.lifecycle, venue.signer)
    assert await contracts.holds_snapshot_role(venue.token, venue.signer)
    assert await contracts.holds_transferer_role(venue.lifecycle, venue.signer)
    assert await contracts.implementation_of(venue.lifecycle)
    assert await venue.rail.gas_money_wei(venue.signer) > 0
    assert not await contracts.is_paused(venue.lifecycle)
