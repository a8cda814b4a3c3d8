"""What versions 7 and 8 of the asset do differently; numbers are the rows of docs/contract-surprises.md.

What it does not say is marked: [run] on the published 8.0.0 (tests/ats), [read] in the public sources of 7.0.0.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3.types import TxReceipt

from deploy.devnet.artifacts import lifecycle_artifact_path, load_lifecycle_artifact
from deploy.devnet.deployer import Devnet
from deploy.devnet.holders import seeded_holders
from deploy.devnet.roles import ASSET_ROLES
from deploy.devnet.securities import PARTITION, SECOND_PARTITION
from deploy.devnet.terms import AssetVersion, Coupon, Dividend, SecurityType
from tests.integration.devnet.stage import (
    DAY,
    YEAR,
    ZERO_ADDRESS,
    Stage,
    equity_stage,
    error_data,
    stage_of_a_bond,
)

ALICE, BOB, CAROL, *_ = [address for address, _ in seeded_holders(4, seed=12)]
V7, V8 = AssetVersion.VERSION_7, AssetVersion.VERSION_8
USD = 10**6
UNIT_PRICE = 1000 * USD
Told = list[tuple[str, dict[str, Any]]]


@pytest.fixture(params=[V7, V8], ids=["version 7", "version 8"])
def version(request: pytest.FixtureRequest) -> AssetVersion:
    chosen: AssetVersion = request.param
    return chosen


@pytest_asyncio.fixture
async def equity(devnet: Devnet, version: AssetVersion) -> Stage:
    return await equity_stage(devnet, version)


@pytest_asyncio.fixture
async def bond(devnet: Devnet, version: AssetVersion) -> Stage:
    return await stage_of_a_bond(devnet, version)


def transfer(sender: str, to: str, value: int) -> Told:
    return [("Transfer", {"from": sender, "to": to, "value": value})]


def by_partition(
    sender: str, to: str, value: int, operator: str = ZERO_ADDRESS, partition: bytes = PARTITION
) -> Told:
    arguments = {"fromPartition": partition, "operator": operator, "from": sender, "to": to, "value": value}
    return [("TransferByPartition", arguments | {"data": b"", "operatorData": b""})]


def redeemed(holder: str, value: int, operator: str = ZERO_ADDRESS, partition: bytes = PARTITION) -> Told:
    arguments = {"partition": partition, "operator": operator, "from": holder, "value": value}
    return [("RedeemedByPartition", arguments | {"data": b"", "operatorData": b""})]


def issued(to: str, value: int, operator: str, partition: bytes = PARTITION) -> Told:
    return [
        (
            "IssuedByPartition",
            {"partition": partition, "operator": operator, "to": to, "value": value, "data": b""},
        )
    ]


# ------------------------------------------------------------------------------ 20: what a redemption tells


async def cash_out_of(bond: Stage) -> TxReceipt:
    await bond.deposit(100 * UNIT_PRICE)
    await bond.pass_time(YEAR + DAY)
    return await bond.send("executeBondCashOutByAddresses", bond.token, [ALICE])


async def test_20_a_redemption_tells_no_transfer_in_version_7_and_one_in_version_8(
    bond: Stage, version: AssetVersion
) -> None:
    await bond.devnet.issue(bond.token, {ALICE: 3, BOB: 1})

    receipt = await cash_out_of(bond)

    of_partition = by_partition(ALICE, ZERO_ADDRESS, 3, bond.lifecycle) + redeemed(ALICE, 3, bond.lifecycle)
    expected = of_partition if version is V7 else transfer(ALICE, ZERO_ADDRESS, 3) + of_partition
    assert bond.told(receipt) == expected
    assert await bond.asset("totalSupply") == 1


async def test_20_of_a_holder_in_two_partitions_each_is_told(bond: Stage, version: AssetVersion) -> None:
    await bond.devnet.issue(bond.token, {ALICE: 3})
    await bond.devnet.issue_into_second_partition(bond.token, ALICE, 4)
    assert await bond.asset("balanceOf", ALICE) == 7
    assert await bond.asset("balanceOfByPartition", PARTITION, ALICE) == 3
    assert await bond.asset("balanceOfByPartition", SECOND_PARTITION, ALICE) == 4

    receipt = await cash_out_of(bond)

    expected: Told = []
    for partition, value in ((PARTITION, 3), (SECOND_PARTITION, 4)):
        expected += transfer(ALICE, ZERO_ADDRESS, value) if version is V8 else []
        expected += by_partition(ALICE, ZERO_ADDRESS, value, bond.lifecycle, partition)
        expected += redeemed(ALICE, value, bond.lifecycle, partition)
    assert bond.told(receipt) == expected
    assert await bond.money_of(ALICE) == 7 * UNIT_PRICE
    assert await bond.asset("getTotalSecurityHolders") == 0


async def test_20_package_2_tells_of_a_redemption_by_one_log(devnet: Devnet) -> None:
    bond = await stage_of_a_bond(devnet)
    await devnet.issue(bond.token, {ALICE: 3})
    await devnet.burn_like_package_2(bond.token)

    receipt = await cash_out_of(bond)

    assert bond.told(receipt) == redeemed(ALICE, 3, bond.lifecycle)
    assert await bond.asset("totalSupply") == 0


async def test_22_the_published_lifecycle_contract_redeems_no_bond_of_version_8(devnet: Devnet) -> None:
    bond = await stage_of_a_bond(devnet, V8)
    published = load_lifecycle_artifact(lifecycle_artifact_path(V7))
    lifecycle = await devnet.deploy_lifecycle_contract(bond.token, bond.payment_token, bond.operator, published)
    await devnet.issue(bond.token, {ALICE: 1})
    await bond.pass_time(YEAR + DAY)

    for function, arguments in (("executeBondCashOut", (0, 10)), ("executeBondCashOutByAddresses", ([ALICE],))):
        refusal = await bond.revert_of(function, bond.token, *arguments, address=lifecycle)
        assert refusal == error_data("FunctionNotFound(bytes4)", bytes.fromhex("4ce02414")), function


@pytest.mark.parametrize("stage_of", [equity_stage, stage_of_a_bond])
async def test_an_unknown_function_is_answered_as_by_the_resolver_proxy(
    devnet: Devnet, version: AssetVersion, stage_of: Callable[..., Awaitable[Stage]]
) -> None:
    asset = await stage_of(devnet, version)
    missing = {V7: ["paused", "getMaturityDate"], V8: ["isPaused", "getBondDetails"]}[version]
    selectors = {
        "paused": "5c975abb",
        "isPaused": "b187bd26",
        "getMaturityDate": "9737fcff",
        "getBondDetails": "4ce02414",
    }

    for function in missing:
        abi_of = "BondTokenVersion8" if version is V7 else "BondToken"
        refusal = await asset.revert_of(function, contract=abi_of, address=asset.token)
        assert refusal == error_data("FunctionNotFound(bytes4)", bytes.fromhex(selectors[function])), function


# ------------------------------------------------------------------------------ 15: what else is told


async def test_issues_transfers_and_burns_are_told_in_the_versions_own_order(
    equity: Stage, version: AssetVersion
) -> None:
    admin = await equity.devnet.admin()

    def ordered(sender: str, to: str, value: int, of_partition: Told) -> Told:
        """Version 8 tells the ERC-20 Transfer first, version 7 last."""
        told = transfer(sender, to, value)
        return told + of_partition if version is V8 else of_partition + told

    issue = await equity.change("issue", ALICE, 10)
    move = await equity.change("transfer", BOB, 4, sender=ALICE)
    await equity.change("approve", equity.stranger, 1, sender=BOB)
    moved_for = await equity.change("transferFrom", BOB, ALICE, 1, sender=equity.stranger)
    burn = await equity.change("redeem", 2, sender=ALICE)

    of_issue = by_partition(ZERO_ADDRESS, ALICE, 10, admin) + issued(ALICE, 10, admin)
    assert equity.told(issue) == ordered(ZERO_ADDRESS, ALICE, 10, of_issue)
    assert equity.told(move) == ordered(ALICE, BOB, 4, by_partition(ALICE, BOB, 4))
    by_stranger = by_partition(BOB, ALICE, 1, equity.stranger)
    assert equity.told(moved_for) == ordered(BOB, ALICE, 1, by_stranger)
    of_burn = by_partition(ALICE, ZERO_ADDRESS, 2) + redeemed(ALICE, 2)
    assert equity.told(burn) == ordered(ALICE, ZERO_ADDRESS, 2, of_burn)


async def test_what_is_asked_by_partition_tells_no_transfer_in_version_7(
    equity: Stage, version: AssetVersion
) -> None:
    """[read] for version 7: only ERC-20's own calls have a Transfer."""
    admin = await equity.devnet.admin()
    second = SECOND_PARTITION

    issue = await equity.change("issueByPartition", (second, ALICE, 10, b""))
    move = await equity.change("transferByPartition", second, (BOB, 4), b"", sender=ALICE)
    burn = await equity.change("redeemByPartition", second, 6, b"", sender=ALICE)

    def told(of_partition: Told, *of_transfer: Any) -> Told:
        return transfer(*of_transfer) + of_partition if version is V8 else of_partition

    of_issue = by_partition(ZERO_ADDRESS, ALICE, 10, admin, second) + issued(ALICE, 10, admin, second)
    assert equity.told(issue) == told(of_issue, ZERO_ADDRESS, ALICE, 10)
    assert equity.told(move) == told(by_partition(ALICE, BOB, 4, partition=second), ALICE, BOB, 4)
    of_burn = by_partition(ALICE, ZERO_ADDRESS, 6, partition=second) + redeemed(ALICE, 6, partition=second)
    assert equity.told(burn) == told(of_burn, ALICE, ZERO_ADDRESS, 6)
    assert await equity.asset("getSecurityHolders", 0, 10) == [BOB]


