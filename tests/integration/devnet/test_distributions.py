"""Dividends and coupons on the devnet behave as docs/contract-surprises.md says; numbers are its rows."""

import pytest

from deploy.devnet.holders import seeded_holders
from deploy.devnet.roles import ASSET_ROLES
from deploy.devnet.terms import AssetVersion, Coupon, Dividend
from tests.integration.devnet.stage import (
    DAY,
    PAID_DISTRIBUTIONS,
    YEAR,
    ZERO_ADDRESS,
    Stage,
    error_data,
    padded,
)

ALICE, BOB, CAROL, DAVE, *_ = HOLDERS = [address for address, _ in seeded_holders(30, seed=2)]
SHARE = 10**6
USD = 10**6
ZERO_DIVISION = "0x12"
UNDERFLOW = "0x11"


async def announce_dividend(stage: Stage, cents_a_share: int = 150) -> tuple[int, Dividend]:
    """A dividend with its record date in a day, its execution date in two."""
    now = await stage.devnet.chain_time()
    dividend = Dividend(now + DAY, now + 2 * DAY, amount=cents_a_share, amount_decimals=2)
    return await stage.devnet.set_dividend(stage.token, dividend), dividend


async def announce_coupon(stage: Stage, rate: int | None = 5) -> tuple[int, Coupon]:
    """A coupon for half a year of so many per cent, its record date in a day, its execution date in two."""
    now = await stage.devnet.chain_time()
    start = now - YEAR // 2
    decimals = 2 if rate is not None else 0
    coupon = Coupon(now + DAY, now + 2 * DAY, start, start + YEAR // 2, now + DAY, rate, decimals)
    return await stage.devnet.set_coupon(stage.token, coupon), coupon


async def execution_day(stage: Stage) -> None:
    await stage.pass_time(2 * DAY + 1)


# ------------------------------------------------------------------------------ dividends


async def test_a_dividend_is_told_as_it_was_set(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 3 * SHARE})
    now = await stage.devnet.chain_time()
    terms = (now + DAY, now + 2 * DAY, 150, 2)
    admin = await stage.devnet.admin()

    receipt = await stage.change("setDividend", terms)

    (event,) = stage.asset_events(receipt, "DividendSet")
    assert event == {
        "corporateActionId": (1).to_bytes(32),
        "dividendId": 1,
        "operator": admin,
        "recordDate": terms[0],
        "executionDate": terms[1],
        "amount": 150,
        "amountDecimals": 2,
    }
    assert await stage.asset("getDividendsCount") == 1
    assert await stage.asset("getDividend", 1) == [(terms, 0), False]
    assert await stage.asset("getDividendFor", 1, ALICE) == [0, 150, 2, *terms[:2], 0, False, False]
    assert await stage.asset("getDividendAmountFor", 1, ALICE) == [0, 0, False]
    await stage.pass_time(DAY + 1)
    assert await stage.asset("getDividendFor", 1, ALICE) == [3 * SHARE, 150, 2, *terms[:2], 6, True, False]
    assert await stage.asset("getDividendAmountFor", 1, ALICE) == [3 * SHARE * 150, SHARE * 10**2, True]


async def test_a_dividend_pays_every_holder_of_the_record_date(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 2 * SHARE, BOB: SHARE // 3})
    await stage.deposit(100 * USD)
    dividend_id, _ = await announce_dividend(stage)
    await stage.pass_time(DAY + 1)
    await stage.devnet.transfer(stage.token, ALICE, CAROL, 2 * SHARE)
    await execution_day(stage)

    outcome = await stage.pay("executeDistribution", dividend_id, 0, 10)

    assert outcome.succeeded == [ALICE, BOB]
    # A third of a share, to six decimals, earns a third of 1.50, rounded down to the money's decimals.
    assert outcome.paid == [3 * USD, 499_999]
    assert outcome.executed is True
    assert await stage.money_of(CAROL) == 0


async def test_before_its_execution_date_a_dividend_is_not_paid(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: SHARE})
    dividend_id, dividend = await announce_dividend(stage)
    now = await stage.pass_time(DAY + 1)

    refusal = error_data("NotPaymentDate(uint256,uint256)", dividend.execution_date, now)
    assert await stage.revert_of("executeDistribution", stage.token, dividend_id, 0, 10) == refusal
    assert await stage.revert_of("executeDistributionByAddresses", stage.token, dividend_id, [ALICE]) == refusal


