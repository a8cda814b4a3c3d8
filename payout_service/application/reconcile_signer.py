"""Accounts for transactions of a signer that the journal does not know, so that it may sign again.

The database was restored from a backup, or another program uses the key. What such a transaction paid is settled
later by the contract's paid flag and the recorded execution; what it could make us do twice is matched here: a
snapshot to the payout that waits for one (a second snapshot would pay everybody twice), a sweep to the sweep that
is still to be sent. What cannot be matched needs an operator who has looked at it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.chain.address import EvmAddress
from libs.errors import AppError, Reason
from libs.idempotency import RequestKey, repeated_resource_id
from payout_service.application.chain_identity import refuse_wrong_chain
from payout_service.application.chain_ports import CallKind, RecognisedCall, SeenTransaction
from payout_service.application.engine import Engine
from payout_service.application.list_signers import SignerView, view_signer
from payout_service.application.ports import UnitOfWork
from payout_service.application.take_snapshot import newest_snapshot_intent, snapshot_intent, snapshot_key
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.sweep import Sweep
from payout_service.domain.transaction import (
    ForeignTransaction,
    IntentState,
    NonceLane,
    Outcome,
    TransactionIntent,
)

# Accounted for in one call; an operator calls again for more.
_MOST_TRANSACTIONS = 500
# Blocks and distribution_service tell the time by different clocks.
_CLOCK_TOLERANCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SignerAccount:
    """The signer as it is now, and what its unknown transactions were, by nonce."""

    signer: SignerView
    transactions: list[ForeignTransaction]


@dataclass(frozen=True, slots=True)
class _Unknown:
    """A transaction that the journal does not know, and what its call is."""

    nonce: int
    seen: SeenTransaction
    call: RecognisedCall


@dataclass(frozen=True, slots=True)
class _Match:
    """What an unknown transaction was; at most one of the two to adopt it."""

    unknown: _Unknown
    account: str
    payout: Payout | None = None
    adopting_payout: Payout | None = None
    adopting_sweep: Sweep | None = None
    is_accounted: bool = True


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
    unknown = await _unknown(engine, lane, final_nonce)
    matches = [await _match(engine, each) for each in unknown]
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
        next_nonce = max([lane.next_nonce, *(match.unknown.nonce + 1 for match in matches)])
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


async def _halted_lane(engine: Engine, signer: EvmAddress) -> tuple[NonceLane, int]:
    """The lane that stopped, and how many transactions the chain finally has of its signer."""
    if signer not in engine.signers:
        raise AppError(Reason.SIGNER_NOT_FOUND, f"{signer} is no signer of this service", field="name")
    lane, _ = await refuse_wrong_chain(engine, signer)
    if lane is None or not lane.halted_because:
        raise AppError(Reason.SIGNER_NOT_HALTED, f"{signer} has not stopped signing", field="name")
    head = await engine.rail.head()
    newest = await engine.rail.nonce_at(signer, None)
    final_nonce = await engine.rail.nonce_at(signer, max(0, head.number - engine.settings.confirmations))
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


async def _unknown(engine: Engine, lane: NonceLane, final_nonce: int) -> list[_Unknown]:
    """What used the nonces that the journal has lost, and those behind its last one."""
    async with engine.unit_of_work() as work:
        lost = [intent.nonce for intent in await work.journal.lost(lane.chain_id, lane.signer)]
    nonces = sorted({nonce for nonce in lost if nonce is not None} | set(range(lane.next_nonce, final_nonce)))
    unknown: list[_Unknown] = []
    for nonce in nonces[:_MOST_TRANSACTIONS]:
        seen = await engine.rail.transaction_with_nonce(lane.signer, nonce)
        if seen is None:
            raise AppError(Reason.CHAIN_UNAVAILABLE, f"the node does not find nonce {nonce} of {lane.signer}")
        unknown.append(_Unknown(nonce, seen, engine.contracts.recognise(seen.call)))
    return unknown


async def _match(engine: Engine, unknown: _Unknown) -> _Match:
    call, to = unknown.call, unknown.seen.call.to
    if not unknown.seen.succeeded:
        return _Match(unknown, f"a {call.kind.value} that reverted: it changed nothing")
    async with engine.unit_of_work() as work:
        contracts = await work.lifecycle.with_address(to) if to else []
        match call.kind:
            case CallKind.TAKE_SNAPSHOT:
                return await _match_snapshot(work, unknown, contracts)
            case CallKind.PAY_BATCH:
                return await _match_batch(work, unknown, contracts)
            case CallKind.SWEEP:
                return await _match_sweep(work, unknown, contracts)
            case CallKind.OTHER:
                return _match_other(unknown, contracts)


async def _match_snapshot(work: UnitOfWork, unknown: _Unknown, contracts: list[LifecycleContract]) -> _Match:
    """Adopted by the one payout that waits for a snapshot. With several or none nobody here can tell whose."""
    waiting = [
        payout
        for each in contracts
        for payout in await work.payouts.waiting_for_snapshot(each.asset_id)
        if _may_be_of(unknown, payout.create_time)
    ]
    if not contracts:
        return _Match(unknown, "a snapshot of a token that is no asset here")
    if len(waiting) == 1:
        account = f"the snapshot of payouts/{waiting[0].payout_id}"
        return _Match(unknown, account, waiting[0], adopting_payout=waiting[0])
    account = f"a snapshot of assets/{contracts[0].asset_id}, for which {len(waiting)} payouts wait"
    return _Match(unknown, account, is_accounted=False)


async def _match_batch(work: UnitOfWork, unknown: _Unknown, contracts: list[LifecycleContract]) -> _Match:
    """Its payees are settled by the recorded execution when their payout comes to them."""
    call = unknown.call
    for contract in contracts:
        payout = await work.payouts.with_snapshot(contract.asset_id, call.snapshot_id)
        if payout:
            account = f"a batch of payouts/{payout.payout_id} with {len(call.holders)} payees"
            return _Match(unknown, account, payout)
    # Of a payout that is not known any more: it has no row, so nothing here would pay its payees again, but the
    # same money may be asked for anew.
    account = f"a batch of {len(call.holders)} payees on snapshot {call.snapshot_id}, which no payout here has"
    return _Match(unknown, account, is_accounted=False)


async def _match_sweep(work: UnitOfWork, unknown: _Unknown, contracts: list[LifecycleContract]) -> _Match:
    sending = [sweep for each in contracts for sweep in await work.sweeps.sending(each.asset_id)]
    same = [sweep for sweep in sending if sweep.to.value in unknown.call.holders]
    same = [sweep for sweep in same if sweep.amount_base_units == unknown.call.total_base_units]
    same = [sweep for sweep in same if _may_be_of(unknown, sweep.create_time)]
    if same:
        return _Match(unknown, f"sweeps/{same[0].sweep_id}", adopting_sweep=same[0])
    return _Match(unknown, "a sweep that nobody here has asked for", is_accounted=False)


def _match_other(unknown: _Unknown, contracts: list[LifecycleContract]) -> _Match:
    """Of our contracts there are calls that we never make and that may pay: by page, by percentage, a cash-out."""
    if contracts:
        account = f"another call on the token or lifecycle contract of assets/{contracts[0].asset_id}"
        return _Match(unknown, account, is_accounted=False)
    return _Match(unknown, "a call on no token or lifecycle contract known here")


def _may_be_of(unknown: _Unknown, create_time: datetime) -> bool:
    """What was mined before something was asked for is not what was asked for."""
    return unknown.seen.block_time >= create_time - _CLOCK_TOLERANCE


def _require_accounted(matches: list[_Match], acknowledged: frozenset[str]) -> None:
    """Two transactions never adopt for the same owner; what nobody adopts an operator has to know."""
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


async def _lock_owners(engine: Engine, work: UnitOfWork, matches: list[_Match]) -> None:
    """Takes the row locks of all that adopt; they are looked at at once afterwards."""
    for payout_id in sorted({match.adopting_payout.payout_id for match in matches if match.adopting_payout}):
        await work.payouts.wake(payout_id, engine.now())
    for sweep_id in sorted({match.adopting_sweep.sweep_id for match in matches if match.adopting_sweep}):
        await work.sweeps.wake(sweep_id, engine.now())


async def _adopt(engine: Engine, work: UnitOfWork, match: _Match) -> None:
    """What was done is recorded as done."""
    seen = match.unknown.seen
    outcome = Outcome(seen.transaction_hash, seen.block_number, seen.block_hash, seen.gas_used, None)
    if match.adopting_payout:
        payout = await work.payouts.lock(match.adopting_payout.payout_id)
        intent = await _intent_to_adopt(engine, work, payout, match)
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


async def _intent_to_adopt(
    engine: Engine, work: UnitOfWork, payout: Payout, match: _Match
) -> TransactionIntent | None:
    """The payout's snapshot intent that has not happened, or a new one."""
    if payout.state is PayoutState.REQUESTED:
        to = match.unknown.seen.call.to
        if to is None:
            raise RuntimeError("a snapshot is taken of a token")
        payout.begin_snapshot(engine.now())
        await work.journal.add(snapshot_intent(engine, payout, to, 1))
    elif await work.journal.find(snapshot_key(payout, 1)) is None:
        # Paused before it asked for one: it will, and then by its own transaction.
        raise AppError(
            Reason.TRANSACTION_NOT_ACCOUNTED,
            f"payouts/{payout.payout_id} is paused and waits for a snapshot; resume it first",
            field="name",
        )
    _, intent = await newest_snapshot_intent(work.journal, payout)
    return intent if intent.state in (IntentState.CREATED, IntentState.NONCE_LOST) else None


def _foreign(engine: Engine, lane: NonceLane, match: _Match) -> ForeignTransaction:
    return ForeignTransaction(
        chain_id=lane.chain_id,
        signer=lane.signer,
        nonce=match.unknown.nonce,
        transaction_hash=match.unknown.seen.transaction_hash,
        block_number=match.unknown.seen.block_number,
        to=match.unknown.seen.call.to,
        account=match.account,
        payout_id=match.payout.payout_id if match.payout else None,
        find_time=engine.now(),
    )