async def test_15_a_lock_looks_like_a_burn_and_a_freeze_only_in_version_8(
    equity: Stage, version: AssetVersion
) -> None:
    """What freezing tells in version 8 is [run], what unfreezing tells in version 7 [read]."""
    admin = await equity.devnet.admin()
    await equity.devnet.issue(equity.token, {ALICE: 10})
    expiration = await equity.devnet.chain_time() + DAY

    lock = await equity.change("lock", 4, ALICE, expiration)
    freeze = await equity.change("freezePartialTokens", ALICE, 3)
    unfreeze = await equity.change("unfreezePartialTokens", ALICE, 3)
    await equity.pass_time(2 * DAY)
    release = await equity.change("release", 1, ALICE)

    names = ["TransferByPartition", "Transfer"] if version is V7 else ["Transfer", "TransferByPartition"]
    assert [name for name, _ in equity.told(lock)] == [*names, "LockedByPartition"]
    assert by_partition(ALICE, ZERO_ADDRESS, 4, admin)[0] in equity.told(lock)
    assert transfer(ALICE, ZERO_ADDRESS, 4)[0] in equity.told(lock)
    assert [name for name, _ in equity.told(release)] == [*names, "LockByPartitionReleased"]
    frozen = ("TokensFrozen", {"account": ALICE, "amount": 3, "partition": PARTITION})
    unfrozen = ("TokensUnfrozen", {"account": ALICE, "amount": 3, "partition": PARTITION})
    assert equity.told(freeze) == ([] if version is V7 else transfer(ALICE, ZERO_ADDRESS, 3)) + [frozen]
    assert equity.told(unfreeze) == [*transfer(ZERO_ADDRESS, ALICE, 3), unfrozen]
    assert await equity.asset("totalSupply") == 10


