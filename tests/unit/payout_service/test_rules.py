"""Rules per payee: exclusion, withholding, minimum; what of each kind can be paid so, and sums of such plans."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from libs.chain.quantities import BaseUnits, HolderAddress, TokenUnits
from libs.payout_terms.terms import NO_RULES, ExcludedShare, PayeeRules, PayoutKind
from payout_service.domain.payee_rules import unsupported_rule, withholding_of, withholds
from payout_service.domain.payments import PaymentState
from payout_service.domain.payout import PayoutState
from payout_service.domain.plan import (
    AccountingIdentityError,
    Entitlement,
    PlannedPayment,
    PlanSum,
    PlanTotals,
    Treatment,
    net_total,
    plan_entitlements,
    spread_total,
)
from tests.support.payout.amounts import assert_identity, entitlement, shares
from tests.support.payout.memory_chain import holder
from tests.support.payout.stage import Stage
from tests.support.payout.terms_of import terms_of
from tests.unit.payout_service.payouts_of_kinds import announced, matured, request_of

SPREAD = ExcludedShare.REDISTRIBUTE
WHOLE = 10_000
totals = st.integers(min_value=1, max_value=2**96)
holdings = st.lists(st.integers(min_value=0, max_value=2**80), min_size=1, max_size=20)
rates = st.integers(min_value=0, max_value=WHOLE)


@st.composite
def rules_of(draw: st.DrawFn, count: int) -> PayeeRules:
    """Any mix that a snapshot payout can have; some of the holders named hold nothing."""
    named = st.sampled_from([holder(number) for number in range(count + 2)])
    excluded = draw(st.frozensets(named, max_size=count + 2))
    return PayeeRules(
        excluded=excluded,
        excluded_share=draw(st.sampled_from(ExcludedShare)),
        withholding_basis_points=draw(st.sampled_from([0, 1, 2_500, WHOLE])),
        withholding_by_holder=draw(st.dictionaries(named, rates, max_size=5)),
        minimum_base_units=draw(st.sampled_from([0, 1, 2, 1_000, 2**64])),
    )


def listed(held: list[int]) -> list[tuple[HolderAddress, int]]:
    return [(holder(number), balance) for number, balance in enumerate(held)]


def spread_of(total: int, supply: int, excluded: int) -> int:
    return spread_total(BaseUnits(total), total_supply=TokenUnits(supply), excluded_balance=TokenUnits(excluded))


def call_total_of(rules: PayeeRules, total: int, supply: int, held: list[int]) -> int:
    if rules.excluded_share is ExcludedShare.KEEP:
        return total
    excluded = sum(balance for each, balance in listed(held) if each in rules.excluded)
    return spread_of(total, supply, excluded)


def summed(
    rows: list[PlannedPayment],
    declared: int | None,
    supply: int,
    call_total: int | None = None,
    kind: PayoutKind = PayoutKind.SNAPSHOT,
) -> PlanTotals:
    plan = PlanSum(
        kind,
        None if declared is None else BaseUnits(declared),
        TokenUnits(supply),
        call_total_base_units=None if call_total is None else BaseUnits(call_total),
    )
    for row in rows:
        plan.add(row)
    return plan.totals()


# ------------------------------------------------------------------------------------------------ the whole


@given(data=st.data(), total=totals, held=holdings, frozen=st.integers(min_value=0, max_value=2**80))
def test_the_parts_of_every_mix_make_the_declared_total(
    data: st.DataObject, total: int, held: list[int], frozen: int
) -> None:
    supply = sum(held) + frozen
    rules = data.draw(rules_of(len(held)))
    excluded = sum(balance for each, balance in listed(held) if each in rules.excluded)
    assume(supply and (rules.excluded_share is ExcludedShare.KEEP or excluded < supply))
    call_total = call_total_of(rules, total, supply, held)
    rows = shares(0, listed(held), call_total, supply, rules)
    plan = summed(rows, total, supply, call_total)

    assert sum(row.gross_base_units for row in rows) <= total, "never more than what was declared"
    assert plan.payable_base_units == sum(row.amount_base_units for row in rows)
    assert plan.withheld_base_units == sum(row.withheld_base_units for row in rows)
    assert plan.excluded_base_units == sum(row.excluded_base_units for row in rows)
    assert 0 <= plan.rounding_dust_base_units <= len(rows) + 1 + (call_total > total)
    deferred = [row for row in rows if row.first_state is PaymentState.DEFERRED]
    assert (plan.deferred_count, plan.deferred_base_units) == (
        len(deferred),
        sum(row.amount_base_units for row in deferred),
    )
    assert plan.excluded_count == sum(row.holder in rules.excluded for row in rows)
    assert plan.zero_due_count == sum(row.first_state is PaymentState.ZERO_DUE for row in rows)
    assert plan.holder_count == len(rows)
    paid = plan.payable_base_units - plan.deferred_base_units
    assert_identity(plan, total, paid=paid, still_open=plan.deferred_base_units)
    for off in (-1, 1):
        with pytest.raises(AccountingIdentityError):
            assert_identity(plan, total, paid=paid, still_open=plan.deferred_base_units + off)


@given(data=st.data(), total=totals, held=holdings)
def test_each_row_is_what_the_contract_would_pay(data: st.DataObject, total: int, held: list[int]) -> None:
    supply = sum(held)
    rules = data.draw(rules_of(len(held)))
    assume(supply)
    rows = shares(3, listed(held), total, supply, rules)
    assert [(row.ordinal, row.holder, row.balance) for row in rows] == [
        (3 + number, *each) for number, each in enumerate(listed(held))
    ]
    for row in rows:
        gross = total * row.balance // supply
        if row.holder in rules.excluded:
            kept = gross if rules.excluded_share is ExcludedShare.KEEP else 0
            assert (row.treatment, row.first_state) == (Treatment.EXCLUDE, PaymentState.EXCLUDED)
            assert (row.amount_base_units, row.withheld_base_units, row.excluded_base_units) == (0, 0, kept)
            continue
        rate = rules.withholding_by_holder.get(row.holder, rules.withholding_basis_points)
        # The call of a rate is made with the floor of its net total; the contract floors once more for each payee.
        net = (total * (WHOLE - rate) // WHOLE) * row.balance // supply
        assert (row.amount_base_units, row.withholding_basis_points) == (net, rate)
        assert (row.withheld_base_units, row.gross_base_units) == (gross - net, gross)
        assert row.excluded_base_units == 0
        if 0 < net < rules.minimum_base_units:
            assert (row.treatment, row.first_state) == (Treatment.DEFER, PaymentState.DEFERRED)
        else:
            expected = PaymentState.PLANNED if net else PaymentState.ZERO_DUE
            assert (row.treatment, row.first_state) == (Treatment.PAY, expected)


# ------------------------------------------------------------------------------------------------ exclusion


def test_an_excluded_share_is_kept() -> None:
    rules = PayeeRules(excluded=frozenset({holder(1), holder(7)}))
    rows = shares(0, listed([50, 30, 20]), 999, 100, rules)
    assert [(row.amount_base_units, row.excluded_base_units) for row in rows] == [(499, 0), (0, 299), (199, 0)]
    plan = summed(rows, 999, 100)
    assert (plan.payable_base_units, plan.excluded_base_units, plan.excluded_count) == (698, 299, 1)
    assert plan.rounding_dust_base_units == 2


def test_an_excluded_share_is_spread_by_a_larger_total() -> None:
    rules = PayeeRules(excluded=frozenset({holder(1)}), excluded_share=SPREAD)
    call_total = spread_of(1_000, 100, 30)
    assert call_total == 1_428
    rows = shares(0, listed([50, 30, 20]), call_total, 100, rules)
    assert [row.amount_base_units for row in rows] == [714, 0, 285]
    plan = summed(rows, 1_000, 100, call_total)
    assert (plan.excluded_base_units, plan.excluded_count) == (0, 1), "its share has gone to the others"
    assert (plan.payable_base_units, plan.rounding_dust_base_units, plan.frozen_share_base_units) == (999, 1, 0)


@given(total=totals, supply=st.integers(min_value=1, max_value=2**90), share=st.fractions(0, 1))
def test_the_spread_total_is_the_largest_that_pays_the_others_no_more_than_the_total(
    total: int, supply: int, share: object
) -> None:
    excluded = min(int(supply * share), supply - 1)  # type: ignore[operator]
    spread = spread_of(total, supply, excluded)
    assert spread * (supply - excluded) <= total * supply < (spread + 1) * (supply - excluded)
    assert spread >= total
    assert spread_of(total, supply, 0) == total


@pytest.mark.parametrize("excluded", [-1, 100, 101])
def test_nothing_is_spread_where_nobody_else_holds_anything(excluded: int) -> None:
    with pytest.raises(ValueError, match="cannot be excluded"):
        spread_of(1_000, 100, excluded)
    assert spread_of(1_000, 100, 99) == 100_000


def test_when_everybody_is_excluded_all_shares_are_kept() -> None:
    rules = PayeeRules(excluded=frozenset(each for each, _ in listed([60, 40])))
    plan = summed(shares(0, listed([60, 40]), 1_000, 100, rules), 1_000, 100)
    assert (plan.payable_base_units, plan.excluded_base_units, plan.excluded_count) == (0, 1_000, 2)


def test_frozen_tokens_get_a_share_of_the_spread_total_too() -> None:
    """The contract divides by the whole supply: what frozen tokens would get stays with it."""
    rules = PayeeRules(excluded=frozenset({holder(1)}), excluded_share=SPREAD)
    call_total = spread_of(1_000, 100, 20)
    rows = shares(0, listed([40, 20]), call_total, 100, rules)
    plan = summed(rows, 1_000, 100, call_total)
    assert (call_total, plan.payable_base_units, plan.frozen_share_base_units) == (1_250, 500, 500)
    assert plan.rounding_dust_base_units == 0


# ------------------------------------------------------------------------------------------------ withholding


def test_withholding_goes_by_the_holders_rate_first() -> None:
    rules = PayeeRules(withholding_basis_points=2_500, withholding_by_holder={holder(1): 0, holder(2): WHOLE})
    assert [withholding_of(rules, holder(number)) for number in range(3)] == [2_500, 0, WHOLE]
    rows = shares(0, listed([1, 1, 1]), 301, 3, rules)
    # floor(301 x 3/4) = 225; a third of it is 75, and a third of 301 is 100.
    assert [(row.amount_base_units, row.withheld_base_units) for row in rows] == [(75, 25), (100, 0), (0, 100)]
    assert rows[2].first_state is PaymentState.ZERO_DUE, "all of it is withheld: nothing is sent"
    plan = summed(rows, 301, 3)
    assert (plan.payable_base_units, plan.withheld_base_units, plan.rounding_dust_base_units) == (175, 125, 1)


@given(total=totals, rate=rates)
def test_the_net_total_is_rounded_down(total: int, rate: int) -> None:
    net = net_total(BaseUnits(total), rate)
    assert net * WHOLE <= total * (WHOLE - rate) < (net + 1) * WHOLE


def test_some_withholding_is_withholding() -> None:
    assert not withholds(NO_RULES)
    assert not withholds(PayeeRules(withholding_by_holder={holder(0): 0}))
    assert withholds(PayeeRules(withholding_by_holder={holder(0): 0, holder(1): 1}))
    assert withholds(PayeeRules(withholding_basis_points=1))


# ------------------------------------------------------------------------------------------------ minimum


@pytest.mark.parametrize(
    ("minimum", "states"),
    [
        (0, ["ZERO_DUE", "PLANNED", "PLANNED", "PLANNED"]),
        (1, ["ZERO_DUE", "PLANNED", "PLANNED", "PLANNED"]),
        (20, ["ZERO_DUE", "DEFERRED", "PLANNED", "PLANNED"]),
        (21, ["ZERO_DUE", "DEFERRED", "DEFERRED", "PLANNED"]),
        (71, ["ZERO_DUE", "DEFERRED", "DEFERRED", "DEFERRED"]),
    ],
)
def test_who_is_due_less_than_the_minimum_waits(minimum: int, states: list[str]) -> None:
    rules = PayeeRules(minimum_base_units=minimum)
    rows = shares(0, listed([0, 10, 20, 70]), 100, 100, rules)
    assert [row.first_state for row in rows] == states
    assert [row.first_state for row in plan_entitlements(0, owed(0, 10, 20, 70), rules)] == states
    plan = summed(rows, 100, 100)
    assert plan.deferred_count == states.count("DEFERRED")
    assert plan.payable_base_units == 100, "what is deferred is a part of what is payable"


def test_the_net_amount_is_compared_with_the_minimum() -> None:
    rules = PayeeRules(minimum_base_units=50, withholding_basis_points=5_000)
    (row,) = shares(0, listed([100]), 99, 100, rules)
    assert (row.amount_base_units, row.first_state) == (49, PaymentState.DEFERRED)


# ------------------------------------------------------------------------------------------------ asset's amounts


def owed(*amounts: int) -> list[Entitlement]:
    return [entitlement(holder(number), number + 1, amount) for number, amount in enumerate(amounts)]


def test_the_assets_amounts_are_taken_as_they_are() -> None:
    rules = PayeeRules(excluded=frozenset({holder(1)}), minimum_base_units=10)
    rows = plan_entitlements(4, owed(100, 50, 9, 0), rules)
    assert [row.ordinal for row in rows] == [4, 5, 6, 7]
    assert [row.balance for row in rows] == [1, 2, 3, 4]
    assert [row.first_state for row in rows] == ["PLANNED", "EXCLUDED", "DEFERRED", "ZERO_DUE"]
    assert [row.gross_base_units for row in rows] == [100, 50, 9, 0]
    assert {row.withheld_base_units for row in rows} == {0}
    assert {row.round_number for row in plan_entitlements(0, owed(1, 2), round_number=3)} == {3}


@pytest.mark.parametrize("kind", [PayoutKind.DIVIDEND, PayoutKind.COUPON, PayoutKind.REDEMPTION])
def test_the_rows_make_the_total_where_the_asset_tells_the_amounts(kind: PayoutKind) -> None:
    rows = plan_entitlements(0, owed(100, 50, 9, 0), PayeeRules(minimum_base_units=10))
    plan = summed(rows, None, 1_000, kind=kind)
    assert (plan.payable_base_units, plan.rounding_dust_base_units, plan.frozen_share_base_units) == (159, 0, 0)
    assert (plan.zero_due_count, plan.deferred_count, plan.deferred_base_units) == (1, 1, 9)
    assert_identity(plan, 159, paid=150, still_open=9)


@pytest.mark.parametrize("kind", PayoutKind)
def test_only_a_snapshot_payout_declares_a_total(kind: PayoutKind) -> None:
    with pytest.raises(ValueError, match="declared total"):
        PlanSum(kind, None if kind is PayoutKind.SNAPSHOT else BaseUnits(1), TokenUnits(100))


# ------------------------------------------------------------------------------------------------ hashes


def test_the_hash_of_a_plain_plan_is_the_one_of_before_there_were_rules() -> None:
    """Payouts that were planned then are still compared with it. Computed once from the format of that time."""
    pinned = "f15a9515f11ef9277c53fd7562f9fab0f9ed389988731ec0421e111be6f84492"
    rows = shares(0, listed([7, 0, 13, 20]), 1_000, 50)
    text = "1000/50\n" + "".join(
        f"{number},{payee},{balance},{1_000 * balance // 50}\n"
        for number, (payee, balance) in enumerate(listed([7, 0, 13, 20]))
    )
    assert summed(rows, 1_000, 50).plan_hash == pinned == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"treatment": Treatment.DEFER},
        {"treatment": Treatment.EXCLUDE},
        {"withholding_basis_points": 1},
        {"withholding_basis_points": 2_500, "withheld_base_units": 1},
        {"treatment": Treatment.EXCLUDE, "excluded_base_units": 1},
    ],
)
def test_what_the_rules_make_of_a_row_is_hashed(change: dict[str, object]) -> None:
    rows = shares(0, listed([5, 5]), 19, 10)
    hashes = {summed(rows, 19, 10).plan_hash}
    changed = replace(rows[1], **change)  # type: ignore[arg-type]
    hashes.add(summed([rows[0], changed], 19, 10).plan_hash)
    assert len(hashes) == 2
    if changed.gross_base_units != rows[1].gross_base_units:
        less = replace(changed, withheld_base_units=BaseUnits(0), excluded_base_units=BaseUnits(0))
        assert summed([rows[0], less], 19, 10).plan_hash not in hashes


def test_no_two_treatments_have_the_same_hash() -> None:
    first, second = shares(0, listed([5, 5]), 19, 10)
    treated = [replace(second, treatment=each, withholding_basis_points=1) for each in Treatment]
    assert len({summed([first, each], 19, 10).plan_hash for each in treated}) == len(Treatment)


@pytest.mark.parametrize("kind", [PayoutKind.DIVIDEND, PayoutKind.COUPON])
@pytest.mark.parametrize("change", [{"holder": holder(9)}, {"balance": 8}, {"amount_base_units": 8}])
def test_every_figure_of_a_distribution_is_hashed(kind: PayoutKind, change: dict[str, object]) -> None:
    rows = plan_entitlements(0, owed(3, 4))
    changed = [rows[0], replace(rows[1], **change)]  # type: ignore[arg-type]
    assert summed(rows, None, 100, kind=kind).plan_hash != summed(changed, None, 100, kind=kind).plan_hash


def test_of_a_redemption_who_is_paid_is_hashed_and_not_how_much() -> None:
    def hash_of(*rows: PlannedPayment) -> str:
        return summed(list(rows), None, 100, kind=PayoutKind.REDEMPTION).plan_hash

    first, second = plan_entitlements(0, owed(3, 4))
    assert hash_of(first, replace(second, balance=TokenUnits(9), amount_base_units=BaseUnits(0))) == hash_of(
        first, second
    )
    for change in ({"holder": holder(9)}, {"round_number": 2}):
        assert hash_of(first, replace(second, **change)) != hash_of(first, second)


def test_plans_of_two_kinds_never_have_the_same_hash() -> None:
    rows = plan_entitlements(0, owed(3, 4))
    asset_told = [kind for kind in PayoutKind if kind is not PayoutKind.SNAPSHOT]
    hashes = {summed(rows, None, 3, kind=kind).plan_hash for kind in asset_told}
    hashes.add(summed(rows, 7, 3).plan_hash)
    assert len(hashes) == len(PayoutKind)


# ------------------------------------------------------------------------------------------------ what is refused

EXCLUDING = PayeeRules(excluded=frozenset({holder(0)}))
SPREADING = PayeeRules(excluded=frozenset({holder(0)}), excluded_share=SPREAD)
WITHHOLDING = PayeeRules(withholding_basis_points=1)
BY_HOLDER = PayeeRules(withholding_by_holder={holder(0): 1})
DEFERRING = PayeeRules(minimum_base_units=1)


@pytest.mark.parametrize(
    ("kind", "rules", "field"),
    [
        (PayoutKind.DIVIDEND, EXCLUDING, ""),
        (PayoutKind.DIVIDEND, DEFERRING, ""),
        (PayoutKind.DIVIDEND, SPREADING, "excluded_share"),
        (PayoutKind.DIVIDEND, WITHHOLDING, "withholding_percentage"),
        (PayoutKind.DIVIDEND, BY_HOLDER, "withholding_rates"),
        (PayoutKind.COUPON, EXCLUDING, ""),
        (PayoutKind.COUPON, DEFERRING, ""),
        (PayoutKind.COUPON, SPREADING, "excluded_share"),
        (PayoutKind.COUPON, WITHHOLDING, "withholding_percentage"),
        (PayoutKind.COUPON, BY_HOLDER, "withholding_rates"),
        (PayoutKind.REDEMPTION, EXCLUDING, "excluded_holders"),
        (PayoutKind.REDEMPTION, SPREADING, "excluded_holders"),
        (PayoutKind.REDEMPTION, DEFERRING, "minimum_amount"),
        (PayoutKind.REDEMPTION, WITHHOLDING, "withholding_percentage"),
        (PayoutKind.REDEMPTION, BY_HOLDER, "withholding_rates"),
        *((PayoutKind.SNAPSHOT, rules, "") for rules in (EXCLUDING, SPREADING, WITHHOLDING, BY_HOLDER, DEFERRING)),
        *((kind, NO_RULES, "") for kind in PayoutKind),
        # A share of nobody is not spread, and a rate of nothing withholds nothing.
        *((kind, PayeeRules(excluded_share=SPREAD), "") for kind in PayoutKind),
        *((kind, PayeeRules(withholding_by_holder={holder(0): 0}), "") for kind in PayoutKind),
    ],
)
def test_what_the_contract_cannot_do_is_refused_by_the_rules_name(
    kind: PayoutKind, rules: PayeeRules, field: str
) -> None:
    unsupported = unsupported_rule(terms_of(kind, total=1, rules=rules))
    if not field:
        assert unsupported is None
        return
    assert unsupported
    assert unsupported.field == field
    assert unsupported.why


@pytest.mark.parametrize(
    ("kind", "rules", "why"),
    [
        (PayoutKind.DIVIDEND, WITHHOLDING, "nothing can be withheld"),
        (PayoutKind.COUPON, SPREADING, "none can be spread"),
        (PayoutKind.REDEMPTION, DEFERRING, "burns the tokens"),
    ],
)
async def test_a_payout_by_rules_that_the_contract_cannot_keep_fails_and_pays_nobody(
    kind: PayoutKind, rules: PayeeRules, why: str
) -> None:
    """Its distribution was previewed; should one be released all the same, no rule is passed over."""
    stage = Stage()
    matured(stage)
    stage.chain.deposit(10**6)
    action_id = announced(stage) if kind.is_corporate_action else 0
    payout = await stage.run(await request_of(stage, kind, action_id=action_id, rules=rules))
    assert payout.state is PayoutState.FAILED
    assert payout.failure_reason.startswith("RULE_NOT_SUPPORTED: ")
    assert why in payout.failure_reason
    assert payout.plan is None


def test_dividends_and_coupons_are_corporate_actions() -> None:
    assert {kind for kind in PayoutKind if kind.is_corporate_action} == {PayoutKind.DIVIDEND, PayoutKind.COUPON}
