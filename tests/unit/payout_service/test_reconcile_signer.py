"""A signer that stopped goes on only when every transaction that the journal does not know is accounted for.

The database was restored from a backup, or another program has used the key. Whatever was done stays done once.
"""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from libs.chain.quantities import BaseUnits
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey
from libs.payout_terms.terms import PayeeRules
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.life.control_payout import pause_payout
from payout_service.application.ports.rail import Receipt
from payout_service.application.recovery import match_transactions
from payout_service.application.recovery.reconcile_signer import SignerAccount, reconcile_signer
from payout_service.application.sending.chain_identity import WrongChainError
from payout_service.application.treasury.sweep_leftover import SweepLeftoverCommand, sweep_leftover
from payout_service.domain.payments import FailureReason, PaymentState
from payout_service.domain.payout import WORKED_STATES, Payout, PayoutState
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.sweep import SweepState
from payout_service.domain.transaction import IntentState
from payout_service.domain.waits import told
from tests.support.payout.amounts import execution_of
from tests.support.payout.memory_chain import CONTRACT, GWEI, OTHER_SIGNER, SIGNER, TOKEN, TREASURER, holder
from tests.support.payout.stage import ASSET_ID, Stage, engine_settings
from tests.support.payout.terms_of import terms_of

TOTAL = 10_000


def key(content: bytes = b"") -> RequestKey:
    return RequestKey(uuid4(), "ReconcileSigner", content, "operator")


async def reconcile(stage: Stage, *acknowledged: str, request: RequestKey | None = None) -> SignerAccount:
    return await reconcile_signer(stage.engine, request or key(), SIGNER, frozenset(acknowledged))


async def refused(stage: Stage, *acknowledged: str) -> AppError:
    with pytest.raises(AppError) as caught:
        await reconcile(stage, *acknowledged)
    return caught.value


async def executing(stage: Stage) -> UUID:
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.EXECUTING)
    return payout_id


async def halt(stage: Stage) -> None:
    """Until the signer has stopped and all is final."""
    for _ in range(12):
        await stage.round()
        stage.chain.mine()
        lane = stage.database.rows("lane").get((stage.engine.chain_id, SIGNER))
        if lane and lane.halted_because:
            break
    stage.chain.mine(3)
    await stage.rounds(2)
    assert told(stage.database.lane().halted_because).startswith("SIGNER_NEEDS_RECONCILIATION: ")


def hashes(stage: Stage) -> list[str]:
    """All mined transactions of the signer."""
    state = stage.chain.state
    return [state.by_nonce[SIGNER, nonce] for nonce in range(state.nonce)]


async def finish(stage: Stage, payout_id: UUID) -> Payout:
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    stage.assert_paid_as_planned(payout_id)
    assert {row.state for row in stage.payments(payout_id)} == {PaymentState.PAID}
    assert stage.database.committed_base_units() == 0
    assert told(stage.database.lane().halted_because) == ""
    return payout


# ------------------------------------------------------------------------------------------------ foreign use


async def test_a_batch_that_lost_its_nonce_is_paid_by_another_after_the_accounting() -> None:
    stage = Stage()
    payout_id = await executing(stage)
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    await stage.drive()
    stage.chain.use_nonce_elsewhere()
    await halt(stage)
    lost = stage.database.intent(f"batch/{payout_id}/1")
    assert lost.state is IntentState.NONCE_LOST
    await stage.rounds(5)
    waiting = [row for row in stage.payments(payout_id) if row.batch_number == 1]
    assert {row.state for row in waiting} == {PaymentState.IN_FLIGHT}, "nobody of it is paid before the accounting"
    account = await reconcile(stage)
    (foreign,) = account.transactions
    assert lost.nonce is not None
    assert (foreign.nonce, foreign.transaction_hash) == (lost.nonce, hashes(stage)[lost.nonce])
    assert foreign.account == "a call on no token or lifecycle contract known here"
    assert account.signer.halted_because == ""
    payout = await finish(stage, payout_id)
    assert payout.progress.batch_count >= 4


