"""Why payees that a batch listed as failed were not paid: paid before, or refused, and by what."""

from dataclasses import dataclass, field

from libs.chain.address import EvmAddress
from payout_service.application.engine import Engine
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import FailureReason
from payout_service.domain.payout import Payout
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.settlement import RecordedPayment, Refusal


@dataclass(slots=True)
class FailedEvidence:
    """By payee; see BatchEvidence."""

    paid_flags: dict[str, bool] = field(default_factory=dict)
    recorded: dict[str, RecordedPayment] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)


async def evidence_of_failed(
    engine: Engine,
    payout: Payout,
    contract: LifecycleContract,
    payees: list[PlannedPayment],
    block_number: int,
) -> FailedEvidence:
    """Reads paid flags at the batch's block, then looks for what paid, or for what stands in the way now.

    A payee that was paid before comes back as failed, exactly like a real failure (contracts.md, 3.1).
    """
    if not payees:
        return FailedEvidence()
    if payout.snapshot is None or contract.address is None:
        raise RuntimeError(f"payout {payout.payout_id} was executed without a snapshot or a contract")
    holders = [payee.holder for payee in payees]
    flags = await engine.contracts.paid_flags(
        contract.address, payout.execution_kind, payout.reference_id, holders, block_number
    )
    paid_before = [payee.holder for payee in payees if flags[payee.holder]]
    refused = [payee for payee in payees if not flags[payee.holder]]
    return FailedEvidence(
        paid_flags=flags,
        recorded=await _recorded(engine, payout, contract, paid_before, block_number),
        refusals=await _refusals(engine, contract.address, contract.payment_token, refused),
    )


async def _recorded(
    engine: Engine, payout: Payout, contract: LifecycleContract, holders: list[str], block_number: int
) -> dict[str, RecordedPayment]:
    """The executions that paid these holders, by the contract's event and the token's Transfer log."""
    if not holders or contract.address is None:
        return {}
    found: dict[str, RecordedPayment] = {}
    wanted = frozenset(holders)
    first_block = await _first_block(engine, payout)
    for execution in await engine.contracts.executions(contract.address, first_block, block_number):
        event = execution.event
        paid = wanted & event.paid.keys()
        if not paid or not event.execution.is_of(payout.execution_kind, payout.reference_id):
            continue
        receipt = await engine.contracts.receipt_evidence(
            execution.transaction_hash, contract.address, contract.payment_token, contract.token
        )
        for holder in paid:
            found[holder] = RecordedPayment(
                execution.transaction_hash, event.paid[holder], receipt.transferred.get(holder, 0)
            )
    return found


async def _first_block(engine: Engine, payout: Payout) -> int:
    """Where executions may begin: at the snapshot, or at that of an earlier payout of the same action."""
    async with engine.unit_of_work() as work:
        same = (
            await work.payouts.of_action(payout.asset_id, payout.kind, payout.action_id)
            if payout.kind.is_corporate_action
            else [payout]
        )
    return min(each.snapshot.block_number for each in [payout, *same] if each.snapshot)


async def _refusals(
    engine: Engine, contract: EvmAddress, payment_token: EvmAddress, payees: list[PlannedPayment]
) -> dict[str, Refusal]:
    if not payees:
        return {}
    balance = await engine.contracts.payment_token_balance(payment_token, contract)
    refusals: dict[str, Refusal] = {}
    for payee in payees:
        if balance < payee.amount_base_units:
            detail = f"the contract holds {balance} base units, the payee is owed {payee.amount_base_units}"
            refusals[payee.holder] = Refusal(FailureReason.UNFUNDED, detail)
            continue
        why = await engine.contracts.why_refused(contract, payment_token, payee.holder, payee.amount_base_units)
        detail = why or "the token refused the transfer then; it would take it now"
        refusals[payee.holder] = Refusal(FailureReason.TRANSFER_REFUSED, detail)
    return refusals
