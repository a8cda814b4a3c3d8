"""Lists the live holders of a bond for each round of its redemption (docs/adr/0013-redemption.md)."""

from libs.chain.quantities import SnapshotId
from libs.errors import AppError, Reason
from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine, StepResult
from payout_service.application.planning.begin_payout import check_before_begin, rival_of
from payout_service.application.planning.payout_conditions import entitlement_source
from payout_service.domain.endings import FailedBecause, Failure
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import PaymentState, tally_of
from payout_service.domain.payout import Payout, PayoutState, Snapshot
from payout_service.domain.treasury import treasury_key
from payout_service.domain.waits import Wait, WaitFor

_NOT_FINAL = Wait(WaitFor.BALANCES_NOT_FINAL, "the live holders are listed when what moved last is final")


async def start_redemption(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Checks the payout, then begins the first listing."""
    stopped = await check_before_begin(engine, payout, contract)
    if stopped:
        return stopped
    listing, holder_count = await _list(engine, contract)
    if listing is None:
        return StepResult(engine.settings.poll_seconds, _NOT_FINAL)
    _, supply = await engine.security_token.live_totals(contract.token, listing.block_number)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.REQUESTED:
            return StepResult(0)
        rival = await rival_of(work, locked)
        if rival:
            # It may yet be given up, or its disputes may be settled.
            wait = Wait(WaitFor.ACTION_HAS_PAYOUT, _told_rival(rival))
            return StepResult(engine.settings.blocked_poll_seconds, wait)
        if holder_count == 0 or supply == 0:
            locked.fail(Failure(FailedBecause.NO_HOLDERS, "the asset has no holders"), engine.now())
        else:
            locked.begin_planning(listing, holder_count, supply, engine.now())
        await work.payouts.save(locked)
        await engine.failpoints.reach("redemption.before_listing_commit")
        await work.commit()
    await engine.failpoints.reach("redemption.listed")
    return StepResult(0)


def _told_rival(rival: Payout) -> str:
    if rival.state is PayoutState.CANCELLED:
        return f"payouts/{rival.payout_id} was cancelled with {rival.progress.failed_count} payments in dispute"
    return f"payouts/{rival.payout_id} redeems the bond"


async def begin_next_round(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult:
    """Lists the live holders again, as tokens may have gone to holders that were paid or to new ones."""
    listing, holder_count = await _list(engine, contract)
    if listing is None:
        return StepResult(engine.settings.poll_seconds, _NOT_FINAL)
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING or locked.version != payout.version:
            return StepResult(0)
        tallies = await work.plan_rows.tallies(payout.payout_id)
        if tally_of(tallies, PaymentState.PLANNED, PaymentState.IN_FLIGHT).count:
            # Another replica goes on with this round: what it pays would come after the listing.
            return StepResult(0)
        locked.begin_round(listing, holder_count, engine.now())
        await work.payouts.save(locked)
        await engine.failpoints.reach("redemption.before_round_commit")
        await work.commit()
    await engine.failpoints.reach("redemption.round_begun")
    return StepResult(0)


async def _list(engine: Engine, contract: LifecycleContract) -> tuple[Snapshot | None, int]:
    """Returns a final block and how many live holders there are at it.

    None while it is older than a payment that is settled, or than balances that were followed.
    """
    async with engine.unit_of_work() as work:
        settled_block = await work.treasury.settled_block(treasury_key(contract))
    head = await engine.rail.head()
    number = engine.final_block_at(head)
    block_hash = await engine.rail.block_hash(number)
    if block_hash is None:
        raise AppError(Reason.CHAIN_UNAVAILABLE, f"the node does not tell of its block {number}")
    if number < settled_block:
        return None, 0
    source = entitlement_source(contract, PayoutKind.REDEMPTION, 0)
    return Snapshot(SnapshotId(0), number, block_hash), await engine.security_token.entitled_count(source, number)