async def test_a_foreign_batch_on_our_snapshot_pays_its_payees_once() -> None:
    """Another program paid two payees with our key: they are settled by that execution."""
    stage = Stage()
    payout_id = await executing(stage)
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    await stage.drive()
    execution = execution_of(ExecutionKind.AMOUNT_SNAPSHOT, 1, TOTAL, (holder(0), holder(5)))
    call = stage.chain.pay_batch(CONTRACT, TOKEN, execution)
    stage.chain.use_nonce_elsewhere(call)
    await halt(stage)
    account = await reconcile(stage)
    assert account.transactions[0].account == f"a batch of payouts/{payout_id} with 2 payees"
    assert account.transactions[0].payout_id == payout_id
    await finish(stage, payout_id)
    by_holder = {row.planned.holder: row.transaction_hash for row in stage.payments(payout_id)}
    foreign_hash = account.transactions[0].transaction_hash
    assert [each for each, by in by_holder.items() if by == foreign_hash] == [holder(0), holder(5)]


async def test_a_snapshot_that_lost_its_nonce_is_asked_for_again() -> None:
    stage = Stage()
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await stage.run_to(payout_id, PayoutState.SNAPSHOTTING)
    while stage.database.intent(f"snapshot/{payout_id}").state is IntentState.CREATED:
        await stage.drive()
    stage.chain.pool.clear()
    stage.chain.use_nonce_elsewhere()
    await halt(stage)
    await stage.rounds(3)
    assert stage.payout(payout_id).waiting_for.startswith("SIGNER_NEEDS_RECONCILIATION")
    assert len(stage.database.intents()) == 1, "not asked for again before somebody knows what used the nonce"
    await reconcile(stage)
    await finish(stage, payout_id)
    assert stage.database.intent(f"snapshot/{payout_id}/2").state is IntentState.SUCCEEDED
    assert len(stage.chain.state.snapshots) == 1


async def test_a_transaction_that_reverted_changed_nothing() -> None:
    stage = Stage()
    payout_id = await executing(stage)
    stage.chain.use_nonce_elsewhere(stage.chain.sweep(CONTRACT, TREASURER, 10**9))
    await halt(stage)
    account = await reconcile(stage)
    assert account.transactions[0].account == "a SWEEP that reverted: it changed nothing"
    await finish(stage, payout_id)


# ------------------------------------------------------------------------------------------------ backups


async def restored_before_batches(stage: Stage, after_batches: int) -> UUID:
    """A backup is taken when so many batches are final, and put back when the payout is paid to its end."""
    payout_id = await executing(stage)
    while stage.payout(payout_id).progress.final_batch_count < after_batches:
        await stage.round()
        stage.chain.mine()
    backup = stage.database.backup()
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.database.restore(backup)
    return payout_id


@pytest.mark.parametrize("after_batches", [0, 1, 2])
async def test_batches_that_a_backup_does_not_know_are_settled_by_what_they_did(after_batches: int) -> None:
    stage = Stage([1] * 16, settings=engine_settings(max_in_flight_transactions=1))
    payout_id = await restored_before_batches(stage, after_batches)
    await halt(stage)
    signed = len(stage.chain.signed)
    await stage.rounds(5)
    assert len(stage.chain.signed) == signed, "a stopped signer signs nothing"
    account = await reconcile(stage)
    assert len(account.transactions) >= 1
    assert {each.account for each in account.transactions} == {f"a batch of payouts/{payout_id} with 4 payees"}
    await finish(stage, payout_id)
    known = set(hashes(stage))
    assert {row.transaction_hash for row in stage.payments(payout_id)} <= known