async def test_1_a_holder_paid_a_dividend_and_a_duplicate_come_back_as_failed(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: SHARE, BOB: SHARE})
    await stage.deposit(100 * USD)
    dividend_id, _ = await announce_dividend(stage, cents_a_share=100)
    await execution_day(stage)

    first = await stage.pay("executeDistributionByAddresses", dividend_id, [ALICE, ALICE])
    second = await stage.pay("executeDistribution", dividend_id, 0, 10)

    assert (first.succeeded, first.failed) == ([ALICE, ZERO_ADDRESS], [ALICE, ZERO_ADDRESS])
    assert (second.succeeded, second.failed) == ([BOB, ZERO_ADDRESS], [ALICE, ZERO_ADDRESS])
    assert await stage.money_of(ALICE) == USD


async def test_2_the_paid_flag_of_a_distribution_is_in_its_slot_for_who_was_paid_alone(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: SHARE, BOB: SHARE})
    await stage.deposit(100 * USD)
    dividend_id, _ = await announce_dividend(stage)
    await execution_day(stage)
    await stage.devnet.block_payee(stage.payment_token, BOB)

    outcome = await stage.pay("executeDistributionByAddresses", dividend_id, [ALICE, BOB])

    assert outcome.failed == [BOB, ZERO_ADDRESS]
    assert await stage.is_paid(dividend_id, ALICE, PAID_DISTRIBUTIONS)
    assert not await stage.is_paid(dividend_id, BOB, PAID_DISTRIBUTIONS)
    assert not await stage.is_paid(dividend_id, ALICE)


async def test_4_to_6_pages_of_a_dividend_are_those_of_the_record_date(stage: Stage) -> None:
    holders = HOLDERS[:5]
    await stage.devnet.issue(stage.token, dict.fromkeys(holders, SHARE))
    await stage.deposit(100 * USD)
    dividend_id, _ = await announce_dividend(stage)
    await stage.pass_time(DAY + 1)
    await stage.devnet.transfer(stage.token, ALICE, DAVE, SHARE)
    await execution_day(stage)

    assert await stage.asset("getTotalDividendHolders", dividend_id) == 5
    assert await stage.asset("getDividendHolders", dividend_id, 1, 2) == holders[2:4]
    first = await stage.pay("executeDistribution", dividend_id, 0, 4)
    short = await stage.pay("executeDistribution", dividend_id, 1, 1)
    beyond = await stage.pay("executeDistribution", dividend_id, 2, 4)
    assert first.succeeded == holders[:4]
    assert short.failed == [BOB]
    assert (beyond.executed, beyond.succeeded) == (False, [])
    assert not await stage.is_paid(dividend_id, holders[4], PAID_DISTRIBUTIONS)


async def test_7_when_money_runs_out_later_smaller_dividends_are_paid(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 3 * SHARE, BOB: 5 * SHARE, CAROL: 2 * SHARE})
    await stage.deposit(6 * USD)
    dividend_id, _ = await announce_dividend(stage, cents_a_share=100)
    await execution_day(stage)

    short = await stage.pay("executeDistribution", dividend_id, 0, 10)
    await stage.deposit(4 * USD)
    rest = await stage.pay("executeDistributionByAddresses", dividend_id, [BOB])

    assert short.failed == padded([BOB], 3, ZERO_ADDRESS)
    assert short.paid == [3 * USD, 2 * USD, 0]
    assert rest.paid == [5 * USD]


async def test_8_a_dividend_is_floored_per_holder_to_the_moneys_decimals(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 19, BOB: 39, CAROL: 40})
    await stage.deposit(USD)
    dividend_id, _ = await announce_dividend(stage, cents_a_share=5)
    await execution_day(stage)

    outcome = await stage.pay("executeDistribution", dividend_id, 0, 10)

    assert outcome.paid == [0, 1, 2]


