"""Compares plan, ledger and chain of a payout, repeatedly. Differences are recorded by name and not repaired here.

Only what is in dispute, or deferred, is settled where the chain proves by now what became of it (settle_again.py).
What each kind of difference means stands in docs/errors.md.
"""

from dataclasses import dataclass
from uuid import UUID

from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.payout_terms.terms import PayoutKind
from payout_service.application.audit.reconcile_evidence import compare_evidence
from payout_service.application.audit.reconcile_findings import DiscrepancyAlarms, Look, begin_look, end_look
from payout_service.application.audit.reconcile_ledger import compare_books, compare_plan
from payout_service.application.audit.reconcile_treasury import look_again_at_executions, reconcile_treasury
from payout_service.application.engine import Engine
from payout_service.application.paying.settle_again import settle_disputed, settle_paid_elsewhere
from payout_service.application.planning.tokens_left import tokens_left, told_tokens_left
from payout_service.application.sending.chain_identity import WrongChainError, refuse_wrong_chain
from payout_service.domain.discrepancy import Discrepancy, DiscrepancyKind, Finding
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payout import Payout, PayoutState


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The differences that are open now: the payout's, then those of its lifecycle contract as a whole.

    `block_number` is the block up to which the chain was compared.
    """

    discrepancies: tuple[Discrepancy, ...]
    payment_count: int
    block_number: BlockNumber


async def reconcile_one(engine: Engine, alarms: DiscrepancyAlarms) -> bool:
    """Compares one payout that is due. Returns False when none is due.

    Raises as `reconcile_payout`; the payout is due again after `reconcile_seconds`, whatever comes of it.
    """
    async with engine.unit_of_work() as work:
        next_time = engine.after(engine.settings.reconcile_seconds)
        payout_id = await work.payouts.claim_reconciliation(engine.now(), next_time)
        await work.commit()
    if payout_id is None:
        return False
    await reconcile_payout(engine, payout_id, alarms)
    return True


async def reconcile_payout(engine: Engine, payout_id: UUID, alarms: DiscrepancyAlarms) -> Reconciliation:
    """Compares a payout now, and the money of its lifecycle contract. Without a frozen plan, only the money.

    Raises AppError PAYOUT_NOT_FOUND, CHAIN_UNAVAILABLE; WrongChainError.
    """
    payout, contract = await _read(engine, payout_id)
    await _refuse_other_chain(engine, contract)
    final_block = await engine.final_block()
    compared_block = BlockNumber(0)
    if contract.address is not None:
        first_block = payout.snapshot.block_number if payout.snapshot else None
        checked_block = await reconcile_treasury(
            engine, contract, first_block=first_block, final_block=final_block, alarms=alarms
        )
        compared_block = min(final_block, checked_block or compared_block)
    payout = await _settle_again(engine, payout, contract)
    look = await begin_look(engine, payout.asset_id, payout_id)
    payment_count = await _compare(engine, payout, contract, look)
    await end_look(engine, look, alarms)
    async with engine.unit_of_work() as work:
        of_payout = await work.discrepancies.open_of(payout.asset_id, payout_id)
        of_contract = await work.discrepancies.open_of(payout.asset_id, None)
        open_count = await work.discrepancies.open_count()
    alarms.discrepancies_open(open_count)
    return Reconciliation((*of_payout, *of_contract), payment_count, compared_block)


async def _compare(engine: Engine, payout: Payout, contract: LifecycleContract, look: Look) -> int:
    """Compares a payout. Returns how many payments were compared."""
    await look_again_at_executions(engine, look)
    if payout.plan is None or payout.snapshot is None:
        return 0
    await compare_plan(engine, payout, payout.plan, look)
    payment_count = await compare_books(engine, payout, contract, look)
    await compare_evidence(engine, payout, contract, look)
    if payout.kind is PayoutKind.REDEMPTION and payout.state is PayoutState.COMPLETED:
        await _look_for_tokens(engine, contract, look)
    return payment_count


async def _look_for_tokens(engine: Engine, contract: LifecycleContract, look: Look) -> None:
    """Checks against the supply that the holders on the bond's list are all who hold tokens."""
    final_block = await engine.final_block()
    left = await tokens_left(engine, contract, final_block)
    if left != 0:
        actual = told_tokens_left(left, final_block)
        look.find(Finding(DiscrepancyKind.TOKENS_LEFT, "", "every token redeemed", actual))


async def _settle_again(engine: Engine, payout: Payout, contract: LifecycleContract) -> Payout:
    """Settles what evidence proves by now, as that is no difference. Returns the payout as it is then."""
    if not payout.may_be_settled_again:
        return payout
    if not await settle_disputed(engine, payout, contract) + await settle_paid_elsewhere(engine, payout, contract):
        return payout
    async with engine.unit_of_work() as work:
        return await work.payouts.get(payout.payout_id) or payout


async def _read(engine: Engine, payout_id: UUID) -> tuple[Payout, LifecycleContract]:
    async with engine.unit_of_work() as work:
        payout = await work.payouts.get(payout_id)
        contract = await work.lifecycle.get(payout.asset_id) if payout else None
    if payout is None:
        raise AppError(Reason.PAYOUT_NOT_FOUND, f"there is no payouts/{payout_id}", field="name")
    if contract is None:
        raise RuntimeError(f"payout {payout_id} has no asset")
    return payout, contract


async def _refuse_other_chain(engine: Engine, contract: LifecycleContract) -> None:
    await refuse_wrong_chain(engine, engine.signer)
    if contract.chain_id != engine.chain_id:
        raise WrongChainError(f"asset {contract.asset_id} is on chain {contract.chain_id}, not {engine.chain_id}")
