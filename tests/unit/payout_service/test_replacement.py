"""A transaction that offers too little is replaced: same nonce, same call, more per gas, and any may be mined."""

import json

import pytest

from libs.chain.quantities import Wei
from payout_service.domain.fees import Fees
from payout_service.domain.transaction import IntentState, TransactionIntent
from payout_service.domain.waits import told
from tests.support.payout.memory_chain import GWEI
from tests.support.payout.stage import Stage, engine_settings

KEY = "creation/x"
PATIENCE_SECONDS = 30.0


async def sent(stage: Stage, key: str = KEY) -> TransactionIntent:
    """Journaled, signed, and in the node's pool."""
    await stage.add_intent(key)
    await stage.drive()
    await stage.drive()
    return stage.database.intent(key)


async def outbid(stage: Stage, base_fee_gwei: int = 20) -> None:
    """The chain asks for more than the attempt that is out offers, for long enough; the replacement is sent."""
    stage.chain.base_fee = base_fee_gwei * GWEI
    stage.chain.mine()
    await stage.drive(PATIENCE_SECONDS)
    await stage.drive()


async def succeed(stage: Stage, key: str = KEY) -> TransactionIntent:
    stage.chain.mine(3)
    await stage.drive()
    intent = stage.database.intent(key)
    assert intent.state is IntentState.SUCCEEDED
    return intent


