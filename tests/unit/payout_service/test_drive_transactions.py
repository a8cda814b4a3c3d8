"""A signer's lane: bytes before sending, outcome by nonce, and every named reason to stop."""

import asyncio
from dataclasses import replace

import pytest

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, Nonce
from libs.errors import AppError
from payout_service.application.sending.chain_identity import WrongChainError
from payout_service.application.sending.drive_transactions import drive_transactions
from payout_service.domain.transaction import IntentState
from payout_service.domain.waits import told
from tests.support.payout.memory_chain import CHAIN_ID, GWEI, OTHER_SIGNER, SIGNER
from tests.support.payout.memory_database import MemoryDatabase
from tests.support.payout.stage import Stage, engine_settings

KEY = "creation/x"


async def signed_and_sent(stage: Stage, key: str = KEY) -> None:
    await stage.add_intent(key)
    assert await stage.drive()
    assert await stage.drive()
    assert stage.database.intent(key).state is IntentState.BROADCAST


async def test_bytes_are_durable_before_the_first_send() -> None:
    """The chain itself refuses bytes that the committed journal lacks (MemoryChain._require_durable)."""
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    intent = stage.database.intent(KEY)
    assert intent.state is IntentState.SIGNED
    assert stage.chain.broadcasts == []
    await stage.drive()
    assert stage.chain.broadcasts == [intent.attempts[0].raw]


async def test_an_outcome_counts_only_with_blocks_on_top() -> None:
    stage = Stage()
    await signed_and_sent(stage)
    for expected in (IntentState.MINED, IntentState.MINED, IntentState.SUCCEEDED):
        stage.chain.mine()
        await stage.drive()
        assert stage.database.intent(KEY).state is expected
    outcome = stage.database.intent(KEY).outcome
    assert outcome
    assert outcome.created_contract


@pytest.mark.parametrize("fault", ["lost before", "lost after"])
async def test_a_lost_reply_is_unknown_and_the_same_bytes_go_again(fault: str) -> None:
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    stage.chain.faults = [fault]
    with pytest.raises(AppError):
        await stage.drive()
    intent = stage.database.intent(KEY)
    assert intent.state is IntentState.UNKNOWN
    assert told(intent.problem).startswith("OUTCOME_UNKNOWN")
    await stage.drive()
    assert len(stage.chain.broadcasts) == 1
    await stage.drive(stage.engine.settings.rebroadcast_seconds)
    assert stage.chain.broadcasts == [intent.attempts[0].raw] * 2
    assert stage.chain.signed == [0]
    stage.chain.mine(3)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.SUCCEEDED


async def test_an_unknown_outcome_is_found_without_sending_again() -> None:
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    stage.chain.faults = ["lost after"]
    with pytest.raises(AppError):
        await stage.drive()
    stage.chain.mine()
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.MINED
    assert told(stage.database.intent(KEY).problem) == ""
    stage.chain.mine(2)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.SUCCEEDED
    assert len(stage.chain.broadcasts) == 1


async def test_an_unknown_outcome_may_become_one_that_was_never_ours() -> None:
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    stage.chain.faults = ["lost before"]
    with pytest.raises(AppError):
        await stage.drive()
    stage.chain.use_nonce_elsewhere()
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.UNKNOWN, "not before it is final"
    stage.chain.mine(2)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.NONCE_LOST


async def test_a_request_that_arrives_late_is_the_same_bytes() -> None:
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    stage.chain.faults = ["late"]
    with pytest.raises(AppError):
        await stage.drive()
    await stage.drive(10)
    stage.chain.mine()
    stage.chain.deliver_late()
    stage.chain.mine(3)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.SUCCEEDED
    assert stage.chain.state.nonce == 1


async def test_a_kill_between_sending_and_recording_sends_the_same_bytes_again() -> None:
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    raw = stage.database.intent(KEY).attempts[0].raw
    await stage.chain.broadcast(raw)
    stage.chain.mine()
    await stage.drive()
    # "nonce too low" is no failure: the outcome is looked for.
    assert stage.database.intent(KEY).state is IntentState.BROADCAST
    assert stage.chain.broadcasts == [raw, raw]
    stage.chain.mine(2)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.SUCCEEDED
    assert stage.chain.signed == [0]


