"""Redemption on the devnet behaves as docs/contract-surprises.md says; numbers are its rows."""

import pytest

from deploy.devnet.holders import seeded_holders
from deploy.devnet.roles import ASSET_ROLES
from deploy.devnet.terms import AssetVersion
from tests.integration.devnet.stage import DAY, YEAR, ZERO_ADDRESS, Stage, error_data, padded, stage_of_a_bond

ALICE, BOB, CAROL, DAVE, *_ = HOLDERS = [address for address, _ in seeded_holders(30, seed=4)]
USD = 10**6
UNIT_PRICE = 1000 * USD
MATURITY_REDEEMER_ROLE = ASSET_ROLES[AssetVersion.VERSION_7].maturity_redeemer


@pytest.fixture
def stage(bond_stage: Stage) -> Stage:
    return bond_stage


async def reach_maturity(stage: Stage) -> None:
    await stage.pass_time(YEAR + DAY)


async def holdings(stage: Stage, *holders: str) -> list[int]:
    return [await stage.asset("balanceOf", holder) for holder in holders]


async def test_the_bond_tells_its_terms(stage: Stage) -> None:
    now = await stage.devnet.chain_time()
    currency, nominal, decimals, starting, maturity = await stage.asset("getBondDetails")

    assert (currency, nominal, decimals) == (b"USD", 100_000, 2)
    assert starting <= now < maturity == starting + YEAR
    await stage.devnet.issue(stage.token, {ALICE: 3})
    assert await stage.asset("getPrincipalFor", ALICE) == [300_000, 100]


async def test_a_cash_out_pays_the_principal_and_burns_the_tokens(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 3, BOB: 1, CAROL: 2})
    await stage.deposit(10 * UNIT_PRICE)
    await reach_maturity(stage)

    outcome = await stage.pay("executeBondCashOutByAddresses", [ALICE, CAROL])

    assert outcome.succeeded == [ALICE, CAROL]
    assert outcome.paid == [3 * UNIT_PRICE, 2 * UNIT_PRICE]
    assert await stage.money_of(ALICE) == 3 * UNIT_PRICE
    assert await holdings(stage, ALICE, BOB, CAROL) == [0, 1, 0]
    assert await stage.asset("totalSupply") == 1
    assert await stage.asset("getSecurityHolders", 0, 10) == [BOB]


async def test_redeeming_tells_who_was_redeemed(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 3})
    await stage.deposit(10 * UNIT_PRICE)
    await reach_maturity(stage)

    receipt = await stage.send("executeBondCashOutByAddresses", stage.token, [ALICE])

    (event,) = stage.asset_events(receipt, "RedeemedByPartition")
    assert (event["operator"], event["from"], event["value"]) == (stage.lifecycle, ALICE, 3)


async def test_before_maturity_nobody_is_cashed_out(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1})
    maturity = (await stage.asset("getBondDetails"))[4]
    await stage.devnet.advance_to(maturity - 1)

    refusal = error_data("NotPaymentDate(uint256,uint256)", maturity, maturity - 1)
    assert await stage.revert_of("executeBondCashOut", stage.token, 0, 10) == refusal
    assert await stage.revert_of("executeBondCashOutByAddresses", stage.token, [ALICE]) == refusal
    early = await stage.asset_revert_of("fullRedeemAtMaturity", ALICE, sender=stage.lifecycle)
    assert early == error_data("BondMaturityDateWrong()")
    await stage.deposit(UNIT_PRICE)
    await stage.devnet.advance_to(maturity + 1)
    assert (await stage.pay("executeBondCashOut", 0, 10)).paid == [UNIT_PRICE]


async def test_7_a_payee_whom_the_money_refuses_keeps_the_tokens(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1, BOB: 5, CAROL: 1})
    await stage.deposit(2 * UNIT_PRICE)
    await stage.devnet.block_payee(stage.payment_token, ALICE)
    await reach_maturity(stage)

    outcome = await stage.pay("executeBondCashOut", 0, 10)

    assert outcome.failed == padded([ALICE, BOB], 3, ZERO_ADDRESS)
    assert outcome.succeeded == padded([CAROL], 3, ZERO_ADDRESS)
    assert await holdings(stage, ALICE, BOB, CAROL) == [1, 5, 0]


async def test_14_pages_of_the_live_list_shrink_and_skip_holders(stage: Stage) -> None:
    holders = HOLDERS[:6]
    await stage.devnet.issue(stage.token, dict.fromkeys(holders, 1))
    await stage.deposit(6 * UNIT_PRICE)
    await reach_maturity(stage)

    first = await stage.pay("executeBondCashOut", 0, 2)
    second = await stage.pay("executeBondCashOut", 1, 2)
    third = await stage.pay("executeBondCashOut", 2, 2)

    assert first.succeeded == holders[:2]
    assert (second.executed, third.executed, third.succeeded) == (True, False, [])
    left = await stage.asset("getSecurityHolders", 0, 10)
    assert len(left) == 2
    assert not {*left} & {*first.succeeded, *second.succeeded}