async def test_what_offers_too_little_is_replaced_with_the_same_nonce_and_call() -> None:
    stage = Stage()
    first = (await sent(stage)).attempts[0]
    assert first.fees == Fees(max_fee_per_gas_wei=Wei(3 * GWEI), max_priority_fee_per_gas_wei=Wei(GWEI))
    await outbid(stage)
    intent = stage.database.intent(KEY)
    assert [attempt.number for attempt in intent.attempts] == [1, 2]
    assert intent.attempts[1].fees == Fees(
        max_fee_per_gas_wei=Wei(41 * GWEI), max_priority_fee_per_gas_wei=Wei(GWEI * 9 // 8)
    )
    assert not intent.attempts[1].is_no_op
    before, after = (json.loads(attempt.raw) for attempt in intent.attempts)
    assert {**after, "signature": 1} == before, (
        "all but the fees, which the chain in memory keeps beside the bytes"
    )
    assert stage.chain.broadcasts[-1] == intent.attempts[1].raw
    done = await succeed(stage)
    assert done.outcome
    assert done.outcome.transaction_hash == intent.attempts[1].transaction_hash
    assert stage.chain.state.nonce == 1


async def test_the_replacement_is_durable_before_it_is_sent() -> None:
    stage = Stage()
    await sent(stage)
    stage.chain.base_fee = 20 * GWEI
    stage.chain.mine()
    await stage.drive(PATIENCE_SECONDS)
    assert len(stage.database.intent(KEY).attempts) == 2
    assert len(stage.chain.broadcasts) == 1


async def test_before_its_time_nothing_is_replaced() -> None:
    stage = Stage()
    await sent(stage)
    stage.chain.base_fee = 20 * GWEI
    await stage.drive(PATIENCE_SECONDS - 1)
    assert len(stage.database.intent(KEY).attempts) == 1


async def test_what_offers_enough_is_sent_again_and_not_replaced_while_there_is_patience() -> None:
    stage = Stage()
    await sent(stage)
    stage.chain.is_stuck = True
    await stage.drive(PATIENCE_SECONDS)
    await stage.drive(2 * PATIENCE_SECONDS)
    assert stage.chain.signed == [0]
    assert len(set(stage.chain.broadcasts)) == 1
    await stage.drive(PATIENCE_SECONDS)
    assert stage.database.intent(KEY).attempts[1].fees == Fees(
        max_fee_per_gas_wei=Wei(3 * GWEI * 9 // 8), max_priority_fee_per_gas_wei=Wei(GWEI * 9 // 8)
    ), "it may be the tip"


async def test_what_is_behind_another_is_not_replaced_whatever_it_offers() -> None:
    stage = Stage()
    await sent(stage, "creation/a")
    await sent(stage, "creation/b")
    stage.chain.base_fee = 20 * GWEI
    stage.chain.mine()
    for _ in range(2):
        await stage.drive(PATIENCE_SECONDS)
    assert len(stage.database.intent("creation/a").attempts) == 2
    assert len(stage.database.intent("creation/b").attempts) == 1
    await stage.drive()
    stage.chain.mine()
    await stage.drive()
    assert len(stage.database.intent("creation/b").attempts) == 2, "now it is its turn"


@pytest.mark.parametrize("winner", [0, 1, 2])
async def test_any_attempt_may_be_the_one_that_is_mined(winner: int) -> None:
    """Resolved by nonce: also the oldest, mined by a node that never saw the others."""
    stage = Stage()
    await sent(stage)
    await outbid(stage, 20)
    await outbid(stage, 100)
    attempts = stage.database.intent(KEY).attempts
    assert len(attempts) == 3
    stage.chain.base_fee = GWEI
    stage.chain.pool.clear()
    stage.chain.take(attempts[winner].raw)
    done = await succeed(stage)
    assert done.outcome
    assert done.outcome.transaction_hash == attempts[winner].transaction_hash
    assert told(stage.database.lane().halted_because) == ""


async def test_after_a_reorg_another_attempt_may_be_mined() -> None:
    stage = Stage()
    await sent(stage)
    await outbid(stage)
    first, second = stage.database.intent(KEY).attempts
    stage.chain.mine()
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.MINED
    stage.chain.reorg(1)
    stage.chain.base_fee = GWEI
    stage.chain.pool.clear()
    stage.chain.take(first.raw)
    done = await succeed(stage)
    assert done.outcome
    assert done.outcome.transaction_hash == first.transaction_hash != second.transaction_hash


async def test_at_the_cap_the_cause_is_named_and_the_same_bytes_go_again() -> None:
    stage = Stage(settings=engine_settings(max_fee_per_gas_wei=50 * GWEI))
    await sent(stage)
    stage.chain.base_fee = 51 * GWEI
    stage.chain.mine()
    for _ in range(5):
        await stage.drive(PATIENCE_SECONDS)
    intent = stage.database.intent(KEY)
    assert len(intent.attempts) == 1
    problem = f"FEE_CAP_REACHED: {51 * GWEI} wei per gas are asked for, the cap is {50 * GWEI}"
    assert told(intent.problem) == problem
    assert stage.chain.broadcasts == [intent.attempts[0].raw] * 6
    stage.chain.base_fee = GWEI
    assert told((await succeed(stage)).problem) == ""


async def test_a_replacement_is_never_above_the_cap() -> None:
    stage = Stage(settings=engine_settings(max_fee_per_gas_wei=10 * GWEI))
    await sent(stage)
    stage.chain.base_fee = 9 * GWEI
    stage.chain.mine()
    await stage.drive(PATIENCE_SECONDS)
    assert stage.database.intent(KEY).attempts[1].fees.max_fee_per_gas_wei == 10 * GWEI
    stage.chain.is_stuck = True
    for _ in range(20):
        await stage.drive(PATIENCE_SECONDS)
    intent = stage.database.intent(KEY)
    assert len(intent.attempts) == 2, "another one would have to offer more than the cap"
    assert told(intent.problem).startswith("FEE_CAP_REACHED: ")


async def test_attempts_are_bounded_and_the_last_one_goes_again() -> None:
    stage = Stage(settings=engine_settings(max_attempts=3))
    await sent(stage)
    stage.chain.is_stuck = True
    for _ in range(20):
        await stage.drive(4 * PATIENCE_SECONDS)
    intent = stage.database.intent(KEY)
    assert len(intent.attempts) == 3
    assert told(intent.problem).startswith("NOT_MINED: signed at 2026-03-01T12:00:00Z, 3 times, for at most ")
    assert stage.chain.broadcasts.count(intent.attempts[2].raw) > 5
    stage.chain.is_stuck = False
    await succeed(stage)


async def test_on_a_chain_without_base_fees_the_price_is_raised() -> None:
    stage = Stage()
    stage.chain.is_legacy = True
    intent = await sent(stage)
    assert intent.attempts[0].fees == Fees(max_fee_per_gas_wei=Wei(2 * GWEI), max_priority_fee_per_gas_wei=None)
    await outbid(stage, 4)
    fees = [attempt.fees for attempt in stage.database.intent(KEY).attempts]
    assert fees == [
        Fees(max_fee_per_gas_wei=Wei(2 * GWEI), max_priority_fee_per_gas_wei=None),
        Fees(max_fee_per_gas_wei=Wei(5 * GWEI), max_priority_fee_per_gas_wei=None),
    ]
    await succeed(stage)


async def test_a_fee_that_the_node_calls_too_low_is_named() -> None:
    stage = Stage()
    stage.chain.refuses_below_base_fee = True
    await stage.add_intent()
    await stage.drive()
    stage.chain.base_fee = 20 * GWEI
    await stage.drive()
    assert told(stage.database.intent(KEY).problem) == "FEE_TOO_LOW: max fee per gas less than block base fee"
    await stage.drive(PATIENCE_SECONDS)
    await stage.drive()
    assert stage.chain.broadcasts[-1] == stage.database.intent(KEY).attempts[1].raw
    assert told((await succeed(stage)).problem) == ""


async def test_a_replica_that_decided_on_an_older_view_replaces_nothing() -> None:
    """Two replicas see that it is time; the second finds another attempt behind the lock."""
    stage = Stage()
    await sent(stage)
    stage.chain.base_fee = 20 * GWEI
    original = stage.chain.sign
    is_first = True

    async def meanwhile(*arguments: object, **named: object) -> object:
        nonlocal is_first
        if is_first:
            is_first = False
            await stage.drive()
        return await original(*arguments, **named)  # type: ignore[arg-type]

    stage.chain.sign = meanwhile  # type: ignore[method-assign, assignment]
    await stage.drive(PATIENCE_SECONDS)
    intent = stage.database.intent(KEY)
    assert [attempt.number for attempt in intent.attempts] == [1, 2]
    assert stage.chain.signed == [0, 0, 0], "one of the signatures is thrown away"
    await stage.drive()
    await succeed(stage)
