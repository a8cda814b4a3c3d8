"""What is left over goes to the treasurer: once per request, and never below what is promised."""

import asyncio
from uuid import UUID, uuid4

import pytest

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey
from payout_service.application.sending.chain_identity import WrongChainError
from payout_service.application.treasury.sweep_leftover import (
    SweepLeftoverCommand,
    advance_one_sweep,
    sweep_leftover,
)
from payout_service.application.treasury.treasury import get_treasury
from payout_service.domain.payout import PayoutState
from payout_service.domain.sweep import Sweep, SweepState
from payout_service.domain.transaction import IntentState
from payout_service.domain.treasury import treasury_key
from tests.support.payout.memory_chain import CONTRACT, PAYMENT_TOKEN, TREASURER
from tests.support.payout.stage import ASSET_ID, Stage, ready_contract


async def with_money(amount: int = 1_000, *, seed: int | None = None) -> Stage:
    stage = Stage([1, 1], seed=seed)
    await stage.add_asset()
    stage.chain.deposit(amount)
    return stage


def command(
    amount: int | None, request_id: UUID | None = None, to: EvmAddress = TREASURER, content: bytes = b""
) -> SweepLeftoverCommand:
    key = RequestKey(request_id or uuid4(), "SweepLeftover", content, "treasurer")
    return SweepLeftoverCommand(key, ASSET_ID, to, None if amount is None else BaseUnits(amount))


async def run(stage: Stage, sweep: Sweep) -> Sweep:
    for _ in range(20):
        await stage.round()
        stage.chain.mine()
        found = stage.database.rows("sweep")[sweep.sweep_id]
        assert isinstance(found, Sweep)
        if found.state is not SweepState.SENDING:
            return found
    raise AssertionError(f"not final: {stage.database.sweeps()}")


async def test_what_is_available_goes_to_the_treasurer() -> None:
    stage = await with_money()
    sweep = await sweep_leftover(stage.engine, command(400))
    assert (sweep.state, sweep.amount_base_units, sweep.to) == (SweepState.SENDING, 400, TREASURER)
    assert stage.database.committed_base_units() == 400
    view = await get_treasury(stage.engine, ASSET_ID)
    assert view.commitments == [(f"sweeps/{sweep.sweep_id}", 400)]
    done = await run(stage, sweep)
    intent = stage.database.intent(sweep.intent_key)
    assert intent.outcome
    assert (done.state, done.transaction_hash) == (SweepState.SUCCEEDED, intent.outcome.transaction_hash)
    assert stage.chain.money_of(TREASURER.value) == 400
    assert stage.chain.money_of(CONTRACT.value) == 600
    assert stage.database.committed_base_units() == 0


async def test_without_an_amount_all_that_is_available_goes() -> None:
    stage = await with_money()
    payout_id = await stage.request(600)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    sweep = await sweep_leftover(stage.engine, command(None))
    assert sweep.amount_base_units == 400
    assert (await run(stage, sweep)).state is SweepState.SUCCEEDED
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)


@pytest.mark.parametrize("amount", [401, 1_000, 10**30])
async def test_what_is_promised_is_never_swept(amount: int) -> None:
    stage = await with_money()
    payout_id = await stage.request(600)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    with pytest.raises(AppError) as caught:
        await sweep_leftover(stage.engine, command(amount))
    assert (caught.value.reason, caught.value.field) == (Reason.INSUFFICIENT_FUNDS, "amount_base_units")
    assert caught.value.metadata == {"available_base_units": "400"}
    assert stage.database.sweeps() == []
    assert stage.database.committed_base_units() == 600


async def test_of_nothing_nothing_is_swept() -> None:
    stage = await with_money(0)
    with pytest.raises(AppError) as caught:
        await sweep_leftover(stage.engine, command(None))
    assert caught.value.reason is Reason.INSUFFICIENT_FUNDS


