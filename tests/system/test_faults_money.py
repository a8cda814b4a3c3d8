"""Too little money, money taken away, a payee refused by the token: what is owed stays promised, is paid once."""

from __future__ import annotations

from uuid import uuid4

from eth_utils.address import to_checksum_address
from web3.types import Wei

from libs.client.client import progress_of
from libs.errors import Code, Reason
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import (
    BatchState,
    GetSweepRequest,
    GetTreasuryRequest,
    PaymentState,
    PayoutState,
    ReconcilePayoutRequest,
    RetryPaymentsRequest,
    Sweep,
    SweepLeftoverRequest,
    SweepState,
    Treasury,
)
from tests.system.harness import Harness, eventually, told
from tests.system.mining import Ticker, sent_batch

_TOTAL = 1_000_000_007
_OUTSIDER = to_checksum_address("0x" + "0d" * 20)
_UNPAUSE_TIP_WEI = 50 * 10**9
_TREASURER = to_checksum_address("0x" + "7e" * 20)
_MAX_PAYMENT_TRIES = 3


async def test_of_two_payouts_with_money_for_one_exactly_one_pays_and_the_other_waits_by_name(
    harness: Harness,
) -> None:
    stage = await harness.stage(8)
    asset = await harness.import_stage(stage)
    both = [await harness.create(asset.name, _TOTAL, allow_unfunded=True) for _ in range(2)]
    for each in both:
        await harness.in_state(each.name, DistributionState.WAITING_FOR_FUNDS)
    due = stage.due(_TOTAL)
    payable = sum(due.values())

    await harness.deposit(stage, _TOTAL)
    ends = (DistributionState.COMPLETED, DistributionState.WAITING_FOR_FUNDS)

    async def one_is_paid() -> bool:
        states = {(await harness.in_state(each.name, *ends)).state for each in both}
        return states == set(ends)

    await eventually(one_is_paid, "one is paid")
    (waiting,) = [
        each
        for each in both
        if (await harness.in_state(each.name, *ends)).state is DistributionState.WAITING_FOR_FUNDS
    ]
    # The dust of the one that is paid counts for the other.
    lacking = payable - (_TOTAL - payable)
    message = f"INSUFFICIENT_FUNDS: {stage.contract.lower()} needs {lacking} more base units"
    await harness.payout_when(
        waiting.payout, lambda payout: payout.waiting_for.startswith(message), "waits by name"
    )
    assert await harness.batches(waiting.payout) == []
    assert await harness.balances(stage) == due
    (paid,) = [each for each in both if each.name != waiting.name]

    await harness.deposit(stage, lacking)
    await harness.in_state(waiting.name, DistributionState.COMPLETED)
    assert await harness.balances(stage) == {holder: 2 * amount for holder, amount in due.items()}
    assert await harness.balance(stage, stage.contract) == 0
    for each in (paid, waiting):
        assert [told(payment) for payment in await harness.payments(each.payout)] == [
            (holder, amount, PaymentState.PAID if amount else PaymentState.ZERO_DUE)
            for holder, amount in due.items()
        ]


async def test_a_payment_token_that_was_paused_while_a_batch_was_estimated_costs_nobody_anything(
    faulty: Harness, ticker: Ticker
) -> None:
    """The estimate sees refusals, which are cheap: too little gas to pay (docs/contract-surprises.md#23)."""
    await faulty.run_payout_service()
    stage, distribution = await faulty.unfunded(_TOTAL)
    await faulty.devnet.pause(stage.payment_token)
    ticker.pause()
    await ticker.mine_one_with(faulty.deposit(stage, _TOTAL))

    async def is_sent() -> bool:
        return any(batch.transaction_hash for batch in await faulty.batches(distribution.payout))

    await eventually(is_sent, "a batch is sent", lambda: distribution)
    # In the same block, and before it.
    await faulty.devnet.web3.eth.send_transaction(
        {
            "from": await faulty.devnet.admin(),
            "to": stage.payment_token,
            "data": faulty.devnet.contract("PaymentToken", stage.payment_token).encode_abi("unpause"),
            "maxFeePerGas": Wei(2 * _UNPAUSE_TIP_WEI),
            "maxPriorityFeePerGas": Wei(_UNPAUSE_TIP_WEI),
        }
    )
    ticker.resume()

    await faulty.in_state(distribution.name, DistributionState.COMPLETED)
    await faulty.assert_paid_once(stage, distribution.payout, _TOTAL)
    batches = await faulty.batches(distribution.payout)
    assert batches[0].state is BatchState.REVERTED, "its gas did not suffice"


