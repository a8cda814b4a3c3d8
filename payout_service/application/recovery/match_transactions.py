"""Finds out what a signer's transactions that are not in the journal did, and what they belong to."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from libs.chain.quantities import BlockNumber, Nonce, SnapshotId
from libs.errors import AppError, Reason
from payout_service.application.engine import Engine
from payout_service.application.ports.lifecycle_contract import CallKind, RecognisedCall
from payout_service.application.ports.rail import SeenTransaction
from payout_service.application.ports.unit_of_work import UnitOfWork
from payout_service.application.recovery.payouts_of_executions import payout_of_execution, told_reference
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payee_rules import withholds
from payout_service.domain.payout import Payout
from payout_service.domain.settlement import Execution, ExecutionKind
from payout_service.domain.sweep import Sweep
from payout_service.domain.transaction import NonceLane

# Looked up in one call; an operator calls again for more.
MOST_TRANSACTIONS = 500
# Blocks and distribution_service tell the time by different clocks.
_CLOCK_TOLERANCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A transaction that is not in the journal, and what it calls."""

    nonce: Nonce
    seen: SeenTransaction
    call: RecognisedCall


@dataclass(frozen=True, slots=True)
class Match:
    """What an unknown transaction was. At most one owner adopts it; `account` describes it for people.

    `snapshot_id` is the id of a snapshot that was taken, 0 for other calls.
    """

    unknown: Unknown
    account: str
    payout: Payout | None = None
    adopting_payout: Payout | None = None
    adopting_sweep: Sweep | None = None
    snapshot_id: SnapshotId = SnapshotId(0)
    is_accounted: bool = True


async def match_unknown(engine: Engine, lane: NonceLane, final_nonce: Nonce) -> list[Match]:
    """Returns the signer's unknown transactions below a nonce, by nonce. Raises AppError CHAIN_UNAVAILABLE."""
    matches = [await _match(engine, unknown) for unknown in await _unknown(engine, lane, final_nonce)]
    return [_with_adopted_snapshot(match, matches) for match in matches]


async def _unknown(engine: Engine, lane: NonceLane, final_nonce: Nonce) -> list[Unknown]:
    """Returns the transactions that used the nonces lost by the journal, and those after its last nonce."""
    async with engine.unit_of_work() as work:
        lost = [intent.nonce for intent in await work.journal.lost(lane.chain_id, lane.signer)]
    behind = {Nonce(nonce) for nonce in range(lane.next_nonce, final_nonce)}
    nonces = sorted({nonce for nonce in lost if nonce is not None} | behind)
    unknown: list[Unknown] = []
    for nonce in nonces[:MOST_TRANSACTIONS]:
        seen = await engine.rail.transaction_with_nonce(lane.signer, nonce)
        if seen is None:
            raise AppError(Reason.CHAIN_UNAVAILABLE, f"the node does not find nonce {nonce} of {lane.signer}")
        unknown.append(Unknown(nonce, seen, engine.lifecycle_contract.recognise(seen.call)))
    return unknown


async def _match(engine: Engine, unknown: Unknown) -> Match:
    call, to = unknown.call, unknown.seen.call.to
    if not unknown.seen.succeeded:
        return Match(unknown, f"a {call.kind.value} that reverted: it changed nothing")
    async with engine.unit_of_work() as work:
        contracts = await work.lifecycle.with_address(to) if to else []
        if call.kind is CallKind.PAY_BATCH:
            return await _match_batch(work, unknown, contracts)
        if call.kind is CallKind.SWEEP:
            return await _match_sweep(work, unknown, contracts)
    if call.kind is CallKind.TRIGGER_SNAPSHOTS:
        return Match(unknown, "a trigger of scheduled snapshots: it pays nobody, and anyone may call it")
    if call.kind is CallKind.SET_PAUSED and contracts:
        # Whoever waits for it sees it on the chain.
        account = f"a pause or an unpause of the contract of assets/{contracts[0].asset_id}: it pays nobody"
        return Match(unknown, account)
    if call.kind is CallKind.TAKE_SNAPSHOT:
        return await _match_snapshot(engine, unknown, contracts)
    return _match_other(unknown, contracts)


