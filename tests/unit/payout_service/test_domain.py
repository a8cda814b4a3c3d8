"""Plans, batch sizes and lifecycle contracts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chain.quantities import BaseUnits, TokenUnits
from libs.payout_terms.terms import PayoutKind
from payout_service.domain.batch_sizing import BatchLimits, GasModel, fits, gas_limit
from payout_service.domain.lifecycle import LIFECYCLE_TRANSITIONS, Condition, ConditionKind, LifecycleState
from payout_service.domain.plan import (
    AccountingIdentityError,
    PlannedPayment,
    PlanSum,
    PlanTotals,
)
from tests.support.payout.amounts import assert_identity, planned_payment, shares
from tests.support.payout.memory_chain import holder
from tests.support.payout.memory_database import START
from tests.support.payout.stage import ready_contract

# ------------------------------------------------------------------------------------------------ plans

amounts = st.integers(min_value=0, max_value=2**128)
balances = st.lists(st.integers(min_value=0, max_value=2**100), min_size=1, max_size=30)


def summed(rows: list[PlannedPayment], total: int, supply: int) -> PlanTotals:
    plan = PlanSum(PayoutKind.SNAPSHOT, BaseUnits(total), TokenUnits(supply))
    for row in rows:
        plan.add(row)
    return plan.totals()


@given(total=amounts, held=balances, frozen=st.integers(min_value=0, max_value=2**100))
def test_the_parts_of_a_plan_make_the_whole(total: int, held: list[int], frozen: int) -> None:
    supply = sum(held) + frozen
    if not supply:
        return
    rows = shares(0, [(holder(number), balance) for number, balance in enumerate(held)], total, supply)
    plan = summed(rows, total, supply)
    assert plan.payable_base_units + plan.rounding_dust_base_units + plan.frozen_share_base_units == total
    assert plan.payable_base_units == sum(row.amount_base_units for row in rows)
    for row, balance in zip(rows, held, strict=True):
        # Rounded down: never a unit more than the share, and less than one less.
        assert row.amount_base_units * supply <= total * balance < (row.amount_base_units + 1) * supply
    # Every holder and the frozen share leave less than a unit each.
    assert 0 <= plan.rounding_dust_base_units <= len(rows)
    assert plan.zero_due_count == sum(row.amount_base_units == 0 for row in rows)
    assert_identity(plan, total, paid=plan.payable_base_units, still_open=0)


@given(total=amounts, held=balances)
def test_pages_make_the_same_plan_as_the_whole(total: int, held: list[int]) -> None:
    supply = sum(held) or 1
    listed = [(holder(number), balance) for number, balance in enumerate(held)]
    whole = shares(0, listed, total, supply)
    paged = [
        row
        for first in range(0, len(listed), 4)
        for row in shares(first, listed[first : first + 4], total, supply)
    ]
    assert paged == whole
    assert summed(paged, total, supply) == summed(whole, total, supply)


@pytest.mark.parametrize(
    "change",
    [{"holder": holder(9)}, {"balance": 8}, {"amount_base_units": 4}],
)
def test_whatever_changes_a_row_changes_the_hash(change: dict[str, object]) -> None:
    rows = shares(0, [(holder(0), 5), (holder(1), 5)], 11, 20)
    other = [rows[0], replace(rows[1], **change)]  # type: ignore[arg-type]
    assert summed(rows, 11, 20).plan_hash != summed(other, 11, 20).plan_hash
    assert summed(rows, 11, 20).plan_hash != summed(rows, 11, 21).plan_hash


def test_a_missing_or_doubled_row_is_no_plan() -> None:
    rows = shares(0, [(holder(0), 5), (holder(1), 5)], 11, 20)
    for wrong in ([rows[1]], [rows[0], rows[0]]):
        with pytest.raises(AccountingIdentityError):
            summed(wrong, 11, 20)


def test_more_than_there_is_is_no_plan() -> None:
    with pytest.raises(AccountingIdentityError, match="more than the supply"):
        summed(shares(0, [(holder(0), 21)], 11, 20), 11, 20)
    with pytest.raises(AccountingIdentityError, match="exceed the total"):
        summed([planned_payment(0, holder(0), 5, 12)], 11, 20)


def test_an_identity_that_does_not_hold_is_refused() -> None:
    plan = PlanTotals(
        holder_count=1,
        zero_due_count=0,
        payable_base_units=BaseUnits(90),
        rounding_dust_base_units=BaseUnits(3),
        frozen_share_base_units=BaseUnits(7),
        plan_hash="hash",
    )
    assert_identity(plan, 100, paid=60, still_open=30)
    assert_identity(plan, 100, paid=60, still_open=10, cancelled=20)
    for paid, owed, cancelled in ((60, 29, 0), (61, 30, 0), (90, 1, 0), (60, 30, 1), (60, 10, 19)):
        with pytest.raises(AccountingIdentityError, match="declared 100"):
            assert_identity(plan, 100, paid=paid, still_open=owed, cancelled=cancelled)


def test_tries_are_no_part_of_the_plan() -> None:
    rows = shares(0, [(holder(0), 5), (holder(1), 5)], 11, 20)
    tried = [replace(row, tries=3) for row in rows]
    assert summed(rows, 11, 20).plan_hash == summed(tried, 11, 20).plan_hash


# ------------------------------------------------------------------------------------------------ sizes


@given(
    base=st.integers(min_value=0, max_value=10**6),
    per_payee=st.integers(min_value=1, max_value=10**6),
    probe=st.integers(min_value=2, max_value=16),
    max_gas=st.integers(min_value=100_000, max_value=10**9),
)
def test_a_batch_of_linear_cost_never_exceeds_the_cap(base: int, per_payee: int, probe: int, max_gas: int) -> None:
    limits = BatchLimits(max_gas=max_gas, max_calldata_bytes=100_000, max_payees=2_000)
    model = GasModel.fit(
        small_count=1, small_gas=base + per_payee, large_count=probe, large_gas=base + probe * per_payee
    )
    count = model.payees_within(limits)
    assert 0 <= count <= limits.max_payees
    if count:
        assert (base + count * per_payee) * 100 <= max_gas * 90
    larger = replace(limits, max_gas=2 * max_gas)
    assert model.payees_within(larger) >= count


def test_each_cap_bounds_a_batch() -> None:
    model = GasModel(base_gas=100_000, gas_per_payee=60_000)
    limits = BatchLimits(max_gas=10_000_000, max_calldata_bytes=100_000, max_payees=1_000)
    assert model.payees_within(limits) == (9_000_000 - 100_000) // 60_000
    assert model.payees_within(replace(limits, max_payees=7)) == 7
    assert model.payees_within(replace(limits, max_calldata_bytes=4 + 5 * 32 + 3 * 32 + 31)) == 3
    assert model.payees_within(replace(limits, max_gas=100_000)) == 0
    assert GasModel.fit(small_count=1, small_gas=175_000, large_count=1, large_gas=175_000) == GasModel(
        base_gas=0, gas_per_payee=175_000
    )


def test_child_records_cap_a_batch_only_where_the_token_is_hederas_own() -> None:
    model = GasModel(base_gas=0, gas_per_payee=1)
    limits = BatchLimits(max_gas=10_000, max_calldata_bytes=100_000, max_payees=1_000, max_child_records=50)
    assert model.payees_within(limits) == 1_000
    assert model.payees_within(limits, makes_child_records=True) == 25
    assert model.payees_within(replace(limits, max_payees=7), makes_child_records=True) == 7


def test_an_estimate_fits_with_the_margin_free() -> None:
    limits = BatchLimits(max_gas=1_100, max_calldata_bytes=100_000, max_payees=10, gas_margin_percent=10)
    assert fits(1_000, limits)
    assert not fits(1_001, limits)


def test_the_gas_limit_is_a_tenth_above_the_estimate_and_below_the_cap() -> None:
    assert [gas_limit(estimated_gas=each, max_gas=1_000) for each in (100, 950, 1_000)] == [110, 1_000, 1_000]
    with pytest.raises(ValueError, match="the cap is 1000"):
        gas_limit(estimated_gas=1_001, max_gas=1_000)


# ------------------------------------------------------------------------------------------------ contracts


def conditions(*satisfied: bool) -> tuple[Condition, ...]:
    return tuple(Condition(ConditionKind.PAYOUT_ROLE_HELD, each, "detail") for each in satisfied)


def test_a_contract_is_ready_while_all_conditions_hold() -> None:
    contract = ready_contract()
    contract.state = LifecycleState.NOT_READY
    assert contract.observe(conditions(True, True), START)
    assert contract.state is LifecycleState.READY
    assert not contract.observe(conditions(True, True), START)
    assert contract.observe(conditions(True, False), START)
    assert (contract.state, contract.version) == (LifecycleState.NOT_READY, 3)
    contract.state = LifecycleState.FAILED
    with pytest.raises(ValueError, match="is FAILED"):
        contract.observe(conditions(True), START)


def test_a_deployment_ends_with_the_contract_itself() -> None:
    contract = ready_contract()
    address, contract.address, contract.state = contract.address, None, LifecycleState.DEPLOYING
    assert address
    contract.record_creation("implementation", address, is_the_contract=False, now=START)
    assert contract.observe(conditions(True), START)
    assert contract.state is LifecycleState.DEPLOYING
    with pytest.raises(ValueError, match="does not belong"):
        contract.record_creation("implementation", address, is_the_contract=False, now=START)
    contract.record_creation("proxy", address, is_the_contract=True, now=START)
    assert str(contract.state) == "NOT_READY"
    assert str(contract.address) == str(address)
    with pytest.raises(ValueError, match="does not belong"):
        contract.record_creation("other", address, is_the_contract=False, now=START)


@pytest.mark.parametrize("state", LifecycleState)
def test_a_contract_fails_only_before_it_was_ready(state: LifecycleState) -> None:
    contract = ready_contract()
    contract.state = state
    if LifecycleState.FAILED in LIFECYCLE_TRANSITIONS[state]:
        contract.fail("because", START)
        assert (contract.state, contract.failure_reason) == (LifecycleState.FAILED, "because")
    else:
        with pytest.raises(ValueError, match="cannot become FAILED"):
            contract.fail("because", START)
        assert contract.state is state