async def test_what_a_node_does_not_take_is_named_and_sent_again() -> None:
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    stage.chain.faults = ["not taken"]
    await stage.drive()
    assert told(stage.database.intent(KEY).problem) == "NOT_TAKEN_BY_NODE: insufficient funds for gas"
    await stage.drive(10)
    assert told(stage.database.intent(KEY).problem) == ""
    assert len(set(stage.chain.broadcasts)) == 1


async def test_bytes_that_stay_without_a_receipt_say_so() -> None:
    stage = Stage()
    await signed_and_sent(stage)
    for _ in range(3):
        await stage.drive(10)
    assert told(stage.database.intent(KEY).problem).startswith("NOT_MINED: signed at 2026-03-01T12:00:00Z")
    stage.chain.mine(3)
    await stage.drive()
    assert told(stage.database.intent(KEY).problem) == ""


async def test_a_reorg_of_a_mined_receipt_sends_the_same_bytes_again() -> None:
    stage = Stage()
    await signed_and_sent(stage)
    stage.chain.mine(2)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.MINED
    stage.chain.reorg(2)
    await stage.drive()
    await stage.drive(10)
    assert stage.database.intent(KEY).state is IntentState.BROADCAST
    assert stage.chain.signed == [0]
    assert len(set(stage.chain.broadcasts)) == 1
    stage.chain.mine(3)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.SUCCEEDED


async def test_a_receipt_of_another_fork_is_not_final() -> None:
    stage = Stage()
    await signed_and_sent(stage)
    stage.chain.mine(3)
    mined = stage.chain.state.mined[stage.database.intent(KEY).attempts[0].transaction_hash]
    original = stage.chain.block_hash

    async def other_fork(asked: int) -> str | None:
        return "0xother" if asked == mined.block_number else await original(asked)

    stage.chain.block_hash = other_fork  # type: ignore[method-assign, assignment]
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.MINED
    stage.chain.block_hash = original  # type: ignore[method-assign]
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.SUCCEEDED


async def test_a_nonce_that_somebody_else_used_halts_the_lane() -> None:
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    stage.chain.use_nonce_elsewhere()
    await stage.drive()
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.BROADCAST, "not before it is final"
    stage.chain.mine(2)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.NONCE_LOST
    assert told(stage.database.lane().halted_because).startswith("SIGNER_NEEDS_RECONCILIATION: NONCE_LOST")
    await stage.add_intent("creation/later")
    assert not await stage.drive()
    assert stage.chain.signed == [0], "nothing more is signed"
    later = stage.database.intent("creation/later")
    assert later.state is IntentState.CREATED
    assert told(later.problem).startswith("SIGNER_NEEDS_RECONCILIATION")


async def test_a_receipt_that_comes_up_late_is_not_a_lost_nonce() -> None:
    stage = Stage()
    await signed_and_sent(stage)
    stage.chain.mine(3)
    original, answers = stage.chain.find_receipt, iter([None])

    async def late(transaction_hash: str) -> object:
        return next(answers, await original(transaction_hash))

    stage.chain.find_receipt = late  # type: ignore[method-assign, assignment]
    await stage.drive()
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.SUCCEEDED
    assert told(stage.database.lane().halted_because) == ""


@pytest.mark.parametrize("question", ["find_receipt", "find_receipt and transaction_with_nonce"])
async def test_a_nonce_is_lost_only_to_a_transaction_that_was_seen(question: str) -> None:
    """Of several nodes one tells the nonces, another does not have the receipt yet."""
    stage = Stage()
    await signed_and_sent(stage)
    stage.chain.mine(3)
    originals = {each: getattr(stage.chain, each) for each in question.split(" and ")}

    async def nothing(*arguments: object) -> None:
        return None

    for each in originals:
        setattr(stage.chain, each, nothing)
    for _ in range(3):
        await stage.drive(10)
    assert stage.database.intent(KEY).state is IntentState.BROADCAST
    assert told(stage.database.lane().halted_because) == ""
    for each, original in originals.items():
        setattr(stage.chain, each, original)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.SUCCEEDED