async def _match_snapshot(engine: Engine, unknown: Unknown, contracts: list[LifecycleContract]) -> Match:
    """Matches a snapshot with the only payout that it can belong to. With several or none, nobody can tell.

    Others may have executed on it with any total. So where several payouts wait, what was executed must speak for
    one of them; that it speaks against the others is not enough.
    """
    token = unknown.seen.call.to
    if not contracts or token is None:
        return Match(unknown, "a snapshot of a token that is no asset here")
    snapshot_id = await engine.security_token.snapshot_id_in(unknown.seen.transaction_hash, token) or SnapshotId(0)
    totals = await _totals_paid_on(engine, snapshot_id, unknown.seen.block_number, contracts)
    async with engine.unit_of_work() as work:
        waiting = [
            payout
            for each in contracts
            for payout in await work.payouts.waiting_for_snapshot(each.asset_id)
            if _may_be_of(unknown, payout.create_time)
        ]
    owners = [payout for payout in waiting if _may_have_paid(payout, totals)]
    if len(waiting) > 1:
        # A percentage without a total yet has none to be spoken for: 0 is what a stranger may have called with.
        owners = [payout for payout in owners if payout.total_base_units and payout.total_base_units in totals]
    if len(owners) != 1:
        account = f"a snapshot of assets/{contracts[0].asset_id}, which {len(waiting)} waiting payouts may own"
        return Match(unknown, account, snapshot_id=snapshot_id, is_accounted=False)
    (payout,) = owners
    account = f"the snapshot of payouts/{payout.payout_id}"
    return Match(unknown, account, adopting_payout=payout, snapshot_id=snapshot_id)


async def _totals_paid_on(
    engine: Engine, snapshot_id: SnapshotId, from_block: BlockNumber, contracts: list[LifecycleContract]
) -> set[int]:
    """Returns the totals of the executions on a snapshot, one per call (docs/facts-contracts.md#amounts)."""
    head = await engine.rail.head()
    return {
        execution.event.execution.total_base_units
        for contract in contracts
        if contract.address is not None
        for execution in await engine.lifecycle_contract.executions(
            contract.address, from_block=from_block, to_block=head.number
        )
        if execution.event.execution.is_of(ExecutionKind.AMOUNT_SNAPSHOT, snapshot_id)
    }


def _may_have_paid(payout: Payout, totals: set[int]) -> bool:
    """Returns whether a payout may have paid this total. A percentage without a total yet may have paid any."""
    if payout.rules.excluded or withholds(payout.rules):
        # The spread total of excluded shares, and a total less what is withheld, are known only with the snapshot.
        return True
    return totals <= {payout.total_base_units} if payout.total_base_units else len(totals) <= 1


async def _match_batch(work: UnitOfWork, unknown: Unknown, contracts: list[LifecycleContract]) -> Match:
    """Matches a batch. Its payees are settled by the recorded execution when their payout reaches them."""
    execution = _execution(unknown)
    for contract in contracts:
        payout = await payout_of_execution(work, contract.asset_id, execution)
        if payout:
            return Match(unknown, _batch_account(execution, payout), payout)
    # Of a payout that is not known any more: it has no row, so nothing here would pay its payees again, but the
    # same money may be asked for anew.
    account = (
        f"a batch of {len(execution.holders)} payees on {told_reference(execution)}, which no payout here has"
    )
    return Match(unknown, account, is_accounted=False)


def _with_adopted_snapshot(match: Match, matches: list[Match]) -> Match:
    """Gives a batch to the payout that adopts its snapshot by the same call."""
    call = match.unknown.call
    if match.is_accounted or call.kind is not CallKind.PAY_BATCH:
        return match
    execution = _execution(match.unknown)
    owners = [
        each.adopting_payout
        for each in matches
        if each.snapshot_id and execution.is_of(ExecutionKind.AMOUNT_SNAPSHOT, each.snapshot_id)
    ]
    payout = owners[0] if len(owners) == 1 else None
    if payout is None:
        return match
    return replace(match, account=_batch_account(execution, payout), payout=payout, is_accounted=True)


def _execution(unknown: Unknown) -> Execution:
    if unknown.call.execution is None:
        raise RuntimeError(f"{unknown.seen.transaction_hash} is recognised as a batch without an execution")
    return unknown.call.execution


def _batch_account(execution: Execution, payout: Payout) -> str:
    return f"a batch of payouts/{payout.payout_id} with {len(execution.holders)} payees"


async def _match_sweep(work: UnitOfWork, unknown: Unknown, contracts: list[LifecycleContract]) -> Match:
    sending = [sweep for each in contracts for sweep in await work.sweeps.sending(each.asset_id)]
    same = [sweep for sweep in sending if sweep.to.value == unknown.call.sweep_to]
    same = [sweep for sweep in same if sweep.amount_base_units == unknown.call.sweep_base_units]
    same = [sweep for sweep in same if _may_be_of(unknown, sweep.create_time)]
    if same:
        return Match(unknown, f"sweeps/{same[0].sweep_id}", adopting_sweep=same[0])
    return Match(unknown, "a sweep that nobody here has asked for", is_accounted=False)


def _match_other(unknown: Unknown, contracts: list[LifecycleContract]) -> Match:
    """Matches calls of our contracts that we never make and that may pay: by page, by percentage."""
    if contracts:
        account = f"another call on the token or lifecycle contract of assets/{contracts[0].asset_id}"
        return Match(unknown, account, is_accounted=False)
    return Match(unknown, "a call on no token or lifecycle contract known here")


def _may_be_of(unknown: Unknown, create_time: datetime) -> bool:
    """Returns False for a transaction that was mined before its purpose was asked for."""
    return unknown.seen.block_time >= create_time - _CLOCK_TOLERANCE