async def test_without_the_role_it_says_who_can_grant_it() -> None:
    stage = await with_money()
    stage.chain.has_transferer_role = False
    with pytest.raises(AppError, match="lacks TRANSFERER_ROLE on the lifecycle contract") as caught:
        await sweep_leftover(stage.engine, command(1))
    assert (caught.value.reason, caught.value.field) == (Reason.TRANSFERER_ROLE_MISSING, "asset")
    assert stage.database.intents() == []


async def test_on_another_chain_nothing_is_set_aside() -> None:
    stage = await with_money()
    stage.chain.id_told = 1
    with pytest.raises(WrongChainError):
        await sweep_leftover(stage.engine, command(1))
    assert stage.database.sweeps() == []


async def test_an_asset_that_is_not_known_yet_is_named() -> None:
    with pytest.raises(AppError) as caught:
        await sweep_leftover(Stage().engine, command(1))
    assert caught.value.reason is Reason.ASSET_NOT_YET_KNOWN


async def test_a_repeated_request_sweeps_once_and_answers_with_the_present_state() -> None:
    stage = await with_money()
    request = command(400, uuid4())
    sweep = await sweep_leftover(stage.engine, request)
    again = await sweep_leftover(stage.engine, request)
    assert again == sweep
    await run(stage, sweep)
    assert (await sweep_leftover(stage.engine, request)).state is SweepState.SUCCEEDED
    assert stage.chain.money_of(TREASURER.value) == 400
    with pytest.raises(AppError) as caught:
        await sweep_leftover(stage.engine, command(400, request.key.request_id, content=b"other"))
    assert caught.value.reason is Reason.REQUEST_ID_REUSED


@pytest.mark.parametrize("seed", range(10))
async def test_the_same_request_at_once_sweeps_once(seed: int) -> None:
    stage = await with_money(seed=seed)
    request = command(400, uuid4())
    sweeps = await asyncio.gather(*(sweep_leftover(stage.engine, request) for _ in range(3)))
    assert len({each.sweep_id for each in sweeps}) == 1
    assert stage.database.committed_base_units() == 400


@pytest.mark.parametrize("seed", range(15))
async def test_sweeps_and_a_payout_at_once_never_promise_the_same_money(seed: int) -> None:
    stage = await with_money(seed=seed)
    payout_id = await stage.request(600)
    await stage.run_to(payout_id, PayoutState.WAITING_FOR_FUNDS)
    stage.clock.advance(5)
    results = await asyncio.gather(
        sweep_leftover(stage.engine, command(600)),
        stage.round(),
        sweep_leftover(stage.engine, command(600)),
        return_exceptions=True,
    )
    sweeps = [each for each in results if isinstance(each, Sweep)]
    assert len(sweeps) <= 1
    assert all(isinstance(each, Sweep | AppError | None) for each in results)
    await stage.rounds(15)
    paid = stage.payout(payout_id).progress.paid_base_units
    assert stage.chain.money_of(TREASURER.value) == 600 * len(sweeps)
    assert paid == (0 if sweeps else 600)
    assert stage.database.committed_base_units() == 0


async def test_a_balance_read_before_money_left_is_not_used() -> None:
    """The treasury changes between balance and lock: the balance may hold money that has left since."""
    stage = await with_money()
    key = treasury_key(ready_contract())
    rows, looks = stage.database.rows("treasury"), 0

    def changed_meanwhile() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            rows[key] = rows.get(key, 0) + 1

    stage.chain.before_balance_answer = changed_meanwhile
    assert (await sweep_leftover(stage.engine, command(1))).amount_base_units == 1
    assert looks == 2


async def test_a_treasury_that_keeps_changing_is_given_up_after_some_looks() -> None:
    stage = await with_money()
    key = treasury_key(ready_contract())
    rows = stage.database.rows("treasury")

    def changed_meanwhile() -> None:
        rows[key] = rows.get(key, 0) + 1

    stage.chain.before_balance_answer = changed_meanwhile
    with pytest.raises(AppError, match="keeps changing") as caught:
        await sweep_leftover(stage.engine, command(1))
    assert caught.value.reason is Reason.CHAIN_UNAVAILABLE
    assert stage.database.sweeps() == []


