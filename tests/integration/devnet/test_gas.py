"""Payments can be made to cost per holder what real tokens cost (docs/facts-contracts.md#gas)."""

from collections.abc import Sequence

import pytest
from eth_typing import ChecksumAddress

from deploy.devnet.holders import seeded_holders
from deploy.devnet.node import GAS_PER_BATCH_ENTRY
from deploy.devnet.securities import GAS_BURN_LIKE_REAL
from deploy.devnet.terms import Coupon, Dividend, GasBurn
from tests.integration.devnet.stage import DAY, YEAR, Stage

FEW, MANY = 10, 50
HOLDERS = [address for address, _ in seeded_holders(MANY, seed=8)]
# Gas per holder, by addresses where the table has it; who is paid holds the payment token already.
LIKE_REAL = {
    GasBurn.SNAPSHOT: 60_900,
    GasBurn.DIVIDEND: 113_400,
    GasBurn.COUPON: 116_200,
    GasBurn.CASH_OUT: 99_700,
    GasBurn.CASH_OUT_AFTER_SNAPSHOT: 565_000,
}


async def gas_per_holder(stage: Stage, function: str, *arguments: object) -> float:
    """The slope of the estimates for few and for many payees."""

    async def estimate(payees: Sequence[ChecksumAddress]) -> int:
        filled = [payees if argument is HOLDERS else argument for argument in arguments]
        call = stage.contract("LifeCycleCashFlow", stage.lifecycle).functions[function](stage.token, *filled)
        gas: int = await call.estimate_gas({"from": stage.operator})
        return gas

    return (await estimate(HOLDERS) - await estimate(HOLDERS[:FEW])) / (MANY - FEW)


async def fill(stage: Stage) -> None:
    """Holders who have payment tokens already, and money to pay them."""
    await stage.devnet.issue(stage.token, dict.fromkeys(HOLDERS, 1))
    await stage.devnet.mint_payment_tokens(stage.payment_token, dict.fromkeys(HOLDERS, 1))
    await stage.deposit(10**15)


async def snapshot_cost(stage: Stage) -> float:
    await fill(stage)
    return await gas_per_holder(stage, "executeAmountSnapshotByAddresses", await stage.snapshot(), HOLDERS, 10**6)


async def dividend_cost(stage: Stage) -> float:
    await fill(stage)
    now = await stage.devnet.chain_time()
    dividend = await stage.devnet.set_dividend(stage.token, Dividend(now + DAY, now + DAY, 10**6, 0))
    await stage.pass_time(2 * DAY)
    await stage.devnet.trigger_scheduled_snapshots(stage.token)
    return await gas_per_holder(stage, "executeDistributionByAddresses", dividend, HOLDERS)


async def coupon_cost(stage: Stage) -> float:
    await fill(stage)
    now = await stage.devnet.chain_time()
    terms = Coupon(now + DAY, now + DAY, now, now + DAY, now + DAY, rate=5, rate_decimals=2)
    coupon = await stage.devnet.set_coupon(stage.token, terms)
    await stage.pass_time(2 * DAY)
    await stage.devnet.trigger_scheduled_snapshots(stage.token)
    return await gas_per_holder(stage, "executeDistributionByAddresses", coupon, HOLDERS)


async def cash_out_cost(stage: Stage) -> float:
    await fill(stage)
    await stage.pass_time(YEAR + 1)
    return await gas_per_holder(stage, "executeBondCashOutByAddresses", HOLDERS)


async def cash_out_after_snapshot_cost(stage: Stage) -> float:
    await fill(stage)
    await stage.snapshot()
    await stage.pass_time(YEAR + 1)
    return await gas_per_holder(stage, "executeBondCashOutByAddresses", HOLDERS)


COSTS = {
    GasBurn.SNAPSHOT: snapshot_cost,
    GasBurn.DIVIDEND: dividend_cost,
    GasBurn.COUPON: coupon_cost,
    GasBurn.CASH_OUT: cash_out_cost,
    GasBurn.CASH_OUT_AFTER_SNAPSHOT: cash_out_after_snapshot_cost,
}
EQUITY_PAYMENTS = (GasBurn.SNAPSHOT, GasBurn.DIVIDEND)


@pytest.mark.parametrize("payment", GasBurn)
async def test_with_the_burn_a_payee_costs_what_a_real_one_does(
    stage: Stage, bond_stage: Stage, payment: GasBurn
) -> None:
    asset = stage if payment in EQUITY_PAYMENTS else bond_stage
    await asset.devnet.burn_gas_like_real(asset.token)

    assert await COSTS[payment](asset) == pytest.approx(LIKE_REAL[payment], rel=0.03)


@pytest.mark.parametrize("payment", GasBurn)
async def test_nothing_is_burned_unless_set(stage: Stage, bond_stage: Stage, payment: GasBurn) -> None:
    asset = stage if payment in EQUITY_PAYMENTS else bond_stage

    expected = LIKE_REAL[payment] - GAS_BURN_LIKE_REAL[payment]
    assert await COSTS[payment](asset) == pytest.approx(expected, rel=0.06)


async def test_the_burn_is_used_up_in_the_transaction_and_per_kind_of_payment(stage: Stage) -> None:
    await fill(stage)
    costs = []
    for payment, burn in ((GasBurn.DIVIDEND, 90_000), (GasBurn.SNAPSHOT, 90_000), (GasBurn.SNAPSHOT, 0)):
        await stage.devnet.set_gas_burn(stage.token, payment, burn)
        assert await stage.asset("gasBurn", payment) == burn
        receipt = await stage.send(
            "executeAmountSnapshotByAddresses", stage.token, await stage.snapshot(), HOLDERS[:FEW], 10**6
        )
        costs.append(receipt["gasUsed"])

    without, burning, again = costs
    assert burning == pytest.approx(without + FEW * 90_000, rel=0.02)
    assert again == pytest.approx(without, rel=0.02)


async def test_a_batch_of_issues_after_a_snapshot_fits_the_gas_reckoned_for_it(stage: Stage) -> None:
    await stage.snapshot()

    receipt = await stage.change("issueBatch", HOLDERS, [5] * MANY)

    assert receipt["gasUsed"] < MANY * GAS_PER_BATCH_ENTRY