async def test_15_an_adjustment_is_told_of_each_account_when_it_next_changes(equity: Stage) -> None:
    """By transfers from nobody to nobody: [run] for version 8, [read] for version 7."""
    await equity.devnet.issue(equity.token, {ALICE: 10, BOB: 5})

    adjusted = await equity.change("adjustBalances", 3, 0)
    moved = await equity.change("transfer", BOB, 1, sender=ALICE)

    assert [name for name, _ in equity.told(adjusted)] == ["AdjustmentBalanceSet"]
    late = [told for told in equity.told(moved) if told[1]["from"] == told[1]["to"] == ZERO_ADDRESS]
    expected: Told = []
    for added in (20, 10):
        expected += by_partition(ZERO_ADDRESS, ZERO_ADDRESS, added, ALICE)
        expected += transfer(ZERO_ADDRESS, ZERO_ADDRESS, added)
    assert late == expected
    assert equity.asset_events(await equity.change("transfer", BOB, 1, sender=ALICE), "Transfer") == [
        {"from": ALICE, "to": BOB, "value": 1}
    ]


# ------------------------------------------------------------------------------ 21: amounts


@pytest.fixture
def cents() -> Mapping[ChecksumAddress, int]:
    """Shares of 6 decimals such that 0.05 a share is no whole number of cents."""
    return {ALICE: 199_999, BOB: 399_999}


