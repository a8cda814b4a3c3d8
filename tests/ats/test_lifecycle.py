"""Our lifecycle contract on the studio's tokens: what pays whom what, and what it does not protect from.

These are the dangers that the payout engine has to avoid; see docs/contract-surprises.md.
"""

import pytest

from tests.ats.asset import Asset
from tests.ats.chain import TRANSACTION_GAS, Chain, RevertedError
from tests.ats.lifecycle import Lifecycle
from tests.ats.scene import (
    AMOUNTS,
    COUPON_SECONDS,
    NOMINAL_VALUE,
    PANIC_DIVISION_BY_ZERO,
    SUPPLY,
    UNIT,
    A,
    B,
    C,
    D,
    coupon_terms,
    refused,
)
from tests.ats.studio import Studio

MONEY = 10**12
RATE = 5
YEAR_SECONDS = 365 * 24 * 3600
HOLDERS = [A, B, C, D]
only_version_2 = pytest.mark.releases("2.0.0")
only_version_8 = pytest.mark.releases("8.0.0")


def announce_dividend(chain: Chain, equity: Asset) -> tuple[int, int, int]:
    """A dividend of 1.50 money a token; its id, record date and execution date."""
    record, execution = chain.now + 10, chain.now + 20
    dividend_id = equity.set_dividend(record=record, execution=execution, amount=150, amount_decimals=2)
    return dividend_id, record, execution