async def test_a_reverted_sweep_frees_the_money() -> None:
    stage = await with_money()
    sweep = await sweep_leftover(stage.engine, command(400))
    await stage.drive()
    stage.chain.has_transferer_role = False
    failed = await run(stage, sweep)
    assert failed.state is SweepState.FAILED
    assert failed.failure_reason.startswith("TRANSACTION_REVERTED")
    assert failed.transaction_hash
    assert stage.database.committed_base_units() == 0
    assert stage.chain.money_of(CONTRACT.value) == 1_000
    stage.chain.has_transferer_role = True
    assert (await run(stage, await sweep_leftover(stage.engine, command(400)))).state is SweepState.SUCCEEDED


async def test_a_sweep_that_cannot_be_sent_waits_by_name_and_keeps_its_money() -> None:
    stage = await with_money()
    sweep = await sweep_leftover(stage.engine, command(400))
    stage.chain.paused = True
    await stage.rounds(4)
    waiting = stage.database.rows("sweep")[sweep.sweep_id]
    assert waiting.waiting_for.startswith("CALL_WOULD_REVERT: ")
    assert stage.database.committed_base_units() == 400
    stage.chain.paused = False
    done = await run(stage, sweep)
    assert (done.state, done.waiting_for) == (SweepState.SUCCEEDED, "")


async def test_a_sweep_counts_only_when_it_is_final() -> None:
    stage = await with_money()
    sweep = await sweep_leftover(stage.engine, command(400))
    await stage.drive()
    await stage.drive()
    stage.chain.mine()
    await stage.drive()
    assert stage.database.intent(sweep.intent_key).state is IntentState.MINED
    stage.clock.advance(5)
    await advance_one_sweep(stage.engine)
    assert stage.database.rows("sweep")[sweep.sweep_id].state is SweepState.SENDING
    assert stage.database.committed_base_units() == 400
    stage.chain.reorg(1)
    assert (await run(stage, sweep)).state is SweepState.SUCCEEDED
    assert stage.chain.money_of(TREASURER.value) == 400


async def test_a_lost_nonce_leaves_the_sweep_waiting_by_name() -> None:
    stage = await with_money()
    sweep = await sweep_leftover(stage.engine, command(400))
    await stage.drive()
    stage.chain.use_nonce_elsewhere()
    await stage.rounds(6)
    waiting = stage.database.rows("sweep")[sweep.sweep_id]
    assert waiting.state is SweepState.SENDING
    assert waiting.waiting_for.startswith("SIGNER_NEEDS_RECONCILIATION")
    assert stage.database.committed_base_units() == 400, "until somebody knows what used the nonce"


@pytest.mark.parametrize("seed", range(8))
async def test_two_replicas_settle_a_sweep_once(seed: int) -> None:
    stage = await with_money(seed=seed)
    sweep = await sweep_leftover(stage.engine, command(400))
    for _ in range(3):
        await stage.drive()
    stage.chain.mine(3)
    await stage.drive()
    stage.clock.advance(60)
    await asyncio.gather(*(advance_one_sweep(stage.engine) for _ in range(3)))
    assert stage.database.rows("sweep")[sweep.sweep_id].state is SweepState.SUCCEEDED
    assert stage.database.committed_base_units() == 0
    balance = await stage.chain.payment_token_balance(PAYMENT_TOKEN, CONTRACT)
    assert balance == 600


async def test_money_that_has_left_is_not_counted_again_by_a_node_that_lags() -> None:
    """One of several nodes still tells the balance of before the first sweep, whose promise is settled."""
    stage = await with_money(1_000)
    await run(stage, await sweep_leftover(stage.engine, command(400)))
    stage.chain.lag_of = lambda: 8
    with pytest.raises(AppError) as refused:
        await sweep_leftover(stage.engine, command(1_000))
    assert refused.value.reason is Reason.CHAIN_UNAVAILABLE
    assert "lags" in refused.value.message
    stage.chain.lag_of = lambda: 0
    with pytest.raises(AppError) as refused:
        await sweep_leftover(stage.engine, command(1_000))
    assert refused.value.reason is Reason.INSUFFICIENT_FUNDS
