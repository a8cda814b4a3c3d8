"""The devnet's lifecycle contract behaves as docs/contract-surprises.md says; numbers are its rows."""

import json
from pathlib import Path

import pytest

from deploy.devnet.artifacts import load_contract
from deploy.devnet.holders import seeded_holders
from deploy.devnet.roles import (
    ASSET_ROLES,
    CASHOUT_ROLE,
    DEFAULT_ADMIN_ROLE,
    OPERATOR_ROLES,
    PAUSER_ROLE,
    PAYOUT_ROLE,
)
from deploy.devnet.terms import AssetVersion
from tests.integration.devnet.stage import ZERO_ADDRESS, Stage, error_data, padded

FIXTURE = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "onchain_interface.json").read_text(encoding="utf-8")
)
ROLES = FIXTURE["lifecycle"]["roles"]
IS_PAUSED = error_data("LifeCycleCashFlowIsPaused()")

HOLDERS = [address for address, _ in seeded_holders(30, seed=1)]
ALICE, BOB, CAROL, DAVE, *_ = HOLDERS
NON_HOLDER = HOLDERS[29]
USD = 10**6


def arguments_for(function: str, stage: Stage) -> list[object]:
    """Valid arguments of a call that needs a role."""
    arguments: dict[str, list[object]] = {
        "executeAmountSnapshot": [stage.token, 1, 0, 10, 100],
        "executePercentageSnapshot": [stage.token, 1, 0, 10, 100],
        "executeAmountSnapshotByAddresses": [stage.token, 1, [ALICE], 100],
        "executePercentageSnapshotByAddresses": [stage.token, 1, [ALICE], 100],
        "executeDistribution": [stage.token, 1, 0, 10],
        "executeDistributionByAddresses": [stage.token, 1, [ALICE]],
        "executeBondCashOut": [stage.token, 0, 10],
        "executeBondCashOutByAddresses": [stage.token, [ALICE]],
        "transferPaymentToken": [ALICE, 0],
        "updatePaymentToken": [stage.payment_token],
        "grantRole": [PAYOUT_ROLE, ALICE],
        "revokeRole": [PAYOUT_ROLE, stage.operator],
        "pause": [],
        "unpause": [],
    }
    return arguments[function]


# --------------------------------------------------------------------------------------- guards


async def test_each_function_asks_for_the_role_of_the_table_and_only_while_not_paused(stage: Stage) -> None:
    built = {item.get("name") for item in load_contract("LifeCycleCashFlow").abi if item["type"] == "function"}
    guarded = {
        name: ROLES[function["role"]]
        for function in FIXTURE["lifecycle"]["functions"]
        if (name := function["signature"].split("(")[0]) in built and "role" in function
    }
    assert len(guarded) == 14
    unpause_role = guarded.pop("unpause")

    for name, role in guarded.items():
        refusal = await stage.revert_of(name, *arguments_for(name, stage), sender=stage.stranger)
        assert refusal == error_data("AccountHasNoRole(address,bytes32)", stage.stranger, bytes.fromhex(role[2:]))
    assert await stage.revert_of("unpause") == error_data("LifeCycleCashFlowIsUnpaused()")
    await stage.send("pause")
    for name in guarded:
        assert await stage.revert_of(name, *arguments_for(name, stage), sender=stage.stranger) == IS_PAUSED
    assert await stage.revert_of("unpause", sender=stage.stranger) == error_data(
        "AccountHasNoRole(address,bytes32)", stage.stranger, bytes.fromhex(unpause_role[2:])
    )


@pytest.mark.parametrize(
    ("function", "rest"),
    [
        ("executeAmountSnapshot", (1, 0, 10, 100)),
        ("executePercentageSnapshot", (1, 0, 10, 10_001)),
        ("executeAmountSnapshotByAddresses", (1, [ALICE], 100)),
        ("executePercentageSnapshotByAddresses", (1, [ALICE], 100)),
        ("executeDistribution", (1, 0, 10)),
        ("executeDistributionByAddresses", (1, [ALICE])),
        ("executeBondCashOut", (0, 10)),
        ("executeBondCashOutByAddresses", ([ALICE],)),
    ],
)
async def test_the_asset_is_checked_after_the_role_and_before_anything_else(
    stage: Stage, function: str, rest: tuple[object, ...]
) -> None:
    role = CASHOUT_ROLE if "CashOut" in function else PAYOUT_ROLE
    no_role = error_data("AccountHasNoRole(address,bytes32)", stage.stranger, bytes(role))

    assert await stage.revert_of(function, ALICE, *rest, sender=stage.stranger) == no_role
    assert await stage.revert_of(function, ALICE, *rest) == error_data("InvalidAsset(address)", ALICE)


