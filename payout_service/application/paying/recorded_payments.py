"""Reads what has already been paid, from the ledger and from executions on the chain, whoever sent them."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import replace
from uuid import UUID

from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, TokenUnits
from libs.errors import AppError, Code
from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine
from payout_service.application.planning.payout_conditions import entitlement_source
from payout_service.application.ports.lifecycle_contract import SeenExecution
from payout_service.application.ports.plan_rows import RecordedState
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import PaymentState
from payout_service.domain.payout import Payout
from payout_service.domain.plan import Entitlement, PlannedPayment
from payout_service.domain.settlement import RecordedPayment

_PAGE_ROWS = 1000


async def recorded_pages(engine: Engine, payout_id: UUID) -> AsyncIterator[list[RecordedState]]:
    """Yields the ledger's payments of a payout, in the order of the plan.

    No transaction is open between two pages.
    """
    after = 0
    while True:
        async with engine.unit_of_work() as work:
            page = await work.plan_rows.recorded_payments(payout_id, after=after, limit=_PAGE_ROWS)
        if not page:
            return
        yield page
        after = page[-1].ordinal + 1


async def hashes_named_by_paid(engine: Engine, payout_id: UUID, hashes: Collection[str]) -> set[str]:
    """Returns those of the given transactions that PAID payments of the payout name as the one that paid them."""
    named: set[str] = set()
    if not hashes:
        return named
    async for page in recorded_pages(engine, payout_id):
        named.update(
            row.transaction_hash
            for row in page
            if row.state is PaymentState.PAID and row.transaction_hash in hashes
        )
    return named


async def recorded_payments(
    engine: Engine,
    payout: Payout,
    contract: LifecycleContract,
    holders: list[HolderAddress],
    block_number: BlockNumber,
) -> dict[HolderAddress, RecordedPayment]:
    """Returns how these holders were paid up to a block, from the payout's snapshot, dividend or coupon."""
    if not holders or contract.address is None:
        return {}
    found: dict[HolderAddress, RecordedPayment] = {}
    wanted = frozenset(holders)
    first_block = await _first_block(engine, payout)
    for execution in await engine.lifecycle_contract.executions(
        contract.address, from_block=first_block, to_block=block_number
    ):
        event = execution.event
        paid = wanted & event.paid.keys()
        if not paid or not event.execution.is_of(payout.execution_kind, payout.reference_id):
            continue
        receipt = await engine.lifecycle_contract.receipt_evidence(
            execution.transaction_hash, contract.address, contract.payment_token, contract.token
        )
        for holder in paid:
            found[holder] = RecordedPayment(
                transaction_hash=execution.transaction_hash,
                event_base_units=event.paid[holder],
                transferred_base_units=receipt.transferred.get(holder, BaseUnits(0)),
            )
    return found


async def _first_block(engine: Engine, payout: Payout) -> BlockNumber:
    """Returns the first block that can have executions: that of the oldest snapshot for the same action."""
    async with engine.unit_of_work() as work:
        same = (
            await work.payouts.of_action(payout.asset_id, payout.kind, payout.action_id)
            if payout.kind.is_corporate_action
            else [payout]
        )
    return min(each.snapshot.block_number for each in [payout, *same] if each.snapshot)


async def owed_before(
    engine: Engine,
    contract: LifecycleContract,
    known: Mapping[HolderAddress, Entitlement],
    block_number: BlockNumber,
) -> Mapping[HolderAddress, Entitlement]:
    """Returns what a redemption owed holders in the block before this one, by holder.

    Where the node does not tell of that block, for it keeps the states of few: what is `known` of each, as the
    asset told it before. Either gives the principal of a token, by which what was burned is judged.
    """
    source = entitlement_source(contract, PayoutKind.REDEMPTION, 0)
    try:
        told = await engine.security_token.entitlements(source, list(known), BlockNumber(block_number - 1))
    except AppError as error:
        if error.code is not Code.UNAVAILABLE:
            raise
        return known
    # Who had nothing then got tokens in the very block: they are worth what others' are, or about what is known.
    told_worth = next((each.per_token_base_units for each in told if each.per_token_base_units is not None), None)
    return {
        each.holder: each if each.balance else replace(known[each.holder], per_token_base_units=told_worth)
        for each in told
    }


def as_planned(payees: Iterable[PlannedPayment]) -> dict[HolderAddress, Entitlement]:
    """Returns what these payees are owed according to the ledger."""
    return {each.holder: Entitlement(each.holder, each.balance, each.amount_base_units) for each in payees}


async def cash_outs_of(
    engine: Engine, contract: LifecycleContract, seen: SeenExecution, known: Mapping[HolderAddress, Entitlement]
) -> dict[HolderAddress, RecordedPayment]:
    """Returns what a cash-out paid these holders, what it burned, and what they were owed in the block before.

    `known`: see `owed_before`.
    """
    if not known or contract.address is None:
        return {}
    receipt = await engine.lifecycle_contract.receipt_evidence(
        seen.transaction_hash, contract.address, contract.payment_token, contract.token
    )
    before = await owed_before(engine, contract, known, seen.block_number)
    return {
        holder: RecordedPayment(
            transaction_hash=seen.transaction_hash,
            event_base_units=seen.event.paid.get(holder),
            transferred_base_units=receipt.transferred.get(holder, BaseUnits(0)),
            burned_tokens=receipt.redeemed.get(holder, TokenUnits(0)),
            owed_before=owed,
        )
        for holder, owed in before.items()
    }