async def test_money_that_is_taken_away_in_the_middle_is_waited_for_and_paid_after_a_deposit(
    faulty: Harness, ticker: Ticker
) -> None:
    await faulty.run_payout_service({"MAX_IN_FLIGHT_TRANSACTIONS": "1"})
    stage, distribution = await faulty.unfunded(_TOTAL)
    ticker.pause()
    await ticker.mine_one_with(faulty.deposit(stage, _TOTAL))
    first = await sent_batch(faulty, distribution.payout)
    assert first.amount
    taken = _TOTAL - int(first.amount.base_units)
    # In one block with the first batch, for which it leaves enough.
    await ticker.mine_one_with(faulty.devnet.transfer(stage.payment_token, stage.contract, _OUTSIDER, taken))
    ticker.resume()

    payout = await faulty.payout_when(
        distribution.payout,
        lambda payout: (
            progress_of(payout).waiting_count > 0 and payout.waiting_for.startswith("INSUFFICIENT_FUNDS: ")
        ),
        "payments wait for money by name",
    )
    assert payout.state is PayoutState.EXECUTING
    waiting = [
        each
        for each in await faulty.payments(payout.name)
        if each.state is PaymentState.WAITING and each.retry_time
    ]
    assert waiting
    assert {each.reason for each in waiting} == {"UNFUNDED"}
    assert sum((await faulty.balances(stage)).values()) == int(first.amount.base_units)
    looked = await faulty.call(faulty.client.payouts.reconcile_payout, ReconcilePayoutRequest(name=payout.name))
    assert {each.kind for each in looked.discrepancies} == {"OUTSIDE_TRANSFER", "BALANCE_BELOW_COMMITMENTS"}

    await faulty.deposit(stage, taken)
    await faulty.in_state(distribution.name, DistributionState.COMPLETED)
    await faulty.assert_paid_once(stage, distribution.payout, _TOTAL)
    assert any(payment.tries > 1 for payment in await faulty.payments(payout.name))


async def test_a_refused_payee_stays_promised_through_a_sweep_and_is_paid_by_a_retry(harness: Harness) -> None:
    stage = await harness.stage(10)
    asset = await harness.import_stage(stage)
    due = stage.due(_TOTAL)
    refused = max(due, key=lambda holder: due[holder])
    dust = _TOTAL - sum(due.values())
    extra = 5_000
    await harness.deposit(stage, _TOTAL + extra)
    await harness.devnet.block_payee(stage.payment_token, refused)
    distribution = await harness.create(asset.name, _TOTAL)
    await harness.in_state(distribution.name, DistributionState.INCOMPLETE)

    assert await harness.balances(stage) == {**due, refused: 0}
    payments = {told(payment)[0]: payment for payment in await harness.payments(distribution.payout)}
    failed = payments[refused]
    assert (failed.state, failed.reason, failed.tries) == (
        PaymentState.FAILED,
        "TRANSFER_REFUSED",
        _MAX_PAYMENT_TRIES,
    )
    assert "AccountBlacklisted" in failed.detail

    treasury = await _treasury(harness, asset.name)
    assert _figures(treasury) == (due[refused] + dust + extra, due[refused], dust + extra)
    assert [(each.owner, each.amount and each.amount.base_units) for each in treasury.commitments] == [
        (distribution.payout, str(due[refused]))
    ]
    too_much = await harness.refusal(
        harness.client.payouts.sweep_leftover, _sweep_of(asset.name, str(dust + extra + 1))
    )
    assert (too_much.reason, too_much.code) == (Reason.INSUFFICIENT_FUNDS, Code.FAILED_PRECONDITION)
    await _swept(harness, _sweep_of(asset.name))
    assert await harness.balance(stage, _TREASURER) == dust + extra
    assert await harness.balance(stage, stage.contract) == due[refused]
    assert _figures(await _treasury(harness, asset.name)) == (due[refused], due[refused], 0)

    await harness.devnet.unblock_payee(stage.payment_token, refused)
    request = RetryPaymentsRequest(request_id=str(uuid4()), name=distribution.payout, holders=[refused])
    await harness.call(harness.client.payouts.retry_payments, request)
    await harness.in_state(distribution.name, DistributionState.COMPLETED)
    await harness.assert_paid_once(stage, distribution.payout, _TOTAL, left=0)
    assert _figures(await _treasury(harness, asset.name)) == (0, 0, 0)


def _sweep_of(asset: str, base_units: str = "") -> SweepLeftoverRequest:
    return SweepLeftoverRequest(request_id=str(uuid4()), asset=asset, to=_TREASURER, amount_base_units=base_units)


async def _swept(harness: Harness, request: SweepLeftoverRequest) -> Sweep:
    """The sweep, asked for twice with one request, once it has succeeded."""
    sweep = await harness.call(harness.client.payouts.sweep_leftover, request)
    again = await harness.call(harness.client.payouts.sweep_leftover, request)
    assert again.name == sweep.name

    async def has_succeeded() -> bool:
        nonlocal sweep
        sweep = await harness.call(harness.client.payouts.get_sweep, GetSweepRequest(name=again.name))
        return sweep.state is SweepState.SUCCEEDED

    await eventually(has_succeeded, f"{again.name} has succeeded", lambda: sweep)
    return sweep


async def _treasury(harness: Harness, asset: str) -> Treasury:
    return await harness.call(harness.client.payouts.get_treasury, GetTreasuryRequest(name=f"{asset}/treasury"))


def _figures(treasury: Treasury) -> tuple[int, int, int]:
    """Balance, committed, available."""
    amounts = (treasury.balance, treasury.committed, treasury.available)
    balance, committed, available = (int(amount.base_units) for amount in amounts if amount)
    return balance, committed, available