async def test_10_frozen_tokens_earn_dividends_but_no_share_of_a_snapshot_payout(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 4 * SHARE, BOB: 4 * SHARE})
    await stage.deposit(100 * USD)
    await stage.devnet.freeze(stage.token, ALICE, 3 * SHARE)
    dividend_id, _ = await announce_dividend(stage, cents_a_share=100)
    await execution_day(stage)

    dividend = await stage.pay("executeDistribution", dividend_id, 0, 10)
    share = await stage.pay("executeAmountSnapshot", await stage.snapshot(), 0, 10, 8 * USD)

    assert dividend.paid == [4 * USD, 4 * USD]
    assert share.paid == [1 * USD, 4 * USD]


async def test_8_who_is_due_nothing_succeeds_without_a_transfer(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 19, BOB: SHARE // 5})
    await stage.deposit(USD)
    dividend_id, _ = await announce_dividend(stage, cents_a_share=5)
    await execution_day(stage)
    await stage.devnet.block_payee(stage.payment_token, ALICE)

    receipt = await stage.send("executeDistribution", stage.token, dividend_id, 0, 10)

    (event,) = await stage.events(receipt, "DistributionExecuted")
    assert (event["failed"], event["succeeded"]) == ([ZERO_ADDRESS] * 2, [ALICE, BOB])
    assert event["paidAmount"] == [0, USD // 100]
    assert len([log for log in receipt["logs"] if log["address"] == stage.payment_token]) == 1
    assert await stage.is_paid(dividend_id, ALICE, PAID_DISTRIBUTIONS)


@pytest.mark.parametrize("by", ["page", "addresses"])
async def test_11_a_cancelled_dividend_still_pays(stage: Stage, by: str) -> None:
    await stage.devnet.issue(stage.token, {ALICE: SHARE})
    await stage.deposit(100 * USD)
    dividend_id, dividend = await announce_dividend(stage, cents_a_share=100)

    receipt = await stage.change("cancelDividend", dividend_id)

    admin = await stage.devnet.admin()
    (event,) = stage.asset_events(receipt, "DividendCancelled")
    assert event == {"dividendId": dividend_id, "operator": admin}
    await execution_day(stage)
    await stage.devnet.trigger_scheduled_snapshots(stage.token)
    assert await stage.asset("getDividend", dividend_id) == [(dividend.as_tuple(), 0), True]
    if by == "page":
        outcome = await stage.pay("executeDistribution", dividend_id, 0, 10)
    else:
        outcome = await stage.pay("executeDistributionByAddresses", dividend_id, [ALICE])
    assert outcome.paid == [USD]


async def test_12_a_dividend_is_paid_long_after_its_date_and_though_the_asset_is_paused(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: SHARE})
    await stage.deposit(100 * USD)
    dividend_id, _ = await announce_dividend(stage, cents_a_share=100)
    await stage.pass_time(YEAR)
    await stage.devnet.pause(stage.token)

    outcome = await stage.pay("executeDistribution", dividend_id, 0, 10)

    assert outcome.paid == [USD]


async def test_13_with_a_pending_dividend_a_snapshot_takes_two_ids(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: SHARE})
    dividend_id, dividend = await announce_dividend(stage)
    before = await stage.snapshot()
    await stage.pass_time(DAY + 1)

    receipt = await stage.change("takeSnapshot", sender=stage.operator)

    (taken,) = stage.asset_events(receipt, "SnapshotTaken")
    (triggered,) = stage.asset_events(receipt, "SnapshotTriggered")
    assert taken == {"operator": stage.operator, "snapshotID": before + 2}
    assert triggered == {"snapshotId": before + 1, "corporateActionId": (1).to_bytes(32)}
    assert await stage.asset("getDividend", dividend_id) == [(dividend.as_tuple(), before + 1), False]


