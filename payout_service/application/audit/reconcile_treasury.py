"""Compares the money of a lifecycle contract with the journal and with what is promised, whoever moved it.

Blocks are searched once, window by window; how far is stored with what was found there. What moved money or paid
payees without us is a fact: it stays open until the journal, or (an execution) a payment, turns out to know it.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from libs.chain.quantities import BlockNumber
from payout_service.application.audit.reconcile_findings import (
    DiscrepancyAlarms,
    Look,
    add_findings,
    begin_look,
    end_look,
)
from payout_service.application.engine import Engine
from payout_service.application.paying.recorded_payments import hashes_named_by_paid
from payout_service.application.ports.lifecycle_contract import SeenExecution
from payout_service.application.ports.payment_token import SeenTransfer
from payout_service.application.recovery.payouts_of_executions import payout_of_execution, told_reference
from payout_service.domain.discrepancy import DiscrepancyKind, Finding
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.settlement import ExecutionKind
from payout_service.domain.treasury import TreasuryKey, treasury_key

# Of blocks, so that the transfers of one window fit into memory at a chain's full speed.
_WINDOW_BLOCKS = 500
# One call searches so many; a long absence is caught up with call by call.
_MOST_WINDOWS = 10
# A node that lags tells too little; so many blocks are searched again by the next call.
_OVERLAP_BLOCKS = 50
# While payments are settled the figures move on between two reads, and a node that lags tells an older balance.
_LOOKS_AT_BALANCE = 3
_MOST_OWNERS = 1000
_OUTSIDE = DiscrepancyKind.OUTSIDE_TRANSFER
_BELOW = DiscrepancyKind.BALANCE_BELOW_COMMITMENTS


async def reconcile_treasury(
    engine: Engine,
    contract: LifecycleContract,
    *,
    first_block: BlockNumber | None,
    final_block: BlockNumber,
    alarms: DiscrepancyAlarms,
) -> BlockNumber | None:
    """Finds OUTSIDE_TRANSFER, EXECUTION_NOT_OURS, BALANCE_BELOW_COMMITMENTS. Raises AppError CHAIN_UNAVAILABLE.

    Returns up to which block the contract was searched. `first_block` is where the very first search begins; None:
    it does not begin yet.
    """
    key = treasury_key(contract)
    for number in range(_MOST_WINDOWS):
        overlap = 0 if number else _OVERLAP_BLOCKS
        if not await _search_window(engine, contract, key, (first_block, final_block), overlap, alarms):
            break
    look = await begin_look(engine, contract.asset_id, None)
    await _look_again_at_transfers(engine, look)
    await _compare_balance(engine, contract, key, look)
    await end_look(engine, look, alarms)
    async with engine.unit_of_work() as work:
        return await work.treasury.checked_block(key)


async def look_again_at_executions(engine: Engine, look: Look) -> None:
    """Keeps a payout's EXECUTION_NOT_OURS open until the journal or a PAID payment knows the transaction."""
    kind = DiscrepancyKind.EXECUTION_NOT_OURS
    hashes = look.open_subjects(kind)
    if not hashes or look.payout_id is None:
        return
    async with engine.unit_of_work() as work:
        known = await work.journal.known_hashes(hashes)
    known |= await hashes_named_by_paid(engine, look.payout_id, hashes)
    for transaction_hash in hashes:
        if transaction_hash not in known:
            look.confirm(kind, transaction_hash)


async def _search_window(
    engine: Engine,
    contract: LifecycleContract,
    key: TreasuryKey,
    blocks: tuple[BlockNumber | None, BlockNumber],
    overlap: int,
    alarms: DiscrepancyAlarms,
) -> bool:
    """Searches the next window of blocks (first, last).

    Returns False when there is none or another replica did it.
    """
    first_block, final_block = blocks
    async with engine.unit_of_work() as work:
        checked = await work.treasury.checked_block(key)
    start = first_block if checked is None else BlockNumber(max(0, checked + 1 - overlap))
    if start is None or start > final_block:
        return False
    end = min(final_block, BlockNumber(start + _WINDOW_BLOCKS - 1))
    transfers = await engine.payment_token.outgoing_transfers(
        key.payment_token, key.lifecycle_contract, from_block=start, to_block=end
    )
    executions = await engine.lifecycle_contract.executions(key.lifecycle_contract, from_block=start, to_block=end)
    findings = await _unknown(engine, contract.asset_id, transfers, executions)
    async with engine.unit_of_work() as work:
        await work.treasury.lock(key)
        if await work.treasury.checked_block(key) != checked:
            return False
        new = await add_findings(engine, work, contract.asset_id, findings)
        if checked is None or end > checked:
            await work.treasury.set_checked_block(key, end)
        await work.commit()
    for discrepancy in new:
        alarms.discrepancy_found(discrepancy)
    return True


