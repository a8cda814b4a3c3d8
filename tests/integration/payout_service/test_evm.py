"""The rail and the contracts' adapter on a real node with the devnet contracts."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, Nonce, SnapshotId, Wei
from libs.evm.rpc import JsonRpc, RpcUnavailableError
from payout_service.application.ports.lifecycle_contract import CallKind, RecognisedCall
from payout_service.application.ports.rail import CallWouldRevertError, Receipt
from payout_service.application.ports.sender import BroadcastAnswer
from payout_service.domain.fees import FeeCapReachedError, Fees, first_fees
from payout_service.domain.payments import FailureReason, PaymentState
from payout_service.domain.retry import RetryPolicy
from payout_service.domain.settlement import (
    BatchEvidence,
    Execution,
    ExecutionKind,
    ExpectedBatch,
    RecordedPayment,
    Refusal,
    settle,
)
from payout_service.domain.transaction import ContractCall, SignedTransaction
from payout_service.infrastructure.chain.rail import FeeModel
from payout_service.infrastructure.chain.signer import LocalSigner
from tests.integration.devnet.stage import Node, Stage
from tests.support.payout.amounts import execution_of, planned_payment
from tests.support.payout.contracts import EvmContracts, SendingEvmRail

CAP = 10**13
CHAIN_ID = 298
_SHARES = ExecutionKind.AMOUNT_SNAPSHOT
HOLDERS = {HolderAddress(f"0x{1_001 + number:040x}"): balance for number, balance in enumerate((60, 30, 10))}


def address(text: str) -> EvmAddress:
    return EvmAddress(text.lower())


@pytest.fixture
def rail(rpc: JsonRpc, account: LocalAccount) -> SendingEvmRail:
    return SendingEvmRail(rpc, [LocalSigner(account)])


@pytest.fixture
def contracts(rpc: JsonRpc) -> EvmContracts:
    return EvmContracts(rpc)


async def signed(
    rail: SendingEvmRail, account: LocalAccount, call: ContractCall, **changes: int
) -> SignedTransaction:
    signer = address(account.address)
    fees = first_fees(await rail.fee_quote(), Wei(CAP))
    nonce = changes.get("nonce", await rail.nonce_at(signer, None))
    tip = Wei(changes["tip"]) if "tip" in changes else fees.max_priority_fee_per_gas_wei
    fees = Fees(
        max_fee_per_gas_wei=Wei(fees.max_fee_per_gas_wei * changes.get("times", 1)),
        max_priority_fee_per_gas_wei=tip,
    )
    gas = changes.get("gas", 8_000_000)
    return await rail.sign(signer, call, chain_id=CHAIN_ID, nonce=Nonce(nonce), gas_limit=gas, fees=fees)


async def mined(rail: SendingEvmRail, transaction: SignedTransaction) -> Receipt:
    async with asyncio.timeout(60):
        while True:
            receipt = await rail.find_receipt(transaction.transaction_hash)
            if receipt is not None:
                return receipt
            await asyncio.sleep(0.02)


def shares(snapshot_id: int, payees: Sequence[HolderAddress], total: int = 1_000) -> Execution:
    return execution_of(_SHARES, snapshot_id, total, tuple(payees))


async def test_identity_and_blocks(rail: SendingEvmRail, node: Node, stage: Stage) -> None:
    assert await rail.chain_id() == CHAIN_ID
    assert await rail.genesis_hash() == node.genesis_hash.lower()
    head = await rail.head()
    assert await rail.block_hash(head.number) == head.hash
    assert await rail.block_hash(BlockNumber(head.number + 1_000)) is None


async def test_every_answer_to_a_broadcast(
    rail: SendingEvmRail, contracts: EvmContracts, stage: Stage, account: LocalAccount
) -> None:
    web3, signer = stage.devnet.web3, address(account.address)
    call = contracts.take_snapshot(address(stage.token))
    await web3.provider.make_request("evm_setAutomine", [False])
    try:
        first = await signed(rail, account, call)
        assert (await rail.broadcast(first.raw)).answer is BroadcastAnswer.ACCEPTED
        assert (await rail.broadcast(first.raw)).answer is BroadcastAnswer.ALREADY_KNOWN
        assert await rail.find_receipt(first.transaction_hash) is None
        cheap = await signed(rail, account, call, gas=7_000_000, nonce=0)
        assert (await rail.broadcast(cheap.raw)).answer is BroadcastAnswer.FEE_TOO_LOW
        await web3.provider.make_request("anvil_mine", ["0x3"])
        await mined(rail, first)
    finally:
        await web3.provider.make_request("evm_setAutomine", [True])
    again = await rail.broadcast(first.raw)
    assert again.answer in (BroadcastAnswer.NONCE_USED, BroadcastAnswer.ALREADY_KNOWN)
    assert (await rail.broadcast(cheap.raw)).answer is BroadcastAnswer.NONCE_USED
    receipt = await mined(rail, first)
    assert receipt.succeeded
    assert receipt.outcome.transaction_hash == first.transaction_hash
    assert await rail.block_hash(receipt.outcome.block_number) == receipt.outcome.block_hash
    assert await rail.nonce_at(signer, BlockNumber(receipt.outcome.block_number - 1)) == 0
    assert await rail.nonce_at(signer, receipt.outcome.block_number) == 1
    assert await contracts.snapshot_id_in(first.transaction_hash, address(stage.token)) == 1
    assert await contracts.snapshot_id_in(first.transaction_hash, address(stage.lifecycle)) is None


async def test_without_gas_money_nothing_is_taken(
    rail: SendingEvmRail, contracts: EvmContracts, stage: Stage, account: LocalAccount
) -> None:
    await stage.devnet.fund_gas(to_checksum_address(account.address), 1)  # type: ignore[arg-type]
    assert await rail.gas_money_wei(address(account.address)) == 1
    poor = await signed(rail, account, contracts.take_snapshot(address(stage.token)))
    result = await rail.broadcast(poor.raw)
    assert result.answer is BroadcastAnswer.NOT_TAKEN
    assert "nsufficient" in result.message


async def test_a_node_that_is_away_is_unavailable(account: LocalAccount) -> None:
    away = JsonRpc("http://127.0.0.1:1")
    try:
        with pytest.raises(RpcUnavailableError):
            await SendingEvmRail(away, [LocalSigner(account)]).broadcast(b"\x02")
    finally:
        await away.close()


async def test_a_call_that_would_revert_names_the_error(
    rail: SendingEvmRail, contracts: EvmContracts, stage: Stage, account: LocalAccount
) -> None:
    signer = address(account.address)
    wrong_asset = contracts.pay_batch(address(stage.lifecycle), address(stage.payment_token), shares(1, [], 1))
    with pytest.raises(CallWouldRevertError, match="InvalidAsset"):
        await rail.estimate_gas(signer, wrong_asset)
    with pytest.raises(CallWouldRevertError, match="AccountHasNoRole"):
        await rail.estimate_gas(address(stage.stranger), wrong_asset)
    await stage.devnet.pause(stage.token)
    with pytest.raises(CallWouldRevertError, match="TokenIsPaused"):
        await rail.estimate_gas(signer, contracts.take_snapshot(address(stage.token)))


async def test_the_quote_is_what_the_chain_asks_for(
    rail: SendingEvmRail, rpc: JsonRpc, account: LocalAccount, stage: Stage
) -> None:
    block = await rpc.latest_block()
    assert block.base_fee_wei
    quote = await rail.fee_quote()
    assert quote.base_fee_wei == block.base_fee_wei
    assert quote.gas_price_wei == block.base_fee_wei + quote.priority_fee_wei
    assert quote.priority_fee_wei > 0
    tight = first_fees(quote, block.base_fee_wei)
    assert tight.max_fee_per_gas_wei == block.base_fee_wei
    with pytest.raises(FeeCapReachedError):
        first_fees(quote, Wei(block.base_fee_wei - 1))
    legacy = await SendingEvmRail(rpc, [LocalSigner(account)], fee_model=FeeModel.LEGACY).fee_quote()
    assert legacy.base_fee_wei is None
    assert legacy.gas_price_wei >= block.base_fee_wei


async def test_only_the_own_key_signs(rail: SendingEvmRail, stage: Stage) -> None:
    with pytest.raises(ValueError, match="no key"):
        await rail.sign(
            address(stage.stranger),
            ContractCall(None, b""),
            chain_id=1,
            nonce=Nonce(0),
            gas_limit=1,
            fees=Fees(max_fee_per_gas_wei=Wei(1), max_priority_fee_per_gas_wei=Wei(1)),
        )


async def test_a_batch_that_partly_fails_is_settled_by_its_evidence(
    rail: SendingEvmRail, contracts: EvmContracts, stage: Stage, account: LocalAccount
) -> None:
    """One payee blocked by the payment token, one paid by another transaction, one paid by this one."""
    lifecycle, token, money = (address(each) for each in (stage.lifecycle, stage.token, stage.payment_token))
    blocked, earlier, paid = HOLDERS
    await stage.devnet.issue(stage.token, {to_checksum_address(each): value for each, value in HOLDERS.items()})
    await stage.deposit(1_000)
    await stage.devnet.block_payee(stage.payment_token, to_checksum_address(blocked))
    snapshot = await signed(rail, account, contracts.take_snapshot(token))
    await rail.broadcast(snapshot.raw)
    receipt = await mined(rail, snapshot)
    snapshot_id = await contracts.snapshot_id_in(snapshot.transaction_hash, token) or SnapshotId(0)
    block = receipt.outcome.block_number
    assert await contracts.snapshot_totals(token, snapshot_id, block) == (3, 100)
    pages = [
        await contracts.snapshot_page(token, snapshot_id, page=page, length=2, block_number=block)
        for page in range(3)
    ]
    assert dict(pages[0] + pages[1]) == HOLDERS
    assert pages[2] == []
    assert await contracts.live_totals(token, block) == (3, 100)
    assert dict(await contracts.live_page(token, page=0, length=9, block_number=block)) == HOLDERS
    one = await signed(rail, account, contracts.pay_batch(lifecycle, token, shares(snapshot_id, [earlier])))
    await rail.broadcast(one.raw)
    await mined(rail, one)
    assert await contracts.payment_token_balance(money, lifecycle) == 700

    payees = list(HOLDERS)
    call = contracts.pay_batch(lifecycle, token, shares(snapshot_id, payees))
    assert await rail.estimate_gas(address(account.address), call) > 100_000
    batch = await signed(rail, account, call)
    await rail.broadcast(batch.raw)
    # anvil mines in the background even when it mines at once.
    final = await mined(rail, batch)
    assert final.succeeded
    evidence = await contracts.receipt_evidence(batch.transaction_hash, lifecycle, money, token)
    assert evidence.event
    assert evidence.event.execution == shares(snapshot_id, payees)
    assert set(evidence.event.failed) == {blocked, earlier}
    assert evidence.event.paid == dict(evidence.transferred) == {paid: 100}
    flags = await contracts.paid_flags(lifecycle, _SHARES, snapshot_id, payees, final.outcome.block_number)
    assert flags == {blocked: False, earlier: True, paid: True}
    before = await contracts.paid_flags(lifecycle, _SHARES, snapshot_id, payees, block)
    assert set(before.values()) == {False}, "at the block that is asked for"
    newest = final.outcome.block_number
    executions = await contracts.executions(lifecycle, from_block=BlockNumber(0), to_block=newest)
    assert [each.transaction_hash for each in executions] == [one.transaction_hash, batch.transaction_hash]
    assert executions[1].event == evidence.event
    assert executions[1].block_number == newest
    assert await contracts.executions(lifecycle, from_block=BlockNumber(newest + 1), to_block=newest) == []
    transfers = await contracts.outgoing_transfers(money, lifecycle, from_block=BlockNumber(0), to_block=newest)
    assert [(each.to, each.amount_base_units, each.transaction_hash) for each in transfers] == [
        (earlier, 300, one.transaction_hash),
        (paid, 100, batch.transaction_hash),
    ]
    assert (
        await contracts.outgoing_transfers(money, lifecycle, from_block=newest, to_block=newest) == transfers[1:]
    )
    found = await rail.transaction_with_nonce(address(account.address), Nonce(1))
    assert found
    assert (found.transaction_hash, found.succeeded) == (one.transaction_hash, True)
    recognised = contracts.recognise(found.call)
    assert recognised == RecognisedCall(CallKind.PAY_BATCH, shares(snapshot_id, [earlier]))
    why = await contracts.why_refused(lifecycle, money, blocked, BaseUnits(600))
    recorded = RecordedPayment(
        transaction_hash=executions[0].transaction_hash,
        event_base_units=executions[0].event.paid[earlier],
        transferred_base_units=transfers[0].amount_base_units,
    )
    outcomes = settle(
        ExpectedBatch(
            shares(snapshot_id, payees),
            tuple(
                planned_payment(ordinal, each, HOLDERS[each], 10 * HOLDERS[each])
                for ordinal, each in enumerate(payees)
            ),
        ),
        BatchEvidence(
            evidence.event,
            evidence.transferred,
            flags,
            {earlier: recorded},
            {blocked: Refusal(FailureReason.TRANSFER_REFUSED, why)},
        ),
        RetryPolicy(),
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert [(each.state, each.detail or each.transaction_hash) for each in outcomes] == [
        (PaymentState.WAITING, f"AccountBlacklisted({blocked})"),
        (PaymentState.PAID, one.transaction_hash),
        (PaymentState.PAID, ""),
    ]
    other = await contracts.receipt_evidence(batch.transaction_hash, money, lifecycle, token)
    assert (other.event, dict(other.transferred)) == (None, {}), "logs of other contracts are no evidence"


async def test_why_the_payment_token_refuses(contracts: EvmContracts, stage: Stage) -> None:
    lifecycle, money, payee = address(stage.lifecycle), address(stage.payment_token), next(iter(HOLDERS))
    await stage.deposit(50)
    assert await contracts.why_refused(lifecycle, money, payee, BaseUnits(50)) == ""
    assert (
        await contracts.why_refused(lifecycle, money, payee, BaseUnits(51))
        == f"InsufficientBalance({lifecycle}, 50, 51)"
    )
    await stage.devnet.block_payee(stage.payment_token, to_checksum_address(payee))
    assert await contracts.why_refused(lifecycle, money, payee, BaseUnits(50)) == f"AccountBlacklisted({payee})"
    await stage.devnet.unblock_payee(stage.payment_token, to_checksum_address(payee))
    await stage.devnet.pause(stage.payment_token)
    assert await contracts.why_refused(lifecycle, money, payee, BaseUnits(50)) == "TransfersPaused()"
    await stage.devnet.unpause(stage.payment_token)
    assert await contracts.why_refused(lifecycle, money, payee, BaseUnits(50)) == ""


async def test_a_sweep_moves_what_is_asked_for_and_leaves_the_rest(
    rail: SendingEvmRail, contracts: EvmContracts, stage: Stage, account: LocalAccount
) -> None:
    lifecycle, money, to = address(stage.lifecycle), address(stage.payment_token), address(stage.stranger)
    await stage.deposit(50)
    before = await contracts.payment_token_balance(money, to)
    sweep = await signed(rail, account, contracts.sweep(lifecycle, to, BaseUnits(20)))
    await rail.broadcast(sweep.raw)
    assert (await mined(rail, sweep)).succeeded
    assert await contracts.payment_token_balance(money, to) == before + 20
    assert await contracts.payment_token_balance(money, lifecycle) == 30
    with pytest.raises(CallWouldRevertError, match=r"TransferERC20TokenFailed|NotEnoughBalance"):
        await rail.estimate_gas(address(account.address), contracts.sweep(lifecycle, to, BaseUnits(31)))


async def test_evidence_of_a_receipt_that_the_node_does_not_have(contracts: EvmContracts, stage: Stage) -> None:
    with pytest.raises(RpcUnavailableError):
        await contracts.receipt_evidence(
            "0x" + "12" * 32, address(stage.lifecycle), address(stage.payment_token), address(stage.token)
        )


async def test_whose_contract_it_is(contracts: EvmContracts, stage: Stage, account: LocalAccount) -> None:
    lifecycle, token, signer = address(stage.lifecycle), address(stage.token), address(account.address)
    assert await contracts.is_contract_of(lifecycle, token, signer) is True
    assert await contracts.is_contract_of(lifecycle, address(stage.payment_token), signer) is False
    assert await contracts.is_contract_of(lifecycle, token, address(stage.stranger)) is None
    assert await contracts.holds_payout_role(lifecycle, signer)
    assert not await contracts.holds_payout_role(lifecycle, address(stage.stranger))
    assert await contracts.holds_transferer_role(lifecycle, signer)
    assert not await contracts.holds_transferer_role(lifecycle, address(stage.stranger))
    assert await contracts.holds_snapshot_role(token, signer)
    assert not await contracts.holds_snapshot_role(token, address(stage.stranger))
    assert not await contracts.is_paused(lifecycle)
    assert await contracts.has_code(lifecycle)
    assert not await contracts.has_code(signer)
    assert await contracts.payment_token_of(lifecycle) == address(stage.payment_token)
    assert await contracts.payment_token_of(token) is None
    assert await contracts.payment_token_of(signer) is None
    implementation = await contracts.implementation_of(lifecycle)
    assert implementation
    assert await contracts.has_code(implementation)
    assert await contracts.implementation_of(token) is None


async def test_a_paused_contract_does_not_tell_whose_it_is(
    rail: SendingEvmRail, contracts: EvmContracts, stage: Stage, account: LocalAccount
) -> None:
    lifecycle = address(stage.lifecycle)
    pause = await signed(rail, account, ContractCall(lifecycle, bytes.fromhex("8456cb59")))
    await rail.broadcast(pause.raw)
    await mined(rail, pause)
    assert await contracts.is_paused(lifecycle)
    assert await contracts.is_contract_of(lifecycle, address(stage.token), address(account.address)) is None
