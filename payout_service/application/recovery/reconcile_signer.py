"""Accounts for a signer's transactions that are not in the journal, so that the signer may sign again.

The database was restored from a backup, or another program uses the key. What such a transaction paid is settled
later by the contract's paid flag and the recorded execution; what it could make us do twice is matched here: a
snapshot to the payout that waits for one (a second snapshot would pay everybody twice), a sweep to the sweep that
is still to be sent. What cannot be matched needs an operator who has looked at it.
"""

from dataclasses import dataclass

from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey, repeated_resource_id
from payout_service.application.engine import Engine
from payout_service.application.planning.snapshot_intents import (
    newest_snapshot_intent,
    snapshot_intent,
    snapshot_key,
)
from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.application.recovery.match_transactions import Match, match_unknown
from payout_service.application.sending.chain_identity import refuse_wrong_chain
from payout_service.application.sending.list_signers import SignerView, view_signer
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.transaction import (
    ForeignTransaction,
    IntentState,
    NonceLane,
    Outcome,
    TransactionIntent,
)


@dataclass(frozen=True, slots=True)
class SignerAccount:
    """The signer as it is now, and what its unknown transactions were, by nonce."""

    signer: SignerView
    transactions: list[ForeignTransaction]


async def reconcile_signer(
    engine: Engine, key: RequestKey, signer: EvmAddress, acknowledged: frozenset[str]
) -> SignerAccount:
    """Looks up every unknown nonce on the chain and lets the signer go on.

    Raises AppError SIGNER_NOT_FOUND, SIGNER_NOT_HALTED, SIGNER_STILL_MOVING, TRANSACTION_NOT_ACCOUNTED,
    REQUEST_ID_REUSED, CHAIN_UNAVAILABLE; WrongChainError.
    """
    repeated = await _repeated(engine, key, signer)
    if repeated:
        return repeated
    lane, final_nonce = await _halted_lane(engine, signer)
    matches = await match_unknown(engine, lane, final_nonce)
    _require_accounted(matches, acknowledged)
    async with engine.unit_of_work() as work:
        # The one order of locks: owners, the lane, intents.
        await _lock_owners(engine, work, matches)
        locked = await work.journal.lock_lane(lane.chain_id, signer)
        if locked is None or locked != lane:
            raise AppError(Reason.SIGNER_STILL_MOVING, "the signer's lane just changed; try again", field="name")
        if not await work.add_request(key, engine.ids.new()):
            raise AppError(
                Reason.SIGNER_STILL_MOVING, "the same call is being carried out; try again", field="name"
            )
        for match in matches:
            await _adopt(engine, work, match)
        await work.journal.add_foreign([_foreign(engine, lane, match) for match in matches])
        next_nonce = max([lane.next_nonce, *(Nonce(match.unknown.nonce + 1) for match in matches)])
        locked.resume_at(next_nonce)
        await work.journal.save_lane(locked)
        await engine.failpoints.reach("signer.before_reconcile_commit")
        await work.commit()
    engine.nudge()
    return SignerAccount(await view_signer(engine, signer), [_foreign(engine, lane, match) for match in matches])


async def _repeated(engine: Engine, key: RequestKey, signer: EvmAddress) -> SignerAccount | None:
    async with engine.unit_of_work() as work:
        logged = await work.find_request(key.request_id)
    if logged is None:
        return None
    repeated_resource_id(key, logged)
    return SignerAccount(await view_signer(engine, signer), [])


async def _halted_lane(engine: Engine, signer: EvmAddress) -> tuple[NonceLane, Nonce]:
    """Returns the halted lane, and how many transactions the chain finally has of its signer."""
    if signer not in engine.signers:
        raise AppError(Reason.SIGNER_NOT_FOUND, f"{signer} is no signer of this service", field="name")
    lane, _ = await refuse_wrong_chain(engine, signer)
    if lane is None or not lane.halted_because:
        raise AppError(Reason.SIGNER_NOT_HALTED, f"{signer} has not stopped signing", field="name")
    head = await engine.rail.head()
    newest = await engine.rail.nonce_at(signer, None)
    final_nonce = await engine.rail.nonce_at(signer, engine.final_block_at(head))
    async with engine.unit_of_work() as work:
        in_flight = await work.journal.in_flight(engine.chain_id, signer)
    undecided = [intent for intent in in_flight if (intent.nonce or 0) < newest]
    if newest != final_nonce or undecided:
        raise AppError(
            Reason.SIGNER_STILL_MOVING,
            f"{signer} has transactions that are not final yet; try again when they are",
            field="name",
        )
    return lane, final_nonce