async def test_initialize_grants_all_six_roles_and_works_once(stage: Stage) -> None:
    assert {role.to_0x_hex() for role in OPERATOR_ROLES} == set(ROLES.values())
    for role in OPERATOR_ROLES:
        assert await stage.read("LifeCycleCashFlow", stage.lifecycle, "hasRole", role, stage.operator)
        assert not await stage.read("LifeCycleCashFlow", stage.lifecycle, "hasRole", role, stage.stranger)
    again = (stage.token, stage.payment_token, [(DEFAULT_ADMIN_ROLE, [stage.stranger])])
    once = error_data("InvalidInitialization()")
    assert await stage.revert_of("initialize", *again, sender=stage.stranger) == once

    word = await stage.devnet.web3.eth.get_storage_at(
        stage.lifecycle, 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC
    )
    implementation = stage.devnet.web3.to_checksum_address(word[-20:])
    assert await stage.revert_of("initialize", *again, address=implementation) == once


async def test_roles_are_granted_revoked_and_renounced(stage: Stage) -> None:
    granted = await stage.send("grantRole", PAUSER_ROLE, ALICE)
    assert await stage.events(granted, "RoleGranted") == [
        {"operator": stage.operator, "account": ALICE, "role": bytes(PAUSER_ROLE)}
    ]
    assert await stage.revert_of("grantRole", PAUSER_ROLE, ALICE) == error_data(
        "AccountAssignedToRole(bytes32,address)", bytes(PAUSER_ROLE), ALICE
    )
    await stage.send("revokeRole", PAUSER_ROLE, ALICE)
    not_assigned = error_data("AccountNotAssignedToRole(bytes32,address)", bytes(PAUSER_ROLE), ALICE)
    assert await stage.revert_of("revokeRole", PAUSER_ROLE, ALICE) == not_assigned
    assert await stage.revert_of("renounceRole", PAUSER_ROLE, sender=ALICE) == not_assigned
    await stage.send("renounceRole", PAYOUT_ROLE)
    assert not await stage.read("LifeCycleCashFlow", stage.lifecycle, "hasRole", PAYOUT_ROLE, stage.operator)


async def test_pause_and_unpause_tell_by_whom(stage: Stage) -> None:
    paused = await stage.send("pause")
    assert await stage.events(paused, "LifeCycleCashFlowPaused") == [{"operator": stage.operator}]
    assert await stage.read("LifeCycleCashFlow", stage.lifecycle, "isPaused")
    unpaused = await stage.send("unpause")
    assert await stage.events(unpaused, "LifeCycleCashFlowUnpaused") == [{"operator": stage.operator}]
    assert not await stage.read("LifeCycleCashFlow", stage.lifecycle, "isPaused")


async def test_money_leaves_by_transfer_of_payment_token(stage: Stage) -> None:
    await stage.deposit(100)

    receipt = await stage.send("transferPaymentToken", ALICE, 60)

    assert await stage.events(receipt, "PaymentTokenTransferred") == [{"to": ALICE, "amount": 60}]
    assert (await stage.money_of(ALICE), await stage.money_of(stage.lifecycle)) == (60, 40)
    assert await stage.revert_of("transferPaymentToken", ALICE, 41) == error_data("NotEnoughBalance(uint256)", 41)
    await stage.devnet.block_payee(stage.payment_token, ALICE)
    assert await stage.revert_of("transferPaymentToken", ALICE, 40) == error_data(
        "TransferERC20TokenFailed(address,uint256)", ALICE, 40
    )


async def test_the_payment_token_can_be_replaced(stage: Stage) -> None:
    other = await stage.devnet.deploy_payment_token()

    receipt = await stage.send("updatePaymentToken", other)

    assert await stage.events(receipt, "PaymentTokenChanged") == [{"paymentToken": other}]
    assert await stage.read("LifeCycleCashFlow", stage.lifecycle, "getPaymentToken") == other
    assert await stage.read("LifeCycleCashFlow", stage.lifecycle, "getPaymentTokenDecimals") == 6
    assert await stage.revert_of("updatePaymentToken", ALICE) == error_data("InvalidPaymentToken(address)", ALICE)


# ------------------------------------------------------------------------------ surprises


