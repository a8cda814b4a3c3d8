"""Updates the payments of a redemption before each batch, because a redemption pays live balances."""

from collections.abc import Mapping, Sequence

from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress
from payout_service.application.engine import Engine, StepResult
from payout_service.application.paying.hold_back import hold_back
from payout_service.application.paying.recorded_payments import as_planned, cash_outs_of, recorded_pages
from payout_service.application.planning.payout_conditions import entitlement_source
from payout_service.application.treasury.available_money import look_at_balance
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import FailureReason, PaymentOutcome, PaymentState, Tally, tally_of
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.plan import Entitlement, PlannedPayment
from payout_service.domain.settlement import ExecutionKind, Refusal, redeemed
from payout_service.domain.treasury import money_lacks, treasury_key
from payout_service.domain.waits import Wait, WaitFor

_NOT_FREE = FailureReason.TOKENS_NOT_FREE


async def follow_live_balances(
    engine: Engine, payout: Payout, contract: LifecycleContract, payees: Sequence[PlannedPayment]
) -> StepResult | None:
    """Updates the payments of these payees to the live balances. None when they agree: the batch may go.

    Who has nothing left is not sent: a principal that floors to 0 would burn the tokens for nothing
    (docs/contract-surprises.md#17). If another execution has redeemed them, it is the one that has paid.
    """
    source = entitlement_source(contract, payout.kind, payout.action_id)
    owed = await engine.security_token.entitlements(source, [payee.holder for payee in payees])
    planned = {payee.holder: payee for payee in payees}
    moved = [
        each
        for each in owed
        if (each.amount_base_units, each.balance)
        != (planned[each.holder].amount_base_units, planned[each.holder].balance)
    ]
    blocked = {planned[each.holder]: Refusal(_NOT_FREE, each.obstacle) for each in owed if each.obstacle}
    if blocked and not moved:
        await hold_back(engine, payout, blocked)
        return StepResult(0)
    if not moved:
        return None
    lacking = await _bring_up(engine, payout, contract, moved, as_planned(payees))
    needs_money = lacking is not None and lacking.what is WaitFor.INSUFFICIENT_FUNDS
    if needs_money and await _free_what_fell(engine, payout, contract):
        return StepResult(0)
    return StepResult(engine.settings.poll_seconds if lacking else 0, lacking)


async def _free_what_fell(engine: Engine, payout: Payout, contract: LifecycleContract) -> bool:
    """Frees the money of payees of later batches whose tokens went to payees of this one.

    Looks through the payments that are not sent for some that are due less now; False when there are none.
    """
    source = entitlement_source(contract, payout.kind, payout.action_id)
    async for page in recorded_pages(engine, payout.payout_id):
        planned = {
            row.holder: Entitlement(row.holder, row.balance, row.amount_base_units)
            for row in page
            if row.state is PaymentState.PLANNED
        }
        owed = await engine.security_token.entitlements(source, list(planned))
        fell = [each for each in owed if each.amount_base_units < planned[each.holder].amount_base_units]
        if fell and not await _bring_up(engine, payout, contract, fell, planned):
            return True
    return False


async def _bring_up(
    engine: Engine,
    payout: Payout,
    contract: LifecycleContract,
    moved: list[Entitlement],
    before: Mapping[HolderAddress, Entitlement],
) -> Wait | None:
    """Changes the payments of these holders to what they are owed. Returns what that waits for.

    `before`: what the ledger says that they are owed.
    """
    source = entitlement_source(contract, payout.kind, payout.action_id)
    gone = [each.holder for each in moved if not each.amount_base_units]
    final_block = await engine.final_block()
    if any(each.amount_base_units for each in await engine.security_token.entitlements(source, gone, final_block)):
        # A reorg may give the tokens back; and the next listing, at a final block, would find them once more.
        detail = f"tokens of {gone[0]} went elsewhere behind block {final_block}"
        return Wait(WaitFor.BALANCES_NOT_FINAL, detail)
    outcomes = await _without_batch(engine, payout, contract, {each: before[each] for each in gone}, final_block)
    return await _store(engine, payout, contract, [each for each in moved if each.amount_base_units], outcomes)


async def _without_batch(
    engine: Engine,
    payout: Payout,
    contract: LifecycleContract,
    gone: Mapping[HolderAddress, Entitlement],
    final_block: BlockNumber,
) -> list[PaymentOutcome]:
    """Returns what executions that are no batch of ours did for these holders since the listing.

    PAID needs what it needs in a batch: the event, the token's transfer and the burn of that execution agree.
    """
    if not gone:
        return []
    if payout.snapshot is None or contract.address is None:
        raise RuntimeError(f"payout {payout.payout_id} redeems without a listing or a contract")
    # The listing is what was left after its block.
    first_block = BlockNumber(payout.snapshot.block_number + 1)
    found: dict[HolderAddress, PaymentOutcome] = {}
    for seen in await engine.lifecycle_contract.executions(
        contract.address, from_block=first_block, to_block=final_block
    ):
        if seen.event.execution.kind is not ExecutionKind.CASH_OUT:
            continue
        redeemed_there = {holder: known for holder, known in gone.items() if seen.event.paid.get(holder)}
        for holder, payment in (await cash_outs_of(engine, contract, seen, redeemed_there)).items():
            found[holder] = redeemed(holder, payment)
    nothing = PaymentState.ZERO_DUE
    return [
        found.get(holder) or PaymentOutcome(holder, nothing, amount_base_units=BaseUnits(0)) for holder in gone
    ]


async def _store(
    engine: Engine,
    payout: Payout,
    contract: LifecycleContract,
    repriced: list[Entitlement],
    outcomes: list[PaymentOutcome],
) -> Wait | None:
    key = treasury_key(contract)
    look = await look_at_balance(engine, key)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING or locked.version != payout.version:
            return None
        if await work.treasury.lock(key) != look.version:
            return None
        before = await work.unsent.conclude(payout.payout_id, PaymentState.PLANNED, outcomes, engine.now())
        given_up = tally_of(before, PaymentState.PAID, PaymentState.ZERO_DUE).amount_base_units
        paid = [each for each in outcomes if each.state is PaymentState.PAID]
        paid_base_units = BaseUnits(sum(each.amount_base_units or 0 for each in paid))
        locked.tokens_moved()
        if outcomes:
            locked.found_nothing_due(before.get(PaymentState.ZERO_DUE, Tally()).count)
        disputed = before.get(PaymentState.DISPUTED, Tally())
        entered = {
            PaymentState.PAID: Tally(len(paid), amount_base_units=paid_base_units),
            PaymentState.DISPUTED: disputed,
        }
        locked.move_payments(entered, {}, engine.now())
        rise = await work.plan_rows.reprice(payout.payout_id, repriced, engine.now())
        locked.reprice(BaseUnits(rise + paid_base_units - given_up), engine.now())
        # What another execution has paid, or moved to a payee in dispute, has left the contract already.
        more = BaseUnits(rise - given_up - disputed.moved_base_units)
        if more > 0:
            available = look.balance_base_units - await work.treasury.committed(key)
            if available < more:
                return money_lacks(key, BaseUnits(more - max(available, 0)))
            await work.treasury.add(key, payout.payout_id, more)
        elif more < 0:
            await work.treasury.reduce(key, payout.payout_id, BaseUnits(-more))
        # The next listing must not be of before: it would not find who has the tokens now.
        await work.treasury.raise_settled_block(key, look.block_number)
        await work.payouts.save(locked)
        await engine.failpoints.reach("redemption.before_reprice_commit")
        await work.commit()
    return None