def _require_accounted(matches: list[Match], acknowledged: frozenset[str]) -> None:
    """Refuses two adoptions for one owner, and unadopted transactions that no operator has acknowledged."""
    adopters = [match.adopting_payout or match.adopting_sweep for match in matches]
    ids = [each.payout_id if isinstance(each, Payout) else each.sweep_id for each in adopters if each]
    is_doubled = len(set(ids)) < len(ids)
    open_matches = [
        match
        for match in matches
        if (not match.is_accounted or (is_doubled and (match.adopting_payout or match.adopting_sweep)))
        and match.unknown.seen.transaction_hash not in acknowledged
    ]
    if open_matches:
        first = open_matches[0]
        raise AppError(
            Reason.TRANSACTION_NOT_ACCOUNTED,
            f"nonce {first.unknown.nonce} is {first.account}: look at it, and acknowledge it if it pays for no "
            "payout that the ledger still means to pay",
            field="acknowledged_transaction_hashes",
            metadata={match.unknown.seen.transaction_hash: match.account for match in open_matches[:20]},
        )


async def _lock_owners(engine: Engine, work: UnitOfWork, matches: list[Match]) -> None:
    """Locks the rows of all owners that adopt a transaction. Their workers look at them at once afterwards."""
    for payout_id in sorted({match.adopting_payout.payout_id for match in matches if match.adopting_payout}):
        await work.payouts.wake(payout_id, engine.now())
    for sweep_id in sorted({match.adopting_sweep.sweep_id for match in matches if match.adopting_sweep}):
        await work.sweeps.wake(sweep_id, engine.now())


async def _adopt(engine: Engine, work: UnitOfWork, match: Match) -> None:
    """Records an adopted transaction in the journal as done."""
    seen = match.unknown.seen
    outcome = Outcome(seen.transaction_hash, seen.block_number, seen.block_hash, seen.gas_used, None)
    if match.adopting_payout:
        payout = await work.payouts.lock(match.adopting_payout.payout_id)
        intent = await _intent_to_adopt(engine, work, payout)
        if intent:
            adopted = await work.journal.lock(intent.intent_id)
            adopted.adopt(outcome)
            await work.journal.save(adopted)
            await work.payouts.save(payout)
    elif match.adopting_sweep:
        sweep = await work.sweeps.lock(match.adopting_sweep.sweep_id)
        found = await work.journal.find(sweep.intent_key)
        if found and found.state in (IntentState.CREATED, IntentState.NONCE_LOST):
            adopted = await work.journal.lock(found.intent_id)
            adopted.adopt(outcome)
            await work.journal.save(adopted)


async def _intent_to_adopt(engine: Engine, work: UnitOfWork, payout: Payout) -> TransactionIntent | None:
    """Returns the payout's snapshot intent that did not happen, or a new one."""
    if payout.state is PayoutState.REQUESTED:
        contract = await work.lifecycle.get(payout.asset_id)
        if contract is None:
            raise RuntimeError(f"payout {payout.payout_id} has no asset")
        payout.begin_snapshot(engine.now())
        await work.journal.add(snapshot_intent(engine, payout, contract, 1))
    elif await work.journal.find(snapshot_key(payout, 1)) is None:
        # Paused before it asked for one: it will, and then by its own transaction.
        raise AppError(
            Reason.TRANSACTION_NOT_ACCOUNTED,
            f"payouts/{payout.payout_id} is paused and waits for a snapshot; resume it first",
            field="name",
        )
    _, intent = await newest_snapshot_intent(work.journal, payout)
    return intent if intent.state in (IntentState.CREATED, IntentState.NONCE_LOST) else None


def _foreign(engine: Engine, lane: NonceLane, match: Match) -> ForeignTransaction:
    owner = match.payout or match.adopting_payout
    return ForeignTransaction(
        chain_id=lane.chain_id,
        signer=lane.signer,
        nonce=match.unknown.nonce,
        transaction_hash=match.unknown.seen.transaction_hash,
        block_number=match.unknown.seen.block_number,
        to=match.unknown.seen.call.to,
        account=match.account,
        payout_id=owner.payout_id if owner else None,
        find_time=engine.now(),
    )