async def test_1_a_paid_holder_and_a_duplicate_come_back_as_failed(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 50, BOB: 50})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()

    first = await stage.pay("executeAmountSnapshotByAddresses", snapshot, [ALICE, ALICE], 100)
    second = await stage.pay("executeAmountSnapshotByAddresses", snapshot, [ALICE, BOB], 100)

    assert (first.succeeded, first.failed) == ([ALICE, ZERO_ADDRESS], [ALICE, ZERO_ADDRESS])
    assert (second.succeeded, second.failed) == ([BOB, ZERO_ADDRESS], [ALICE, ZERO_ADDRESS])
    assert (await stage.money_of(ALICE), await stage.money_of(BOB)) == (50, 50)


async def test_2_the_paid_flag_is_in_its_storage_slot_for_who_was_paid_alone(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 50, BOB: 50})
    await stage.deposit(1000)
    await stage.snapshot()
    snapshot = await stage.snapshot()
    await stage.devnet.block_payee(stage.payment_token, BOB)
    assert not await stage.is_paid(snapshot, ALICE)

    await stage.pay("executeAmountSnapshotByAddresses", snapshot, [ALICE, BOB], 100)

    assert await stage.is_paid(snapshot, ALICE)
    assert not await stage.is_paid(snapshot, BOB)
    assert not await stage.is_paid(snapshot - 1, ALICE)


async def test_3_the_paid_flag_is_shared_by_amount_and_percentage_but_not_by_snapshots(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 50, BOB: 50})
    await stage.deposit(1000)
    one = await stage.snapshot()
    await stage.pay("executeAmountSnapshot", one, 0, 10, 100)

    again = [
        await stage.pay("executePercentageSnapshot", one, 0, 10, 5000),
        await stage.pay("executePercentageSnapshotByAddresses", one, [ALICE, BOB], 5000),
        await stage.pay("executeAmountSnapshotByAddresses", one, [ALICE, BOB], 777),
    ]
    other = await stage.pay("executeAmountSnapshotByAddresses", await stage.snapshot(), [ALICE, BOB], 100)

    for outcome in again:
        assert (outcome.failed, outcome.succeeded) == ([ALICE, BOB], [ZERO_ADDRESS] * 2)
        assert outcome.paid == [0, 0]
    assert other.succeeded == [ALICE, BOB]
    assert await stage.money_of(ALICE) == 100


async def test_3_too_small_an_amount_uses_the_flag_up(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 50, BOB: 50})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()

    nothing = await stage.pay("executeAmountSnapshotByAddresses", snapshot, [ALICE, BOB], 1)
    right = await stage.pay("executeAmountSnapshotByAddresses", snapshot, [ALICE, BOB], 1000)

    assert (nothing.succeeded, nothing.paid) == ([ALICE, BOB], [0, 0])
    assert right.failed == [ALICE, BOB]
    assert await stage.money_of(stage.lifecycle) == 1000


async def test_3_a_non_holder_by_address_succeeds_with_nothing(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 100})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()

    outcome = await stage.pay("executeAmountSnapshotByAddresses", snapshot, [NON_HOLDER, ALICE], 100)

    assert (outcome.succeeded, outcome.paid) == ([NON_HOLDER, ALICE], [0, 100])


async def test_3_calls_on_one_snapshot_may_carry_different_amounts(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 50, BOB: 50})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()

    await stage.pay("executeAmountSnapshotByAddresses", snapshot, [ALICE], 100)
    await stage.pay("executeAmountSnapshotByAddresses", snapshot, [BOB], 1000)

    assert (await stage.money_of(ALICE), await stage.money_of(BOB)) == (50, 500)


@pytest.mark.parametrize("by", ["page", "addresses"])
async def test_4_arrays_have_the_length_of_the_page_and_amounts_belong_to_who_succeeded(
    stage: Stage, by: str
) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 10, BOB: 20, CAROL: 30, DAVE: 40})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()
    await stage.devnet.block_payee(stage.payment_token, BOB)

    if by == "page":
        outcome = await stage.pay("executeAmountSnapshot", snapshot, 0, 100, 1000)
        assert outcome.executed is True
    else:
        payees = [ALICE, BOB, CAROL, DAVE]
        outcome = await stage.pay("executeAmountSnapshotByAddresses", snapshot, payees, 1000)

    assert outcome.failed == padded([BOB], 4, ZERO_ADDRESS)
    assert outcome.succeeded == padded([ALICE, CAROL, DAVE], 4, ZERO_ADDRESS)
    assert outcome.paid == padded([100, 300, 400], 4, 0)