DIVIDEND = {holder: amount * 150 // 100 for holder, amount in AMOUNTS.items()}
COUPON = {
    holder: NOMINAL_VALUE * amount * RATE * COUPON_SECONDS // 100 // YEAR_SECONDS
    for holder, amount in AMOUNTS.items()
}


@pytest.fixture
def cash_out(chain: Chain, bond: Asset, bond_payer: Lifecycle) -> Lifecycle:
    """The bond's contract with money and the redeemer role."""
    bond.grant(bond.roles.maturity_redeemer, bond_payer.address)
    bond_payer.deposit(MONEY)
    return bond_payer


def mature(chain: Chain, bond: Asset) -> None:
    chain.advance_to(bond.matures)


def test_a_snapshot_pays_free_balances_once(equity: Asset, equity_payer: Lifecycle) -> None:
    equity_payer.deposit(MONEY)
    equity.freeze(A, UNIT)
    snapshot_id = equity.take_snapshot(equity_payer.operator)
    total = 3 * SUPPLY
    due = {holder: 3 * amount for holder, amount in AMOUNTS.items()} | {A: 3 * (AMOUNTS[A] - UNIT)}

    outcome = equity_payer.pay("executeAmountSnapshotByAddresses", snapshot_id, HOLDERS, total)
    assert (outcome.paid, outcome.failed) == (due, [])
    assert {holder: equity_payer.money_of(holder) for holder in HOLDERS} == due

    again = equity_payer.pay("executeAmountSnapshotByAddresses", snapshot_id, HOLDERS, total)
    assert (again.paid, again.failed) == ({}, HOLDERS)


def test_a_paused_asset_still_pays(equity: Asset, equity_payer: Lifecycle) -> None:
    equity_payer.deposit(MONEY)
    snapshot_id = equity.take_snapshot(equity_payer.operator)
    equity.pause()
    assert equity_payer.pay("executeAmountSnapshotByAddresses", snapshot_id, [A], SUPPLY).paid == {A: AMOUNTS[A]}


@only_version_8
def test_a_dividend_is_paid_from_its_execution_date(chain: Chain, equity: Asset, equity_payer: Lifecycle) -> None:
    equity_payer.deposit(MONEY)
    dividend_id, record, execution = announce_dividend(chain, equity)
    chain.advance_to(record + 1)
    equity.trigger_pending()
    with refused("NotPaymentDate(uint256,uint256)", execution, chain.now + 1):
        equity_payer.pay("executeDistributionByAddresses", dividend_id, HOLDERS)

    chain.advance_to(execution)
    assert equity_payer.pay("executeDistributionByAddresses", dividend_id, HOLDERS).paid == DIVIDEND
    assert equity_payer.pay("executeDistribution", dividend_id, 0, 10).failed == HOLDERS


@only_version_8
def test_a_pending_dividend_is_paid_by_the_live_register(
    chain: Chain, equity: Asset, equity_payer: Lifecycle
) -> None:
    """Why the snapshot is triggered before the first batch: two batches could see different registers."""
    equity_payer.deposit(MONEY)
    dividend_id, _, execution = announce_dividend(chain, equity)
    chain.advance_to(execution)
    assert equity_payer.pay("executeDistributionByAddresses", dividend_id, [A]).paid == {A: DIVIDEND[A]}
    snapshot_id = equity.dividend(dividend_id).snapshot_id
    assert snapshot_id == 0


@only_version_8
def test_a_cancelled_dividend_pays(chain: Chain, equity: Asset, equity_payer: Lifecycle) -> None:
    equity_payer.deposit(MONEY)
    dividend_id, record, execution = announce_dividend(chain, equity)
    chain.advance_to(record + 1)
    equity.trigger_pending()
    equity.cancel_dividend(dividend_id)
    chain.advance_to(execution)
    assert equity.dividend(dividend_id).is_cancelled
    assert equity_payer.pay("executeDistributionByAddresses", dividend_id, HOLDERS).paid == DIVIDEND


@only_version_2
def test_dividends_and_coupons_of_version_2_are_not_the_contracts(
    chain: Chain, equity: Asset, bond: Asset, equity_payer: Lifecycle, bond_payer: Lifecycle
) -> None:
    """It asks for getDividend, which is not there, and for ten words of a coupon that has six."""
    for payer in (equity_payer, bond_payer):
        payer.deposit(MONEY)
    dividend_id, _, execution = announce_dividend(chain, equity)
    coupon_id = bond.set_coupon(coupon_terms(chain.now, rate=RATE))
    chain.advance_to(execution + 1000)
    with refused("FunctionNotFound(bytes4)", bytes.fromhex("0ecfcaa4")):
        equity_payer.pay("executeDistributionByAddresses", dividend_id, HOLDERS)
    with pytest.raises(RevertedError) as caught:
        bond_payer.pay("executeDistributionByAddresses", coupon_id, HOLDERS)
    assert caught.value.data == ""


@only_version_8
def test_a_coupon_pays_frozen_tokens_too(chain: Chain, bond: Asset, bond_payer: Lifecycle) -> None:
    bond_payer.deposit(MONEY)
    now = chain.now
    coupon_id = bond.set_coupon(coupon_terms(now, rate=RATE))
    bond.freeze(A, AMOUNTS[A])
    assert bond.balance_of(A) == 0
    chain.advance_to(now + 200)
    bond.trigger_pending()
    assert bond_payer.pay("executeDistributionByAddresses", coupon_id, HOLDERS).paid == COUPON


@only_version_8
def test_a_cancelled_coupon_reverts(chain: Chain, bond: Asset, bond_payer: Lifecycle) -> None:
    bond_payer.deposit(MONEY)
    now = chain.now
    coupon_id = bond.set_coupon(coupon_terms(now, rate=RATE))
    chain.advance_to(now + 101)
    bond.trigger_pending()
    bond.cancel_coupon(coupon_id)
    chain.advance_to(now + 200)
    with pytest.raises(RevertedError) as caught:
        bond_payer.pay("executeDistributionByAddresses", coupon_id, HOLDERS)
    assert caught.value.data == PANIC_DIVISION_BY_ZERO


def test_cash_out_pays_the_principal_and_redeems(chain: Chain, bond: Asset, cash_out: Lifecycle) -> None:
    with refused("NotPaymentDate(uint256,uint256)", bond.matures, chain.now + 1):
        cash_out.pay("executeBondCashOutByAddresses", [A])
    mature(chain, bond)
    outcome = cash_out.pay("executeBondCashOutByAddresses", [A, B])
    assert (outcome.paid, outcome.failed) == ({A: NOMINAL_VALUE * AMOUNTS[A], B: NOMINAL_VALUE * AMOUNTS[B]}, [])
    assert bond.holders() == [D, C]
    assert cash_out.pay("executeBondCashOutByAddresses", [A]).paid == {A: 0}


@only_version_8
def test_cash_out_pays_frozen_bonds_again_each_time(chain: Chain, bond: Asset, cash_out: Lifecycle) -> None:
    """Why nobody may be cashed out whose total balance is more than the free one."""
    bond.freeze(A, UNIT)
    mature(chain, bond)
    paid = [cash_out.pay("executeBondCashOutByAddresses", [A]).paid[A] for _ in range(3)]
    assert paid == [NOMINAL_VALUE * AMOUNTS[A], NOMINAL_VALUE * UNIT, NOMINAL_VALUE * UNIT]
    assert cash_out.money_of(A) > NOMINAL_VALUE * AMOUNTS[A]


@only_version_2
def test_cash_out_pays_free_bonds_and_leaves_the_others_unlisted(
    chain: Chain, bond: Asset, cash_out: Lifecycle
) -> None:
    bond.freeze(A, UNIT)
    mature(chain, bond)
    paid = [cash_out.pay("executeBondCashOutByAddresses", [A]).paid[A] for _ in range(2)]
    assert paid == [NOMINAL_VALUE * 9 * UNIT, 0]
    assert bond.holders() == [D, B, C]
    bond.unfreeze(A, UNIT)
    assert cash_out.pay("executeBondCashOutByAddresses", [A]).paid == {A: NOMINAL_VALUE * UNIT}
    # The list takes somebody else out (test_register.py).
    assert bond.holders() == [D, B]


def test_one_blocked_holder_reverts_the_whole_cash_out(chain: Chain, bond: Asset, cash_out: Lifecycle) -> None:
    bond.block(C)
    mature(chain, bond)
    with refused("AccountIsBlocked(address)", C):
        cash_out.pay("executeBondCashOutByAddresses", HOLDERS)
    assert cash_out.pay("executeBondCashOutByAddresses", [A, B, D]).failed == []
    assert bond.holders() == [C]


def test_cash_out_needs_the_redeemer_role_on_the_bond(chain: Chain, bond: Asset, bond_payer: Lifecycle) -> None:
    bond_payer.deposit(MONEY)
    mature(chain, bond)
    with refused("AccountHasNoRole(address,bytes32)", bond_payer.address, bond.roles.maturity_redeemer):
        bond_payer.pay("executeBondCashOutByAddresses", [A])


def test_who_cannot_be_paid_keeps_his_bonds(chain: Chain, bond: Asset, cash_out: Lifecycle) -> None:
    chain.transact(cash_out.payment_token, "blacklist", B)
    mature(chain, bond)
    outcome = cash_out.pay("executeBondCashOutByAddresses", [A, B])
    assert (outcome.paid, outcome.failed) == ({A: NOMINAL_VALUE * AMOUNTS[A]}, [B])
    assert bond.balance_of(B) == AMOUNTS[B]


@only_version_8
def test_principal_of_nothing_burns_the_bonds(chain: Chain, bond: Asset, cash_out: Lifecycle) -> None:
    # A base unit of a bond whose nominal value is less than a base unit of money.
    bond.send("setNominalValue", 1, 2)
    bond.transfer(A, B, AMOUNTS[A] - 1)
    mature(chain, bond)
    assert cash_out.pay("executeBondCashOutByAddresses", [A]).paid == {A: 0}
    assert bond.balance_of(A) == 0


def test_pages_of_the_live_list_skip_holders(chain: Chain, bond: Asset, cash_out: Lifecycle) -> None:
    mature(chain, bond)
    assert set(cash_out.pay("executeBondCashOut", 0, 2).paid) == {A, B}
    assert cash_out.pay("executeBondCashOut", 1, 2).paid == {}
    assert set(bond.holders()) == {C, D}


@only_version_8
def test_costs_of_a_payee_differ_ten_times(
    chain: Chain, studio: Studio, equity: Asset, bond: Asset, equity_payer: Lifecycle, cash_out: Lifecycle
) -> None:
    """Why the size of a batch is estimated: 20 cash-outs cost what 200 payments of a snapshot do."""
    equity_payer.deposit(MONEY)
    snapshot_id = equity.take_snapshot(equity_payer.operator)
    now = chain.now
    coupon_id = bond.set_coupon(coupon_terms(now, rate=RATE))
    mature(chain, bond)
    bond.trigger_pending()

    def slope(payer: Lifecycle, function: str, *arguments: object, after: tuple[object, ...] = ()) -> int:
        """Gas for each payee more."""
        two, four = (payer.estimate(function, *arguments, HOLDERS[:count], *after) for count in (2, 4))
        return (four - two) // 2

    snapshot = slope(equity_payer, "executeAmountSnapshotByAddresses", snapshot_id, after=(SUPPLY,))
    coupon = slope(cash_out, "executeDistributionByAddresses", coupon_id)
    redemption = slope(cash_out, "executeBondCashOutByAddresses")
    assert snapshot < coupon < redemption
    assert redemption > 5 * snapshot
    assert 4 * redemption < TRANSACTION_GAS
