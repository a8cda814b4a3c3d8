"""Finds out why payees that a batch reports as failed were not paid: paid before, or refused by something."""

from dataclasses import dataclass, field

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, HolderAddress
from payout_service.application.engine import Engine
from payout_service.application.paying.recorded_payments import recorded_payments
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import FailureReason
from payout_service.domain.payout import Payout
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.settlement import RecordedPayment, Refusal


@dataclass(slots=True)
class FailedEvidence:
    """The evidence about failed payees, by payee; see BatchEvidence."""

    paid_flags: dict[HolderAddress, bool] = field(default_factory=dict)
    recorded: dict[HolderAddress, RecordedPayment] = field(default_factory=dict)
    refusals: dict[HolderAddress, Refusal] = field(default_factory=dict)


async def evidence_of_failed(
    engine: Engine,
    payout: Payout,
    contract: LifecycleContract,
    payees: list[PlannedPayment],
    block_number: BlockNumber,
) -> FailedEvidence:
    """Reads paid flags at the batch's block, then looks for what paid payees, or refuses them now.

    A payee that was paid before comes back as failed, exactly like a real failure (docs/contract-surprises.md#1).
    """
    if not payees:
        return FailedEvidence()
    if payout.snapshot is None or contract.address is None:
        raise RuntimeError(f"payout {payout.payout_id} was executed without a snapshot or a contract")
    holders = [payee.holder for payee in payees]
    flags = await engine.lifecycle_contract.paid_flags(
        contract.address, payout.execution_kind, payout.reference_id, holders, block_number
    )
    paid_before = [payee.holder for payee in payees if flags[payee.holder]]
    refused = [payee for payee in payees if not flags[payee.holder]]
    return FailedEvidence(
        paid_flags=flags,
        recorded=await recorded_payments(engine, payout, contract, paid_before, block_number),
        refusals=await _refusals(engine, contract.address, contract.payment_token, refused),
    )


async def _refusals(
    engine: Engine, contract: EvmAddress, payment_token: EvmAddress, payees: list[PlannedPayment]
) -> dict[HolderAddress, Refusal]:
    if not payees:
        return {}
    balance = await engine.payment_token.payment_token_balance(payment_token, contract)
    refusals: dict[HolderAddress, Refusal] = {}
    for payee in payees:
        if balance < payee.amount_base_units:
            detail = f"the contract holds {balance} base units, the payee is owed {payee.amount_base_units}"
            refusals[payee.holder] = Refusal(FailureReason.UNFUNDED, detail)
            continue
        why = await engine.payment_token.why_refused(
            contract, payment_token, payee.holder, payee.amount_base_units
        )
        detail = why or "the token refused the transfer then; it would take it now"
        refusals[payee.holder] = Refusal(FailureReason.TRANSFER_REFUSED, detail)
    return refusals
