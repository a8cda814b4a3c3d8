"""What makes a register hard to follow: frozen, locked and adjusted tokens, the control list."""

import copy
import random
from dataclasses import dataclass, field

from deploy.devnet.holders import seeded_holders
from deploy.devnet.terms import Dividend
from tests.integration.devnet.stage import DAY, YEAR, ZERO_ADDRESS, Stage, error_data

ALICE, BOB, CAROL, *_ = HOLDERS = [address for address, _ in seeded_holders(10, seed=6)]
PARTITION = (1).to_bytes(32)


# ------------------------------------------------------------------------------ 15: events tell not all


async def test_issues_and_transfers_tell_of_their_partition(stage: Stage) -> None:
    admin = await stage.devnet.admin()

    issued = await stage.change("issue", ALICE, 10)
    moved = await stage.change("transfer", BOB, 4, sender=ALICE)

    (issue,) = stage.asset_events(issued, "IssuedByPartition")
    assert issue == {"partition": PARTITION, "operator": admin, "to": ALICE, "value": 10, "data": b""}
    (transfer,) = stage.asset_events(moved, "TransferByPartition")
    assert (transfer["fromPartition"], transfer["operator"]) == (PARTITION, ZERO_ADDRESS)
    assert (transfer["from"], transfer["to"], transfer["value"]) == (ALICE, BOB, 4)


async def test_15_a_freeze_lowers_the_free_balance_without_a_transfer(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 10})

    frozen = await stage.change("freezePartialTokens", ALICE, 10)

    assert stage.asset_events(frozen, "Transfer") == []
    assert stage.asset_events(frozen, "TokensFrozen") == [{"account": ALICE, "amount": 10, "partition": PARTITION}]
    assert (await stage.asset("balanceOf", ALICE), await stage.asset("getFrozenTokens", ALICE)) == (0, 10)
    assert await stage.asset("totalSupply") == 10
    assert await stage.asset("getSecurityHolders", 0, 10) == [ALICE]
    assert await stage.asset_revert_of("transfer", BOB, 1, sender=ALICE) == error_data(
        "InsufficientBalance(address,uint256,uint256,bytes32)", ALICE, 0, 1, PARTITION
    )
    assert await stage.asset_revert_of("unfreezePartialTokens", ALICE, 11) == error_data(
        "InsufficientFrozenBalance(address,uint256,uint256,bytes32)", ALICE, 11, 10, PARTITION
    )
    await stage.devnet.unfreeze(stage.token, ALICE, 3)
    assert await stage.asset("balanceOf", ALICE) == 3


async def test_15_a_lock_emits_a_transfer_to_nobody_though_the_supply_stays(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 10})
    expiration = await stage.devnet.chain_time() + DAY

    locked = await stage.change("lock", 4, ALICE, expiration)

    assert stage.asset_events(locked, "Transfer") == [{"from": ALICE, "to": ZERO_ADDRESS, "value": 4}]
    assert (await stage.asset("balanceOf", ALICE), await stage.asset("getLockedAmountFor", ALICE)) == (6, 4)
    assert await stage.asset("totalSupply") == 10
    assert await stage.asset_revert_of("release", 1, ALICE) == error_data("LockExpirationNotReached()")
    assert await stage.asset_revert_of("release", 2, ALICE) == error_data("WrongLockId()")
    await stage.pass_time(DAY + 1)
    released = await stage.change("release", 1, ALICE)
    assert stage.asset_events(released, "Transfer") == [{"from": ZERO_ADDRESS, "to": ALICE, "value": 4}]
    assert await stage.asset("balanceOf", ALICE) == 10
    assert await stage.asset_revert_of("release", 1, ALICE) == error_data("WrongLockId()")