async def _unknown(
    engine: Engine, asset_id: UUID, transfers: Sequence[SeenTransfer], executions: Sequence[SeenExecution]
) -> list[tuple[UUID | None, Finding]]:
    """Returns what the journal does not know.

    It is asked after the chain, so that it knows all that we have sent.
    """
    hashes = {each.transaction_hash for each in transfers} | {each.transaction_hash for each in executions}
    if not hashes:
        return []
    async with engine.unit_of_work() as work:
        known = await work.journal.known_hashes(sorted(hashes))
    by_transaction: dict[str, list[SeenTransfer]] = {}
    for transfer in transfers:
        if transfer.transaction_hash not in known:
            by_transaction.setdefault(transfer.transaction_hash, []).append(transfer)
    foreign = {each.transaction_hash: each for each in executions if each.transaction_hash not in known}
    return [
        *((None, _outside_transfer(each)) for each in by_transaction.values()),
        *await _executions_not_ours(engine, asset_id, foreign),
    ]


def _outside_transfer(transfers: Sequence[SeenTransfer]) -> Finding:
    first = transfers[0]
    receivers = dict.fromkeys(each.to for each in transfers)
    others = f" and {len(receivers) - 1} others" if len(receivers) > 1 else ""
    total = sum(each.amount_base_units for each in transfers)
    return Finding(
        _OUTSIDE,
        first.transaction_hash,
        "no transfer but by batches and sweeps",
        f"{total} base units to {first.to}{others} in block {first.block_number}",
        first.transaction_hash,
    )


async def _executions_not_ours(
    engine: Engine, asset_id: UUID, foreign: Mapping[str, SeenExecution]
) -> list[tuple[UUID | None, Finding]]:
    """Returns executions for our payouts that are not ours, except those that PAID payments name."""
    found: list[tuple[UUID | None, Finding]] = []
    by_reference: dict[tuple[ExecutionKind, int], list[SeenExecution]] = {}
    for seen in foreign.values():
        execution = seen.event.execution
        by_reference.setdefault((execution.kind, execution.reference_id), []).append(seen)
    for executions in by_reference.values():
        async with engine.unit_of_work() as work:
            payout = await payout_of_execution(work, asset_id, executions[0].event.execution)
        if payout is None:
            continue
        hashes = frozenset(each.transaction_hash for each in executions)
        named = await hashes_named_by_paid(engine, payout.payout_id, hashes)
        found += [
            (payout.payout_id, _execution_not_ours(each))
            for each in executions
            if each.transaction_hash not in named
        ]
    return found


def _execution_not_ours(execution: SeenExecution) -> Finding:
    event = execution.event
    return Finding(
        DiscrepancyKind.EXECUTION_NOT_OURS,
        execution.transaction_hash,
        f"no execution on {told_reference(event.execution)} but by this payout's batches",
        f"{len(event.paid)} holders paid {sum(event.paid.values())} base units in block {execution.block_number}",
        execution.transaction_hash,
    )


async def _look_again_at_transfers(engine: Engine, look: Look) -> None:
    hashes = look.open_subjects(_OUTSIDE)
    if not hashes:
        return
    async with engine.unit_of_work() as work:
        known = await work.journal.known_hashes(hashes)
    for transaction_hash in hashes:
        if transaction_hash not in known:
            look.confirm(_OUTSIDE, transaction_hash)


async def _compare_balance(engine: Engine, contract: LifecycleContract, key: TreasuryKey, look: Look) -> None:
    """Checks that what is promised is there, except for what transactions under way may have moved already.

    These are read after the balance, and the treasury's version before and after: a batch that is settled in
    between is no difference.
    """
    finding: Finding | None = None
    for _ in range(_LOOKS_AT_BALANCE):
        async with engine.unit_of_work() as work:
            version = await work.treasury.version(key)
            committed = await work.treasury.committed(key)
        balance = await engine.payment_token.payment_token_balance(key.payment_token, key.lifecycle_contract)
        under_way = 0 if balance >= committed else await _under_way_base_units(engine, contract, key, version)
        if under_way is None:
            continue
        needed = committed - under_way
        if balance >= needed:
            return
        finding = Finding(_BELOW, "", f"at least {needed} base units", f"{balance} base units")
    if finding:
        look.find(finding)
    else:
        look.cannot_tell(_BELOW, "")


async def _under_way_base_units(
    engine: Engine, contract: LifecycleContract, key: TreasuryKey, version: int
) -> int | None:
    """Returns the most that batches and sweeps under way move.

    None when that changed since `version` or is too much.
    """
    async with engine.unit_of_work() as work:
        owners = await work.treasury.commitments(key, _MOST_OWNERS)
        of_batches = [await work.batches.in_flight_base_units(owner_id) for owner_id, _ in owners]
        of_sweeps = [sweep.amount_base_units for sweep in await work.sweeps.sending(contract.asset_id)]
        is_unchanged = await work.treasury.version(key) == version
    is_complete = len(owners) < _MOST_OWNERS
    return sum(of_batches) + sum(of_sweeps) if is_unchanged and is_complete else None
