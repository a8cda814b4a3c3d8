"""Plans, batches, settlement and the two tables of legal transitions."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payout_service.domain.batch_sizing import BatchLimits, GasModel, gas_limit
from payout_service.domain.lifecycle import Condition, ConditionKind, LifecycleState
from payout_service.domain.payments import FailureReason, PaymentState
from payout_service.domain.payout import (
    TRANSITIONS,
    WORKED_STATES,
    IllegalTransitionError,
    Payout,
    PayoutState,
    Progress,
    Snapshot,
)
from payout_service.domain.plan import (
    AccountingIdentityError,
    PlannedPayment,
    PlanSum,
    PlanTotals,
    plan_payments,
)
from payout_service.domain.settlement import (
    BatchEvidence,
    ExecutionEvent,
    ExpectedBatch,
    settle,
    strip_padding,
)
from payout_service.domain.transaction import (
    INTENT_TRANSITIONS,
    Attempt,
    ContractCall,
    IntentState,
    LaneHaltedError,
    NonceLane,
    Outcome,
    OwnerKind,
    Purpose,
    TransactionIntent,
)
from tests.support.payout.memory_chain import SIGNER, holder
from tests.support.payout.memory_database import START
from tests.support.payout.stage import ready_contract

# ------------------------------------------------------------------------------------------------ plans

amounts = st.integers(min_value=0, max_value=2**128)
balances = st.lists(st.integers(min_value=0, max_value=2**100), min_size=1, max_size=30)


def summed(rows: list[PlannedPayment], total: int, supply: int) -> PlanTotals:
    plan = PlanSum(total, supply)
    for row in rows:
        plan.add(row)
    return plan.totals()


@given(total=amounts, held=balances, frozen=st.integers(min_value=0, max_value=2**100))
def test_the_parts_of_a_plan_make_the_whole(total: int, held: list[int], frozen: int) -> None:
    supply = sum(held) + frozen
    if not supply:
        return
    rows = plan_payments(0, [(holder(number), balance) for number, balance in enumerate(held)], total, supply)
    plan = summed(rows, total, supply)
    assert plan.payable_base_units + plan.rounding_dust_base_units + plan.frozen_share_base_units == total
    assert plan.payable_base_units == sum(row.amount_base_units for row in rows)
    for row, balance in zip(rows, held, strict=True):
        # Rounded down: never a unit more than the share, and less than one less.
        assert row.amount_base_units * supply <= total * balance < (row.amount_base_units + 1) * supply
    # Every holder and the frozen share leave less than a unit each.
    assert 0 <= plan.rounding_dust_base_units <= len(rows)
    assert plan.zero_due_count == sum(row.amount_base_units == 0 for row in rows)
    plan.assert_identity(declared_base_units=total, paid_base_units=plan.payable_base_units, open_base_units=0)


@given(total=amounts, held=balances)
def test_pages_make_the_same_plan_as_the_whole(total: int, held: list[int]) -> None:
    supply = sum(held) or 1
    listed = [(holder(number), balance) for number, balance in enumerate(held)]
    whole = plan_payments(0, listed, total, supply)
    paged = [
        row
        for first in range(0, len(listed), 4)
        for row in plan_payments(first, listed[first : first + 4], total, supply)
    ]
    assert paged == whole
    assert summed(paged, total, supply) == summed(whole, total, supply)


@pytest.mark.parametrize(
    "change",
    [{"holder": holder(9)}, {"balance": 8}, {"amount_base_units": 4}],
)
def test_whatever_changes_a_row_changes_the_hash(change: dict[str, object]) -> None:
    rows = plan_payments(0, [(holder(0), 5), (holder(1), 5)], 11, 20)
    other = [rows[0], replace(rows[1], **change)]  # type: ignore[arg-type]
    assert summed(rows, 11, 20).plan_hash != summed(other, 11, 20).plan_hash
    assert summed(rows, 11, 20).plan_hash != summed(rows, 11, 21).plan_hash


def test_a_missing_or_doubled_row_is_no_plan() -> None:
    rows = plan_payments(0, [(holder(0), 5), (holder(1), 5)], 11, 20)
    for wrong in ([rows[1]], [rows[0], rows[0]]):
        with pytest.raises(AccountingIdentityError):
            summed(wrong, 11, 20)


def test_more_than_there_is_is_no_plan() -> None:
    with pytest.raises(AccountingIdentityError, match="more than the supply"):
        summed(plan_payments(0, [(holder(0), 21)], 11, 20), 11, 20)
    with pytest.raises(AccountingIdentityError, match="exceed the total"):
        summed([PlannedPayment(0, holder(0), 5, 12)], 11, 20)


def test_an_identity_that_does_not_hold_is_refused() -> None:
    plan = PlanTotals(1, 0, 90, 3, 7, "hash")
    plan.assert_identity(declared_base_units=100, paid_base_units=60, open_base_units=30)
    for paid, owed in ((60, 29), (61, 30), (90, 1)):
        with pytest.raises(AccountingIdentityError):
            plan.assert_identity(declared_base_units=100, paid_base_units=paid, open_base_units=owed)


# ------------------------------------------------------------------------------------------------ sizes


@given(
    base=st.integers(min_value=0, max_value=10**6),
    per_payee=st.integers(min_value=1, max_value=10**6),
    probe=st.integers(min_value=2, max_value=16),
    max_gas=st.integers(min_value=100_000, max_value=10**9),
)
def test_a_batch_of_linear_cost_never_exceeds_the_cap(base: int, per_payee: int, probe: int, max_gas: int) -> None:
    limits = BatchLimits(max_gas=max_gas, max_calldata_bytes=100_000, max_payees=2_000)
    model = GasModel.fit(1, base + per_payee, probe, base + probe * per_payee)
    count = model.payees_within(limits)
    assert 0 <= count <= limits.max_payees
    if count:
        assert (base + count * per_payee) * 100 <= max_gas * 90
    larger = replace(limits, max_gas=2 * max_gas)
    assert model.payees_within(larger) >= count


def test_each_cap_bounds_a_batch() -> None:
    model = GasModel(100_000, 60_000)
    limits = BatchLimits(max_gas=10_000_000, max_calldata_bytes=100_000, max_payees=1_000)
    assert model.payees_within(limits) == (9_000_000 - 100_000) // 60_000
    assert model.payees_within(replace(limits, max_payees=7)) == 7
    assert model.payees_within(replace(limits, max_calldata_bytes=4 + 5 * 32 + 3 * 32 + 31)) == 3
    assert model.payees_within(replace(limits, max_gas=100_000)) == 0
    assert GasModel.fit(1, 175_000, 1, 175_000) == GasModel(0, 175_000)


def test_the_gas_limit_is_a_tenth_above_the_estimate_and_below_the_cap() -> None:
    assert [gas_limit(each, 1_000) for each in (100, 950, 1_000)] == [110, 1_000, 1_000]
    with pytest.raises(ValueError, match="the cap is 1000"):
        gas_limit(1_001, 1_000)


# ------------------------------------------------------------------------------------------------ settlement

A, B = holder(0), holder(1)
EXPECTED = ExpectedBatch(7, 1_000, ((A, 600), (B, 400)))
EVENT = ExecutionEvent(7, (A, B), 1_000, (), {A: 600, B: 400})
PAID = BatchEvidence(EVENT, {A: 600, B: 400}, {})


def states(evidence: BatchEvidence) -> list[str]:
    return [each.reason or each.state for each in settle(EXPECTED, evidence)]


def test_agreeing_evidence_is_paid() -> None:
    assert states(PAID) == [PaymentState.PAID, PaymentState.PAID]


@pytest.mark.parametrize(
    "evidence",
    [
        replace(PAID, event=None),
        replace(PAID, event=replace(EVENT, snapshot_id=8)),
        replace(PAID, event=replace(EVENT, amount_base_units=999)),
        replace(PAID, event=replace(EVENT, holders=(B, A))),
        replace(PAID, event=replace(EVENT, holders=(A,))),
        replace(PAID, event=replace(EVENT, holders=(A, B, holder(3)))),
    ],
)
def test_the_event_of_another_call_proves_nothing(evidence: BatchEvidence) -> None:
    assert states(evidence) == [FailureReason.EVIDENCE_DISAGREES] * 2


@pytest.mark.parametrize(
    "evidence",
    [
        replace(PAID, transferred={B: 400}),
        replace(PAID, transferred={A: 599, B: 400}),
        replace(PAID, transferred={A: 1_200, B: 400}),
        replace(PAID, event=replace(EVENT, paid={A: 599, B: 400})),
        replace(PAID, event=replace(EVENT, paid={A: 599, B: 400}), transferred={A: 599, B: 400}),
        replace(PAID, event=replace(EVENT, paid={A: 0, B: 400}), transferred={B: 400}),
        replace(PAID, event=replace(EVENT, paid={B: 400})),
        replace(PAID, event=replace(EVENT, paid={B: 400}), transferred={B: 400}),
        # Listed as failed, and money moved all the same.
        replace(PAID, event=replace(EVENT, failed=(A,), paid={B: 400}), paid_flags={A: False}),
        # Listed as both.
        replace(PAID, event=replace(EVENT, failed=(A,)), paid_flags={A: True}),
        replace(PAID, event=replace(EVENT, failed=(A,)), transferred={B: 400}, paid_flags={A: True}),
    ],
)
def test_a_payee_whose_evidence_disagrees_is_disputed_alone(evidence: BatchEvidence) -> None:
    outcomes = settle(EXPECTED, evidence)
    assert [each.state for each in outcomes] == [PaymentState.DISPUTED, PaymentState.PAID]
    assert outcomes[0].reason is FailureReason.EVIDENCE_DISAGREES


@pytest.mark.parametrize(
    ("flag", "reason"),
    [(True, FailureReason.ALREADY_PAID_ELSEWHERE), (False, FailureReason.TRANSFER_REFUSED)],
)
def test_a_failed_payee_is_told_apart_by_the_paid_flag(flag: bool, reason: FailureReason) -> None:
    evidence = BatchEvidence(replace(EVENT, failed=(A,), paid={B: 400}), {B: 400}, {A: flag})
    first, second = settle(EXPECTED, evidence)
    assert (first.state, first.reason) == (PaymentState.FAILED, reason)
    assert second.state is PaymentState.PAID


def test_padding_is_taken_off_and_amounts_stay_with_their_payees() -> None:
    zero = "0x" + "00" * 20
    assert strip_padding([B, zero, zero], [A, zero, zero], [600, 0, 0]) == ((B,), {A: 600})
    assert strip_padding([], [A, A], [1, 2]) == ((), {A: 3}), "a doubled payee is summed, and so disagrees"
    with pytest.raises(ValueError, match="shorter"):
        strip_padding([], [A], [])


# ------------------------------------------------------------------------------------------------ transitions

PLAN = PlanTotals(2, 0, 90, 3, 7, "hash")


def payout_in(state: PayoutState, **changes: object) -> Payout:
    payout = Payout(uuid4(), uuid4(), 100, START, START, state=state, holder_count=2, planned_count=2, plan=PLAN)
    for name, value in changes.items():
        setattr(payout, name, value)
    return payout


VERBS: dict[str, tuple[PayoutState, Callable[[Payout], None]]] = {
    "begin_snapshot": (PayoutState.SNAPSHOTTING, lambda each: each.begin_snapshot(START)),
    "begin_planning": (
        PayoutState.PLANNING,
        lambda each: each.begin_planning(Snapshot(1, 1, "0x"), 2, 10, START),
    ),
    "freeze_plan": (PayoutState.WAITING_FOR_FUNDS, lambda each: each.freeze_plan(PLAN, None, START)),
    "freeze_empty_plan": (
        PayoutState.COMPLETED,
        lambda each: each.freeze_plan(replace(PLAN, payable_base_units=0), None, START),
    ),
    "begin_execution": (PayoutState.EXECUTING, lambda each: each.begin_execution(START)),
    "finish": (PayoutState.COMPLETED, lambda each: each.finish(90, START)),
    "finish_with_failures": (PayoutState.INCOMPLETE, lambda each: each.finish(90, START)),
    "fail": (PayoutState.FAILED, lambda each: each.fail("NO_HOLDERS", START)),
}
# The one state in which each verb is used; `fail` has several.
USED_IN = {
    "begin_snapshot": {PayoutState.REQUESTED},
    "begin_planning": {PayoutState.SNAPSHOTTING},
    "freeze_plan": {PayoutState.PLANNING},
    "freeze_empty_plan": {PayoutState.PLANNING},
    "begin_execution": {PayoutState.WAITING_FOR_FUNDS},
    "finish": {PayoutState.EXECUTING},
    "finish_with_failures": {PayoutState.EXECUTING},
    "fail": {PayoutState.REQUESTED, PayoutState.SNAPSHOTTING},
}


@pytest.mark.parametrize("state", PayoutState)
@pytest.mark.parametrize("verb", VERBS)
def test_a_payout_moves_only_as_the_table_says(state: PayoutState, verb: str) -> None:
    target, act = VERBS[verb]
    payout = payout_in(state, waiting_for="something")
    if verb == "finish_with_failures":
        payout.progress = Progress(failed_count=1)
    if state in USED_IN[verb]:
        act(payout)
        assert (payout.state, payout.version, payout.waiting_for) == (target, 2, "")
        assert target in TRANSITIONS[state]
    else:
        with pytest.raises(IllegalTransitionError):
            act(payout)
        assert (payout.state, payout.version) == (state, 1)


def test_every_state_that_can_be_left_is_worked_on() -> None:
    assert {state for state in PayoutState if TRANSITIONS[state]} == WORKED_STATES


@pytest.mark.parametrize("state", sorted(set(PayoutState) - {PayoutState.EXECUTING}))
def test_batches_belong_to_a_payout_that_executes(state: PayoutState) -> None:
    verbs: list[Callable[[Payout], object]] = [
        lambda each: each.add_batch(START),
        lambda each: each.settle_batch(1, 1, 0, START),
    ]
    for act in verbs:
        payout = payout_in(state)
        with pytest.raises(IllegalTransitionError):
            act(payout)
        assert payout.progress == Progress()


def test_a_payout_counts_what_is_proven() -> None:
    payout = payout_in(PayoutState.EXECUTING)
    assert [payout.add_batch(START), payout.add_batch(START)] == [1, 2]
    payout.settle_batch(1, 60, 0, START)
    payout.settle_batch(0, 0, 1, START)
    assert payout.progress == Progress(1, 1, 60, 2, 2)
    for owed in (29, 31, 0):
        with pytest.raises(AccountingIdentityError):
            payout.finish(owed, START)
    payout.finish(30, START)
    assert (payout.state, payout.version) == (PayoutState.INCOMPLETE, 6)


@pytest.mark.parametrize("planned", [0, 1, 3])
def test_a_plan_without_every_holder_is_not_frozen(planned: int) -> None:
    payout = payout_in(PayoutState.PLANNING, planned_count=planned)
    with pytest.raises(ValueError, match="every holder"):
        payout.freeze_plan(PLAN, None, START)
    with pytest.raises(ValueError, match="every holder"):
        payout_in(PayoutState.PLANNING).freeze_plan(replace(PLAN, holder_count=3), None, START)


@pytest.mark.parametrize("figures", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_plan_needs_a_snapshot_with_holders(figures: tuple[int, int, int]) -> None:
    payout = payout_in(PayoutState.SNAPSHOTTING)
    with pytest.raises(ValueError, match="snapshot"):
        payout.begin_planning(Snapshot(figures[0], 1, "0x"), figures[1], figures[2], START)


def test_a_cause_is_published_once() -> None:
    payout = payout_in(PayoutState.REQUESTED)
    assert payout.wait_for("A", START)
    assert not payout.wait_for("A", START)
    assert payout.wait_for("", START)
    assert payout.version == 3


ATTEMPT = Attempt(1, b"raw", "0xh", 1, START)
OUTCOME = Outcome("0xh", 1, "0xb", 1, None)
INTENT_VERBS: dict[IntentState, Callable[[TransactionIntent], None]] = {
    IntentState.SIGNED: lambda each: each.sign(0, 1, ATTEMPT),
    IntentState.BROADCAST: lambda each: each.mark_broadcast(1, "", START),
    IntentState.MINED: lambda each: each.mined(),
    IntentState.SUCCEEDED: lambda each: each.conclude(True, OUTCOME),
    IntentState.REVERTED: lambda each: each.conclude(False, OUTCOME),
    IntentState.NONCE_LOST: lambda each: each.lose_nonce(),
}
STAYS = {IntentState.BROADCAST, IntentState.MINED}


@pytest.mark.parametrize("state", IntentState)
@pytest.mark.parametrize("target", INTENT_VERBS)
def test_an_intent_moves_only_as_the_table_says(state: IntentState, target: IntentState) -> None:
    intent = TransactionIntent(
        intent_id=uuid4(),
        key="test",
        purpose=Purpose.BATCH,
        owner_kind=OwnerKind.PAYOUT,
        owner_id=uuid4(),
        chain_id=1,
        signer=SIGNER,
        call=ContractCall(SIGNER, b""),
        gas_limit=1,
        create_time=START,
        state=state,
    )
    if target in INTENT_TRANSITIONS[state] or (state is target and target in STAYS):
        INTENT_VERBS[target](intent)
        assert intent.state is target
    else:
        with pytest.raises(ValueError, match="cannot become"):
            INTENT_VERBS[target](intent)
        assert intent.state is state
        assert intent.outcome is None


def test_nothing_is_sent_that_was_never_signed_and_no_final_state_is_left() -> None:
    assert INTENT_TRANSITIONS[IntentState.CREATED] == {IntentState.SIGNED}
    assert all(
        IntentState.SIGNED not in targets for state, targets in INTENT_TRANSITIONS.items() if state != "CREATED"
    )
    for final in (IntentState.SUCCEEDED, IntentState.REVERTED, IntentState.NONCE_LOST):
        assert INTENT_TRANSITIONS[final] == frozenset()


def test_a_halted_lane_gives_no_nonce_and_keeps_its_first_reason() -> None:
    lane = NonceLane(1, SIGNER, "0xg", 5)
    assert (lane.allocate(), lane.next_nonce) == (5, 6)
    lane.halt("first")
    lane.halt("second")
    with pytest.raises(LaneHaltedError, match="first"):
        lane.allocate()
    assert lane.next_nonce == 6


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
    contract.fail("because", START)
    with pytest.raises(ValueError, match="FAILED"):
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