async def test_15_an_adjustment_multiplies_every_amount_without_a_transfer(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 10, BOB: 5})
    expiration = await stage.devnet.chain_time() + DAY
    await stage.devnet.freeze(stage.token, ALICE, 1)
    lock_id = await stage.devnet.lock(stage.token, ALICE, 2, expiration)
    snapshot = await stage.snapshot()
    admin = await stage.devnet.admin()

    adjusted = await stage.change("adjustBalances", 30, 1)

    assert stage.asset_events(adjusted, "Transfer") == []
    assert stage.asset_events(adjusted, "AdjustmentBalanceSet") == [
        {"operator": admin, "factor": 30, "decimals": 1}
    ]
    assert (await stage.asset("decimals"), await stage.asset("totalSupply")) == (7, 450)
    for function, amount in (("balanceOf", 210), ("getFrozenTokens", 30), ("getLockedAmountFor", 60)):
        assert await stage.asset(function, ALICE) == amount
    assert await stage.asset("balanceOfAtSnapshot", snapshot, ALICE) == 7
    assert await stage.asset("totalSupplyAtSnapshot", snapshot) == 15
    await stage.pass_time(DAY + 1)
    await stage.devnet.release(stage.token, ALICE, lock_id)
    await stage.devnet.unfreeze(stage.token, ALICE, 30)
    assert await stage.asset("balanceOf", ALICE) == 300
    assert await stage.asset("balanceOfAtSnapshot", snapshot, ALICE) == 7
    assert await stage.asset("balanceOf", BOB) == 150
    assert await stage.asset_revert_of("adjustBalances", 0, 1) == error_data("FactorIsZero()")


async def test_a_dividend_counts_frozen_and_locked_tokens_as_they_were_at_the_record_date(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 10})
    now = await stage.devnet.chain_time()
    await stage.devnet.freeze(stage.token, ALICE, 2)
    await stage.devnet.lock(stage.token, ALICE, 3, now + 3 * DAY)
    dividend = await stage.devnet.set_dividend(stage.token, Dividend(now + DAY, now + 2 * DAY, 1, 0))
    await stage.pass_time(DAY + 1)
    await stage.devnet.trigger_scheduled_snapshots(stage.token)

    await stage.devnet.unfreeze(stage.token, ALICE, 2)
    await stage.devnet.adjust_balances(stage.token, 10, 1)
    await stage.devnet.transfer(stage.token, ALICE, BOB, 70)
    await stage.pass_time(3 * DAY)
    await stage.devnet.release(stage.token, ALICE, 1)

    assert await stage.asset("balanceOf", ALICE) == 30
    told = await stage.asset("getDividendFor", dividend, ALICE)
    assert (told[0], told[5]) == (10, 6)
    assert await stage.asset("getDividendHolders", dividend, 0, 10) == [ALICE]


async def test_a_control_listed_account_neither_sends_nor_receives(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 10, BOB: 10})
    await stage.devnet.block_holder(stage.token, BOB)

    blocked = error_data("AccountIsBlocked(address)", BOB)
    assert await stage.asset("isInControlList", BOB)
    assert await stage.asset_revert_of("transfer", ALICE, 1, sender=BOB) == blocked
    assert await stage.asset_revert_of("transfer", BOB, 1, sender=ALICE) == blocked
    assert await stage.asset_revert_of("issue", BOB, 1) == blocked
    assert await stage.asset_revert_of("redeem", 1, sender=BOB) == blocked
    assert await stage.asset_revert_of("addToControlList", BOB) == error_data("ListedAccount(address)", BOB)
    await stage.devnet.unblock_holder(stage.token, BOB)
    await stage.devnet.transfer(stage.token, ALICE, BOB, 1)
    assert await stage.asset_revert_of("removeFromControlList", BOB) == error_data("UnlistedAccount(address)", BOB)


async def test_redeemed_tokens_leave_the_supply_and_the_list(stage: Stage) -> None:
    await stage.devnet.issue(stage.token, {ALICE: 10, BOB: 10})
    snapshot = await stage.snapshot()

    receipt = await stage.change("redeem", 10, sender=ALICE)

    (event,) = stage.asset_events(receipt, "RedeemedByPartition")
    assert (event["operator"], event["from"], event["value"]) == (ZERO_ADDRESS, ALICE, 10)
    assert await stage.asset("totalSupply") == 10
    assert await stage.asset("getSecurityHolders", 0, 10) == [BOB]
    assert await stage.asset("totalSupplyAtSnapshot", snapshot) == 20
    assert await stage.asset("getTokenHoldersAtSnapshot", snapshot, 0, 10) == [ALICE, BOB]