async def test_21_version_8_floors_a_dividend_to_its_own_decimals(
    equity: Stage, version: AssetVersion, cents: Mapping[ChecksumAddress, int]
) -> None:
    await equity.devnet.issue(equity.token, cents)
    await equity.deposit(USD)
    now = await equity.devnet.chain_time()
    dividend = await equity.devnet.set_dividend(equity.token, Dividend(now + DAY, now + DAY, 5, 2))
    await equity.pass_time(DAY + 1)

    assert (
        await equity.asset("getDividendAmountFor", dividend, BOB)
        == {
            V7: [399_999 * 5, 10**8, True],
            V8: [1, 10**2, True],
        }[version]
    )
    outcome = await equity.pay("executeDistribution", dividend, 0, 10)
    assert outcome.paid == {V7: [9_999, 19_999], V8: [0, 10_000]}[version]


async def coupon_of(bond: Stage, rate: int = 5) -> int:
    """A coupon of so many per cent for a year."""
    now = await bond.devnet.chain_time()
    terms = Coupon(now + DAY, now + DAY, now - YEAR, now, now + DAY, rate, 2)
    coupon = await bond.devnet.set_coupon(bond.token, terms)
    await bond.pass_time(DAY + 1)
    return coupon


async def test_a_coupons_fields_stand_in_the_versions_own_order(bond: Stage, version: AssetVersion) -> None:
    await bond.devnet.issue(bond.token, {ALICE: 3})
    coupon = await coupon_of(bond)
    (terms, snapshot), is_disabled = await bond.asset("getCoupon", coupon)
    assert (snapshot, is_disabled) == (0, False)

    told = await bond.asset("getCouponFor", coupon, ALICE)

    amount = {V7: (3 * 100_000 * 5 * YEAR, 10**4 * YEAR, True), V8: (3_000 * 5 * YEAR, 10**2 * YEAR, True)}[
        version
    ]
    head = {V7: [3, 100_000, 0, True], V8: [3, 0, 100_000, 2, True]}[version]
    assert told == [*head, terms, amount, False]
    assert await bond.asset("getCouponAmountFor", coupon, ALICE) == list(amount)


async def test_version_8_floors_the_nominal_value_to_the_tokens_decimals(
    devnet: Devnet, version: AssetVersion
) -> None:
    """[run] on 8.0.0, of the principal and of coupons."""
    bond = await stage_of_a_bond(devnet, version, decimals=1, nominal_value=10_075, nominal_value_decimals=2)
    await devnet.issue(bond.token, {ALICE: 11})
    await bond.deposit(1_000 * USD)
    coupon = await coupon_of(bond, rate=100)

    assert (await bond.pay("executeDistributionByAddresses", coupon, [ALICE])).paid == [
        {V7: 110_825_000, V8: 110_800_000}[version]
    ]
    await bond.pass_time(YEAR)
    assert await bond.asset("getPrincipalFor", ALICE) == {V7: [11 * 10_075, 10**3], V8: [1_108, 10]}[version]


async def test_a_coupon_of_version_7_counts_with_the_decimals_of_now(bond: Stage, version: AssetVersion) -> None:
    """[read]; the balance is that of the record date in both versions."""
    await bond.devnet.issue(bond.token, {ALICE: 3})
    coupon = await coupon_of(bond)
    await bond.devnet.trigger_scheduled_snapshots(bond.token)
    await bond.deposit(1_000 * USD)

    await bond.devnet.adjust_balances(bond.token, 10, 1)

    assert (await bond.pay("executeDistributionByAddresses", coupon, [ALICE])).paid == [
        {V7: 15 * USD, V8: 150 * USD}[version]
    ]


# ------------------------------------------------------------------------------ 14: paid and burned


async def test_14_version_8_pays_for_frozen_tokens_again_and_again(bond: Stage, version: AssetVersion) -> None:
    await bond.devnet.issue(bond.token, {ALICE: 6})
    await bond.deposit(100 * UNIT_PRICE)
    await bond.devnet.freeze(bond.token, ALICE, 1)
    await bond.devnet.lock(bond.token, ALICE, 2, await bond.devnet.chain_time() + 9 * YEAR)
    await bond.pass_time(YEAR + DAY)
    assert await bond.asset("getTotalBalanceFor", ALICE) == 6

    paid = [(await bond.pay("executeBondCashOutByAddresses", [ALICE])).paid[0] for _ in range(3)]

    assert paid == [units * UNIT_PRICE for units in {V7: (3, 0, 0), V8: (6, 3, 3)}[version]]
    assert await bond.asset("totalSupply") == 3
    assert await bond.asset("getSecurityHolders", 0, 10) == [ALICE]