async def test_16_a_record_date_takes_effect_only_when_something_triggers_it(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: SHARE, BOB: SHARE})
    dividend_id, dividend = await announce_dividend(stage)

    assert await stage.asset("getDividendHolders", dividend_id, 0, 10) == []
    assert await stage.asset("getTotalDividendHolders", dividend_id) == 0
    await stage.devnet.advance_to(dividend.record_date)
    assert await stage.asset("getTotalDividendHolders", dividend_id) == 0
    await stage.pass_time(1)
    assert await stage.asset("getDividendHolders", dividend_id, 0, 10) == [ALICE, BOB]
    assert (await stage.asset("getDividend", dividend_id))[0][1] == 0
    await stage.devnet.trigger_scheduled_snapshots(stage.token)
    snapshot_id = (await stage.asset("getDividend", dividend_id))[0][1]
    assert snapshot_id == 1
    await stage.devnet.transfer(stage.token, ALICE, CAROL, SHARE)
    assert await stage.asset("getDividendHolders", dividend_id, 0, 10) == [ALICE, BOB]
    assert (await stage.asset("getDividendFor", dividend_id, ALICE))[0] == SHARE
    assert (await stage.asset("getDividendFor", dividend_id, CAROL))[0] == 0


@pytest.mark.parametrize("trigger", ["transfer", "issue", "freeze", "lock", "adjust", "redeem", "snapshot"])
async def test_16_whatever_changes_balances_takes_the_pending_snapshot_first(stage: Stage, trigger: str) -> None:
    await stage.devnet.issue(stage.token, {ALICE: SHARE, BOB: SHARE})
    dividend_id, _ = await announce_dividend(stage)
    later = await stage.pass_time(DAY + 1) + YEAR

    match trigger:
        case "transfer":
            await stage.devnet.transfer(stage.token, ALICE, BOB, SHARE)
        case "issue":
            await stage.devnet.issue(stage.token, {ALICE: 7})
        case "freeze":
            await stage.devnet.freeze(stage.token, ALICE, 7)
        case "lock":
            await stage.devnet.lock(stage.token, ALICE, 7, later)
        case "adjust":
            await stage.devnet.adjust_balances(stage.token, 3, 1)
        case "redeem":
            await stage.devnet.redeem(stage.token, ALICE, SHARE)
        case _:
            await stage.snapshot()

    assert (await stage.asset("getDividend", dividend_id))[0][1] == 1
    told = await stage.asset("getDividendFor", dividend_id, ALICE)
    assert (told[0], told[5]) == (SHARE, 6)
    assert await stage.asset("getDividendHolders", dividend_id, 0, 10) == [ALICE, BOB]


async def test_snapshots_of_several_record_dates_are_taken_in_their_order(stage: Stage) -> None:
    now = await stage.devnet.chain_time()
    days = [3, 1, 2, 1]
    for amount, day in enumerate(days):
        terms = Dividend(now + day * DAY, now + 9 * DAY, amount, 0)
        assert await stage.devnet.set_dividend(stage.token, terms) == amount + 1
    await stage.devnet.advance_to(now + 2 * DAY)

    await stage.devnet.trigger_scheduled_snapshots(stage.token)
    assert [(await stage.asset("getDividend", each))[0][1] for each in (1, 2, 3, 4)] == [0, 1, 3, 2]
    await stage.devnet.advance_to(now + 3 * DAY)
    await stage.devnet.trigger_scheduled_snapshots(stage.token)
    assert (await stage.asset("getDividend", 1))[0][1] == 4


# ------------------------------------------------------------------------------ coupons