async def test_14_a_second_cash_out_pays_nothing_and_says_succeeded(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1, BOB: 1})
    await stage.deposit(10 * UNIT_PRICE)
    await reach_maturity(stage)
    await stage.pay("executeBondCashOutByAddresses", [ALICE])

    again = await stage.pay("executeBondCashOutByAddresses", [ALICE, BOB, BOB])

    assert (again.succeeded, again.paid) == ([ALICE, BOB, BOB], [0, UNIT_PRICE, 0])
    assert await stage.money_of(ALICE) == UNIT_PRICE


async def test_14_a_holder_who_got_tokens_after_being_cashed_out_is_paid_for_them(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1, BOB: 2})
    await stage.deposit(10 * UNIT_PRICE)
    await reach_maturity(stage)
    await stage.pay("executeBondCashOutByAddresses", [ALICE])
    await stage.devnet.transfer(stage.token, BOB, ALICE, 2)

    again = await stage.pay("executeBondCashOutByAddresses", [ALICE])

    assert again.paid == [2 * UNIT_PRICE]


async def test_14_one_blocked_holder_reverts_the_whole_call(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1, BOB: 1})
    await stage.deposit(10 * UNIT_PRICE)
    await stage.devnet.block_holder(stage.token, BOB)
    await reach_maturity(stage)

    blocked = error_data("AccountIsBlocked(address)", BOB)
    assert await stage.revert_of("executeBondCashOut", stage.token, 0, 10) == blocked
    assert await stage.revert_of("executeBondCashOutByAddresses", stage.token, [ALICE, BOB]) == blocked
    without = await stage.pay("executeBondCashOutByAddresses", [ALICE])
    assert without.paid == [UNIT_PRICE]
    await stage.devnet.unblock_holder(stage.token, BOB)
    assert (await stage.pay("executeBondCashOut", 0, 10)).paid == [UNIT_PRICE]


async def test_14_without_the_redeemer_role_the_whole_call_reverts(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1})
    await stage.deposit(10 * UNIT_PRICE)
    await stage.change("revokeRole", MATURITY_REDEEMER_ROLE, stage.lifecycle)
    await reach_maturity(stage)

    assert await stage.revert_of("executeBondCashOut", stage.token, 0, 10) == error_data(
        "AccountHasNoRole(address,bytes32)", stage.lifecycle, bytes(MATURITY_REDEEMER_ROLE)
    )


async def test_14_frozen_and_locked_tokens_are_neither_paid_nor_redeemed(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 6, BOB: 1})
    await stage.deposit(10 * UNIT_PRICE)
    expiration = await stage.devnet.chain_time() + DAY
    await stage.devnet.freeze(stage.token, ALICE, 1)
    lock_id = await stage.devnet.lock(stage.token, ALICE, 2, expiration)
    await reach_maturity(stage)

    outcome = await stage.pay("executeBondCashOut", 0, 10)

    assert outcome.paid == [3 * UNIT_PRICE, UNIT_PRICE]
    assert await stage.asset("totalSupply") == 3
    assert await stage.asset("getSecurityHolders", 0, 10) == [ALICE]
    await stage.devnet.unfreeze(stage.token, ALICE, 1)
    await stage.devnet.release(stage.token, ALICE, lock_id)
    assert (await stage.pay("executeBondCashOut", 0, 10)).paid == [3 * UNIT_PRICE]
    assert await stage.asset("getTotalSecurityHolders") == 0


async def test_17_a_principal_that_floors_to_nothing_still_burns(stage: Stage) -> None:
    now = await stage.devnet.chain_time()
    penny = await stage_of_a_bond(
        stage.devnet, decimals=6, nominal_value=1, nominal_value_decimals=3, maturity_date=now + DAY
    )
    await stage.devnet.issue(penny.token, {ALICE: 999, BOB: 1000})
    await penny.deposit(USD)
    await penny.pass_time(DAY + 1)

    outcome = await penny.pay("executeBondCashOut", 0, 10)

    assert (outcome.succeeded, outcome.paid) == ([ALICE, BOB], [0, 1])
    assert await penny.asset("totalSupply") == 0


async def test_a_paused_bond_cannot_be_redeemed(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1})
    await stage.deposit(UNIT_PRICE)
    await reach_maturity(stage)
    await stage.devnet.pause(stage.token)

    assert await stage.revert_of("executeBondCashOut", stage.token, 0, 10) == error_data("TokenIsPaused()")