async def test_what_the_admin_may_do_nobody_else_may(stage: Stage) -> None:
    later = await stage.devnet.chain_time() + YEAR
    calls: list[tuple[str, tuple[object, ...]]] = [
        ("issue", (ALICE, 1)),
        ("freezePartialTokens", (ALICE, 0)),
        ("unfreezePartialTokens", (ALICE, 0)),
        ("lock", (0, ALICE, later)),
        ("adjustBalances", (2, 0)),
        ("addToControlList", (ALICE,)),
        ("removeFromControlList", (ALICE,)),
        ("setGasBurn", (0, 1)),
        ("pause", ()),
    ]

    for function, arguments in calls:
        assert await stage.asset_revert_of(function, *arguments, sender=stage.stranger) == error_data(
            "AccountHasNoRole(address,bytes32)", stage.stranger, bytes(32)
        ), function


# ------------------------------------------------------------------------------ all of it at random


@dataclass
class Register:
    """Free and frozen amounts, and the list in which the last holder fills a leaver's place."""

    free: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HOLDERS[:4], 0))
    frozen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HOLDERS[:4], 0))
    places: list[str] = field(default_factory=list)

    @property
    def supply(self) -> int:
        return sum(self.free.values()) + sum(self.frozen.values())

    def add(self, holder: str, amount: int) -> None:
        self.free[holder] += amount
        if amount and holder not in self.places:
            self.places.append(holder)

    def take(self, holder: str, amount: int) -> None:
        self.free[holder] -= amount
        if amount and not self.free[holder] + self.frozen[holder]:
            index = self.places.index(holder)
            last = self.places.pop()
            if last != holder:
                self.places[index] = last

    def multiply(self, factor: int) -> None:
        for amounts in (self.free, self.frozen):
            for holder in amounts:
                amounts[holder] *= factor


async def change_at_random(stage: Stage, model: Register, generator: random.Random) -> None:
    """One change of the token and of the model."""
    one, other = generator.choice(HOLDERS[:4]), generator.choice(HOLDERS[:4])
    some = generator.choice([model.free[one], generator.randrange(model.free[one] + 1)])
    match generator.choice(["issue", "transfer", "transfer", "redeem", "freeze", "unfreeze", "adjust"]):
        case "issue":
            amount = generator.randrange(5)
            await stage.devnet.issue(stage.token, {one: amount})
            model.add(one, amount)
        case "transfer":
            await stage.devnet.transfer(stage.token, one, other, some)
            model.take(one, some)
            model.add(other, some)
        case "redeem":
            await stage.devnet.redeem(stage.token, one, some)
            model.take(one, some)
        case "freeze":
            await stage.devnet.freeze(stage.token, one, some)
            model.free[one] -= some
            model.frozen[one] += some
        case "unfreeze":
            amount = generator.randrange(model.frozen[one] + 1)
            await stage.devnet.unfreeze(stage.token, one, amount)
            model.frozen[one] -= amount
            model.free[one] += amount
        case _:
            await stage.devnet.adjust_balances(stage.token, 2)
            model.multiply(2)


async def test_snapshots_and_record_dates_stay_exact_through_random_changes(stage: Stage) -> None:
    seed = 20_261_122
    generator = random.Random(seed)
    model = Register()
    at_snapshot: dict[int, Register] = {}
    at_record_date: dict[int, Register] = {}
    for number in range(1, 9):
        for _ in range(generator.randrange(6)):
            await change_at_random(stage, model, generator)
        now = await stage.devnet.chain_time()
        assert await stage.devnet.set_dividend(stage.token, Dividend(now + 5, now + 9, number, 0)) == number
        await stage.pass_time(6)
        at_record_date[number] = copy.deepcopy(model)
        at_snapshot[await stage.snapshot()] = copy.deepcopy(model)
    for _ in range(6):
        await change_at_random(stage, model, generator)

    told = f"seed {seed}"
    assert await stage.asset("getSecurityHolders", 0, 9) == model.places, told
    assert await stage.asset("totalSupply") == model.supply, told
    for snapshot, then in at_snapshot.items():
        assert await stage.asset("getTokenHoldersAtSnapshot", snapshot, 0, 9) == then.places, told
        assert await stage.asset("totalSupplyAtSnapshot", snapshot) == then.supply, told
        for holder, free in then.free.items():
            assert await stage.asset("balanceOfAtSnapshot", snapshot, holder) == free, told
    for dividend, then in at_record_date.items():
        assert await stage.asset("getDividendHolders", dividend, 0, 9) == then.places, told
        for holder in then.free:
            total = then.free[holder] + then.frozen[holder]
            assert (await stage.asset("getDividendFor", dividend, holder))[0] == total, told