async def test_a_coupon_is_told_as_it_was_set(bond_stage: Stage) -> None:
    stage = bond_stage
    await stage.devnet.issue(stage.token, {ALICE: 3})
    _, coupon = await announce_coupon(stage)
    terms = coupon.as_tuple()

    assert await stage.asset("getERC20Metadata") == (("Acme Bond", "ACMB", "US0000000002", 0), 2)
    assert await stage.asset("getCouponCount") == 1
    assert await stage.asset("getCoupon", 1) == [(terms, 0), False]
    assert await stage.asset("getCouponFor", 1, ALICE) == [0, 0, 0, False, terms, (0, 0, False), False]
    assert await stage.asset("getTotalCouponHolders", 1) == 0
    await stage.pass_time(DAY + 1)
    fraction = (3 * 100_000 * 5 * (YEAR // 2), 10**4 * YEAR, True)
    assert await stage.asset("getCouponFor", 1, ALICE) == [3, 100_000, 0, True, terms, fraction, False]
    assert await stage.asset("getCouponAmountFor", 1, ALICE) == list(fraction)
    assert await stage.asset("getCouponHolders", 1, 0, 10) == [ALICE]
    assert await stage.asset("getTotalCouponHolders", 1) == 1


async def test_a_coupon_pays_interest_for_its_period_also_on_frozen_and_locked_units(bond_stage: Stage) -> None:
    stage = bond_stage
    await stage.devnet.issue(stage.token, {ALICE: 4, BOB: 1})
    await stage.deposit(1000 * USD)
    later = await stage.devnet.chain_time() + YEAR
    coupon_id, _ = await announce_coupon(stage)
    await stage.devnet.freeze(stage.token, ALICE, 1)
    await stage.devnet.lock(stage.token, ALICE, 2, later)
    await execution_day(stage)

    outcome = await stage.pay("executeDistribution", coupon_id, 0, 10)
    again = await stage.pay("executeDistributionByAddresses", coupon_id, [BOB])

    assert outcome.paid == [4 * 25 * USD, 25 * USD]
    assert again.failed == [BOB]


async def test_a_coupon_whose_rate_is_pending_pays_nothing_and_uses_the_flag_up(bond_stage: Stage) -> None:
    stage = bond_stage
    await stage.devnet.issue(stage.token, {ALICE: 1, BOB: 1})
    await stage.deposit(1000 * USD)
    coupon_id, coupon = await announce_coupon(stage, rate=None)
    await execution_day(stage)

    assert (await stage.asset("getCoupon", coupon_id))[0][0] == coupon.as_tuple()
    pending = await stage.pay("executeDistributionByAddresses", coupon_id, [ALICE])
    await stage.devnet.set_coupon_rate(stage.token, coupon_id, 4, 2)
    rated = await stage.pay("executeDistributionByAddresses", coupon_id, [ALICE, BOB])

    assert (pending.succeeded, pending.paid) == ([ALICE], [0])
    assert (rated.failed[0], rated.succeeded[0], rated.paid[0]) == (ALICE, BOB, 20 * USD)
    assert await stage.asset_revert_of("setRate", coupon_id, 4, 2) == error_data("RateIsSet(uint256)", coupon_id)


async def test_11_a_cancelled_coupon_reverts_with_a_division_by_zero(bond_stage: Stage) -> None:
    stage = bond_stage
    await stage.devnet.issue(stage.token, {ALICE: 1})
    await stage.deposit(1000 * USD)
    coupon_id, _ = await announce_coupon(stage)
    await stage.devnet.cancel_coupon(stage.token, coupon_id)
    await execution_day(stage)

    assert (await stage.asset("getCoupon", coupon_id))[1] is True
    page = (stage.token, coupon_id, 0, 10)
    addresses = (stage.token, coupon_id, [ALICE])
    for function, arguments in (
        ("executeDistribution", page),
        ("executeDistributionByAddresses", addresses),
    ):
        assert ZERO_DIVISION in await stage.panic_of("LifeCycleCashFlow", stage.lifecycle, function, *arguments)


async def test_12_a_coupon_waits_for_its_execution_date(bond_stage: Stage) -> None:
    stage = bond_stage
    coupon_id, coupon = await announce_coupon(stage)
    now = await stage.pass_time(DAY + 1)

    assert await stage.revert_of("executeDistribution", stage.token, coupon_id, 0, 10) == error_data(
        "NotPaymentDate(uint256,uint256)", coupon.execution_date, now
    )


# ------------------------------------------------------------------------------ what is refused


async def refused_for_a_stranger(stage: Stage, function: str, *arguments: object) -> None:
    refusal = await stage.asset_revert_of(function, *arguments, sender=stage.stranger)
    role = ASSET_ROLES[AssetVersion.VERSION_7].corporate_action
    assert refusal == error_data("AccountHasNoRole(address,bytes32)", stage.stranger, bytes(role))


async def test_announcing_and_cancelling_need_the_role(stage: Stage, bond_stage: Stage) -> None:
    _, dividend = await announce_dividend(stage)
    _, coupon = await announce_coupon(bond_stage)

    await refused_for_a_stranger(stage, "setDividend", dividend.as_tuple())
    await refused_for_a_stranger(stage, "cancelDividend", 1)
    await refused_for_a_stranger(bond_stage, "setCoupon", coupon.as_tuple())
    await refused_for_a_stranger(bond_stage, "cancelCoupon", 1)
    await refused_for_a_stranger(bond_stage, "setRate", 1, 5, 2)
    await stage.devnet.grant_corporate_action_role(stage.token, stage.stranger)
    await stage.change("cancelDividend", 1, sender=stage.stranger)


async def test_dates_must_be_in_order_and_the_record_date_ahead(stage: Stage, bond_stage: Stage) -> None:
    now = await stage.devnet.chain_time()

    def wrong_dates(first: int, second: int) -> str:
        return error_data("WrongDates(uint256,uint256)", first, second)

    record, early = now + 2 * DAY, now + DAY
    past = error_data("WrongTimestamp(uint256)", now)
    assert await stage.asset_revert_of("setDividend", (record, early, 1, 0)) == wrong_dates(record, early)
    assert await stage.asset_revert_of("setDividend", (now, record, 1, 0)) == past
    coupon = (early, record, now, now + 1, early, 5, 2, 1)
    cases = [
        ((early, record, now + 1, now, *coupon[4:]), wrong_dates(now + 1, now)),
        ((record, early, *coupon[2:]), wrong_dates(record, early)),
        ((*coupon[:4], record + 1, *coupon[5:]), wrong_dates(record + 1, record)),
        ((now, *coupon[1:]), past),
    ]
    for terms, refusal in cases:
        assert await bond_stage.asset_revert_of("setCoupon", terms) == refusal


async def test_ids_count_from_one_and_unknown_ones_are_refused(stage: Stage, bond_stage: Stage) -> None:
    await announce_dividend(stage)
    await announce_coupon(bond_stage)
    getters = [
        (stage, "getDividend", ()),
        (stage, "getDividendFor", (ALICE,)),
        (stage, "getDividendAmountFor", (ALICE,)),
        (stage, "getDividendHolders", (0, 1)),
        (stage, "getTotalDividendHolders", ()),
        (bond_stage, "getCoupon", ()),
        (bond_stage, "getCouponFor", (ALICE,)),
        (bond_stage, "getCouponAmountFor", (ALICE,)),
        (bond_stage, "getCouponHolders", (0, 1)),
        (bond_stage, "getTotalCouponHolders", ()),
    ]

    for asset, function, rest in getters:
        refusal = await asset.asset_revert_of(function, 2, *rest)
        assert refusal.startswith("0xd3924f4e" + f"{1:064x}"), function
        assert UNDERFLOW in await asset.panic_of(asset.token_contract, asset.token, function, 0, *rest)


async def test_nothing_is_announced_twice_with_equal_content(stage: Stage, bond_stage: Stage) -> None:
    _, dividend = await announce_dividend(stage)
    _, coupon = await announce_coupon(bond_stage)
    await stage.devnet.cancel_dividend(stage.token, 1)

    again = await stage.asset_revert_of("setDividend", dividend.as_tuple())
    assert again == error_data("DividendCreationFailed()")
    again = await bond_stage.asset_revert_of("setCoupon", coupon.as_tuple())
    assert again == error_data("CouponCreationFailed()")


async def test_from_the_execution_date_nothing_is_cancelled(stage: Stage, bond_stage: Stage) -> None:
    await announce_dividend(stage)
    await announce_coupon(bond_stage)
    await execution_day(stage)

    action = (1).to_bytes(32)
    refusal = await stage.asset_revert_of("cancelDividend", 1)
    assert refusal == error_data("DividendAlreadyExecuted(bytes32,uint256)", action, 1)
    refusal = await bond_stage.asset_revert_of("cancelCoupon", 1)
    assert refusal == error_data("CouponAlreadyExecuted(bytes32,uint256)", action, 1)


async def test_a_paused_asset_announces_and_triggers_nothing(stage: Stage) -> None:
    _, dividend = await announce_dividend(stage)
    await stage.devnet.pause(stage.token)

    paused = error_data("TokenIsPaused()")
    calls: list[tuple[str, tuple[object, ...]]] = [
        ("setDividend", (dividend.as_tuple(),)),
        ("cancelDividend", (1,)),
        ("triggerPendingScheduledCrossOrderedTasks", ()),
    ]
    for function, arguments in calls:
        assert await stage.asset_revert_of(function, *arguments) == paused
