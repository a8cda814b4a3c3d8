"""Makes the next batch: as many payees as the caps allow, by estimates on the chain as it is now."""

from dataclasses import dataclass

from libs.chain.address import EvmAddress
from payout_service.application.chain_ports import CallWouldRevertError
from payout_service.application.engine import Engine, StepResult
from payout_service.domain.batch_sizing import GasModel, gas_limit
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import Batch
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.plan import PlannedPayment
from payout_service.domain.transaction import ContractCall, OwnerKind, Purpose, TransactionIntent

_LARGE_PROBE = 16
# Each shrinking takes a tenth off; so many reach one payee from any size that fits into a block.
_MAX_SHRINKINGS = 64


@dataclass(frozen=True, slots=True)
class _SizedBatch:
    payees: list[PlannedPayment]
    call: ContractCall
    gas_limit: int


async def make_batch(engine: Engine, payout: Payout, contract: LifecycleContract) -> StepResult | None:
    """Stores one batch with its intent, in one transaction. Returns None when no payee is without a batch."""
    async with engine.unit_of_work() as work:
        candidates = await work.payments.unbatched(payout.payout_id, engine.settings.batch_limits.max_payees)
    if not candidates:
        return None
    changed = await _what_changed(engine, payout, contract)
    if changed:
        return StepResult(engine.settings.blocked_poll_seconds, changed)
    try:
        sized = await _size(engine, payout, contract, candidates)
    except CallWouldRevertError as error:
        return StepResult(engine.settings.blocked_poll_seconds, f"BATCH_WOULD_REVERT: {error.reason}")
    if sized is None:
        return StepResult(
            engine.settings.blocked_poll_seconds,
            "BATCH_CAPS_TOO_LOW: not even one payee fits under the configured gas cap",
        )
    await _store(engine, payout, sized)
    return StepResult(0)


async def _what_changed(engine: Engine, payout: Payout, contract: LifecycleContract) -> str:
    """Looks again, before each batch, at what the frozen plan relied on. Empty when all is as it was."""
    address = _address(contract)
    pays_in = await engine.contracts.payment_token_of(address)
    if pays_in != contract.payment_token:
        return (
            f"PAYMENT_TOKEN_CHANGED: the contract now pays in {pays_in}, the plan is in {contract.payment_token}"
        )
    implementation = await engine.contracts.implementation_of(address)
    if implementation != payout.implementation:
        return f"IMPLEMENTATION_CHANGED: {payout.implementation} became {implementation} after the plan was frozen"
    if await engine.contracts.is_paused(address):
        return "LIFECYCLE_CONTRACT_PAUSED: who holds PAUSER_ROLE can unpause it"
    if not await engine.contracts.holds_payout_role(address, engine.signer):
        return f"PAYOUT_ROLE_MISSING: the contract's DEFAULT_ADMIN can grant it to {engine.signer}"
    return ""


async def _size(
    engine: Engine, payout: Payout, contract: LifecycleContract, candidates: list[PlannedPayment]
) -> _SizedBatch | None:
    """Fits a line through two probes, then estimates the very call; shrinks while it does not fit.

    Raises CallWouldRevertError.
    """
    limits = engine.settings.batch_limits
    probe = min(_LARGE_PROBE, len(candidates))
    small_gas = await _estimate(engine, payout, contract, candidates[:1])
    large_gas = await _estimate(engine, payout, contract, candidates[:probe])
    model = GasModel.fit(1, small_gas, probe, large_gas)
    count = min(model.payees_within(limits), len(candidates))
    for _ in range(_MAX_SHRINKINGS):
        if count < 1:
            return None
        payees = candidates[:count]
        estimate = await _estimate(engine, payout, contract, payees)
        if estimate * (100 + limits.gas_margin_percent) // 100 <= limits.max_gas:
            return _SizedBatch(
                payees, _call(engine, payout, contract, payees), gas_limit(estimate, limits.max_gas)
            )
        count = count * 9 // 10
    return None


async def _estimate(
    engine: Engine, payout: Payout, contract: LifecycleContract, payees: list[PlannedPayment]
) -> int:
    return await engine.rail.estimate_gas(engine.signer, _call(engine, payout, contract, payees))


def _call(
    engine: Engine, payout: Payout, contract: LifecycleContract, payees: list[PlannedPayment]
) -> ContractCall:
    if payout.snapshot is None:
        raise RuntimeError(f"payout {payout.payout_id} pays without a snapshot")
    return engine.contracts.pay_batch(
        _address(contract),
        contract.token,
        payout.snapshot.snapshot_id,
        [payee.holder for payee in payees],
        payout.total_base_units,
    )


async def _store(engine: Engine, payout: Payout, sized: _SizedBatch) -> None:
    async with engine.unit_of_work() as work:
        locked = await work.payouts.lock(payout.payout_id)
        if locked.state is not PayoutState.EXECUTING or locked.progress.batch_count != payout.progress.batch_count:
            return
        number = locked.add_batch(engine.now())
        key = f"batch/{payout.payout_id}/{number}"
        batch = Batch(
            number=number,
            holder_count=len(sized.payees),
            amount_base_units=sum(payee.amount_base_units for payee in sized.payees),
            intent_key=key,
            create_time=engine.now(),
        )
        await work.payments.add_batch(payout.payout_id, batch, sized.payees)
        await work.journal.add(
            TransactionIntent(
                intent_id=engine.ids.new(),
                key=key,
                purpose=Purpose.BATCH,
                owner_kind=OwnerKind.PAYOUT,
                owner_id=payout.payout_id,
                chain_id=engine.chain_id,
                signer=engine.signer,
                call=sized.call,
                gas_limit=sized.gas_limit,
                create_time=engine.now(),
            )
        )
        await work.payouts.save(locked)
        await engine.failpoints.reach("batch.before_store_commit")
        await work.commit()
    engine.nudge()
    await engine.failpoints.reach("batch.stored")


def _address(contract: LifecycleContract) -> EvmAddress:
    if contract.address is None:
        raise RuntimeError(f"asset {contract.asset_id} has no lifecycle contract")
    return contract.address