async def test_after_an_adjustment_more_is_paid_than_burned(bond: Stage) -> None:
    """[run] on 8.0.0, [read] for version 7: burned is what was written down before the adjustment."""
    await bond.devnet.issue(bond.token, {ALICE: 10})
    await bond.deposit(100 * UNIT_PRICE)
    await bond.devnet.adjust_balances(bond.token, 3)
    await bond.pass_time(YEAR + DAY)

    outcome = await bond.pay("executeBondCashOutByAddresses", [ALICE])

    assert outcome.paid == [30 * UNIT_PRICE]
    assert await bond.asset("balanceOf", ALICE) == await bond.asset("totalSupply") == 20
    again = await bond.pay("executeBondCashOutByAddresses", [ALICE])
    assert again.paid == [20 * UNIT_PRICE]
    assert await bond.asset("totalSupply") == 0


async def test_the_holder_list_of_version_7_can_be_let_go_wrong_as_the_real_one_does(devnet: Devnet) -> None:
    """[run] on the published sources of 7.0.0; only where it is asked for."""
    bond = await stage_of_a_bond(devnet)
    await devnet.list_follows_free_tokens(bond.token)
    await devnet.issue(bond.token, {ALICE: 10, BOB: 10, CAROL: 10})

    async def holders() -> list[str]:
        listed: list[str] = await bond.asset("getSecurityHolders", 0, 10)
        assert len(listed) == await bond.asset("getTotalSecurityHolders")
        return listed

    await devnet.freeze(bond.token, ALICE, 10)
    await devnet.transfer(bond.token, BOB, ALICE, 1)
    assert await holders() == [ALICE, BOB, CAROL, ALICE], "listed twice: had no free tokens"
    await devnet.transfer(bond.token, ALICE, BOB, 1)
    await devnet.freeze(bond.token, BOB, 1)
    await devnet.transfer(bond.token, BOB, CAROL, 9)
    assert await holders() == [ALICE, CAROL], "Bob is not listed: has a frozen token"
    await devnet.unfreeze(bond.token, BOB, 1)
    await devnet.transfer(bond.token, BOB, ALICE, 1)
    assert CAROL not in await holders(), "Carol is not listed: Bob, who was not, left"
    assert await bond.asset("balanceOf", CAROL) == 19


async def test_on_the_maturity_date_itself_version_7_refuses(devnet: Devnet, version: AssetVersion) -> None:
    """[read] for version 7. The lifecycle contract pays from that second on."""
    maturity = await devnet.chain_time() + DAY
    bond = await stage_of_a_bond(devnet, version, maturity_date=maturity)
    await devnet.issue(bond.token, {ALICE: 1})
    await bond.deposit(UNIT_PRICE)
    early = error_data({V7: "BondMaturityDateWrong()", V8: "MaturityDateInvalid()"}[version])
    await devnet.advance_to(maturity - 1)
    assert await bond.asset_revert_of("fullRedeemAtMaturity", ALICE, sender=bond.lifecycle) == early

    await devnet.advance_to(maturity)

    if version is V7:
        assert await bond.revert_of("executeBondCashOutByAddresses", bond.token, [ALICE]) == early
        await devnet.advance_to(maturity + 1)
    assert (await bond.pay("executeBondCashOutByAddresses", [ALICE])).paid == [UNIT_PRICE]