async def test_a_nonce_is_lost_only_to_a_transaction_that_is_final_where_it_was_seen() -> None:
    """Of several nodes one is ahead with the nonces of old blocks; a reorg may yet let ours win."""
    stage = Stage()
    stage.chain.mine(3)
    await signed_and_sent(stage)
    stage.chain.pool.clear()
    stage.chain.use_nonce_elsewhere()
    original = stage.chain.nonce_at

    async def ahead(signer: EvmAddress, block_number: BlockNumber | None) -> Nonce:
        return await original(signer, None)

    stage.chain.nonce_at = ahead  # type: ignore[method-assign]
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.BROADCAST
    stage.chain.mine(2)
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.NONCE_LOST


async def test_a_nonce_is_not_lost_to_bytes_that_another_replica_has_signed_meanwhile() -> None:
    """The slow replica read the intent with one attempt; a replacement of it is final when it asks the chain."""
    stage = Stage()
    stage.chain.mine(3)
    await signed_and_sent(stage)
    stage.chain.pool.clear()
    original = stage.chain.nonce_at

    async def after_the_other_replica(signer: EvmAddress, block_number: BlockNumber | None) -> Nonce:
        stage.chain.nonce_at = original  # type: ignore[method-assign]
        stage.chain.base_fee = 20 * GWEI
        await stage.drive(stage.engine.settings.replace_after_seconds)
        await stage.drive()
        stage.chain.mine(3)
        return await original(signer, block_number)

    stage.chain.nonce_at = after_the_other_replica  # type: ignore[method-assign]
    # The bytes that the slow replica knows have no receipt.
    assert await stage.drive()
    intent = stage.database.intent(KEY)
    assert len(intent.attempts) == 2
    assert intent.state is IntentState.BROADCAST
    assert told(stage.database.lane().halted_because) == ""
    await stage.drive()
    assert stage.database.intent(KEY).state is IntentState.SUCCEEDED


async def test_a_journal_behind_the_chain_halts_before_anything_is_signed() -> None:
    """A restored backup: the chain has a transaction that the journal does not know."""
    stage = Stage()
    await signed_and_sent(stage)
    stage.chain.mine(3)
    await stage.drive()
    stage.chain.use_nonce_elsewhere()
    await stage.add_intent("creation/later")
    assert not await stage.drive()
    assert "JOURNAL_BEHIND_CHAIN" in told(stage.database.lane().halted_because)
    assert stage.chain.signed == [0]
    assert stage.database.lane().next_nonce == 1
    assert stage.database.intent("creation/later").problem == stage.database.lane().halted_because


async def test_a_chain_behind_the_journal_is_waited_for_by_name() -> None:
    """A node that lags: signed now, the bytes would wait behind a gap of nonces."""
    stage = Stage()
    await signed_and_sent(stage)
    stage.chain.mine(3)
    await stage.drive()
    await stage.add_intent("creation/later")
    stage.chain.lag_of = lambda: 3
    assert not await stage.drive()
    assert told(stage.database.intent("creation/later").problem).startswith(
        f"CHAIN_BEHIND_JOURNAL: the node tells 0 transactions of {SIGNER}, 1 are final in the journal"
    )
    assert stage.chain.signed == [0]
    stage.chain.lag_of = lambda: 0
    assert await stage.drive()
    assert stage.chain.signed == [0, 1]
    assert told(stage.database.intent("creation/later").problem) == ""


async def test_final_transactions_that_a_deep_reorg_took_back_are_sent_again_as_they_were() -> None:
    stage = Stage()
    stage.chain.mine(3)
    for key in ("creation/a", "creation/b"):
        await signed_and_sent(stage, key)
    stage.chain.mine(3)
    await stage.drive()
    sent = list(stage.chain.broadcasts)
    await stage.add_intent("creation/later")
    stage.chain.reorg(4)
    assert stage.chain.state.nonce == 0
    await stage.drive()
    assert stage.chain.broadcasts == [*sent, *sent], "the same bytes, in the order of their nonces"
    assert stage.chain.signed == [0, 1], "nothing behind the gap"
    stage.chain.mine()
    assert stage.chain.state.nonce == 2
    await stage.drive()
    assert stage.database.intent("creation/later").nonce == 2


async def test_after_a_deep_reorg_the_replacement_that_had_won_is_sent_again() -> None:
    stage = Stage()
    await signed_and_sent(stage)
    stage.chain.base_fee = 20 * GWEI
    await stage.drive(30)
    await stage.drive()
    winner = stage.database.intent(KEY).attempts[1]
    stage.chain.mine(3)
    await stage.drive()
    await stage.add_intent("creation/later")
    stage.chain.reorg(3)
    before = len(stage.chain.broadcasts)
    await stage.drive()
    assert stage.chain.broadcasts[before:] == [winner.raw]