async def test_5_a_short_last_page_asked_by_its_own_length_misses_holders(stage: Stage) -> None:
    holders = HOLDERS[:25]
    await stage.devnet.issue(stage.token, dict.fromkeys(holders, 4))
    await stage.deposit(1000)
    snapshot = await stage.snapshot()

    await stage.pay("executeAmountSnapshot", snapshot, 0, 10, 100)
    await stage.pay("executeAmountSnapshot", snapshot, 1, 10, 100)
    last = await stage.pay("executeAmountSnapshot", snapshot, 2, 5, 100)

    assert last.failed == holders[10:15]
    unpaid = [holder for holder in holders if not await stage.is_paid(snapshot, holder)]
    assert unpaid == holders[20:]


async def test_6_snapshot_pages_survive_later_transfers(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 10, BOB: 20, CAROL: 30, DAVE: 40})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()
    await stage.devnet.transfer(stage.token, ALICE, NON_HOLDER, 10)
    await stage.devnet.transfer(stage.token, BOB, CAROL, 5)

    assert await stage.asset("getSecurityHolders", 0, 10) == [DAVE, BOB, CAROL, NON_HOLDER]
    assert await stage.asset("getTokenHoldersAtSnapshot", snapshot, 0, 3) == [ALICE, BOB, CAROL]
    assert await stage.asset("getTokenHoldersAtSnapshot", snapshot, 1, 3) == [DAVE]
    outcome = await stage.pay("executeAmountSnapshot", snapshot, 0, 10, 1000)
    assert (outcome.succeeded, outcome.paid) == ([ALICE, BOB, CAROL, DAVE], [100, 200, 300, 400])


@pytest.mark.parametrize("function", ["executeAmountSnapshot", "executePercentageSnapshot"])
async def test_6_a_page_past_the_end_is_not_executed_but_emits(stage: Stage, function: str) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 10, BOB: 20})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()

    outcome = await stage.pay(function, snapshot, 1, 2, 1000)

    assert outcome.executed is False
    assert (outcome.failed, outcome.succeeded, outcome.paid) == ([], [], [])


async def test_7_when_money_runs_out_later_smaller_ones_are_paid_and_the_rest_after_a_deposit(
    stage: Stage,
) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 30, BOB: 50, CAROL: 20})
    await stage.deposit(60)
    snapshot = await stage.snapshot()

    short = await stage.pay("executeAmountSnapshot", snapshot, 0, 10, 100)
    await stage.deposit(40)
    rest = await stage.pay("executeAmountSnapshotByAddresses", snapshot, [BOB], 100)

    assert (short.succeeded, short.paid) == ([ALICE, CAROL, ZERO_ADDRESS], [30, 20, 0])
    assert short.failed == padded([BOB], 3, ZERO_ADDRESS)
    assert (rest.succeeded, rest.paid) == ([BOB], [50])


async def test_7_a_blocked_payee_fails_alone_and_can_be_paid_later(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 30, BOB: 70})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()
    await stage.devnet.block_payee(stage.payment_token, ALICE)

    blocked = await stage.pay("executeAmountSnapshot", snapshot, 0, 10, 100)
    await stage.devnet.unblock_payee(stage.payment_token, ALICE)
    retried = await stage.pay("executeAmountSnapshotByAddresses", snapshot, [ALICE], 100)

    assert (blocked.failed, blocked.succeeded) == ([ALICE, ZERO_ADDRESS], [BOB, ZERO_ADDRESS])
    assert (retried.succeeded, retried.paid) == ([ALICE], [30])


async def test_7_a_paused_payment_token_or_a_blocked_contract_fails_everyone(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 30, BOB: 70})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()

    await stage.devnet.pause(stage.payment_token)
    paused = await stage.pay("executeAmountSnapshot", snapshot, 0, 10, 100)
    await stage.devnet.unpause(stage.payment_token)
    await stage.devnet.block_payee(stage.payment_token, stage.lifecycle)
    payer_blocked = await stage.pay("executeAmountSnapshot", snapshot, 0, 10, 100)

    for outcome in (paused, payer_blocked):
        assert (outcome.failed, outcome.paid) == ([ALICE, BOB], [0, 0])
    assert not await stage.is_paid(snapshot, ALICE)