@pytest.mark.parametrize("with_lane", [True, False])
@pytest.mark.parametrize("state", [PayoutState.REQUESTED, PayoutState.SNAPSHOTTING])
async def test_a_snapshot_that_a_backup_does_not_know_is_adopted(state: PayoutState, with_lane: bool) -> None:
    """Also where the backup is of the time before the signer's very first transaction."""
    stage = Stage()
    stage.chain.deposit(TOTAL)
    if with_lane:
        assert (await stage.run(await stage.request(10))).state is PayoutState.COMPLETED
    snapshots, paid_before = len(stage.chain.state.snapshots), dict(stage.chain.state.money)
    payout_id = await stage.request(TOTAL // 2)
    await stage.run_to(payout_id, state)
    backup = stage.database.backup()
    await stage.run_to(payout_id, PayoutState.PLANNING)
    taken = hashes(stage)[-1]
    stage.database.restore(backup)
    assert stage.payout(payout_id).state is state
    await halt(stage)
    account = await reconcile(stage)
    (adopted,) = account.transactions
    assert (adopted.account, adopted.transaction_hash) == (f"the snapshot of payouts/{payout_id}", taken)
    payout = await stage.run(payout_id)
    assert payout.state is PayoutState.COMPLETED
    assert len(stage.chain.state.snapshots) == snapshots + 1, "a second one would pay everybody twice"
    for row in stage.payments(payout_id):
        before = paid_before.get(row.planned.holder, 0)
        assert stage.chain.money_of(row.planned.holder) - before == row.planned.amount_base_units


async def test_a_whole_payout_that_a_backup_does_not_know_is_paid_once() -> None:
    """The snapshot is adopted, and with it the batches that were paid from it."""
    stage = Stage([1] * 8)
    # Before it pays, the plan is promised money that its batches have taken already; it is free again afterwards.
    stage.chain.deposit(2 * TOTAL)
    payout_id = await stage.request(TOTAL)
    backup = stage.database.backup()
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    snapshot, *batches = hashes(stage)
    stage.database.restore(backup)
    await halt(stage)
    account = await reconcile(stage)
    assert [each.transaction_hash for each in account.transactions] == [snapshot, *batches]
    assert {each.payout_id for each in account.transactions} == {payout_id}
    await finish(stage, payout_id)
    assert len(stage.chain.state.snapshots) == 1
    assert {row.transaction_hash for row in stage.payments(payout_id)} == set(batches)


@pytest.mark.parametrize("is_another_total", [True, False])
async def test_a_snapshot_is_adopted_only_by_a_payout_that_may_have_paid_from_it(is_another_total: bool) -> None:
    """Its batches tell the total: of two payouts that wait it is the one with that total."""
    stage = Stage([1] * 4)
    stage.chain.deposit(6 * TOTAL)
    payout_id = await stage.request(TOTAL)
    other_id = await stage.request(2 * TOTAL)
    backup = stage.database.backup()
    await stage.run(payout_id)
    await stage.run(other_id)
    stage.database.restore(backup)
    if is_another_total:
        # As if the request had been for another amount: the row is what the service believes.
        for each in (payout_id, other_id):
            stage.database.rows("payout")[each].total_base_units += 1
    await halt(stage)
    if is_another_total:
        error = await refused(stage)
        assert error.metadata
        assert "which 2 waiting payouts may own" in " ".join(error.metadata.values())
    else:
        await reconcile(stage)
        for each in (payout_id, other_id):
            assert (await stage.run(each)).state is PayoutState.COMPLETED
        assert len(stage.chain.state.snapshots) == 2
        assert {stage.chain.money_of(payee) for payee, _ in stage.chain.balances} == {3 * TOTAL // 4}


async def test_bytes_that_the_backup_has_are_found_and_not_unknown() -> None:
    """The backup is of the moment between journaling and sending: the same bytes are sent again, and found."""
    stage = Stage([1] * 4)
    payout_id = await executing(stage)
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    await stage.drive()
    assert stage.database.intent(f"batch/{payout_id}/1").state is IntentState.SIGNED
    backup = stage.database.backup()
    await stage.run(payout_id)
    stage.database.restore(backup)
    await finish(stage, payout_id)
    assert len(hashes(stage)) == 2


async def test_a_replacement_that_the_backup_does_not_know_loses_the_nonce_and_is_matched() -> None:
    stage = Stage([1] * 4)
    payout_id = await executing(stage)
    stage.clock.advance(5)
    await advance_one_payout(stage.engine)
    await stage.drive()
    await stage.drive()
    backup = stage.database.backup()
    stage.chain.base_fee = 20 * GWEI
    stage.chain.mine()
    await stage.drive(30)
    await stage.drive()
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    stage.database.restore(backup)
    await halt(stage)
    assert stage.database.intent(f"batch/{payout_id}/1").state is IntentState.NONCE_LOST
    account = await reconcile(stage)
    assert account.transactions[0].account == f"a batch of payouts/{payout_id} with 4 payees"
    await finish(stage, payout_id)


async def test_a_sweep_that_a_backup_has_not_sent_is_adopted() -> None:
    stage = Stage([1, 1])
    await stage.add_asset()
    stage.chain.deposit(1_000)
    command = SweepLeftoverCommand(key(), ASSET_ID, TREASURER, BaseUnits(400))
    sweep = await sweep_leftover(stage.engine, command)
    backup = stage.database.backup()
    await stage.rounds(8)
    assert stage.database.rows("sweep")[sweep.sweep_id].state is SweepState.SUCCEEDED
    stage.database.restore(backup)
    await halt(stage)
    assert (await reconcile(stage)).transactions[0].account == f"sweeps/{sweep.sweep_id}"
    await stage.rounds(8)
    done = stage.database.rows("sweep")[sweep.sweep_id]
    assert (done.state, done.transaction_hash) == (SweepState.SUCCEEDED, hashes(stage)[0])
    assert stage.chain.money_of(TREASURER.value) == 400
    assert stage.database.committed_base_units() == 0


async def test_a_sweep_that_no_backup_knows_needs_an_operator() -> None:
    stage = Stage([1, 1])
    stage.chain.deposit(1_000)
    payout_id = await stage.request(500)
    await stage.run(payout_id)
    backup = stage.database.backup()
    await sweep_leftover(stage.engine, SweepLeftoverCommand(key(), ASSET_ID, TREASURER, BaseUnits(100)))
    await stage.rounds(8)
    swept = hashes(stage)[-1]
    stage.database.restore(backup)
    other = await stage.request(300)
    await halt(stage)
    error = await refused(stage)
    assert error.metadata == {swept: "a sweep that nobody here has asked for"}
    await reconcile(stage, swept)
    assert (await stage.run(other)).state is PayoutState.COMPLETED


# ------------------------------------------------------------------------------------------------ cannot be told


async def test_a_snapshot_for_which_several_payouts_wait_needs_an_operator() -> None:
    stage = Stage()
    stage.chain.deposit(TOTAL)
    payouts = [await stage.request(1_000), await stage.request(2_000)]
    backup = stage.database.backup()
    await stage.run_to(payouts[0], PayoutState.SNAPSHOTTING)
    while not stage.chain.state.snapshots:
        await stage.drive()
        stage.chain.mine()
    stage.chain.mine(3)
    stage.database.restore(backup)
    await halt(stage)
    error = await refused(stage)
    assert error.reason is Reason.TRANSACTION_NOT_ACCOUNTED
    assert error.metadata
    assert "which 2 waiting payouts may own" in " ".join(error.metadata.values())
    await reconcile(stage, *hashes(stage))
    for payout_id in payouts:
        assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    for row in stage.payments(payouts[0]):
        other = stage.payments(payouts[1])[row.planned.ordinal]
        both = row.planned.amount_base_units + other.planned.amount_base_units
        assert stage.chain.money_of(row.planned.holder) == both


async def test_a_strangers_total_of_nothing_speaks_for_no_percentage() -> None:
    """A percentage has no total before its snapshot. Its 0 must not be taken for the 0 of somebody else's call."""
    stage = Stage([1] * 4)
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(0, percentage_basis_points=1_000)
    with_exclusion = await stage.request(0, percentage_basis_points=2_000)
    rules = PayeeRules(excluded=frozenset({holder(0)}))
    terms = terms_of(percentage_basis_points=2_000, rules=rules)
    stage.database.rows("payout")[with_exclusion].terms = terms
    backup = stage.database.backup()
    await pause_payout(stage.engine, key(), with_exclusion)
    assert (await stage.run(payout_id)).state is PayoutState.COMPLETED
    (snapshot_id,) = stage.chain.state.snapshots
    stage.database.restore(backup)
    stage.chain.pay_elsewhere(execution_of(ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id, 0, (holder(3),)))
    stage.chain.mine(3)
    await halt(stage)
    error = await refused(stage)
    assert error.metadata
    assert "which 2 waiting payouts may own" in " ".join(error.metadata.values())


async def test_two_snapshots_for_one_payout_need_an_operator() -> None:
    stage = Stage()
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    for _ in range(2):
        stage.chain.use_nonce_elsewhere(stage.chain.take_snapshot(TOKEN))
    await halt(stage)
    error = await refused(stage)
    assert error.metadata
    assert set(error.metadata) == set(hashes(stage))
    await reconcile(stage, *hashes(stage))
    payout = await finish(stage, payout_id)
    assert payout.snapshot
    assert payout.snapshot.snapshot_id == 1
    assert len(stage.chain.state.snapshots) == 2


async def test_a_snapshot_from_before_the_payout_was_requested_is_not_its_own() -> None:
    """A new database, and a key with a history: the old list of holders must not be paid from."""
    stage = Stage()
    await stage.add_asset()
    stage.chain.use_nonce_elsewhere(stage.chain.take_snapshot(TOKEN))
    stage.clock.advance(86_400)
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await halt(stage)
    assert (await refused(stage)).reason is Reason.TRANSACTION_NOT_ACCOUNTED
    await reconcile(stage, *hashes(stage))
    payout = await finish(stage, payout_id)
    assert payout.snapshot
    assert payout.snapshot.snapshot_id == 2


async def test_another_call_on_our_contract_needs_an_operator() -> None:
    stage = Stage()
    payout_id = await executing(stage)
    call = stage.chain.take_snapshot(TOKEN)
    stage.chain.use_nonce_elsewhere(type(call)(CONTRACT, b'{"function": "executeByPage"}'))
    await halt(stage)
    error = await refused(stage)
    assert error.reason is Reason.TRANSACTION_NOT_ACCOUNTED
    await reconcile(stage, hashes(stage)[-1])
    await finish(stage, payout_id)


async def test_a_payout_that_is_paused_before_its_snapshot_has_to_be_resumed_first() -> None:
    stage = Stage()
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    await pause_payout(stage.engine, key(), payout_id)
    stage.chain.use_nonce_elsewhere(stage.chain.take_snapshot(TOKEN))
    await stage.add_intent()
    await halt(stage)
    error = await refused(stage)
    assert error.reason is Reason.TRANSACTION_NOT_ACCOUNTED
    assert "resume it first" in error.message
    assert stage.database.lane().halted_because, "nothing of it was done"
    assert stage.database.rows("foreign") == {}


# ------------------------------------------------------------------------------------------------ refusals


async def test_a_signer_that_is_none_of_ours_is_named() -> None:
    stage = Stage()
    with pytest.raises(AppError) as caught:
        await reconcile_signer(stage.engine, key(), OTHER_SIGNER, frozenset())
    assert (caught.value.reason, caught.value.field) == (Reason.SIGNER_NOT_FOUND, "name")


async def test_a_signer_that_has_not_stopped_needs_nothing() -> None:
    stage = Stage()
    assert (await refused(stage)).reason is Reason.SIGNER_NOT_HALTED
    await executing(stage)
    assert (await refused(stage)).reason is Reason.SIGNER_NOT_HALTED


async def test_while_something_is_not_final_it_has_to_wait() -> None:
    stage = Stage()
    await executing(stage)
    stage.chain.use_nonce_elsewhere()
    await halt(stage)
    stage.chain.use_nonce_elsewhere()
    assert (await refused(stage)).reason is Reason.SIGNER_STILL_MOVING
    stage.chain.mine(2)
    assert len((await reconcile(stage)).transactions) == 2


async def test_while_the_journal_has_an_open_nonce_below_it_has_to_wait() -> None:
    """What used it may be known in the next round: then it is no stranger's."""
    stage = Stage(settings=engine_settings(max_in_flight_transactions=2))
    payout_id = await executing(stage)
    for _ in range(2):
        stage.clock.advance(5)
        await advance_one_payout(stage.engine)
    for _ in range(4):
        await stage.drive()
    stage.chain.pool.clear()
    stage.chain.use_nonce_elsewhere()
    stage.chain.use_nonce_elsewhere()
    stage.chain.mine(3)
    original = stage.chain.find_receipt
    second = stage.database.intent(f"batch/{payout_id}/2").attempts[0].transaction_hash

    async def fail_later(transaction_hash: str) -> Receipt | None:
        if transaction_hash == second:
            raise AppError(Reason.CHAIN_UNAVAILABLE, "the node does not answer")
        return await original(transaction_hash)

    stage.chain.find_receipt = fail_later  # type: ignore[method-assign]
    with pytest.raises(AppError):
        await stage.drive()
    stage.chain.find_receipt = original  # type: ignore[method-assign]
    states = [stage.database.intent(f"batch/{payout_id}/{number}").state for number in (1, 2)]
    assert states == [IntentState.NONCE_LOST, IntentState.BROADCAST]
    assert (await refused(stage)).reason is Reason.SIGNER_STILL_MOVING
    await stage.drive()
    assert len((await reconcile(stage)).transactions) == 2
    await finish(stage, payout_id)


async def test_on_another_chain_nothing_is_accounted_for() -> None:
    stage = Stage()
    await executing(stage)
    stage.chain.use_nonce_elsewhere()
    await halt(stage)
    stage.chain.genesis = "0x" + "11" * 32
    with pytest.raises(WrongChainError):
        await reconcile(stage)


async def test_a_node_that_does_not_find_the_transaction_is_asked_again() -> None:
    stage = Stage()
    await executing(stage)
    stage.chain.use_nonce_elsewhere()
    await halt(stage)
    original = stage.chain.transaction_with_nonce

    async def nothing(*arguments: object) -> None:
        return None

    stage.chain.transaction_with_nonce = nothing  # type: ignore[method-assign, assignment]
    assert (await refused(stage)).reason is Reason.CHAIN_UNAVAILABLE
    assert stage.database.lane().halted_because
    stage.chain.transaction_with_nonce = original  # type: ignore[method-assign]
    await reconcile(stage)


async def test_more_than_one_call_can_take_are_accounted_for_call_by_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(match_transactions, "MOST_TRANSACTIONS", 2)
    stage = Stage()
    payout_id = await executing(stage)
    for _ in range(3):
        stage.chain.use_nonce_elsewhere()
    await halt(stage)
    assert len((await reconcile(stage)).transactions) == 2
    await halt(stage)
    assert len((await reconcile(stage)).transactions) == 1
    await finish(stage, payout_id)


# ------------------------------------------------------------------------------------------------ requests


async def test_a_repeated_request_does_nothing_again() -> None:
    stage = Stage()
    payout_id = await executing(stage)
    stage.chain.use_nonce_elsewhere()
    await halt(stage)
    request = key()
    await reconcile(stage, request=request)
    foreign = dict(stage.database.rows("foreign"))
    again = await reconcile(stage, request=request)
    assert again.signer.halted_because == ""
    assert stage.database.rows("foreign") == foreign
    with pytest.raises(AppError) as caught:
        await reconcile(stage, request=RequestKey(request.request_id, "ReconcileSigner", b"other", "operator"))
    assert caught.value.reason is Reason.REQUEST_ID_REUSED
    await finish(stage, payout_id)


@pytest.mark.parametrize("seed", range(10))
async def test_two_operators_at_once_account_once(seed: int) -> None:
    stage = Stage(seed=seed)
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(TOTAL)
    backup = stage.database.backup()
    await stage.run_to(payout_id, PayoutState.PLANNING)
    stage.database.restore(backup)
    await halt(stage)
    results = await asyncio.gather(*(reconcile(stage) for _ in range(3)), return_exceptions=True)
    done = [each for each in results if isinstance(each, SignerAccount)]
    others = [each.reason for each in results if isinstance(each, AppError)]
    assert len(done) == 1
    assert set(others) <= {Reason.SIGNER_NOT_HALTED, Reason.SIGNER_STILL_MOVING}
    assert len(done) + len(others) == 3
    await finish(stage, payout_id)
    assert len(stage.chain.state.snapshots) == 1


Moment = Callable[[Stage, UUID], bool]
MOMENTS: dict[str, Moment] = {
    "requested": lambda stage, payout_id: True,
    "snapshot signed": lambda stage, payout_id: len(stage.chain.signed) > 0,
    "planning": lambda stage, payout_id: stage.payout(payout_id).state is PayoutState.PLANNING,
    "frozen": lambda stage, payout_id: stage.payout(payout_id).plan is not None,
    "executing": lambda stage, payout_id: stage.payout(payout_id).state is PayoutState.EXECUTING,
    "a batch made": lambda stage, payout_id: stage.payout(payout_id).progress.batch_count > 0,
    "a batch sent": lambda stage, payout_id: len(stage.chain.broadcasts) > 1,
    "a batch settled": lambda stage, payout_id: stage.payout(payout_id).progress.final_batch_count > 0,
    "all but one": lambda stage, payout_id: stage.payout(payout_id).progress.final_batch_count > 2,
}


async def restored_to(stage: Stage, payout_id: UUID, moment: str) -> int:
    """Paid to its end, then the backup of a moment is put back and an operator accounts for all. What was paid."""
    for _ in range(200):
        if MOMENTS[moment](stage, payout_id):
            break
        stage.clock.advance(5)
        await advance_one_payout(stage.engine)
        if MOMENTS[moment](stage, payout_id):
            break
        await stage.drive()
        stage.chain.mine()
    backup = stage.database.backup()
    paid = (await stage.run(payout_id)).progress.paid_base_units
    stage.database.restore(backup)
    for _ in range(60):
        await stage.round()
        stage.chain.mine()
        if stage.payout(payout_id).state not in WORKED_STATES:
            break
        if stage.database.rows("lane") and stage.database.lane().halted_because:
            stage.chain.mine(3)
            await stage.round()
            await reconcile(stage, *hashes(stage))
    assert len(stage.chain.state.snapshots) == 1
    assert sum(stage.chain.money_of(payee) for payee, _ in stage.chain.balances) == paid
    return paid


@pytest.mark.parametrize("percentage", [None, 5_000])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_backup_of_any_moment_pays_everybody_once(moment: str, percentage: int | None) -> None:
    stage = Stage([3] * 16, settings=engine_settings(max_in_flight_transactions=1))
    stage.chain.deposit(TOTAL)
    payout_id = await stage.request(0 if percentage else 4_000, percentage_basis_points=percentage)
    paid = await restored_to(stage, payout_id, moment)
    payout = stage.payout(payout_id)
    if percentage and moment in ("requested", "snapshot signed"):
        # Of the money that is left a percentage is another total: its payees got another amount than planned now.
        assert payout.state is PayoutState.INCOMPLETE
        reasons = {(row.state, row.reason) for row in stage.payments(payout_id)}
        assert reasons == {(PaymentState.DISPUTED, FailureReason.PAID_OTHER_AMOUNT)}
        return
    assert payout.state is PayoutState.COMPLETED
    assert payout.progress.paid_base_units == paid
    assert {row.state for row in stage.payments(payout_id)} == {PaymentState.PAID}
    assert stage.database.committed_base_units() == 0