async def test_a_signer_with_a_history_that_no_journal_knows_stops_before_its_first() -> None:
    """The database may be a backup of the time before the signer's first transaction."""
    stage = Stage()
    stage.chain.use_nonce_elsewhere()
    await stage.add_intent()
    assert not await stage.drive()
    assert "JOURNAL_BEHIND_CHAIN: the chain has 1 transactions" in told(stage.database.lane().halted_because)
    assert stage.database.intent(KEY).problem == stage.database.lane().halted_because
    assert stage.chain.signed == []


async def _other_id(stage: Stage) -> None:
    stage.chain.id_told = 1


async def _other_genesis(stage: Stage) -> None:
    stage.chain.genesis = "0x" + "11" * 32


async def _not_the_embedded_chain(stage: Stage) -> None:
    stage.engine = replace(stage.engine, devnet_genesis_hash="0x" + "22" * 32)


@pytest.mark.parametrize("change", [_other_id, _other_genesis, _not_the_embedded_chain])
async def test_on_another_chain_nothing_is_signed_or_sent(change: object) -> None:
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    await stage.add_intent("creation/later")
    await change(stage)  # type: ignore[operator]
    with pytest.raises(WrongChainError):
        await stage.drive()
    assert stage.chain.broadcasts == []
    assert stage.chain.signed == [0]


async def test_the_window_of_open_nonces_is_bounded() -> None:
    stage = Stage(settings=engine_settings(max_in_flight_transactions=2))
    for number in range(5):
        await stage.add_intent(f"creation/{number}")
    for _ in range(10):
        await stage.drive()
    assert stage.chain.signed == [0, 1]
    stage.chain.mine(3)
    for _ in range(10):
        await stage.drive()
    assert stage.chain.signed == [0, 1, 2, 3]


async def test_what_cannot_be_sent_now_does_not_hold_up_the_others() -> None:
    stage = Stage()
    await stage.add_intent("creation/blocked", data=b"blocked")
    await stage.add_intent("creation/free")
    stage.chain.would_revert = lambda call: "TokenIsPaused()" if call.data == b"blocked" else ""
    for _ in range(3):
        await stage.drive()
    assert told(stage.database.intent("creation/blocked").problem) == "CALL_WOULD_REVERT: TokenIsPaused()"
    assert stage.database.intent("creation/free").nonce == 0
    stage.chain.would_revert = lambda call: ""
    await stage.drive()
    blocked = stage.database.intent("creation/blocked")
    assert (blocked.nonce, blocked.problem) == (1, None)


async def test_a_creation_above_the_gas_cap_is_named_and_not_signed() -> None:
    stage = Stage()
    stage.chain.gas_of_creation = stage.engine.settings.max_transaction_gas + 1
    await stage.add_intent()
    assert not await stage.drive()
    problem = told(stage.database.intent(KEY).problem)
    assert problem == "GAS_CAP_TOO_LOW: the call needs 3000001 gas, the cap is 3000000"
    assert stage.chain.signed == []


async def test_the_gas_limit_is_the_estimate_and_a_tenth() -> None:
    stage = Stage()
    await stage.add_intent()
    await stage.drive()
    assert stage.database.intent(KEY).gas_limit == 1_100_000


async def test_a_fee_above_the_cap_is_named_for_all_that_wait() -> None:
    stage = Stage(settings=engine_settings(max_fee_per_gas_wei=50 * GWEI))
    stage.chain.base_fee = 51 * GWEI
    await stage.add_intent("creation/a")
    await stage.add_intent("creation/b")
    assert not await stage.drive()
    problem = f"FEE_CAP_REACHED: {51 * GWEI} wei per gas are asked for, the cap is {50 * GWEI}"
    assert {told(each.problem) for each in stage.database.intents()} == {problem}
    stage.chain.base_fee = 50 * GWEI
    await stage.drive()
    assert stage.chain.signed == [0]
    assert stage.database.intent("creation/a").attempts[0].fees.max_fee_per_gas_wei == 50 * GWEI