async def test_23_estimated_while_the_payment_token_is_paused_a_batch_is_too_cheap(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, dict.fromkeys(HOLDERS, 1))
    await stage.deposit(1000)
    batch = (stage.token, await stage.snapshot(), HOLDERS, 300)
    call = stage.contract("LifeCycleCashFlow", stage.lifecycle).functions.executeAmountSnapshotByAddresses(*batch)

    await stage.devnet.pause(stage.payment_token)
    outcome = await call.call({"from": stage.operator})
    paused = await call.estimate_gas({"from": stage.operator})
    await stage.devnet.unpause(stage.payment_token)
    unpaused = await call.estimate_gas({"from": stage.operator})

    assert outcome[0] == HOLDERS
    assert paused * 3 < unpaused * 2


async def test_8_amounts_are_floored_per_holder_and_the_dust_stays(stage: Stage) -> None:
    balances = {ALICE: 1, BOB: 2, CAROL: 4}
    await stage.devnet.issue(stage.token, balances)
    await stage.deposit(100)
    snapshot = await stage.snapshot()

    outcome = await stage.pay("executeAmountSnapshot", snapshot, 0, 10, 100)

    assert outcome.paid == [100 * balance // 7 for balance in balances.values()] == [14, 28, 57]
    assert await stage.money_of(stage.lifecycle) == 1


async def test_9_a_percentage_is_of_the_balance_that_is_left(stage: Stage) -> None:
    holders = HOLDERS[:3]
    await stage.devnet.issue(stage.token, dict.fromkeys(holders, 1))
    await stage.deposit(900_000 * USD)
    snapshot = await stage.snapshot()

    paid = [(await stage.pay("executePercentageSnapshot", snapshot, page, 1, 1000)).paid[0] for page in range(3)]

    left = 900_000 * USD
    for amount in paid:
        assert amount == left * 1000 // 10_000 // 3
        left -= amount
    assert sum(paid) < 90_000 * USD
    assert await stage.money_of(stage.lifecycle) == left


async def test_9_within_one_call_a_percentage_has_one_base(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1, BOB: 1})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()

    outcome = await stage.pay("executePercentageSnapshotByAddresses", snapshot, [ALICE, BOB], 1234)

    assert outcome.paid == [61, 61]


async def test_9_over_100_percent_is_refused_by_page_alone(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1, BOB: 3})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()

    refusal = await stage.revert_of("executePercentageSnapshot", stage.token, snapshot, 0, 10, 10_001)
    assert refusal == error_data("InvalidPercentage(uint256)", 10_001)
    outcome = await stage.pay("executePercentageSnapshotByAddresses", snapshot, [ALICE], 20_000)
    assert outcome.paid == [500]
    whole = await stage.pay("executePercentageSnapshot", snapshot, 0, 10, 10_000)
    assert (whole.failed, whole.paid) == ([ALICE, ZERO_ADDRESS], [375, 0])


@pytest.mark.parametrize(
    ("function", "rest"),
    [
        ("executeAmountSnapshot", (0, 10, 100)),
        ("executePercentageSnapshot", (0, 10, 100)),
        ("executeAmountSnapshotByAddresses", ([ALICE], 100)),
        ("executePercentageSnapshotByAddresses", ([ALICE], 100)),
    ],
)
async def test_an_unknown_snapshot_reverts_as_the_asset_does(
    stage: Stage, function: str, rest: tuple[object, ...]
) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1})
    snapshot = await stage.snapshot()

    assert await stage.revert_of(function, stage.token, snapshot + 1, *rest) == error_data(
        "SnapshotIdDoesNotExists(uint256)", snapshot + 1
    )
    assert await stage.revert_of(function, stage.token, 0, *rest) == error_data("SnapshotIdNull()")


async def test_12_a_paused_asset_still_pays_but_takes_no_snapshot(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 1})
    await stage.deposit(1000)
    snapshot = await stage.snapshot()
    await stage.devnet.pause(stage.token)

    outcome = await stage.pay("executeAmountSnapshot", snapshot, 0, 10, 100)

    assert outcome.paid == [100]
    refusal = await stage.revert_of("takeSnapshot", contract="EquityToken", address=stage.token)
    assert refusal == error_data("TokenIsPaused()")


async def test_a_snapshot_needs_its_role(stage: Stage) -> None:
    refusal = await stage.revert_of(
        "takeSnapshot", sender=stage.stranger, contract="EquityToken", address=stage.token
    )

    role = ASSET_ROLES[AssetVersion.VERSION_7].snapshot
    assert refusal == error_data("AccountHasNoRole(address,bytes32)", stage.stranger, bytes(role))
