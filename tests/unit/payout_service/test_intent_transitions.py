"""The journal's table of legal transitions, its attempts, and a signer's lane of nonces."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from libs.chain.quantities import BlockNumber, Nonce, Wei
from payout_service.domain.endings import VoidedBecause, VoidReason
from payout_service.domain.fees import Fees
from payout_service.domain.transaction import (
    FINAL_STATES,
    IN_FLIGHT_STATES,
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
    no_op,
)
from payout_service.domain.waits import Wait, WaitFor, signer_stopped, told
from tests.support.payout.memory_chain import SIGNER
from tests.support.payout.memory_database import START

UNANSWERED = Wait(WaitFor.OUTCOME_UNKNOWN, "no answer")
FIRST = signer_stopped(WaitFor.NONCE_LOST, "a nonce")
BECAUSE = VoidReason(VoidedBecause.CANCELLED, "because")

S = IntentState
ATTEMPT = Attempt(1, b"raw", "0xh", Fees(max_fee_per_gas_wei=Wei(2), max_priority_fee_per_gas_wei=Wei(1)), START)
OUTCOME = Outcome("0xh", BlockNumber(1), "0xb", 1, None)
NO_OP_HASH = "0xn"
VERBS: dict[str, tuple[IntentState, Callable[[TransactionIntent], object]]] = {
    "sign": (S.SIGNED, lambda each: each.sign(Nonce(0), 1, ATTEMPT)),
    "mark_broadcast": (S.BROADCAST, lambda each: each.mark_broadcast(1, None, START)),
    "mark_unknown": (S.UNKNOWN, lambda each: each.mark_unknown(1, UNANSWERED, START)),
    "mined": (S.MINED, lambda each: each.mined()),
    "conclude_success": (S.SUCCEEDED, lambda each: each.conclude(True, OUTCOME)),
    "conclude_revert": (S.REVERTED, lambda each: each.conclude(False, OUTCOME)),
    "conclude_no_op": (S.VOIDED, lambda each: each.conclude(True, replace(OUTCOME, transaction_hash=NO_OP_HASH))),
    "conclude_reverted_no_op": (
        S.VOIDED,
        lambda each: each.conclude(False, replace(OUTCOME, transaction_hash=NO_OP_HASH)),
    ),
    "lose_nonce": (S.NONCE_LOST, lambda each: each.lose_nonce()),
}


def intent_in(state: IntentState) -> TransactionIntent:
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
    if state is not S.CREATED:
        intent.nonce = Nonce(7)
        intent.attempts = [ATTEMPT, replace(ATTEMPT, number=2, transaction_hash=NO_OP_HASH, is_no_op=True)]
    return intent


SENT = frozenset({S.BROADCAST, S.UNKNOWN, S.MINED})
# Where each verb is used. `conclude` would also be legal where ReconcileSigner adopts: there are no attempts to
# conclude with, or the nonce is another's.
USED_IN = {
    "sign": {S.CREATED},
    "mark_broadcast": {S.SIGNED} | SENT,
    "mark_unknown": {S.SIGNED} | SENT,
    "mined": SENT,
    "conclude_success": SENT,
    "conclude_revert": SENT,
    "conclude_no_op": SENT,
    "conclude_reverted_no_op": SENT,
    "lose_nonce": SENT,
}


@pytest.mark.parametrize("state", sorted(set(IntentState) - {S.CREATED, S.NONCE_LOST}))
@pytest.mark.parametrize("verb", VERBS)
def test_an_intent_moves_only_as_the_table_says(state: IntentState, verb: str) -> None:
    target, act = VERBS[verb]
    intent = intent_in(state)
    if state in USED_IN[verb]:
        act(intent)
        assert intent.state is target
        assert target in INTENT_TRANSITIONS[state] or target is state
    else:
        with pytest.raises(ValueError, match="cannot become"):
            act(intent)
        assert intent.state is state
        assert intent.outcome is None


@pytest.mark.parametrize("verb", ["mark_broadcast", "mark_unknown", "mined", "conclude_revert", "lose_nonce"])
def test_what_was_never_signed_was_never_sent(verb: str) -> None:
    intent = intent_in(S.CREATED)
    intent.attempts = [ATTEMPT]
    with pytest.raises(ValueError, match="cannot become"):
        VERBS[verb][1](intent)
    assert intent.state is S.CREATED


@pytest.mark.parametrize("verb", ["sign", "mark_broadcast", "mined", "conclude_revert", "lose_nonce"])
def test_a_lost_nonce_is_only_adopted(verb: str) -> None:
    intent = intent_in(S.NONCE_LOST)
    with pytest.raises(ValueError, match="cannot become"):
        VERBS[verb][1](intent)
    assert intent.state is S.NONCE_LOST


def test_every_way_in_the_table_has_a_verb() -> None:
    ways = {(state, VERBS[verb][0]) for verb, states in USED_IN.items() for state in states}
    ways = {(state, target) for state, target in ways if state is not target}
    ways |= {(S.CREATED, S.VOIDED), (S.CREATED, S.SUCCEEDED), (S.NONCE_LOST, S.SUCCEEDED)}
    assert ways == {(state, target) for state, after in INTENT_TRANSITIONS.items() for target in after}


def test_nothing_is_signed_twice_and_no_final_state_is_left_but_by_adoption() -> None:
    assert {state for state, after in INTENT_TRANSITIONS.items() if S.SIGNED in after} == {S.CREATED}
    for final in FINAL_STATES - {S.NONCE_LOST}:
        assert INTENT_TRANSITIONS[final] == frozenset()
    assert INTENT_TRANSITIONS[S.NONCE_LOST] == {S.SUCCEEDED}
    assert {S.CREATED} | IN_FLIGHT_STATES | FINAL_STATES == set(IntentState)


def test_what_is_not_mined_any_more_is_sent_again() -> None:
    intent = intent_in(S.MINED)
    intent.mark_broadcast(1, None, START)
    assert intent.state is S.BROADCAST
    assert intent.attempts[0].last_broadcast_time == START
    assert intent.attempts[1].last_broadcast_time is None


# ------------------------------------------------------------------------------------------------ other bytes


@pytest.mark.parametrize("state", IntentState)
def test_other_bytes_belong_to_an_intent_in_flight(state: IntentState) -> None:
    intent = intent_in(state)
    other = replace(ATTEMPT, number=len(intent.attempts) + 1, transaction_hash="0xo")
    if state in IN_FLIGHT_STATES:
        intent.replace_with(other)
        assert (intent.state, intent.nonce, intent.attempts[-1]) == (state, 7, other)
    else:
        before = list(intent.attempts)
        with pytest.raises(ValueError, match="does not belong"):
            intent.replace_with(other)
        assert intent.attempts == before


@pytest.mark.parametrize("number", [1, 2, 4])
def test_attempts_are_numbered_without_gaps(number: int) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        intent_in(S.BROADCAST).replace_with(replace(ATTEMPT, number=number))


def test_what_shall_not_happen_gets_no_other_bytes_that_do_it() -> None:
    intent = intent_in(S.BROADCAST)
    assert not intent.void(BECAUSE)
    with pytest.raises(ValueError, match="shall not happen: CANCELLED"):
        intent.replace_with(replace(ATTEMPT, number=3))
    intent.replace_with(replace(ATTEMPT, number=3, is_no_op=True))


def test_a_no_op_sends_nothing_to_the_signer_itself() -> None:
    assert no_op(SIGNER) == ContractCall(SIGNER, b"")


@pytest.mark.parametrize("state", IntentState)
def test_only_what_has_no_nonce_is_void_at_once(state: IntentState) -> None:
    intent = intent_in(state)
    is_void = intent.void(BECAUSE)
    assert is_void is (state in (S.CREATED, S.VOIDED))
    assert intent.state is (S.VOIDED if state is S.CREATED else state)
    if state in IN_FLIGHT_STATES or state is S.CREATED:
        intent.void(VoidReason(VoidedBecause.STALE, "another reason"))
        assert intent.void_reason == BECAUSE, "the first reason stays"
    else:
        assert intent.void_reason is None


def test_an_older_attempt_that_was_mined_decides_also_after_a_no_op() -> None:
    intent = intent_in(S.BROADCAST)
    intent.void(BECAUSE)
    intent.conclude(True, OUTCOME)
    assert (intent.state, intent.outcome) == (S.SUCCEEDED, OUTCOME)


@pytest.mark.parametrize("state", IntentState)
def test_what_is_accounted_for_is_not_adopted(state: IntentState) -> None:
    intent = intent_in(state)
    intent.problem = UNANSWERED
    if state in (S.CREATED, S.NONCE_LOST):
        intent.adopt(OUTCOME)
        assert (intent.state, intent.outcome, told(intent.problem)) == (S.SUCCEEDED, OUTCOME, "")
    else:
        with pytest.raises(ValueError, match="is accounted for"):
            intent.adopt(OUTCOME)
        assert intent.state is state


def test_only_the_same_transaction_moves_to_another_block() -> None:
    intent = intent_in(S.BROADCAST)
    with pytest.raises(ValueError, match="another transaction"):
        intent.move_outcome(OUTCOME)
    intent.conclude(True, OUTCOME)
    moved = replace(OUTCOME, block_number=BlockNumber(9), block_hash="0xc")
    intent.move_outcome(moved)
    assert intent.outcome == moved
    with pytest.raises(ValueError, match="another transaction"):
        intent.move_outcome(replace(moved, transaction_hash=NO_OP_HASH))


# ------------------------------------------------------------------------------------------------ lanes


def test_a_halted_lane_gives_no_nonce_and_keeps_its_first_reason() -> None:
    lane = NonceLane(1, SIGNER, "0xg", Nonce(5))
    assert (lane.allocate(), lane.next_nonce) == (5, 6)
    assert lane.halt(FIRST) == FIRST
    assert lane.halt(UNANSWERED) == FIRST
    with pytest.raises(LaneHaltedError, match=f"^{FIRST}$"):
        lane.allocate()
    assert lane.next_nonce == 6


def test_a_lane_never_goes_back_to_a_nonce_that_was_given_away() -> None:
    lane = NonceLane(1, SIGNER, "0xg", Nonce(5))
    lane.halt(FIRST)
    with pytest.raises(ValueError, match="was given away"):
        lane.resume_at(Nonce(4))
    assert lane.halted_because == FIRST
    lane.resume_at(Nonce(8))
    assert (lane.allocate(), told(lane.halted_because)) == (8, "")