async def test_a_signer_that_fails_uses_no_nonce() -> None:
    stage = Stage()
    await stage.add_intent()

    async def refuse(*arguments: object, **named: object) -> object:
        raise RuntimeError("the custodian is away")

    original, stage.chain.sign = stage.chain.sign, refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError):
        await stage.drive()
    stage.chain.sign = original  # type: ignore[method-assign]
    await stage.drive()
    assert stage.database.intent(KEY).nonce == 0


@pytest.mark.parametrize("seed", range(20))
async def test_two_replicas_never_share_or_skip_a_nonce(seed: int) -> None:
    stage = Stage(seed=seed)
    for number in range(6):
        await stage.add_intent(f"creation/{number}")
    for _ in range(30):
        await asyncio.gather(drive_transactions(stage.lanes, SIGNER), drive_transactions(stage.lanes, SIGNER))
        stage.chain.mine()
    assert sorted(intent.nonce or 0 for intent in stage.database.intents()) == list(range(6))
    assert {intent.state for intent in stage.database.intents()} == {IntentState.SUCCEEDED}
    assert sorted(stage.chain.signed) == list(range(6)), "signed once each"


@pytest.mark.parametrize("seed", range(20))
async def test_two_replicas_together_keep_to_the_window(seed: int) -> None:
    stage = Stage(seed=seed, settings=engine_settings(max_in_flight_transactions=2))
    stage.chain.is_stuck = True
    for number in range(5):
        await stage.add_intent(f"creation/{number}")
    for _ in range(10):
        await asyncio.gather(*(drive_transactions(stage.lanes, SIGNER) for _ in range(3)))
    assert sorted(stage.chain.signed) == [0, 1]


async def test_each_signer_has_a_lane_of_its_own() -> None:
    stage = Stage(signers=(SIGNER, OTHER_SIGNER))
    await stage.add_intent("creation/a")
    await stage.add_intent("creation/b", signer=OTHER_SIGNER)
    await stage.add_intent("creation/c", signer=OTHER_SIGNER)
    await stage.drive()
    await stage.drive(signer=OTHER_SIGNER)
    await stage.drive(signer=OTHER_SIGNER)
    nonces = {each.key: (each.signer, each.nonce) for each in stage.database.intents()}
    assert nonces == {
        "creation/a": (SIGNER, 0),
        "creation/b": (OTHER_SIGNER, 0),
        "creation/c": (OTHER_SIGNER, 1),
    }
    assert set(stage.database.rows("lane")) == {(CHAIN_ID, SIGNER), (CHAIN_ID, OTHER_SIGNER)}


async def test_a_halted_lane_does_not_stop_the_others() -> None:
    stage = Stage(signers=(SIGNER, OTHER_SIGNER))
    await signed_and_sent(stage)
    stage.chain.pool.clear()
    stage.chain.use_nonce_elsewhere()
    stage.chain.mine(2)
    await stage.drive()
    await stage.add_intent("creation/b", signer=OTHER_SIGNER)
    await stage.drive(signer=OTHER_SIGNER)
    assert stage.database.intent(KEY).state is IntentState.NONCE_LOST
    assert stage.database.intent("creation/b").state is IntentState.SIGNED


async def test_the_lane_of_another_signer_is_left_alone() -> None:
    stage = Stage()
    await signed_and_sent(stage)
    stage.engine = replace(stage.engine, signers=(OTHER_SIGNER,))
    before = MemoryDatabase.intents(stage.database)
    await stage.drive(60, OTHER_SIGNER)
    assert stage.database.intents() == before
    assert before[0].signer == SIGNER


async def test_a_relay_that_refuses_gaps_gets_one_after_the_other() -> None:
    stage = Stage(settings=engine_settings(max_in_flight_transactions=3))
    stage.chain.is_relay = True
    for number in range(3):
        await stage.add_intent(f"creation/{number}")
    for _ in range(4):
        await stage.drive()
    assert told(stage.database.intent("creation/1").problem).startswith("NONCE_GAP: ")
    for _ in range(12):
        stage.chain.mine()
        await stage.drive(10)
    assert [each.nonce for each in stage.database.intents()] == [0, 1, 2]
    assert {each.state for each in stage.database.intents()} == {IntentState.SUCCEEDED}
    assert stage.chain.signed == [0, 1, 2]