@pytest.mark.parametrize("security_type", [SecurityType.LOAN_V8, SecurityType.DEPOSIT_TOKEN_V8])
async def test_everything_but_an_equity_is_paid_as_a_bond(devnet: Devnet, security_type: SecurityType) -> None:
    bond = await stage_of_a_bond(devnet, V8, security_type=security_type)
    assert (await bond.asset("getERC20Metadata"))[1] == security_type
    await devnet.issue(bond.token, {ALICE: 1})
    await bond.deposit(2 * UNIT_PRICE)

    coupon = await bond.pay("executeDistributionByAddresses", await coupon_of(bond), [ALICE])
    await bond.pass_time(YEAR)
    principal = await bond.pay("executeBondCashOutByAddresses", [ALICE])

    assert (coupon.paid, principal.paid) == ([UNIT_PRICE // 20], [UNIT_PRICE])


# ------------------------------------------------------------------------------ topics, roles, pauses, dates


async def test_coupon_logs_index_what_the_version_does(bond: Stage, version: AssetVersion) -> None:
    now = await bond.devnet.chain_time()
    terms = Coupon(now + DAY, now + 2 * DAY, now - YEAR, now, now + DAY, 5, 2).as_tuple()
    admin = await bond.devnet.admin()

    announced = await bond.change("setCoupon", terms)
    cancelled = await bond.change("cancelCoupon", 1)

    (log,) = announced["logs"]
    assert len(log["topics"]) == {V7: 2, V8: 4}[version]
    assert log["topics"][0] == HexBytes("0xbeb7fdc8c5c160b79de3e9c869bf2f6b287cbe29eb05d7623537a427231942ee")
    ((name, arguments),) = bond.told(announced)
    coupon = tuple(arguments.pop("coupon").values())
    assert (name, coupon) == ("CouponSet", terms)
    assert arguments == {"corporateActionId": (1).to_bytes(32), "couponId": 1, "operator": admin}
    (log,) = cancelled["logs"]
    assert len(log["topics"]) == {V7: 2, V8: 3}[version]
    assert log["topics"][0] == HexBytes("0xf3f7ee3ec63ca38fe59a56a06f6d730ef89a41b7819ca5c04dda2205c4f2a712")
    assert bond.told(cancelled) == [("CouponCancelled", {"couponId": 1, "operator": admin})]


async def test_roles_have_the_versions_own_hashes(bond: Stage, version: AssetVersion) -> None:
    admin, ours = await bond.devnet.admin(), ASSET_ROLES[version]
    theirs = ASSET_ROLES[V8 if version is V7 else V7]
    now = await bond.devnet.chain_time()
    coupon = Coupon(now + DAY, now + 2 * DAY, now - YEAR, now, now + DAY, 5, 2).as_tuple()

    for roles, held in ((ours, True), (theirs, False)):
        assert await bond.asset("hasRole", roles.snapshot, bond.operator) is held
        assert await bond.asset("hasRole", roles.corporate_action, admin) is held
        assert await bond.asset("hasRole", roles.maturity_redeemer, bond.lifecycle) is held
    calls: list[tuple[bytes, str, tuple[object, ...]]] = [
        (ours.snapshot, "takeSnapshot", ()),
        (ours.corporate_action, "setCoupon", (coupon,)),
        (ours.corporate_action, "cancelCoupon", (1,)),
        (ours.maturity_redeemer, "fullRedeemAtMaturity", (ALICE,)),
    ]
    for role, function, arguments in calls:
        assert await bond.asset_revert_of(function, *arguments, sender=bond.stranger) == error_data(
            "AccountHasNoRole(address,bytes32)", bond.stranger, bytes(role)
        ), function


async def test_12_a_paused_asset_refuses_by_the_versions_own_error(bond: Stage, version: AssetVersion) -> None:
    getter = {V7: "isPaused", V8: "paused"}[version]
    admin = await bond.devnet.admin()
    assert await bond.asset(getter) is False

    paused = await bond.change("pause")

    assert await bond.asset(getter) is True
    assert bond.told(paused) == [({V7: "TokenPaused", V8: "Paused"}[version], {"operator": admin})]
    refusal = error_data({V7: "TokenIsPaused()", V8: "IsPaused()"}[version])
    assert refusal == {V7: "0x649815a5", V8: "0x1309a563"}[version]
    assert await bond.asset_revert_of("takeSnapshot", sender=bond.operator) == refusal
    assert await bond.asset_revert_of("fullRedeemAtMaturity", ALICE, sender=bond.lifecycle) == refusal
    unpaused = await bond.change("unpause")
    assert bond.told(unpaused) == [({V7: "TokenUnpaused", V8: "Unpaused"}[version], {"operator": admin})]


async def test_a_record_date_may_lie_in_the_past_in_version_8(equity: Stage, version: AssetVersion) -> None:
    """[run] on 8.0.0."""
    await equity.devnet.issue(equity.token, {ALICE: 10})
    now = await equity.devnet.chain_time()
    past = (now - DAY, now, 1, 0)

    if version is V7:
        refusal = await equity.asset_revert_of("setDividend", past)
        assert refusal == error_data("WrongTimestamp(uint256)", now - DAY)
    else:
        await equity.change("setDividend", past)
        assert await equity.asset("getDividendHolders", 1, 0, 10) == [ALICE]
        assert await equity.asset_revert_of("setDividend", (0, now, 1, 0)) == error_data("InvalidTimestamp()")
